// The table of the process's own network namespace, for `ipvs list`: the same as Ipvs.snapshot gives,
// with a third of what that has to load.

import { loadAddon } from '../load.js';
import type { Addon, NativeTable } from '../native.js';
import { Records } from '../rows.js';
import type { Destination, Service, SnapshotService } from '../types.js';
import { DEFAULT_TIMEOUT, waitFor } from '../waiting.js';
import { toDestination, toService } from '../words.js';

/** Undefined where it fails: Ipvs.snapshot, which does it again, says why. */
export async function quickTable(
  addon: Addon = loadAddon(),
): Promise<readonly SnapshotService[] | undefined> {
  const channel = new addon.Channel(undefined);
  try {
    const looked = new Promise<NativeTable | undefined>((resolve) => {
      channel.table(true, DEFAULT_TIMEOUT, (failure, table) => {
        resolve(failure === undefined ? table : undefined);
      });
    });
    const deadline = performance.now() + DEFAULT_TIMEOUT;
    const table = await waitFor(looked, { deadline }, undefined);
    return table && servicesOf(table);
  } finally {
    channel.close();
  }
}

function servicesOf({ counts, ...records }: NativeTable): SnapshotService[] {
  const services = Records.services(records.services, false);
  const destinations = Records.destinations(records.destinations, false);
  return Array.from(counts, (count) => ({
    ...(services.map(1, toService) as Service[])[0],
    destinations: destinations.map(count, toDestination) as Destination[],
  })) as SnapshotService[];
}
