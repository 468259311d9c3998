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

/** Why the kernel never takes this address for a real server, or undefined where it may. */
export function notUnicast({ family, bytes }: Address): string | undefined {
  if (bytes.every((byte) => byte === 0)) return 'unspecified';
  if (family === IPV6) return bytes[0] === 0xff ? 'multicast' : undefined;
  if (bytes.every((byte) => byte === 255)) return 'the broadcast address';
  return ((bytes[0] ?? 0) & 0xf0) === 0xe0 ? 'multicast' : undefined;
}
