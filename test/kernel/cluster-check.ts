// What check() says of nodes on a real kernel: nothing where traffic flows, and of each fault that is
// planted the right thing. Where the fault stops traffic, its mend makes it flow again.

import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { Tunnel } from 'ipvs';
import { Cluster, Network } from 'ipvs/cluster';
import type {
  ClusterDescription,
  Finding,
  NodeDescription,
  ServiceDescription,
} from 'ipvs/cluster';
import { reference } from '../fixtures/clusters.js';
import { LabCluster, listenEverywhere } from '../lab/cluster.js';
import { freshFolder } from '../lab/folder.js';
import { forgetRoutes } from '../lab/routes.js';
import { FAR, FAR6, NEAR, NEAR6, VIP, VIP6, addressOf, makeTopology } from '../lab/topology.js';
import type { NodeName, Topology } from '../lab/topology.js';
import { Traffic } from '../lab/traffic.js';
import type { Claim } from '../lab/traffic.js';

t.setTimeout(300_000);
const traffic = new Traffic(t);

const SERVICES: readonly ServiceDescription[] = [
  { protocol: 'tcp', port: 80, scheduler: 'rr' },
  { protocol: 'udp', port: 53, scheduler: 'rr' },
];

const PORTS = [
  ['tcp', 80],
  ['udp', 53],
] as const;

function described(mode: 'dr' | 'nat' | 'tun', tunnel?: Tunnel): ClusterDescription {
  return { ...reference(mode, { ipv6: true, ...(tunnel && { tunnel }) }), services: SERVICES };
}

/** What a fault stops. */
interface Probe {
  source: string;
  /** Who asks when it was mended: where what the fault taught a node about a client would stay. */
  later?: string;
  protocol?: 'tcp' | 'udp';
  count?: number;
  /** A large transfer to the real servers, instead of questions. */
  put?: true;
}

interface Fault {
  title: string;
  node: NodeName;
  /** What check() is to say, in its order. */
  codes: readonly string[];
  plant: (network: Network, settings: Settings) => Promise<void>;
  /** Traffic flows without it and not with it. */
  stops?: Probe;
  /** Somebody else than the director says on the wire that the virtual address is theirs. */
  claims?: true;
}

type Settings = (values: Record<string, string | number>) => Promise<void>;

const far: Probe = { source: FAR[0] };
const far6: Probe = { source: FAR6 };
const near: Probe = { source: NEAR };

const ROUTE = { destination: 'default', gateway: '192.168.118.1', interface: 'eth0' } as const;

const FLOWS = 'flows';

/** The reference topology once, as one cluster after the other. */
class Site {
  readonly nodes: Topology;
  readonly #networks = new Map<NodeName, Network>();
  readonly #wire: () => Promise<Claim[]>;

  private constructor(nodes: Topology, wire: () => Promise<Claim[]>) {
    this.nodes = nodes;
    this.#wire = wire;
  }

  static async make(t: Test): Promise<Site> {
    const nodes = await makeTopology(t, traffic, { directors: 2 });
    const wire = await traffic.watch(nodes.gw, 'eth1');
    const site = new Site(nodes, async () => (await wire()).filter(({ outgoing }) => !outgoing));
    for (const [name, netns] of Object.entries(nodes)) {
      site.#networks.set(name as NodeName, await Network.open({ netns }));
    }
    t.teardown(async () => {
      for (const network of site.#networks.values()) await network.close();
    });
    return site;
  }

  network(name: NodeName): Network {
    const network = this.#networks.get(name);
    if (network === undefined) throw new Error(`there is no ${name}`);
    return network;
  }

  /** `flows` where all questions are answered by real servers, otherwise what came instead. */
  async ask(probe: Probe, limit: { timeout?: number } = {}): Promise<string> {
    const answer = await this.#askOnce(probe, limit);
    // A late packet of what was there before may spoil the way just then (forgetRoutes). What is at fault
    // is so the second time too.
    return answer === FLOWS || limit.timeout !== undefined ? answer : this.#askOnce(probe, limit);
  }

  async #askOnce(probe: Probe, limit: { timeout?: number }): Promise<string> {
    const { source, protocol = 'tcp', count = 2, put } = probe;
    if (limit.timeout === undefined) {
      for (const name of ['lb1', 'lb2'] as const) {
        await forgetRoutes(traffic, this.nodes[name], this.network(name));
      }
    }
    const address = source.includes(':') ? VIP6 : VIP;
    const netns = this.nodes.client;
    if (put) {
      // Each real server has its turn.
      for (let turn = 0; turn < 2; turn++) {
        const way = { netns, address, port: 80, direction: 'put', source } as const;
        const { bytes, error } = await traffic.transfer({ ...way, bytes: 100_000, ...limit });
        if (bytes !== 100_000) return `${bytes} bytes, ${error}`;
      }
      return FLOWS;
    }
    const port = protocol === 'tcp' ? 80 : 53;
    const answers = await traffic.ask({ netns, protocol, address, port, source, count, ...limit });
    if (answers.every((name) => name.startsWith('rs'))) return FLOWS;
    // Where it was to flow, what the nodes know of each other says who is at fault.
    const known = limit.timeout === undefined ? await this.#known() : [];
    return [answers.join(', '), ...known].join('\n');
  }

  async #known(): Promise<string[]> {
    const lines = [...this.#networks].map(async ([name, network]) => {
      const all = await network.neighbours();
      const told = all.map((each) => `${each.address} ${each.linkAddress ?? '-'} ${each.state}`);
      const own = (await network.getLink('eth0'))?.address ?? '-';
      return `${name} (${own}): ${told.join(', ')}`;
    });
    return Promise.all(lines);
  }

  /** Whether it flows no longer; some faults take a while to teach a node the wrong way. */
  async stops(probe: Probe): Promise<boolean> {
    for (let tries = 0; tries < 200; tries++) {
      if ((await this.ask(probe, { timeout: 0.3 })) !== FLOWS) return true;
    }
    return false;
  }

  /** Who says that the virtual address is theirs, while everybody asks for everybody. */
  async claimants(): Promise<string[]> {
    const before = (await this.#wire()).length;
    for (const name of ['gw', 'rs1'] as const) {
      const network = this.network(name);
      for (const { interface: own, address, proxy } of await network.neighbours()) {
        if (![VIP, '192.168.118.1'].includes(address) || proxy) continue;
        await network.removeNeighbour({ interface: own, address });
      }
    }
    await this.ask(far, { timeout: 3 });
    const claims = (await this.#wire()).slice(before).filter(({ sender }) => sender === VIP);
    return [...new Set(claims.map(({ from }) => from))];
  }

  async linkAddress(name: NodeName): Promise<string> {
    return (await this.network(name).getLink('eth0'))?.address ?? '';
  }
}

const said = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code);

/** Plants each fault on the nodes of a healthy cluster. */
async function checkFaults(
  t: Test,
  site: Site,
  cluster: LabCluster,
  faults: readonly Fault[],
): Promise<void> {
  const director = await site.linkAddress('lb1');
  for (const { title, node, codes, plant, stops, claims } of faults) {
    await t.test(title, async (t) => {
      if (stops) t.equal(await site.ask(stops), FLOWS);
      await plant(site.network(node), (values) => traffic.writeSysctls(site.nodes[node], values));
      const findings = await cluster.node(node).check();
      t.same(said(findings), codes);
      if (stops) t.ok(await site.stops(stops), 'it stops');
      if (claims) t.not((await site.claimants()).join(), director, 'another one is heard');

      for (const finding of findings) {
        t.ok(finding.mend, `${finding.code} can be mended`);
        await finding.mend?.apply();
      }
      t.same(said(await cluster.node(node).check()), [], 'nothing is left to say');
      const again = stops && { ...stops, source: stops.later ?? stops.source };
      if (again) t.equal(await site.ask(again), FLOWS, 'traffic flows again');
      if (claims) t.same(await site.claimants(), [director], 'the director alone is heard');
    });
  }
}

/** Nothing is said of any node, and traffic flows. */
async function checkHealth(t: Test, site: Site, cluster: LabCluster): Promise<void> {
  for (const name of cluster.names) {
    const findings = await cluster.node(name).check();
    t.same(
      findings.map(({ code, explanation }) => `${code}: ${explanation}`),
      [],
      name,
    );
  }
  for (const source of [NEAR, FAR[0], NEAR6, FAR6])
    t.equal(await site.ask({ source }), FLOWS, source);
}

const DIRECT: readonly Fault[] = [
  {
    title: 'no virtual address at the director',
    node: 'lb1',
    codes: ['vip-missing'],
    plant: (network) => network.removeAddress({ interface: 'eth0', address: VIP }),
    stops: far,
  },
  {
    title: 'no virtual address of IPv6 at the director',
    node: 'lb1',
    codes: ['vip-missing'],
    plant: (network) => network.removeAddress({ interface: 'eth0', address: VIP6 }),
    stops: far6,
  },
  {
    title: 'no virtual address at a real server',
    node: 'rs1',
    codes: ['vip-missing'],
    plant: (network) => network.removeAddress({ interface: 'lo', address: VIP }),
    stops: far,
  },
  {
    title: 'no virtual address of IPv6 at a real server',
    node: 'rs2',
    codes: ['vip-missing'],
    plant: (network) => network.removeAddress({ interface: 'lo', address: VIP6 }),
    stops: far6,
  },
  {
    title: 'a virtual address with the prefix of its network at a real server',
    node: 'rs1',
    codes: ['vip-scope'],
    plant: async (network) => {
      await network.removeAddress({ interface: 'lo', address: VIP });
      await network.addAddress({ interface: 'lo', address: VIP, prefix: 24, scope: 'host' });
    },
    stops: near,
  },
  {
    title: 'a virtual address of another scope',
    node: 'rs1',
    codes: ['vip-scope'],
    plant: async (network) => {
      await network.removeAddress({ interface: 'lo', address: VIP });
      await network.addAddress({ interface: 'lo', address: VIP });
    },
  },
  {
    title: 'a virtual address on the wrong interface of a real server',
    node: 'rs1',
    codes: ['vip-missing', 'vip-advertised'],
    plant: async (network) => {
      await network.removeAddress({ interface: 'lo', address: VIP });
      await network.addAddress({ interface: 'eth0', address: VIP });
    },
    claims: true,
  },
  {
    title: 'a real server that answers ARP',
    node: 'rs1',
    codes: ['arp-ignore'],
    plant: (_, settings) =>
      settings({ 'net/ipv4/conf/all/arp_ignore': 0, 'net/ipv4/conf/lo/arp_ignore': 0 }),
    claims: true,
  },
  {
    title: 'a real server that answers ARP, with the setting on the loopback alone',
    node: 'rs2',
    codes: ['arp-ignore'],
    plant: (_, settings) =>
      settings({ 'net/ipv4/conf/all/arp_ignore': 0, 'net/ipv4/conf/lo/arp_ignore': 1 }),
    claims: true,
  },
  {
    title: 'a real server that asks with the virtual address',
    node: 'rs1',
    codes: ['arp-announce'],
    plant: (_, settings) =>
      settings({ 'net/ipv4/conf/all/arp_announce': 0, 'net/ipv4/conf/lo/arp_announce': 2 }),
    claims: true,
  },
  {
    title: 'a router that does not forward',
    node: 'gw',
    codes: ['ip-forward'],
    plant: (_, settings) => settings({ 'net/ipv4/ip_forward': 0 }),
    stops: far,
  },
  {
    title: 'a router that knows no way to the virtual address',
    node: 'gw',
    codes: ['route-missing'],
    plant: (network) => network.removeRoute({ destination: `${VIP}/32`, interface: 'eth1' }),
    stops: far,
  },
  {
    title: 'a setting of the profile',
    node: 'lb1',
    codes: ['expire-nodest-conn'],
    plant: (_, settings) => settings({ 'net/ipv4/vs/expire_nodest_conn': 0 }),
  },
  {
    // Which takes the addresses of IPv6 along.
    title: 'the loopback is down',
    node: 'rs1',
    codes: ['link-down', 'vip-missing'],
    plant: (network) => network.setLink('lo', { up: false }),
  },
];

const TRANSLATED: readonly Fault[] = [
  {
    title: 'a director that does not forward',
    node: 'lb1',
    codes: ['ip-forward'],
    plant: (_, settings) => settings({ 'net/ipv4/ip_forward': 0 }),
    stops: far,
  },
  {
    title: 'a director that does not forward IPv6',
    node: 'lb1',
    codes: ['ip-forward'],
    plant: (_, settings) => settings({ 'net/ipv6/conf/all/forwarding': 0 }),
    stops: far6,
  },
  {
    title: 'a director that sends redirects',
    node: 'lb1',
    codes: ['send-redirects'],
    plant: (_, settings) => settings({ 'net/ipv4/conf/eth0/send_redirects': 1 }),
    stops: { source: FAR[1], later: FAR[2], protocol: 'udp', count: 12 },
  },
  {
    title: 'answers that go past the director',
    node: 'rs1',
    codes: ['default-gateway'],
    plant: (network) => network.replaceRoute(ROUTE),
    stops: far,
  },
  {
    title: 'answers of IPv6 that go past the director',
    node: 'rs2',
    codes: ['default-gateway'],
    plant: (network) => network.replaceRoute({ ...ROUTE, gateway: '2001:db8:118::1' }),
    stops: far6,
  },
];

const TUNNELLED: readonly Fault[] = [
  {
    title: 'a tunnel that is down',
    node: 'rs1',
    codes: ['tunnel-down'],
    plant: (network) => network.setLink('ipvs-ipip', { up: false }),
    stops: far,
  },
  {
    title: 'a tunnel of IPv6 that is down',
    node: 'rs1',
    codes: ['tunnel-down'],
    plant: (network) => network.setLink('ipvs-ip6tnl', { up: false }),
    stops: far6,
  },
  {
    title: 'no tunnel',
    node: 'rs2',
    codes: ['tunnel-missing'],
    plant: (network) => network.removeLink('ipvs-ipip'),
    stops: far,
  },
  {
    title: 'no virtual address on the tunnel',
    node: 'rs1',
    codes: ['vip-missing'],
    plant: (network) => network.removeAddress({ interface: 'ipvs-ipip', address: VIP }),
    stops: far,
  },
  {
    title: 'a strict check of the way back',
    node: 'rs1',
    codes: ['rp-filter'],
    plant: (_, settings) => settings({ 'net/ipv4/conf/ipvs-ipip/rp_filter': 1 }),
    stops: far,
  },
  {
    title: 'a real server that answers ARP',
    node: 'rs1',
    codes: ['arp-ignore'],
    plant: (_, settings) => settings({ 'net/ipv4/conf/all/arp_ignore': 0 }),
    claims: true,
  },
  {
    title: 'segments that do not fit, and a router that tells nobody',
    node: 'rs1',
    codes: ['mss'],
    plant: (network) => network.replaceRoute({ ...ROUTE, advertisedMss: 1460 }),
    stops: { ...far, put: true },
  },
  {
    title: 'a director that tells nobody what fits',
    node: 'lb1',
    codes: ['mtu'],
    plant: (_, settings) => settings({ 'net/ipv4/vs/pmtu_disc': 0 }),
  },
];

const GUE: readonly Fault[] = [
  {
    title: 'nobody takes GUE',
    node: 'rs1',
    codes: ['tunnel-port'],
    plant: (network) => network.removeFouPort({ port: 6080, type: 'gue' }),
    stops: far,
  },
];

t.test('on a real kernel', async (t) => {
  const site = await Site.make(t);
  const journal = freshFolder(t);
  const { nodes } = site;
  await listenEverywhere(traffic, nodes, ['rs1', 'rs2'], PORTS);
  const setUp = async (t: Test, description: ClusterDescription): Promise<LabCluster> => {
    const cluster = new LabCluster(t, description, nodes, journal);
    await cluster.apply();
    await checkHealth(t, site, cluster);
    return cluster;
  };

  await t.test('VS/NAT', async (t) => {
    await checkFaults(t, site, await setUp(t, described('nat')), TRANSLATED);
  });

  await t.test('VS/TUN', async (t) => {
    const cluster = await setUp(t, described('tun'));
    // Where the client would be told that its packets are too large.
    execFileSync('tc', ['-n', nodes.gw, '-batch', '-'], {
      input:
        'qdisc replace dev eth0 clsact\n' +
        'filter add dev eth0 egress protocol ip flower ip_proto icmp type 3 code 4 action drop\n',
    });
    await checkFaults(t, site, cluster, TUNNELLED);
  });

  await t.test('VS/TUN, GUE and GRE', async (t) => {
    await setUp(t, described('tun', { type: 'gre', checksum: 'csum' }));
    const cluster = await setUp(t, described('tun', { type: 'gue', port: 6080 }));
    await checkFaults(t, site, cluster, GUE);
  });

  await t.test('two directors', async (t) => {
    const description = described('dr');
    const cluster = await setUp(t, {
      ...description,
      nodes: {
        ...description.nodes,
        lb2: {
          role: 'director',
          interface: 'eth0',
          address: [addressOf('lb2'), addressOf('lb2', 'ipv6')],
          state: 'backup',
        },
      },
      sync: { syncId: 7 },
    });
    // Two masters: neither has anything that it was not told to have.
    const second = cluster.as('lb2', 'master');
    await second.apply();
    const both = [VIP, VIP6].map((subject) => ({ code: 'two-directors', subject }));
    const names = ['lb1', 'lb2'] as const;
    for (const [name, other, node] of [
      ['lb1', 'lb2', cluster.node('lb1')],
      ['lb2', 'lb1', second],
    ] as const) {
      const explanation = new RegExp(`^${await site.linkAddress(other)} answers`);
      t.match(
        await node.check(),
        both.map((each) => ({ ...each, explanation })),
        name,
      );
    }
    await cluster.apply('lb2');
    await cluster.node('lb1').announce({ repeatAfter: 0 });
    for (const name of names)
      t.same(said(await cluster.node(name).check()), [], 'one has stepped back');

    await checkFaults(t, site, cluster, [
      {
        title: 'both answer',
        node: 'lb2',
        codes: ['two-directors'],
        plant: (network) => network.addAddress({ interface: 'eth0', address: VIP }),
        claims: true,
      },
    ]);
  });

  await t.test('directors that are real servers too', async (t) => {
    const pair = ['lb1', 'lb2'] as const;
    for (const name of pair) {
      for (const [protocol, port] of PORTS) {
        for (const address of ['0.0.0.0', '::']) {
          await traffic.serve({ netns: nodes[name], name: `rs ${name}`, protocol, address, port });
        }
      }
    }
    for (const mode of ['dr', 'tun'] as const) {
      const description = described(mode);
      const both = pair.map((name, index): [string, NodeDescription] => [
        name,
        {
          role: ['director', 'real-server'],
          interface: 'eth0',
          address: [addressOf(name), addressOf(name, 'ipv6')],
          state: index === 0 ? 'master' : 'backup',
        },
      ]);
      const cluster = await setUp(t, {
        ...description,
        nodes: { ...description.nodes, ...Object.fromEntries(both) },
        sync: { syncId: 7 },
      });
      await checkFaults(t, site, cluster, [
        {
          title: `VS/${mode.toUpperCase()}: the one that waits answers ARP`,
          node: 'lb2',
          codes: ['arp-ignore'],
          plant: (_, settings) =>
            settings({ 'net/ipv4/conf/all/arp_ignore': 0, 'net/ipv4/conf/lo/arp_ignore': 0 }),
          claims: true,
        },
      ]);
    }
  });

  await t.test('VS/DR', async (t) => {
    const description = { ...described('dr'), sysctl: { profile: 'director' } } as const;
    await checkFaults(t, site, await setUp(t, description), DIRECT);
  });
});

t.test('a server that does not listen at the virtual address', async (t) => {
  const nodes = await makeTopology(t, traffic);
  const description = {
    ...reference('dr'),
    services: [{ protocol: 'tcp', port: 80, scheduler: 'rr', realServers: ['rs1'] }],
  } as const;
  const cluster = new LabCluster(t, description, nodes, freshFolder(t));
  await cluster.apply();
  const listener = { netns: nodes.rs1, name: 'rs1', protocol: 'tcp', port: 80 } as const;
  const question = { netns: nodes.client, protocol: 'tcp', address: VIP, port: 80 } as const;
  await traffic.serve({ ...listener, address: addressOf('rs1') });
  t.same(said(await cluster.node('rs1').check()), ['no-listener']);
  t.same(await traffic.ask(question), ['ECONNREFUSED']);
  await traffic.serve({ ...listener, address: '::' });
  t.same(said(await cluster.node('rs1').check()), ['no-listener'], 'it is for IPv6 alone');
  t.same(await traffic.ask(question), ['ECONNREFUSED']);
  await traffic.serve({ ...listener, address: VIP });
  t.same(await cluster.node('rs1').check(), []);
  t.same(await traffic.ask(question), ['rs1']);
});

t.test('a director without conntrack that is to rewrite the clients too', async (t) => {
  const { lb1: netns } = await makeTopology(t, traffic);
  const description = {
    ...reference('nat'),
    services: [{ protocol: 'tcp', port: 80, snat: true }],
  } as const;
  await using node = Cluster.from(description).node('lb1', { netns, journal: freshFolder(t) });
  await node.apply();
  t.same(await node.check(), []);
  await traffic.writeSysctls(netns, { 'net/ipv4/vs/conntrack': 0 });
  const [finding, ...others] = await node.check();
  t.equal(finding?.code, 'conntrack');
  t.same(others, []);
  await finding?.mend?.apply();
  t.same(await node.check(), []);
});

t.test('a process that may not do it', async (t) => {
  const { lb1 } = await makeTopology(t, traffic);
  const program = join(__dirname, '..', 'fixtures', 'cluster-rights.js');
  const journal = freshFolder(t);
  chmodSync(journal, 0o755);
  const run = (script: string): Record<string, unknown> => {
    const args = ['netns', 'exec', lb1, 'sh', '-ec', script, process.execPath, program, journal];
    return JSON.parse(execFileSync('ip', args, { encoding: 'utf8' })) as Record<string, unknown>;
  };
  const ordinary = run('exec "$0" "$1" ordinary "$2"');
  t.match(ordinary, { code: 'EPERM', unchanged: true }, 'an ordinary user');
  t.ok((ordinary.codes as string[]).includes('rights'));

  const readOnly = run(
    'mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys; exec "$0" "$1" root "$2"',
  );
  t.match(readOnly, { code: 'EROFS', unchanged: true, hint: /--sysctl net.ipv4.ip_forward=1/ });
  t.ok((readOnly.codes as string[]).includes('proc-sys-read-only'), 'a read-only /proc/sys');
});
