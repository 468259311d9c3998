// Every test of test/kernel on a real kernel of the lab, in one guest. A guest has one CPU: each is a
// test of its own, so that tap runs as many at a time as it runs of all others.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

// See share.ts. The oldest has less, because its User-Mode Linux is the slowest. Of an odd number: cases
// come in pairs, and each kernel is to have both of them.
const SHARES = { '6.1': '0/5', '6.12': '1,3/5', '7.2': '2,4/5' } as const;

export function testOn(kernel: keyof typeof SHARES): void {
  const root = join(__dirname, '..', '..');
  const files = readdirSync(join(__dirname, '..', 'kernel'))
    .filter((name) => name.endsWith('.js'))
    .map((name) => join('dist-test', 'kernel', name));
  // What tap tells its own children (by NODE_OPTIONS, which it sets again where it is empty) would
  // slow down those in the guest, and make those without rights fail.
  const environment = ['-u', 'NODE_OPTIONS', `IPVS_TEST_SHARE=${SHARES[kernel]}`];
  const lab = ['scripts/kernel-lab', '--kernel', kernel, '--timeout', '1500', '--', 'node'];
  void t.spawn('env', [...environment, ...lab, 'dist-test/lab/run.js', ...files], {
    cwd: root,
    timeout: 1_500_000,
    buffered: true,
    name: `Linux ${kernel}`,
  });
}
