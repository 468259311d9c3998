// The cluster helper on a real kernel, in short: nodes that are set up, set up again, and taken back
// to what was there before; and by a shell with the script of the plan.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import t from 'tap';
import type { Test } from 'tap';
import { Ipvs } from 'ipvs';
import { Cluster, Network, Sysctl } from 'ipvs/cluster';
import type { ClusterDescription, ClusterNode } from 'ipvs/cluster';
import { freshNamespace } from '../lab/namespace.js';
import { reference } from '../fixtures/clusters.js';
import { interfacesOf } from '../fixtures/fake-node.js';

/** All that the helper may change, and what might change with it, a line each. */
async function snapshot(netns: string): Promise<string[]> {
  await using network = await Network.open({ netns });
  await using sysctl = await Sysctl.open({ netns });
  await using ipvs = await Ipvs.open({ netns });
  const [settings, ...rest] = await Promise.all([
    sysctl.list('net'),
    network.links(),
    network.addresses(),
    network.routes(),
    network.rules(),
    network.neighbours().then((all) => all.filter(({ proxy }) => proxy)),
    network.fouPorts(),
    ipvs.listServices(),
    ipvs.listSyncDaemons(),
  ]);
  const table = await ipvs.snapshot();
  return [
    // Whether the other end is up shows a moment later.
    ...rest.flat().map((each) => JSON.stringify({ ...each, running: undefined })),
    ...table.services.flatMap(({ destinations }) =>
      destinations.map((each) => JSON.stringify(each)),
    ),
    // Counters, and what is random.
    ...settings
      .filter(({ name }) => !/stable_secret|nf_conntrack_count/.test(name))
      .map(({ name, value }) => `${name} = ${value}`),
  ];
}

/** Lines that are in one of the two alone. */
function difference(from: readonly string[], to: readonly string[]): string[] {
  const [before, after] = [new Set(from), new Set(to)];
  return [
    ...from.filter((line) => !after.has(line)).map((line) => `- ${line}`),
    ...to.filter((line) => !before.has(line)).map((line) => `+ ${line}`),
  ];
}

/** A namespace with a node's interfaces, whose other ends are in another one. */
function nodeNamespace(t: Test, name: string): string {
  const [netns, wires] = [freshNamespace(t, { loopback: false }), freshNamespace(t)];
  const input = interfacesOf(name)
    .map(
      (each) =>
        `link add ${each} type veth peer name ${each} netns ${wires}\n` +
        `link set ${each} addrgenmode none\n`,
    )
    .join('');
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input, stdio: ['pipe', 'ignore', 'inherit'] });
  const up = interfacesOf(name)
    .map((each) => `link set ${each} up\n`)
    .join('');
  execFileSync('ip', ['-n', wires, '-batch', '-'], { input: up });
  return netns;
}

// The devices and settings that modules bring along come before anything is looked at.
t.before(async () => {
  const netns = 'ipvs-warm-up';
  execFileSync('ip', ['netns', 'add', netns]);
  await using network = await Network.open({ netns });
  await using ipvs = await Ipvs.open({ netns });
  await ipvs.getInfo();
  for (const kind of ['ipip', 'sit', 'gre'] as const) {
    await network.addLink({ name: `warm-${kind}`, kind, local: '10.0.0.1' });
  }
  for (const kind of ['ip6tnl', 'ip6gre'] as const) {
    await network.addLink({ name: `warm-${kind}`, kind, local: 'fd00::1' });
  }
  await network.addFouPort({ port: 6080, type: 'gue' });
  execFileSync('ip', ['netns', 'delete', netns]);
});

const CASES: readonly [name: string, nodes: string[], description: ClusterDescription][] = [
  ['VS/NAT', ['lb1', 'rs1'], reference('nat', { ipv6: true })],
  [
    'VS/TUN with GUE',
    ['rs1'],
    reference('tun', { ipv6: true, tunnel: { type: 'gue', port: 6080 } }),
  ],
  [
    'VS/DR with a mark and a sync daemon',
    ['gw', 'lb1'],
    {
      ...reference('dr', { ipv6: true }),
      services: [{ fwmark: 7, ports: [80, 443], persistence: { timeout: 60 } }],
      sync: { syncId: 7, interface: 'eth0' },
      sysctl: { profile: 'director' },
    },
  ],
];

for (const [title, nodes, description] of CASES) {
  t.test(title, async (t) => {
    const cluster = Cluster.from(description);
    for (const name of nodes) {
      const netns = nodeNamespace(t, name);
      const journal = t.testdir();
      const open = (): ClusterNode => cluster.node(name, { netns, journal });
      const before = await snapshot(netns);
      await using node = open();
      const plan = await node.plan();
      const shells = (each: Iterable<{ shell: string }>) => [...each].map(({ shell }) => shell);
      t.same(difference(before, await snapshot(netns)), [], 'a plan changes nothing');
      t.same(shells(await node.apply()), shells(plan), name);
      t.same(shells(await node.plan()), [], 'nothing is left to do');
      const after = await snapshot(netns);
      t.same(shells(await node.apply()), []);
      t.same(difference(after, await snapshot(netns)), []);
      const found = (await node.check()).filter(({ code }) => code !== 'no-listener');
      t.same(found, [], 'nothing is wrong with it');

      const twin = nodeNamespace(t, name);
      const script = plan.toShell().replaceAll(/^nft[^]*?^END\n/gm, '');
      execFileSync('ip', ['netns', 'exec', twin, 'sh'], {
        input: script,
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      await using copy = cluster.node(name, { netns: twin, journal });
      t.same(
        [...(await copy.plan())].map(({ shell }) => shell),
        [],
        'its script does the same',
      );

      await using other = open();
      const { kept } = await other.revert();
      t.same(kept, []);
      t.same(difference(before, await snapshot(netns)), [], `${name} is as before`);
      t.same(readdirSync(journal), []);
    }
  });
}
