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
import { Cluster } from 'ipvs/cluster';
import { markRule } from '#lib/cluster/kernel-values';
import type { MarkResource } from '#lib/cluster/resources';
import { shellOf } from '#lib/cluster/shell';
import { failureOf } from '../lab/failure.js';
import { freshNetwork } from '../lab/network.js';
import { freshFolder } from '../lab/folder.js';

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
    'table ip ipvs_marks {',
    'chain mark_1_tcp_10.0.0.1 {',
    'ip daddr 10.0.0.1 tcp dport 80 meta mark set 0x00000001 comment "ipvs tcp 10.0.0.1 80 mark 1"',
    'ip daddr 10.0.0.1 tcp dport 443 meta mark set 0x00000001 comment "ipvs tcp 10.0.0.1 443 mark 1"',
    'ip daddr 10.1.0.0/20 udp dport 5000-5010 meta mark set 0xffffffff comment ' +
      '"ipvs udp 10.1.0.0/20 5000-5010 mark 4294967295"',
    'ip daddr 10.0.0.2 meta l4proto sctp meta mark set 0x00000002 comment "ipvs sctp 10.0.0.2 mark 2"',
    'chain mark_3_tcp_fd00__1 {',
    'ip6 daddr fd00::1 tcp dport 80 meta mark set 0x00000003 comment "ipvs tcp fd00::1 80 mark 3"',
    'ip6 daddr fd01::/33 meta l4proto udp meta mark set 0x00000004 comment "ipvs udp fd01::/33 mark 4"',
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
  await network.removeMark({ ...rule, ports: [80, { from: 8000, to: 8010 }] });
  t.equal(nft(netns, 'list', 'ruleset'), '');
}

// What others have put into the table, or called by the name of the library, is theirs.
async function leavesOthersAlone(t: Test): Promise<void> {
  const { network, netns } = await freshNetwork(t);
  const rule = { address: '10.0.0.1', protocol: 'tcp', mark: 1, ports: [80, 81] } as const;
  const CHAIN = 'mark_1_tcp_10.0.0.1';
  nft(netns, 'add table ip ipvs; add chain ip ipvs prerouting; add counter ip ipvs c');
  const before = nft(netns, 'list', 'ruleset');
  for (const [add, remove] of [
    [`add chain ip ipvs_marks other`, 'delete chain ip ipvs_marks other'],
    [`add set ip ipvs_marks s { type ipv4_addr; }`, 'delete set ip ipvs_marks s'],
    [`add counter ip ipvs_marks c`, 'delete counter ip ipvs_marks c'],
    [
      `add rule ip ipvs_marks ${CHAIN} counter comment "ipvs"`,
      `flush chain ip ipvs_marks ${CHAIN}`,
    ],
  ] as const) {
    await network.addMark(rule);
    nft(netns, add);
    t.match(await network.marks(), [{ ports: [80, 81] }]);
    await network.removeMark(rule);
    t.same(await network.marks(), []);
    const kept = nft(netns, 'list table ip ipvs_marks');
    t.match(kept, add.includes('rule') ? /counter packets/ : /other|set s|counter c/, add);
    t.equal(kept.includes(CHAIN), add.includes('rule'), 'our chain is gone, where it is empty');
    nft(netns, remove);
    await network.addMark(rule);
    await network.removeMark(rule);
    t.equal(nft(netns, 'list', 'ruleset'), before, 'the next one that is removed tidies up');
  }
}

// One message to the kernel, or none: it carries out all of it or nothing.
async function manyPorts(t: Test): Promise<void> {
  const { network } = await freshNetwork(t);
  const rule = { address: 'fd00::1', protocol: 'sctp', mark: 1 } as const;
  const odd = (count: number) => Array.from({ length: count }, (_, index) => 2 * index + 1);
  await network.addMark({ ...rule, ports: odd(1200) });
  t.same((await network.marks())[0]?.ports, odd(1200));
  const again = network.addMark({ ...rule, ports: [2, ...odd(1200)] });
  t.match(await failureOf(again), { code: 'EEXIST' });
  await network.removeMark({ ...rule, ports: odd(1200) });
  t.same(await network.marks(), []);
  // More than the send buffer that sockets have otherwise.
  await network.addMark({ ...rule, ports: odd(8000) });
  t.equal((await network.marks())[0]?.ports?.length, 8000);
  await network.removeMark({ ...rule, ports: odd(8000) });
  t.same(await network.marks(), []);
}

/** The lines of a plan, run by a shell. */
function sh(netns: string, script: string): void {
  const { status, stderr } = spawnSync('ip', ['netns', 'exec', netns, 'sh', '-e'], {
    input: script,
    encoding: 'utf8',
  });
  if (status !== 0 || stderr !== '') throw new Error(`${script}\n${stderr}`);
}

async function isWhatTheScriptMakes(t: Test): Promise<void> {
  const { network, netns } = await freshNetwork(t);
  const twin = await freshNetwork(t);
  const marked = [
    {
      family: 'ipv4',
      address: '192.168.51.11',
      protocol: 'tcp',
      fwmark: 7,
      ports: ['80', '90-99'],
    },
    { family: 'ipv4', address: '192.168.51.11', protocol: 'udp', fwmark: 7, ports: ['53'] },
    {
      family: 'ipv6',
      address: 'fd00::1',
      protocol: 'sctp',
      fwmark: 4294967295,
      ports: ['1-65535'],
    },
  ] as const;
  const resources = marked.map((each): MarkResource => ({ kind: 'mark', ...each }));
  const add = resources.map((each) => shellOf(each, null, { ports: each.ports }));
  const remove = resources.map((each) => shellOf(each, { ports: each.ports }, null));
  const table = (place: string) => nft(place, 'list', 'ruleset');

  for (const script of add) sh(netns, script);
  for (const each of resources) await twin.network.addMark(markRule(each, { ports: each.ports }));
  t.equal(table(netns), table(twin.netns), 'nft sees no difference');
  t.strictSame(await network.marks(), await twin.network.marks(), 'nor does the library');
  t.same(
    (await network.marks()).map(({ ports }) => ports),
    [[80, { from: 90, to: 99 }], [53], [{ from: 1, to: 65535 }]],
  );
  for (const script of add) sh(netns, script);
  t.equal(table(netns), table(twin.netns), 'twice is once');

  for (const each of resources) await network.removeMark(markRule(each, { ports: each.ports }));
  t.equal(table(netns), '', 'the library takes back what the script has made');
  for (const script of remove) sh(twin.netns, script);
  t.equal(table(twin.netns), '', 'and the script what the library has');

  for (const script of add) sh(netns, script);
  nft(netns, 'add set ip ipvs_marks s { type ipv4_addr; }');
  for (const script of remove) sh(netns, script);
  t.match(
    table(netns),
    /^table ip ipvs_marks \{\n\tset s \{[^}]*}\n}\n$/,
    'what is not ours stays',
  );
}

// No more of a director than its marks: this kernel may have no IPVS.
async function isFoundMissing(t: Test): Promise<void> {
  const { network, netns, ip } = await freshNetwork(t);
  ip('link add eth0 type veth peer name eth1');
  const cluster = Cluster.from({
    mode: 'dr',
    vip: ['10.0.0.1', 'fd00::1'],
    services: [{ fwmark: 7, protocol: ['tcp', 'udp'], ports: [443, '80-90'] }],
    nodes: {
      lb1: { role: 'director', interface: 'eth0' },
      rs1: { role: 'real-server', interface: 'eth0', address: ['10.0.0.2', 'fd00::2'] },
    },
  });
  await using node = cluster.node('lb1', { netns, journal: freshFolder(t) });
  const missing = async () => (await node.check()).filter(({ code }) => code === 'mark-missing');
  const found = await missing();
  t.same(
    found.map(({ severity, subject }) => `${severity} ${subject}`),
    [
      'error mark 7 of tcp 10.0.0.1',
      'error mark 7 of udp 10.0.0.1',
      'error mark 7 of tcp fd00::1',
      'error mark 7 of udp fd00::1',
    ],
  );
  for (const { mend } of found) await mend?.apply();
  t.same(await missing(), []);
  t.equal((await network.marks()).length, 4);
  await network.removeMark({ address: '10.0.0.1', protocol: 'udp', ports: [443], mark: 7 });
  t.match(await missing(), [{ explanation: /given to other ports than udp .*: \["80-90"\]/ }]);
  for (const { mend } of await missing()) await mend?.apply();
  t.same(await missing(), []);
  t.same((await node.revert()).kept, []);
  t.equal(nft(netns, 'list', 'ruleset'), '');
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
  t.test("others' chains, sets, counters and rules stay", leavesOthersAlone);
  t.test('thousands of ports are one message', manyPorts);
  t.test(
    'a script makes the same, and each takes back what the other has made',
    isWhatTheScriptMakes,
  );
  t.test('a rule that is missing is found and mended', isFoundMissing);
  t.test('calls of several handles do not spoil each other', severalHandles);
  t.test('what is marked reaches this host', reachesTheHost);
} else {
  t.test('where nf_tables is missing it is told', isTold);
}
