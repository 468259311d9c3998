// ipvs add, ipvs set, ipvs remove: of services and of servers

import type {
  DestinationSettings,
  Forwarding,
  Persistence,
  SchedulerFlag,
  ServiceChanges,
  ServiceSettings,
  Tunnel,
} from '../../types.js';
import { carryOut } from '../change.js';
import type { ChangeOptions } from '../change.js';
import type { Context } from '../context.js';
import { usageError } from '../failure.js';
import { parseDuration, parseNetmask, parseNumber, parseServer, parseService } from '../words.js';

export interface ChangeFlags {
  readonly dryRun?: boolean;
  /** add: be content with what is there, and make it just so. */
  readonly ensure?: boolean;
  /** remove: be content where it is not there. */
  readonly missingOk?: boolean;
}

export interface ServiceFlags extends ChangeFlags {
  readonly scheduler?: string;
  readonly flags?: string;
  /** True without a time, false with --no-persistent. */
  readonly persistent?: string | boolean;
  readonly netmask?: string;
  readonly engine?: string | false;
  readonly onePacket?: boolean;
}

export interface ServerFlags extends ChangeFlags {
  readonly weight?: string;
  readonly nat?: boolean;
  readonly dr?: boolean;
  readonly tun?: boolean;
  readonly local?: boolean;
  readonly bypass?: boolean;
  readonly upperThreshold?: string;
  readonly lowerThreshold?: string;
  readonly tunnel?: string;
  readonly tunnelPort?: string;
  readonly tunnelChecksum?: string;
}

export async function addService(
  context: Context,
  kind: string,
  name: string,
  flags: ServiceFlags,
): Promise<number> {
  const service = { ...parseService(kind, name), ...serviceSettings(flags) };
  const op = flags.ensure === true ? 'ensureService' : 'addService';
  return carryOut(context, [{ op, service }], changeOptions(flags));
}

export async function setService(
  context: Context,
  kind: string,
  name: string,
  flags: ServiceFlags,
): Promise<number> {
  const service = parseService(kind, name);
  const changes = serviceChanges(flags);
  if (Object.keys(changes).length === 0) throw nothingToSet('service');
  return carryOut(context, [{ op: 'updateService', service, changes }], changeOptions(flags));
}

export async function removeService(
  context: Context,
  kind: string,
  name: string,
  flags: ChangeFlags,
): Promise<number> {
  const service = parseService(kind, name);
  return carryOut(context, [{ op: 'removeService', service }], changeOptions(flags));
}

export async function addServer(
  context: Context,
  kind: string,
  name: string,
  servers: readonly string[],
  flags: ServerFlags,
): Promise<number> {
  const service = parseService(kind, name);
  const settings = serverSettings(flags);
  const op = flags.ensure === true ? ('ensureDestination' as const) : ('addDestination' as const);
  const changes = servers.map((server) => ({
    op,
    service,
    destination: { ...parseServer(server), ...settings },
  }));
  return carryOut(context, changes, changeOptions(flags));
}

export async function setServer(
  context: Context,
  kind: string,
  name: string,
  servers: readonly string[],
  flags: ServerFlags,
): Promise<number> {
  const service = parseService(kind, name);
  const settings = serverSettings(flags);
  if (Object.keys(settings).length === 0) throw nothingToSet('server');
  const changes = servers.map((server) => ({
    op: 'updateDestination' as const,
    service,
    destination: parseServer(server),
    changes: settings,
  }));
  return carryOut(context, changes, changeOptions(flags));
}

export async function removeServer(
  context: Context,
  kind: string,
  name: string,
  servers: readonly string[],
  flags: ChangeFlags,
): Promise<number> {
  const service = parseService(kind, name);
  const changes = servers.map((server) => ({
    op: 'removeDestination' as const,
    service,
    destination: parseServer(server),
  }));
  return carryOut(context, changes, changeOptions(flags));
}

function changeOptions({ dryRun = false, missingOk = false }: ChangeFlags): ChangeOptions {
  return { dryRun, missingOk };
}

function nothingToSet(what: string): Error {
  return usageError('there is nothing to set', `"ipvs set ${what} --help" lists what can be set`);
}

function serviceSettings(flags: ServiceFlags): ServiceSettings {
  const { scheduler, onePacket } = flags;
  const persistence = persistenceOf(flags);
  return {
    ...(scheduler !== undefined && { scheduler }),
    ...(flags.flags !== undefined && { schedulerFlags: parseFlags(flags.flags) }),
    ...(persistence !== undefined && { persistence }),
    ...(onePacket !== undefined && { onePacket }),
  };
}

function serviceChanges(flags: ServiceFlags): ServiceChanges {
  const settings = serviceSettings(flags);
  if (flags.persistent === false) {
    if (settings.persistence !== undefined) {
      throw usageError('--no-persistent does not go with --netmask and --engine');
    }
    return { ...settings, persistence: null };
  }
  if (flags.engine !== false) return settings;
  return { ...settings, persistence: { ...settings.persistence, engine: null } };
}

function persistenceOf({ persistent, netmask, engine }: ServiceFlags): Persistence | undefined {
  const persistence = {
    ...(typeof persistent === 'string' && { timeout: parseDuration(persistent, '--persistent') }),
    ...(netmask !== undefined && { netmask: parseNetmask(netmask) }),
    ...(typeof engine === 'string' && { engine }),
  };
  return persistent === true || Object.keys(persistence).length > 0 ? persistence : undefined;
}

function parseFlags(text: string): SchedulerFlag[] {
  return text === 'none' ? [] : (text.split(',') as SchedulerFlag[]);
}

const METHODS: readonly Forwarding[] = ['nat', 'dr', 'tun', 'local', 'bypass'];

function serverSettings(flags: ServerFlags): DestinationSettings {
  const methods = METHODS.filter((method) => flags[method] === true);
  if (methods.length > 1) {
    const both = methods.map((method) => `--${method}`).join(' and ');
    throw usageError(`${both} exclude each other: there is one forwarding method`);
  }
  const [forwarding] = methods;
  const { weight, upperThreshold, lowerThreshold } = flags;
  const tunnel = tunnelOf(flags);
  return {
    ...(forwarding !== undefined && { forwarding }),
    ...(weight !== undefined && { weight: parseNumber(weight, '--weight') }),
    ...(upperThreshold !== undefined && {
      upperThreshold: parseNumber(upperThreshold, '--upper-threshold'),
    }),
    ...(lowerThreshold !== undefined && {
      lowerThreshold: parseNumber(lowerThreshold, '--lower-threshold'),
    }),
    ...(tunnel !== undefined && { tunnel }),
  };
}

// What goes with what is for the library to say.
function tunnelOf({ tunnel, tunnelPort, tunnelChecksum }: ServerFlags): Tunnel | undefined {
  if (tunnel === undefined) {
    if (tunnelPort === undefined && tunnelChecksum === undefined) return undefined;
    throw usageError('--tunnel-port and --tunnel-checksum go with --tunnel gue or gre');
  }
  return {
    type: tunnel,
    ...(tunnelPort !== undefined && { port: parseNumber(tunnelPort, '--tunnel-port') }),
    ...(tunnelChecksum !== undefined && { checksum: tunnelChecksum }),
  } as Tunnel;
}
