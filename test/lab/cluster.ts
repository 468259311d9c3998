// The reference topology as a cluster: every node of it configured by the library alone.

import { execFileSync } from 'node:child_process';
import type { Test as TapTest } from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { Change, ClusterDescription, ClusterNode, Plan } from 'ipvs/cluster';
import type { Topology } from './topology.js';
import type { Traffic } from './traffic.js';

type Mark = Extract<Change['resource'], { kind: 'mark' }>;

/** The nodes of a cluster, ready to be asked. */
export class LabCluster {
  readonly #places: Topology;
  readonly #journal: string;
  readonly #cluster: Cluster;
  readonly #nodes: ReadonlyMap<string, ClusterNode>;
  readonly #opened: ClusterNode[];

  /** Nodes are opened at their first call, and closed when the test ends. */
  constructor(t: TapTest, description: ClusterDescription, places: Topology, journal: string) {
    const cluster = Cluster.from(description);
    this.#cluster = cluster;
    this.#places = places;
    this.#journal = journal;
    this.#nodes = new Map(
      cluster.nodes.map((name) => [name, cluster.node(name, this.#options(name))]),
    );
    this.#opened = [...this.#nodes.values()];
    t.teardown(async () => {
      for (const node of this.#opened) await node.close();
    });
  }

  get names(): string[] {
    return [...this.#nodes.keys()];
  }

  node(name: string): ClusterNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`the test's description has no node ${name}`);
    return node;
  }

  /** A director in another state than the description's. */
  as(name: string, state: 'master' | 'backup'): ClusterNode {
    const node = this.#cluster.node(name, { ...this.#options(name), state });
    this.#opened.push(node);
    return node;
  }

  /** All nodes, or some. Gives what was changed. */
  async apply(...names: string[]): Promise<Plan[]> {
    const plans: Plan[] = [];
    for (const name of names.length === 0 ? this.#nodes.keys() : names) {
      const plan = await this.node(name).apply();
      this.#mark(
        name,
        plan.manual.flatMap(({ resource }) => (resource.kind === 'mark' ? [resource] : [])),
      );
      plans.push(plan);
    }
    return plans;
  }

  // The kernels of the lab have nf_tables for bridges only; a filter of tc marks as well.
  #mark(name: string, marks: readonly Mark[]): void {
    if (marks.length === 0) return;
    const filters = marks.flatMap(({ fwmark, family, protocol, address, ports }) =>
      ports.map((port) => {
        const type = family === 'ipv4' ? 'ip' : 'ipv6';
        const match = `ip_proto ${protocol} dst_ip ${address} dst_port ${port}`;
        return `protocol ${type} flower ${match} action skbedit mark ${fwmark}`;
      }),
    );
    const lines = filters.map(
      (filter, index) => `filter replace dev eth0 ingress pref ${index + 1} handle 1 ${filter}`,
    );
    const { netns } = this.#options(name);
    execFileSync('tc', ['-n', netns, '-batch', '-'], {
      input: ['qdisc replace dev eth0 clsact', ...lines].join('\n'),
    });
  }

  #options(name: string): { netns: string; journal: string } {
    return { netns: this.#places[name as keyof Topology], journal: this.#journal };
  }
}

/** Every real server answers on all its addresses, at these ports, with its name. */
export async function listenEverywhere(
  traffic: Traffic,
  places: Topology,
  names: readonly (keyof Topology)[],
  ports: readonly (readonly [protocol: 'tcp' | 'udp', port: number])[],
): Promise<void> {
  for (const name of names) {
    for (const [protocol, port] of ports) {
      for (const address of ['0.0.0.0', '::']) {
        await traffic.serve({ netns: places[name], name, protocol, address, port });
      }
    }
  }
}
