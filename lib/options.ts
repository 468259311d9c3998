// From what a caller wrote to numbers, for all that is not a service or a destination.

import { IPV4, parseAddress } from './address.js';
import type { Address } from './address.js';
import { INT_MAX, address, boolean, integer, object, port, string, word } from './check.js';
import type { Input } from './check.js';
import { invalidType, invalidValue } from './errors.js';
import type {
  ConnectionFilter,
  DaemonNumbers,
  EndpointNumbers,
  TimeoutNumbers,
} from './records.js';
import type { BatchProgress } from './types.js';
import { DEFAULT_TIMEOUT } from './waiting.js';
import { PROTOCOLS, ROLES } from './words.js';

// Seconds become jiffies in a signed 32-bit number, at up to 1000 a second (ip_vs_set_timeout).
const LONGEST_TIMEOUT = 2147483;

// What options may hold.
const OPEN = new Set(['netns', 'timeout']);
const CALL = new Set(['signal']);
const READ = new Set(['bigint', 'signal']);
const SNAPSHOT = new Set(['bigint', 'settle', 'signal']);
const CONNECTIONS = new Set([
  'protocol',
  'client',
  'virtual',
  'destination',
  'limit',
  'origin',
  'signal',
]);
const BATCH = new Set(['signal', 'onProgress']);

const NONE: Input = {};

function optional(value: unknown, path: string, known: ReadonlySet<string>): Input {
  return value === undefined ? NONE : object(value, path, known);
}

function flag(input: Input, name: string, otherwise: boolean): boolean {
  const value = input[name];
  return value === undefined ? otherwise : boolean(value, `options.${name}`);
}

export function signalOf(input: Input, path = 'options.signal'): AbortSignal | undefined {
  const { signal } = input as { signal?: unknown };
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw invalidType(path, 'an AbortSignal', signal);
}

/** The namespace file to open (undefined: the process's own) and the deadline in milliseconds. */
export function parseOpenOptions(value: unknown): { netns: string | undefined; timeout: number } {
  const input = optional(value, 'options', OPEN);
  const timeout =
    input['timeout'] === undefined
      ? DEFAULT_TIMEOUT
      : integer(input['timeout'], 'options.timeout', 1, INT_MAX);
  return { netns: parseNetns(input['netns']), timeout };
}

function parseNetns(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object') {
    const input = object(value, 'options.netns', new Set(['pid']));
    return `/proc/${integer(input['pid'], 'options.netns.pid', 1, INT_MAX)}/ns/net`;
  }
  const name = string(value, 'options.netns');
  if (name === '' || name.includes('\0') || name === '.' || name === '..') {
    throw invalidValue('options.netns', "must be a namespace's name or path", value);
  }
  return name.includes('/') ? name : `/run/netns/${name}`;
}

export interface Call {
  readonly signal: AbortSignal | undefined;
}

export function parseCallOptions(value: unknown): Call {
  return { signal: signalOf(optional(value, 'options', CALL)) };
}

export function parseReadOptions(value: unknown): Call & { readonly bigint: boolean } {
  const input = optional(value, 'options', READ);
  return { bigint: flag(input, 'bigint', false), signal: signalOf(input) };
}

export function parseSnapshotOptions(
  value: unknown,
): Call & { readonly bigint: boolean; readonly settle: boolean } {
  const input = optional(value, 'options', SNAPSHOT);
  return {
    bigint: flag(input, 'bigint', false),
    settle: flag(input, 'settle', true),
    signal: signalOf(input),
  };
}

/** Absent and 0 both mean "as it is". */
export function parseTimeouts(value: unknown): TimeoutNumbers {
  const input = object(value, 'timeouts', new Set(['tcp', 'tcpFin', 'udp']));
  const seconds = (name: string): number =>
    input[name] === undefined ? 0 : integer(input[name], `timeouts.${name}`, 0, LONGEST_TIMEOUT);
  return { tcp: seconds('tcp'), tcpFin: seconds('tcpFin'), udp: seconds('udp') };
}

export function parseRole(value: unknown, path = 'role'): number {
  return word(value, path, ROLES);
}

/** The kernel chooses where there is a 0. */
export function parseDaemon(value: unknown, path = 'daemon'): DaemonNumbers {
  const known = ['role', 'interface', 'syncId', 'maxLength', 'group', 'port', 'ttl'];
  const input = object(value, path, new Set(known));
  const choice = (name: string, most: number): number =>
    input[name] === undefined ? 0 : integer(input[name], `${path}.${name}`, 1, most);
  return {
    role: parseRole(input['role'], `${path}.role`),
    interface: interfaceName(input['interface'], `${path}.interface`),
    syncId: input['syncId'] === undefined ? 0 : integer(input['syncId'], `${path}.syncId`, 0, 255),
    maxLength: choice('maxLength', 65535),
    group: input['group'] === undefined ? undefined : group(input['group'], `${path}.group`),
    port: choice('port', 65535),
    ttl: choice('ttl', 255),
  };
}

// What the kernel allows for a network device (dev_valid_name).
export function interfaceName(value: unknown, path: string): string {
  const name = string(value, path);
  if (/^[\x21-\x7e]{1,15}$/.test(name) && !/[/:]/.test(name) && name !== '.' && name !== '..') {
    return name;
  }
  throw invalidValue(path, "must be a network interface's name of 1 to 15 characters", value);
}

function group(value: unknown, path: string): Address {
  const parsed = address(value, path);
  const [first = 0] = parsed.bytes;
  const multicast = parsed.family === IPV4 ? (first & 0xf0) === 0xe0 : first === 0xff;
  if (!multicast) throw invalidValue(path, 'must be a multicast address', value);
  return parsed;
}

const ANYWHERE: EndpointNumbers = { family: 0, bytes: [], port: -1 };

/** Which connections are wanted, and how they are told. */
export function parseConnectionsOptions(value: unknown): Call & {
  readonly filter: ConnectionFilter;
  readonly limit: number;
  readonly origin: boolean;
} {
  const input = optional(value, 'options', CONNECTIONS);
  const { protocol, limit } = input as { protocol?: unknown; limit?: unknown };
  const { fwmark, endpoint: virtual } = virtualFilter(input['virtual']);
  return {
    filter: {
      protocol: protocol === undefined ? 0 : word(protocol, 'options.protocol', PROTOCOLS),
      fwmark,
      client: endpointFilter(input['client'], 'options.client'),
      virtual,
      destination: endpointFilter(input['destination'], 'options.destination'),
    },
    limit:
      limit === undefined ? Infinity : integer(limit, 'options.limit', 0, Number.MAX_SAFE_INTEGER),
    origin: flag(input, 'origin', false),
    signal: signalOf(input),
  };
}

function virtualFilter(value: unknown): { fwmark: number; endpoint: EndpointNumbers } {
  const path = 'options.virtual';
  if (typeof value === 'object' && value !== null && 'fwmark' in value) {
    const input = object(value, path, new Set(['fwmark']));
    return {
      fwmark: integer(input['fwmark'], `${path}.fwmark`, 1, 2 ** 32 - 1),
      endpoint: ANYWHERE,
    };
  }
  return { fwmark: 0, endpoint: endpointFilter(value, path) };
}

function endpointFilter(value: unknown, path: string): EndpointNumbers {
  if (value === undefined) return ANYWHERE;
  if (typeof value === 'string') {
    const parsed = parseAddress(value);
    if (parsed === undefined) throw invalidValue(path, 'must be an IPv4 or IPv6 address', value);
    return { ...ANYWHERE, ...parsed };
  }
  const input = object(value, path, new Set(['address', 'port']));
  const where = input['address'] === undefined ? {} : address(input['address'], `${path}.address`);
  return {
    ...ANYWHERE,
    ...where,
    port: input['port'] === undefined ? -1 : port(input['port'], `${path}.port`),
  };
}

export function parseBatchOptions(value: unknown): {
  signal: AbortSignal | undefined;
  onProgress: ((progress: BatchProgress) => void) | undefined;
} {
  const input = optional(value, 'options', BATCH);
  const { onProgress } = input as { onProgress?: unknown };
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalidType('options.onProgress', 'a function', onProgress);
  }
  return {
    signal: signalOf(input),
    onProgress: onProgress as ((progress: BatchProgress) => void) | undefined,
  };
}
