// Order for what takes several requests: an update reads before it writes, and nothing that is asked
// of the same service later may slip in between.

export class Turns {
  readonly #tails = new Map<string, Promise<unknown>>();

  /**
   * Runs `work` when everything that was asked of `key` before and holds its turn is done; at once
   * where there is nothing. `hold`: what comes later waits for this too.
   */
  take<T>(key: () => string, hold: boolean, work: () => Promise<T>): Promise<T> {
    // The usual case: a single request, which the channel keeps in order by itself.
    if (!hold && this.#tails.size === 0) return work();
    const name = key();
    const before = this.#tails.get(name);
    if (before === undefined && !hold) return work();
    const mine = before === undefined ? work() : before.then(work);
    const tail = mine.then(nothing, nothing);
    this.#tails.set(name, tail);
    void tail.then(() => {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    });
    return mine;
  }

  /** Resolves when everything that holds a turn now is done. */
  async all(): Promise<void> {
    if (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}

const nothing = (): undefined => undefined;
