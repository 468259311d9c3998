// Whose turn it is. Where it fails, an update writes back what it read before somebody else's change,
// or a call waits for ever behind one that has failed.

import t from 'tap';
import { Turns } from '#lib/turns';

const turn = () => new Promise((resolve) => setImmediate(resolve));

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

t.test('all() waits for those that hold a turn now, and not for later ones', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  const { work, end } = makeWork(log);
  await turns.all();
  void turns.take(() => 'one', true, work('one'));
  turns.take(() => 'two', true, work('two')).catch(() => undefined);
  let waited = false;
  void turns.all().then(() => (waited = true));
  void turns.take(() => 'three', true, work('three'));
  await end('one');
  t.equal(waited, false);
  await end('two', new Error('no'));
  t.equal(waited, true, 'a failure ends a turn too');
  await end('three');
});
