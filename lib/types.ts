// The public vocabulary: what a virtual service and a real server are, in words.

/** The transport protocols that IPVS balances. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

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

type Without<Key extends string> = Readonly<Partial<Record<Key, never>>>;

/** Identifies a virtual service, by its address or by a mark and not by both. */
export type ServiceKey =
  (AddressServiceKey & Without<'fwmark'>) | (MarkServiceKey & Without<keyof AddressServiceKey>);

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
  /** Schedule each packet for itself, without a connection. UDP and marks only. Default `false`. */
  readonly onePacket?: boolean;
}

export type ServiceConfig = ServiceKey & ServiceSettings;

/** What `updateService` may change; what is left out stays as it is. */
export interface ServiceChanges {
  readonly scheduler?: string;
  readonly schedulerFlags?: readonly SchedulerFlag[];
  /** Merged too: `{ timeout: 60 }` keeps netmask and engine. `null` ends persistence. */
  readonly persistence?: PersistenceChanges | null;
  readonly onePacket?: boolean;
}

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
      /** Default `'none'`. */
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

export type DestinationConfig = DestinationKey & DestinationSettings;

/** What `updateDestination` may change; what is left out stays as it is. */
export type DestinationChanges = DestinationSettings;

/**
 * Counters since creation (or since they were zeroed) and rates per second. The kernel's estimator
 * moves them every 2 seconds; rates are averages that follow with a delay.
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

export interface ReadOptions {
  /** Counters as bigints: exact beyond 2^53. Default `false`. */
  readonly bigint?: boolean;
}

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
