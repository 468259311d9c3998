// The addon's network part as TypeScript sees it: what crosses the boundary, in which order. Numbers
// only.

import type { NativeFailure } from '../native.js';

/** native/addon/network_channel.cc */
export const enum Kind {
  link = 1,
  address,
  route,
  rule,
  neighbour,
  fouPort,
  markRule,
  listener,
}

/** native/core/rtnetlink.h */
export const enum Change {
  add = 1,
  replace,
  remove,
  set,
}

type Bytes = readonly number[];

// What goes in, by property: native/addon/network_values.cc.

export interface LinkNumbers {
  readonly name: string;
  readonly kind: string;
  readonly flags: number;
  readonly flagsMask: number;
  /** 0: as it is. */
  readonly mtu: number;
  /** The interface that a tunnel sends through; '' for none. */
  readonly lower: string;
  readonly local?: Bytes | undefined;
  readonly remote?: Bytes | undefined;
  readonly ttl?: number;
  readonly encapsulationLimit?: number;
  readonly pathMtu?: boolean;
  readonly checksum?: boolean;
  readonly external?: boolean;
}

export interface AddressNumbers {
  readonly interface: string;
  readonly address: Bytes;
  readonly prefix: number;
  readonly scope: number;
  readonly flags: number;
  readonly broadcast?: Bytes | undefined;
  readonly label?: string | undefined;
  readonly preferredLifetime?: number | undefined;
  readonly validLifetime?: number | undefined;
  readonly peer?: Bytes | undefined;
  /** Attributes as they are, in hexadecimal. */
  readonly other?: string | undefined;
}

export interface RouteNumbers {
  readonly family: number;
  readonly destination: Bytes;
  readonly prefix: number;
  readonly table: number;
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly flags: number;
  readonly interface: string;
  readonly gateway?: Bytes | undefined;
  readonly source?: Bytes | undefined;
  readonly metric?: number | undefined;
  readonly mtu?: number | undefined;
  readonly advertisedMss?: number | undefined;
  readonly tos?: number | undefined;
  readonly expires?: number | undefined;
  readonly other?: string | undefined;
}

export interface RuleNumbers {
  readonly family: number;
  readonly action: number;
  readonly table: number;
  readonly priority?: number | undefined;
  readonly mark?: number | undefined;
  readonly markMask?: number | undefined;
  readonly source?: Bytes | undefined;
  readonly sourcePrefix?: number | undefined;
  readonly destination?: Bytes | undefined;
  readonly destinationPrefix?: number | undefined;
}

export interface NeighbourNumbers {
  readonly interface: string;
  readonly address: Bytes;
  readonly state: number;
  readonly proxy: boolean;
  readonly linkAddress?: Bytes | undefined;
}

export interface FouPortNumbers {
  readonly port: number;
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
}

export interface MarkNumbers {
  readonly address: Bytes;
  readonly prefix: number;
  readonly protocol: number;
  readonly mark: number;
  /** The first and the last one of each range, in turn; 0 and 0 for every port. */
  readonly ports: readonly number[];
  /** Of each range. */
  readonly notes: readonly string[];
  readonly chain: string;
}

export type Numbers =
  | LinkNumbers
  | AddressNumbers
  | RouteNumbers
  | RuleNumbers
  | NeighbourNumbers
  | FouPortNumbers
  | MarkNumbers;

// What comes out. A text is empty where there is none, a number -1 where 0 is one too.

export interface LinkRecord {
  readonly index: number;
  readonly name: string;
  readonly kind: string;
  readonly flags: number;
  readonly mtu: number;
  readonly address: string;
  /** 0: not a tunnel. */
  readonly tunnelFamily: number;
  readonly local: string;
  readonly remote: string;
  readonly ttl: number;
  readonly lower: number;
  readonly checksum: number;
  readonly external: number;
  readonly encapsulationType: number;
  readonly encapsulationFlags: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface AddressRecord {
  readonly interface: string;
  readonly family: number;
  readonly address: string;
  readonly prefix: number;
  readonly scope: number;
  readonly flags: number;
  readonly peer: string;
  readonly broadcast: string;
  readonly label: string;
  readonly preferredLifetime: number;
  readonly validLifetime: number;
  readonly other: string;
}

export interface NextHopRecord {
  readonly interface: string;
  readonly gateway: string;
  readonly weight: number;
  readonly flags: number;
}

export interface RouteRecord {
  readonly family: number;
  readonly destination: string;
  readonly prefix: number;
  readonly table: number;
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly flags: number;
  readonly interface: string;
  readonly gateway: string;
  readonly source: string;
  readonly metric: number;
  readonly mtu: number;
  readonly advertisedMss: number;
  readonly nextHops: readonly NextHopRecord[];
  readonly tos: number;
  readonly expires: number;
  readonly hasFrom: boolean;
  readonly other: string;
}

export interface RuleRecord {
  readonly family: number;
  readonly action: number;
  readonly flags: number;
  readonly table: number;
  readonly priority: number;
  readonly mark: number;
  readonly markMask: number;
  readonly source: string;
  readonly sourcePrefix: number;
  readonly destination: string;
  readonly destinationPrefix: number;
  readonly inputInterface: string;
  readonly outputInterface: string;
  readonly hasOthers: boolean;
}

export interface NeighbourRecord {
  readonly interface: string;
  readonly family: number;
  readonly address: string;
  readonly linkAddress: string;
  readonly state: number;
  readonly proxy: number;
}

export interface FouPortRecord {
  readonly port: number;
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
}

export interface ListenerRecord {
  readonly protocol: number;
  readonly family: number;
  readonly address: string;
  readonly port: number;
  readonly ipv6Only: number;
}

/** A rule of our table, by what is noted at it; ours or not. */
export interface MarkRecord {
  readonly family: number;
  readonly note: string;
}

type Done<Result> = (failure: NativeFailure | undefined, result: Result) => void;
type Ended = (failure: NativeFailure | undefined) => void;

/** native/addon/network_channel.h */
export interface NativeNetwork {
  open(done: Ended): void;
  list(
    kind: Kind,
    family: number,
    table: number,
    milliseconds: number,
    done: Done<readonly unknown[]>,
  ): void;
  find(name: string, milliseconds: number, done: Done<LinkRecord>): void;
  apply(kind: Kind, change: Change, numbers: Numbers, milliseconds: number, done: Ended): void;
  canMark(family: number, milliseconds: number, done: Done<boolean>): void;
  announce(
    interfaceName: string,
    addresses: readonly { readonly bytes: Bytes }[],
    times: number,
    router: boolean,
    milliseconds: number,
    done: Ended,
  ): void;
  probe(
    interfaceName: string,
    addresses: readonly { readonly bytes: Bytes }[],
    patience: number,
    milliseconds: number,
    done: Done<readonly NeighbourRecord[]>,
  ): void;
  readFile(path: string, done: Done<string>): void;
  /** A path, its text, the next path … */
  readTree(path: string, done: Done<readonly string[]>): void;
  writeFile(path: string, text: string, done: Ended): void;
  /** Fails where the file may not be written. */
  check(path: string, done: Ended): void;
  /** What tells the namespace from others: 0n and a name, or a cookie and ''. */
  identify(done: (failure: NativeFailure | undefined, cookie: bigint, name: string) => void): void;
  close(): void;
}

/** What the addon has besides that of lib/native.ts. */
export interface NetworkAddon {
  readonly NetworkChannel: new (space: string | undefined) => NativeNetwork;
  setNetworkFactories(factories: typeof FACTORIES): void;
}

// C++ calls these once per object with values by position: native/addon/network_values.cc.
export const FACTORIES = {
  link: (
    index: number,
    name: string,
    kind: string,
    flags: number,
    mtu: number,
    address: string,
    tunnelFamily: number,
    local: string,
    remote: string,
    ttl: number,
    lower: number,
    checksum: number,
    external: number,
    encapsulationType: number,
    encapsulationFlags: number,
    sourcePort: number,
    destinationPort: number,
  ): LinkRecord => ({
    index,
    name,
    kind,
    flags,
    mtu,
    address,
    tunnelFamily,
    local,
    remote,
    ttl,
    lower,
    checksum,
    external,
    encapsulationType,
    encapsulationFlags,
    sourcePort,
    destinationPort,
  }),

  address: (
    interfaceName: string,
    family: number,
    address: string,
    prefix: number,
    scope: number,
    flags: number,
    peer: string,
    broadcast: string,
    label: string,
    preferredLifetime: number,
    validLifetime: number,
    other: string,
  ): AddressRecord => ({
    interface: interfaceName,
    family,
    address,
    prefix,
    scope,
    flags,
    peer,
    broadcast,
    label,
    preferredLifetime,
    validLifetime,
    other,
  }),

  route: (
    family: number,
    destination: string,
    prefix: number,
    table: number,
    type: number,
    scope: number,
    protocol: number,
    flags: number,
    interfaceName: string,
    gateway: string,
    source: string,
    metric: number,
    mtu: number,
    advertisedMss: number,
    nextHops: readonly NextHopRecord[],
    tos: number,
    expires: number,
    hasFrom: boolean,
    other: string,
  ): RouteRecord => ({
    family,
    destination,
    prefix,
    table,
    type,
    scope,
    protocol,
    flags,
    interface: interfaceName,
    gateway,
    source,
    metric,
    mtu,
    advertisedMss,
    nextHops,
    tos,
    expires,
    hasFrom,
    other,
  }),

  nextHop: (
    interfaceName: string,
    gateway: string,
    weight: number,
    flags: number,
  ): NextHopRecord => ({ interface: interfaceName, gateway, weight, flags }),

  rule: (
    family: number,
    action: number,
    flags: number,
    table: number,
    priority: number,
    mark: number,
    markMask: number,
    source: string,
    sourcePrefix: number,
    destination: string,
    destinationPrefix: number,
    inputInterface: string,
    outputInterface: string,
    hasOthers: boolean,
  ): RuleRecord => ({
    family,
    action,
    flags,
    table,
    priority,
    mark,
    markMask,
    source,
    sourcePrefix,
    destination,
    destinationPrefix,
    inputInterface,
    outputInterface,
    hasOthers,
  }),

  neighbour: (
    interfaceName: string,
    family: number,
    address: string,
    linkAddress: string,
    state: number,
    proxy: number,
  ): NeighbourRecord => ({ interface: interfaceName, family, address, linkAddress, state, proxy }),

  fouPort: (port: number, family: number, type: number, protocol: number): FouPortRecord => ({
    port,
    family,
    type,
    protocol,
  }),

  listener: (
    protocol: number,
    family: number,
    address: string,
    port: number,
    ipv6Only: number,
  ): ListenerRecord => ({ protocol, family, address, port, ipv6Only }),

  markRule: (family: number, note: string): MarkRecord => ({ family, note }),
};
