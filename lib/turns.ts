// Order for what takes several requests: an update reads before it writes, and nothing that is asked
// of the same service later may slip in between.

import { formatAddress } from './address.js';
import type { DestinationId, ServiceId } from './records.js';

/** One name for each service. */
export function serviceName({ family, protocol, address, port, fwmark }: ServiceId): string {
  if (address === undefined) return `${family} ${fwmark}`;
  return `${protocol} ${formatAddress(family, address.bytes, 0)} ${port}`;
}

/** One name for each destination of a service: an address has many spellings. */
export function destinationName({ address, port }: DestinationId): string {
  return `${formatAddress(address.family, address.bytes, 0)} ${port}`;
}

export class Turns {
  // Who holds the turn of a service, or comes last of those who wait for it.
  readonly #tails = new Map<string, Promise<unknown>>();
  // The same for what concerns all services at once.
  #whole: Promise<unknown> | undefined;

  /** Whether nobody has a turn, or waits for one. */
  get free(): boolean {
    return this.#tails.size === 0 && this.#whole === undefined;
  }

  /**
   * Runs `work` when everything that was asked of `key` before and holds its turn is done; at once
   * where there is nothing. `hold`: what comes later waits for this too.
   */
  take<T>(key: () => string, hold: boolean, work: () => Promise<T>): Promise<T> {
    // The usual case: a single request, which the channel keeps in order by itself.
    if (!hold && this.free) return work();
    const name = key();
    const before = this.#tails.get(name) ?? this.#whole;
    if (before === undefined && !hold) return work();
    const mine = before === undefined ? work() : before.then(work);
    const tail = mine.then(nothing, nothing);
    this.#tails.set(name, tail);
    void tail.then(() => {
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    });
    return mine;
  }

  /** Runs `work` when everything that holds a turn now is done. Nothing waits for it. */
  afterAll<T>(work: () => Promise<T>): Promise<T> {
    const before = [...this.#tails.values(), ...(this.#whole ? [this.#whole] : [])];
    return before.length === 0 ? work() : Promise.all(before).then(work);
  }

  /**
   * The same for what changes all services: where it waits, all later turns wait for it, and with
   * `hold` in any case.
   */
  takeAll<T>(work: () => Promise<T>, hold = false): Promise<T> {
    if (!hold && this.free) return work();
    const mine = this.afterAll(work);
    const whole = mine.then(nothing, nothing);
    this.#whole = whole;
    this.#tails.clear(); // whoever comes waits for `whole`, which waits for these
    void whole.then(() => {
      if (this.#whole === whole) this.#whole = undefined;
    });
    return mine;
  }
}

const nothing = (): undefined => undefined;
