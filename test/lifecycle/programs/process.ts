// What programs look at in their own process.

import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How many descriptors this process has open. */
export function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Collects garbage, with the finalizers that run in a later turn. */
export async function collect(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    global.gc?.();
    await nextTurn();
  }
}

export async function times(count: number, work: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await work();
}

export interface Left {
  readonly descriptors: number;
  /** Bytes of JavaScript objects. */
  readonly heap: number;
  /** Bytes of memory in all, as the kernel counts. */
  readonly resident: number;
}

/** What so many repetitions leave, after as many to warm up. */
export async function measure(count: number, work: () => Promise<unknown>): Promise<Left> {
  await times(count, work);
  await collect();
  const before = { ...process.memoryUsage(), descriptors: descriptors() };
  await times(count, work);
  const after = descriptors(); // before anything is collected: close() itself has to close
  await collect();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    descriptors: after - before.descriptors,
    heap: heapUsed - before.heapUsed,
    resident: rss - before.rss,
  };
}
