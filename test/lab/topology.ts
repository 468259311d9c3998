// The reference cluster as namespaces and cables, with plain addresses and routes as a machine has
// them before it becomes a node of a cluster:
//
//                192.168.51.0/24           192.168.118.0/24
//   client .20 ─────────────── .10 gw .1 ─┬─ .10 lb1
//                2001:db8:51::/64         ├─ .20 lb2, if asked for
//                                         ├─ .11 rs1
//                2001:db8:118::/64        └─ .12 rs2
//
// In IPv6 each host has the same last number, behind the prefix of its side. More clients are far
// away: 10.20.30.1, 10.20.30.2, 10.20.31.1 and 2001:db8:20::1 have their way to the router through the
// first.

import { execFileSync } from 'node:child_process';
import { freshNamespaces } from './namespace.js';
import type { Test } from './namespace.js';
import type { Traffic } from './traffic.js';

export const VIP = '192.168.51.11';
export const VIP6 = '2001:db8:51::11';

/** The addresses of the client's namespace: its own, and those that are far away. */
export const NEAR = '192.168.51.20';
export const NEAR6 = '2001:db8:51::20';
export const FAR = ['10.20.30.1', '10.20.30.2', '10.20.31.1'] as const;
export const FAR6 = '2001:db8:20::1';

/** The last number of the nodes on the LAN. */
const HOSTS = { lb1: 10, lb2: 20, rs1: 11, rs2: 12 } as const;

export type NodeName = 'client' | 'gw' | keyof typeof HOSTS;

/** The namespace of each node; of lb2 only where it was asked for. */
export type Topology = Record<NodeName, string>;

export function addressOf(node: keyof typeof HOSTS, family: 'ipv4' | 'ipv6' = 'ipv4'): string {
  return `${family === 'ipv4' ? '192.168.118.' : '2001:db8:118::'}${HOSTS[node]}`;
}

/** A cluster's nodes, connected, whose namespaces go when the test ends. */
export async function makeTopology(
  t: Test,
  traffic: Traffic,
  { directors = 1 }: { directors?: 1 | 2 } = {},
): Promise<Topology> {
  const lan: (keyof typeof HOSTS)[] = ['lb1', 'rs1', 'rs2'];
  if (directors === 2) lan.push('lb2');
  const names: NodeName[] = ['client', 'gw', ...lan];
  const [lanSwitch = '', ...made] = freshNamespaces(t, 1 + names.length);
  const nodes = Object.fromEntries(names.map((name, index) => [name, made[index]])) as Topology;

  batch(lanSwitch, [
    `link add name eth0 netns ${nodes.client} type veth peer name eth0 netns ${nodes.gw}`,
    'link add lan type bridge',
    'link set lan up',
    `link add gw type veth peer name eth1 netns ${nodes.gw}`,
    ...lan.map((node) => `link add ${node} type veth peer name eth0 netns ${nodes[node]}`),
    ...['gw', ...lan].map((port) => `link set ${port} master lan up`),
  ]);
  for (const node of names) await hurry(traffic, nodes[node], node === 'gw' ? 2 : 1);

  batch(nodes.client, [
    ...plug('eth0', `${NEAR}/24`, `${NEAR6}/64`),
    'route add default via 192.168.51.10',
    'route add default via 2001:db8:51::10',
    ...FAR.map((address) => `address add ${address}/32 dev eth0`),
    `address add ${FAR6}/128 dev eth0 nodad`,
  ]);
  batch(nodes.gw, [
    ...plug('eth0', '192.168.51.10/24', '2001:db8:51::10/64'),
    ...plug('eth1', '192.168.118.1/24', '2001:db8:118::1/64'),
    `route add 10.20.0.0/16 via ${NEAR}`,
    `route add 2001:db8:20::/48 via ${NEAR6}`,
  ]);
  for (const node of lan) {
    batch(nodes[node], [
      ...plug('eth0', `${addressOf(node)}/24`, `${addressOf(node, 'ipv6')}/64`),
      'route add default via 192.168.118.1',
      'route add default via 2001:db8:118::1',
    ]);
  }
  return nodes;
}

// Without this, each node has to wait for a second or two until its link-local address may be used,
// and whoever is answered by proxy for up to another one.
async function hurry(traffic: Traffic, netns: string, interfaces: number): Promise<void> {
  const settings: Record<string, number> = {};
  for (const name of ['eth0', 'eth1'].slice(0, interfaces)) {
    settings[`net/ipv6/conf/${name}/accept_dad`] = 0;
    settings[`net/ipv6/conf/${name}/accept_ra`] = 0;
    settings[`net/ipv4/neigh/${name}/proxy_delay`] = 0;
    settings[`net/ipv6/neigh/${name}/proxy_delay`] = 0;
  }
  await traffic.writeSysctls(netns, settings);
}

function plug(name: string, ipv4: string, ipv6: string): string[] {
  return [
    'link set lo up',
    `link set ${name} up`,
    `address add ${ipv4} dev ${name}`,
    `address add ${ipv6} dev ${name} nodad`,
  ];
}

/** Carries out many commands of ip in one process, and gives what they print. */
export function batch(netns: string, commands: readonly string[]): string {
  return execFileSync('ip', ['-n', netns, '-batch', '-'], {
    input: commands.join('\n'),
    encoding: 'utf8',
  });
}
