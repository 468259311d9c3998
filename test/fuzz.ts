// The decoders against what nobody would send: everything that was ever found, and a short search
// for more. scripts/fuzz searches as long as one likes.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

t.setTimeout(900_000);

function fuzz(t: Pick<Test, 'comment' | 'equal'>, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync('scripts/fuzz', args, {
    cwd: join(__dirname, '..'),
    encoding: 'utf8',
  });
  t.equal(status, 0, 'nothing is found');
  t.comment(status === 0 ? stdout : stdout + stderr);
}

t.test('the seeds, and what was found once, are decoded or refused', (t) => {
  fuzz(t, '--replay');
  t.end();
});

t.test('a short search finds nothing new', (t) => {
  fuzz(t, '--seconds', '2');
  t.end();
});
