// Where the network's numbers meet words: include/uapi/linux/{if,if_addr,rtnetlink,fib_rules,
// neighbour,fou,if_tunnel}.h.

import { IPV4 } from '../address.js';
import { FAMILIES, Vocabulary } from '../words.js';
import type {
  AddressRecord,
  FouPortRecord,
  LinkRecord,
  NeighbourRecord,
  NextHopRecord,
  RouteRecord,
  RuleRecord,
} from './native.js';
import type {
  FouPort,
  InterfaceAddress,
  Link,
  LinkTunnel,
  Neighbour,
  NeighbourState,
  NextHop,
  Route,
  RouteProtocol,
  RouteType,
  Rule,
  RuleAction,
  Scope,
} from './types.js';

// IFF_*
export const UP = 0x1;
const LOOPBACK = 0x8;
const RUNNING = 0x40;
export const NOARP = 0x80;

// IFA_F_*
const SECONDARY = 0x01;
export const NODAD = 0x02;
const DADFAILED = 0x08;
const DEPRECATED = 0x20;
const TENTATIVE = 0x40;
const PERMANENT = 0x80;
export const NOPREFIXROUTE = 0x200;

export const SCOPES = new Vocabulary<Scope>({
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
});

export const ROUTE_TYPES = new Vocabulary<RouteType>({
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
  nat: 10,
});
export const UNICAST = 1;
export const LOCAL = 2;

export const ROUTE_PROTOCOLS = new Vocabulary<RouteProtocol>({
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  zebra: 11,
  bird: 12,
  dhcp: 16,
  keepalived: 18,
  bgp: 186,
  ospf: 188,
});
export const BOOT = 3;

export const MAIN_TABLE = 254;
export const LOCAL_TABLE = 255;

// RTNH_F_ONLINK
export const ONLINK = 0x4;

const RULE_ACTIONS = new Vocabulary<RuleAction>({
  table: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
});
export const TO_TABLE = 1;
const GOTO = 2;
const INVERT = 0x2;
const ALL_BITS = 2 ** 32 - 1;

export const NEIGHBOUR_STATES = new Vocabulary<NeighbourState>({
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
});

export const FOU_TYPES = new Vocabulary<FouPort['type']>({ fou: 1, gue: 2 });

const FOREVER = 2 ** 32 - 1;

const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::';

export function toLink(record: LinkRecord): Link {
  const { index, name, kind, flags, mtu, address } = record;
  return {
    index,
    name,
    ...(kind !== '' && { kind }),
    up: (flags & UP) !== 0,
    running: (flags & RUNNING) !== 0,
    arp: (flags & NOARP) === 0,
    mtu,
    // A tunnel's is its end, of another length.
    ...(address.length === 17 && { address }),
    loopback: (flags & LOOPBACK) !== 0,
    ...(record.tunnelFamily !== 0 && { tunnel: toTunnel(record) }),
  };
}

function toTunnel(record: LinkRecord): LinkTunnel {
  const { local, remote, ttl, checksum, external, encapsulationType } = record;
  return {
    ...(!isAny(local) && { local }),
    ...(!isAny(remote) && { remote }),
    ...(ttl !== 0 && { ttl }),
    ...(checksum !== 0 && { checksum: true }),
    ...(external !== 0 && { external: true }),
    ...(encapsulationType !== 0 && {
      encapsulation: {
        type: FOU_TYPES.word(encapsulationType),
        sourcePort: record.sourcePort,
        destinationPort: record.destinationPort,
        // TUNNEL_ENCAP_FLAG_CSUM and that for IPv6.
        checksum: (record.encapsulationFlags & 3) !== 0,
      },
    }),
  };
}

export function toInterfaceAddress(record: AddressRecord): InterfaceAddress {
  const { flags, label, preferredLifetime, validLifetime, peer, broadcast } = record;
  return {
    interface: record.interface,
    address: record.address,
    prefix: record.prefix,
    family: FAMILIES.word(record.family),
    scope: SCOPES.wordOrNumber(record.scope),
    ...(label !== '' && { label }),
    noPrefixRoute: (flags & NOPREFIXROUTE) !== 0,
    noDad: (flags & NODAD) !== 0,
    permanent: (flags & PERMANENT) !== 0,
    tentative: (flags & TENTATIVE) !== 0,
    deprecated: (flags & DEPRECATED) !== 0,
    dadFailed: (flags & DADFAILED) !== 0,
    ...(preferredLifetime !== FOREVER && { preferredLifetime }),
    ...(validLifetime !== FOREVER && { validLifetime }),
    // For IPv6 the same bit says that it is a temporary one.
    ...(record.family === IPV4 && (flags & SECONDARY) !== 0 && { secondary: true }),
    ...(peer !== '' && { peer }),
    ...(broadcast !== '' && { broadcast }),
    ...(record.other !== '' && { other: record.other }),
  };
}

function toNextHop({ interface: name, gateway, weight }: NextHopRecord): NextHop {
  return { ...(name !== '' && { interface: name }), ...(gateway !== '' && { gateway }), weight };
}

export function toRoute(record: RouteRecord): Route {
  const { destination, prefix, gateway, source, metric, mtu, advertisedMss, nextHops } = record;
  return {
    destination: prefix === 0 ? 'default' : `${destination}/${prefix}`,
    family: FAMILIES.word(record.family),
    table: record.table,
    type: ROUTE_TYPES.wordOrNumber(record.type),
    scope: SCOPES.wordOrNumber(record.scope),
    protocol: ROUTE_PROTOCOLS.wordOrNumber(record.protocol),
    ...(record.interface !== '' && { interface: record.interface }),
    ...(gateway !== '' && { gateway }),
    ...(source !== '' && { source }),
    ...(metric > 0 && { metric }),
    ...((record.flags & ONLINK) !== 0 && { onLink: true }),
    ...(mtu !== 0 && { mtu }),
    ...(advertisedMss !== 0 && { advertisedMss }),
    ...(nextHops.length > 0 && { nextHops: nextHops.map(toNextHop) }),
    ...(record.tos !== 0 && { tos: record.tos }),
    ...(record.expires !== 0 && { expires: record.expires }),
    ...(record.hasFrom && { from: true as const }),
    ...(record.other !== '' && { other: record.other }),
  };
}

export function toRule(record: RuleRecord): Rule {
  const { priority, mark, markMask, table, source, destination, action } = record;
  return {
    family: FAMILIES.word(record.family),
    priority,
    ...(mark >= 0 && { fwmark: mark }),
    ...(mark >= 0 && markMask !== ALL_BITS && { fwmask: markMask }),
    ...(table !== 0 && action !== GOTO && { table }),
    ...(source !== '' && { source: `${source}/${record.sourcePrefix}` }),
    ...(destination !== '' && { destination: `${destination}/${record.destinationPrefix}` }),
    ...(record.inputInterface !== '' && { inputInterface: record.inputInterface }),
    ...(record.outputInterface !== '' && { outputInterface: record.outputInterface }),
    ...((record.flags & INVERT) !== 0 && { inverted: true }),
    ...(record.hasOthers && { otherConditions: true }),
    action: RULE_ACTIONS.wordOrNumber(action),
  };
}

export function toNeighbour(record: NeighbourRecord): Neighbour {
  const { linkAddress, proxy } = record;
  return {
    interface: record.interface,
    address: record.address,
    family: FAMILIES.word(record.family),
    ...(linkAddress !== '' && { linkAddress }),
    state: NEIGHBOUR_STATES.wordOrNumber(record.state),
    proxy: proxy !== 0,
  };
}

export function toFouPort({ port, family, type, protocol }: FouPortRecord): FouPort {
  return {
    port,
    family: FAMILIES.word(family),
    type: FOU_TYPES.word(type),
    ...(protocol !== 0 && { protocol }),
  };
}
