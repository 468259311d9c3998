// From what a caller wrote to the numbers that cross to native code.

import { IPV4, IPV6, formatAddress, parseAddress } from '../address.js';
import type { Address } from '../address.js';
import { INT_MAX, boolean, integer, object, quoted, string, word } from '../check.js';
import type { Input } from '../check.js';
import { invalidType, invalidValue } from '../errors.js';
import { interfaceName, signalOf } from '../options.js';
import { FAMILIES, PROTOCOLS } from '../words.js';
import { chainOf, noteOf } from './mark-names.js';
import type {
  AddressNumbers,
  FouPortNumbers,
  LinkNumbers,
  MarkNumbers,
  NeighbourNumbers,
  RouteNumbers,
  RuleNumbers,
} from './native.js';
import {
  BOOT,
  FOU_TYPES,
  LOCAL,
  LOCAL_TABLE,
  MAIN_TABLE,
  NEIGHBOUR_STATES,
  NOARP,
  NODAD,
  NOPREFIXROUTE,
  ONLINK,
  ROUTE_PROTOCOLS,
  ROUTE_TYPES,
  SCOPES,
  TO_TABLE,
  UNICAST,
  UP,
} from './words.js';

/** The numbers, and what they are about, as errors name it. */
export interface Parsed<Numbers> {
  readonly numbers: Numbers;
  readonly subject: string;
}

const UINT_MAX = 2 ** 32 - 1;

// An IPv6 address of a host has to have this MTU at least, one of IPv4 that (dev->min_mtu).
const LEAST_MTU = 68;
const LARGEST_MTU = INT_MAX;

type Optional<T> = T | undefined;

function maybe<T>(
  input: Input,
  path: string,
  name: string,
  check: (value: unknown, path: string) => T,
): Optional<T> {
  const value = input[name];
  return value === undefined ? undefined : check(value, `${path}.${name}`);
}

const flag = (input: Input, path: string, name: string): boolean =>
  maybe(input, path, name, boolean) ?? false;

const numberOf =
  (least: number, most: number) =>
  (value: unknown, path: string): number =>
    integer(value, path, least, most);

const uint = numberOf(0, UINT_MAX);

function address(value: unknown, path: string): Address {
  const text = string(value, path);
  const parsed = parseAddress(text);
  if (parsed !== undefined) return parsed;
  const reason = text.includes('%')
    ? "must not have a zone: the property 'interface' says where it is"
    : 'must be an IPv4 or IPv6 address';
  throw invalidValue(path, reason, value);
}

const addressOf =
  (family: number) =>
  (value: unknown, path: string): Address => {
    const parsed = address(value, path);
    if (parsed.family !== family) {
      throw invalidValue(path, `must be an ${family === IPV4 ? 'IPv4' : 'IPv6'} address`, value);
    }
    return parsed;
  };

const canonical = ({ family, bytes }: Address): string =>
  formatAddress(family, Uint8Array.from(bytes), 0);

const widthOf = (family: number): number => (family === IPV4 ? 32 : 128);

interface Network extends Address {
  readonly prefix: number;
}

/** '10.0.0.0/8', or an address alone. */
function network(value: unknown, path: string): Network {
  const [host = '', length, ...more] = string(value, path).split('/');
  const parsed = parseAddress(host);
  const digits = length === undefined || /^(0|[1-9]\d{0,2})$/.test(length);
  if (parsed === undefined || !digits || more.length > 0) {
    throw invalidValue(path, "must be an address or a network such as '10.0.0.0/8'", value);
  }
  const width = widthOf(parsed.family);
  const prefix = length === undefined ? width : Number(length);
  if (prefix > width) throw invalidValue(path, `must not have a prefix above ${width}`, value);
  const beyond = parsed.bytes.some((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - 8 * index));
    return (byte & (0xff >> kept)) !== 0;
  });
  if (beyond) throw invalidValue(path, `must have only zeros behind its prefix`, value);
  return { ...parsed, prefix };
}

const nameOf = (each: Network): string => `${canonical(each)}/${each.prefix}`;

function hex(value: unknown, path: string): readonly number[] {
  const text = string(value, path);
  if (!/^[\da-f]{1,2}(:[\da-f]{1,2}){5}$/i.test(text)) {
    throw invalidValue(path, "must be a MAC such as '02:00:00:00:00:01'", value);
  }
  return text.split(':').map((each) => parseInt(each, 16));
}

/** Netlink attributes, whose lengths are multiples of four bytes. */
function attributes(value: unknown, path: string): string {
  const text = string(value, path);
  if (!/^([\da-f]{8})*$/.test(text)) {
    throw invalidValue(path, 'must be what was read: bytes in lower-case hexadecimal', value);
  }
  return text;
}

function wordOrNumber(
  vocabulary: { readonly words: readonly string[]; number(word: string): number | undefined },
  most: number,
) {
  return (value: unknown, path: string): number =>
    typeof value === 'number'
      ? integer(value, path, 0, most)
      : typeof value === 'string'
        ? word(value, path, vocabulary)
        : refuse(path, `a number or one of ${quoted(vocabulary.words)}`, value);
}

function refuse(path: string, expected: string, value: unknown): never {
  throw invalidType(path, expected, value);
}

const scope = wordOrNumber(SCOPES, 255);

export function parseFamily(value: unknown, path: string): number {
  return word(value, path, FAMILIES);
}

// What a listing may be narrowed down to.

export interface Filter {
  /** 0: both. */
  readonly family: number;
  readonly interface: string | undefined;
  /** 0: all. */
  readonly table: number;
}

export function parseFilter(value: unknown, known: readonly string[]): Filter {
  const input = value === undefined ? {} : object(value, 'filter', new Set(known));
  return {
    family: maybe(input, 'filter', 'family', parseFamily) ?? 0,
    interface: maybe(input, 'filter', 'interface', interfaceName),
    table: maybe(input, 'filter', 'table', numberOf(1, UINT_MAX)) ?? 0,
  };
}

// Links

const KINDS = ['dummy', 'ipip', 'sit', 'ip6tnl', 'gre', 'ip6gre'];
const PLAIN = ['name', 'kind', 'up', 'mtu'];
const TUNNEL = ['local', 'remote', 'ttl', 'checksum', 'external', 'interface'];

// What `ip link add` sends where nobody says otherwise.
const IPV6_TTL = 64;
const IPV6_ENCAPSULATION_LIMIT = 4;

export function parseLinkName(value: unknown, path = 'name'): string {
  return interfaceName(value, path);
}

export function parseLinkConfig(value: unknown): Parsed<LinkNumbers> {
  const path = 'link';
  const input = object(value, path, new Set([...PLAIN, ...TUNNEL]));
  const kind = string(input['kind'], 'link.kind');
  if (!KINDS.includes(kind)) {
    throw invalidValue('link.kind', `must be one of ${quoted(KINDS)}`, kind);
  }
  const name = interfaceName(input['name'], 'link.name');
  const up = flag(input, path, 'up') ? UP : 0;
  const numbers = {
    name,
    kind,
    flags: up,
    flagsMask: up,
    mtu: maybe(input, path, 'mtu', mtu) ?? 0,
    lower: maybe(input, path, 'interface', interfaceName) ?? '',
  };
  const tunnel = kind === 'dummy' ? noTunnel(input) : parseTunnel(kind, input);
  return { numbers: { ...numbers, ...tunnel }, subject: name };
}

const mtu = numberOf(LEAST_MTU, LARGEST_MTU);

function noTunnel(input: Input): object {
  const set = TUNNEL.find((name) => input[name] !== undefined);
  if (set !== undefined) {
    throw invalidValue(`link.${set}`, 'is for tunnels only', input[set]);
  }
  return {};
}

function parseTunnel(kind: string, input: Input): Partial<LinkNumbers> {
  const path = 'link';
  const family = kind.startsWith('ip6') ? IPV6 : IPV4;
  const external = flag(input, path, 'external');
  const set = TUNNEL.find((name) => name !== 'external' && input[name] !== undefined);
  if (external && set !== undefined) {
    throw invalidValue(
      `link.${set}`,
      'is told with each packet where external is true',
      input[set],
    );
  }
  const checksum = flag(input, path, 'checksum');
  if (checksum && !kind.endsWith('gre')) {
    throw invalidValue('link.checksum', 'is for GRE only', input['checksum']);
  }
  const otherwise = family === IPV6 ? IPV6_TTL : 0;
  return {
    local: maybe(input, path, 'local', addressOf(family))?.bytes,
    remote: maybe(input, path, 'remote', addressOf(family))?.bytes,
    ttl: maybe(input, path, 'ttl', numberOf(0, 255)) ?? otherwise,
    encapsulationLimit: IPV6_ENCAPSULATION_LIMIT,
    pathMtu: true,
    checksum,
    external,
  };
}

export function parseLinkChanges(name: unknown, value: unknown): Parsed<LinkNumbers> {
  const path = 'changes';
  const subject = interfaceName(name, 'name');
  const input = object(value, path, new Set(['up', 'mtu', 'arp']));
  const up = maybe(input, path, 'up', boolean);
  const arp = maybe(input, path, 'arp', boolean);
  const numbers = {
    name: subject,
    kind: '',
    flags: (up === true ? UP : 0) | (arp === false ? NOARP : 0),
    flagsMask: (up === undefined ? 0 : UP) | (arp === undefined ? 0 : NOARP),
    mtu: maybe(input, path, 'mtu', mtu) ?? 0,
    lower: '',
  };
  return { numbers, subject };
}

// Addresses

const ADDRESS = ['interface', 'address', 'prefix', 'peer'];
const ADDRESS_CONFIG = [
  ...ADDRESS,
  'scope',
  'label',
  'noPrefixRoute',
  'noDad',
  'preferredLifetime',
  'validLifetime',
  'broadcast',
  'other',
];

interface Place {
  readonly interface: string;
  readonly parsed: Address;
  readonly prefix: number;
  readonly subject: string;
}

function parsePlace(input: Input): Place {
  const path = 'address';
  const name = interfaceName(input['interface'], 'address.interface');
  const parsed = address(input['address'], 'address.address');
  const width = widthOf(parsed.family);
  const prefix = maybe(input, path, 'prefix', numberOf(0, width)) ?? width;
  return { interface: name, parsed, prefix, subject: `${canonical(parsed)}/${prefix} on ${name}` };
}

const isHostScope = ({ family, bytes }: Address): boolean =>
  family === IPV4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));

function label(value: unknown, path: string, name: string): string {
  const text = string(value, path);
  if (text !== name && !(text.startsWith(`${name}:`) && /^[\x21-\x7e]{1,15}$/.test(text))) {
    throw invalidValue(path, `must be '${name}', or '${name}:' and more, of 15 characters`, value);
  }
  return text;
}

export function parseAddressConfig(value: unknown): Parsed<AddressNumbers> {
  const path = 'address';
  const input = object(value, path, new Set(ADDRESS_CONFIG));
  const { parsed, subject, ...place } = parsePlace(input);
  const { family } = parsed;
  for (const name of ['label', 'broadcast']) {
    if (family === IPV6 && input[name] !== undefined) {
      throw invalidValue(`address.${name}`, 'is for IPv4 only', input[name]);
    }
  }
  const noDad = flag(input, path, 'noDad');
  if (noDad && family === IPV4) {
    throw invalidValue('address.noDad', 'is for IPv6 only', input['noDad']);
  }
  const numbers = {
    ...place,
    address: parsed.bytes,
    scope: maybe(input, path, 'scope', scope) ?? (isHostScope(parsed) ? HOST : 0),
    flags: (noDad ? NODAD : 0) | (flag(input, path, 'noPrefixRoute') ? NOPREFIXROUTE : 0),
    broadcast: maybe(input, path, 'broadcast', addressOf(IPV4))?.bytes,
    label: maybe(input, path, 'label', (text, at) => label(text, at, place.interface)),
    preferredLifetime: maybe(input, path, 'preferredLifetime', numberOf(0, UINT_MAX - 1)),
    validLifetime: maybe(input, path, 'validLifetime', numberOf(1, UINT_MAX - 1)),
    peer: maybe(input, path, 'peer', addressOf(family))?.bytes,
    other: maybe(input, path, 'other', attributes),
  };
  return { numbers, subject };
}

const HOST = 254;

export function parseAddressKey(value: unknown): Parsed<AddressNumbers> {
  const input = object(value, 'address', new Set(ADDRESS));
  const { parsed, subject, ...place } = parsePlace(input);
  const peer = maybe(input, 'address', 'peer', addressOf(parsed.family))?.bytes;
  return { numbers: { ...place, address: parsed.bytes, peer, scope: 0, flags: 0 }, subject };
}

// Routes

const ROUTE = [
  'destination',
  'family',
  'table',
  'type',
  'scope',
  'protocol',
  'interface',
  'gateway',
  'source',
  'metric',
  'onLink',
  'mtu',
  'advertisedMss',
  'tos',
  'expires',
  'other',
];
const CONFIGURABLE_TYPES: readonly string[] = ROUTE_TYPES.words.filter((each) => each !== 'nat');
const LINK = 253;
const NOWHERE = 255;

const protocol = wordOrNumber(ROUTE_PROTOCOLS, 255);

function routeType(value: unknown, path: string): number {
  const number = word(value, path, ROUTE_TYPES);
  if (!CONFIGURABLE_TYPES.includes(value as string)) {
    throw invalidValue(path, `must be one of ${quoted(CONFIGURABLE_TYPES)}`, value);
  }
  return number;
}

function parseDestination(input: Input, gateway: Address | undefined): Network {
  const family = maybe(input, 'route', 'family', parseFamily);
  if (input['destination'] === 'default') {
    const found = family ?? gateway?.family;
    if (found === undefined) {
      throw invalidValue('route.family', "is needed for 'default' without a gateway", undefined);
    }
    const bytes = new Array<number>(widthOf(found) / 8).fill(0);
    return { family: found, bytes, text: 'default', prefix: 0 };
  }
  const destination = network(input['destination'], 'route.destination');
  if (family !== undefined && family !== destination.family) {
    throw invalidValue('route.family', "must be the destination's", input['family']);
  }
  return destination;
}

/** `removes`: what is left out is any. */
export function parseRoute(value: unknown, removes = false): Parsed<RouteNumbers> {
  const path = 'route';
  const input = object(value, path, new Set(ROUTE));
  const gateway = maybe(input, path, 'gateway', address);
  const destination = parseDestination(input, gateway);
  const { family, prefix } = destination;
  // IPv4 can go by way of an IPv6 gateway, but not the other way round.
  if (family === IPV6 && gateway?.family === IPV4) {
    throw invalidValue('route.gateway', 'must be an IPv6 address', input['gateway']);
  }
  const given = maybe(input, path, 'type', routeType);
  const type = given ?? (removes ? 0 : UNICAST);
  const name = maybe(input, path, 'interface', interfaceName) ?? '';
  const other = maybe(input, path, 'other', attributes);
  const hasWay = gateway !== undefined || name !== '' || other !== undefined;
  if (!removes && !hasWay && (type === UNICAST || type === LOCAL)) {
    throw invalidValue('route.interface', 'is needed, or a gateway', undefined);
  }
  const table =
    maybe(input, path, 'table', numberOf(1, UINT_MAX)) ??
    (type === LOCAL ? LOCAL_TABLE : MAIN_TABLE);
  const onLink = flag(input, path, 'onLink');
  const numbers = {
    family,
    destination: destination.bytes,
    prefix,
    table,
    type,
    scope: maybe(input, path, 'scope', scope) ?? scopeFor(family, type, gateway, removes),
    protocol: maybe(input, path, 'protocol', protocol) ?? (removes ? 0 : BOOT),
    flags: onLink ? ONLINK : 0,
    interface: name,
    gateway: gateway?.bytes,
    source: maybe(input, path, 'source', addressOf(family))?.bytes,
    metric: maybe(input, path, 'metric', uint),
    mtu: maybe(input, path, 'mtu', numberOf(1, UINT_MAX)),
    advertisedMss: maybe(input, path, 'advertisedMss', numberOf(1, 65535)),
    tos: maybe(input, path, 'tos', numberOf(0, 255)),
    expires: maybe(input, path, 'expires', numberOf(1, UINT_MAX)),
    other,
  };
  const words = [
    prefix === 0 ? 'default' : nameOf(destination),
    ...(gateway === undefined ? [] : ['via', canonical(gateway)]),
    ...(name === '' ? [] : ['dev', name]),
    ...(table === MAIN_TABLE ? [] : ['table', table]),
  ];
  return { numbers, subject: words.join(' ') };
}

// As `ip route` has it; IPv6 knows no scopes.
function scopeFor(
  family: number,
  type: number,
  gateway: Address | undefined,
  removes: boolean,
): number {
  if (removes) return NOWHERE; // any
  if (family === IPV6) return 0;
  if (type === LOCAL) return HOST;
  return type === UNICAST && gateway === undefined ? LINK : 0;
}

// Rules

const RULE = ['family', 'priority', 'fwmark', 'fwmask', 'table', 'source', 'destination'];

export function parseRule(value: unknown): Parsed<RuleNumbers> {
  const path = 'rule';
  const input = object(value, path, new Set(RULE));
  const family = maybe(input, path, 'family', parseFamily) ?? IPV4;
  const end = (name: 'source' | 'destination'): Network | undefined => {
    const found = maybe(input, path, name, network);
    if (found !== undefined && found.family !== family) {
      throw invalidValue(`rule.${name}`, "must be of the rule's family", input[name]);
    }
    return found;
  };
  const source = end('source');
  const destination = end('destination');
  const mark = maybe(input, path, 'fwmark', uint);
  const mask = maybe(input, path, 'fwmask', uint);
  if (mark === undefined && mask !== undefined) {
    throw invalidValue('rule.fwmask', 'means nothing without fwmark', mask);
  }
  const table = integer(input['table'], 'rule.table', 1, UINT_MAX);
  const priority = maybe(input, path, 'priority', uint);
  const numbers = {
    family,
    action: TO_TABLE,
    table,
    priority,
    mark,
    markMask: mark === undefined ? undefined : (mask ?? UINT_MAX),
    source: source?.bytes,
    sourcePrefix: source?.prefix,
    destination: destination?.bytes,
    destinationPrefix: destination?.prefix,
  };
  const words = [
    ...(priority === undefined ? [] : [`${priority}:`]),
    ...(source === undefined ? [] : ['from', nameOf(source)]),
    ...(destination === undefined ? [] : ['to', nameOf(destination)]),
    ...(mark === undefined ? [] : ['fwmark', mark]),
    ...['lookup', table, `(${FAMILIES.word(family)})`],
  ];
  return { numbers, subject: words.join(' ') };
}

// Neighbours

const NEIGHBOUR = ['interface', 'address', 'proxy'];
const NEIGHBOUR_CONFIG = [...NEIGHBOUR, 'linkAddress', 'state'];
const CONFIGURABLE_STATES = ['reachable', 'stale', 'noarp', 'permanent'];
const PERMANENT_STATE = 0x80;

function neighbourState(value: unknown, path: string): number {
  const number = word(value, path, NEIGHBOUR_STATES);
  if (!CONFIGURABLE_STATES.includes(value as string)) {
    throw invalidValue(path, `must be one of ${quoted(CONFIGURABLE_STATES)}`, value);
  }
  return number;
}

/** `removes`: only what names it. */
export function parseNeighbour(value: unknown, removes = false): Parsed<NeighbourNumbers> {
  const path = 'neighbour';
  const input = object(value, path, new Set(removes ? NEIGHBOUR : NEIGHBOUR_CONFIG));
  const name = interfaceName(input['interface'], 'neighbour.interface');
  const parsed = address(input['address'], 'neighbour.address');
  const proxy = flag(input, path, 'proxy');
  const linkAddress = maybe(input, path, 'linkAddress', hex);
  if (!removes && !proxy && linkAddress === undefined) {
    throw invalidValue('neighbour.linkAddress', 'is needed unless proxy is true', undefined);
  }
  const state = maybe(input, path, 'state', neighbourState) ?? PERMANENT_STATE;
  return {
    numbers: { interface: name, address: parsed.bytes, state, proxy, linkAddress },
    subject: `${canonical(parsed)} on ${name}`,
  };
}

// FOU

export function parseFouPort(value: unknown): Parsed<FouPortNumbers> {
  const path = 'port';
  const input = object(value, path, new Set(['port', 'family', 'type', 'protocol']));
  const number = integer(input['port'], 'port.port', 1, 65535);
  const type = word(input['type'], 'port.type', FOU_TYPES);
  const inside = maybe(input, path, 'protocol', numberOf(1, 255));
  const gue = FOU_TYPES.word(type) === 'gue';
  if (gue && inside !== undefined) {
    throw invalidValue('port.protocol', 'is told by each packet of GUE', inside);
  }
  if (!gue && inside === undefined) {
    throw invalidValue('port.protocol', 'is needed for FOU: 4 for ipip, 41 for IPv6', undefined);
  }
  const family = maybe(input, path, 'family', parseFamily) ?? IPV4;
  return {
    numbers: { port: number, family, type, protocol: inside ?? 0 },
    subject: `${number} (${FAMILIES.word(family)})`,
  };
}

// Marks

function portRange(value: unknown, path: string): readonly [first: number, last: number] {
  if (typeof value === 'number') {
    const only = integer(value, path, 1, 65535);
    return [only, only];
  }
  const input = object(value, path, new Set(['from', 'to']));
  const first = integer(input['from'], `${path}.from`, 1, 65535);
  return [first, integer(input['to'], `${path}.to`, first, 65535)];
}

function shortened(words: readonly string[]): string {
  if (words.length <= 10) return words.join(', ');
  return `${words.slice(0, 8).join(', ')} and ${words.length - 8} more`;
}

export function parseMarkRule(value: unknown): Parsed<MarkNumbers> {
  const path = 'rule';
  const input = object(value, path, new Set(['family', 'address', 'protocol', 'ports', 'mark']));
  const destination = network(input['address'], 'rule.address');
  const family = maybe(input, path, 'family', parseFamily);
  if (family !== undefined && family !== destination.family) {
    throw invalidValue('rule.family', "must be the address's", input['family']);
  }
  const { ports: list = [] } = input as { ports?: unknown };
  if (!Array.isArray(list)) throw invalidType('rule.ports', 'an array', list);
  const ranges = list.map((each, i) => portRange(each, `rule.ports[${i}]`));
  if (new Set(ranges.map(String)).size < ranges.length) {
    throw invalidValue('rule.ports', 'must not name the same twice', list);
  }
  if (input['ports'] !== undefined && ranges.length === 0) {
    throw invalidValue('rule.ports', 'must not be empty: leave it out for every port', list);
  }
  const mark = integer(input['mark'], 'rule.mark', 1, UINT_MAX);
  const protocol = word(input['protocol'], 'rule.protocol', PROTOCOLS);
  const whole = destination.prefix === widthOf(destination.family);
  const marked = {
    address: whole ? canonical(destination) : nameOf(destination),
    protocol: PROTOCOLS.word(protocol),
    mark,
  };
  const ports = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  const numbers = {
    address: destination.bytes,
    prefix: destination.prefix,
    protocol,
    mark,
    ports: ranges.length === 0 ? [0, 0] : ranges.flat(),
    notes: (ranges.length === 0 ? [undefined] : ports).map((each) => noteOf(marked, each)),
    chain: chainOf(marked),
  };
  const words = [marked.protocol, nameOf(destination)];
  if (ports.length > 0) words.push(`ports ${shortened(ports)}`);
  return { numbers, subject: [...words, `(mark ${mark})`].join(' ') };
}

// Announcements

const ANNOUNCEMENT = ['interface', 'addresses', 'count', 'interval', 'repeatAfter', 'signal'];

export interface ParsedAnnouncement {
  readonly interface: string;
  readonly addresses: readonly Address[];
  readonly count: number;
  readonly interval: number;
  readonly repeatAfter: number;
  readonly signal: AbortSignal | undefined;
  readonly subject: string;
}

export function parseAnnouncement(value: unknown): ParsedAnnouncement {
  const path = 'announcement';
  const input = object(value, path, new Set(ANNOUNCEMENT));
  const name = interfaceName(input['interface'], `${path}.interface`);
  const { addresses: list } = input as { addresses?: unknown };
  if (!Array.isArray(list)) throw invalidType(`${path}.addresses`, 'an array', list);
  const addresses = list.map((each, i) => address(each, `${path}.addresses[${i}]`));
  return {
    interface: name,
    addresses,
    count: maybe(input, path, 'count', numberOf(1, 1000)) ?? 5,
    interval: maybe(input, path, 'interval', numberOf(0, INT_MAX)) ?? 0,
    repeatAfter: maybe(input, path, 'repeatAfter', numberOf(0, INT_MAX)) ?? 5000,
    signal: signalOf(input, `${path}.signal`),
    subject: `${addresses.map(canonical).join(', ')} on ${name}`,
  };
}

// Settings

/** The file of a setting, or of a folder of them. */
export function parseSettingName(value: unknown, path = 'name'): string {
  const name = string(value, path);
  // The first separator says what separates, as with sysctl(8); the other one stands for itself.
  const slashes = /[./]/.exec(name)?.[0] === '/';
  const parts = slashes
    ? name.split('/')
    : name.split('.').map((each) => each.replaceAll('/', '.'));
  if (parts.some((each) => each === '' || each === '.' || each === '..' || each.includes('\0'))) {
    throw invalidValue(path, "must be a setting's name such as 'net.ipv4.ip_forward'", value);
  }
  return `/proc/sys/${parts.join('/')}`;
}

/** The name of a setting's file. */
export function settingName(file: string): string {
  const name = file.slice('/proc/sys/'.length);
  return name.includes('.') ? name : name.replaceAll('/', '.');
}

export function parseSettingValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (value.includes('\0')) throw invalidValue('value', 'must not hold a NUL', value);
      return value;
    case 'number':
      return String(integer(value, 'value', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
    case 'boolean':
      return value ? '1' : '0';
    default:
      throw invalidType('value', 'a string, a number or a boolean', value);
  }
}
