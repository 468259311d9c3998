// Handles of network namespaces, and the end of a handle that has much to do.

import t from 'tap';
import { freshIpvs, freshNamespace } from '../lab/namespace.js';
import { nothingIsLeft } from '../lifecycle/programs/left.js';
import type { Left } from '../lifecycle/programs/process.js';
import { ended, runIn } from '../lifecycle/programs/run.js';

// Catches a close() that keeps the namespace until the garbage collector comes by: a program that
// looks after many runs out of descriptors, and the namespace's owner can't get rid of it.
t.test('a namespace that was opened and closed 200 times leaves nothing', (t) => {
  const { stdout, ...rest } = runIn(freshNamespace(t), 'open and close');
  t.strictSame(rest, { status: 0, signal: null, stderr: '' });
  t.comment(stdout);
  // A receive buffer each makes 8 MB of 1,000, of which the allocator may have had some: 5.4 MB were seen.
  nothingIsLeft(t, JSON.parse(stdout) as Left, { heap: 300_000, resident: 4_000_000 });
  t.end();
});

// Catches memory of a portion that nobody gives back: a hundred kilobytes each time.
t.test('200 batches of 1,000 changes leave nothing', (t) => {
  const { stdout, ...rest } = runIn(freshNamespace(t), 'batches');
  t.strictSame(rest, { status: 0, signal: null, stderr: '' });
  const left = JSON.parse(stdout) as Left;
  t.comment(JSON.stringify(left));
  nothingIsLeft(t, left, { heap: 1_000_000, resident: 40_000_000 });
  t.end();
});

t.test('handles of a namespace that are forgotten are collected', (t) => {
  t.strictSame(runIn(freshNamespace(t), 'forgotten'), ended('0\n'));
  t.end();
});

// Catches a close() that overtakes changes, and lists on their way to the caller: long ones come in
// portions.
t.test('close() waits for changes and for long lists', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const order: string[] = [];
  const note = (what: string) => () => {
    order.push(what);
  };
  const keys = Array.from({ length: 1200 }, (_, n) => {
    return { protocol: 'udp', address: '192.0.2.1', port: n + 1 } as const;
  });
  const calls = [
    ...keys.map((key) => ipvs.addService(key).then(note('added'))),
    ipvs.listServices().then(({ length }) => order.push(`${length} listed`)),
    ipvs.updateService(keys[0] ?? { fwmark: 1 }, { scheduler: 'rr' }).then(note('updated')),
  ];
  await Promise.all([ipvs.close().then(note('closed')), ...calls]);
  t.equal(order.filter((what) => what === 'added').length, 1200);
  t.strictSame(order.slice(1200).sort(), ['1200 listed', 'closed', 'updated']);
  t.equal(order.at(-1), 'closed');
  t.match(ipvsadm('-Sn'), '-A -u 192.0.2.1:1 -s rr\n');
});

// Not a test of time, which depends on the machine: the main thread's calls are counted in
// test/lifecycle/main-thread.ts.
t.test('10,000 destinations are added in batches of 100', (t) => {
  const { stdout, ...rest } = runIn(freshNamespace(t), 'many changes');
  t.strictSame(rest, { status: 0, signal: null, stderr: '' });
  const told = JSON.parse(stdout) as { length: number; longest: number; mean: number };
  t.equal(told.length, 10_000);
  t.comment(
    `the event loop stood still for ${told.longest} ms at most, ${told.mean} ms on average`,
  );
  t.end();
});
