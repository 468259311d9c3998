// Plain changes that many calls ask for at once: each is written into one buffer when it is asked for,
// and all of it travels together. A call costs a promise and nothing else, because memory is what
// thousands of them would be waiting for.

import { NativeFailure } from './native.js';
import type { Outcome } from './native.js';
import type { Change } from './records.js';
import { Requests } from './requests.js';

/** What came of many commands: one failure for all, an outcome each, or nothing but success. */
export type Outcomes = NativeFailure | readonly Outcome[] | undefined;

/** What waits for its turn to travel, or for its answer. */
export interface Waiting {
  /** When it is too late to send it, as performance.now() counts. */
  readonly deadline: number;
  state: 'waiting' | 'sent' | 'cancelled' | 'late';
  settle(outcomes: Outcome | Outcomes): void;
}

/** Who asks for the changes. */
export interface Asker {
  /** For failures that came together: rejects with what each of them meant. */
  failing(deadline: number): (change: Change, failure: NativeFailure) => Promise<never>;
  /** So many have their answers, or will have once what failed is explained. */
  answered(count: number): void;
}

const LARGEST = 1024;

// Calls that come later than that, in milliseconds, would share a deadline that is not theirs.
const OPEN_FOR = 50;

// So many that come in one turn of the event loop are taken to come at the same time: where the clock
// is a system call, looking at it is what each of them would cost.
const MOST_UNTIMED = 256;

type Answer = (result: undefined | Promise<never>) => void;

export class Gathering implements Waiting {
  readonly requests = new Requests();
  state: Waiting['state'] = 'waiting';
  readonly #asker: Asker;
  #answers: Answer[] = [];
  #deadline = 0;
  #timeout = 0;
  #closes = 0;
  #untimed = 0;
  #turnIsOpen = false;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  get deadline(): number {
    return this.#turnIsOpen ? performance.now() + this.#timeout : this.#deadline;
  }

  /** Empty, as it was made. */
  begin(now: number, timeout: number): void {
    this.#timeout = timeout;
    this.#deadline = now + timeout;
    this.#turnIsOpen = false;
    this.requests.clear();
    this.#answers = [];
    this.#closes = now + OPEN_FOR;
    this.#untimed = 0;
    this.state = 'waiting';
  }

  /** Whether one more may join. */
  isOpen(): boolean {
    if (this.state !== 'waiting' || this.#answers.length === LARGEST) return false;
    if (this.#untimed-- > 0) return true;
    const now = performance.now();
    if (now >= this.#closes) return false;
    this.#untimed = MOST_UNTIMED;
    if (!this.#turnIsOpen) {
      this.#turnIsOpen = true;
      setImmediate(this.#endTurn).unref();
    }
    return true;
  }

  // Nothing could be sent before, however long the caller has kept the event loop.
  readonly #endTurn = (): void => {
    this.#deadline = this.deadline;
    this.#turnIsOpen = false;
    this.#untimed = 0;
  };

  add(change: Change): Promise<undefined> {
    this.requests.add(change);
    return new Promise(this.#keep);
  }

  // One for all: a closure for each call would be as large as its promise.
  readonly #keep = (answer: Answer): void => {
    this.#answers.push(answer);
  };

  settle(outcomes: Outcomes): void {
    const answers = this.#answers;
    if (outcomes === undefined) {
      for (const answer of answers) answer(undefined);
    } else {
      const failed = this.#asker.failing(this.deadline);
      let index = 0;
      for (const change of this.requests.changes()) {
        const outcome = outcomes instanceof NativeFailure ? outcomes : outcomes[index];
        answers[index++]?.(outcome instanceof NativeFailure ? failed(change, outcome) : undefined);
      }
    }
    this.#asker.answered(answers.length);
  }
}
