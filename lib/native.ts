// The addon as TypeScript sees it: what crosses the boundary, in which order. Numbers only.

import type { Address } from './address.js';
import { SETTABLE_FLAGS } from './words.js';
import type { Endpoint, Stats } from './types.js';

/** IPVS_CMD_*: what a request asks for. */
export const Command = {
  newService: 1,
  setService: 2,
  deleteService: 3,
  getService: 4,
  newDestination: 5,
  setDestination: 6,
  deleteDestination: 7,
  getDestination: 8,
  newDaemon: 9,
  deleteDaemon: 10,
  getDaemon: 11,
  setTimeouts: 12,
  getTimeouts: 13,
  getInfo: 15,
  zero: 16,
  flush: 17,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

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

export interface ServiceId {
  readonly family: number;
  readonly protocol: number;
  /** Undefined for a mark. */
  readonly address: Address | undefined;
  readonly port: number;
  /** 0 where the address names the service. */
  readonly fwmark: number;
}

/** What a service is set to, in numbers. */
export interface ServiceNumbers {
  readonly scheduler: string;
  readonly flags: number;
  readonly timeout: number;
  /** IPv4: the mask as an integer; IPv6: a prefix length. */
  readonly netmask: number;
  readonly engine: string;
}

export interface ServiceRecord<Counter extends number | bigint = number> extends ServiceNumbers {
  readonly family: number;
  readonly protocol: number;
  readonly address: string;
  readonly port: number;
  readonly fwmark: number;
  readonly stats: Stats<Counter>;
  /** Whether the kernel counts in 64 bits. */
  readonly wideStats: number;
}

export interface DestinationId {
  readonly address: Address;
  readonly port: number;
}

/** What a destination is set to, in numbers. */
export interface DestinationNumbers {
  readonly forwarding: number;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly tunnelType: number;
  readonly tunnelPort: number;
  readonly tunnelFlags: number;
}

export interface DestinationRecord<
  Counter extends number | bigint = number,
> extends DestinationNumbers {
  readonly family: number;
  readonly address: string;
  readonly port: number;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly stats: Stats<Counter>;
}

export interface TimeoutNumbers {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

export interface DaemonNumbers {
  readonly role: number;
  readonly interface: string;
  readonly syncId: number;
  readonly maxLength: number;
  /** Undefined: the kernel's own choice, as 0 for the others. */
  readonly group: Address | undefined;
  readonly port: number;
  readonly ttl: number;
}

export interface DaemonRecord extends Omit<DaemonNumbers, 'group'> {
  readonly group: string;
}

export interface InfoRecord {
  readonly version: number;
  readonly connectionTableSize: number;
}

export interface ConnectionRecord {
  /** 0 for the template of a mark. */
  readonly protocol: number;
  readonly isTemplate: number;
  readonly client: Endpoint;
  readonly virtual: Endpoint;
  readonly destination: Endpoint;
  readonly fwmark: number;
  readonly state: string;
  readonly expires: number;
  /** 0 where it is not known. */
  readonly origin: number;
  readonly engine: string;
  readonly engineData: string;
}

/** What of the table of connections is wanted: 0, no bytes and a negative port match anything. */
export interface ConnectionFilter {
  readonly protocol: number;
  readonly fwmark: number;
  readonly client: EndpointNumbers;
  readonly virtual: EndpointNumbers;
  readonly destination: EndpointNumbers;
}

export interface EndpointNumbers {
  readonly family: number;
  readonly bytes: readonly number[];
  readonly port: number;
}

/** One request, ready to become a row. */
export interface Request {
  readonly command: Command;
  readonly service?: ServiceId;
  readonly serviceNumbers?: ServiceNumbers;
  readonly destination?: DestinationId;
  readonly destinationNumbers?: DestinationNumbers;
  readonly timeouts?: TimeoutNumbers;
  readonly daemon?: DaemonNumbers;
  readonly bigint?: boolean;
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

// The columns of a request's row, counted in 32-bit words: native/addon/request.h.
const enum Column {
  command = 0,
  family = 1,
  protocol = 2,
  address = 3,
  port = 7,
  fwmark = 8,
  flags = 9,
  flagsMask = 10,
  timeout = 11,
  netmask = 12,
  scheduler = 13,
  engine = 17,
  destinationFamily = 22,
  destinationAddress = 23,
  destinationPort = 27,
  forwarding = 28,
  weight = 29,
  upperThreshold = 30,
  lowerThreshold = 31,
  tunnelType = 32,
  tunnelPort = 33,
  tunnelFlags = 34,
  bigint = 35,
  timeoutTcp = 36,
  timeoutTcpFin = 37,
  timeoutUdp = 38,
  daemonRole = 39,
  daemonInterface = 40,
  daemonSyncId = 44,
  daemonMaxLength = 45,
  daemonGroupFamily = 46,
  daemonGroup = 47,
  daemonPort = 51,
  daemonTtl = 52,
  end = 53,
}

export const ROW_BYTES = Column.end * 4;

const LAYOUT = [
  Column.command,
  Column.family,
  Column.protocol,
  Column.address,
  Column.port,
  Column.fwmark,
  Column.flags,
  Column.flagsMask,
  Column.timeout,
  Column.netmask,
  Column.scheduler,
  Column.engine,
  Column.destinationFamily,
  Column.destinationAddress,
  Column.destinationPort,
  Column.forwarding,
  Column.weight,
  Column.upperThreshold,
  Column.lowerThreshold,
  Column.tunnelType,
  Column.tunnelPort,
  Column.tunnelFlags,
  Column.bigint,
  Column.timeoutTcp,
  Column.timeoutTcpFin,
  Column.timeoutUdp,
  Column.daemonRole,
  Column.daemonInterface,
  Column.daemonSyncId,
  Column.daemonMaxLength,
  Column.daemonGroupFamily,
  Column.daemonGroup,
  Column.daemonPort,
  Column.daemonTtl,
  Column.end,
];

/** Whether an addon reads rows as they are written here: an old build may lie around. */
export function understandsRows(addon: Addon): boolean {
  const theirs = Array.from(addon.requestLayout);
  return theirs.length === LAYOUT.length && LAYOUT.every((word, i) => word * 4 === theirs[i]);
}

/** Requests as the rows of one buffer, which is used again and again. */
export class Rows {
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(most: number) {
    this.#bytes = new Uint8Array(most * ROW_BYTES);
    this.#words = new Uint32Array(this.#bytes.buffer);
  }

  /** Valid until the next call. */
  of(requests: readonly Request[]): Uint8Array {
    this.#words.fill(0, 0, requests.length * Column.end);
    requests.forEach((request, index) => {
      this.#write(index * Column.end, request);
    });
    return this.#bytes;
  }

  #write(at: number, request: Request): void {
    const words = this.#words;
    words[at + Column.command] = request.command;
    words[at + Column.bigint] = request.bigint === true ? 1 : 0;
    const { service, serviceNumbers, destination, destinationNumbers, timeouts, daemon } = request;
    if (service !== undefined) {
      words[at + Column.family] = service.family;
      words[at + Column.protocol] = service.protocol;
      words[at + Column.port] = service.port;
      words[at + Column.fwmark] = service.fwmark;
      if (service.address !== undefined) this.#writeAddress(at + Column.address, service.address);
    }
    if (serviceNumbers !== undefined) {
      words[at + Column.flags] = serviceNumbers.flags;
      words[at + Column.flagsMask] = SETTABLE_FLAGS;
      words[at + Column.timeout] = serviceNumbers.timeout;
      words[at + Column.netmask] = serviceNumbers.netmask;
      this.#writeText(at + Column.scheduler, serviceNumbers.scheduler);
      this.#writeText(at + Column.engine, serviceNumbers.engine);
    }
    if (destination !== undefined) {
      words[at + Column.destinationFamily] = destination.address.family;
      words[at + Column.destinationPort] = destination.port;
      this.#writeAddress(at + Column.destinationAddress, destination.address);
    }
    if (destinationNumbers !== undefined) {
      words[at + Column.forwarding] = destinationNumbers.forwarding;
      words[at + Column.weight] = destinationNumbers.weight;
      words[at + Column.upperThreshold] = destinationNumbers.upperThreshold;
      words[at + Column.lowerThreshold] = destinationNumbers.lowerThreshold;
      words[at + Column.tunnelType] = destinationNumbers.tunnelType;
      words[at + Column.tunnelPort] = destinationNumbers.tunnelPort;
      words[at + Column.tunnelFlags] = destinationNumbers.tunnelFlags;
    }
    if (timeouts !== undefined) {
      words[at + Column.timeoutTcp] = timeouts.tcp;
      words[at + Column.timeoutTcpFin] = timeouts.tcpFin;
      words[at + Column.timeoutUdp] = timeouts.udp;
    }
    if (daemon !== undefined) this.#writeDaemon(at, daemon);
  }

  #writeDaemon(at: number, daemon: DaemonNumbers): void {
    const words = this.#words;
    words[at + Column.daemonRole] = daemon.role;
    this.#writeText(at + Column.daemonInterface, daemon.interface);
    words[at + Column.daemonSyncId] = daemon.syncId;
    words[at + Column.daemonMaxLength] = daemon.maxLength;
    if (daemon.group !== undefined) {
      words[at + Column.daemonGroupFamily] = daemon.group.family;
      this.#writeAddress(at + Column.daemonGroup, daemon.group);
    }
    words[at + Column.daemonPort] = daemon.port;
    words[at + Column.daemonTtl] = daemon.ttl;
  }

  #writeAddress(word: number, { bytes }: Address): void {
    const from = word * 4;
    for (let i = 0; i < bytes.length; i++) this.#bytes[from + i] = bytes[i] ?? 0;
  }

  // Names are ASCII and fit their column: validate.ts has seen to it.
  #writeText(word: number, text: string): void {
    const from = word * 4;
    for (let i = 0; i < text.length; i++) this.#bytes[from + i] = text.charCodeAt(i);
  }
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
