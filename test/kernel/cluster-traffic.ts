// Clusters that the library alone has configured, on the reference topology: a client behind the
// router gets its answers, whatever way the packets take.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';
import type { Tunnel } from 'ipvs';
import { Network } from 'ipvs/cluster';
import type { ClusterDescription, NodeDescription, ServiceDescription } from 'ipvs/cluster';
import { reference } from '../fixtures/clusters.js';
import { LabCluster, listenEverywhere } from '../lab/cluster.js';
import { freshFolder } from '../lab/folder.js';
import { forgetRoutes } from '../lab/routes.js';
import {
  FAR,
  FAR6,
  NEAR,
  NEAR6,
  VIP,
  VIP6,
  addressOf,
  batch,
  makeTopology,
} from '../lab/topology.js';
import type { Topology } from '../lab/topology.js';
import { Traffic } from '../lab/traffic.js';

t.setTimeout(300_000);
const traffic = new Traffic(t);

const REAL = ['rs1', 'rs2'] as const;
const BASIC: readonly ServiceDescription[] = [
  { protocol: 'tcp', port: 80, scheduler: 'rr' },
  { protocol: 'udp', port: 53, scheduler: 'rr' },
];

const FAMILIES = [
  { family: 'IPv4', vip: VIP, near: NEAR, far: FAR[0] },
  { family: 'IPv6', vip: VIP6, near: NEAR6, far: FAR6 },
] as const;

/** The reference in both families, with other services. */
function described(
  mode: 'dr' | 'nat' | 'tun',
  services: readonly ServiceDescription[],
  tunnel?: Tunnel,
): ClusterDescription {
  return { ...reference(mode, { ipv6: true, ...(tunnel && { tunnel }) }), services };
}

/** The same, where real servers and director know each other by one family alone. */
function overOne(family: 'ipv4' | 'ipv6', description: ClusterDescription): ClusterDescription {
  const nodes = Object.fromEntries(
    Object.entries(description.nodes).map(([name, node]) => [
      name,
      name.startsWith('rs') ? { ...node, address: addressOf(name as 'rs1', family) } : node,
    ]),
  );
  return { ...description, nodes };
}

/** What a namespace's kernel has counted of TCP (proc_net_snmp(5)). */
function tcpCounters(netns: string): Record<string, number> {
  const args = ['netns', 'exec', netns, 'cat', '/proc/net/snmp'];
  const lines = execFileSync('ip', args, { encoding: 'utf8' }).split('\n');
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' ').slice(1));
  return Object.fromEntries(names.map((name, at) => [name, Number(values[at])]));
}

/** Each real server has its turn, near and far, by TCP and UDP; large transfers arrive both ways. */
async function checkTraffic(t: Test, { client }: Topology, title: string): Promise<void> {
  const expected = ['rs1', 'rs1', 'rs2', 'rs2'];
  for (const { family, vip, near, far } of FAMILIES) {
    for (const [protocol, port] of [
      ['tcp', 80],
      ['udp', 53],
    ] as const) {
      const question = { netns: client, protocol, address: vip, port, count: 4 };
      for (const source of [near, far]) {
        const answers = await traffic.ask({ ...question, source });
        t.same([...answers].sort(), expected, `${title}, ${family}: ${protocol} from ${source}`);
      }
    }
    for (const direction of ['get', 'put'] as const) {
      t.same(
        await traffic.transfer({
          netns: client,
          address: vip,
          port: 80,
          direction,
          bytes: 400_000,
          source: far,
        }),
        { bytes: 400_000 },
        `${title}, ${family}: ${direction}`,
      );
    }
  }
}

const MODES: readonly [title: string, variants: Readonly<Record<string, ClusterDescription>>][] = [
  [
    'VS/DR',
    {
      'VS/DR': described('dr', BASIC),
      'VS/DR, the interface alone keeps quiet': { ...described('dr', BASIC), arp: 'interface' },
    },
  ],
  ['VS/NAT', { 'VS/NAT': described('nat', BASIC) }],
  [
    'VS/TUN, IPIP',
    {
      IPIP: described('tun', BASIC),
      'IPIP over IPv4': overOne('ipv4', described('tun', BASIC)),
      'IPIP over IPv6': overOne('ipv6', described('tun', BASIC)),
    },
  ],
  [
    'VS/TUN, GUE',
    {
      GUE: described('tun', BASIC, { type: 'gue', port: 6080 }),
      'GUE with checksums': described('tun', BASIC, { type: 'gue', port: 6081, checksum: 'csum' }),
      'GUE with remote checksums': described('tun', BASIC, {
        type: 'gue',
        port: 6081,
        checksum: 'remcsum',
      }),
      'GUE over IPv4': overOne('ipv4', described('tun', BASIC, { type: 'gue', port: 6080 })),
      'GUE over IPv6': overOne('ipv6', described('tun', BASIC, { type: 'gue', port: 6080 })),
    },
  ],
  [
    'VS/TUN, GRE',
    {
      GRE: described('tun', BASIC, { type: 'gre' }),
      'GRE over IPv6': overOne('ipv6', described('tun', BASIC, { type: 'gre' })),
      'GRE with checksums': described('tun', BASIC, { type: 'gre', checksum: 'csum' }),
      'GRE with checksums over IPv4': overOne(
        'ipv4',
        described('tun', BASIC, { type: 'gre', checksum: 'csum' }),
      ),
    },
  ],
];

for (const [title, variants] of MODES) {
  t.test(`${title}: each real server has its turn`, async (t) => {
    const nodes = await makeTopology(t, traffic);
    await listenEverywhere(traffic, nodes, REAL, [
      ['tcp', 80],
      ['udp', 53],
    ]);
    const seen = await traffic.watch(nodes.gw, 'eth1');
    const journal = freshFolder(t);
    // One after the other on the same nodes: what the one before has left behind must not matter.
    for (const [variant, description] of Object.entries(variants)) {
      const cluster = new LabCluster(t, description, nodes, journal);
      await cluster.apply();
      await checkTraffic(t, nodes, variant);
    }

    // The router asks once more, now that everybody has had a packet for the virtual address.
    await using router = await Network.open({ netns: nodes.gw });
    for (const { family, vip } of FAMILIES) {
      await router.removeNeighbour({ interface: 'eth1', address: vip });
      const question = { netns: nodes.client, protocol: 'tcp', address: vip, port: 80 } as const;
      t.match(await traffic.ask(question), [/^rs/], family);
    }
    await using director = await Network.open({ netns: nodes.lb1 });
    const own = (await director.getLink('eth0'))?.address;
    const wire = await seen();
    for (const { family, vip } of FAMILIES) {
      const questions = family === 'IPv4' ? 'arp-request' : 'solicitation';
      const asked = wire.filter(
        ({ kind, target, outgoing }) => outgoing && kind === questions && target === vip,
      );
      t.ok(asked.length > 0, `${family}: the router has asked who has the virtual address`);
      const claims = wire.filter(
        ({ kind, sender, target, outgoing }) =>
          !outgoing && (kind === 'advertisement' ? target : sender) === vip,
      );
      t.same(
        [...new Set(claims.map(({ from }) => from))],
        [own],
        `${family}: nobody but the director says that it is theirs`,
      );
    }
  });
}

t.test('GUE with remote checksums spoils what comes in large pieces', async (t) => {
  const nodes = await makeTopology(t, traffic);
  await listenEverywhere(traffic, nodes, REAL, [['tcp', 80]]);
  const remote = described('tun', BASIC, { type: 'gue', port: 6081, checksum: 'remcsum' });
  await new LabCluster(t, remote, nodes, freshFolder(t)).apply();
  const spoiled = () => REAL.map((name) => tcpCounters(nodes[name]).InCsumErrors ?? NaN);
  const put = { netns: nodes.client, port: 80, direction: 'put', bytes: 20_000 } as const;
  for (const address of [VIP, VIP6]) {
    const before = spoiled();
    t.same(await traffic.transfer({ ...put, address }), { bytes: 20_000 }, 'TCP sends it again');
    const after = spoiled();
    t.ok(
      after.some((count, at) => count > (before[at] ?? NaN)),
      `${address}: ${before.join()} to ${after.join()}`,
    );
  }
  const large = spoiled();
  batch(nodes.client, ['link set eth0 gso_max_segs 1']);
  for (const address of [VIP, VIP6]) {
    t.same(await traffic.transfer({ ...put, address }), { bytes: 20_000 });
  }
  t.same(spoiled(), large, 'segments by themselves arrive');
});

t.test('a late packet of VS/TUN spoils the way of VS/DR', async (t) => {
  const nodes = await makeTopology(t, traffic);
  await listenEverywhere(traffic, nodes, ['rs1'], [['tcp', 80]]);
  for (const family of ['ipv4', 'ipv6']) {
    // How long the director looks for somebody who is not there: three times as many milliseconds.
    await traffic.writeSysctls(nodes.lb1, { [`net/${family}/neigh/eth0/retrans_time_ms`]: 100 });
  }
  const journal = freshFolder(t);
  const apply = async (mode: 'tun' | 'dr'): Promise<void> => {
    const cluster = described(mode, BASIC);
    const alone = Object.entries(cluster.nodes).filter(([name]) => name !== 'rs2');
    const description = { ...cluster, nodes: Object.fromEntries(alone) };
    await new LabCluster(t, description, nodes, journal).apply();
  };
  await using director = await Network.open({ netns: nodes.lb1 });
  for (const { family, vip } of FAMILIES) {
    await apply('tun');
    const question = { netns: nodes.client, protocol: 'tcp', address: vip, port: 80 } as const;
    t.same(await traffic.ask({ ...question, hold: family }), ['rs1'], `${family}: by VS/TUN`);
    await apply('dr');
    // A packet of the old connection, which nobody unpacks any more, is the first to look for a way.
    t.not(await traffic.again(family, 0.1), 'rs1', `${family}: the late packet`);
    t.same(await traffic.ask(question), ['EHOSTUNREACH'], `${family}: by VS/DR`);
    // It would send once more, and spoil the way again.
    await traffic.abort(family);
    await forgetRoutes(traffic, nodes.lb1, director, [family]);
    t.same(await traffic.ask(question), ['rs1'], `${family}: by VS/DR again`);
  }
});

t.test('a client of a real server that is gone', async (t) => {
  const nodes = await makeTopology(t, traffic);
  await listenEverywhere(traffic, nodes, REAL, [
    ['udp', 53],
    ['tcp', 80],
  ]);
  const journal = freshFolder(t);
  const to = { netns: nodes.client, address: VIP } as const;
  const connect = async (hold: string): Promise<string | undefined> =>
    (await traffic.ask({ ...to, protocol: 'tcp', port: 80, hold }))[0];
  const ask = async (sourcePort: number, patience = {}): Promise<string | undefined> =>
    (await traffic.ask({ ...to, protocol: 'udp', port: 53, sourcePort, ...patience }))[0];
  for (const [title, sysctl, [port, other], datagram, connection] of [
    ['as the kernel has it', {}, [5301, 5302], 'ETIMEDOUT', 'ETIMEDOUT'],
    ['with the profile', { profile: 'director' }, [5303, 5304], 'rs2', 'ECONNRESET'],
  ] as const) {
    const both: ClusterDescription = { ...described('dr', BASIC), sysctl };
    await new LabCluster(t, both, nodes, journal).apply();
    const hold = [`${title}, one`, `${title}, another`] as const;
    const connected = [await connect(hold[0]), await connect(hold[1])];
    t.same([...connected].sort(), REAL, `${title}: each has a connection`);
    const served = [await ask(port), await ask(other)];
    t.same([...served].sort(), REAL, `${title}: each has a client`);

    const rest = Object.entries(both.nodes).filter(([name]) => name !== 'rs1');
    const without = { ...both, nodes: Object.fromEntries(rest) };
    await new LabCluster(t, without, nodes, journal).apply();
    const [gone, stays] = served[0] === 'rs1' ? [port, other] : [other, port];
    // A worker ends the connections: the first datagram may still be one of them.
    await ask(gone, { timeout: 1 });
    const patience = datagram === 'ETIMEDOUT' ? 1 : undefined;
    t.equal(await ask(gone, patience && { timeout: patience }), datagram, `${title}: a datagram`);
    t.equal(await ask(stays), 'rs2', `${title}: one of the other's`);
    const [cut, open] = connected[0] === 'rs1' ? hold : [hold[1], hold[0]];
    t.equal(await traffic.again(cut, patience), connection, `${title}: the connection`);
    t.equal(await traffic.again(open), 'rs2', `${title}: the other's`);
  }
});

t.test('persistence, ports and marks', async (t) => {
  const nodes = await makeTopology(t, traffic);
  await listenEverywhere(
    traffic,
    nodes,
    ['lb1', ...REAL],
    ([21, 80, 443, 8080, 40_000] as const).map((port) => ['tcp', port] as const),
  );
  const journal = freshFolder(t);
  const apply = async (description: ClusterDescription): Promise<LabCluster> => {
    const cluster = new LabCluster(t, description, nodes, journal);
    await cluster.apply();
    return cluster;
  };
  /** Who answers; one name where it is always the same. */
  const ask = async (
    source: string,
    port: number,
    { count = 3, hold }: { count?: number; hold?: string } = {},
  ): Promise<string> => {
    const address = source.includes(':') ? VIP6 : VIP;
    const answers = await traffic.ask({
      netns: nodes.client,
      protocol: 'tcp',
      address,
      port,
      source,
      count,
      ...(hold !== undefined && { hold }),
    });
    return [...new Set(answers)].sort().join(' and ');
  };
  const otherThan = (name: string): string => (name === 'rs1' ? 'rs2' : 'rs1');

  for (const mode of ['dr', 'nat', 'tun'] as const) {
    await t.test(`VS/${mode.toUpperCase()}`, async (t) => {
      await apply(
        described(mode, [
          {
            protocol: 'tcp',
            port: 80,
            scheduler: 'rr',
            persistence: { timeout: 300, netmask: 24, netmask6: 64 },
          },
          { protocol: 'tcp', port: 8080, scheduler: 'rr', persistence: { timeout: 300 } },
          { protocol: 'tcp', port: 21, scheduler: 'rr', persistence: { timeout: 300 } },
        ]),
      );
      const first = await ask(FAR[0], 80);
      t.match(first, /^rs[12]$/, 'a client stays');
      t.equal(await ask(FAR[1], 80), first, 'and so does its neighbour');
      t.equal(await ask(FAR[2], 80), otherThan(first), 'a client of another network does not');
      t.equal(await ask(FAR[0], 80), first, 'the first one is still there');
      const six = await ask(FAR6, 80);
      t.match(six, /^rs[12]$/, 'IPv6 as well');
      t.equal(await ask(NEAR6, 80), otherThan(six));

      const alone = await ask(FAR[0], 8080);
      t.match(alone, /^rs[12]$/, 'without a netmask, a client stays');
      t.equal(await ask(FAR[1], 8080), otherThan(alone), 'its neighbour has its own');

      const control = await ask(NEAR, 21, { count: 1, hold: `ftp ${mode}` });
      t.match(control, /^rs[12]$/);
      t.equal(await ask(NEAR, 40_000), control, "FTP's data goes where its commands go");
      t.equal(await traffic.again(`ftp ${mode}`), control);

      // Every port is one service, which takes what the services above took one by one.
      await apply(
        described(mode, [
          { protocol: 'tcp', port: 0, scheduler: 'rr', persistence: { timeout: 300 } },
        ]),
      );
      const all = await ask(FAR[0], 443);
      t.match(all, /^rs[12]$/, 'port 0 is every port');
      for (const port of [80, 40_000]) t.equal(await ask(FAR[0], port), all, `so is ${port}`);
      t.equal(await ask(FAR[2], 443), otherThan(all), 'another client goes elsewhere');

      const basic = described(mode, BASIC);
      const lb1 = { ...basic.nodes.lb1, role: ['director', 'real-server'] } as NodeDescription;
      await apply({ ...basic, nodes: { ...basic.nodes, lb1 } });
      for (const source of [FAR[0], FAR6]) {
        t.equal(
          await ask(source, 80, { count: 6 }),
          'lb1 and rs1 and rs2',
          'a director serves too',
        );
      }

      await apply(
        described(mode, [
          { fwmark: 7, ports: [80, '443-444'], scheduler: 'rr', persistence: { timeout: 300 } },
        ]),
      );
      for (const [one, another] of [
        [FAR[0], FAR[2]],
        [FAR6, NEAR6],
      ] as const) {
        const marked = await ask(one, 80);
        t.match(marked, /^rs[12]$/, 'a mark is one service');
        t.equal(await ask(one, 443), marked, 'of two ports');
        t.equal(await ask(another, 443), otherThan(marked));
        t.equal(await ask(one, 8080, { count: 1 }), 'lb1', 'and of no other one');
      }
    });
  }
});
