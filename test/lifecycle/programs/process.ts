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

const ROUNDS = 5;

/**
 * What so many repetitions leave, `abreast` of them at a time, after half as many to warm up. Memory
 * comes and goes in steps, a leak is there in every round: so it is the middle one of the rounds that
 * counts.
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
  const rounds = { heap: [] as number[], resident: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const { heapUsed, rss } = process.memoryUsage();
    await repeat(count / ROUNDS);
    open = Math.max(open, descriptors()); // before anything is collected: close() itself has to close
    await collect();
    const after = process.memoryUsage();
    rounds.heap.push(after.heapUsed - heapUsed);
    rounds.resident.push(after.rss - rss);
  }
  const perThousand = (growth: number[]) => {
    const [middle = 0] = growth.sort((a, b) => a - b).slice(ROUNDS >> 1);
    return (middle * 1000 * ROUNDS) / count;
  };
  return {
    descriptors: open - before,
    heap: perThousand(rounds.heap),
    resident: perThousand(rounds.resident),
  };
}
