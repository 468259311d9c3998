// ipvs clear

import type { Context } from '../context.js';
import { Exit, usageError } from '../failure.js';
import { listSummary } from '../render/list.js';

export interface ClearFlags {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** Removes everything, whoever made it: only with --yes. */
export async function clear(context: Context, flags: ClearFlags): Promise<number> {
  const ipvs = await context.ipvs();
  const { services } = await ipvs.snapshot({ settle: false });
  const all = listSummary(services);
  const dryRun = flags.dryRun === true;
  if (!dryRun) {
    if (flags.yes !== true) {
      throw usageError(
        `this would remove ${all}, whoever made them`,
        'repeat it with --yes to do so; "ipvs save" keeps a copy',
      );
    }
    await ipvs.flush();
  }
  if (context.json) {
    const servers = services.reduce((sum, each) => sum + each.destinations.length, 0);
    await context.printJson({ dryRun, removed: { services: services.length, servers } });
  } else {
    await context.print([`${context.style.bold(dryRun ? 'would remove' : 'removed')} ${all}`]);
  }
  return Exit.done;
}
