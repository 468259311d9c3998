// One process at a time changes a node.

import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClusterError } from './errors.js';
import { makeFolder } from './journal.js';

/** Waits for nobody: rejects with `ERR_IPVS_LOCKED` where another process is at it. */
export async function lock(path: string, command: string): Promise<() => Promise<void>> {
  await prepare(path);
  const own = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  const name = await identityOf(process.pid);
  const file = await open(own, 'wx', 0o600);
  try {
    await file.writeFile(name);
  } finally {
    await file.close();
  }
  try {
    // Linked rather than created, so that nobody ever sees an empty one.
    while (!(await linked(own, path))) await breakStale(path, command);
  } finally {
    await unlink(own);
  }
  return async () => {
    await unlink(path);
  };
}

async function prepare(path: string): Promise<void> {
  try {
    await makeFolder(dirname(path));
  } catch (cause) {
    throw new ClusterError(`lock ${path}`, {
      code: 'ERR_IPVS_JOURNAL',
      sentence: (cause as Error).message,
      hint: 'the option "journal" names a folder that this process may write to',
      cause,
    });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes the lock away if its owner is gone, or rejects. */
async function breakStale(path: string, command: string): Promise<void> {
  const owner = await readOr(path);
  if (owner === undefined) return; // let go just now
  const [pid = ''] = owner.split(' ');
  if (/^\d+$/.test(pid) && (await identityOf(Number(pid))) === owner) {
    throw new ClusterError(command, {
      code: 'ERR_IPVS_LOCKED',
      sentence: `the process ${pid} is changing this node`,
      hint: 'wait until it is done, and try again',
    });
  }
  // Two may find it stale: what was taken away must be what was looked at.
  const aside = `${path}.stale-${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return;
    throw error;
  }
  if ((await readOr(aside)) !== owner) await linked(aside, path);
  await unlink(aside);
}

async function readOr(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A process by its number and its start, since numbers are used again. */
async function identityOf(pid: number): Promise<string> {
  const stat = await readOr(`/proc/${pid}/stat`).catch(() => undefined);
  // Field 22; the name, in parentheses, may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return `${pid} ${fields[19] ?? 'gone'}`;
}
