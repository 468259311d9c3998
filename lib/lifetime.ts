// The end of a handle: after close() nothing begins, and what has begun comes to its end first.

import { setImmediate as nextTurn } from 'node:timers/promises';

export class Lifetime {
  #running = 0;
  #closed: Promise<void> | undefined;
  #lastIsDone: (() => void) | undefined;

  get isOver(): boolean {
    return this.#closed !== undefined;
  }

  /** One more that close() waits for. */
  begin(): void {
    this.#running++;
  }

  end(count = 1): void {
    this.#running -= count;
    if (this.#running === 0) this.#lastIsDone?.();
  }

  /** What close() waits for. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  /** Runs `release` when the last is done; only once, however often it is asked for. */
  close(release: () => Promise<void>): Promise<void> {
    this.#closed ??= this.#close(release);
    return this.#closed;
  }

  async #close(release: () => Promise<void>): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#lastIsDone = resolve;
      });
      await nextTurn(); // the caller hears of it before it hears of the end
    }
    await release();
  }
}
