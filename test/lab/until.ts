import { setTimeout as sleep } from 'node:timers/promises';

// A failover takes ten seconds on a busy machine, and tests have two minutes.
const LIMIT = 40_000;

/** Waits for what the kernel, or another program, does in its own time. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + LIMIT; !(await isSo());) {
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await sleep(20);
  }
}
