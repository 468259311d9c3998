// ipvs list

import type { Context } from '../context.js';
import { Exit } from '../failure.js';
import { listLines, listSummary } from '../render/list.js';
import { select } from '../select.js';

export async function list(context: Context, kind?: string, name?: string): Promise<number> {
  const services = await select(context, kind, name);
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
