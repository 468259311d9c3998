// One work item after the other, for a native channel that takes one at a time.

import { Fault, NativeFailure } from './native.js';
import { waitFor } from './waiting.js';

const NOT_SENT = new NativeFailure(Fault.notSent, 0, '', '');
const LATE: unique symbol = Symbol();
const NO_ANSWER = new NativeFailure(Fault.noAnswer, 0, '', '');

export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs `start` when everything before it is done, with the milliseconds that are left; what it
   * calls `done` with is the result. Where `deadline` (as performance.now() counts) passes before, it
   * never starts, or nobody waits for its end any more.
   */
  run<Result>(
    deadline: number,
    start: (rest: number, done: (result: Result | NativeFailure) => void) => void,
  ): Promise<Result | NativeFailure> {
    let state: 'waiting' | 'started' | 'late' = 'waiting';
    const mine = this.#last.then(
      () =>
        new Promise<Result | NativeFailure>((resolve) => {
          const rest = Math.ceil(deadline - performance.now());
          if (state === 'late' || rest <= 0) {
            resolve(NOT_SENT);
            return;
          }
          state = 'started';
          start(rest, resolve);
        }),
    );
    this.#last = mine;
    return waitFor(mine, { deadline }, LATE).then((result) => {
      if (result !== LATE) return result;
      if (state === 'started') return NO_ANSWER;
      state = 'late';
      return NOT_SENT;
    });
  }

  /** Resolves when everything asked so far has its answer. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
