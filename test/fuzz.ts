// The decoders against what nobody would send: everything that was ever found, with which libFuzzer
// begins, and a short search for more. scripts/fuzz searches as long as one likes.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

t.setTimeout(900_000);

t.test('the seeds, what was found once, and more are decoded or refused', (t) => {
  const { status, stdout, stderr } = spawnSync('scripts/fuzz', ['--seconds', '2'], {
    cwd: join(__dirname, '..'),
    encoding: 'utf8',
  });
  t.equal(status, 0, 'nothing is found');
  t.comment(status === 0 ? stdout : stdout + stderr);
  t.end();
});
