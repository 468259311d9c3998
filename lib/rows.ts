// Records as they come from native code: rows of fixed columns in a buffer.

import { formatAddress } from './address.js';
import type { NativeRecords } from './native.js';
import type { DestinationRecord, ServiceRecord } from './records.js';
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

  text(word: number): string {
    const { bytes } = this;
    let text = '';
    for (let at = word * 4; bytes[at] !== 0 && at < bytes.length; at++) {
      text += String.fromCharCode(bytes[at] ?? 0);
    }
    return text;
  }

  /** 64 bits as a number: exact up to 2^53. */
  #number(at: number): number {
    const [low, high] = LITTLE_ENDIAN ? [at, at + 1] : [at + 1, at];
    const rest = this.words[low] ?? 0;
    const more = this.words[high] ?? 0;
    return more === 0 ? rest : more * 2 ** 32 + rest;
  }

  numbers(at: number): Stats {
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

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

type Counter = number | bigint;

/** How records of one kind are read from their rows. */
interface Kind<Item> {
  readonly words: number;
  read(row: Row, at: number, bigint: boolean): Item;
}

const SERVICE: Kind<ServiceRecord<Counter>> = {
  words: ServiceColumn.end,
  read: (row, at, bigint) => {
    const family = row.word(at + ServiceColumn.family);
    return {
      family,
      protocol: row.word(at + ServiceColumn.protocol),
      address: formatAddress(family, row.bytes, (at + ServiceColumn.address) * 4),
      port: row.word(at + ServiceColumn.port),
      fwmark: row.word(at + ServiceColumn.fwmark),
      scheduler: row.text(at + ServiceColumn.scheduler),
      flags: row.word(at + ServiceColumn.flags),
      timeout: row.word(at + ServiceColumn.timeout),
      netmask: row.word(at + ServiceColumn.netmask),
      engine: row.text(at + ServiceColumn.engine),
      wideStats: row.word(at + ServiceColumn.wideStats),
      stats: bigint ? row.bigints(at + ServiceColumn.stats) : row.numbers(at + ServiceColumn.stats),
    };
  },
};

const DESTINATION: Kind<DestinationRecord<Counter>> = {
  words: DestinationColumn.end,
  read: (row, at, bigint) => {
    const family = row.word(at + DestinationColumn.family);
    return {
      family,
      address: formatAddress(family, row.bytes, (at + DestinationColumn.address) * 4),
      port: row.word(at + DestinationColumn.port),
      forwarding: row.word(at + DestinationColumn.forwarding),
      weight: row.word(at + DestinationColumn.weight),
      upperThreshold: row.word(at + DestinationColumn.upperThreshold),
      lowerThreshold: row.word(at + DestinationColumn.lowerThreshold),
      tunnelType: row.word(at + DestinationColumn.tunnelType),
      tunnelPort: row.word(at + DestinationColumn.tunnelPort),
      tunnelFlags: row.word(at + DestinationColumn.tunnelFlags),
      activeConnections: row.word(at + DestinationColumn.activeConnections),
      inactiveConnections: row.word(at + DestinationColumn.inactiveConnections),
      persistentConnections: row.word(at + DestinationColumn.persistentConnections),
      stats: bigint
        ? row.bigints(at + DestinationColumn.stats)
        : row.numbers(at + DestinationColumn.stats),
    };
  },
};

/** The service that a reply holds. */
export function serviceOfRow(bytes: Uint8Array, bigint: boolean): ServiceRecord<Counter> {
  return SERVICE.read(new Row(bytes), 0, bigint);
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
  #row: Row | undefined;
  #next = 0;
  #rows = 0; // in #row

  private constructor(native: NativeRecords, kind: Kind<Item>, bigint: boolean) {
    this.length = native.length;
    this.chunks = native.chunks;
    this.#native = native;
    this.#kind = kind;
    this.#bigint = bigint;
  }

  static services(native: NativeRecords, bigint: boolean): Records<ServiceRecord<Counter>> {
    return new Records(native, SERVICE, bigint);
  }

  static destinations(native: NativeRecords, bigint: boolean): Records<DestinationRecord<Counter>> {
    return new Records(native, DESTINATION, bigint);
  }

  /** The next ones, none behind the last. */
  take(most: number): Item[] {
    const items: Item[] = [];
    while (items.length < most) {
      if (this.#next === this.#rows && !this.#fill()) break;
      const row = this.#row;
      if (row === undefined) break;
      const end = Math.min(this.#rows, this.#next + most - items.length);
      for (; this.#next < end; this.#next++) {
        items.push(this.#kind.read(row, this.#next * this.#kind.words, this.#bigint));
      }
    }
    return items;
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
