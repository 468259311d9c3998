// One work item after the other on a native channel. Where it fails, two run at once, one that nobody
// waits for any more is sent after all, or one failure ends all that come later.

import t from 'tap';
import { NOT_SENT, NO_ANSWER } from '#lib/native';
import { Queue } from '#lib/queue';
import { failureOf } from '../lab/failure.js';

const LONG = 60_000;
const after = (milliseconds: number) => ({ deadline: performance.now() + milliseconds });

/** Items that say when they are started and end when they are told to. */
function makeItems() {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string) => (_rest: number, done: (result: string) => void) => {
    started.push(name);
    ends.set(name, () => done(name));
  };
  return { started, start, end: (name: string) => ends.get(name)?.() };
}

t.test('one starts when the one before it is done', async (t) => {
  const queue = new Queue();
  const { started, start, end } = makeItems();
  const all = ['a', 'b'].map((name) => queue.run(after(LONG), start(name)));
  await Promise.resolve();
  t.strictSame(started, ['a']);
  end('a');
  t.equal(await all[0], 'a');
  t.strictSame(started, ['a', 'b']);
  end('b');
  t.equal(await all[1], 'b');
  await queue.settled();
});

t.test('late before it starts it is not sent, and late afterwards without an answer', async (t) => {
  // What waits is no reason for the process to stay.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  const queue = new Queue();
  const { started, start, end } = makeItems();
  const first = queue.run(after(200), start('first'));
  const second = queue.run(after(200), start('second'));
  const third = queue.run(after(LONG), start('third'));
  t.equal(await first, NO_ANSWER);
  t.equal(await second, NOT_SENT);
  end('first');
  while (started.length < 2) await new Promise(setImmediate);
  t.strictSame(started, ['first', 'third'], 'what nobody waits for never starts');
  end('third');
  t.equal(await third, 'third');
});

t.test('an aborted one never starts, and those behind it do', async (t) => {
  const queue = new Queue();
  const { started, start, end } = makeItems();
  const controller = new AbortController();
  const cancellation = {
    signal: controller.signal,
    error: (sent: boolean) => new Error(`aborted, ${sent ? 'sent' : 'not sent'}`),
  };
  const first = queue.run(after(LONG), start('first'));
  const aborted = failureOf(queue.run({ ...after(LONG), cancellation }, start('aborted')));
  const last = queue.run(after(LONG), start('last'));
  controller.abort();
  t.match(await aborted, { message: 'aborted, not sent' });
  t.match(await failureOf(queue.run({ ...after(LONG), cancellation }, start('too late'))), {
    message: 'aborted, not sent',
  });
  end('first');
  await first;
  while (started.length < 2) await new Promise(setImmediate);
  end('last');
  t.equal(await last, 'last');
  t.strictSame(started, ['first', 'last']);
});

t.test('one that throws fails alone', async (t) => {
  const queue = new Queue();
  const { start, end } = makeItems();
  const broken = queue.run(after(LONG), () => {
    throw new TypeError('no such thing');
  });
  const next = queue.run(after(LONG), start('next'));
  t.match(await failureOf(broken), { message: 'no such thing' });
  await new Promise(setImmediate);
  end('next');
  t.equal(await next, 'next');
  await queue.settled();
});
