// What ends a wait before its time. Where it fails, an answer that is there counts as lost, because
// the program was held up, or stopped, and looked too late.

import { stat } from 'node:fs';
import t from 'tap';
import { waitFor, whenLate } from '#lib/waiting';

// As a program is held up by work of its own, and somewhat longer than whenLate allows.
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

t.test('an answer that is there comes before the alarm', async (t) => {
  const seen: string[] = [];
  const both = Promise.all([
    new Promise<void>((resolve) => {
      whenLate(performance.now(), () => {
        seen.push('late');
        resolve();
      });
    }),
    new Promise<void>((resolve) => {
      stat('/', () => {
        seen.push('answer');
        resolve();
      });
    }),
  ]);
  block(800);
  await both;
  t.strictSame(seen, ['answer', 'late']);
});

t.test('an alarm that was ended does not ring, also where its time has come', async (t) => {
  let rings = 0;
  const stop = whenLate(performance.now(), () => rings++);
  const answer = new Promise<void>((resolve) => {
    stat('/', () => {
      stop();
      resolve();
    });
  });
  block(800);
  await answer;
  await new Promise((resolve) => setTimeout(resolve, 1));
  t.equal(rings, 0);
  const late = Symbol();
  t.equal(await waitFor(Promise.resolve(1), { deadline: performance.now() }, late), 1);
});
