// ipvs drain

import { setTimeout as sleep } from 'node:timers/promises';
import type { Ipvs } from '../../ipvs.js';
import type { Destination, DestinationKey, ServiceKey } from '../../types.js';
import type { Context } from '../context.js';
import { CliError, Exit } from '../failure.js';
import { countOf, formatDuration } from '../render/numbers.js';
import { endpointWords, parseDuration, parseServer, parseService, serviceWords } from '../words.js';

export interface DrainFlags {
  readonly within?: string;
  readonly remove?: boolean;
  readonly active?: boolean;
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
  { within = WITHIN, remove = false, active = false }: DrainFlags,
): Promise<number> {
  const service = parseService(kind, name);
  const key = parseServer(server);
  const time = parseDuration(within, '--within');
  const ipvs = await context.ipvs();
  await ipvs.updateDestination(service, key, { weight: 0 });
  const { left, last } = await waitUntilIdle(context, ipvs, { service, key, time, active });
  if (left > 0) {
    throw new CliError(
      'ERR_IPVS_TIMEOUT',
      `${countOf(left, 'connection')} left after ${formatDuration(time)}; the weight stays 0`,
      last?.persistentConnections
        ? 'sticky clients come back in spite of weight 0, unless the sysctl ' +
            'net.ipv4.vs.expire_quiescent_template is 1'
        : 'wait longer with --within, or count established connections only with --active',
    );
  }
  if (remove && last !== undefined) await ipvs.removeDestination(service, key);
  const removed = remove && last !== undefined;
  if (context.json) {
    const { address, port } = last ?? key;
    await context.printJson({
      service,
      destination: { address, port },
      connections: left,
      removed,
    });
  } else {
    const subject = `server ${endpointWords(key.address, last?.port ?? key.port ?? 0)}`;
    const then = removed ? ', and removed' : '';
    await context.print([
      `${context.style.bold('drained')} ${subject} of ${serviceWords(service)}${then}`,
    ]);
  }
  return Exit.done;
}

interface Wait {
  readonly service: ServiceKey;
  readonly key: DestinationKey;
  /** In seconds. */
  readonly time: number;
  readonly active: boolean;
}

async function waitUntilIdle(
  context: Context,
  ipvs: Ipvs,
  { service, key, time, active }: Wait,
): Promise<{ left: number; last: Destination | undefined }> {
  const progress = context.progress();
  const end = performance.now() + time * 1000;
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
