// What all that is measured and tested in the lab relies on, seen from outside of it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const LAB = join(__dirname, '..', 'scripts', 'kernel-lab');

t.test('a guest is on one processor, and ends as its command does', async (t) => {
  const command = ['sh', '-c', 'echo started; exec sleep 1000'];
  const lab = spawn(LAB, ['--kernel', '6.12', '--', ...command], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(lab, 'close');
  const [output] = (await once(lab.stdout, 'data')) as [Buffer];
  t.equal(String(output), 'started\n');

  const guests = childrenOf(lab.pid).filter((each) => /^Name:\tlinux$/m.test(each));
  t.equal(guests.length, 1);
  t.match(guests[0], /^Cpus_allowed_list:\t\d+$/m);

  lab.kill('SIGTERM');
  t.strictSame(await ended, [null, 'SIGTERM']);
});

/** What the kernel tells of each. */
function childrenOf(parent: number | undefined): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(statusOf)
    .filter((status) => status.includes(`\nPPid:\t${parent}\n`));
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}
