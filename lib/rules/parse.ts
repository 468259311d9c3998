// A file of rules, from text to what each line says.

import { formatAddress } from '../address.js';
import type { Address } from '../address.js';
import { object, string } from '../check.js';
import { parseDaemon, parseTimeouts } from '../options.js';
import type { DestinationId, DestinationNumbers, ServiceId, ServiceNumbers } from '../records.js';
import type {
  DestinationConfig,
  DestinationKey,
  ServiceConfig,
  SyncDaemonConfig,
} from '../types.js';
import { parseDestinationConfig, parseServiceConfig } from '../validate.js';
import { NAT, ROLES, toDestination, toService, toServiceKey } from '../words.js';
import { UsageError, parseCommand } from './command.js';
import type { Command } from './command.js';
import { RulesError } from './error.js';
import { readLines } from './lines.js';
import type { Line } from './lines.js';
import { PORTS_ONLY } from './names.js';
import type { ParseOptions, ParsedRule, RuleOperation } from './types.js';

/** A line with the command that it holds. */
export interface RuleLine {
  readonly line: Line;
  readonly command: Command;
  readonly operation: RuleOperation;
}

/** Reads text in ipvsadm's language; throws a RulesError for the first line that is wrong. */
export function readRules(text: string, file: string): RuleLine[] {
  const lines: RuleLine[] = [];
  for (const line of readLines(text, true)) {
    const command = readCommand(line, file);
    try {
      lines.push({ line, command, operation: operationOf(command) });
    } catch (error) {
      throw error instanceof RulesError ? error : fault(file, line, 0, reasonOf(error), error);
    }
  }
  return lines;
}

/**
 * Reads rules as `ipvsadm -S` writes them and people write them for `ipvsadm -R`: each line is the
 * arguments of one command. Ports may have names, hosts may not. Marks that ipvsadm saved as negative
 * numbers are taken for what they were. Lines that start with `#` are comments.
 *
 * Throws a {@link RulesError} (`ERR_IPVS_RULES`) with line and column for a line that ipvsadm would
 * refuse, that changes no table (`-L`, `-S`), or that gives a real server of -g or -i a port that
 * ipvsadm would silently replace by the service's.
 */
export function parseRules(text: string, options?: ParseOptions): ParsedRule[] {
  const { file } = parseParseOptions(options);
  return readRules(string(text, 'text'), file).map(({ line, operation }) => ({
    line: line.number,
    operation,
  }));
}

const PARSE_OPTIONS = new Set(['file']);

function parseParseOptions(value: unknown): Required<ParseOptions> {
  const input = value === undefined ? {} : object(value, 'options', PARSE_OPTIONS);
  return { file: fileName(input['file']) };
}

export function fileName(value: unknown): string {
  return value === undefined ? 'rules' : string(value, 'options.file');
}

export function fault(
  file: string,
  line: Line,
  word: number,
  reason: string,
  cause?: unknown,
): RulesError {
  const column = line.words[word]?.column ?? 1;
  return new RulesError(file, line.number, column, reason, cause);
}

function readCommand(line: Line, file: string): Command {
  let command: Command;
  try {
    command = parseCommand(
      line.words.map(({ text }) => text),
      PORTS_ONLY,
    );
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const word = line.words[error.at]?.text ?? '';
    const isName = /^illegal .* address/.test(error.message) && /[g-z]/i.test(word);
    const hint = isName ? `; '${word}': names of hosts are not looked up here` : '';
    throw fault(file, line, error.at, error.message.trimEnd() + hint, error);
  }
  const { replacedPort, service } = command;
  if (replacedPort !== undefined) {
    const reason =
      `the real server's port ${replacedPort} would become the service's, ${service?.port}: ` +
      'only -m (NAT) brings packets to another port';
    throw fault(file, line, 0, reason);
  }
  return command;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function operationOf(command: Command): RuleOperation {
  const { name, service, serviceNumbers, destination, destinationNumbers } = command;
  const key = service && toServiceKey({ ...service, address: textOf(service.address) });
  switch (name) {
    case 'add-service':
    case 'edit-service':
      if (service === undefined) break;
      return {
        op: name === 'add-service' ? 'addService' : 'replaceService',
        service: serviceOf(service, serviceNumbers),
      };
    case 'delete-service':
      if (key === undefined) break;
      return { op: 'removeService', service: key };
    case 'add-server':
    case 'edit-server':
      if (service === undefined || key === undefined || destination === undefined) break;
      return {
        op: name === 'add-server' ? 'addDestination' : 'replaceDestination',
        service: key,
        destination: destinationOf(service, destination, destinationNumbers),
      };
    case 'delete-server':
      if (key === undefined || destination === undefined) break;
      return { op: 'removeDestination', service: key, destination: destinationKeyOf(destination) };
    case 'zero':
      return { op: 'zero', ...(key && { service: key }) };
    case 'flush':
      return { op: 'flush' };
    case 'set':
      parseTimeouts(command.timeouts);
      return { op: 'setTimeouts', timeouts: command.timeouts };
    case 'start-daemon':
      return { op: 'startSyncDaemon', daemon: daemonOf(command) };
    case 'stop-daemon':
      return { op: 'stopSyncDaemon', role: ROLES.word(command.daemon.role) };
    default:
      throw new Error(`'${name}' changes no table, so it has no place among rules`);
  }
  throw new Error('it names no service'); // that is checked before
}

/** As the kernel would write it; '' where there is none. */
export function textOf(address: Address | undefined): string {
  return address === undefined
    ? ''
    : formatAddress(address.family, Uint8Array.from(address.bytes), 0);
}

const UNCOUNTED = { stats: undefined as never };

function serviceOf(id: ServiceId, numbers: ServiceNumbers): ServiceConfig {
  const record = { ...id, address: textOf(id.address), ...numbers, wideStats: 0, ...UNCOUNTED };
  const { scheduler, schedulerFlags, persistence, engine, onePacket } = toService(record);
  const service = {
    ...toServiceKey(record),
    scheduler,
    schedulerFlags,
    ...(persistence && { persistence }),
    ...(engine !== undefined && { engine }),
    onePacket,
  };
  parseServiceConfig(service);
  return service;
}

function destinationKeyOf({ address, port }: DestinationId): Required<DestinationKey> {
  return { address: textOf(address), port };
}

function destinationOf(
  service: ServiceId,
  id: DestinationId,
  numbers: DestinationNumbers,
): DestinationConfig {
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnel } = toDestination({
    family: id.address.family,
    ...destinationKeyOf(id),
    ...numbers,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    ...UNCOUNTED,
  });
  const settings = { forwarding, weight, upperThreshold, lowerThreshold };
  const config = { ...destinationKeyOf(id), ...settings, ...(tunnel && { tunnel }) };
  parseDestinationConfig(config, ownerFor(service, id.port, numbers.forwarding));
  return config;
}

/**
 * The service against which a destination's port is checked. That of a mark has none: ipvsadm writes
 * one for its real servers all the same, packets arrive with the port that the client chose, and the
 * table must come back as it was.
 */
export function ownerFor(service: ServiceId, port: number, forwarding: number): ServiceId {
  return service.fwmark !== 0 && forwarding !== NAT ? { ...service, port } : service;
}

function daemonOf({ daemon }: Command): SyncDaemonConfig {
  const { role, interface: name, syncId, maxLength, group, port, ttl } = daemon;
  const config: SyncDaemonConfig = {
    role: ROLES.word(role),
    interface: name,
    syncId,
    ...(maxLength !== 0 && { maxLength }),
    ...(group && { group: textOf(group) }),
    ...(port !== 0 && { port }),
    ...(ttl !== 0 && { ttl }),
  };
  parseDaemon(config);
  return config;
}
