// ipvs probe, ipvs doctor

import { release } from 'node:os';
import type { Ipvs } from '../../ipvs.js';
import { Sysctl } from '../../network/sysctl.js';
import type { Context } from '../context.js';
import { Exit } from '../failure.js';
import { findingLines, findings, probeLines } from '../render/probe.js';
import type { Surroundings } from '../render/probe.js';

/** Says what works here; the exit status says whether IPVS does. */
export async function probe(context: Context): Promise<number> {
  const found = await (await context.ipvs()).probe();
  if (context.json) await context.printJson(found);
  else await context.print(probeLines(found, context.style, context.width));
  return found.usable ? Exit.done : Exit.no;
}

/** Says what is wrong here and what to do about it; the exit status says whether something is. */
export async function doctor(context: Context): Promise<number> {
  const ipvs = await context.ipvs();
  const found = await ipvs.probe();
  const all = findings(found, {
    kernel: release(),
    sysctls: await readSysctls(context),
    ...(found.usable && { table: await tableOf(ipvs) }),
  });
  const healthy = all.every(({ level }) => level !== 'bad');
  if (context.json) await context.printJson({ healthy, findings: all });
  else await context.print(findingLines(all, context.style, context.width));
  return healthy ? Exit.done : Exit.no;
}

const SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.vs.expire_nodest_conn',
  'net.ipv4.vs.expire_quiescent_template',
  'net.ipv4.vs.run_estimation',
];

/** Those of the namespace that is looked at. */
async function readSysctls({ openOptions }: Context): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  const sysctl = await Sysctl.open(openOptions).catch(() => undefined);
  if (sysctl === undefined) return values;
  try {
    for (const path of SYSCTLS) {
      // What can't be read is no finding.
      const value = await sysctl.get(path).catch(() => undefined);
      if (value !== undefined) values[path.slice(path.lastIndexOf('.') + 1)] = value;
    }
  } finally {
    await sysctl.close();
  }
  return values;
}

async function tableOf(ipvs: Ipvs): Promise<NonNullable<Surroundings['table']>> {
  const { services } = await ipvs.snapshot({ settle: false });
  const methods = services.flatMap(({ destinations }) =>
    destinations.map(({ forwarding }) => forwarding),
  );
  return {
    services: services.length,
    persistent: services.some(({ persistence }) => persistence !== undefined),
    forwarding: [...new Set(methods)],
  };
}
