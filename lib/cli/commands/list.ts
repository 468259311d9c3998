// ipvs list

import type { SnapshotService } from '../../types.js';
import type { Context } from '../context.js';
import { Exit } from '../failure.js';
import { lazy } from '../lazy.js';
import { listLines, listSummary } from '../render/list.js';

export async function list(context: Context, kind?: string, name?: string): Promise<number> {
  return show(context, await lazy.select().select(context, kind, name));
}

/** The same without arguments, in the process's own network namespace. */
export async function quickList(context: Context): Promise<number> {
  const services = await lazy.quick().quickTable();
  return services === undefined ? list(context) : show(context, services);
}

async function show(context: Context, services: readonly SnapshotService[]): Promise<number> {
  if (context.json) {
    await context.printJson({ services });
    return Exit.done;
  }
  await context.print(listLines(services, context.style, context.width));
  context.remark(
    services.length === 0
      ? 'No virtual services here. "ipvs add service --help" says how to add one.'
      : listSummary(services),
  );
  return Exit.done;
}
