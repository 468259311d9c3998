// What may be left of thousands of repetitions after as many to warm up.

import type { Test } from 'tap';
import type { Left } from './process.js';

const MEBIBYTE = 2 ** 20;

// The heap is compacted before it is measured; 10,000 repetitions were seen to move it by 0.1 MiB, and
// an object of 100 bytes left by each would by 1 MiB. Resident memory has pages that the allocator
// keeps, seen to make up to 4 MiB, and does not grow with more repetitions; a receive buffer left by
// each would cost 640 MiB, and 1 KiB of anything 10 MiB.
const LARGEST = { heap: MEBIBYTE, resident: 8 * MEBIBYTE };

export function nothingIsLeft(t: Pick<Test, 'equal' | 'ok'>, left: Left): void {
  t.equal(left.descriptors, 0, 'no descriptor is left');
  t.ok(left.heap < LARGEST.heap, `the heap grew by ${left.heap} bytes`);
  t.ok(left.resident < LARGEST.resident, `resident memory grew by ${left.resident} bytes`);
}
