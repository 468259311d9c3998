// The public vocabulary: what a virtual service and a real server are, in words.

import type { IpvsError } from './errors.js';

/** The transport protocols that IPVS balances. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** The two address families. */
export type AddressFamily = 'ipv4' | 'ipv6';

/**
 * How packets reach the real server.
 *
 * - `nat`: VS/NAT, masquerading; the only method that can change the port (`ipvsadm -m`)
 * - `dr`: VS/DR, direct routing on a shared link (`ipvsadm -g`)
 * - `tun`: VS/TUN, encapsulated (`ipvsadm -i`)
 * - `local`: delivered on the director itself
 * - `bypass`: sent on to the original address, for transparent caches
 */
export type Forwarding = 'nat' | 'dr' | 'tun' | 'local' | 'bypass';

/**
 * Switches of a scheduler. `sh-*` go with the scheduler `sh`, `mh-*` with `mh`; `flag-1` to `flag-3`
 * are the same three bits for any scheduler (`ipvsadm -b`).
 *
 * - `sh-fallback`, `mh-fallback` (`flag-1`): pick another real server where the hashed one is not usable
 * - `sh-port`, `mh-port` (`flag-2`): hash the client's port too
 */
export type SchedulerFlag =
  'sh-fallback' | 'sh-port' | 'mh-fallback' | 'mh-port' | 'flag-1' | 'flag-2' | 'flag-3';

/** A virtual service named by protocol, virtual IP address and port. */
export interface AddressServiceKey {
  readonly protocol: Protocol;
  /** The virtual IP address (VIP), IPv4 or IPv6 without a zone. */
  readonly address: string;
  /** 0 to 65535. 0 is every port, and needs {@link ServiceSettings.persistence | persistence}. */
  readonly port: number;
}

/** A virtual service named by the firewall mark that its packets carry. */
export interface MarkServiceKey {
  /** 1 to 4294967295. */
  readonly fwmark: number;
  /** Which packets of that mark: IPv4 and IPv6 are two services. Default `'ipv4'`. */
  readonly family?: AddressFamily;
}

/** Identifies a virtual service, by its address or by a mark and not by both. */
export type ServiceKey =
  | (AddressServiceKey & { readonly fwmark?: never })
  | (MarkServiceKey & {
      readonly protocol?: never;
      readonly address?: never;
      readonly port?: never;
    });

/** Persistence ("sticky connections"): a client stays with its real server. */
export interface Persistence {
  /**
   * How long a client without connections is remembered, in seconds: 1 to 4294967. Default 300. The
   * kernel renews it while connections live, TIME_WAIT included.
   */
  readonly timeout?: number;
  /**
   * Granularity: clients that are equal under this mask count as one. IPv4: a dotted mask or a prefix
   * length of 0 to 32; IPv6: a prefix length of 1 to 128. Default: each client for itself.
   */
  readonly netmask?: string | number;
  /** A persistence engine that knows clients by something else; the kernel brings `'sip'`. */
  readonly engine?: string;
}

/** What can be chosen for a virtual service. */
export interface ServiceSettings {
  /** The scheduler's name, for example `rr`, `wrr`, `lc`, `wlc`, `sh`, `mh`. Default `'wlc'`. */
  readonly scheduler?: string;
  /** Default none. */
  readonly schedulerFlags?: readonly SchedulerFlag[];
  /** Default: no persistence. */
  readonly persistence?: Persistence;
  /**
   * A persistence engine without persistence, as `ipvsadm --pe` without `-p` sets it: the kernel keeps
   * it and makes no use of it. Otherwise it is {@link Persistence.engine}. Default: none.
   */
  readonly engine?: string;
  /** Schedule each packet for itself, without a connection. UDP and marks only. Default `false`. */
  readonly onePacket?: boolean;
}

/** A virtual service as it is to be: its name and its settings. */
export type ServiceConfig = ServiceKey & ServiceSettings;

/** What `updateService` may change; what is left out stays as it is. */
export interface ServiceChanges {
  readonly scheduler?: string;
  readonly schedulerFlags?: readonly SchedulerFlag[];
  /** Merged too: `{ timeout: 60 }` keeps netmask and engine. `null` ends persistence. */
  readonly persistence?: PersistenceChanges | null;
  readonly onePacket?: boolean;
}

/** What `updateService` may change of a service's persistence. */
export interface PersistenceChanges {
  readonly timeout?: number;
  readonly netmask?: string | number;
  /** `null` takes the engine away. */
  readonly engine?: string | null;
}

/** Identifies a destination (real server) within its service. */
export interface DestinationKey {
  readonly address: string;
  /** Default: the service's port; 0 for a service that is a mark. */
  readonly port?: number;
}

/** How `tun` encapsulates. */
export type Tunnel =
  | { readonly type: 'ipip' }
  | {
      readonly type: 'gue';
      /** The UDP port on which the real server decapsulates, 1 to 65535. */
      readonly port: number;
      /** Default `'none'`. `'remcsum'` makes uploads slow where the director has GRO (docs/kernels.md). */
      readonly checksum?: 'none' | 'csum' | 'remcsum';
    }
  | {
      readonly type: 'gre';
      /** Default `'none'`. */
      readonly checksum?: 'none' | 'csum';
    };

/** What can be chosen for a destination. */
export interface DestinationSettings {
  /** Default `'dr'`. */
  readonly forwarding?: Forwarding;
  /** 0 to 2147483647; 0 quiesces: no new connections, the present ones go on. Default 1. */
  readonly weight?: number;
  /** From this many connections on no new ones come; 0 is no limit. Default 0. */
  readonly upperThreshold?: number;
  /** Below this many they come again; 0 is three quarters of the upper one. Default 0. */
  readonly lowerThreshold?: number;
  /** For `forwarding: 'tun'` only. Default `{ type: 'ipip' }`. */
  readonly tunnel?: Tunnel;
}

/** A destination as it is to be: its name and its settings. */
export type DestinationConfig = DestinationKey & DestinationSettings;

/** What `updateDestination` may change; what is left out stays as it is. */
export type DestinationChanges = DestinationSettings;

/**
 * Counters since creation (or since they were zeroed) and rates per second. The kernel's estimator
 * moves them every 2 seconds; rates are averages that follow with a delay. Not to be written to: where
 * nothing was counted, many records share one.
 */
export interface Stats<Counter extends number | bigint = number> {
  readonly connections: Counter;
  readonly incomingPackets: Counter;
  readonly outgoingPackets: Counter;
  readonly incomingBytes: Counter;
  readonly outgoingBytes: Counter;
  readonly connectionRate: Counter;
  readonly incomingPacketRate: Counter;
  readonly outgoingPacketRate: Counter;
  readonly incomingByteRate: Counter;
  readonly outgoingByteRate: Counter;
}

/** A virtual service as the kernel has it. May be passed wherever a key or a config is asked for. */
export type Service<Counter extends number | bigint = number> = (
  AddressServiceKey | Required<MarkServiceKey>
) & {
  readonly family: AddressFamily;
  readonly scheduler: string;
  readonly schedulerFlags: readonly SchedulerFlag[];
  /** Absent where the service is not persistent. */
  readonly persistence?: Persistence & Required<Pick<Persistence, 'timeout' | 'netmask'>>;
  /** Present only where the service has an engine and is not persistent. */
  readonly engine?: string;
  readonly onePacket: boolean;
  readonly stats: Stats<Counter>;
};

/** A destination as the kernel has it. May be passed wherever a key or a config is asked for. */
export interface Destination<Counter extends number | bigint = number> {
  readonly address: string;
  readonly port: number;
  readonly family: AddressFamily;
  readonly forwarding: Forwarding;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  /** Present where `forwarding` is `'tun'`. */
  readonly tunnel?: Tunnel;
  /** Established connections. */
  readonly activeConnections: number;
  /** All others: opening, closing, and all of UDP. */
  readonly inactiveConnections: number;
  /** Clients that persistence ties to this destination. */
  readonly persistentConnections: number;
  readonly stats: Stats<Counter>;
}

/** An `AbortSignal`, spelt out for programs that are compiled without the types of Node.js or the DOM. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  /** Has the listener called when the signal is aborted. */
  addEventListener(type: 'abort', listener: () => void): void;
  /** Takes the listener back. */
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** What every call may be given. */
export interface CallOptions {
  /**
   * Ends the wait: the call rejects with an `AbortError` (`ABORT_ERR`), whose `sent` says whether the
   * request was already on its way. What was sent is carried out all the same.
   */
  readonly signal?: AbortSignalLike;
}

/** What a call that reads counters may be given. */
export interface ReadOptions extends CallOptions {
  /** Counters as bigints: exact beyond 2^53. Default `false`. */
  readonly bigint?: boolean;
}

/** Asks a read for its counters as bigints. */
export interface BigIntCounters {
  readonly bigint: true;
}

/** How a handle is opened. */
export interface OpenOptions {
  /**
   * The network namespace to work in: a name under /run/netns, a path, or a process that lives in
   * it. Default: the process's own. Needs CAP_SYS_ADMIN.
   */
  readonly netns?: string | { readonly pid: number };
  /** How long a call may take, in milliseconds: 1 to 2147483647. Default 10000. */
  readonly timeout?: number;
}

/** What an `ensure` method had to do. */
export type Ensured = 'added' | 'updated' | 'unchanged';

/** The version of IPVS in the kernel, and the size of its table of connections. */
export interface Info {
  /** For example `'1.2.1'`. */
  readonly version: string;
  /** Hash buckets. From Linux 7 on it grows and shrinks, and is 0 before the first service. */
  readonly connectionTableSize: number;
}

/** How long an idle connection is remembered, in seconds. SCTP and other TCP states are fixed. */
export interface Timeouts {
  /** Established TCP connections. The kernel's default is 900. */
  readonly tcp: number;
  /** TCP connections after a FIN. The kernel's default is 120. */
  readonly tcpFin: number;
  /** The kernel's default is 300. */
  readonly udp: number;
}

/** What a sync daemon does: send connections, or take them. */
export type SyncRole = 'master' | 'backup';

/** A daemon that sends connections to other directors (`master`) or takes them (`backup`). */
export interface SyncDaemonConfig {
  readonly role: SyncRole;
  /** The multicast interface; it must own an address. */
  readonly interface: string;
  /** 0 to 255. A backup takes only what carries its own, or anything where it has 0. Default 0. */
  readonly syncId?: number;
  /** The largest message in bytes, 1 to 65535. Default: what fits the interface's MTU. */
  readonly maxLength?: number;
  /** A multicast address, IPv4 or IPv6. Default `'224.0.0.81'`. */
  readonly group?: string;
  /** 1 to 65535. Default 8848. */
  readonly port?: number;
  /** 1 to 255. Default 1. */
  readonly ttl?: number;
}

/** A sync daemon as the kernel runs it. */
export type SyncDaemon = Required<SyncDaemonConfig>;

/** A service with its destinations. */
export type SnapshotService<Counter extends number | bigint = number> = Service<Counter> & {
  readonly destinations: readonly Destination<Counter>[];
};

/** How a snapshot is taken. */
export interface SnapshotOptions extends ReadOptions {
  /** Read again what may have changed while it was read. Default `true`. */
  readonly settle?: boolean;
}

/** Everything that is configured. */
export interface Snapshot<Counter extends number | bigint = number> {
  /**
   * Whether the services were the same ones before and after their destinations were read, and each
   * list of destinations is as it was at one moment. Two lists may be of two moments: a destination
   * that somebody moves from one service to another meanwhile may be in both, or in neither. `false`
   * where it was not asked for, or where others change the table faster than it can be read; even then
   * no service that was there throughout is missing.
   */
  readonly settled: boolean;
  readonly services: readonly SnapshotService<Counter>[];
  readonly timeouts: Timeouts;
  readonly syncDaemons: readonly SyncDaemon[];
}

/** What passed through the director as a whole. */
export interface DirectorStats<Counter extends number | bigint = number> extends Stats<Counter> {
  /** The counters of each CPU, without rates. */
  readonly perCpu: readonly CpuStats<Counter>[];
}

/** What passed through one CPU. */
export interface CpuStats<Counter extends number | bigint = number> {
  readonly cpu: number;
  readonly connections: Counter;
  readonly incomingPackets: Counter;
  readonly outgoingPackets: Counter;
  readonly incomingBytes: Counter;
  readonly outgoingBytes: Counter;
}

/** One side of a connection. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * An entry of the director's table of connections.
 *
 * - `connection`: packets of one client port
 * - `template`: persistence, the client (or network of clients) that belongs to a destination; its
 *   client port is 0
 */
export interface Connection {
  readonly kind: 'connection' | 'template';
  /** Absent for the template of a service that is a mark: it is for all protocols. */
  readonly protocol?: Protocol;
  readonly client: Endpoint;
  /** Where the client sent to; for the template of a mark, the mark. */
  readonly virtual: Endpoint | { readonly fwmark: number };
  readonly destination: Endpoint;
  /** As the kernel names it: `ESTABLISHED`, `SYN_RECV`, `FIN_WAIT`, `UDP`, `NONE`, `ASSURED`, … */
  readonly state: string;
  /** Seconds until the entry is dropped if nothing more comes. */
  readonly expires: number;
  /** Where it was made. Only with the option `origin`. */
  readonly origin?: 'local' | 'synchronised';
  /** The persistence engine. Not with the option `origin`. */
  readonly engine?: string;
  /** What the engine knows the client by, byte for byte as latin1; SIP: the Call-ID. */
  readonly engineData?: string;
}

/** Which side of a connection is wanted; what is left out may be anything. */
export interface EndpointFilter {
  readonly address?: string;
  readonly port?: number;
}

/** Which connections are wanted, and how they are told. */
export interface ConnectionsOptions extends CallOptions {
  readonly protocol?: Protocol;
  /** An address, or an endpoint. */
  readonly client?: string | EndpointFilter;
  /** An address, an endpoint, or a mark. */
  readonly virtual?: string | EndpointFilter | { readonly fwmark: number };
  /** An address, or an endpoint. */
  readonly destination?: string | EndpointFilter;
  /** Stop after so many. Default: all. */
  readonly limit?: number;
  /**
   * Tell for each entry where it was made. The kernel then does not tell the persistence engine's
   * data. Default `false`.
   */
  readonly origin?: boolean;
}

/** What works here and, where it does not, why. */
export interface Capabilities {
  /** Whether IPVS can be used: it is there, and we may. */
  readonly usable: boolean;
  /** Why not. Absent where it can be used. */
  readonly problem?: Problem;
  /** Absent where IPVS can't be used. */
  readonly info?: Info;
  /** The schedulers of the kernel that load. Asking loads their modules. Empty without IPv6. */
  readonly schedulers: readonly string[];
  /** The persistence engines of the kernel that load. Empty without IPv6. */
  readonly engines: readonly string[];
  /** Absent where it can't be told, as the following. */
  readonly ipv6?: boolean;
  /** Tunnels other than IPIP. Takes CAP_SYS_ADMIN, for a namespace to try it in. */
  readonly tunnels?: boolean;
  /** 64-bit counters. Takes CAP_SYS_ADMIN, likewise. */
  readonly stats64?: boolean;
  /** The names under net.ipv4.vs that this kernel has, in this namespace. */
  readonly sysctls: readonly string[];
  /** Whether sysctls can be changed; a container's /proc/sys is often read-only. */
  readonly sysctlsWritable: boolean;
}

/** What keeps IPVS from being used. */
export interface Problem {
  /** The code with which operations fail. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** One change of a batch, with what the method of that name takes. */
export type Operation =
  | {
      readonly op: 'addService' | 'replaceService' | 'ensureService';
      readonly service: ServiceConfig;
    }
  | {
      readonly op: 'updateService';
      readonly service: ServiceKey;
      readonly changes: ServiceChanges;
    }
  | { readonly op: 'removeService' | 'zero'; readonly service: ServiceKey }
  | {
      readonly op: 'addDestination' | 'replaceDestination' | 'ensureDestination';
      readonly service: ServiceKey;
      readonly destination: DestinationConfig;
    }
  | {
      readonly op: 'updateDestination';
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
      readonly changes: DestinationChanges;
    }
  | {
      readonly op: 'removeDestination';
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
    };

/** What became of an operation: undefined where it was done, otherwise why it was not. */
export type Outcome = IpvsError | undefined;

/** How far a batch is. */
export interface BatchProgress {
  /** Operations that have their outcome. */
  readonly done: number;
  readonly total: number;
}

/** What a batch may be given. */
export interface BatchOptions extends CallOptions {
  /** Called after each portion, of up to 4096 operations. What it throws is an uncaught exception. */
  readonly onProgress?: (progress: BatchProgress) => void;
}
