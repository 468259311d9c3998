// One work item after the other, for a native channel that takes one at a time.

import { NOT_SENT, NO_ANSWER } from './native.js';
import type { NativeFailure } from './native.js';
import { waitFor } from './waiting.js';
import type { Limits } from './waiting.js';

const LATE: unique symbol = Symbol();

export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs `start` when everything before it is done, with the milliseconds that are left; what it
   * calls `done` with is the result. Where the deadline passes before, or the signal is aborted, it
   * never starts, or nobody waits for its end any more.
   */
  async run<Result>(
    { deadline, cancellation }: Limits & { readonly deadline: number },
    start: (rest: number, done: (result: Result | NativeFailure) => void) => void,
  ): Promise<Result | NativeFailure> {
    if (cancellation?.signal.aborted) throw cancellation.error(false);
    const turn = { isStarted: false, isOver: false };
    const mine = this.#last.then(
      () =>
        new Promise<Result | NativeFailure>((resolve) => {
          const rest = Math.ceil(deadline - performance.now());
          if (turn.isOver || rest <= 0) {
            resolve(NOT_SENT);
            return;
          }
          turn.isStarted = true;
          start(rest, resolve);
        }),
    );
    this.#last = mine.catch(() => undefined);
    try {
      const result = await waitFor(mine, { deadline, cancellation }, LATE);
      if (result !== LATE) return result;
      return turn.isStarted ? NO_ANSWER : NOT_SENT;
    } finally {
      turn.isOver = true;
    }
  }

  /** Resolves when everything asked so far has its answer. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
