// The addon as TypeScript sees it: what crosses the boundary, in which order. Numbers only.

import type { Address } from './address.js';
import { SETTABLE_FLAGS } from './words.js';
import type { Stats } from './types.js';

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

/** One request, ready to become a row. */
export interface Request {
  readonly command: Command;
  readonly service?: ServiceId;
  readonly serviceNumbers?: ServiceNumbers;
  readonly destination?: DestinationId;
  readonly destinationNumbers?: DestinationNumbers;
  readonly bigint?: boolean;
}

/** What a dump read; native/addon/records.h. */
export interface Records<Item> {
  readonly length: number;
  /** Datagrams: only what came in one is sure to be of one moment. */
  readonly chunks: number;
  take(most: number): Item[];
}

export type Outcome = undefined | NativeFailure | ServiceRecord<number | bigint>;

/** native/addon/channel.h */
export interface NativeChannel {
  open(done: (failure: NativeFailure | undefined) => void): void;
  exchange(
    rows: Uint8Array,
    count: number,
    milliseconds: number,
    done: (outcomes: Outcome[] | undefined) => void,
  ): void;
  dump(
    row: Uint8Array,
    milliseconds: number,
    done: (failure: NativeFailure | undefined, records: Records<never> | undefined) => void,
  ): void;
  close(): void;
}

export interface Addon {
  readonly Channel: new (space: string | NativeChannel | undefined) => NativeChannel;
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
  end = 36,
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
  Column.end,
];

/** Whether an addon reads rows as they are written here: an old build may lie around. */
export function understandsRows(addon: Addon): boolean {
  const theirs = Array.from(addon.requestLayout);
  return theirs.length === LAYOUT.length && LAYOUT.every((word, i) => word * 4 === theirs[i]);
}

/** Rows in one growing buffer, written in place. */
export class Rows {
  #bytes = new Uint8Array(0);
  #words = new Uint32Array(0);
  #begin = 0;
  #end = 0;

  push(request: Request): void {
    if (this.#end * ROW_BYTES === this.#bytes.length) this.#makeRoom();
    this.#write(this.#end++, request);
  }

  /** The first rows, removed. Valid until the next push. */
  shift(count: number): Uint8Array {
    const start = this.#begin * ROW_BYTES;
    this.#begin += count;
    const rows = this.#bytes.subarray(start, this.#begin * ROW_BYTES);
    if (this.#begin === this.#end) this.#begin = this.#end = 0;
    return rows;
  }

  // Moves what is left to the front of a buffer that holds it twice.
  #makeRoom(): void {
    const rest = this.#bytes.subarray(this.#begin * ROW_BYTES, this.#end * ROW_BYTES);
    const bytes = new Uint8Array(Math.max(8 * ROW_BYTES, 2 * rest.length));
    bytes.set(rest);
    this.#bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer);
    this.#end -= this.#begin;
    this.#begin = 0;
  }

  #write(row: number, request: Request): void {
    const words = this.#words;
    const at = (row * ROW_BYTES) / 4;
    words.fill(0, at, at + Column.end);
    words[at + Column.command] = request.command;
    words[at + Column.bigint] = request.bigint === true ? 1 : 0;
    const { service, serviceNumbers, destination, destinationNumbers } = request;
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

/** A single row, for a request that travels alone. */
export function rowOf(request: Request): Uint8Array {
  const rows = new Rows();
  rows.push(request);
  return rows.shift(1);
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

  failure: (fault: Fault, errno: number, syscall: string, detail: string): NativeFailure =>
    new NativeFailure(fault, errno, syscall, detail),
};
