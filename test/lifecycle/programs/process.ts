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
  /** Bytes of JavaScript objects, per 1,000 repetitions. */
  readonly heap: number;
  /** Bytes of memory in all, as the kernel counts, per 1,000 repetitions. */
  readonly resident: number;
}

const ROUNDS = 20;

/**
 * What so many repetitions leave, `abreast` of them at a time, after half as many to warm up.
 *
 * Memory comes in steps (256 kB for a page of objects), which may well fall into most of a few rounds,
 * and a leak goes on from the first round to the last. So it is the slope that counts, and of all the
 * slopes between two rounds the middle one (Theil and Sen): steps that are alone do not tilt it.
 */
export async function measure(
  count: number,
  work: () => Promise<unknown>,
  abreast = 1,
): Promise<Left> {
  const repeat = (repetitions: number) =>
    times(repetitions / abreast, () => Promise.all(Array.from({ length: abreast }, work)));
  await repeat(count / 2);
  await collect();
  const before = descriptors();
  let open = before;
  const { heapUsed, rss } = process.memoryUsage();
  const heap = [heapUsed];
  const resident = [rss];
  for (let round = 0; round < ROUNDS; round++) {
    await repeat(count / ROUNDS);
    open = Math.max(open, descriptors()); // before anything is collected: close() itself has to close
    await collect();
    const after = process.memoryUsage();
    heap.push(after.heapUsed);
    resident.push(after.rss);
  }
  const perThousand = (values: readonly number[]) =>
    Math.round((middleSlope(values) * 1000 * ROUNDS) / count);
  return {
    descriptors: open - before,
    heap: perThousand(heap),
    resident: perThousand(resident),
  };
}

/** How much more each value is than the one before it, whatever some of them say. */
function middleSlope(values: readonly number[]): number {
  const slopes = values.flatMap((from, i) =>
    values.slice(i + 1).map((to, more) => (to - from) / (more + 1)),
  );
  return slopes.sort((a, b) => a - b)[slopes.length >> 1] ?? 0;
}
