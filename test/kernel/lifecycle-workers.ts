// Worker threads that change namespaces, and that end in the middle of it.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import { freshIpvs, freshNamespace } from '../lab/namespace.js';
import { ended, runIn } from '../lifecycle/programs/run.js';

const service = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;

// Catches state of the addon that environments share: one worker's answers would go to another.
t.test('four workers change a namespace each', (t) => {
  const netns = freshNamespace(t);
  for (const n of [0, 1, 2, 3]) {
    execFileSync('ip', ['netns', 'add', `${netns}-${n}`]);
    execFileSync('ip', ['-n', `${netns}-${n}`, 'link', 'set', 'lo', 'up']);
    t.teardown(() => {
      execFileSync('ip', ['netns', 'delete', `${netns}-${n}`]);
    });
  }
  t.strictSame(runIn(netns, 'four workers'), ended('0 0 0 0\n'));
  t.end();
});

// Catches records and answers that become JavaScript objects in a thread that is on its way out: the
// process would die of a signal.
t.test('workers may be terminated in the middle of changes and dumps', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  const addresses = Array.from({ length: 200 }, (_, n) => `127.1.0.${n}`);
  await Promise.all(
    addresses.map((address) => ipvs.addDestination(service, { address, forwarding: 'nat' })),
  );
  t.strictSame(runIn(netns, 'workers are terminated'), ended('200\n'));
});
