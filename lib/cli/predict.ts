// What a change would do, for --dry-run: the checks and the merging are the library's own.

import { IpvsError } from '../errors.js';
import { OperationReader, commandOf } from '../operations.js';
import type { DestinationConfig, Operation, ServiceConfig } from '../types.js';
import {
  parseDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
} from '../validate.js';
import {
  destinationInNumbers,
  destinationInWords,
  serviceInNumbers,
  serviceInWords,
  textOf,
} from './config.js';

/** The operations that the command line uses. */
export type Change = Exclude<Operation, { op: `replace${string}` | 'zero' }>;

/** What a change finds. */
export interface Found {
  readonly service: ServiceConfig | undefined;
  readonly destination: DestinationConfig | undefined;
}

/** Throws where a change makes no sense, whatever there is. */
export function check(changes: readonly Change[]): void {
  const reader = new OperationReader();
  changes.forEach((change, index) => reader.readAt(index, change));
}

/** What would be there afterwards, undefined for nothing. Throws what the change would fail with. */
export function predict(
  change: Change,
  found: Found,
): ServiceConfig | DestinationConfig | undefined {
  checkPresence(change, found);
  try {
    return after(change, found);
  } catch (error) {
    // It contradicts what is there.
    const { code, message } = error as Error & { code: string };
    throw refusal(change, code, message);
  }
}

function after(change: Change, found: Found): ServiceConfig | DestinationConfig | undefined {
  switch (change.op) {
    case 'addService':
    case 'ensureService': {
      const { id, numbers } = parseServiceConfig(change.service);
      return serviceInWords(id, numbers);
    }
    case 'updateService': {
      const { id, numbers } = serviceInNumbers(present(found.service));
      return serviceInWords(id, parseServiceChanges(change.changes, id, numbers));
    }
    case 'addDestination':
    case 'ensureDestination': {
      const owner = parseServiceId(change.service);
      const { id, numbers } = parseDestinationConfig(change.destination, owner);
      return destinationInWords(id, numbers);
    }
    case 'updateDestination': {
      const owner = parseServiceId(change.service);
      const { id, numbers } = destinationInNumbers(present(found.destination));
      const merged = parseDestinationChanges(change.changes, owner, id, numbers);
      return destinationInWords(id, merged);
    }
    case 'removeService':
    case 'removeDestination':
      return undefined;
  }
}

function present<T>(found: T | undefined): T {
  if (found === undefined) throw new TypeError('it was looked for before');
  return found;
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
    destination: destination && { address: textOf(destination.address), port: destination.port },
  };
  return new IpvsError(subject, { code, sentence });
}
