// Runs every test of test/kernel on real kernels: the three of the lab, one guest each.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

// A guest has one CPU, so two at a time are done sooner.
t.jobs = 2;

const root = join(__dirname, '..');
const files = readdirSync(join(__dirname, 'kernel'))
  .filter((name) => name.endsWith('.js'))
  .map((name) => join('dist-test', 'kernel', name));

// What tap tells its own children (by NODE_OPTIONS, which it sets again where it is empty) would slow
// down those in the guest, and make those without rights fail.
const kernels = ['6.1', '6.12', '7.2'];
for (const [index, kernel] of kernels.entries()) {
  void t.spawn(
    'env',
    [
      '-u',
      'NODE_OPTIONS',
      `IPVS_TEST_SHARE=${index}/${kernels.length}`, // lab/share.ts
      'scripts/kernel-lab',
      '--kernel',
      kernel,
      '--timeout',
      '1500',
      '--',
      'node',
      'dist-test/lab/run.js',
      ...files,
    ],
    { cwd: root, timeout: 1_500_000, buffered: true, name: `Linux ${kernel}` },
  );
}
