// A process ends when it has nothing to do, whatever its handles are doing.

import t from 'tap';
import { ended, run } from './programs/run.js';

// Catches a descriptor that the event loop watches, a timer, or a thread that is waited for.
t.test('a process ends by itself while a handle', (t) => {
  t.strictSame(run('open'), ended('open\n'), 'is open');
  t.strictSame(run('idle'), ended('settled settled\n'), 'is open and has been used');
  t.strictSame(run('functions'), ended('settled\n'), 'is open that cannot be closed');
  t.strictSame(run('closed'), ended('closed\n'), 'is closed');
  t.end();
});

// Catches work that does not hold the event loop: its promises would never settle.
t.test('a process does not end before its calls have settled', (t) => {
  t.strictSame(run('in flight'), ended('settled\nsettled\n'));
  t.end();
});

// Catches work that outlives the environment it belongs to.
t.test('a process may be ended', (t) => {
  t.strictSame(run('exit while opening'), ended('', 7), 'while a handle opens');
  t.strictSame(run('exit in flight'), ended('', 7), 'while calls are in flight');
  t.strictSame(run('exit in an answer'), ended('', 7), 'when the first of many calls settles');
  const thrown = run('throw in flight');
  t.match(thrown, { status: 1, signal: null, stderr: 'Error: on purpose' }, 'by an exception');
  t.end();
});
