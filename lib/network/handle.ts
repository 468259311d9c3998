// What an open Network and an open Sysctl are made of: a native channel, used in order, by its
// deadlines, and not after close().

import { NetworkError } from '../errors.js';
import { whyNotOpened } from '../explain.js';
import { Lifetime } from '../lifetime.js';
import { loadAddon } from '../load.js';
import { NativeFailure } from '../native.js';
import { parseOpenOptions } from '../options.js';
import { Queue } from '../queue.js';
import { explain } from './explain.js';
import { FACTORIES } from './native.js';
import type { NativeNetwork, NetworkAddon } from './native.js';

/** What is asked. */
export interface Request {
  /** As errors name it: 'add address'. */
  readonly command: string;
  /** What it is about: '10.0.0.1/32 on eth0'. */
  readonly subject: string;
  /** Whether it changes anything. */
  readonly changes: boolean;
}

/** Starts native work, which has `rest` milliseconds. */
export type Start<Result> = (
  native: NativeNetwork,
  rest: number,
  done: (failure: NativeFailure | undefined, result?: Result) => void,
) => void;

let prepared: NetworkAddon | undefined;

function loadNetworkAddon(): NetworkAddon {
  if (prepared === undefined) {
    const addon = loadAddon() as unknown as NetworkAddon;
    addon.setNetworkFactories(FACTORIES);
    prepared = addon;
  }
  return prepared;
}

export class Handle {
  readonly #native: NativeNetwork;
  readonly #timeout: number;
  readonly #queue = new Queue();
  readonly #lifetime = new Lifetime();

  constructor(native: NativeNetwork, timeout: number) {
    this.#native = native;
    this.#timeout = timeout;
  }

  static async open(options: unknown): Promise<Handle> {
    const { netns, timeout } = parseOpenOptions(options);
    const native = new (loadNetworkAddon().NetworkChannel)(netns);
    const failure = await new Promise<NativeFailure | undefined>((done) => {
      native.open(done);
    });
    if (failure !== undefined) {
      native.close();
      throw new NetworkError('open', '', whyNotOpened(failure, netns));
    }
    return new Handle(native, timeout);
  }

  close(): Promise<void> {
    return this.#lifetime.close(async () => {
      // What nobody waits for any more, because it was late, ends too.
      await this.#queue.settled();
      this.#native.close();
    });
  }

  /** Every operation goes through here: after close() none begins, and close() waits for the last. */
  async track<Result>({ command, subject }: Request, work: () => Promise<Result>): Promise<Result> {
    if (this.#lifetime.isOver) {
      throw new NetworkError(command, subject, {
        code: 'ERR_IPVS_CLOSED',
        sentence: 'the handle is closed',
      });
    }
    return this.#lifetime.hold(work);
  }

  /** One request that is all there is to an operation. */
  request<Result>(request: Request, start: Start<Result>): Promise<Result> {
    return this.track(request, () => this.send(request, start));
  }

  /** One request, inside of an operation that is tracked. */
  async send<Result>(request: Request, start: Start<Result>): Promise<Result> {
    const outcome = await this.try(start);
    if (outcome instanceof NativeFailure) throw await explain(outcome, request, this.#timeout);
    return outcome;
  }

  /** The same, where a failure may mean something else than an error. */
  try<Result>(start: Start<Result>): Promise<Result | NativeFailure> {
    return this.#queue.run<Result>(
      { deadline: performance.now() + this.#timeout },
      (rest, done) => {
        start(this.#native, rest, (failure, result) => {
          done(failure ?? (result as Result));
        });
      },
    );
  }

  /** The error for a failure that turned out to be one. */
  explain(failure: NativeFailure, request: Request): Promise<NetworkError> {
    return explain(failure, request, this.#timeout);
  }
}
