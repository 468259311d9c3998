// The table of the process's own network namespace, for `ipvs list`: the same as Ipvs.snapshot gives,
// with half of what that has to load.

import { Channels } from '../channel.js';
import { loadAddon } from '../load.js';
import { NativeFailure } from '../native.js';
import type { Destination, Service, SnapshotService } from '../types.js';
import { DEFAULT_TIMEOUT } from '../waiting.js';
import { toDestination, toService } from '../words.js';

/** Undefined where it fails: Ipvs.snapshot, which does it again, says why. */
export async function quickTable(): Promise<readonly SnapshotService[] | undefined> {
  const channels = await Channels.open(loadAddon(), { netns: undefined }, DEFAULT_TIMEOUT);
  if (channels instanceof NativeFailure) return undefined;
  try {
    const table = await channels.dumps.table(true, false);
    if (table instanceof NativeFailure) return undefined;
    const services: SnapshotService[] = [];
    for (const count of table.counts) {
      const [service] = table.services.map(1, toService) as Service[];
      if (service === undefined) break;
      services.push({
        ...service,
        destinations: table.destinations.map(count, toDestination) as Destination[],
      });
    }
    return services;
  } finally {
    channels.close();
  }
}
