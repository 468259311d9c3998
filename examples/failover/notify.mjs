#!/usr/bin/env node
// keepalived's notify program: makes this director what keepalived says that it is now.
//
//   notify.mjs NODE TYPE INSTANCE STATE PRIORITY      (keepalived adds all but the first)
//
// FAULT: nothing is done: the interface is down, and stays it; applying would bring it up again.
// MASTER: services are there, the master sync daemon runs, the address is announced. BACKUP: the same
// services, and the backup daemon, which learns of the master's connections. STOP: all is taken back.
// The address itself is keepalived's: it is there already when this runs, and so nothing is to be done
// about it; where somebody takes keepalived away, this would add it.
//
// keepalived does not wait for this program: after two changes in short order two of them run. Each
// leaves a file that says since when it runs, and once it is its turn, does nothing where a later one
// has come: that one's state is the newest, however long either took to get here.

import { mkdir, readFile, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const [name = '', , , state = ''] = process.argv.slice(2);
if (state === 'FAULT') process.exit();
const runs = join('/run/ipvs', `notify-${name}`);

// Field 22 of /proc/self/stat: when it was started, in ticks since the boot. Behind the name, which
// is in parentheses and may hold anything, it is the 20th. Of one tick, the later has the larger number.
const stat = await readFile('/proc/self/stat', 'utf8');
const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
const own = `${started}-${process.pid}`;

/** @param {string} a @param {string} b */
function isLater(a, b) {
  const [start = 0, pid = 0] = a.split('-').map(Number);
  const [otherStart = 0, otherPid = 0] = b.split('-').map(Number);
  return start > otherStart || (start === otherStart && pid > otherPid);
}

const others = async () => (await readdir(runs)).filter((each) => /^\d+-\d+$/.test(each));

const isNewest = async () => !(await others()).some((each) => isLater(each, own));

// Before anything that takes a while. Under its name it is there as a whole, or not at all.
await mkdir(runs, { recursive: true, mode: 0o700 });
await writeFile(join(runs, `${own}.new`), `${state}\n`);
await rename(join(runs, `${own}.new`), join(runs, own));

const { Cluster } = await import('ipvs/cluster');
const cluster = await Cluster.load(fileURLToPath(new URL('cluster.yaml', import.meta.url)));
const master = state === 'MASTER';
const node = cluster.node(name, { state: master ? 'master' : 'backup' });
const turn = { wait: 60_000, when: isNewest };
try {
  if (state === 'STOP') {
    await node.revert(turn);
  } else {
    for (const { description } of await node.apply(turn)) console.log(description);
    // keepalived announces IPv4 and IPv6 itself; once more does no harm, and outlives a lost one.
    if (master && (await isNewest())) await node.announce({ repeatAfter: 0 });
  }
} catch (error) {
  const { message, hint = '' } = /** @type {Error & { hint?: string }} */ (error);
  console.error(message, hint);
  process.exitCode = 1;
} finally {
  await node.close();
  // The newest one's file stays, for those that come to it late.
  for (const each of await others()) {
    if (isLater(own, each)) await unlink(join(runs, each)).catch(() => undefined);
  }
}
