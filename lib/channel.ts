// Queues in front of the native channels: one work item in flight each, and what is asked meanwhile
// travels together in the next.

import { Gathering } from './gathering.js';
import type { Asker, Outcomes, Waiting } from './gathering.js';
import { NOT_SENT, NO_ANSWER, NativeFailure } from './native.js';
import type {
  Addon,
  NativeChannel,
  NativeConnectionList,
  NativeRecords,
  Outcome,
} from './native.js';
import { Command } from './records.js';
import type {
  Change,
  ConnectionFilter,
  Counter,
  DaemonRecord,
  DestinationId,
  DestinationRecord,
  Request,
  ServiceId,
  ServiceRecord,
} from './records.js';
import { Queue } from './queue.js';
import { Requests } from './requests.js';
import { Records } from './rows.js';
import { tableOf } from './table.js';
import type { Table, WantedService } from './table.js';
import { isLate, onAbort, whenLate } from './waiting.js';
import type { Limits } from './waiting.js';

/** So many requests travel together at most. */
const LARGEST_FLIGHT = 1024;

/** So many buffers of gathered changes are kept for the next: two take turns. */
const MOST_SPARE = 2;

/** A call's own request. */
interface Single extends Waiting {
  readonly request: Request;
}

/** Many at once, which travel by themselves. */
interface Many extends Waiting {
  readonly requests: Requests;
}

// Not less than a flight for what has to travel by itself.
function sizeOf(waiting: Single | Many): number {
  if ('request' in waiting) return 1;
  return waiting instanceof Gathering ? waiting.requests.count : LARGEST_FLIGHT;
}

/** Commands with an answer each, carried out in the order in which they were asked. */
export class CommandChannel {
  readonly #native: NativeChannel;
  readonly #timeout: number;
  readonly #requests = new Requests();
  // performance.now() and native code count from different moments. Where the clock is a system call,
  // looking at it twice for each request is felt.
  readonly #epoch: number;
  #waiting: (Single | Many)[] = [];
  #flight: readonly (Single | Many)[] = [];
  readonly #spare: Gathering[] = [];
  #alarm: { readonly deadline: number; readonly stop: () => void } | undefined;
  #asked = 0;
  #answered = 0;
  #watching: { readonly until: number; readonly resolve: () => void }[] = [];

  constructor(native: NativeChannel, timeout: number) {
    this.#native = native;
    this.#timeout = timeout;
    this.#epoch = native.now() - performance.now();
  }

  /** A change that nothing but time can end. It is looked at before this returns, not later. */
  gather(change: Change, asker: Asker): Promise<void> {
    const last = this.#waiting.at(-1);
    if (last instanceof Gathering && last.isOpen()) return last.add(change);
    const now = performance.now();
    const gathering = this.#spare.pop() ?? new Gathering(asker);
    gathering.begin(now, this.#timeout);
    const answer = gathering.add(change);
    this.#enqueue(gathering, now);
    return answer;
  }

  request(request: Request, { deadline, cancellation }: Limits = {}): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      let settle = resolve as Single['settle'];
      if (cancellation !== undefined) {
        if (cancellation.signal.aborted) {
          reject(cancellation.error(false));
          return;
        }
        const stop = onAbort(cancellation.signal, () => {
          const sent = waiting.state === 'sent';
          if (!sent) waiting.state = 'cancelled';
          reject(cancellation.error(sent));
        });
        settle = (outcome) => {
          stop();
          resolve(outcome as Outcome);
        };
      }
      const now = performance.now();
      const waiting: Single = {
        request,
        deadline: deadline ?? now + this.#timeout,
        settle,
        state: 'waiting',
      };
      this.#enqueue(waiting, now);
    });
  }

  /** Many requests at once, which must not be touched before the answer. */
  bulk(requests: Requests): Promise<Outcomes> {
    return new Promise((resolve) => {
      const now = performance.now();
      const deadline = now + this.#timeout;
      const settle = resolve as Many['settle'];
      this.#enqueue({ requests, deadline, settle, state: 'waiting' }, now);
    });
  }

  #enqueue(waiting: Single | Many, now: number): void {
    this.#asked++;
    this.#waiting.push(waiting);
    if (this.#alarm === undefined || waiting.deadline < this.#alarm.deadline) {
      this.#setAlarm(waiting.deadline);
    }
    if (this.#flight.length === 0) this.#landed(this.#fly(now));
  }

  /** Resolves when everything asked so far has its answer. */
  async settled(): Promise<void> {
    const until = this.#asked;
    if (this.#answered < until) {
      await new Promise<void>((resolve) => this.#watching.push({ until, resolve }));
    }
  }

  close(): void {
    this.#stopAlarm();
    this.#native.close();
  }

  /** Sends what waits; returns how many in front of that ended without being sent. */
  #fly(now: number): number {
    const flight: (Single | Many)[] = [];
    let size = 0;
    let taken = 0;
    let ended = 0;
    for (const waiting of this.#waiting) {
      const flies = waiting.state === 'waiting' && waiting.deadline > now;
      if (flies && size > 0 && size + sizeOf(waiting) > LARGEST_FLIGHT) break;
      taken++;
      if (flies) {
        waiting.state = 'sent';
        flight.push(waiting);
        size += sizeOf(waiting);
        continue;
      }
      if (waiting.state === 'waiting') waiting.settle(NOT_SENT);
      if (flight.length === 0) ended++;
    }
    this.#waiting.splice(0, taken);
    if (flight.length === 0) return ended;
    this.#flight = flight;
    const requests = this.#written(flight);
    // Who has less time than others does not take theirs: the alarm ends it by itself.
    const deadline = flight.reduce((most, each) => Math.max(most, each.deadline), 0);
    this.#native.exchange(requests.bytes, requests.count, deadline + this.#epoch, (outcomes) => {
      this.#flight = [];
      // The kernel works while these settle.
      const late = this.#waiting.length > 0 ? this.#fly(performance.now()) : 0;
      this.#settle(flight, outcomes);
      this.#landed(taken - ended + late);
    });
    return ended;
  }

  #settle(flight: readonly (Single | Many)[], outcomes: readonly Outcome[] | undefined): void {
    let at = 0;
    for (const each of flight) {
      const end = at + sizeOf(each);
      if (each.state !== 'late') {
        if ('request' in each) each.settle(outcomes?.[at]);
        else each.settle(flight.length === 1 ? outcomes : outcomes?.slice(at, end));
      }
      if (each instanceof Gathering && this.#spare.length < MOST_SPARE) this.#spare.push(each);
      at = end;
    }
  }

  #written(flight: readonly (Single | Many)[]): Requests {
    const [first] = flight;
    if (flight.length === 1 && first !== undefined && 'requests' in first) return first.requests;
    this.#requests.clear();
    for (const each of flight) {
      if ('request' in each) this.#requests.add(each.request);
      else for (const change of each.requests.changes()) this.#requests.add(change);
    }
    return this.#requests;
  }

  // One timer for all that is open. It is left to run when nothing is, because most requests are
  // answered at once, and does not keep a handle that is forgotten.
  #setAlarm(deadline: number): void {
    this.#stopAlarm();
    const self = new WeakRef(this);
    const stop = whenLate(deadline, () => {
      const channel = self.deref();
      if (channel !== undefined) channel.#endLate();
    });
    this.#alarm = { deadline, stop };
  }

  #stopAlarm(): void {
    this.#alarm?.stop();
    this.#alarm = undefined;
  }

  #endLate(): void {
    this.#alarm = undefined;
    let next = Infinity;
    for (const waiting of [...this.#flight, ...this.#waiting]) {
      const { state, deadline } = waiting;
      if (state !== 'sent' && state !== 'waiting') continue;
      if (!isLate(deadline)) {
        next = Math.min(next, deadline);
        continue;
      }
      waiting.state = 'late';
      waiting.settle(state === 'sent' ? NO_ANSWER : NOT_SENT);
    }
    if (next < Infinity) this.#setAlarm(next);
  }

  #landed(count: number): void {
    this.#answered += count;
    while (this.#watching[0] !== undefined && this.#watching[0].until <= this.#answered) {
      this.#watching.shift()?.resolve();
    }
  }
}

/** Dumps, one after the other, on a socket of their own. */
export class DumpChannel {
  readonly #native: NativeChannel;
  readonly #timeout: number;
  readonly #requests = new Requests();
  readonly #inOrder = new Queue();

  constructor(native: NativeChannel, timeout: number) {
    this.#native = native;
    this.#timeout = timeout;
  }

  services(
    bigint: boolean,
    limits?: Limits,
  ): Promise<Records<ServiceRecord<Counter>> | NativeFailure> {
    return this.#dump({ command: Command.getService }, limits, (native) =>
      Records.services(native as NativeRecords, bigint),
    );
  }

  /** All of a service, or the one that is named. */
  destinations(
    service: ServiceId,
    destination: DestinationId | undefined,
    bigint: boolean,
    limits?: Limits,
  ): Promise<Records<DestinationRecord<Counter>> | NativeFailure> {
    const request = {
      command: Command.getDestination,
      service,
      ...(destination && { destination }),
    };
    return this.#dump(request, limits, (native) =>
      Records.destinations(native as NativeRecords, bigint),
    );
  }

  daemons(limits?: Limits): Promise<readonly DaemonRecord[] | NativeFailure> {
    return this.#dump(
      { command: Command.getDaemon },
      limits,
      (native) => native as readonly DaemonRecord[],
    );
  }

  /** All services with all their destinations. */
  table(settle: boolean, bigint: boolean, limits?: Limits): Promise<Table | NativeFailure> {
    return this.#queue(limits, (rest, done) => {
      this.#native.table(settle, rest, (failure, table) => {
        done(failure ?? tableOf(table, bigint));
      });
    });
  }

  /**
   * Just these services, in this order, with the destinations that are named of them, in any; the count
   * of a service that is not there is ABSENT.
   */
  servicesNamed(
    services: readonly WantedService[],
    limits?: Limits,
  ): Promise<Table | NativeFailure> {
    return this.#queue(limits, (rest, done) => {
      this.#requests.clear();
      for (const { service, destinations } of services) {
        if (destinations.length === 0) this.#requests.add({ command: Command.getService, service });
        for (const destination of destinations) {
          this.#requests.add({ command: Command.getDestination, service, destination });
        }
      }
      this.#native.services(this.#requests.bytes, rest, (failure, table) => {
        done(failure ?? tableOf(table, false));
      });
    });
  }

  #dump<Result>(
    request: Request,
    limits: Limits | undefined,
    convert: (native: NativeRecords | readonly DaemonRecord[]) => Result,
  ): Promise<Result | NativeFailure> {
    return this.#queue(limits, (rest, done) => {
      this.#requests.clear();
      this.#requests.add(request);
      this.#native.dump(this.#requests.bytes, rest, (failure, native) => {
        done(failure ?? convert(native));
      });
    });
  }

  /** Resolves when everything asked so far has its answer. */
  settled(): Promise<void> {
    return this.#inOrder.settled();
  }

  close(): void {
    this.#native.close();
  }

  #queue<Result>(
    { deadline = performance.now() + this.#timeout, cancellation }: Limits = {},
    start: (rest: number, done: (result: Result | NativeFailure) => void) => void,
  ): Promise<Result | NativeFailure> {
    return this.#inOrder.run({ deadline, cancellation }, start);
  }
}

/** Files of /proc, as the handle's network namespace shows them. */
class ProcFiles {
  readonly #native: NativeChannel;
  readonly #addon: Addon;

  constructor(native: NativeChannel, addon: Addon) {
    this.#native = native;
    this.#addon = addon;
  }

  read(path: string): Promise<string | NativeFailure> {
    return new Promise((resolve) => {
      this.#native.readFile(path, (failure, text) => {
        resolve(failure ?? text);
      });
    });
  }

  list(folder: string): Promise<string[] | NativeFailure> {
    return new Promise((resolve) => {
      this.#native.listFolder(folder, (failure, names) => {
        resolve(failure ?? names);
      });
    });
  }

  connections(path: string, hasOrigin: boolean, filter: ConnectionFilter): NativeConnectionList {
    return new this.#addon.ConnectionList(this.#native, path, hasOrigin, filter);
  }
}

/** Where a handle's sockets live. */
export interface Place {
  /** The file of a network namespace, null for a new one, undefined for the process's own. */
  readonly netns: string | null | undefined;
  /** Who answers in place of the kernel: for tests of faults that the kernel does not produce. */
  readonly peer?: { readonly protocol: number; readonly port: number } | undefined;
}

/** All that a handle talks through. */
export class Channels {
  readonly commands: CommandChannel;
  readonly dumps: DumpChannel;
  readonly files: ProcFiles;
  /** How long a call may take, in milliseconds. */
  readonly timeout: number;

  private constructor(
    addon: Addon,
    commands: NativeChannel,
    dumps: NativeChannel,
    timeout: number,
  ) {
    this.timeout = timeout;
    this.commands = new CommandChannel(commands, timeout);
    this.dumps = new DumpChannel(dumps, timeout);
    this.files = new ProcFiles(commands, addon);
  }

  /** In the process's own network namespace. The sockets open when they are first used. */
  static unopened(addon: Addon, timeout: number): Channels {
    return new Channels(addon, new addon.Channel(undefined), new addon.Channel(undefined), timeout);
  }

  static async open(
    addon: Addon,
    { netns, peer }: Place,
    timeout: number,
  ): Promise<Channels | NativeFailure> {
    const commands = new addon.Channel(netns, peer?.protocol, peer?.port);
    const failure = await new Promise<NativeFailure | undefined>((done) => {
      commands.open(done);
    });
    if (failure !== undefined) {
      commands.close();
      return failure;
    }
    const dumps = new addon.Channel(commands, peer?.protocol, peer?.port);
    return new Channels(addon, commands, dumps, timeout);
  }

  /** Resolves when everything asked so far has its answer. */
  async settled(): Promise<void> {
    await Promise.all([this.commands.settled(), this.dumps.settled()]);
  }

  close(): void {
    this.commands.close();
    this.dumps.close();
  }
}
