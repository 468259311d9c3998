// Where a node's journal is: one for each network namespace, since each is a machine of its own.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Header } from './journal.js';

/** Where journals are where nobody says otherwise: gone after a boot, as what they are about. */
export const JOURNALS = '/run/ipvs';

/** `namespace` is the file of a namespace; undefined: the process's own. */
export async function placeOf(
  folder: string,
  node: string,
  namespace: string | undefined,
): Promise<{ readonly path: string; readonly header: Header }> {
  const file = namespace ?? '/proc/self/ns/net';
  const { dev, ino, mtimeMs } = await stat(file);
  // The kernel gives numbers of namespaces again. As long as a name under /run/netns holds one, the
  // file's time is that of its making; in /proc it is that of the look.
  const made = file.startsWith('/proc/') ? '' : ` ${mtimeMs}`;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return {
    path: join(folder, `${dev}-${ino}-${node}.journal`),
    header: { journal: 1, node, namespace: `${dev}:${ino}${made} ${boot.trim()}` },
  };
}
