// Two directors and one virtual address: the second takes over, tells everybody, and connections that
// the first has made go on.

import t from 'tap';
import type { Test } from 'tap';
import { Ipvs } from 'ipvs';
import { Network } from 'ipvs/cluster';
import type { ClusterDescription } from 'ipvs/cluster';
import { reference } from '../fixtures/clusters.js';
import { LabCluster, listenEverywhere } from '../lab/cluster.js';
import { freshFolder } from '../lab/folder.js';
import { FAR, FAR6, VIP, VIP6, addressOf, makeTopology } from '../lab/topology.js';
import type { Topology } from '../lab/topology.js';
import { Traffic } from '../lab/traffic.js';
import { until } from '../lab/until.js';

t.setTimeout(300_000);
const traffic = new Traffic(t);

const GATEWAYS = ['192.168.118.9', '2001:db8:118::9'];
const FAMILIES = [
  { vip: VIP, source: FAR[0] },
  { vip: VIP6, source: FAR6 },
] as const;

function pair(mode: 'dr' | 'nat'): ClusterDescription {
  const description = reference(mode, { ipv6: true });
  const { lb1 } = description.nodes;
  if (lb1 === undefined) throw new Error('the reference has a director');
  const lb2 = { ...lb1, address: [addressOf('lb2'), addressOf('lb2', 'ipv6')] };
  return {
    ...description,
    services: [{ protocol: 'tcp', port: 80, scheduler: 'rr' }],
    sync: { syncId: 7, interface: 'eth0' },
    ...(mode === 'nat' && { natGateway: GATEWAYS }),
    nodes: { ...description.nodes, lb2: { ...lb2, state: 'backup' } },
  };
}

/** Opens a connection to each virtual address, which the standby has heard of when it resolves. */
async function hold(
  t: Test,
  nodes: Topology,
  standby: 'lb1' | 'lb2',
  sourcePort: number,
): Promise<string[]> {
  const servers: string[] = [];
  for (const { vip, source } of FAMILIES) {
    const question = { netns: nodes.client, protocol: 'tcp', address: vip, port: 80 } as const;
    const held = `${nodes.client} ${vip}`;
    servers.push(...(await traffic.ask({ ...question, source, sourcePort, hold: held })));
  }
  t.match(servers, [/^rs/, /^rs/]);
  await using ipvs = await Ipvs.open({ netns: nodes[standby] });
  await until('the standby has heard of the connections', async () => {
    // Not every packet is a reason to tell it (sync_threshold).
    for (const { vip } of FAMILIES) await traffic.again(`${nodes.client} ${vip}`);
    const known = new Set<string>();
    for await (const { client, state } of ipvs.connections()) {
      if (client.port === sourcePort && state === 'ESTABLISHED') known.add(client.address);
    }
    return known.size === FAMILIES.length;
  });
  return servers;
}

async function goesOn(t: Test, nodes: Topology, servers: readonly string[]): Promise<void> {
  for (const [index, { vip, source }] of FAMILIES.entries()) {
    t.equal(await traffic.again(`${nodes.client} ${vip}`), servers[index], `${vip} goes on`);
    const question = { netns: nodes.client, protocol: 'tcp', address: vip, port: 80 } as const;
    const answers = await traffic.ask({ ...question, source, count: 2 });
    t.same([...answers].sort(), ['rs1', 'rs2'], `${vip} takes new ones`);
  }
}

for (const mode of ['dr', 'nat'] as const) {
  t.test(`VS/${mode.toUpperCase()}: the second director takes over`, async (t) => {
    const nodes = await makeTopology(t, traffic, { directors: 2 });
    await listenEverywhere(traffic, nodes, ['rs1', 'rs2'], [['tcp', 80]]);
    const cluster = new LabCluster(t, pair(mode), nodes, freshFolder(t));
    await cluster.apply();
    for (const name of cluster.names) t.same(await cluster.node(name).check(), [], name);
    const servers = await hold(t, nodes, 'lb2', 20_001);

    // The first one is gone; nobody has told it anything.
    const wire = await traffic.watch(nodes.gw, 'eth1');
    await using first = await Network.open({ netns: nodes.lb1 });
    await first.setLink('eth0', { up: false });
    const second = cluster.as('lb2', 'master');
    await second.apply();
    await goesOn(t, nodes, servers);
    const own = await linkAddress(nodes.lb2);
    const said = (await wire()).filter(({ from, outgoing }) => from === own && !outgoing);
    for (const [kind, address] of [
      ['arp-request', VIP],
      ['advertisement', VIP6],
      ...(mode === 'nat' ? ([['arp-request', GATEWAYS[0]]] as const) : []),
    ] as const) {
      const unasked = said.filter((each) => each.kind === kind && each.target === address);
      t.ok(unasked.length >= 5, `it tells of ${address} without being asked`);
    }
    t.same(await second.check(), []);
    t.same([...(await second.apply())], [], 'it is the master, and stays it');

    if (mode === 'nat') return;
    // The first one comes back as the standby, learns, and takes over again.
    const back = cluster.as('lb1', 'backup');
    await back.apply();
    await first.setLink('eth0', { up: true });
    await back.apply();
    t.same(await back.check(), []);
    const others = await hold(t, nodes, 'lb1', 20_002);
    await cluster.as('lb2', 'backup').apply();
    await cluster.as('lb1', 'master').apply();
    await goesOn(t, nodes, others);
  });
}

// Whoever moves the address, as keepalived does, needs a while to say so. Catches backup_only=1.
t.test('a standby hands on what it has heard of as soon as it has the address', async (t) => {
  const nodes = await makeTopology(t, traffic, { directors: 2 });
  await listenEverywhere(traffic, nodes, ['rs1', 'rs2'], [['tcp', 80]]);
  const description = { ...pair('dr'), sysctl: { profile: 'director' } } as const;
  await new LabCluster(t, description, nodes, freshFolder(t)).apply();
  const servers = await hold(t, nodes, 'lb2', 20_003);
  await using first = await Network.open({ netns: nodes.lb1 });
  await first.setLink('eth0', { up: false });
  await using second = await Network.open({ netns: nodes.lb2 });
  await second.addAddress({ interface: 'eth0', address: VIP });
  await second.addAddress({ interface: 'eth0', address: VIP6, noDad: true });
  await second.announce({ interface: 'eth0', addresses: [VIP, VIP6], repeatAfter: 0 });
  await goesOn(t, nodes, servers);
});

async function linkAddress(netns: string): Promise<string> {
  await using network = await Network.open({ netns });
  return (await network.getLink('eth0'))?.address ?? '';
}
