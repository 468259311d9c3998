// The addon in several threads of one process.

import t from 'tap';
import { ended, run } from './programs/run.js';

// Catches state of the addon that two environments share, or that the first to end takes along.
t.test('main thread and workers use the addon', (t) => {
  t.strictSame(run('main before workers'), ended('0 0\n'), 'the main thread first');
  t.strictSame(run('workers before main'), ended('0 0\n0\n'), 'a worker first');
  t.strictSame(run('four workers'), ended('0 0 0 0\n'), 'all at once');
  t.end();
});

// Catches an answer that comes when its environment is gone, or on its way out: then the process
// dies of a signal.
t.test('a worker may end in the middle of its work', (t) => {
  t.strictSame(run('worker exits in flight'), ended('Set(1) { 7 }\n'), 'by process.exit()');
  t.strictSame(run('workers are terminated'), ended('terminated\n'), 'by terminate()');
  t.strictSame(run('exit with busy workers'), ended('', 7), 'with the process');
  t.end();
});

// What the addon keeps for the next call belongs to the process. Catches an addon that is unloaded with
// the last worker and loses it: some megabytes with each worker that reads a large table.
t.test('the addon stays when the worker ends that alone had loaded it', (t) => {
  t.strictSame(run('loaded by a worker'), ended('true\n'));
  t.end();
});
