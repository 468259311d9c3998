// Who on the link has an address, and telling them that it is here now.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t from 'tap';
import type { Test } from 'tap';
import type { Network } from 'ipvs';
import { parseAddress } from '#lib/address';
import { loadAddon } from '#lib/load';
import type { NeighbourRecord, NetworkAddon } from '#lib/network/native';
import { failureOf } from '../lab/failure.js';
import { freshNetwork, openSysctl } from '../lab/network.js';
import type { FreshNetwork } from '../lab/network.js';
import { until } from '../lab/until.js';

const MAC = '02:00:00:00:00:01';
const OTHER = '02:00:00:00:00:02';

t.test('a neighbour is added, replaced and removed', async (t) => {
  const { network, ip } = await freshNetwork(t);
  ip('link add name va type veth peer name vb', 'link set va up', 'link set vb up');
  const key = { interface: 'va', address: '10.0.0.5' };
  for (const each of [key, { interface: 'va', address: 'fd00::5' }]) {
    const there = async () =>
      (await network.neighbours({ interface: 'va' })).filter((one) => one.address === each.address);
    await network.addNeighbour({ ...each, linkAddress: MAC });
    t.match(await there(), [{ ...each, linkAddress: MAC, state: 'permanent', proxy: false }]);
    const again = network.addNeighbour({ ...each, linkAddress: OTHER });
    t.match(await failureOf(again), {
      name: 'NetworkError',
      code: 'EEXIST',
      command: 'add neighbour',
      subject: `${each.address} on va`,
    });
    await network.replaceNeighbour({ ...each, linkAddress: OTHER, state: 'noarp' });
    t.match(await there(), [{ linkAddress: OTHER, state: 'noarp' }]);
    await network.removeNeighbour(each);
    t.strictSame(
      (await there()).filter(({ state }) => state !== 'failed'),
      [],
    );
  }
  const gone = { interface: 'va', address: '10.0.0.77' };
  t.match(await failureOf(network.removeNeighbour(gone)), { code: 'ENOENT' });
  t.match(await failureOf(network.removeNeighbour({ ...key, interface: 'none' })), {
    code: 'ENODEV',
  });
});

t.test('what this host answers for is told apart', async (t) => {
  const { network, ip } = await freshNetwork(t);
  ip(
    'link add name va type veth peer name vb',
    'link set va up',
    // Without a carrier the kernel forgets neighbours, in its own time.
    'link set vb up',
    `neighbour add 10.0.0.6 lladdr ${MAC} dev va nud stale`,
  );
  await network.addNeighbour({ interface: 'va', address: '10.0.0.5', proxy: true });
  await network.addNeighbour({ interface: 'va', address: 'fd00::5', proxy: true });
  const [told = []] = ip('neighbour show proxy');
  t.match(told, [
    { dst: '10.0.0.5', dev: 'va' },
    { dst: 'fd00::5', dev: 'va' },
  ]);
  t.match(await network.neighbours({ interface: 'va', family: 'ipv4' }), [
    { interface: 'va', address: '10.0.0.5', family: 'ipv4', proxy: true },
    { address: '10.0.0.6', linkAddress: MAC, state: 'stale', proxy: false },
  ]);
  t.match(
    (await network.neighbours({ family: 'ipv6' })).filter(({ proxy }) => proxy),
    [{ address: 'fd00::5', family: 'ipv6' }],
  );
  await network.removeNeighbour({ interface: 'va', address: '10.0.0.5', proxy: true });
  t.match(await network.neighbours({ interface: 'va', family: 'ipv4' }), [{ proxy: false }]);
});

// Prints each ARP packet and each neighbour advertisement that arrives on an interface, in hex.
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print('ready', flush=True)
while True:
    frame = s.recv(2048)
    arp = frame[12:14] == b'\\x08\\x06'
    advertisement = frame[12:14] == b'\\x86\\xdd' and frame[20] == 58 and frame[54] == 136
    if arp or advertisement:
        print(frame.hex(), flush=True)
`;

/** What arrives on an interface; `take` waits for so many. */
async function listen(t: Test, netns: string, interfaceName: string) {
  const command = ['netns', 'exec', netns, 'python3', '-c', LISTENER, interfaceName];
  const child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill();
    await ended;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value } = (await lines.next()) as IteratorResult<string, undefined>;
    if (value === undefined) throw new Error('the listener is gone');
    return value;
  };
  if ((await next()) !== 'ready') throw new Error('the listener is not ready');
  return async (count: number): Promise<string[]> => {
    const frames: string[] = [];
    while (frames.length < count) frames.push(await next());
    return frames;
  };
}

/** Two ends of a cable, the first with a MAC that is known. */
async function cable(t: Test): Promise<FreshNetwork> {
  const fresh = await freshNetwork(t);
  fresh.ip(
    `link add name va address ${MAC} type veth peer name vb`,
    'link set va up',
    'link set vb up',
  );
  return fresh;
}

const unspaced = (text: string): string => text.replace(/\s/g, '');

const ARP = unspaced(`
  ffffffffffff 020000000001 0806
  0001 0800 06 04 0001
  020000000001 0a000001
  000000000000 0a000001`);

// The checksum was worked out by hand: the rest of the packet with its pseudo-header, folded.
const advertisement = (flags: string, checksum: string): string =>
  unspaced(`
  333300000001 020000000001 86dd
  60000000 0020 3a ff
  fd000000000000000000000000000001 ff020000000000000000000000000001
  88 00 ${checksum} ${flags}000000
  fd000000000000000000000000000001
  02 01 020000000001`);

t.test('an address is announced as receivers expect it', async (t) => {
  const { network, netns } = await cable(t);
  const take = await listen(t, netns, 'vb');
  await network.announce({
    interface: 'va',
    addresses: ['10.0.0.1', 'fd00::1'],
    count: 2,
    repeatAfter: 1,
  });
  const frames = await take(8);
  const [arp, other] = [
    frames.filter((each) => each === ARP),
    frames.filter((each) => each !== ARP),
  ];
  t.equal(arp.length, 4, 'twice, and twice again');
  t.strictSame(new Set(other), new Set([advertisement('20', checksumOf('20'))]));
  t.equal(other.length, 4);

  const sysctl = await openSysctl(t, netns);
  await sysctl.set('net.ipv6.conf.va.forwarding', 1);
  const asRouter = {
    interface: 'va',
    addresses: ['fd00::1'],
    count: 1,
    interval: 1,
    repeatAfter: 0,
  };
  await network.announce(asRouter);
  t.strictSame(await take(1), [advertisement('a0', checksumOf('a0'))], 'a router says so');
});

// RFC 1071, over the pseudo-header of RFC 8200, section 8.1.
function checksumOf(flags: string): string {
  const frame = advertisement(flags, '0000');
  const packet = frame.slice(28);
  const covered = `${packet.slice(16, 80)}00000020` + `0000003a${packet.slice(80)}`;
  let sum = 0;
  for (let i = 0; i < covered.length; i += 4) sum += parseInt(covered.slice(i, i + 4), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return (~sum & 0xffff).toString(16).padStart(4, '0');
}

// The kernel on the other side judges by itself whether a packet is right.
t.test('a neighbour that knew another MAC takes the new one', async (t) => {
  const ours = await cable(t);
  const theirs = await freshNetwork(t);
  ours.ip(`link set vb netns ${theirs.netns}`);
  theirs.ip(
    'link set vb up',
    'address add 10.0.0.2/24 dev vb',
    'address add fd00::2/64 dev vb nodad',
  );
  await bothRunning(ours, theirs);
  const addresses = ['10.0.0.1', 'fd00::1'];
  for (const address of addresses) {
    await theirs.network.addNeighbour({
      interface: 'vb',
      address,
      linkAddress: '02:00:00:00:00:99',
      state: 'stale',
    });
  }
  await ours.network.announce({ interface: 'va', addresses, count: 1, repeatAfter: 0 });
  for (const address of addresses) {
    await settled(theirs.network, address);
    t.pass(`${address} is known by the MAC that was announced`);
  }
});

/** What is sent before is dropped in silence: the kernel sees the carrier in its own time. */
const bothRunning = (ours: FreshNetwork, theirs: FreshNetwork): Promise<void> =>
  until('both ends have a carrier', async () => {
    const links = [await ours.network.getLink('va'), await theirs.network.getLink('vb')];
    return links.every((link) => link?.running);
  });

/** The neighbour's MAC is the one that was announced; the kernel takes it in its own time. */
const settled = (network: Network, address: string): Promise<void> =>
  until(`${address} has the MAC that was announced`, async () => {
    const neighbours = await network.neighbours({ interface: 'vb' });
    return neighbours.find((each) => each.address === address)?.linkAddress === MAC;
  });

// Catches answers that came in time and are not looked at, because their thread got no processor. Either
// way out would do for this: to look once more at the end, or to wait a little in any case.
t.test('where the time is up before anybody has listened, answers are heard', async (t) => {
  const ours = await cable(t);
  const theirs = await freshNetwork(t);
  // By itself the link's own address takes a second or two.
  ours.ip('address add fe80::1/64 dev va nodad', `link set vb netns ${theirs.netns}`);
  theirs.ip(
    'link set vb up',
    'address add 10.0.0.2/24 dev vb',
    'address add fd00::2/64 dev vb nodad',
  );
  await bothRunning(ours, theirs);
  const { NetworkChannel } = loadAddon() as unknown as NetworkAddon;
  const native = new NetworkChannel(`/run/netns/${ours.netns}`);
  t.teardown(() => {
    native.close();
  });
  const addresses = ['10.0.0.2', 'fd00::2'].flatMap((text) => parseAddress(text) ?? []);
  const claimants = await new Promise<readonly NeighbourRecord[]>((resolve, reject) => {
    native.open((unopened) => {
      native.probe('va', addresses, 0, 10_000, (failure = unopened, found) => {
        if (failure === undefined) resolve(found);
        else reject(new Error(`${failure.syscall} ${failure.errno} ${failure.detail}`));
      });
    });
  });
  const { address: mac } = (await theirs.network.getLink('vb')) ?? {};
  t.match(claimants, [{ address: '10.0.0.2', linkAddress: mac }, { address: 'fd00::2' }]);
});

t.test('where nobody can be told, it is said', async (t) => {
  const { network, netns, ip } = await cable(t);
  await network.addLink({ name: 'tun', kind: 'ipip', local: '10.0.0.1', up: true });
  await network.addLink({ name: 'dum0', kind: 'dummy', up: true });
  const announce = (interfaceName: string) =>
    failureOf(network.announce({ interface: interfaceName, addresses: ['10.0.0.1'] }));
  for (const name of ['lo', 'tun', 'dum0']) {
    t.match(await announce(name), {
      name: 'NetworkError',
      code: 'EOPNOTSUPP',
      command: 'announce',
      subject: `10.0.0.1 on ${name}`,
      message: /the interface has no MAC or does no ARP/,
    });
  }
  t.match(await announce('none'), { code: 'ENODEV' });
  ip('link set va down');
  t.match(await announce('va'), { code: 'ENETDOWN', message: /the interface is down/ });
  t.equal(typeof netns, 'string');
});

t.test('an announcement can be aborted, and close() waits for one that is not', async (t) => {
  const { network, netns } = await cable(t);
  const take = await listen(t, netns, 'vb');
  const addresses = ['10.0.0.1'];
  const controller = new AbortController();
  const { signal } = controller;
  const endless = network.announce({
    interface: 'va',
    addresses,
    repeatAfter: 2 ** 31 - 1,
    signal,
  });
  t.strictSame(await take(5), new Array(5).fill(ARP), 'five times at once');
  controller.abort(new Error('enough'));
  t.match(await failureOf(endless), {
    name: 'AbortError',
    code: 'ABORT_ERR',
    sent: true,
    cause: { message: 'enough' },
  });
  const late = network.announce({ interface: 'va', addresses, signal });
  t.match(await failureOf(late), { name: 'AbortError', sent: false });
  let done = false;
  const last = network
    .announce({ interface: 'va', addresses, count: 2, interval: 1, repeatAfter: 1 })
    .then(() => (done = true));
  await network.close();
  t.equal(done, true);
  await last;
  t.strictSame(await take(4), new Array(4).fill(ARP));
  t.match(await failureOf(network.links()), { code: 'ERR_IPVS_CLOSED', command: 'list links' });
});

t.test('the ports of FOU and GUE', async (t) => {
  const { network } = await freshNetwork(t);
  await network.addFouPort({ port: 6080, type: 'gue' });
  await network.addFouPort({ port: 5555, type: 'fou', protocol: 4 });
  await network.addFouPort({ port: 6080, type: 'gue', family: 'ipv6' });
  const ports = [
    { port: 5555, family: 'ipv4', type: 'fou', protocol: 4 },
    { port: 6080, family: 'ipv4', type: 'gue' },
    { port: 6080, family: 'ipv6', type: 'gue' },
  ] as const;
  t.strictSame(await network.fouPorts(), ports);
  for (const port of ports) {
    t.match(await failureOf(network.addFouPort(port)), {
      command: 'add FOU port',
      code: 'EADDRINUSE',
    });
  }
  t.match(await failureOf(network.addFouPort({ port: 6080, type: 'fou', protocol: 4 })), {
    code: 'EADDRINUSE',
    subject: '6080 (ipv4)',
  });
  for (const port of ports) await network.removeFouPort(port);
  t.strictSame(await network.fouPorts(), []);
  t.match(await failureOf(network.removeFouPort(ports[0])), { code: 'ENOENT' });
});

t.test('without the module there are no ports', async (t) => {
  const { network } = await freshNetwork(t);
  execFileSync('modprobe', ['-r', 'fou']);
  t.strictSame(await network.fouPorts(), []);
  t.match(await failureOf(network.removeFouPort({ port: 1, type: 'gue' })), {
    code: 'ERR_IPVS_UNAVAILABLE',
  });
});
