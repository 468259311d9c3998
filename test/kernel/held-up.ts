// What the kernel does not give back at once: it looks for a module inside sendmsg, for as long as
// modprobe likes. And the other way round, what the event loop does not get back.

import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { Ipvs } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshFolder } from '../lab/folder.js';
import { freshIpvs } from '../lab/namespace.js';
import { until } from '../lab/until.js';

t.setTimeout(120_000);

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const LOADER = '/proc/sys/kernel/modprobe';

// Catches answers that bring the next call on its way and are awaited in one turn of the event loop,
// as long as they come fast enough.
t.test('who awaits one call after the other leaves others their turns', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService({ ...web, scheduler: 'rr' });
  const CALLS = 1000;
  let calls = 0;
  let before = 0; // calls at the turn before
  let most = 0; // calls between two turns
  const turn = () => {
    most = Math.max(most, calls - before);
    before = calls;
    if (calls < CALLS) setImmediate(turn);
  };
  setImmediate(turn);
  for (; calls < CALLS; calls++) {
    await ipvs.addDestination(web, { address: `10.1.${calls >> 7}.${1 + (calls & 127)}` });
  }
  t.ok(most > 0 && most <= 8, `at most ${most} calls between two turns`);
});

/** A modprobe that finds nothing, and only when it may; returns how to let it go on. */
function heldUp(t: Test): { readonly isHeld: () => boolean; readonly release: () => void } {
  const loader = readFileSync(LOADER, 'utf8');
  const folder = freshFolder(t);
  const script = join(folder, 'modprobe');
  const hold = join(folder, 'hold');
  const held = join(folder, 'held');
  const release = () => {
    rmSync(hold, { force: true });
    writeFileSync(LOADER, loader);
  };
  t.teardown(release);
  const lines = ['#!/bin/sh', `: >${held}`, `while [ -e ${hold} ]; do sleep 0.05; done`, 'exit 1'];
  writeFileSync(script, `${lines.join('\n')}\n`);
  chmodSync(script, 0o755);
  writeFileSync(hold, '');
  writeFileSync(LOADER, script);
  return { isHeld: () => existsSync(held), release };
}

t.test('a kernel that keeps a request keeps neither the program nor its time', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const impatient = await Ipvs.open({ netns, timeout: 300 });
  t.teardown(() => impatient.close());
  const { isHeld, release } = heldUp(t);

  const error = await failureOf(impatient.addService({ ...web, scheduler: 'nosuch' }));
  t.match(error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME', command: 'add service' });
  await until('the kernel has it', isHeld);

  // The kernel makes services one after the other.
  const patient = ipvs.addService({ ...web, port: 81, scheduler: 'rr' });
  let over = false;
  void patient.then(() => (over = true));
  let turns = 0;
  for (; turns < 20; turns++) await sleep(10);
  t.equal(turns, 20, 'the program goes on');
  t.equal(over, false, 'while others wait too');

  release();
  await patient;
  await impatient.addService({ ...web, scheduler: 'rr' });
  t.match(await impatient.getService(web), { scheduler: 'rr' }, 'the handle works again');
});

// Catches a change that is made long after its time, because it was seen in time when it was asked for.
t.test('what finds all threads held up is not sent when they come back', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const THREADS = 32;
  const ports = Array.from({ length: THREADS + 8 }, (_, index) => index + 1);
  const handles = await Promise.all(ports.map(() => Ipvs.open({ netns, timeout: 300 })));
  const { isHeld, release } = heldUp(t);
  const [first, ...others] = handles;
  const holding = failureOf(
    first?.addService({ ...web, scheduler: 'nosuch' }) ?? Promise.resolve(),
  );
  await until('the kernel has asked', isHeld);
  const calls = others.map((each, index) =>
    failureOf(each.addService({ ...web, port: ports[index] ?? 0, scheduler: 'rr' })),
  );
  for (const error of await Promise.all([holding, ...calls])) {
    t.equal(error.code, 'ERR_IPVS_UNKNOWN_OUTCOME');
  }
  release();
  await Promise.all(handles.map((each) => each.close()));
  t.equal((await ipvs.listServices()).length, THREADS - 1, 'those that were with the kernel');
});
