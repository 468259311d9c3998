// The public vocabulary of a cluster: how it is described, and what is said about changing a node.

import type { Forwarding, Persistence, Protocol, SchedulerFlag, Tunnel } from '../types.js';

/** How a cluster's packets reach its real servers: VS/NAT, VS/DR or VS/TUN. */
export type Mode = Extract<Forwarding, 'nat' | 'dr' | 'tun'>;

/**
 * What a node does.
 *
 * - `director`: has the virtual addresses and hands connections out (the load balancer)
 * - `real-server`: serves them
 * - `router`: leads from the clients' network to the cluster's
 */
export type Role = 'director' | 'real-server' | 'router';

/** One or several. */
export type OneOrMore<T> = T | readonly T[];

/** A whole cluster: one description for all of its nodes. */
export interface ClusterDescription {
  /** For all services that do not say otherwise. */
  readonly mode?: Mode;
  /** The virtual addresses (VIPs), IPv4 and IPv6. */
  readonly vip: OneOrMore<string | VipDescription>;
  readonly services: readonly ServiceDescription[];
  /** By name: letters, digits, `-`, `_` and `.`. */
  readonly nodes: Readonly<Record<string, NodeDescription>>;
  /** How VS/TUN encapsulates. Default `{ type: 'ipip' }`. */
  readonly tunnel?: Tunnel;
  /**
   * The default gateways of directors and, in VS/DR and VS/TUN, of real servers; one for each address
   * family. Default: default routes are left alone.
   */
  readonly gateway?: OneOrMore<string>;
  /** VS/NAT: where real servers send their answers. Default: the director's address. */
  readonly natGateway?: OneOrMore<string>;
  /** Directors tell each other of connections, so that these outlive a takeover. Default: not. */
  readonly sync?: SyncDescription;
  /** Settings of the directors' kernel. Default: only what the mode takes. */
  readonly sysctl?: SysctlDescription;
  /**
   * Which interfaces of a real server keep quiet about addresses that are not their own: `'all'` of
   * them, or the cluster's `'interface'` alone, for machines whose other networks rely on the
   * opposite. Default `'all'`.
   */
  readonly arp?: 'all' | 'interface';
}

/** A virtual address, where there is more to say about it. */
export interface VipDescription {
  readonly address: string;
  /** The directors' interface that has it. Default: the one towards the clients. */
  readonly interface?: string;
}

/** A virtual service: on every virtual address, and on every real server, unless it says otherwise. */
export type ServiceDescription = ServiceDescriptionSettings &
  (
    | {
        readonly protocol: Protocol;
        /** 0 is every port, and needs `persistence`. */
        readonly port: number;
        readonly fwmark?: never;
        readonly ports?: never;
      }
    | {
        /** The firewall mark that makes several ports one service. */
        readonly fwmark: number;
        /** What is marked: one or several. Default `'tcp'`. */
        readonly protocol?: OneOrMore<Protocol>;
        /** Which ports are marked: numbers, or ranges such as `'1024-65535'`; none of them twice. */
        readonly ports: readonly (number | string)[];
        readonly port?: never;
      }
  );

/** What can be said of any service. */
export interface ServiceDescriptionSettings {
  /** Which of the cluster's virtual addresses. Default: all. */
  readonly vip?: OneOrMore<string>;
  readonly mode?: Mode;
  readonly tunnel?: Tunnel;
  /** Default `'wlc'`. */
  readonly scheduler?: string;
  readonly schedulerFlags?: readonly SchedulerFlag[];
  readonly persistence?: ClusterPersistence;
  readonly onePacket?: boolean;
  /** The real servers' port, which only VS/NAT can make another one. Default: the service's. */
  readonly realPort?: number;
  /** The names of the nodes that serve it. Default: all real servers. */
  readonly realServers?: readonly string[];
  /**
   * VS/NAT with clients in the real servers' own network: answers are led back by rewriting the
   * client's address too. Takes `net.ipv4.vs.conntrack` and a rule for nftables. Default `false`.
   */
  readonly snat?: boolean;
}

/** Persistence with a granularity for each address family. */
export interface ClusterPersistence extends Persistence {
  /** The prefix length for IPv6, where the cluster has both families: 1 to 128. */
  readonly netmask6?: number;
}

/** One machine. */
export interface NodeDescription {
  readonly role: OneOrMore<Role>;
  /** Towards the real servers. */
  readonly interface: string;
  /**
   * Its addresses there, one for each family. With a prefix length (`192.168.118.11/24`) it is given
   * to the node, without one it has to be there already.
   */
  readonly address?: OneOrMore<string>;
  /** A director's or router's interface towards the clients, where that is another one. */
  readonly clients?: string | ClientsDescription;
  /** Its default gateways, instead of the cluster's. */
  readonly gateway?: OneOrMore<string>;
  /** A director with virtual addresses (`master`), or without (`backup`). Default `'master'`. */
  readonly state?: 'master' | 'backup';
  /** Of a real server, 0 to 2147483647. Default 1. */
  readonly weight?: number;
  /** Of a real server: no new connections from this many on. Default 0, no limit. */
  readonly upperThreshold?: number;
  readonly lowerThreshold?: number;
  /** More sysctls of this node, by name. */
  readonly sysctl?: Readonly<Record<string, string | number>>;
}

/** The side of a node where the clients are. */
export interface ClientsDescription {
  readonly interface: string;
  readonly address?: OneOrMore<string>;
}

/** The sync daemons of the directors. */
export interface SyncDescription {
  /** 0 to 255; what daemons of one cluster have in common. Default 0. */
  readonly syncId?: number;
  /** Default: the director's `interface`. */
  readonly interface?: string;
  /** A multicast address. Default `'224.0.0.81'`. */
  readonly group?: string;
  /** Default 8848. */
  readonly port?: number;
  /** Default 1. */
  readonly ttl?: number;
  readonly maxLength?: number;
}

/** Settings of the directors' kernel. */
export interface SysctlDescription {
  /** `'director'`: what operators of directors set; docs/cluster.md has each with its reason. */
  readonly profile?: 'director';
  /** More of them, by name, such as `net.ipv4.vs.sync_threshold`. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** A value of a setting: null where it is not there. */
export type Value = null | boolean | number | string | readonly Value[] | ValueRecord;

/** Several values by name. */
export interface ValueRecord {
  readonly [name: string]: Value;
}
