// Whether a table that is to be written as rules makes sense. It may hold more than rules can say, as
// the kernel's does: for that there are warnings.

import { list, object } from '../check.js';
import type { Input } from '../check.js';
import { parseDaemon, parseTimeouts } from '../options.js';
import type { ServiceId } from '../records.js';
import { SERVICE_PROPERTIES, parseDestinationConfig, parseServiceConfig } from '../validate.js';
import { TABLE, placed } from './target.js';

/** Throws an error that names the property and the value of what no table can hold. */
export function checkTable(table: unknown): void {
  const { services, timeouts, syncDaemons } = object(table, 'table', TABLE);
  list(services, 'table.services').forEach((service, index) => {
    checkService(service, `table.services[${index}]`);
  });
  if (timeouts !== undefined) placed('timeouts', 'table.timeouts', () => parseTimeouts(timeouts));
  list(syncDaemons ?? [], 'table.syncDaemons').forEach((daemon, index) => {
    parseDaemon(daemon, `table.syncDaemons[${index}]`);
  });
}

function checkService(value: unknown, path: string): void {
  const input = object(value, path, SERVICE_PROPERTIES);
  const { id } = parseServiceConfig(sayableService(input), path);
  list(input['destinations'] ?? [], `${path}.destinations`).forEach((destination, index) => {
    placed('destination', `${path}.destinations[${index}]`, () =>
      checkDestination(destination, id),
    );
  });
}

// What a warning is given for is replaced by something that is right in any service.
function sayableService(input: Input): Input {
  const { protocol, port, persistence, onePacket } = input;
  return {
    ...input,
    ...(isNumeral(protocol) && { protocol: 'tcp' }),
    ...(port === 0 && { port: 1 }),
    ...(onePacket === true && { onePacket: false }),
    ...(isObject(persistence) && {
      persistence: { ...persistence, ...(isTime(persistence['timeout']) && { timeout: 1 }) },
    }),
  };
}

function checkDestination(value: unknown, service: ServiceId): void {
  const input = isObject(value) ? value : undefined;
  const { port, forwarding, tunnel } = input ?? {};
  const { type, checksum } = isObject(tunnel) ? tunnel : {};
  const isStrange = isNumeral(type) || isNumeral(checksum);
  const sayable = input && {
    ...input,
    ...(isNumeral(forwarding) && { forwarding: 'nat' }),
    ...(isStrange && { tunnel: { type: 'ipip' } }),
  };
  const owner = typeof port === 'number' ? { ...service, port } : service;
  parseDestinationConfig(sayable ?? value, owner);
}

function isObject(value: unknown): value is Input {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How a number is written that has no name here. */
function isNumeral(value: unknown): boolean {
  return typeof value === 'string' && /^\d+$/.test(value);
}

/** In seconds: the kernel may have 0, too, and more than the library sets. */
function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
