// What every node needs of its network: interfaces that are up, with their addresses.

import type { ModelNode, Side } from './model.js';
import { fits } from './resources.js';
import type { Value } from './types.js';
import type { Wanted } from './wanted.js';

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

/** Default routes to these gateways. */
export function gatewayWants(
  gateways: readonly { address: string; family: 'ipv4' | 'ipv6' }[],
  reason: string,
  more: { readonly advertisedMss?: number } = {},
): Wanted[] {
  return gateways.map(({ address, family }) => ({
    resource: { kind: 'route', family, destination: 'default', table: 254 },
    value: { gateway: address, ...more },
    reason,
  }));
}
