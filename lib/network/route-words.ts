// What a route has besides its members (Route.other), in the words of ip-route(8).

import { endianness } from 'node:os';

/** What `ip route` has to be told of it. */
export interface RouteWords {
  /** The nexthop object that says where it goes. */
  readonly nextHopId?: string;
  /** Of its several next hops, whether each one's gateway is taken to be on the link. */
  readonly onLink: readonly boolean[];
  /** Behind all else. */
  readonly rest: readonly string[];
  /** Of the metrics that are members of the route, those that discovery does not change. */
  readonly locked: ReadonlySet<'mtu' | 'advmss'>;
}

// RTA_*, of linux/rtnetlink.h.
const GATEWAY = 5;
const METRICS = 8;
const MULTIPATH = 9;
const VIA = 18;
const PREFERENCE = 20;
const NEXT_HOP_ID = 30;

// RTAX_*.
const LOCK = 1;
const MTU = 2;
const ADVERTISED_MSS = 8;
const FEATURES = 12;
const RTO_MIN = 13;
const CONGESTION_CONTROL = 16;

// Those that are a number as `ip route` says and takes it: without a unit, times are the kernel's own.
const NUMBERS: Readonly<Record<number, string>> = {
  3: 'window',
  4: 'rtt',
  5: 'rttvar',
  6: 'ssthresh',
  7: 'cwnd',
  9: 'reordering',
  10: 'hoplimit',
  11: 'initcwnd',
  14: 'initrwnd',
  15: 'quickack',
  17: 'fastopen_no_cookie',
};

// ICMPV6_ROUTER_PREF_*.
const PREFERENCES: Readonly<Record<number, string>> = { 0: 'medium', 1: 'high', 3: 'low' };

const ECN = 1; // RTAX_FEATURE_ECN
const ONLINK = 4; // RTNH_F_ONLINK
const NESTED = 0x8000;

const isLittle = endianness() === 'LE';
const u16 = (bytes: Buffer, at = 0): number =>
  isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
const u32 = (bytes: Buffer): number => (isLittle ? bytes.readUInt32LE() : bytes.readUInt32BE());

function* attributes(bytes: Buffer): Generator<[type: number, value: Buffer]> {
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = Math.max(4, u16(bytes, at));
    yield [u16(bytes, at + 2) & ~NESTED, bytes.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}

/** undefined where it has something that can't be said, such as an encapsulation. */
export function routeWordsOf(other: string): RouteWords | undefined {
  const rest: string[] = [];
  const locked = new Set<'mtu' | 'advmss'>();
  let onLink: readonly boolean[] = [];
  let nextHopId: string | undefined;
  for (const [type, value] of attributes(Buffer.from(other, 'hex'))) {
    switch (type) {
      case METRICS: {
        const words = metricWords([...attributes(value)], locked);
        if (words === undefined) return undefined;
        rest.push(...words);
        break;
      }
      case MULTIPATH: {
        const hops = flagsOf(value);
        if (hops === undefined) return undefined;
        onLink = hops.map((flags) => (flags & ONLINK) !== 0);
        break;
      }
      case PREFERENCE: {
        const word = PREFERENCES[value[0] ?? -1];
        if (word === undefined) return undefined;
        rest.push('pref', word);
        break;
      }
      case NEXT_HOP_ID:
        nextHopId = String(u32(value));
        break;
      default:
        return undefined;
    }
  }
  return { rest, locked, onLink, ...(nextHopId !== undefined && { nextHopId }) };
}

function metricWords(
  metrics: readonly [type: number, value: Buffer][],
  locked: Set<'mtu' | 'advmss'>,
): string[] | undefined {
  const words: string[] = [];
  const [, lock] = metrics.find(([type]) => type === LOCK) ?? [];
  const locks = lock === undefined ? 0 : u32(lock);
  const isLocked = (type: number): boolean => ((locks >>> type) & 1) !== 0;
  if (isLocked(MTU)) locked.add('mtu');
  if (isLocked(ADVERTISED_MSS)) locked.add('advmss');
  for (const [type, value] of metrics) {
    const lockWord = isLocked(type) ? ['lock'] : [];
    const name = NUMBERS[type];
    if (type === LOCK) continue;
    if (name !== undefined) {
      words.push(name, ...lockWord, String(u32(value)));
    } else if (type === RTO_MIN && isLocked(type)) {
      // `ip route` always locks it.
      words.push('rto_min', `${u32(value)}ms`);
    } else if (type === CONGESTION_CONTROL) {
      words.push('congctl', ...lockWord, value.toString('latin1').replace(/\0.*$/s, ''));
    } else if (type === FEATURES && u32(value) === ECN) {
      words.push('features', 'ecn');
    } else {
      return undefined;
    }
  }
  return words;
}

// struct rtnexthop: length, flags, weight and interface, with attributes behind. Only the gateway among
// those is said by a next hop's members.
function flagsOf(hops: Buffer): number[] | undefined {
  const flags: number[] = [];
  for (let at = 0; at + 8 <= hops.length;) {
    const length = Math.max(8, u16(hops, at));
    for (const [type] of attributes(hops.subarray(at + 8, at + length))) {
      if (type !== GATEWAY && type !== VIA) return undefined;
    }
    flags.push(hops[at + 2] ?? 0);
    at += (length + 3) & ~3;
  }
  return flags;
}
