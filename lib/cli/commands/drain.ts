// ipvs drain

import { setTimeout as sleep } from 'node:timers/promises';
import type { Ipvs } from '../../ipvs.js';
import type { Destination, DestinationKey, ServiceKey } from '../../types.js';
import { destinationConfigOf, serviceConfigOf } from '../config.js';
import type { Context } from '../context.js';
import { CliError, Exit } from '../failure.js';
import { lazy } from '../lazy.js';
import { countOf, formatDuration } from '../render/numbers.js';
import { endpointWords, parseDuration, parseServer, parseService, serviceWords } from '../words.js';

export interface DrainFlags {
  readonly within?: string;
  readonly remove?: boolean;
  readonly active?: boolean;
  readonly dryRun?: boolean;
}

// The kernel tells connections at once; a second is soon enough for people.
const POLL = 1000;
const WITHIN = '15m';

/**
 * Sets a server's weight to 0 and waits for its connections to end. Where the time is up, the weight
 * stays 0, and the exit status says so.
 */
export async function drain(
  context: Context,
  kind: string,
  name: string,
  server: string,
  { within = WITHIN, remove = false, active = false, dryRun = false }: DrainFlags,
): Promise<number> {
  const service = parseService(kind, name);
  const { address, port = service.port ?? 0 } = parseServer(server);
  const key = { address, port };
  const time = parseDuration(within, '--within');
  const ipvs = await context.ipvs();
  if (dryRun) await checkPresence(ipvs, service, key);
  else await ipvs.updateDestination(service, key, { weight: 0 });
  const end = dryRun ? 0 : performance.now() + time * 1000;
  const { left, last } = await waitUntilIdle(context, ipvs, { service, key, end, active });
  if (left > 0 && !dryRun) {
    throw new CliError(
      'ERR_IPVS_TIMEOUT',
      `${countOf(left, 'connection')} left after ${formatDuration(time)}; the weight stays 0`,
      last?.persistentConnections
        ? 'sticky clients come back in spite of weight 0, unless the sysctl ' +
            'net.ipv4.vs.expire_quiescent_template is 1'
        : 'wait longer with --within, or count established connections only with --active',
    );
  }
  const removed = remove && last !== undefined;
  if (removed && !dryRun) await ipvs.removeDestination(service, key);
  if (context.json) {
    await context.printJson({ dryRun, service, destination: key, connections: left, removed });
    return Exit.done;
  }
  const subject = `server ${endpointWords(address, port)} of ${serviceWords(service)}`;
  const line = dryRun
    ? `${context.style.bold('would drain')} ${subject}${removed ? ', and remove it' : ''}; ` +
      `${countOf(left, 'connection')} left`
    : `${context.style.bold('drained')} ${subject}${removed ? ', and removed' : ''}`;
  await context.print([line]);
  return Exit.done;
}

/** Throws what setting the weight would fail with. */
async function checkPresence(ipvs: Ipvs, service: ServiceKey, key: DestinationKey): Promise<void> {
  const [owner, server] = await Promise.all([
    ipvs.getService(service),
    ipvs.getDestination(service, key),
  ]);
  const found = {
    service: owner && serviceConfigOf(owner),
    destination: server && destinationConfigOf(server),
  };
  const changes = { weight: 0 };
  lazy.predict().predict({ op: 'updateDestination', service, destination: key, changes }, found);
}

interface Wait {
  readonly service: ServiceKey;
  readonly key: DestinationKey;
  /** As performance.now() tells it. */
  readonly end: number;
  readonly active: boolean;
}

async function waitUntilIdle(
  context: Context,
  ipvs: Ipvs,
  { service, key, end, active }: Wait,
): Promise<{ left: number; last: Destination | undefined }> {
  const progress = context.progress();
  try {
    for (;;) {
      const last = await ipvs.getDestination(service, key);
      if (last === undefined) return { left: 0, last }; // somebody else removed it
      const left = last.activeConnections + (active ? 0 : last.inactiveConnections);
      const rest = end - performance.now();
      if (left === 0 || rest <= 0) return { left, last };
      progress.show(
        `${countOf(left, 'connection')} left; ${formatDuration(Math.ceil(rest / 1000))} to go`,
      );
      await sleep(Math.min(POLL, rest));
    }
  } finally {
    progress.end();
  }
}
