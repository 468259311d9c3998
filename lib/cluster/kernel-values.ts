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
import type { Destination, Service } from '../types.js';
import { familyOf, hostPrefix } from './networks.js';
import { recordOf } from './resources.js';
import type {
  AddressResource,
  LinkResource,
  MarkResource,
  Resource,
  RouteResource,
} from './resources.js';
import type { Value, ValueRecord } from './types.js';

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

export function addressValue(address: InterfaceAddress): ValueRecord {
  const { prefix, scope, label, noPrefixRoute, noDad, deprecated, broadcast } = address;
  return {
    prefix,
    scope,
    label: label === address.interface ? null : (label ?? null),
    noPrefixRoute,
    noDad,
    deprecated,
    broadcast: broadcast ?? null,
  };
}

export function addressConfig(resource: AddressResource, value: Value): AddressConfig {
  const { deprecated, scope, noDad, ...settings } = given(value);
  const isIPv6 = familyOf(resource.address) === 'ipv6';
  return {
    interface: resource.interface,
    address: resource.address,
    ...settings,
    // The kernel chooses the one for IPv6, and knows the other for IPv6 only.
    ...(!isIPv6 && scope !== undefined && { scope }),
    ...(isIPv6 && noDad !== undefined && { noDad }),
    ...(deprecated === true && { preferredLifetime: 0 }),
  } as AddressConfig;
}

// Where Linux puts a route of IPv6 that nobody gave a metric (IP6_RT_PRIO_USER).
const IPV6_METRIC = 1024;

export function isRoute(route: Route, { family, destination, table }: RouteResource): boolean {
  return (
    route.family === family &&
    route.table === table &&
    destinationOf(route.destination, family) === destinationOf(destination, family) &&
    (route.metric ?? 0) === (family === 'ipv6' && route.metric !== undefined ? IPV6_METRIC : 0)
  );
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
  };
}

export function routeConfig(
  { destination, family, table }: RouteResource,
  value: Value,
): RouteConfig {
  const { scope, ...settings } = given({ ...recordOf(value), nextHops: null });
  return {
    destination,
    family,
    table,
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

export function serviceValue({
  scheduler,
  schedulerFlags,
  persistence,
  onePacket,
}: Service): ValueRecord {
  return {
    scheduler,
    schedulerFlags: [...schedulerFlags].sort(),
    onePacket,
    persistence:
      persistence === undefined
        ? null
        : {
            timeout: persistence.timeout,
            netmask: persistence.netmask,
            engine: persistence.engine ?? null,
          },
  };
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
