// Runs every test of test/kernel on real kernels: the three of the lab, one guest each.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

// What tap tells its own children would only slow down those in the guest.
const env = { ...process.env, NODE_OPTIONS: '' };

const root = join(__dirname, '..');
const files = readdirSync(join(__dirname, 'kernel'))
  .filter((name) => name.endsWith('.js'))
  .map((name) => join('dist-test', 'kernel', name));

for (const kernel of ['6.1', '6.12', '7.2']) {
  void t.spawn(
    'scripts/kernel-lab',
    ['--kernel', kernel, '--', 'node', 'dist-test/lab/run.js', ...files],
    { cwd: root, env, timeout: 600_000, name: `Linux ${kernel}` },
  );
}
