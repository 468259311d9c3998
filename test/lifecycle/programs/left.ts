// What may be left of many repetitions.

import type { Test } from 'tap';
import type { Left } from './process.js';

/** The bounds are bytes per 1,000 repetitions. */
export function nothingIsLeft(
  t: Pick<Test, 'equal' | 'ok'>,
  left: Left,
  bounds: { heap: number; resident: number },
): void {
  t.equal(left.descriptors, 0, 'no descriptor is left');
  t.ok(left.heap < bounds.heap, `the heap grew by ${left.heap} bytes`);
  t.ok(left.resident < bounds.resident, `resident memory grew by ${left.resident} bytes`);
}
