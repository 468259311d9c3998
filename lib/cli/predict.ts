// What a change would do, for --dry-run: the checks and the merging are the library's own.

import { formatAddress } from '../address.js';
import { IpvsError } from '../errors.js';
import { OperationReader, commandOf } from '../operations.js';
import type { DestinationId, DestinationNumbers, ServiceId, ServiceNumbers } from '../records.js';
import { NO_STATS } from '../rows.js';
import type { DestinationConfig, Operation, ServiceConfig } from '../types.js';
import {
  parseDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
} from '../validate.js';
import { toDestination, toService } from '../words.js';
import { destinationConfigOf, serviceConfigOf } from './config.js';

/** The operations that the command line uses. */
export type Change = Exclude<Operation, { op: `replace${string}` | 'zero' }>;

/** What a change finds. */
export interface Found {
  readonly service: ServiceConfig | undefined;
  readonly destination: DestinationConfig | undefined;
}

/** What would be there afterwards, undefined for nothing. Throws what the change would fail with. */
export function predict(
  change: Change,
  found: Found,
): ServiceConfig | DestinationConfig | undefined {
  new OperationReader().read(change, 0);
  checkPresence(change, found);
  switch (change.op) {
    case 'addService':
    case 'ensureService': {
      const { id, numbers } = parseServiceConfig(change.service);
      return serviceOf(id, numbers);
    }
    case 'updateService': {
      const { id, numbers } = parseServiceConfig(found.service);
      return serviceOf(id, parseServiceChanges(change.changes, id, numbers));
    }
    case 'addDestination':
    case 'ensureDestination': {
      const owner = parseServiceId(change.service);
      const { id, numbers } = parseDestinationConfig(change.destination, owner);
      return destinationOf(id, numbers);
    }
    case 'updateDestination': {
      const owner = parseServiceId(change.service);
      const { id, numbers } = parseDestinationConfig(found.destination, owner);
      const merged = parseDestinationChanges(change.changes, owner, id, numbers);
      return destinationOf(id, merged);
    }
    case 'removeService':
    case 'removeDestination':
      return undefined;
  }
}

function checkPresence(change: Change, { service, destination }: Found): void {
  if (change.op === 'ensureService') return;
  if (change.op === 'addService') {
    if (service !== undefined) throw refusal(change, 'EEXIST', 'the service already exists');
    return;
  }
  if (service === undefined) throw refusal(change, 'ESRCH', 'the service does not exist');
  if (change.op === 'addDestination' && destination !== undefined) {
    throw refusal(change, 'EEXIST', 'the destination already exists');
  }
  if (
    (change.op === 'updateDestination' || change.op === 'removeDestination') &&
    destination === undefined
  ) {
    throw refusal(change, 'ENOENT', 'the service has no such destination');
  }
}

function refusal(change: Change, code: string, sentence: string): IpvsError {
  const { service } = change;
  const destination =
    'destination' in change
      ? parseDestinationId(change.destination, parseServiceId(service))
      : undefined;
  const subject = {
    command: commandOf(change),
    service,
    destination: destination && { address: textOf(destination), port: destination.port },
  };
  return new IpvsError(subject, { code, sentence });
}

function textOf({ address }: Pick<DestinationId, 'address'>): string {
  return formatAddress(address.family, Uint8Array.from(address.bytes), 0);
}

function serviceOf(id: ServiceId, numbers: ServiceNumbers): ServiceConfig {
  const address = id.address === undefined ? '' : textOf({ address: id.address });
  return serviceConfigOf(toService({ ...id, ...numbers, address, stats: NO_STATS, wideStats: 0 }));
}

function destinationOf(id: DestinationId, numbers: DestinationNumbers): DestinationConfig {
  return destinationConfigOf(
    toDestination({
      ...numbers,
      family: id.address.family,
      address: textOf(id),
      port: id.port,
      activeConnections: 0,
      inactiveConnections: 0,
      persistentConnections: 0,
      stats: NO_STATS,
    }),
  );
}
