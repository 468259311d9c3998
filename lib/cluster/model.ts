// A cluster after its description was read: every default filled in, every address canonical.

import type { AddressFamily, Protocol, ServiceConfig, SyncDaemonConfig, Tunnel } from '../types.js';
import type { Placed } from './networks.js';
import type { Mode, Role } from './types.js';

export interface Vip {
  readonly address: string;
  readonly family: AddressFamily;
  /** Of the directors; undefined: the one towards the clients. */
  readonly interface: string | undefined;
}

/** One service of the kernel: those of a description are one for each virtual address. */
export interface ModelService {
  /** Where it was described: `services[0]`. */
  readonly path: string;
  readonly config: ServiceConfig;
  readonly family: AddressFamily;
  /** The virtual addresses that it is for: one, or several for a firewall mark. */
  readonly vips: readonly string[];
  readonly mode: Mode;
  readonly tunnel: Tunnel;
  readonly realServers: readonly string[];
  /** The port that real servers listen at: 0 for every port. */
  readonly realPort: number;
  /** One, or several for a firewall mark. */
  readonly protocols: readonly Protocol[];
  /** What a firewall mark stands for, in ascending order: '80', '8000-8080'. */
  readonly ports: readonly string[];
  readonly snat: boolean;
}

export interface Side {
  readonly interface: string;
  readonly addresses: readonly Placed[];
}

export interface ModelNode {
  readonly name: string;
  readonly roles: ReadonlySet<Role>;
  /** Towards the real servers. */
  readonly inside: Side;
  /** Towards the clients; the same where a node has only one. */
  readonly outside: Side;
  readonly gateways: readonly Placed[];
  readonly state: 'master' | 'backup';
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly sysctls: readonly (readonly [name: string, value: string])[];
}

export interface Model {
  readonly vips: readonly Vip[];
  readonly services: readonly ModelService[];
  readonly nodes: ReadonlyMap<string, ModelNode>;
  readonly natGateways: readonly Placed[];
  readonly sync:
    (Omit<SyncDaemonConfig, 'role' | 'interface'> & { interface?: string }) | undefined;
  readonly profile: 'director' | undefined;
  readonly sysctls: readonly (readonly [name: string, value: string])[];
  readonly arp: 'all' | 'interface';
}

/** Its address of a family, or undefined. */
export function addressOf(side: Side, family: AddressFamily): string | undefined {
  return side.addresses.find((each) => each.family === family)?.address;
}

/** Where a director reaches a real server for a service; VS/TUN may go by the other family. */
export function realAddress(service: ModelService, node: ModelNode): string | undefined {
  const own = addressOf(node.inside, service.family);
  if (own !== undefined || service.mode !== 'tun') return own;
  return node.inside.addresses[0]?.address;
}

/** The services that a real server serves. */
export function servicesOf(model: Model, node: ModelNode): ModelService[] {
  return model.services.filter(({ realServers }) => realServers.includes(node.name));
}

export function nodesOf(model: Model, role: Role): ModelNode[] {
  return [...model.nodes.values()].filter(({ roles }) => roles.has(role));
}

/** The node with another state, and no other director with the same. */
export function withState(
  model: Model,
  node: ModelNode,
  state: 'master' | 'backup',
): { model: Model; node: ModelNode } {
  const own = { ...node, state };
  const nodes = new Map(
    [...model.nodes].map(([name, each]): [string, ModelNode] => {
      if (name === node.name) return [name, own];
      return [name, state === 'master' ? { ...each, state: 'backup' } : each];
    }),
  );
  return { model: { ...model, nodes }, node: own };
}
