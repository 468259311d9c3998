// What all that is measured and tested in the lab relies on, seen from outside of it.

import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { until } from './lab/until.js';

const LAB = join(__dirname, '..', 'scripts', 'kernel-lab');

interface Lab {
  /** How the kernel describes each of the guest's processes. */
  guest: () => string[];
  /** As if somebody pressed Ctrl-C. */
  end: () => Promise<unknown[]>;
}

/** A guest with something to do. `before`: what it is started by. */
async function start(t: Test, before: readonly string[] = []): Promise<Lab> {
  const command = ['sh', '-c', 'echo started; exec sleep 1000'];
  const lab = spawn('env', [...before, LAB, '--kernel', '6.12', '--', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => lab.kill());
  const ended = once(lab, 'close');
  const [output] = (await Promise.race([once(lab.stdout, 'data'), ended])) as unknown[];
  t.equal(String(output), 'started\n');
  const leader = processes().find(
    (each) => field(each, 'PPid') === String(lab.pid) && field(each, 'Name') === 'linux',
  );
  assert(leader);
  return {
    guest: () => processes().filter((each) => field(each, 'NSsid') === field(leader, 'Pid')),
    end: () => {
      lab.kill('SIGINT');
      return ended;
    },
  };
}

function processes(): string[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [readFileSync(`/proc/${name}/status`, 'utf8')] : [];
    } catch {
      return []; // it has ended
    }
  });
}

function field(status: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1];
}

const processorsOf = (statuses: readonly string[]): (string | undefined)[] => [
  ...new Set(statuses.map((each) => field(each, 'Cpus_allowed_list'))),
];

const OWN = field(readFileSync('/proc/self/status', 'utf8'), 'Cpus_allowed_list') ?? '';

t.test('a guest is on one processor, and nothing of it stays', async (t) => {
  const { guest, end } = await start(t);
  t.ok(guest().length > 1);
  t.match(processorsOf(guest()), [/^\d+$/]);
  t.strictSame(await end(), [null, 'SIGINT']);
  await until('it is gone', () => guest().length === 0);
});

t.test('it takes one that no other guest has', async (t) => {
  // Held by its lock, as another guest would. Locks in a sysfs of its own are those of this test alone.
  const [lowest] = /^\d+/.exec(OWN) ?? [];
  const hold = 'mount -t sysfs none /sys && exec flock --shared --no-fork "$0" "$@"';
  const folder = `/sys/devices/system/cpu/cpu${lowest}`;
  for (let round = 0; round < 4; round++) {
    const { guest, end } = await start(t, ['unshare', '-n', '-m', 'sh', '-c', hold, folder]);
    const isOther = processorsOf(guest())[0] !== lowest;
    t.equal(isOther, OWN !== lowest, 'unless there is no other');
    await end();
  }
});
