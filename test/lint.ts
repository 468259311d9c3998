// Style and mistakes in every language of the repository: as one test among the others, so that a
// line too long does not keep the rest from being tested.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

t.setTimeout(900_000);

t.test('scripts/lint finds nothing', (t) => {
  const { status, stdout, stderr } = spawnSync('scripts/lint', {
    cwd: join(__dirname, '..'),
    encoding: 'utf8',
  });
  t.equal(status, 0, 'nothing is found');
  if (status !== 0) t.comment(stdout + stderr);
  t.end();
});
