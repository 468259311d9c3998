// From what a caller wrote to the numbers of a request, or to an error that names the property and
// the value. What the kernel would take in silence and then drop is refused here.

import { IPV4, IPV6, parseAddress } from './address.js';
import type { Address, AddressSlot } from './address.js';
import {
  Names,
  INT_MAX,
  address,
  boolean,
  integer,
  moduleName,
  object,
  port,
  quoted,
  string,
  word,
} from './check.js';
import type { Input } from './check.js';
import { invalidType, invalidValue } from './errors.js';
import type {
  DestinationId,
  DestinationNumbers,
  Mutable,
  ServiceId,
  ServiceNumbers,
} from './records.js';
import {
  ALL_SCHEDULER_BITS,
  CHECKSUMS,
  FAMILIES,
  FORWARDINGS,
  GUE,
  NAT,
  ONE_PACKET,
  PERSISTENT,
  PROTOCOLS,
  SCHEDULER_FLAG_WORDS,
  TUN,
  TUNNELS,
  schedulerFlagBit,
  schedulerOfFlag,
} from './words.js';

// Seconds become jiffies in 32 bits, at up to 1000 a second (ip_vs_add_service).
const LONGEST_PERSISTENCE = 4294967;
const DEFAULT_PERSISTENCE = 300;

const SERVICE_KEY = ['protocol', 'address', 'port', 'fwmark', 'family'];
const SERVICE_SETTINGS = ['scheduler', 'schedulerFlags', 'persistence', 'onePacket'];
const DESTINATION_KEY = ['address', 'port'];
const DESTINATION_SETTINGS = ['forwarding', 'weight', 'upperThreshold', 'lowerThreshold', 'tunnel'];
// What the library gives back may be passed in again: what was only observed is passed over.
export const SERVICE_PROPERTIES: ReadonlySet<string> = new Names([
  ...SERVICE_KEY,
  ...SERVICE_SETTINGS,
  'engine',
  'stats',
  'destinations',
]);
const SERVICE_CHANGES = new Names(SERVICE_SETTINGS);
const DESTINATION_PROPERTIES = new Names([
  ...DESTINATION_KEY,
  ...DESTINATION_SETTINGS,
  'family',
  'activeConnections',
  'inactiveConnections',
  'persistentConnections',
  'stats',
]);
const DESTINATION_CHANGES = new Names(DESTINATION_SETTINGS);
const PERSISTENCE = new Set(['timeout', 'netmask', 'engine']);
const TUNNEL = new Set(['type', 'port', 'checksum']);
const TUNNEL_PROPERTIES: Readonly<Record<string, ReadonlySet<string>>> = {
  ipip: new Set(['type']),
  gue: new Set(['type', 'port', 'checksum']),
  gre: new Set(['type', 'checksum']),
};

/** The key of a virtual service, alone or as part of its configuration. */
export function parseServiceId(value: unknown, path = 'service'): ServiceId {
  const input = object(value, path, SERVICE_PROPERTIES);
  if (input['fwmark'] === undefined) return parseAddressId(input, path);
  for (const other of ['protocol', 'address', 'port']) {
    if (input[other] !== undefined) {
      throw invalidValue(`${path}.${other}`, 'does not go with a firewall mark', input[other]);
    }
  }
  const family =
    input['family'] === undefined ? IPV4 : word(input['family'], `${path}.family`, FAMILIES);
  // A mark of 0 would make the kernel serve tcp 0.0.0.0:0 instead.
  const fwmark = integer(input['fwmark'], `${path}.fwmark`, 1, 2 ** 32 - 1);
  return { family, protocol: 0, address: undefined, port: 0, fwmark };
}

function parseAddressId(input: Input, path: string): ServiceId {
  const protocol = word(input['protocol'], `${path}.protocol`, PROTOCOLS);
  const vip = address(input['address'], `${path}.address`);
  if (input['family'] !== undefined) {
    const family = word(input['family'], `${path}.family`, FAMILIES);
    if (family !== vip.family) {
      throw invalidValue(`${path}.family`, `is not that of ${path}.address`, input['family']);
    }
  }
  const number = port(input['port'], `${path}.port`);
  return { family: vip.family, protocol, address: vip, port: number, fwmark: 0 };
}

function unmasked(family: number): number {
  return family === IPV4 ? 0xffffffff : 128;
}

function defaultService(id: ServiceId): ServiceNumbers {
  return { scheduler: 'wlc', flags: 0, timeout: 0, netmask: unmasked(id.family), engine: '' };
}

/** A whole configuration: what is left out becomes its default. */
export function parseServiceConfig(
  value: unknown,
  path = 'service',
): { id: ServiceId; numbers: ServiceNumbers } {
  const id = parseServiceId(value, path);
  const numbers: Mutable<ServiceNumbers> = overlayService(
    value as Input,
    path,
    id,
    defaultService(id),
  );
  const engine = (value as Input)['engine'];
  if (engine !== undefined) {
    numbers.engine = moduleName(engine, `${path}.engine`, 16);
    if ((numbers.flags & PERSISTENT) !== 0) {
      throw invalidValue(`${path}.engine`, `has its place in ${path}.persistence`, engine);
    }
  }
  // The kernel takes such a service and never schedules anything for it (ip_vs_schedule).
  if (id.fwmark === 0 && id.port === 0 && (numbers.flags & PERSISTENT) === 0) {
    throw invalidValue(`${path}.port`, 'may be 0 (every port) only with persistence', 0);
  }
  return { id, numbers };
}

/** Changes over what is there: what is left out stays as it is. */
export function parseServiceChanges(
  value: unknown,
  id: ServiceId,
  present: ServiceNumbers,
): ServiceNumbers {
  const input = object(value, 'changes', SERVICE_CHANGES);
  const numbers = overlayService(input, 'changes', id, present);
  if (input['persistence'] === null && id.fwmark === 0 && id.port === 0) {
    throw invalidValue('changes.persistence', 'must stay: the service has port 0', null);
  }
  return numbers;
}

/** A copy of the changes, which the caller may change later; senseless ones are refused. */
export function readServiceChanges(value: unknown, id: ServiceId): Input {
  const changes = copyOf(object(value, 'changes', SERVICE_CHANGES), SERVICE_SETTINGS);
  checkServiceChanges(changes, id);
  return changes;
}

// By name: what is inherited counts too, and each is read once.
function copyOf(input: Input, names: readonly string[]): Input {
  const copy: Record<string, unknown> = {};
  for (const name of names) {
    const value = input[name];
    if (value !== undefined) copy[name] = copyOfValue(name, value);
  }
  return copy;
}

function copyOfValue(name: string, value: unknown): unknown {
  if (Array.isArray(value)) return [...(value as unknown[])];
  const known = PARTS[name];
  if (typeof value !== 'object' || value === null || known === undefined) return value;
  return copyOf(object(value, `changes.${name}`, known), [...known]);
}

const PARTS: Readonly<Record<string, ReadonlySet<string>>> = {
  persistence: PERSISTENCE,
  tunnel: TUNNEL,
};

function checkServiceChanges(input: Input, id: ServiceId): void {
  // Flags that name a scheduler are checked against the one that is there, once that is known.
  const scheduler = input['scheduler'] ?? impliedScheduler(input['schedulerFlags']);
  parseServiceChanges(
    scheduler === undefined ? input : { ...input, scheduler },
    id,
    defaultService(id),
  );
}

function impliedScheduler(flags: unknown): string | undefined {
  for (const flag of Array.isArray(flags) ? (flags as unknown[]) : []) {
    if (typeof flag !== 'string' || schedulerFlagBit(flag) === undefined) return undefined;
    const scheduler = schedulerOfFlag(flag);
    if (scheduler !== undefined) return scheduler;
  }
  return undefined;
}

function overlayService(
  input: Input,
  path: string,
  id: ServiceId,
  base: ServiceNumbers,
): ServiceNumbers {
  let { scheduler, flags, timeout, netmask, engine } = base;
  if (input['scheduler'] !== undefined) {
    scheduler = moduleName(input['scheduler'], `${path}.scheduler`, 15);
  }
  if (input['schedulerFlags'] !== undefined) {
    const bits = parseSchedulerFlags(input['schedulerFlags'], `${path}.schedulerFlags`, scheduler);
    flags = (flags & ~ALL_SCHEDULER_BITS) | bits;
  }
  if (input['onePacket'] !== undefined) {
    const onePacket = boolean(input['onePacket'], `${path}.onePacket`);
    if (onePacket && id.fwmark === 0 && id.protocol !== PROTOCOLS.number('udp')) {
      throw invalidValue(`${path}.onePacket`, 'is for udp and firewall marks only', true);
    }
    flags = onePacket ? flags | ONE_PACKET : flags & ~ONE_PACKET;
  }
  const persistence = input['persistence'];
  if (persistence === null && path === 'changes') {
    flags &= ~PERSISTENT;
    timeout = 0;
    netmask = unmasked(id.family);
    engine = '';
  } else if (persistence !== undefined) {
    const at = `${path}.persistence`;
    const given = object(persistence, at, PERSISTENCE);
    if ((flags & PERSISTENT) === 0) {
      timeout = DEFAULT_PERSISTENCE;
      netmask = unmasked(id.family);
    }
    flags |= PERSISTENT;
    if (given['timeout'] !== undefined) {
      timeout = integer(given['timeout'], `${at}.timeout`, 1, LONGEST_PERSISTENCE);
    }
    if (given['netmask'] !== undefined) {
      netmask = parseNetmask(given['netmask'], `${at}.netmask`, id.family);
    }
    if (given['engine'] === null && path === 'changes') {
      engine = '';
    } else if (given['engine'] !== undefined) {
      engine = moduleName(given['engine'], `${at}.engine`, 16);
    }
  }
  return { scheduler, flags, timeout, netmask, engine };
}

function parseSchedulerFlags(value: unknown, path: string, scheduler: string): number {
  if (!Array.isArray(value)) throw invalidType(path, 'an array', value);
  let bits = 0;
  (value as unknown[]).forEach((flag, index) => {
    const at = `${path}[${index}]`;
    const bit = schedulerFlagBit(string(flag, at));
    if (bit === undefined) {
      throw invalidValue(at, `must be one of ${quoted(SCHEDULER_FLAG_WORDS)}`, flag);
    }
    const owner = schedulerOfFlag(flag as string);
    if (owner !== undefined && owner !== scheduler) {
      throw invalidValue(at, `is for the scheduler '${owner}', not '${scheduler}'`, flag);
    }
    bits |= bit;
  });
  return bits;
}

function parseNetmask(value: unknown, path: string, family: number): number {
  if (family === IPV6) return integer(value, path, 1, 128);
  if (typeof value === 'number') {
    return maskOfLength(integer(value, path, 0, 32));
  }
  if (typeof value !== 'string') throw invalidType(path, 'a string or a number', value);
  const mask = parseAddress(value);
  if (mask?.family !== IPV4) {
    throw invalidValue(path, 'must be a dotted mask or a prefix length', value);
  }
  return mask.bytes.reduce((number, byte) => number * 256 + byte, 0);
}

/** An IPv4 prefix length as a mask. */
export function maskOfLength(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
}

/** How errors name the properties of a destination: made once, not for each of many. */
const pathsOf = (path: 'destination' | 'changes') => ({
  address: `${path}.address`,
  port: `${path}.port`,
  forwarding: `${path}.forwarding`,
  weight: `${path}.weight`,
  upperThreshold: `${path}.upperThreshold`,
  lowerThreshold: `${path}.lowerThreshold`,
  tunnel: `${path}.tunnel`,
});
const PATHS = { destination: pathsOf('destination'), changes: pathsOf('changes') };

/** What a destination is read into; one may serve for many, one after the other. */
export interface DestinationSlot {
  readonly id: Mutable<DestinationId>;
  readonly numbers: Mutable<DestinationNumbers>;
  /** Only where the destination is needed no longer than the slot. */
  readonly address?: AddressSlot;
}

export function makeDestinationSlot(): DestinationSlot {
  return { id: { address: NOWHERE, port: 0 }, numbers: { ...DEFAULT_DESTINATION } };
}

const NOWHERE: Address = { family: IPV4, bytes: [0, 0, 0, 0], text: '0.0.0.0' };

/** The key of a destination; its port defaults to the service's. */
export function parseDestinationId(
  value: unknown,
  service: ServiceId,
  id: Mutable<DestinationId> = { address: NOWHERE, port: 0 },
  slot?: AddressSlot,
): DestinationId {
  const input = object(value, 'destination', DESTINATION_PROPERTIES);
  const paths = PATHS.destination;
  id.address = address(input['address'], paths.address, slot);
  id.port = input['port'] === undefined ? service.port : port(input['port'], paths.port);
  return id;
}

const DEFAULT_DESTINATION: DestinationNumbers = {
  forwarding: FORWARDINGS.number('dr') ?? NAT,
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
};

/** A whole configuration: what is left out becomes its default. */
export function parseDestinationConfig(
  value: unknown,
  service: ServiceId,
  slot = makeDestinationSlot(),
): DestinationSlot {
  const { id, numbers } = slot;
  parseDestinationId(value, service, id, slot.address);
  overlayDestination(value as Input, 'destination', service, id, DEFAULT_DESTINATION, numbers);
  return slot;
}

/** Changes over what is there: what is left out stays as it is. */
export function parseDestinationChanges(
  value: unknown,
  service: ServiceId,
  id: DestinationId,
  present: DestinationNumbers,
): DestinationNumbers {
  const input = object(value, 'changes', DESTINATION_CHANGES);
  return mergeDestinationChanges(input, service, id, present);
}

/** The same for changes that were read already. */
export function mergeDestinationChanges(
  changes: Input,
  service: ServiceId,
  id: DestinationId,
  present: DestinationNumbers,
): DestinationNumbers {
  return overlayDestination(changes, 'changes', service, id, present, { ...DEFAULT_DESTINATION });
}

/** A copy of the changes, which the caller may change later; senseless ones are refused. */
export function readDestinationChanges(
  value: unknown,
  service: ServiceId,
  id: DestinationId,
): Input {
  const changes = copyOf(object(value, 'changes', DESTINATION_CHANGES), DESTINATION_SETTINGS);
  checkDestinationChanges(changes, service, id);
  return changes;
}

// What changes are checked against while it is not known what is there: what lets them pass.
const ANY_DESTINATION = { ...DEFAULT_DESTINATION, forwarding: NAT, upperThreshold: INT_MAX };
const ANY_WITH_TUNNEL = { ...ANY_DESTINATION, forwarding: TUN };
const CHECKED: Mutable<DestinationNumbers> = { ...DEFAULT_DESTINATION };

function checkDestinationChanges(input: Input, service: ServiceId, id: DestinationId): void {
  const onlyTunnel = input['tunnel'] !== undefined && input['forwarding'] === undefined;
  if (onlyTunnel) checkForwarding(TUN, 'changes', service, id);
  const base = onlyTunnel ? ANY_WITH_TUNNEL : ANY_DESTINATION;
  overlayDestination(input, 'changes', service, id, base, CHECKED);
}

function overlayDestination(
  input: Input,
  path: 'destination' | 'changes',
  service: ServiceId,
  id: DestinationId,
  base: DestinationNumbers,
  numbers: Mutable<DestinationNumbers>,
): DestinationNumbers {
  const paths = PATHS[path];
  let { forwarding, weight, upperThreshold, lowerThreshold } = base;
  if (input['weight'] !== undefined) weight = integer(input['weight'], paths.weight, 0, INT_MAX);

  const limits = input['upperThreshold'] !== undefined || input['lowerThreshold'] !== undefined;
  if (input['upperThreshold'] !== undefined) {
    upperThreshold = integer(input['upperThreshold'], paths.upperThreshold, 0, INT_MAX);
  }
  if (input['lowerThreshold'] !== undefined) {
    lowerThreshold = integer(input['lowerThreshold'], paths.lowerThreshold, 0, INT_MAX);
  }
  if (limits && lowerThreshold > upperThreshold) {
    const reason = `must not exceed ${paths.upperThreshold} (${upperThreshold})`;
    throw invalidValue(paths.lowerThreshold, reason, lowerThreshold);
  }

  if (input['forwarding'] !== undefined) {
    forwarding = word(input['forwarding'], paths.forwarding, FORWARDINGS);
  }
  if (path !== 'changes' || input['forwarding'] !== undefined) {
    checkForwarding(forwarding, path, service, id);
  }

  const { tunnelType, tunnelPort, tunnelFlags } = overlayTunnel(input, paths, forwarding, base);
  numbers.forwarding = forwarding;
  numbers.weight = weight;
  numbers.upperThreshold = upperThreshold;
  numbers.lowerThreshold = lowerThreshold;
  numbers.tunnelType = tunnelType;
  numbers.tunnelPort = tunnelPort;
  numbers.tunnelFlags = tunnelFlags;
  return numbers;
}

function checkForwarding(
  forwarding: number,
  path: string,
  service: ServiceId,
  id: DestinationId,
): void {
  // Only NAT rewrites a packet: by any other way it arrives with the port that the client chose.
  if (forwarding !== NAT && id.port !== service.port) {
    const method = FORWARDINGS.word(forwarding);
    const own = path === 'changes' ? 'forwarding' : 'port';
    throw invalidValue(
      `${path}.${own}`,
      own === 'port'
        ? `must be the service's port ${service.port}: '${method}' can't change it, only 'nat' can`
        : `can't be '${method}': only 'nat' brings packets from port ${service.port} to ${id.port}`,
      own === 'port' ? id.port : method,
    );
  }
  if (forwarding !== TUN && id.address.family !== service.family) {
    throw invalidValue(
      `${path}.forwarding`,
      `must be 'tun' for a destination of another address family than its service`,
      FORWARDINGS.word(forwarding),
    );
  }
}

type TunnelNumbers = Pick<DestinationNumbers, 'tunnelType' | 'tunnelPort' | 'tunnelFlags'>;

const NO_TUNNEL: TunnelNumbers = { tunnelType: 0, tunnelPort: 0, tunnelFlags: 0 };

function overlayTunnel(
  input: Input,
  paths: typeof PATHS.destination,
  forwarding: number,
  base: TunnelNumbers,
): TunnelNumbers {
  const value = input['tunnel'];
  if (value === undefined) {
    // A change of method takes the old method's tunnel along; other changes leave all alone.
    return input['forwarding'] !== undefined && forwarding !== TUN ? NO_TUNNEL : base;
  }
  const at = paths.tunnel;
  if (forwarding !== TUN) {
    throw invalidValue(at, `goes with forwarding 'tun' only`, value);
  }
  const kind = object(value, at, TUNNEL);
  const tunnelType = word(kind['type'], `${at}.type`, TUNNELS);
  const type = TUNNELS.word(tunnelType);
  object(value, at, TUNNEL_PROPERTIES[type] ?? new Set());
  const same = base.tunnelType === tunnelType ? base : NO_TUNNEL;
  let { tunnelPort, tunnelFlags } = same;
  if (tunnelType === GUE && (kind['port'] !== undefined || tunnelPort === 0)) {
    tunnelPort = integer(kind['port'], `${at}.port`, 1, 65535);
  }
  if (kind['checksum'] !== undefined) {
    tunnelFlags = word(kind['checksum'], `${at}.checksum`, CHECKSUMS);
    if (type === 'gre' && kind['checksum'] === 'remcsum') {
      throw invalidValue(`${at}.checksum`, `must be 'none' or 'csum' for gre`, 'remcsum');
    }
  }
  return { tunnelType, tunnelPort, tunnelFlags };
}
