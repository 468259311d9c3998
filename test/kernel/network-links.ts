// Interfaces on the real kernel: what is made here is what `ip` would have made, and what `ip` made
// reads here as it is.

import t from 'tap';
import type { LinkConfig } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshNetwork } from '../lab/network.js';
import type { Told } from '../lab/network.js';
import { until } from '../lab/until.js';

interface Row {
  readonly config: LinkConfig;
  /** The same for `ip link add`. */
  readonly words: string;
  /** How it reads, besides what is the same for all. */
  readonly reads?: object;
}

const ROWS: readonly Row[] = [
  { config: { name: 'x', kind: 'dummy' }, words: 'mtu 1500 type dummy' },
  { config: { name: 'x', kind: 'dummy', mtu: 1400, up: true }, words: 'mtu 1400 up type dummy' },
  {
    config: { name: 'x', kind: 'ipip', local: '10.0.0.1', remote: '10.0.0.2', ttl: 64, mtu: 1400 },
    words: 'mtu 1400 type ipip local 10.0.0.1 remote 10.0.0.2 ttl 64',
    reads: { tunnel: { local: '10.0.0.1', remote: '10.0.0.2', ttl: 64 } },
  },
  {
    config: { name: 'x', kind: 'ipip', local: '10.0.0.3', interface: 'lo' },
    words: 'type ipip local 10.0.0.3 dev lo',
    reads: { tunnel: { local: '10.0.0.3' } },
  },
  {
    config: { name: 'x', kind: 'ipip', external: true, up: true },
    words: 'up type ipip external',
    reads: { tunnel: { external: true } },
  },
  {
    config: { name: 'x', kind: 'sit', local: '10.0.0.1', remote: '10.0.0.2' },
    words: 'type sit local 10.0.0.1 remote 10.0.0.2',
    reads: { tunnel: { local: '10.0.0.1', remote: '10.0.0.2' } },
  },
  {
    config: { name: 'x', kind: 'ip6tnl', local: 'fd00::1', remote: 'fd00::2' },
    words: 'type ip6tnl mode any local fd00::1 remote fd00::2',
    reads: { tunnel: { local: 'fd00::1', remote: 'fd00::2', ttl: 64 } },
  },
  {
    config: { name: 'x', kind: 'ip6tnl', external: true },
    words: 'type ip6tnl external',
    reads: { tunnel: { external: true } },
  },
  {
    config: { name: 'x', kind: 'gre', local: '10.0.0.1', remote: '10.0.0.2', checksum: true },
    words: 'type gre local 10.0.0.1 remote 10.0.0.2 csum',
    reads: { tunnel: { local: '10.0.0.1', remote: '10.0.0.2', checksum: true } },
  },
  {
    config: { name: 'x', kind: 'gre', local: '10.0.0.1', ttl: 255 },
    words: 'type gre local 10.0.0.1 ttl 255',
    reads: { tunnel: { local: '10.0.0.1', ttl: 255 } },
  },
  {
    config: { name: 'x', kind: 'gre', external: true },
    words: 'type gre external',
    reads: { tunnel: { external: true } },
  },
  {
    config: { name: 'x', kind: 'ip6gre', local: 'fd00::1', remote: 'fd00::2', checksum: true },
    words: 'type ip6gre local fd00::1 remote fd00::2 csum',
    reads: { tunnel: { local: 'fd00::1', remote: 'fd00::2', ttl: 64, checksum: true } },
  },
  {
    config: { name: 'x', kind: 'ip6gre', external: true },
    words: 'type ip6gre external',
    reads: { tunnel: { external: true } },
  },
];

/** What `ip` tells of an interface, but for what two of them can't share. */
function comparable(told: Told): Told {
  const own = ['ifindex', 'ifname', 'address', 'permaddr'];
  return Object.fromEntries(Object.entries(told).filter(([name]) => !own.includes(name)));
}

t.test('an interface that is added is the one that ip adds', async (t) => {
  const ours = await freshNetwork(t);
  const theirs = await freshNetwork(t);
  theirs.ip(...ROWS.map(({ words }, i) => `link add name x${i} ${words}`));
  for (const [i, { config }] of ROWS.entries()) {
    await ours.network.addLink({ ...config, name: `x${i}` });
  }
  const [left = []] = ours.ip('link show');
  const [right = []] = theirs.ip('link show');
  const mine = new Map(left.map((each) => [each.ifname, each]));
  const told = new Map(right.map((each) => [each.ifname, each]));
  const links = await ours.network.links();
  t.strictSame(
    links.map(({ index, name }) => [index, name]),
    left.map((each) => [each.ifindex, each.ifname]),
    'all of them, sorted by index',
  );
  for (const [i, { config, words, reads }] of ROWS.entries()) {
    const name = `x${i}`;
    const [our, their] = [mine.get(name), told.get(name)];
    if (our === undefined || their === undefined) throw new Error(`${words} is missing`);
    t.strictSame(comparable(our), comparable(their), words);
    const link = links.find((each) => each.name === name);
    t.match(link, { name, kind: config.kind, up: config.up ?? false, mtu: our.mtu, ...reads });
    t.equal(link?.arp, !(our.flags as string[]).includes('NOARP'));
    t.strictSame(await ours.network.getLink(name), link, 'one is read as all are');
    const theirLink = await theirs.network.getLink(name);
    t.strictSame({ ...theirLink, index: 0, address: '' }, { ...link, index: 0, address: '' });
  }
});

t.test('other kinds are read', async (t) => {
  const { network, ip } = await freshNetwork(t);
  ip(
    'link add name va address 02:00:00:00:00:01 type veth peer name vb',
    'link add name br type bridge',
    'link set va up',
    'link set vb up',
  );
  await until('there is a carrier', async () => (await network.getLink('va'))?.running === true);
  t.match(await network.getLink('lo'), { index: 1, loopback: true, up: true, running: true });
  t.notOk('kind' in ((await network.getLink('lo')) ?? {}));
  t.match(await network.getLink('va'), {
    kind: 'veth',
    address: '02:00:00:00:00:01',
    up: true,
    running: true,
    arp: true,
    loopback: false,
    mtu: 1500,
  });
  t.match(await network.getLink('br'), { kind: 'bridge', up: false, running: false });
});

t.test('an interface is changed and removed', async (t) => {
  const { network, ip } = await freshNetwork(t);
  await network.addLink({ name: 'dum0', kind: 'dummy' });
  t.match(await network.getLink('dum0'), { up: false, arp: false, mtu: 1500 });
  await network.setLink('dum0', { up: true, arp: true });
  t.match(await network.getLink('dum0'), { up: true, arp: true, mtu: 1500 });
  await network.setLink('dum0', { mtu: 9000 });
  t.match(await network.getLink('dum0'), { up: true, arp: true, mtu: 9000 });
  await network.setLink('dum0', { up: false, arp: false });
  t.match(ip('link show dum0')[0], [{ flags: ['BROADCAST', 'NOARP'], mtu: 9000 }]);
  await network.setLink('dum0', {});
  await network.removeLink('dum0');
  t.equal(await network.getLink('dum0'), undefined);
  t.strictSame(
    (await network.links()).filter(({ name }) => name === 'dum0'),
    [],
  );
});

t.test('what the kernel refuses is an error with its code', async (t) => {
  const { network, ip } = await freshNetwork(t);
  await network.addLink({ name: 'dum0', kind: 'dummy' });
  t.match(await failureOf(network.addLink({ name: 'dum0', kind: 'ipip' })), {
    name: 'NetworkError',
    code: 'EEXIST',
    errno: -17,
    command: 'add link',
    subject: 'dum0',
    message: /^add link dum0: there is an interface of that name already.*\(EEXIST\)$/,
  });
  for (const call of [
    network.setLink('none', { up: true }),
    network.removeLink('none'),
    network.addLink({ name: 'x', kind: 'ipip', interface: 'none' }),
  ]) {
    t.match(await failureOf(call), { code: 'ENODEV', errno: -19, syscall: undefined });
  }
  t.match(await failureOf(network.removeLink('lo')), { code: 'EOPNOTSUPP' });
  // The kernel's own tunnel has no ends either, and comes with the module.
  const twin = await failureOf(network.addLink({ name: 'x', kind: 'ipip' }));
  t.match(twin, { code: 'EEXIST', message: /or a tunnel with the same ends/ });
  ip('link add name va type veth peer name vb');
  const tooLarge = await failureOf(network.setLink('va', { mtu: 2 ** 31 - 1 }));
  t.match(tooLarge, {
    code: 'EINVAL',
    message: /the kernel says: mtu greater than device maximum/,
  });
  t.equal((await network.links()).length > 1, true, 'the socket is still good');
});
