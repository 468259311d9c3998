// One process at a time changes a node. The kernel's lock on a file (flock) goes when its holder does,
// however that ends, and holds across PID namespaces.

import { constants } from 'node:fs';
import { open, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoName } from '../errors.js';
import { loadAddon } from '../load.js';
import type { NativeFailure } from '../native.js';
import { ClusterError } from './errors.js';
import { failure, makeFolder } from './journal.js';

type Unlock = () => Promise<void>;

/** How a turn is taken where others change the node too. */
export interface TurnOptions {
  /**
   * So many milliseconds it waits where another process is changing the node; then it rejects with
   * `ERR_IPVS_LOCKED`. Default 0.
   */
  readonly wait?: number;
  /**
   * Asked when its turn has come, before anything is looked at: false, and nothing is done. So what was
   * overtaken while it waited comes to nothing.
   */
  readonly when?: () => boolean | Promise<boolean>;
}

/** How a turn is waited for. */
export interface Wait {
  /** Milliseconds; 0: not at all. */
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
}

// So often it is tried again, in milliseconds: soon at first, and never so rarely that it is noticed.
const SOONEST = 5;
const LATEST = 100;

/** Rejects with `ERR_IPVS_LOCKED` where somebody else is at it, and was so for the whole time. */
export async function lock(
  path: string,
  command: string,
  { wait, signal }: Wait = { wait: 0, signal: undefined },
): Promise<Unlock> {
  const end = performance.now() + wait;
  for (let pause = SOONEST; ; pause = Math.min(2 * pause, LATEST)) {
    const taken = await attempt(path);
    if (typeof taken === 'function') return taken;
    const rest = end - performance.now();
    if (rest <= 0) throw locked(command, taken.owner);
    try {
      await delay(Math.min(pause, rest), undefined, signal && { signal });
    } catch {
      throw new ClusterError(command, {
        code: 'ABORT_ERR',
        sentence: 'aborted while another process was changing this node',
        cause: signal?.reason,
        done: [],
      });
    }
  }
}

async function attempt(path: string): ReturnType<typeof take> {
  try {
    await makeFolder(dirname(path));
    return await take(path);
  } catch (error) {
    throw failure('lock', path, error);
  }
}

function locked(command: string, owner: string): ClusterError {
  return new ClusterError(command, {
    code: 'ERR_IPVS_LOCKED',
    sentence: `${owner === '' ? 'another process' : `the process ${owner}`} is changing this node`,
    hint: 'try again when it is done, or have it waited for with the option "wait"',
  });
}

/** The lock, or who has it: a number of its own PID namespace, '' where it does not say. */
async function take(path: string): Promise<Unlock | { readonly owner: string }> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  for (;;) {
    const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    let kept = false;
    try {
      if (!(await lockFile(file))) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
        return { owner: /^\d*/.exec(buffer.toString('latin1', 0, bytesRead))?.[0] ?? '' };
      }
      // Its holder took the file away, between our opening and our locking it: it locks nothing now.
      if (!(await isAt(path, file))) continue;
      await file.truncate();
      await file.write(`${process.pid}\n`, 0);
      kept = true;
      return () => release(path, file);
    } finally {
      if (!kept) await file.close();
    }
  }
}

async function release(path: string, file: FileHandle): Promise<void> {
  try {
    // Before it is let go: afterwards it may be somebody else's.
    if (await isAt(path, file)) await unlink(path);
  } catch {
    // A file that stays locks nothing.
  } finally {
    await file.close();
  }
}

/** False where another one has it. */
async function lockFile({ fd }: FileHandle): Promise<boolean> {
  const refused = await new Promise<NativeFailure | undefined>((done) => {
    loadAddon().lockFile(fd, done);
  });
  if (refused === undefined) return true;
  const code = errnoName(refused.errno);
  if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return false;
  throw Object.assign(new Error(`${code}: it can't be locked, flock`), { code });
}

async function isAt(path: string, file: FileHandle): Promise<boolean> {
  try {
    const [there, own] = await Promise.all([
      stat(path, { bigint: true }),
      file.stat({ bigint: true }),
    ]);
    return there.dev === own.dev && there.ino === own.ino;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return false;
    throw error;
  }
}
