// The addon as TypeScript sees it: what crosses the boundary, in which order. Numbers only.

import type {
  ConnectionFilter,
  ConnectionRecord,
  DaemonRecord,
  InfoRecord,
  TimeoutNumbers,
} from './records.js';

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

/** What became of a request that was too late, before it left and afterwards. */
export const NOT_SENT = new NativeFailure(Fault.notSent, 0, '', '');
export const NO_ANSWER = new NativeFailure(Fault.noAnswer, 0, '', '');

/** What a dump read; native/addon/records.h. */
export interface NativeRecords {
  readonly length: number;
  /** Datagrams: only what came in one is sure to be of one moment. */
  readonly chunks: number;
  /** Writes the rows of the next records, as many as fit, and says how many. */
  take(buffer: Uint8Array): number;
}

/** The whole table; the destinations of the n-th service are the next counts[n] ones. */
export interface NativeTable {
  readonly services: NativeRecords;
  readonly destinations: NativeRecords;
  readonly counts: Uint32Array;
  readonly settled: boolean;
}

/** What a command replies: a service is the bytes of a row. */
export type Reply = undefined | Uint8Array | TimeoutNumbers | InfoRecord;
export type Outcome = NativeFailure | Reply;

type Done<Result> = (failure: NativeFailure | undefined, result: Result) => void;

/** native/addon/channel.h */
export interface NativeChannel {
  open(done: (failure: NativeFailure | undefined) => void): void;
  /** Milliseconds, as `exchange` counts them. */
  now(): number;
  exchange(
    requests: Uint8Array,
    count: number,
    deadline: number,
    done: (outcomes: Outcome[] | undefined) => void,
  ): void;
  dump(
    request: Uint8Array,
    milliseconds: number,
    done: Done<NativeRecords | readonly DaemonRecord[]>,
  ): void;
  table(settle: boolean, milliseconds: number, done: Done<NativeTable>): void;
  services(requests: Uint8Array, milliseconds: number, done: Done<NativeTable>): void;
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
  readonly rowLayout: Uint32Array;
  /** Locks an open file, until its descriptor is closed; fails where another has it. */
  lockFile(descriptor: number, done: (failure: NativeFailure | undefined) => void): void;
  setFactories(factories: typeof FACTORIES): void;
}

// C++ calls these once per object with values by position: native/addon/convert.cc has the order.
// Services and destinations, of which there may be many, come as rows: lib/rows.ts.
export const FACTORIES = {
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
