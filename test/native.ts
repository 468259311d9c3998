// The core's own tests: C++ without Node.js, under AddressSanitizer and UBSan.

import { join } from 'node:path';
import t from 'tap';

void t.spawn('make', ['-s', '-j2', '-C', 'native', 'test'], {
  cwd: join(__dirname, '..'),
  timeout: 1_800_000,
  name: 'native/core',
});
