// IP addresses from text to the bytes that a request carries.

import { isIPv4, isIPv6 } from 'node:net';

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

/** Undefined where the text is not an address. A zone (`%eth0`) is not part of one here. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: IPV4, bytes: parseIPv4(text), text };
  if (isIPv6(text) && !text.includes('%')) {
    return { family: IPV6, bytes: parseIPv6(text), text };
  }
  return undefined;
}

function parseIPv4(text: string): number[] {
  return text.split('.').map(Number);
}

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
    if (group.includes('.')) return parseIPv4(group);
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** The canonical text (RFC 5952) of the address in `bytes` from `at` on, as inet_ntop writes it. */
export function formatAddress(family: number, bytes: Uint8Array, at: number): string {
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

function formatIPv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

const group = (bytes: Uint8Array, at: number): number =>
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
