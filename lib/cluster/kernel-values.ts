// Values as plans and journals have them, from what the kernel tells, and back to what makes it again.

import type {
  AddressConfig,
  InterfaceAddress,
  Link,
  LinkConfig,
  MarkRule,
  PortRange,
  Route,
  RouteConfig,
  Rule,
} from '../network/types.js';
import type { Destination } from '../types.js';
import { familyOf, hostPrefix } from './networks.js';
import { leftOf, recordOf, without } from './resources.js';
import type {
  AddressResource,
  LinkResource,
  MarkResource,
  Resource,
  RouteResource,
} from './resources.js';
import type { Value, ValueRecord } from './types.js';
import { IPV6_METRIC } from './wanted.js';

/** Without what is null: the library leaves that out. */
export function given(value: Value): ValueRecord {
  return Object.fromEntries(Object.entries(recordOf(value)).filter(([, each]) => each !== null));
}

/** In ascending order, as descriptions are read. */
export function portTexts(ports: readonly (number | PortRange)[]): string[] {
  const ranges = ports.map((each) => (typeof each === 'number' ? { from: each, to: each } : each));
  return ranges
    .sort((a, b) => a.from - b.from)
    .map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
}

export function markRule(
  { family, address, protocol, fwmark }: MarkResource,
  value: Value,
): MarkRule {
  const ports = (recordOf(value)['ports'] as readonly string[]).map((text) => {
    const [from = 0, to] = text.split('-').map(Number);
    return to === undefined ? from : { from, to };
  });
  return { family, address, protocol, ports, mark: fwmark };
}

export function linkValue({ kind, mtu, tunnel }: Link): ValueRecord {
  return {
    type: kind ?? null,
    mtu,
    local: tunnel?.local ?? null,
    remote: tunnel?.remote ?? null,
    ttl: tunnel?.ttl ?? null,
    checksum: tunnel?.checksum ?? false,
    external: tunnel?.external ?? false,
  };
}

export function linkConfig({ name }: LinkResource, value: Value): LinkConfig {
  const { type, ...settings } = given(value);
  return { name, kind: type, ...settings } as unknown as LinkConfig;
}

/** Times that pass are told as the time when they are over: seconds since 1970. */
const untilOf = (seconds: number | undefined): number | null =>
  seconds === undefined ? null : Math.round(Date.now() / 1000) + seconds;

export function addressValue(
  address: InterfaceAddress,
  others: readonly InterfaceAddress[] = [],
): ValueRecord {
  const { prefix, scope, label, noPrefixRoute, noDad, deprecated, broadcast } = address;
  const { family, secondary = false, peer, validLifetime, preferredLifetime, other } = address;
  return {
    prefix,
    scope,
    label: label === address.interface ? null : (label ?? null),
    noPrefixRoute,
    noDad,
    deprecated,
    broadcast: broadcast ?? null,
    peer: peer ?? null,
    validUntil: untilOf(validLifetime),
    preferredUntil: deprecated ? null : untilOf(preferredLifetime),
    other: other ?? null,
    ...(family === 'ipv4' && {
      secondary,
      others: others.length === 0 ? null : others.map((each) => addressValue(each)),
    }),
  };
}

export function addressConfig(resource: AddressResource, value: Value): AddressConfig {
  const known = without(given(value), ['secondary', 'others']);
  const { deprecated, scope, noDad, validUntil, preferredUntil, ...settings } = known;
  const validLifetime = leftOf(validUntil);
  const preferredLifetime = deprecated === true ? 0 : leftOf(preferredUntil);
  const isIPv6 = familyOf(resource.address) === 'ipv6';
  return {
    interface: resource.interface,
    address: resource.address,
    ...settings,
    // The kernel chooses the one for IPv6, and knows the other for IPv6 only.
    ...(!isIPv6 && scope !== undefined && { scope }),
    ...(isIPv6 && noDad !== undefined && { noDad }),
    ...(validLifetime !== undefined && { validLifetime }),
    ...(preferredLifetime !== undefined && { preferredLifetime }),
  } as AddressConfig;
}

export function isRoute(
  route: Route,
  { family, destination, table, metric, tos = 0 }: RouteResource,
): boolean {
  const wanted = metric ?? (family === 'ipv6' && route.metric !== undefined ? IPV6_METRIC : 0);
  return (
    route.family === family &&
    route.table === table &&
    destinationOf(route.destination, family) === destinationOf(destination, family) &&
    (route.metric ?? 0) === wanted &&
    (route.tos ?? 0) === tos &&
    route.from === undefined
  );
}

/** How a route is named. */
export function routeResource({ family, destination, table, metric, tos }: Route): RouteResource {
  const usual = family === 'ipv6' ? [undefined, IPV6_METRIC] : [undefined];
  return {
    kind: 'route',
    family,
    destination,
    table,
    ...(metric !== undefined && !usual.includes(metric) && { metric }),
    ...(tos !== undefined && { tos }),
  };
}

function destinationOf(text: string, family: 'ipv4' | 'ipv6'): string {
  return text === 'default' || text.includes('/') ? text : `${text}/${hostPrefix(family)}`;
}

export function routeValue(route: Route): ValueRecord {
  const { type, scope, protocol, nextHops } = route;
  return {
    type,
    scope,
    protocol,
    interface: route.interface ?? null,
    gateway: route.gateway ?? null,
    source: route.source ?? null,
    metric: route.metric ?? null,
    onLink: route.onLink ?? false,
    mtu: route.mtu ?? null,
    advertisedMss: route.advertisedMss ?? null,
    nextHops: nextHops?.map((each) => ({ ...each })) ?? null,
    expiresAt: untilOf(route.expires),
    other: route.other ?? null,
  };
}

export function routeConfig(
  { destination, family, table, metric, tos }: RouteResource,
  value: Value,
): RouteConfig {
  // Next hops are among what it has besides.
  const { scope, expiresAt, ...settings } = given({ ...recordOf(value), nextHops: null });
  const expires = leftOf(expiresAt);
  return {
    destination,
    family,
    table,
    ...(metric !== undefined && { metric }),
    ...(tos !== undefined && { tos }),
    ...(expires !== undefined && { expires }),
    ...settings,
    ...(family === 'ipv4' && scope !== undefined && { scope }),
  } as RouteConfig;
}

export function isRule(rule: Rule, wanted: Resource & { kind: 'rule' }): boolean {
  return (
    rule.family === wanted.family &&
    rule.priority === wanted.priority &&
    rule.fwmark === wanted.fwmark &&
    rule.fwmask === undefined &&
    rule.table === wanted.table &&
    rule.action === 'table' &&
    rule.source === undefined &&
    rule.destination === undefined &&
    rule.inputInterface === undefined &&
    rule.outputInterface === undefined &&
    rule.inverted !== true &&
    rule.otherConditions !== true
  );
}

export function destinationValue(destination: Destination): ValueRecord {
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnel } = destination;
  return {
    forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
    tunnel: tunnel === undefined ? null : { ...tunnel },
  };
}
