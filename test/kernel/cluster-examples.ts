// The programs of examples/ do what they say: on each node of the reference topology, as its user runs
// them.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { listenEverywhere } from '../lab/cluster.js';
import { share } from '../lab/share.js';
import { FAR, VIP, makeTopology } from '../lab/topology.js';
import { Traffic } from '../lab/traffic.js';

t.setTimeout(180_000);
const traffic = new Traffic(t);

const EXAMPLES = join(__dirname, '..', '..', 'examples');
const NODES = ['gw', 'lb1', 'rs1', 'rs2'] as const;

interface Example {
  mode: string;
  /** What the real servers listen at. */
  ports: readonly (readonly ['tcp' | 'udp', number])[];
  /** What clients ask. */
  protocol: 'tcp' | 'udp';
  port: number;
}

const ALL: readonly Example[] = [
  { mode: 'dr', ports: [['tcp', 80]], protocol: 'tcp', port: 80 },
  { mode: 'nat', ports: [['tcp', 8080]], protocol: 'tcp', port: 80 },
  {
    mode: 'tun',
    ports: [
      ['tcp', 443],
      ['udp', 53],
    ],
    protocol: 'udp',
    port: 53,
  },
];

for (const { mode, ports, protocol, port } of share(ALL)) {
  t.test(mode, async (t) => {
    const nodes = await makeTopology(t, traffic);
    await listenEverywhere(traffic, nodes, ['rs1', 'rs2'], ports);
    const run = (name: (typeof NODES)[number], action: string): string[] => {
      const program = [process.execPath, join(EXAMPLES, `${mode}.mjs`), name, action];
      const args = ['netns', 'exec', nodes[name], ...program];
      return execFileSync('ip', args, { encoding: 'utf8' }).split('\n').slice(0, -1);
    };
    for (const name of NODES) t.match(run(name, 'apply').at(-1), /^(\d+)\/\1 /, name);
    for (const name of NODES) t.same(run(name, 'check'), [], `${name} is healthy`);
    const question = { netns: nodes.client, protocol, address: VIP, port } as const;
    const answers = new Set<string>();
    // Persistence keeps a network of clients on one real server: the next one gets the other.
    for (const source of [FAR[0], FAR[2]]) {
      for (const name of await traffic.ask({ ...question, source })) answers.add(name);
    }
    t.same([...answers].sort(), ['rs1', 'rs2']);
    t.same(run('lb1', 'plan'), [], 'nothing is left to do');
    for (const name of NODES) {
      const taken = run(name, 'revert');
      t.ok(taken.length > 0 && !taken.some((line) => line.startsWith('Kept')), name);
    }
    t.not(run('lb1', 'plan').length, 0);
  });
}
