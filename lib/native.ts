// The addon as TypeScript sees it: what crosses the boundary, in which order. Numbers only.

import type {
  ConnectionFilter,
  ConnectionRecord,
  DaemonRecord,
  DestinationRecord,
  InfoRecord,
  ServiceRecord,
  TimeoutNumbers,
} from './records.js';
import type { Stats } from './types.js';

/** How an operation can end in native code: native/core/result.h. */
export const Fault = {
  refused: 1,
  systemCall: 2,
  unavailable: 3,
  notSent: 4,
  noAnswer: 5,
  malformed: 6,
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

export class NativeFailure {
  constructor(
    readonly fault: Fault,
    /** Positive, 0 where there is none. */
    readonly errno: number,
    /** '' where no system call failed. */
    readonly syscall: string,
    readonly detail: string,
  ) {}
}

/** What a dump read; native/addon/records.h. */
export interface Records<Item> {
  readonly length: number;
  /** Datagrams: only what came in one is sure to be of one moment. */
  readonly chunks: number;
  take(most: number): Item[];
}

/** The whole table; the destinations of the n-th service are the next counts[n] ones. */
export interface NativeTable {
  readonly services: Records<ServiceRecord<number | bigint>>;
  readonly destinations: Records<DestinationRecord<number | bigint>>;
  readonly counts: Uint32Array;
  readonly settled: boolean;
}

export type Reply = undefined | ServiceRecord<number | bigint> | TimeoutNumbers | InfoRecord;
export type Outcome = NativeFailure | Reply;

type Done<Result> = (failure: NativeFailure | undefined, result: Result) => void;

/** native/addon/channel.h */
export interface NativeChannel {
  open(done: (failure: NativeFailure | undefined) => void): void;
  exchange(
    rows: Uint8Array,
    count: number,
    milliseconds: number,
    done: (outcomes: Outcome[] | undefined) => void,
  ): void;
  dump(row: Uint8Array, milliseconds: number, done: Done<Records<never>>): void;
  table(settle: boolean, bigint: boolean, milliseconds: number, done: Done<NativeTable>): void;
  readFile(path: string, done: Done<string>): void;
  listFolder(path: string, done: Done<string[]>): void;
  close(): void;
}

/** native/addon/connection_list.h */
export interface NativeConnectionList {
  read(
    most: number,
    done: (failure: NativeFailure | undefined, entries: ConnectionRecord[], end: boolean) => void,
  ): void;
  close(): void;
}

export interface Addon {
  readonly Channel: new (
    space: string | NativeChannel | null | undefined,
    protocol?: number,
    peer?: number,
  ) => NativeChannel;
  readonly ConnectionList: new (
    space: NativeChannel,
    path: string,
    hasOrigin: boolean,
    filter: ConnectionFilter,
  ) => NativeConnectionList;
  readonly requestLayout: Uint32Array;
  setFactories(factories: typeof FACTORIES): void;
}

type Counters<Counter extends number | bigint> = [
  connections: Counter,
  incomingPackets: Counter,
  outgoingPackets: Counter,
  incomingBytes: Counter,
  outgoingBytes: Counter,
  connectionRate: Counter,
  incomingPacketRate: Counter,
  outgoingPacketRate: Counter,
  incomingByteRate: Counter,
  outgoingByteRate: Counter,
];

function makeStats<Counter extends number | bigint>(...c: Counters<Counter>): Stats<Counter> {
  return {
    connections: c[0],
    incomingPackets: c[1],
    outgoingPackets: c[2],
    incomingBytes: c[3],
    outgoingBytes: c[4],
    connectionRate: c[5],
    incomingPacketRate: c[6],
    outgoingPacketRate: c[7],
    incomingByteRate: c[8],
    outgoingByteRate: c[9],
  };
}

// C++ calls these once per record with values by position: native/addon/convert.cc has the order.
export const FACTORIES = {
  service: (
    family: number,
    protocol: number,
    address: string,
    port: number,
    fwmark: number,
    scheduler: string,
    flags: number,
    timeout: number,
    netmask: number,
    engine: string,
    wideStats: number,
    ...counters: Counters<number | bigint>
  ): ServiceRecord<number | bigint> => ({
    family,
    protocol,
    address,
    port,
    fwmark,
    scheduler,
    flags,
    timeout,
    netmask,
    engine,
    wideStats,
    stats: makeStats(...counters),
  }),

  destination: (
    family: number,
    address: string,
    port: number,
    forwarding: number,
    weight: number,
    upperThreshold: number,
    lowerThreshold: number,
    tunnelType: number,
    tunnelPort: number,
    tunnelFlags: number,
    activeConnections: number,
    inactiveConnections: number,
    persistentConnections: number,
    _wideStats: number,
    ...counters: Counters<number | bigint>
  ): DestinationRecord<number | bigint> => ({
    family,
    address,
    port,
    forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
    tunnelType,
    tunnelPort,
    tunnelFlags,
    activeConnections,
    inactiveConnections,
    persistentConnections,
    stats: makeStats(...counters),
  }),

  daemon: (
    role: number,
    interfaceName: string,
    syncId: number,
    maxLength: number,
    group: string,
    port: number,
    ttl: number,
  ): DaemonRecord => ({ role, interface: interfaceName, syncId, maxLength, group, port, ttl }),

  timeouts: (tcp: number, tcpFin: number, udp: number): TimeoutNumbers => ({ tcp, tcpFin, udp }),

  info: (version: number, connectionTableSize: number): InfoRecord => ({
    version,
    connectionTableSize,
  }),

  connection: (
    protocol: number,
    isTemplate: number,
    clientAddress: string,
    clientPort: number,
    virtualAddress: string,
    virtualPort: number,
    destinationAddress: string,
    destinationPort: number,
    fwmark: number,
    state: string,
    expires: number,
    origin: number,
    engine: string,
    engineData: string,
  ): ConnectionRecord => ({
    protocol,
    isTemplate,
    client: { address: clientAddress, port: clientPort },
    virtual: { address: virtualAddress, port: virtualPort },
    destination: { address: destinationAddress, port: destinationPort },
    fwmark,
    state,
    expires,
    origin,
    engine,
    engineData,
  }),

  failure: (fault: Fault, errno: number, syscall: string, detail: string): NativeFailure =>
    new NativeFailure(fault, errno, syscall, detail),
};
