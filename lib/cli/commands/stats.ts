// ipvs stats, ipvs zero

import { IpvsError } from '../../errors.js';
import type { Context } from '../context.js';
import { Exit, usageError } from '../failure.js';
import { keyOf } from '../config.js';
import { statsLines } from '../render/stats.js';
import type { StatsView } from '../render/stats.js';
import { select } from '../select.js';
import { parseService, serviceWords } from '../words.js';

export interface StatsFlags {
  readonly rates?: boolean;
  readonly exact?: boolean;
}

// From this width on there is room for counters and rates.
const WIDE = 132;

export async function stats(
  context: Context,
  kind: string | undefined,
  name: string | undefined,
  { rates = false, exact = false }: StatsFlags,
): Promise<number> {
  const ipvs = await context.ipvs();
  const services = await select(context, kind, name);
  const total = kind === undefined ? await ipvs.getStats() : undefined;
  if (context.json) {
    await context.printJson({
      ...(total && { total }),
      services: services.map((service) => ({
        ...keyOf(service),
        stats: service.stats,
        destinations: service.destinations.map(({ address, port, stats }) => ({
          address,
          port,
          stats,
        })),
      })),
    });
    return Exit.done;
  }
  const { style, width } = context;
  const view: StatsView = rates ? 'rates' : width >= WIDE ? 'both' : 'totals';
  // Programs that read the text can't add up 1.2M.
  const look = { view, exact: exact || !context.isTerminal, style, width };
  await context.print(statsLines(services, total, look));
  return Exit.done;
}

/** Sets the counters of a service, or all of them, to zero. */
export async function zero(
  context: Context,
  kind: string | undefined,
  name: string | undefined,
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<number> {
  if (kind !== undefined && name === undefined) {
    throw usageError('zero takes a whole service, or nothing for all counters');
  }
  const service = kind !== undefined && name !== undefined ? parseService(kind, name) : undefined;
  const ipvs = await context.ipvs();
  if (!dryRun) await ipvs.zero(service);
  else if (service !== undefined && (await ipvs.getService(service)) === undefined) {
    const sentence = 'the service does not exist';
    throw new IpvsError({ command: 'zero counters', service }, { code: 'ESRCH', sentence });
  }
  if (context.json) await context.printJson({ dryRun, zeroed: service ?? 'all' });
  else {
    const what =
      service === undefined ? 'all counters' : `the counters of ${serviceWords(service)}`;
    await context.print([`${context.style.bold(dryRun ? 'would zero' : 'zeroed')} ${what}`]);
  }
  return Exit.done;
}
