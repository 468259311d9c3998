// Queues in front of the native channels: one work item in flight each, and what is asked meanwhile
// travels together in the next.

import { Fault, NativeFailure, Rows, rowOf } from './native.js';
import type { Addon, NativeChannel, Outcome, Records, Request } from './native.js';

/** So many requests travel in one datagram at most. */
const LARGEST_BATCH = 128;

interface Waiting {
  readonly settle: (outcome: Outcome) => void;
  /** When it is too late to send it, as performance.now() counts. */
  readonly deadline: number;
}

/** Commands with an answer each, carried out in the order in which they were asked. */
export class CommandChannel {
  readonly #native: NativeChannel;
  readonly #timeout: number;
  readonly #rows = new Rows();
  #waiting: Waiting[] = [];
  #flying: Waiting[] = [];
  #asked = 0;
  #answered = 0;
  #watching: { readonly until: number; readonly resolve: () => void }[] = [];

  constructor(native: NativeChannel, timeout: number) {
    this.#native = native;
    this.#timeout = timeout;
  }

  request(request: Request): Promise<Outcome> {
    this.#rows.push(request);
    this.#asked++;
    return new Promise((settle) => {
      this.#waiting.push({ settle, deadline: performance.now() + this.#timeout });
      if (this.#flying.length === 0) this.#fly();
    });
  }

  /** Resolves when everything asked so far has its answer. */
  async settled(): Promise<void> {
    const until = this.#asked;
    if (this.#answered < until) {
      await new Promise<void>((resolve) => this.#watching.push({ until, resolve }));
    }
  }

  #fly(): void {
    // All wait equally long, so those that are late stand in front.
    const now = performance.now();
    const late = this.#waiting.findIndex(({ deadline }) => deadline > now);
    if (late !== 0) this.#giveUp(late < 0 ? this.#waiting.length : late);
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#flying = this.#waiting.splice(0, LARGEST_BATCH);
    const count = this.#flying.length;
    const rest = Math.ceil(first.deadline - now);
    this.#native.exchange(this.#rows.shift(count), count, rest, (outcomes) => {
      const landed = this.#flying;
      this.#flying = [];
      this.#fly(); // the kernel works on the next while these are settled
      this.#settle(landed, outcomes);
    });
  }

  #giveUp(count: number): void {
    if (count === 0) return;
    this.#rows.shift(count);
    const failure = new NativeFailure(Fault.notSent, 0, '', '');
    this.#settle(this.#waiting.splice(0, count), new Array<Outcome>(count).fill(failure));
  }

  #settle(landed: readonly Waiting[], outcomes: readonly Outcome[] | undefined): void {
    landed.forEach(({ settle }, index) => settle(outcomes?.[index]));
    this.#answered += landed.length;
    while (this.#watching[0] !== undefined && this.#watching[0].until <= this.#answered) {
      this.#watching.shift()?.resolve();
    }
  }
}

/** Dumps, one after the other, on a socket of their own. */
export class DumpChannel {
  readonly #native: NativeChannel;
  readonly #timeout: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(native: NativeChannel, timeout: number) {
    this.#native = native;
    this.#timeout = timeout;
  }

  dump<Item>(request: Request): Promise<Records<Item> | NativeFailure> {
    const deadline = performance.now() + this.#timeout;
    const mine = this.#last.then(() => this.#run<Item>(request, deadline));
    this.#last = mine;
    return mine;
  }

  #run<Item>(request: Request, deadline: number): Promise<Records<Item> | NativeFailure> {
    const rest = Math.ceil(deadline - performance.now());
    if (rest <= 0) return Promise.resolve(new NativeFailure(Fault.notSent, 0, '', ''));
    return new Promise((resolve) => {
      this.#native.dump(rowOf(request), rest, (failure, records) => {
        resolve(failure ?? (records as Records<Item>));
      });
    });
  }
}

/** The two channels of a handle. */
export class Channels {
  readonly commands: CommandChannel;
  readonly dumps: DumpChannel;
  readonly #natives: readonly NativeChannel[];

  private constructor(commands: NativeChannel, dumps: NativeChannel, timeout: number) {
    this.#natives = [commands, dumps];
    this.commands = new CommandChannel(commands, timeout);
    this.dumps = new DumpChannel(dumps, timeout);
  }

  /** In the process's own network namespace. Their sockets open when they are first used. */
  static unopened(addon: Addon, timeout: number): Channels {
    return new Channels(new addon.Channel(undefined), new addon.Channel(undefined), timeout);
  }

  /** In the namespace of the file `netns`, or the process's own. */
  static async open(
    addon: Addon,
    netns: string | undefined,
    timeout: number,
  ): Promise<Channels | NativeFailure> {
    const commands = new addon.Channel(netns);
    const failure = await new Promise<NativeFailure | undefined>((done) => commands.open(done));
    if (failure === undefined) return new Channels(commands, new addon.Channel(commands), timeout);
    commands.close();
    return failure;
  }

  close(): void {
    for (const native of this.#natives) native.close();
  }
}
