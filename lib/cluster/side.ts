// What every node needs of its network: interfaces that are up, with their addresses.

import type { ModelNode, Side } from './model.js';
import { fits } from './resources.js';
import type { RouteResource } from './resources.js';
import type { Value } from './types.js';
import { IPV6_METRIC, gatewaysOf, metricOf } from './wanted.js';
import type { DefaultRoute, Facts, Wanted } from './wanted.js';

export function sideWants(node: ModelNode): Wanted[] {
  const { inside, outside } = node;
  const sides = outside === inside ? [inside] : [inside, outside];
  return [
    up('lo', 'IPVS takes no real server, and Linux no local address, while the loopback is down'),
    ...sides.flatMap(addressesOf),
  ];
}

function addressesOf(side: Side): Wanted[] {
  return [
    up(side.interface, 'packets come and go here'),
    ...side.addresses.flatMap(({ address, family, prefix }): Wanted[] =>
      prefix === undefined
        ? []
        : [
            {
              resource: { kind: 'address', interface: side.interface, address },
              value: { prefix, ...(family === 'ipv6' && { noDad: true }) },
              reason: "it is the node's own address in the description",
              accepts: (present) => hasPrefix(present, prefix),
            },
          ],
    ),
  ];
}

export function hasPrefix(present: Value, prefix: number): boolean {
  return fits({ prefix }, present);
}

export function up(name: string, reason: string): Wanted {
  return { resource: { kind: 'link-state', name }, value: { up: true }, reason };
}

/** Default routes by these gateways; `allHops`: where there are several ways, each has to go there. */
export function gatewayWants(
  gateways: readonly { address: string; family: 'ipv4' | 'ipv6' }[],
  reason: string,
  facts: Facts,
  {
    allHops = false,
    ...more
  }: { readonly advertisedMss?: number; readonly allHops?: boolean } = {},
): Wanted[] {
  return gateways.flatMap(({ address, family }): Wanted[] => {
    const there = facts.defaults[family];
    const own: RouteResource = { kind: 'route', family, destination: 'default', table: 254 };
    const value = { gateway: address, ...more };
    if (there === undefined) return [{ resource: own, value, reason }];
    const { resource } = there;
    const ways = gatewaysOf(there.value);
    const isIt = allHops ? ways.every((each) => each === address) : ways.includes(address);
    if (isIt) return wayWants(there, reason, more);
    // Ours has to be the one that packets take.
    const wins = family === 'ipv6' && metricOf(there) < IPV6_METRIC;
    return [{ resource: wins ? resource : own, value, reason, looksAt: [resource] }];
  });
}

/** A default route that is there, with more. */
export function wayWants(
  { resource, value }: DefaultRoute,
  reason: string,
  more: { readonly advertisedMss?: number },
): Wanted[] {
  const { gateway = null } = value;
  if (gateway !== null) return [{ resource, value: { gateway, ...more }, reason }];
  return more.advertisedMss === undefined ? [] : [{ resource, value: more, reason }];
}
