// Where a node's journal is: one for each network namespace, since each is a machine of its own.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Header } from './journal.js';

/** Where journals are where nobody says otherwise: gone after a boot, as what they are about. */
export const JOURNALS = '/run/ipvs';

/** `namespace` tells a network namespace from all others of this boot. */
export async function placeOf(
  folder: string,
  node: string,
  namespace: string,
): Promise<{ readonly path: string; readonly header: Header }> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return {
    path: join(folder, `${namespace}-${node}.journal`),
    header: { journal: 1, node, namespace: `${namespace} ${boot.trim()}` },
  };
}
