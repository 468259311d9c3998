// IP addresses from text to the bytes that a request carries.

import { lazy } from './lazy.js';

// AF_INET and AF_INET6, as Linux numbers them.
export const IPV4 = 2;
export const IPV6 = 10;

export interface Address {
  readonly family: number;
  /** 4 or 16 bytes, network order. */
  readonly bytes: readonly number[];
  /** As the caller wrote it. */
  readonly text: string;
}

/** What an address may be read into that is needed for a moment only. */
export interface AddressSlot {
  family: number;
  bytes: number[];
  text: string;
}

/**
 * Undefined where the text is not an address. A zone (`%eth0`) is not part of one here. With a `slot`
 * the result may be that.
 */
export function parseAddress(text: string, slot?: AddressSlot): Address | undefined {
  const address = slot ?? { family: IPV4, bytes: [0, 0, 0, 0], text };
  if (address.bytes.length !== 4) address.bytes = [0, 0, 0, 0];
  if (readIPv4(text, address.bytes)) {
    address.family = IPV4;
    address.text = text;
    return address;
  }
  isIPv6 ??= lazy.net().isIPv6;
  if (isIPv6(text) && !text.includes('%')) {
    return { family: IPV6, bytes: parseIPv6(text), text };
  }
  return undefined;
}

let isIPv6: ((text: string) => boolean) | undefined;

// By hand: it is done for each of a hundred thousand real servers.
function readIPv4(text: string, bytes: number[]): boolean {
  let dots = 0;
  let value = -1; // no digit yet
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (value < 0 || dots === 3) return false;
      bytes[dots++] = value;
      value = -1;
      continue;
    }
    const digit = code - ZERO;
    // A leading zero would mean octal to some and decimal to others.
    if (digit < 0 || digit > 9 || value === 0) return false;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return false;
  }
  if (dots !== 3 || value < 0) return false;
  bytes[3] = value;
  return true;
}

const ZERO = 0x30;
const DOT = 0x2e;

// The text is known to be right: what is left is to expand "::" and an embedded IPv4 address.
function parseIPv6(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const front = parseGroups(head);
  if (tail === undefined) return front;
  const back = parseGroups(tail);
  const gap = new Array<number>(16 - front.length - back.length).fill(0);
  return [...front, ...gap, ...back];
}

function parseGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) {
      const bytes = [0, 0, 0, 0];
      readIPv4(group, bytes);
      return bytes;
    }
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** The canonical text (RFC 5952) of the address in `bytes` from `at` on, as inet_ntop writes it. */
export function formatAddress(family: number, bytes: ArrayLike<number>, at: number): string {
  if (family !== IPV6) return formatIPv4(bytes, at);
  const groups = Array.from({ length: 8 }, (_, i) => group(bytes, at + 2 * i));
  const gap = longestGap(groups);
  // An address that holds one of IPv4 shows it: ::ffff:10.0.0.1 and ::10.0.0.1.
  const mapped = gap.start === 0 && gap.length === 5 && groups[5] === 0xffff;
  const compatible = gap.start === 0 && gap.length === 6;
  if (mapped || compatible) return `${mapped ? '::ffff:' : '::'}${formatIPv4(bytes, at + 12)}`;
  const hex = groups.map((each) => each.toString(16));
  if (gap.length < 2) return hex.join(':');
  return `${hex.slice(0, gap.start).join(':')}::${hex.slice(gap.start + gap.length).join(':')}`;
}

// By hand, and with as little garbage as can be: it is done for each of a hundred thousand real
// servers, which come sorted.
function formatIPv4(bytes: ArrayLike<number>, at: number): string {
  const a = bytes[at] ?? 0;
  const b = bytes[at + 1] ?? 0;
  const c = bytes[at + 2] ?? 0;
  const d = bytes[at + 3] ?? 0;
  // Signed, as V8 keeps integers without a box.
  const number = (a << 24) | (b << 16) | (c << 8) | d;
  const place = ((b << 6) ^ (c << 4) ^ d) % WRITTEN_PLACES;
  const known = WRITTEN_TEXTS[place];
  if (known !== undefined && WRITTEN_NUMBERS[place] === number) return known;
  if (number >> 8 !== networkNumber) {
    networkNumber = number >> 8;
    networkText = `${a}.${b}.${c}.`;
  }
  const text = networkText + (NUMBERS[d] ??= String(d));
  WRITTEN_NUMBERS[place] = number;
  WRITTEN_TEXTS[place] = text;
  return text;
}

// One text serves all records of a real server that is used for many services.
const WRITTEN_PLACES = 1024;
const WRITTEN_NUMBERS = new Int32Array(WRITTEN_PLACES);
const WRITTEN_TEXTS: string[] = [];

// Neighbours have all but the last number in common.
let networkNumber = 0;
let networkText = '0.0.0.';

const NUMBERS: string[] = [];

const group = (bytes: ArrayLike<number>, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** The first of the longest runs of zeros. */
function longestGap(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > longest.length) longest = { start, length };
    start += length;
  }
  return longest;
}

/** Why the kernel never takes this address for a real server, or undefined where it may. */
export function notUnicast({ family, bytes }: Address): string | undefined {
  if (bytes.every((byte) => byte === 0)) return 'unspecified';
  if (family === IPV6) return bytes[0] === 0xff ? 'multicast' : undefined;
  if (bytes.every((byte) => byte === 255)) return 'the broadcast address';
  return ((bytes[0] ?? 0) & 0xf0) === 0xe0 ? 'multicast' : undefined;
}
