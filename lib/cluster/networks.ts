// Addresses with a prefix length, as descriptions have them.

import { IPV4, formatAddress, parseAddress } from '../address.js';
import type { AddressFamily } from '../types.js';

/** An address in canonical text, which may have a prefix length. */
export interface Placed {
  readonly address: string;
  readonly family: AddressFamily;
  readonly prefix?: number;
}

/** Undefined where the text is neither an address nor one with a prefix length. */
export function parsePlaced(text: string): Placed | undefined {
  const [head = '', length, ...more] = text.split('/');
  const parsed = parseAddress(head);
  if (parsed === undefined || more.length > 0) return undefined;
  const family = parsed.family === IPV4 ? 'ipv4' : 'ipv6';
  const address = formatAddress(parsed.family, Uint8Array.from(parsed.bytes), 0);
  if (length === undefined) return { address, family };
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : NaN;
  return prefix >= 1 && prefix <= hostPrefix(family) ? { address, family, prefix } : undefined;
}

/** Why no host can have an address as its own; undefined where one can. */
export function whyNotOfHost(address: string): string | undefined {
  const { family, bytes = [] } = parseAddress(address) ?? {};
  const [first = 0] = bytes;
  if (family === IPV4) {
    if (first === 0) return 'means no address';
    if (first === 127) return 'is a loopback address';
    if (first >= 224 && first < 240) return 'is a multicast address';
    return first >= 240 ? 'is a reserved address, or that of everybody' : undefined;
  }
  if (first === 0xff) return 'is a multicast address';
  if (address === '::') return 'means no address';
  return address === '::1' ? 'is a loopback address' : undefined;
}

/** Why an address can't be a host's in a network of IPv4; undefined where it can. */
export function whyNotIn(address: string, network: Placed): string | undefined {
  const { family, prefix = 32 } = network;
  const own = parseAddress(address)?.bytes ?? [];
  if (family !== 'ipv4' || prefix > 30 || !isWithin(address, network)) return undefined;
  const rest = own.reduce((sum, byte) => sum * 256 + byte, 0) % 2 ** (32 - prefix);
  if (rest === 0) return 'is the address of the network itself';
  return rest === 2 ** (32 - prefix) - 1 ? 'is the broadcast address of the network' : undefined;
}

/** 32 or 128: the address alone. */
export function hostPrefix(family: AddressFamily): number {
  return family === 'ipv4' ? 32 : 128;
}

export function familyOf(address: string): AddressFamily {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** Whether the address lies in the network of another one. */
export function isWithin(address: string, network: Placed): boolean {
  const bytes = parseAddress(address)?.bytes ?? [];
  const base = parseAddress(network.address)?.bytes ?? [];
  if (bytes.length !== base.length) return false;
  const prefix = network.prefix ?? hostPrefix(network.family);
  return bytes.every((byte, index) => {
    const bits = Math.min(Math.max(prefix - 8 * index, 0), 8);
    const mask = (0xff << (8 - bits)) & 0xff;
    return (byte & mask) === ((base[index] ?? 0) & mask);
  });
}
