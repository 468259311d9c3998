#!/usr/bin/env node
// keepalived's notify program: makes this director what keepalived says that it is now.
//
//   notify.mjs NODE TYPE INSTANCE STATE PRIORITY      (keepalived adds all but the first)
//
// FAULT: the interface is down, and stays it: applying would bring it up again.
// MASTER: services are there, the master sync daemon runs, the address is announced. BACKUP: the same
// services, and the backup daemon, which learns of the master's connections. STOP: all is taken back.
// The address itself is keepalived's: it is there already when this runs, and so nothing is to be done
// about it; where somebody takes keepalived away, this would add it.

import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Cluster } from 'ipvs/cluster';

const [name = '', , , state = ''] = process.argv.slice(2);
const cluster = await Cluster.load(fileURLToPath(new URL('cluster.yaml', import.meta.url)));

const master = state === 'MASTER';
const node = cluster.node(name, { state: master ? 'master' : 'backup' });
try {
  if (state === 'STOP') {
    await node.revert();
  } else if (state !== 'FAULT') {
    for (const { description } of await node.apply()) console.log(description);
    // keepalived announces IPv4 and IPv6 itself; once more does no harm, and outlives a lost one.
    if (master) await node.announce({ repeatAfter: 0 });
  }
} catch (error) {
  const { message, hint = '' } = /** @type {Error & { hint?: string }} */ (error);
  console.error(message, hint);
  process.exitCode = 1;
} finally {
  await node.close();
}
