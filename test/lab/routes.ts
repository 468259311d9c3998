// What a director remembers of its ways to real servers.

import type { Network } from 'ipvs';
import type { Traffic } from './traffic.js';

/**
 * A destination has one cached route for the connections of all methods. A late packet of one that was
 * made in VS/TUN leaves it without the next hop that VS/DR asks for (FLOWI_FLAG_KNOWN_NH,
 * __ip_vs_get_out_rt), and the director looks for the virtual address itself. After this it looks anew.
 */
export async function forgetRoutes(
  traffic: Traffic,
  netns: string,
  network: Network,
  families: readonly ('IPv4' | 'IPv6')[] = ['IPv4', 'IPv6'],
): Promise<void> {
  if (families.includes('IPv4')) await traffic.writeSysctls(netns, { 'net/ipv4/route/flush': 1 });
  if (!families.includes('IPv6')) return;
  // IPv6 looks again where something in the tree of routes is new on the way (rt6_check).
  const beside = { destination: '2001:db8:118::dead/128', type: 'blackhole' } as const;
  await network.addRoute(beside);
  await network.removeRoute(beside);
}
