// Who waits for clients where: from sock_diag, or from /proc/net/{tcp,tcp6,udp,udp6}.

import { endianness } from 'node:os';
import { IPV4, IPV6, formatAddress } from '../address.js';
import type { ListenerRecord } from './native.js';

export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** `0.0.0.0` and `::` are every address; the latter those of IPv4 too, unless `ipv6Only`. */
  readonly address: string;
  readonly port: number;
  /** Not for IPv4, where the kernel has told that; /proc/net does not. */
  readonly ipv6Only?: true;
}

export const LISTENER_FILES = ['tcp', 'tcp6', 'udp', 'udp6'] as const;

export function toListener({ protocol, address, port, ipv6Only }: ListenerRecord): Listener {
  return {
    protocol: protocol === TCP ? 'tcp' : 'udp',
    address: plain(address),
    port,
    ...(ipv6Only !== 0 && { ipv6Only: true }),
  };
}

const TCP = 6; // IPPROTO_TCP

// TCP_LISTEN, and TCP_CLOSE: the state of a UDP socket that is not connected.
const STATES = { tcp: 0x0a, udp: 0x07 };

/** A file of {@link LISTENER_FILES}. */
export function parseListeners(file: string, text: string): Listener[] {
  const protocol = file.startsWith('tcp') ? 'tcp' : 'udp';
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): Listener[] => {
      const [, local = '', , state = ''] = line.trim().split(/\s+/);
      const [hex = '', port = ''] = local.split(':');
      if (parseInt(state, 16) !== STATES[protocol] || ![8, 32].includes(hex.length)) return [];
      return [{ protocol, address: addressOf(hex), port: parseInt(port, 16) }];
    });
}

// Words of 32 bits in the byte order of the machine.
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  return plain(formatAddress(bytes.length === 4 ? IPV4 : IPV6, bytes, 0));
}

/** One of IPv4 that a socket of IPv6 listens at is that. */
function plain(text: string): string {
  return text.startsWith('::ffff:') ? text.slice('::ffff:'.length) : text;
}
