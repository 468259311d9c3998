// Records as they come from native code: rows of fixed columns in a buffer.

import { formatAddress } from './address.js';
import type { NativeRecords } from './native.js';
import type { Counter, DestinationRecord, Mutable, ServiceRecord } from './records.js';
import { isLayout } from './requests.js';
import type { Stats } from './types.js';

// The columns of a row, counted in 32-bit words: native/addon/rows.h.

const enum ServiceColumn {
  family,
  protocol,
  port,
  fwmark,
  address,
  flags = 8,
  timeout,
  netmask,
  scheduler,
  engine = 15,
  wideStats = 20,
  stats = 22,
  end = 42,
}

const enum DestinationColumn {
  family,
  port,
  address,
  forwarding = 6,
  weight,
  upperThreshold,
  lowerThreshold,
  tunnelType,
  tunnelPort,
  tunnelFlags,
  activeConnections,
  inactiveConnections,
  persistentConnections,
  stats,
  end = 36,
}

const LAYOUT: readonly number[] = [
  ServiceColumn.family,
  ServiceColumn.protocol,
  ServiceColumn.port,
  ServiceColumn.fwmark,
  ServiceColumn.address,
  ServiceColumn.flags,
  ServiceColumn.timeout,
  ServiceColumn.netmask,
  ServiceColumn.scheduler,
  ServiceColumn.engine,
  ServiceColumn.wideStats,
  ServiceColumn.stats,
  ServiceColumn.end,
  DestinationColumn.family,
  DestinationColumn.port,
  DestinationColumn.address,
  DestinationColumn.forwarding,
  DestinationColumn.weight,
  DestinationColumn.upperThreshold,
  DestinationColumn.lowerThreshold,
  DestinationColumn.tunnelType,
  DestinationColumn.tunnelPort,
  DestinationColumn.tunnelFlags,
  DestinationColumn.activeConnections,
  DestinationColumn.inactiveConnections,
  DestinationColumn.persistentConnections,
  DestinationColumn.stats,
  DestinationColumn.end,
];

/** Whether an addon with this layout writes rows as they are read here. */
export const writesOurRows = (layout: Uint32Array): boolean => isLayout(LAYOUT, layout);

/** One buffer of rows, seen in every way that a column wants. */
class Row {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #counters: BigUint64Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const { buffer, byteOffset, byteLength } = bytes;
    this.words = new Uint32Array(buffer, byteOffset, byteLength / 4);
    this.#counters = new BigUint64Array(buffer, byteOffset, byteLength / 8);
  }

  word(at: number): number {
    return this.words[at] ?? 0;
  }

  /** `likely`: what it was in the row before. */
  text(word: number, likely: string): string {
    const { bytes } = this;
    const start = word * 4;
    let end = start;
    while (bytes[end] !== 0 && end < bytes.length) end++;
    let same = end - start === likely.length;
    for (let at = start; same && at < end; at++) same = bytes[at] === likely.charCodeAt(at - start);
    return same ? likely : String.fromCharCode(...bytes.subarray(start, end));
  }

  /** 64 bits as a number: exact up to 2^53. */
  #number(at: number): number {
    const [low, high] = LITTLE_ENDIAN ? [at, at + 1] : [at + 1, at];
    const rest = this.words[low] ?? 0;
    const more = this.words[high] ?? 0;
    return more === 0 ? rest : more * 2 ** 32 + rest;
  }

  /** Whether nothing was counted. */
  #isZero(at: number): boolean {
    for (let word = at; word < at + STATS_WORDS; word++) {
      if (this.words[word] !== 0) return false;
    }
    return true;
  }

  numbers(at: number): Stats {
    if (this.#isZero(at)) return NO_STATS;
    return {
      connections: this.#number(at),
      incomingPackets: this.#number(at + 2),
      outgoingPackets: this.#number(at + 4),
      incomingBytes: this.#number(at + 6),
      outgoingBytes: this.#number(at + 8),
      connectionRate: this.#number(at + 10),
      incomingPacketRate: this.#number(at + 12),
      outgoingPacketRate: this.#number(at + 14),
      incomingByteRate: this.#number(at + 16),
      outgoingByteRate: this.#number(at + 18),
    };
  }

  bigints(at: number): Stats<bigint> {
    if (this.#isZero(at)) return NO_BIGINT_STATS;
    const counter = (index: number) => this.#counters[at / 2 + index] ?? 0n;
    return {
      connections: counter(0),
      incomingPackets: counter(1),
      outgoingPackets: counter(2),
      incomingBytes: counter(3),
      outgoingBytes: counter(4),
      connectionRate: counter(5),
      incomingPacketRate: counter(6),
      outgoingPacketRate: counter(7),
      incomingByteRate: counter(8),
      outgoingByteRate: counter(9),
    };
  }
}

const STATS_WORDS = 20;

// Most of a large table is idle: all that is shares these.
export const NO_STATS: Stats = Object.freeze({
  connections: 0,
  incomingPackets: 0,
  outgoingPackets: 0,
  incomingBytes: 0,
  outgoingBytes: 0,
  connectionRate: 0,
  incomingPacketRate: 0,
  outgoingPacketRate: 0,
  incomingByteRate: 0,
  outgoingByteRate: 0,
});

const NO_BIGINT_STATS: Stats<bigint> = Object.freeze({
  connections: 0n,
  incomingPackets: 0n,
  outgoingPackets: 0n,
  incomingBytes: 0n,
  outgoingBytes: 0n,
  connectionRate: 0n,
  incomingPacketRate: 0n,
  outgoingPacketRate: 0n,
  incomingByteRate: 0n,
  outgoingByteRate: 0n,
});

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** How records of one kind are read from their rows. */
interface Kind<Item> {
  readonly words: number;
  make(): Item;
  read(row: Row, at: number, bigint: boolean, into: Mutable<Item>): void;
}

const SERVICE: Kind<ServiceRecord<Counter>> = {
  words: ServiceColumn.end,
  make: () => ({
    family: 0,
    protocol: 0,
    address: '',
    port: 0,
    fwmark: 0,
    scheduler: '',
    flags: 0,
    timeout: 0,
    netmask: 0,
    engine: '',
    wideStats: 0,
    stats: NO_STATS,
  }),
  read: (row, at, bigint, into) => {
    const family = row.word(at + ServiceColumn.family);
    into.family = family;
    into.protocol = row.word(at + ServiceColumn.protocol);
    into.address = formatAddress(family, row.bytes, (at + ServiceColumn.address) * 4);
    into.port = row.word(at + ServiceColumn.port);
    into.fwmark = row.word(at + ServiceColumn.fwmark);
    into.scheduler = row.text(at + ServiceColumn.scheduler, into.scheduler);
    into.flags = row.word(at + ServiceColumn.flags);
    into.timeout = row.word(at + ServiceColumn.timeout);
    into.netmask = row.word(at + ServiceColumn.netmask);
    into.engine = row.text(at + ServiceColumn.engine, into.engine);
    into.wideStats = row.word(at + ServiceColumn.wideStats);
    into.stats = bigint
      ? row.bigints(at + ServiceColumn.stats)
      : row.numbers(at + ServiceColumn.stats);
  },
};

const DESTINATION: Kind<DestinationRecord<Counter>> = {
  words: DestinationColumn.end,
  make: () => ({
    family: 0,
    address: '',
    port: 0,
    forwarding: 0,
    weight: 0,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 0,
    tunnelPort: 0,
    tunnelFlags: 0,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    stats: NO_STATS,
  }),
  read: (row, at, bigint, into) => {
    const family = row.word(at + DestinationColumn.family);
    into.family = family;
    into.address = formatAddress(family, row.bytes, (at + DestinationColumn.address) * 4);
    into.port = row.word(at + DestinationColumn.port);
    into.forwarding = row.word(at + DestinationColumn.forwarding);
    into.weight = row.word(at + DestinationColumn.weight);
    into.upperThreshold = row.word(at + DestinationColumn.upperThreshold);
    into.lowerThreshold = row.word(at + DestinationColumn.lowerThreshold);
    into.tunnelType = row.word(at + DestinationColumn.tunnelType);
    into.tunnelPort = row.word(at + DestinationColumn.tunnelPort);
    into.tunnelFlags = row.word(at + DestinationColumn.tunnelFlags);
    into.activeConnections = row.word(at + DestinationColumn.activeConnections);
    into.inactiveConnections = row.word(at + DestinationColumn.inactiveConnections);
    into.persistentConnections = row.word(at + DestinationColumn.persistentConnections);
    into.stats = bigint
      ? row.bigints(at + DestinationColumn.stats)
      : row.numbers(at + DestinationColumn.stats);
  },
};

/** The service that a reply holds. */
export function serviceOfRow(bytes: Uint8Array, bigint: boolean): ServiceRecord<Counter> {
  const record = SERVICE.make();
  SERVICE.read(new Row(bytes), 0, bigint, record);
  return record;
}

// So many rows cross at a time.
const PORTION = 512;

/** What a dump read: objects are made of it as they are taken. */
export class Records<Item> {
  readonly length: number;
  /** Datagrams: only what came in one is sure to be of one moment. */
  readonly chunks: number;
  readonly #native: NativeRecords;
  readonly #kind: Kind<Item>;
  readonly #bigint: boolean;
  readonly #item: Item; // the one at hand
  #row: Row | undefined;
  #next = 0;
  #rows = 0; // in #row

  private constructor(native: NativeRecords, kind: Kind<Item>, bigint: boolean) {
    this.length = native.length;
    this.chunks = native.chunks;
    this.#native = native;
    this.#kind = kind;
    this.#bigint = bigint;
    this.#item = kind.make();
  }

  static services(native: NativeRecords, bigint: boolean): Records<ServiceRecord<Counter>> {
    return new Records(native, SERVICE, bigint);
  }

  static destinations(native: NativeRecords, bigint: boolean): Records<DestinationRecord<Counter>> {
    return new Records(native, DESTINATION, bigint);
  }

  /** The next ones, none behind the last. */
  take(most: number): Item[] {
    return this.map(most, (item) => ({ ...item }));
  }

  /** What `convert` makes of the next ones; each is valid only until it returns. */
  map<Result>(most: number, convert: (item: Item) => Result): Result[] {
    const items: Result[] = [];
    this.visit(most, (item) => {
      items.push(convert(item));
    });
    return items;
  }

  /** Shows the next ones; each is valid only until `see` returns. */
  visit(most: number, see: (item: Item) => void): void {
    for (let rest = most; rest > 0;) {
      if (this.#next === this.#rows && !this.#fill()) break;
      const row = this.#row;
      if (row === undefined) break;
      const end = Math.min(this.#rows, this.#next + rest);
      rest -= end - this.#next;
      for (; this.#next < end; this.#next++) {
        this.#kind.read(row, this.#next * this.#kind.words, this.#bigint, this.#item);
        see(this.#item);
      }
    }
  }

  #fill(): boolean {
    if (this.length === 0) return false;
    const most = Math.min(PORTION, this.length);
    this.#row ??= new Row(new Uint8Array(most * this.#kind.words * 4));
    this.#rows = this.#native.take(this.#row.bytes);
    this.#next = 0;
    return this.#rows > 0;
  }
}
