// Clusters that the library alone has configured, on the reference topology: a client behind the
// router gets its answers, whatever way the packets take.

import t from 'tap';
import type { Test } from 'tap';
import type { Tunnel } from 'ipvs';
import type { ClusterDescription, ServiceDescription } from 'ipvs/cluster';
import { reference } from '../fixtures/clusters.js';
import { LabCluster, listenEverywhere } from '../lab/cluster.js';
import { FAR, FAR6, NEAR, NEAR6, VIP, VIP6, addressOf, makeTopology } from '../lab/topology.js';
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
  ['VS/DR', { 'VS/DR': described('dr', BASIC) }],
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
    },
  ],
  [
    'VS/TUN, GRE with checksums',
    {
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
    const journal = t.testdir();
    // One after the other on the same nodes: what the one before has left behind must not matter.
    for (const [variant, description] of Object.entries(variants)) {
      const cluster = new LabCluster(t, description, nodes, journal);
      await cluster.apply();
      await checkTraffic(t, nodes, variant);
    }
  });
}
