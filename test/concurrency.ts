// Runs alone/concurrency.ts on real kernels, one guest each.

import { join } from 'node:path';
import t from 'tap';

const root = join(__dirname, '..');

const SECONDS = { '6.1': 10, '6.12': 30, '7.2': 10 };

// What tap tells its own children (by NODE_OPTIONS, which it sets again where it is empty) would slow
// down those in the guest, and make those without rights fail.
for (const [kernel, seconds] of Object.entries(SECONDS)) {
  void t.spawn(
    'env',
    [
      '-u',
      'NODE_OPTIONS',
      'scripts/kernel-lab',
      '--kernel',
      kernel,
      '--',
      'node',
      'dist-test/alone/concurrency.js',
      String(seconds),
    ],
    { cwd: root, timeout: 600_000, name: `Linux ${kernel}, ${seconds} seconds` },
  );
}
