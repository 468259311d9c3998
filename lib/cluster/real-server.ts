// A real server: it has the virtual addresses too, but lets nobody know.

import { addressOf, nodesOf, realAddress, servicesOf } from './model.js';
import type { Model, ModelNode, ModelService } from './model.js';
import { familyOf, hostPrefix } from './networks.js';
import { settingOf } from './resources.js';
import type { Resource } from './resources.js';
import { gatewayWants, hasPrefix, up, wayWants } from './side.js';
import { deviceFor, segmentSize } from './tunnels.js';
import type { TunnelDevice } from './tunnels.js';
import { numberAt, sysctl } from './wanted.js';
import type { Facts, Wanted } from './wanted.js';

const ARP_SOURCE =
  'only the director may answer ARP for the virtual address (Documentation/networking/ip-sysctl.rst)';

export function realServerWants(model: Model, node: ModelNode, facts: Facts): Wanted[] {
  const services = servicesOf(model, node);
  const direct = services.filter(({ mode }) => mode !== 'nat');
  const tunnelled = services.filter(({ mode }) => mode === 'tun');
  const isDirector = node.roles.has('director');
  // What a director serves itself it gets without ARP and without envelopes; but when another
  // director takes over, it is a real server like any other.
  const quiet = !isDirector || nodesOf(model, 'director').length > 1;
  const holdsVips = isDirector && node.state === 'master';
  return [
    ...(quiet ? tunnelWants(tunnelled, node) : []),
    ...(isDirector ? [] : routeWants(model, node, services, facts)),
    ...(quiet ? arpWants(model, node, direct) : []),
    ...(holdsVips ? [] : vipWants(direct, node)),
  ];
}

// The kernel takes the larger of an interface's and this (IN_DEV_RPFILTER).
const ALL_FILTER = sysctl('net.ipv4.conf.all.rp_filter');

/** The virtual addresses that a real server must have, without duplicates. */
function vipsOf(services: readonly ModelService[]): string[] {
  return [...new Set(services.flatMap(({ vips }) => vips))];
}

function tunnelWants(services: readonly ModelService[], node: ModelNode): Wanted[] {
  const devices = new Map<string, TunnelDevice>();
  const ports: Wanted[] = [];
  const withIPv4 = new Set<string>();
  for (const service of services) {
    const local = realAddress(service, node);
    if (local === undefined) continue;
    const outer = familyOf(local);
    const device = deviceFor(service.tunnel, service.family, outer, local);
    devices.set(device.name, device);
    if (service.family === 'ipv4') withIPv4.add(device.name);
    if (service.tunnel.type !== 'gue') continue;
    ports.push({
      resource: { kind: 'fou-port', family: outer, port: service.tunnel.port },
      value: { type: 'gue' },
      reason: 'the director sends GUE envelopes to this UDP port',
    });
  }
  const all = [...devices.values()];
  return [
    ...all.map(({ name, type, local, checksum }): Wanted => ({
      resource: { kind: 'link', name },
      value: { type, local, remote: null, checksum, external: false },
      reason: 'packets to this server in an envelope are unwrapped by it, whoever sent them',
    })),
    ...ports,
    ...[...withIPv4].map((name): Wanted => ({
      resource: sysctl(settingOf('ipv4', name, 'rp_filter')),
      value: '2',
      reason:
        'the answer leaves by another interface than the request came by, which a strict check ' +
        "drops; 'all' can't make it strict again, since the larger of the two counts",
      looksAt: [ALL_FILTER],
      startsAs: sysctl('net.ipv4.conf.default.rp_filter'),
      accepts: (present, look) =>
        letsAnotherWayBack(Math.max(Number(present), numberAt(look, ALL_FILTER.name))),
    })),
    ...all.map(({ name }) => up(name, 'a tunnel device that is down drops everything')),
  ];
}

function routeWants(
  model: Model,
  node: ModelNode,
  services: readonly ModelService[],
  facts: Facts,
): Wanted[] {
  const nat = services.filter(({ mode }) => mode === 'nat');
  const families = new Set(nat.map(({ family }) => family));
  const [director] = nodesOf(model, 'director');
  const own = node.gateways;
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const given = own.find((each) => each.family === family);
    if (families.has(family)) {
      const back =
        model.natGateways.find((each) => each.family === family)?.address ??
        (director && addressOf(director.inside, family));
      if (back === undefined) return [];
      return gatewayWants(
        [{ address: back, family }],
        'VS/NAT: answers must pass the director, which gives them the virtual address back',
        facts,
        { allHops: true },
      );
    }
    const sizes = services
      .filter((service) => service.mode === 'tun' && service.family === family)
      .flatMap((service) => {
        const local = realAddress(service, node);
        const mtu = facts.mtus[node.inside.interface] ?? 1500;
        return local === undefined
          ? []
          : [segmentSize(mtu, service.tunnel, family, familyOf(local))];
      });
    const there = facts.defaults[family];
    if (sizes.length === 0) {
      return given === undefined
        ? []
        : gatewayWants([given], 'answers go to the clients directly, by this gateway', facts);
    }
    const reason =
      'answers go to the clients directly, and tell them to leave room for the envelope: the ' +
      'message that says so otherwise (ICMP, RFC 1191) is dropped by many firewalls';
    const advertisedMss = Math.min(...sizes);
    if (given !== undefined) return gatewayWants([given], reason, facts, { advertisedMss });
    return there === undefined ? [] : wayWants(there, reason, { advertisedMss });
  });
}

function arpWants(model: Model, node: ModelNode, services: readonly ModelService[]): Wanted[] {
  if (!services.some(({ family }) => family === 'ipv4')) return [];
  const own = node.inside.interface;
  if (model.arp === 'interface') {
    return [
      ['arp_ignore', '1', answersNotForOthers] as const,
      ['arp_announce', '2', announcesOwn] as const,
    ].map(([setting, value, accepts]) => ({
      resource: sysctl(settingOf('ipv4', own, setting)),
      value,
      reason: ARP_SOURCE,
      // The kernel takes the larger of the two (IN_DEV_MAXCONF).
      looksAt: [sysctl(`net.ipv4.conf.all.${setting}`)],
      accepts: (present, look) =>
        accepts(Math.max(Number(present), numberAt(look, `net.ipv4.conf.all.${setting}`))),
    }));
  }
  return ['all', 'lo'].flatMap((name): Wanted[] => [
    {
      resource: sysctl(settingOf('ipv4', name, 'arp_ignore')),
      value: '1',
      reason: ARP_SOURCE,
      accepts: (present) => answersNotForOthers(Number(present)),
    },
    {
      resource: sysctl(settingOf('ipv4', name, 'arp_announce')),
      value: '2',
      reason: `nor may it ask with the virtual address as its own: ${ARP_SOURCE}`,
      accepts: (present) => announcesOwn(Number(present)),
    },
  ]);
}

/** Whether an `arp_ignore` keeps quiet about addresses of other interfaces. */
export function answersNotForOthers(value: number): boolean {
  return value === 1 || value === 2 || value === 3;
}

/** Whether an `rp_filter` lets requests in whose answers leave by another interface. */
export function letsAnotherWayBack(value: number): boolean {
  return value === 0 || value === 2;
}

/** Whether an `arp_announce` never asks with an address of another interface. */
export function announcesOwn(value: number): boolean {
  return value === 2;
}

/**
 * Where a real server has its virtual addresses: on the loopback, but where they come out of a tunnel
 * device, on that. Even a loose check of the way back refuses whatever comes in by a device without an
 * address (__fib_validate_source).
 */
function vipWants(services: readonly ModelService[], node: ModelNode): Wanted[] {
  const places = new Map<string, Set<string>>(vipsOf(services).map((each) => [each, new Set()]));
  for (const service of services) {
    const local = realAddress(service, node);
    if (service.mode !== 'tun' || service.family === 'ipv6' || local === undefined) continue;
    const { name } = deviceFor(service.tunnel, service.family, familyOf(local), local);
    for (const address of service.vips) places.get(address)?.add(name);
  }
  return [...places].flatMap(([address, devices]) =>
    (devices.size === 0 ? ['lo'] : [...devices]).map((device) => vipWant(device, address)),
  );
}

function vipWant(device: string, address: string): Wanted {
  const family = familyOf(address);
  const resource: Resource = { kind: 'address', interface: device, address };
  const prefix = hostPrefix(family);
  if (family === 'ipv4') {
    return {
      resource,
      value: { prefix, scope: 'host' },
      reason:
        'packets come with the virtual address; with the scope of the host it is never chosen ' +
        'as a source',
    };
  }
  return {
    resource,
    value: { prefix, deprecated: true, noDad: true },
    reason: 'packets come with the virtual address; deprecated, it is never chosen as a source',
    accepts: (present) => hasPrefix(present, prefix),
  };
}
