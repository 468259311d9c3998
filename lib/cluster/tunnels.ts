// The devices with which a real server takes packets out of VS/TUN's envelopes.

import type { AddressFamily, Tunnel } from '../types.js';

/** What a device of our own is made of: its packets are those to `local`, from wherever. */
export interface TunnelDevice {
  readonly name: string;
  readonly type: 'ipip' | 'sit' | 'ip6tnl' | 'gre' | 'ip6gre';
  readonly local: string;
  readonly checksum: boolean;
}

/** `outer`: between director and real server; `inner`: the client's. */
export function deviceFor(
  tunnel: Tunnel,
  inner: AddressFamily,
  outer: AddressFamily,
  local: string,
): TunnelDevice {
  const type =
    tunnel.type === 'gre'
      ? outer === 'ipv4'
        ? 'gre'
        : 'ip6gre'
      : // GUE holds what IPIP would send: the same device takes it from there (gue_udp_recv).
        outer === 'ipv6'
        ? 'ip6tnl'
        : inner === 'ipv4'
          ? 'ipip'
          : 'sit';
  const checksum = tunnel.type === 'gre' && tunnel.checksum === 'csum';
  return { name: `ipvs-${type}`, type, local, checksum };
}

/** What the envelope adds to each packet, in bytes (ip_vs_tunnel_xmit_prepare and its kin). */
function overheadOf(tunnel: Tunnel, outer: AddressFamily): number {
  const address = outer === 'ipv4' ? 20 : 40;
  switch (tunnel.type) {
    case 'ipip':
      return address;
    case 'gre':
      return address + (tunnel.checksum === 'csum' ? 8 : 4);
    case 'gue':
      // UDP, GUE, and for remcsum its private field.
      return address + 8 + 4 + (tunnel.checksum === 'remcsum' ? 8 : 0);
  }
}

/** The largest TCP segment that a client may send, so that it fits with its envelope. */
export function segmentSize(
  mtu: number,
  tunnel: Tunnel,
  inner: AddressFamily,
  outer: AddressFamily,
): number {
  return mtu - overheadOf(tunnel, outer) - (inner === 'ipv4' ? 40 : 60);
}
