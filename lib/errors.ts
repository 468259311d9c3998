// What can go wrong, said so that somebody can act on it. Codes are API; sentences are not.

import { inspect } from 'node:util';
import { constants } from 'node:os';
import type { DestinationKey, ServiceKey } from './types.js';

/** Codes of this library's own; all others are the kernel's errno names. */
export type IpvsErrorCode =
  | 'ERR_IPVS_UNAVAILABLE'
  | 'ERR_IPVS_SCHEDULER'
  | 'ERR_IPVS_ENGINE'
  | 'ERR_IPVS_TIMEOUT'
  | 'ERR_IPVS_UNKNOWN_OUTCOME'
  | 'ERR_IPVS_CLOSED'
  | 'ERR_IPVS_PROTOCOL'
  | 'ERR_IPVS_PLATFORM'
  | 'ERR_IPVS_LOAD';

/** What was asked, of what. */
export interface Subject {
  /** For example 'add destination'. */
  readonly command: string;
  readonly service?: ServiceKey | undefined;
  readonly destination?: DestinationKey | undefined;
}

/** What is said of a failure, whatever it was about. */
export interface Verdict {
  readonly code: string;
  readonly sentence: string;
  readonly hint?: string | undefined;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly cause?: unknown;
}

/** What all failures have in common that are not the caller's own mistake in an argument. */
abstract class OperationError extends Error {
  /** The kernel's, such as `EEXIST`, or this library's, `ERR_IPVS_*`. */
  readonly code: string;
  /** What was asked, for example `add destination`. */
  readonly command: string;
  /** Negative, as in Node.js. Absent where no errno is behind it. */
  declare readonly errno?: number;
  /** Only where a system call failed; absent where the kernel answered "no". */
  declare readonly syscall?: string;
  /** What to do about it. */
  declare readonly hint?: string;

  /** `asked` is the command and what it was about, in words. */
  protected constructor(command: string, asked: string, verdict: Verdict) {
    const cause = verdict.cause === undefined ? undefined : { cause: verdict.cause };
    super(`${asked}: ${verdict.sentence} (${verdict.code})`, cause);
    this.code = verdict.code;
    this.command = command;
    if (verdict.errno !== undefined && verdict.errno !== 0) this.errno = -Math.abs(verdict.errno);
    if (verdict.syscall) this.syscall = verdict.syscall;
    if (verdict.hint) this.hint = verdict.hint;
  }
}

/** A failure of an operation of IPVS. */
export class IpvsError extends OperationError {
  static {
    this.prototype.name = 'IpvsError';
  }

  declare readonly service?: ServiceKey;
  declare readonly destination?: DestinationKey;

  /** @internal */
  constructor(subject: Subject, verdict: Verdict) {
    super(subject.command, describe(subject), verdict);
    if (subject.service) this.service = subject.service;
    if (subject.destination) this.destination = subject.destination;
  }
}

/** A failure of an operation of the network configuration, or of a kernel setting. */
export class NetworkError extends OperationError {
  static {
    this.prototype.name = 'NetworkError';
  }

  /** What it was about, for example `10.0.0.1/32 on eth0`. */
  readonly subject: string;

  /** @internal */
  constructor(command: string, subject: string, verdict: Verdict) {
    super(command, subject === '' ? command : `${command} ${subject}`, verdict);
    this.subject = subject;
  }
}

/** What a call rejects with whose signal was aborted. */
export class AbortError extends Error {
  static {
    this.prototype.name = 'AbortError';
  }

  readonly code = 'ABORT_ERR';
  /** Whether the request was already sent: then it is carried out, only nobody waits for it. */
  readonly sent: boolean;
  /**
   * Only of a batch: what became of the first operations, those that were sent. The others were not.
   */
  declare readonly outcomes?: readonly (IpvsError | undefined)[];

  /** @internal */
  constructor(
    subject: Subject,
    sent: boolean,
    cause: unknown,
    outcomes?: readonly (IpvsError | undefined)[],
  ) {
    const whole = sent ? 'it was already sent, and is carried out' : 'nothing was changed';
    const state =
      sent && outcomes !== undefined
        ? `${outcomes.length} operations were sent, the others were not`
        : whole;
    super(`${describe(subject)}: aborted; ${state}`, { cause });
    this.sent = sent;
    if (outcomes !== undefined) this.outcomes = outcomes;
  }
}

/** An address with its port, in brackets where it takes them. */
export function endpoint(address: string, port: number | undefined): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return port === undefined ? address : `${host}:${port}`;
}

function describeService(key: ServiceKey): string {
  return key.fwmark !== undefined
    ? `firewall mark ${key.fwmark} (${key.family ?? 'ipv4'})`
    : `${key.protocol} ${endpoint(key.address, key.port)}`;
}

// 'add destination 10.0.0.5:8080 to tcp 10.0.0.1:80'
function describe({ command, service, destination }: Subject): string {
  const at = service && describeService(service);
  if (destination === undefined) return at ? `${command} ${at}` : command;
  const preposition = command.startsWith('add')
    ? 'to'
    : command.startsWith('remove')
      ? 'from'
      : 'of';
  const named = `${command} ${endpoint(destination.address, destination.port)}`;
  return at ? `${named} ${preposition} ${at}` : named;
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // Several names share a number (EAGAIN and EWOULDBLOCK): the first is the usual one.
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]): [number, string] => [number, name])
    // Node.js calls it ENOTSUP, the kernel and everybody who looks at it do not.
    .concat([[constants.errno.EOPNOTSUPP, 'EOPNOTSUPP']]),
);

/** 'EEXIST' for 17. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `E${errno}`;
}

// The caller's own mistakes are what Node.js throws for them: TypeError or RangeError with a code.

const PROPERTIES = new WeakMap<object, string>();

/** The property that such an error is about, or undefined for any other error. */
export function propertyOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? PROPERTIES.get(error) : undefined;
}

/** Where such an error is about `from` or a part of it, it is made one about `to`. */
export function renameProperty(error: unknown, from: string, to: string): unknown {
  const property = propertyOf(error);
  if (!(error instanceof Error) || property?.startsWith(from) !== true) return error;
  const renamed = `${to}${property.slice(from.length)}`;
  error.message = error.message.replace(`'${property}'`, () => `'${renamed}'`);
  PROPERTIES.set(error, renamed);
  return error;
}

function argumentError(
  Kind: typeof TypeError,
  code: string,
  property: string,
  message: string,
): Error {
  const error = new Kind(`The property '${property}' ${message}`);
  PROPERTIES.set(error, property);
  return Object.assign(error, { code });
}

function received(value: unknown): string {
  return `Received ${inspect(value, { depth: 0, maxStringLength: 128, breakLength: Infinity })}`;
}

/** Wrong type: `expected` continues "must be", for example 'a string'. */
export function invalidType(property: string, expected: string, value: unknown): Error {
  return argumentError(
    TypeError,
    'ERR_INVALID_ARG_TYPE',
    property,
    `must be ${expected}. ${received(value)}`,
  );
}

/** Right type, senseless value: `reason` continues the property's name, for example 'must be …'. */
export function invalidValue(property: string, reason: string, value: unknown): Error {
  return argumentError(
    TypeError,
    'ERR_INVALID_ARG_VALUE',
    property,
    `${reason}. ${received(value)}`,
  );
}

/** A number that is too small or too large. */
export function outOfRange(property: string, range: string, value: unknown): Error {
  return argumentError(
    RangeError,
    'ERR_OUT_OF_RANGE',
    property,
    `is out of range. It must be ${range}. ${received(value)}`,
  );
}
