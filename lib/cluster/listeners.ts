// Who listens where, from /proc/net/{tcp,tcp6,udp,udp6}.

import { endianness } from 'node:os';
import { IPV4, IPV6, formatAddress } from '../address.js';

export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** `0.0.0.0` and `::` are every address; the latter may be those of IPv4 too. */
  readonly address: string;
  readonly port: number;
}

// TCP_LISTEN, and TCP_CLOSE: the state of a UDP socket that is not connected.
const STATES = { tcp: 0x0a, udp: 0x07 };

export function parseListeners(protocol: 'tcp' | 'udp', text: string): Listener[] {
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
  const text = formatAddress(bytes.length === 4 ? IPV4 : IPV6, bytes, 0);
  return text.startsWith('::ffff:') ? text.slice('::ffff:'.length) : text;
}

/** Whether somebody listens there. */
export function isServed(
  listeners: readonly Listener[],
  protocol: string,
  address: string,
  port: number,
): boolean {
  const any = address.includes(':') ? ['::'] : ['0.0.0.0', '::'];
  return listeners.some(
    (each) =>
      each.protocol === protocol &&
      each.port === port &&
      (each.address === address || any.includes(each.address)),
  );
}
