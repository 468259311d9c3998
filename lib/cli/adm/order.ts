// The order in which ipvsadm lists: by numbers that it subtracts, so that those which are more than 2^31
// apart come the wrong way round. Its output is sorted by programs that expect just that.

import { IPV6, parseAddress } from '../../address.js';
import type { DestinationRecord, ServiceRecord } from '../../records.js';

export type ServiceKeyRecord = Pick<
  ServiceRecord,
  'family' | 'protocol' | 'address' | 'port' | 'fwmark'
>;
export type DestinationKeyRecord = Pick<DestinationRecord, 'family' | 'address' | 'port'>;

/** What two records are compared by, made once for each. */
interface Keyed<Item> {
  readonly item: Item;
  readonly family: number;
  /** Of a service: the mark, the family, the protocol. */
  readonly first: readonly number[];
  /** Four words; an IPv4 address is the first. */
  readonly words: readonly number[];
  readonly port: number;
}

export function sortServices<Item extends ServiceKeyRecord>(items: readonly Item[]): Item[] {
  return mergeSort(items.map(keyOfService)).map(({ item }) => item);
}

export function sortDestinations<Item extends DestinationKeyRecord>(
  items: readonly Item[],
): Item[] {
  return mergeSort(items.map(keyOfDestination)).map(({ item }) => item);
}

/** Whether services come out in the same order whatever the one was in which they went in. */
export function areOrdered(items: readonly ServiceKeyRecord[]): boolean {
  return isOrder(items.map(keyOfService));
}

/** Likewise for the destinations of one service. */
export function areDestinationsOrdered(items: readonly DestinationKeyRecord[]): boolean {
  // Of two families it depends on which is compared with which.
  const isOfOne = items.every(({ family }) => family === items[0]?.family);
  return isOfOne && isOrder(items.map(keyOfDestination));
}

function keyOfService<Item extends ServiceKeyRecord>(item: Item): Keyed<Item> {
  const { fwmark, family } = item;
  const first = [fwmark, family, fwmark === 0 ? item.protocol : 0];
  const words = fwmark === 0 ? wordsOf(item.address) : NO_WORDS;
  return { item, family, first, words, port: fwmark === 0 ? item.port : 0 };
}

function keyOfDestination<Item extends DestinationKeyRecord>(item: Item): Keyed<Item> {
  const { family, address, port } = item;
  return { item, family, first: [], words: wordsOf(address), port };
}

/** No two numbers at the same place are so far apart that their difference turns around. */
function isOrder(items: readonly Keyed<unknown>[]): boolean {
  const rows = items.map(({ first, words }) => [...first, ...words]);
  return (rows[0] ?? []).every((_, place) => {
    let least = Infinity;
    let most = -Infinity;
    for (const row of rows) {
      least = Math.min(least, row[place] ?? 0);
      most = Math.max(most, row[place] ?? 0);
    }
    return most - least < 2 ** 31;
  });
}

const NO_WORDS = [0, 0, 0, 0];

function wordsOf(address: string): number[] {
  const bytes = parseAddress(address)?.bytes ?? [];
  return NO_WORDS.map((_, word) => {
    const at = word * 4;
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(at, at + 4);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  });
}

function compare(a: Keyed<unknown>, b: Keyed<unknown>): number {
  for (const [index, value] of a.first.entries()) {
    const difference = (value - (b.first[index] ?? 0)) | 0;
    if (difference !== 0) return difference;
  }
  const length = a.family === IPV6 ? 4 : 1;
  for (let index = 0; index < length; index++) {
    const difference = ((a.words[index] ?? 0) - (b.words[index] ?? 0)) | 0;
    if (difference !== 0) return difference;
  }
  return a.port - b.port;
}

// As the C library's qsort does it: such a comparison is no order, so what comes out depends on which
// are compared.
function mergeSort<Item extends Keyed<unknown>>(items: readonly Item[]): readonly Item[] {
  if (items.length < 2) return items;
  const middle = Math.floor(items.length / 2);
  const left = mergeSort(items.slice(0, middle));
  const right = mergeSort(items.slice(middle));
  const sorted: Item[] = [];
  let l = 0;
  let r = 0;
  for (let a = left[l], b = right[r]; a !== undefined && b !== undefined;) {
    if (compare(a, b) > 0) {
      sorted.push(b);
      b = right[++r];
    } else {
      sorted.push(a);
      a = left[++l];
    }
  }
  return [...sorted, ...left.slice(l), ...right.slice(r)];
}

/** The kernel's own order, which /proc/net/ip_vs shows: the names of services, then of destinations. */
export class KernelOrder {
  readonly #services = new Map<string, { readonly place: number; destinations: string[] }[]>();

  /** `text`: what the file holds. */
  constructor(text: string) {
    let destinations: string[] = [];
    for (const [place, line] of text.split('\n').entries()) {
      const [first = '', second = ''] = line.trim().split(/\s+/);
      if (first === '->') {
        destinations.push(second);
      } else if (second !== '') {
        destinations = [];
        const name = `${first} ${second}`;
        this.#services.set(name, [...(this.#services.get(name) ?? []), { place, destinations }]);
      }
    }
  }

  services<Item extends ServiceKeyRecord>(items: readonly Item[]): Item[] {
    const placed = items.map((item) => ({ item, place: this.#entry(item)?.place ?? Infinity }));
    return placed.sort((a, b) => a.place - b.place || 0).map(({ item }) => item);
  }

  destinations<Item extends DestinationKeyRecord>(
    service: ServiceKeyRecord,
    items: readonly Item[],
  ): Item[] {
    const order = this.#entry(service)?.destinations ?? [];
    const places = new Map(order.map((name, place) => [name, place]));
    const placeOf = (item: Item) => places.get(endpointName(item)) ?? Infinity;
    return items
      .map((item) => ({ item, place: placeOf(item) }))
      .sort((a, b) => a.place - b.place || 0)
      .map(({ item }) => item);
  }

  // Marks are shown without their family: where both have one, IPv4 is taken to be the first.
  #entry(service: ServiceKeyRecord) {
    const entries = this.#services.get(serviceName(service)) ?? [];
    const second = service.fwmark !== 0 && service.family === IPV6 && entries.length > 1;
    return entries[second ? 1 : 0];
  }
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };

function serviceName({ fwmark, protocol, ...service }: ServiceKeyRecord): string {
  if (fwmark !== 0) return `FWM ${hex(fwmark, 8)}`;
  return `${PROTOCOLS[protocol] ?? ''} ${endpointName(service)}`;
}

function endpointName({ family, address, port }: DestinationKeyRecord): string {
  const words = wordsOf(address);
  const groups = words.flatMap((word) => [hex(word >>> 16, 4), hex(word & 0xffff, 4)]);
  const host = family === IPV6 ? `[${groups.join(':').toLowerCase()}]` : hex(words[0] ?? 0, 8);
  return `${host}:${hex(port, 4)}`;
}

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0');
}
