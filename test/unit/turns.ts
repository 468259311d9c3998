// Whose turn it is. Where it fails, an update writes back what it read before somebody else's change,
// or a call waits for ever behind one that has failed.

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Turns } from '#lib/turns';

/** Work that notes its beginning and ends when it is told to. */
function makeWork(log: string[]) {
  const ends = new Map<string, (error?: Error) => void>();
  return {
    work: (name: string) => () => {
      log.push(name);
      return new Promise<string>((resolve, reject) => {
        ends.set(name, (error) => (error === undefined ? resolve(name) : reject(error)));
      });
    },
    end: async (name: string, error?: Error) => {
      ends.get(name)?.(error);
      await turn();
    },
  };
}

t.test('where nothing is held all run at once', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  const never = () => {
    throw new Error('nobody needs the key');
  };
  const both = [turns.take(never, false, work('a')), turns.take(never, false, work('b'))];
  t.strictSame(log, ['a', 'b'], 'without any delay');
  await end('b');
  await end('a');
  t.strictSame(await Promise.all(both), ['a', 'b']);
});

t.test('what is asked of the same key waits for who holds it, in order', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  const key = () => 'key';
  const all = [
    turns.take(key, true, work('update 1')),
    turns.take(key, false, work('remove')),
    turns.take(key, true, work('update 2')),
    turns.take(key, false, work('add')),
  ];
  t.strictSame(log, ['update 1'], 'the first begins at once');
  await turn();
  t.strictSame(log, ['update 1']);
  await end('update 1');
  t.strictSame(log, ['update 1', 'remove']);
  await end('remove');
  await end('update 2');
  t.strictSame(log, ['update 1', 'remove', 'update 2', 'add']);
  await end('add');
  t.strictSame(await Promise.all(all), ['update 1', 'remove', 'update 2', 'add']);
});

t.test('other keys do not wait', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  void turns.take(() => 'one', true, work('one'));
  void turns.take(() => 'two', true, work('two'));
  void turns.take(() => 'three', false, work('three'));
  t.strictSame(log, ['one', 'two', 'three']);
  for (const name of log) await end(name);
});

t.test('a failure is its own: who comes next has its turn', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  const failing = turns.take(() => 'key', true, work('failing'));
  const next = turns.take(() => 'key', true, work('next'));
  const failure = new Error('no');
  const rejected = t.rejects(failing, failure);
  await end('failing', failure);
  await rejected;
  t.strictSame(log, ['failing', 'next']);
  await end('next');
  t.equal(await next, 'next');
});

t.test('who is done is forgotten', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  void turns.take(() => 'key', true, work('first'));
  void turns.take(() => 'key', false, work('second'));
  await end('first');
  await end('second');
  void turns.take(() => 'key', false, work('third'));
  t.strictSame(log, ['first', 'second', 'third'], 'at once again');
  await end('third');
  // A map that only grows would be a leak in a controller that runs for months.
  void turns.take(
    () => {
      throw new Error('nobody needs the key');
    },
    false,
    work('fourth'),
  );
  await end('fourth');
});

t.test('afterAll() waits for those that hold a turn now, and not for later ones', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  const idle = turns.afterAll(work('idle'));
  t.strictSame(log, ['idle'], 'at once where nobody does');
  await end('idle');
  t.equal(await idle, 'idle');

  void turns.take(() => 'one', true, work('one'));
  turns.take(() => 'two', true, work('two')).catch(() => undefined);
  const looking = turns.afterAll(work('look'));
  void turns.take(() => 'three', true, work('three'));
  t.strictSame(log, ['idle', 'one', 'two', 'three']);
  await end('one');
  t.notOk(log.includes('look'));
  await end('two', new Error('no'));
  t.ok(log.includes('look'), 'a failure ends a turn too');
  await end('look');
  t.equal(await looking, 'look');
  await end('three');
});

t.test('afterAll() is waited for by nobody', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  void turns.take(() => 'one', true, work('one'));
  void turns.afterAll(work('look'));
  void turns.take(() => 'one', false, work('next'));
  void turns.take(() => 'two', true, work('two'));
  await end('one');
  t.strictSame([...log].sort(), ['look', 'next', 'one', 'two'], 'while it looks');
  void turns.takeAll(work('whole'));
  for (const name of ['next', 'two']) await end(name);
  t.ok(log.includes('whole'), 'what changes all does not wait for it either');
  await end('look');
  await end('whole');
});

t.test('takeAll() waits for all, and all that come later wait for it', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  const all = [
    turns.take(() => 'one', true, work('one')),
    turns.take(() => 'two', true, work('two')),
    turns.takeAll(work('flush')),
    turns.take(() => 'one', false, work('add one')),
    turns.take(() => 'three', true, work('update three')),
    turns.take(() => 'three', false, work('remove three')),
    turns.afterAll(work('look')),
  ];
  t.strictSame(log, ['one', 'two']);
  await end('two');
  t.strictSame(log, ['one', 'two'], 'one is not done');
  await end('one');
  t.strictSame(log, ['one', 'two', 'flush']);
  await end('flush');
  t.strictSame(log.slice(3), ['add one', 'update three'], 'each in its own turn again');
  await end('add one');
  await end('update three');
  t.strictSame(log.slice(5), ['remove three']);
  await end('remove three');
  t.strictSame(log.slice(6), ['look']);
  await end('look');
  t.strictSame(await Promise.all(all), [
    'one',
    'two',
    'flush',
    'add one',
    'update three',
    'remove three',
    'look',
  ]);
});

t.test('one takeAll() waits for the other, and for whoever came between', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  void turns.take(() => 'one', true, work('one'));
  void turns.takeAll(work('first'));
  void turns.take(() => 'two', false, work('two'));
  void turns.takeAll(work('second'));
  void turns.take(() => 'one', false, work('last'));
  for (const name of ['one', 'first', 'two', 'second', 'last']) {
    t.equal(log.at(-1), name);
    await end(name);
  }
  t.strictSame(log, ['one', 'first', 'two', 'second', 'last']);
});

t.test('a takeAll() that fails is done too, and forgotten', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  void turns.take(() => 'one', true, work('one'));
  const failing = t.rejects(turns.takeAll(work('whole')), { message: 'no' });
  void turns.take(() => 'one', true, work('next'));
  await end('one');
  await end('whole', new Error('no'));
  await failing;
  t.strictSame(log, ['one', 'whole', 'next']);
  await end('next');
  void turns.take(
    () => {
      throw new Error('nobody needs the key');
    },
    false,
    work('free'),
  );
  t.equal(log.at(-1), 'free', 'at once again');
  await end('free');
});

// A single request, which the channel keeps in order by itself.
t.test('takeAll() is at once where nobody holds a turn', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  const whole = turns.takeAll(work('whole'));
  t.strictSame(log, ['whole']);
  await end('whole');
  t.equal(await whole, 'whole');
});
