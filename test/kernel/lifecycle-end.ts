// A process ends while the kernel works for it.

import t from 'tap';
import { freshIpvs } from '../lab/namespace.js';
import { ended, runIn } from '../lifecycle/programs/run.js';

const service = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;

// Catches work that does not hold the event loop: changes would be lost without a word.
t.test('what was asked is done before a process ends by itself', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  t.strictSame(runIn(netns, 'change and end'), ended('300\n'));
  t.equal((await ipvs.listDestinations(service)).length, 300);

  // Catches an answer that finds its environment gone.
  t.strictSame(runIn(netns, 'exit in flight'), ended('', 7), 'and process.exit() does not wait');
  await t.resolves(ipvs.listDestinations(service));
});

// Catches a batch that ends with its first portion.
t.test('a batch is carried out before a process ends by itself', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  t.strictSame(runIn(netns, 'batch and end'), ended(''));
  t.equal((await ipvs.listDestinations(service)).length, 9000);

  // Catches a portion that finds its environment gone: the first was carried out, and heard of.
  t.strictSame(runIn(netns, 'exit in a batch'), ended('', 7), 'and process.exit() does not wait');
  const { length } = await ipvs.listDestinations(service);
  t.ok(length < 9000 - 4000, `${length} are left`);
});
