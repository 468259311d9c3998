// Runs alone/concurrency.ts on real kernels, one guest each.

import { join } from 'node:path';
import t from 'tap';

// What tap tells its own children would only slow down those in the guest.
const env = { ...process.env, NODE_OPTIONS: '' };
const root = join(__dirname, '..');

const SECONDS = { '6.1': 10, '6.12': 30, '7.2': 10 };

for (const [kernel, seconds] of Object.entries(SECONDS)) {
  void t.spawn(
    'scripts/kernel-lab',
    ['--kernel', kernel, '--', 'node', 'dist-test/alone/concurrency.js', String(seconds)],
    { cwd: root, env, timeout: 180_000, name: `Linux ${kernel}, ${seconds} seconds` },
  );
}
