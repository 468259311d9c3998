// ipvs timeouts, ipvs daemon

import { IpvsError } from '../../errors.js';
import { parseDaemon, parseTimeouts } from '../../options.js';
import type { SyncDaemonConfig, SyncRole, Timeouts } from '../../types.js';
import type { Context } from '../context.js';
import { Exit } from '../failure.js';
import { daemonLines, daemonWords, timeoutLines } from '../render/director.js';
import { parseDuration, parseNumber } from '../words.js';

export interface TimeoutFlags {
  readonly tcp?: string;
  readonly tcpFin?: string;
  readonly udp?: string;
  readonly dryRun?: boolean;
}

/** Shows the timeouts; sets those that are given before. */
export async function timeouts(context: Context, flags: TimeoutFlags): Promise<number> {
  const { tcp, tcpFin, udp, dryRun = false } = flags;
  const changes: Partial<Timeouts> = {
    ...(tcp !== undefined && { tcp: parseDuration(tcp, '--tcp') }),
    ...(tcpFin !== undefined && { tcpFin: parseDuration(tcpFin, '--tcp-fin') }),
    ...(udp !== undefined && { udp: parseDuration(udp, '--udp') }),
  };
  const numbers = parseTimeouts(changes);
  const ipvs = await context.ipvs();
  const before = await ipvs.getTimeouts();
  let after = before;
  if (dryRun) {
    // As the kernel has it, 0 is no change.
    after = {
      tcp: numbers.tcp || before.tcp,
      tcpFin: numbers.tcpFin || before.tcpFin,
      udp: numbers.udp || before.udp,
    };
  } else if (Object.keys(changes).length > 0) {
    await ipvs.setTimeouts(changes);
    after = await ipvs.getTimeouts();
  }
  if (context.json) await context.printJson({ dryRun, before, timeouts: after });
  else await context.print(timeoutLines(before, after, dryRun, context.style));
  return Exit.done;
}

export async function listDaemons(context: Context): Promise<number> {
  const ipvs = await context.ipvs();
  const syncDaemons = await ipvs.listSyncDaemons();
  if (context.json) await context.printJson({ syncDaemons });
  else await context.print(daemonLines(syncDaemons, context.style, context.width));
  if (syncDaemons.length === 0) context.remark('No sync daemon runs here.');
  return Exit.done;
}

export interface DaemonFlags {
  readonly syncId?: string;
  readonly maxLength?: string;
  readonly group?: string;
  readonly port?: string;
  readonly ttl?: string;
  readonly dryRun?: boolean;
}

export async function startDaemon(
  context: Context,
  role: SyncRole,
  device: string,
  flags: DaemonFlags,
): Promise<number> {
  const { syncId, maxLength, group, port, ttl, dryRun = false } = flags;
  const daemon: SyncDaemonConfig = {
    role,
    interface: device,
    ...(syncId !== undefined && { syncId: parseNumber(syncId, '--sync-id') }),
    ...(maxLength !== undefined && { maxLength: parseNumber(maxLength, '--max-length') }),
    ...(group !== undefined && { group }),
    ...(port !== undefined && { port: parseNumber(port, '--port') }),
    ...(ttl !== undefined && { ttl: parseNumber(ttl, '--ttl') }),
  };
  parseDaemon(daemon);
  const ipvs = await context.ipvs();
  if (!dryRun) await ipvs.startSyncDaemon(daemon);
  const running = (await ipvs.listSyncDaemons()).find((each) => each.role === role);
  if (dryRun && running !== undefined) throw refusal(`start ${role}`, 'EEXIST', 'is already');
  const syncDaemon = dryRun ? daemon : (running ?? daemon);
  if (context.json) await context.printJson({ dryRun, started: syncDaemon });
  else {
    const verb = context.style.bold(dryRun ? 'would start' : 'started');
    await context.print([`${verb} ${daemonWords(syncDaemon)}`]);
  }
  return Exit.done;
}

export async function stopDaemon(
  context: Context,
  role: SyncRole,
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<number> {
  const ipvs = await context.ipvs();
  if (dryRun) {
    const running = (await ipvs.listSyncDaemons()).some((each) => each.role === role);
    if (!running) throw refusal(`stop ${role}`, 'ESRCH', 'is not');
  } else {
    await ipvs.stopSyncDaemon(role);
  }
  if (context.json) await context.printJson({ dryRun, stopped: { role } });
  else {
    const verb = context.style.bold(dryRun ? 'would stop' : 'stopped');
    await context.print([`${verb} the ${role} sync daemon`]);
  }
  return Exit.done;
}

function refusal(what: string, code: string, state: string): IpvsError {
  return new IpvsError(
    { command: `${what} sync daemon` },
    { code, sentence: `it ${state} running` },
  );
}
