// Firewall marks by nf_tables, and what nft makes of them. The kernels of the lab have no nf_tables for
// IPv4 and IPv6, so there it is seen how that is told; the rest is for a kernel that has:
//
//   node dist-test/kernel/network-marks.js

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t from 'tap';
import type { Test } from 'tap';
import { Network } from 'ipvs';
import type { MarkRule } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshNetwork } from '../lab/network.js';

function nft(netns: string, ...args: string[]): string {
  const command = ['netns', 'exec', netns, 'nft', ...args];
  return execFileSync('ip', command, { encoding: 'utf8' });
}

const probe = 'nft add table ip probe && nft add table ip6 probe';
const hasTables = spawnSync('unshare', ['-n', 'sh', '-c', probe], { stdio: 'ignore' }).status === 0;

const FAMILIES = ['ipv4', 'ipv6'] as const;
const RULES: readonly MarkRule[] = [
  { family: 'ipv4', address: '10.0.0.1', protocol: 'tcp', ports: [80, 443], mark: 1 },
  {
    family: 'ipv4',
    address: '10.1.0.0/20',
    protocol: 'udp',
    ports: [{ from: 5000, to: 5010 }],
    mark: 4294967295,
  },
  { family: 'ipv4', address: '10.0.0.2', protocol: 'sctp', mark: 2 },
  { family: 'ipv6', address: 'fd00::1', protocol: 'tcp', ports: [80], mark: 3 },
  { family: 'ipv6', address: 'fd01::/33', protocol: 'udp', mark: 4 },
];

async function comesAndGoes(t: Test): Promise<void> {
  const { network, netns } = await freshNetwork(t);
  for (const family of FAMILIES) t.equal(await network.canMark(family), true);
  t.equal(nft(netns, 'list', 'ruleset'), '', 'nothing was changed to see that');
  t.strictSame(await network.marks(), [], 'without a table');
  for (const rule of RULES) await network.addMark(rule);
  t.strictSame(await network.marks(), RULES);
  const told = nft(netns, 'list', 'ruleset');
  for (const line of [
    'type filter hook prerouting priority mangle; policy accept;',
    'ip daddr 10.0.0.1 tcp dport 80 meta mark set 0x00000001 comment "ipvs"',
    'ip daddr 10.0.0.1 tcp dport 443 meta mark set 0x00000001 comment "ipvs"',
    'ip daddr 10.1.0.0/20 udp dport 5000-5010 meta mark set 0xffffffff comment "ipvs"',
    'ip daddr 10.0.0.2 meta l4proto sctp meta mark set 0x00000002 comment "ipvs"',
    'ip6 daddr fd00::1 tcp dport 80 meta mark set 0x00000003 comment "ipvs"',
    'ip6 daddr fd01::/33 meta l4proto udp meta mark set 0x00000004 comment "ipvs"',
  ]) {
    t.ok(told.includes(line), line);
  }
  for (const rule of RULES) {
    t.match(await failureOf(network.addMark(rule)), {
      name: 'NetworkError',
      code: 'EEXIST',
      command: 'add mark',
    });
  }
  t.strictSame(await network.marks(), RULES, 'nothing twice');
  for (const rule of RULES) await network.removeMark(rule);
  t.strictSame(await network.marks(), []);
  t.equal(nft(netns, 'list', 'ruleset'), '');
  for (const rule of RULES) {
    t.match(await failureOf(network.removeMark(rule)), { code: 'ENOENT', command: 'remove mark' });
  }
}

async function portByPort(t: Test): Promise<void> {
  const { network, netns } = await freshNetwork(t);
  const rule = { address: '10.0.0.1', protocol: 'tcp', mark: 1 } as const;
  await network.addMark({ ...rule, ports: [80] });
  await network.addMark({ ...rule, ports: [443, { from: 8000, to: 8010 }] });
  const ports = async () => (await network.marks()).map((each) => each.ports);
  t.strictSame(await ports(), [[80, 443, { from: 8000, to: 8010 }]]);
  const again = network.addMark({ ...rule, ports: [81, 443] });
  t.match(await failureOf(again), { code: 'EEXIST' });
  const wrong = network.removeMark({ ...rule, ports: [80, 82] });
  t.match(await failureOf(wrong), {
    code: 'ENOENT',
    subject: 'tcp 10.0.0.1/32 ports 80, 82 (mark 1)',
  });
  t.strictSame(await ports(), [[80, 443, { from: 8000, to: 8010 }]]);
  await network.removeMark({ ...rule, ports: [443] });
  t.strictSame(await ports(), [[80, { from: 8000, to: 8010 }]]);
  // Somebody else's rule in our chain keeps the table.
  nft(netns, 'add', 'rule', 'ip', 'ipvs', 'prerouting', 'counter');
  await network.removeMark({ ...rule, ports: [80, { from: 8000, to: 8010 }] });
  t.strictSame(await network.marks(), []);
  t.match(nft(netns, 'list', 'ruleset'), /counter packets/);
}

// Everybody who changes rules at the same time makes the others look again.
async function severalHandles(t: Test): Promise<void> {
  const { network, netns } = await freshNetwork(t);
  const others = await Promise.all([1, 2, 3].map(() => Network.open({ netns })));
  t.teardown(() => Promise.all(others.map((each) => each.close())).then(() => undefined));
  const rule = { address: '10.0.0.1', protocol: 'tcp', mark: 1 } as const;
  const all = [network, ...others];
  await Promise.all(
    all.flatMap((each, i) =>
      Array.from({ length: 5 }, (_, j) => each.addMark({ ...rule, ports: [1000 + 10 * i + j] })),
    ),
  );
  const [found] = await network.marks();
  t.equal(found?.ports?.length, 20);
  await Promise.all(
    all.flatMap((each, i) =>
      Array.from({ length: 5 }, (_, j) => each.removeMark({ ...rule, ports: [1000 + 10 * i + j] })),
    ),
  );
  t.strictSame(await network.marks(), []);
  t.equal(nft(netns, 'list', 'ruleset'), '');
}

const SERVER = `
import select, socket
servers = []
for port in (53, 54):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('0.0.0.0', port))
    servers.append(s)
print('ready', flush=True)
print(select.select(servers, [], [])[0][0].getsockname()[1], flush=True)
`;

const CLIENT = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'x', ('10.0.0.1', 54))
s.sendto(b'x', ('10.0.0.1', 53))
`;

// The mark, a rule and a local route are how packets to any address come to a director.
async function reachesTheHost(t: Test): Promise<void> {
  const director = await freshNetwork(t);
  const client = await freshNetwork(t);
  director.ip(
    'link add name va type veth peer name vb',
    `link set vb netns ${client.netns}`,
    'link set va up',
    'address add 10.9.0.1/24 dev va',
  );
  client.ip('link set vb up', 'address add 10.9.0.2/24 dev vb', 'route add default via 10.9.0.1');
  const { network } = director;
  await network.addMark({ address: '10.0.0.1', protocol: 'udp', ports: [53], mark: 7 });
  await network.addRule({ fwmark: 7, table: 100 });
  const everything = { destination: 'default', family: 'ipv4', type: 'local' } as const;
  await network.addRoute({ ...everything, interface: 'lo', table: 100 });
  const command = ['netns', 'exec', director.netns, 'python3', '-c', SERVER];
  const server = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  t.teardown(() => ended.then(() => undefined));
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  await lines.next();
  execFileSync('ip', ['netns', 'exec', client.netns, 'python3', '-c', CLIENT]);
  const { value } = (await lines.next()) as IteratorResult<string, undefined>;
  t.equal(value, '53', 'the one to the port, and not the other');
}

async function isTold(t: Test): Promise<void> {
  const { network, netns } = await freshNetwork(t);
  for (const family of FAMILIES) t.equal(await network.canMark(family), false);
  t.strictSame(await network.marks(), []);
  for (const rule of RULES) {
    t.match(await failureOf(network.addMark(rule)), {
      name: 'NetworkError',
      code: 'ERR_IPVS_UNAVAILABLE',
      command: 'add mark',
      message: /this kernel has no nf_tables, or not for this address family/,
    });
    t.match(await failureOf(network.removeMark(rule)), { code: 'ENOENT' });
  }
  t.equal(nft(netns, 'list', 'ruleset'), '');
}

if (hasTables) {
  t.test('a mark is what nft would have made, and is gone with its table', comesAndGoes);
  t.test('ports come and go one by one, all that a call names or none', portByPort);
  t.test('calls of several handles do not spoil each other', severalHandles);
  t.test('what is marked reaches this host', reachesTheHost);
} else {
  t.test('where nf_tables is missing it is told', isTold);
}
