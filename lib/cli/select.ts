// The services that a command is about: one, those of a kind, or all.

import { IpvsError } from '../errors.js';
import type { ServiceKey, SnapshotService } from '../types.js';
import type { Context } from './context.js';
import { usageError } from './failure.js';
import { SERVICE_KINDS, parseService, serviceWords } from './words.js';

/**
 * Without words all services, with one those of a kind, with two that service; rejects with `ESRCH`
 * where it is not there.
 */
export async function select(
  context: Context,
  kind?: string,
  name?: string,
): Promise<readonly SnapshotService[]> {
  if (kind !== undefined && name !== undefined)
    return [await readOne(context, parseService(kind, name))];
  const isWanted = kind === undefined ? () => true : ofKind(kind);
  const ipvs = await context.ipvs();
  const { services } = await ipvs.snapshot();
  return services.filter(isWanted);
}

function ofKind(kind: string): (service: ServiceKey) => boolean {
  if (!(SERVICE_KINDS as readonly string[]).includes(kind)) {
    throw usageError(`'${kind}' is no kind of service: it is one of ${SERVICE_KINDS.join(', ')}`);
  }
  return (service) => serviceWords(service).startsWith(`${kind} `);
}

async function readOne(context: Context, key: ServiceKey): Promise<SnapshotService> {
  const ipvs = await context.ipvs();
  const service = await ipvs.getService(key);
  if (service === undefined) {
    const sentence = 'the service does not exist';
    throw new IpvsError({ command: 'list service', service: key }, { code: 'ESRCH', sentence });
  }
  return { ...service, destinations: await ipvs.listDestinations(key) };
}
