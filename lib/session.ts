// How an operation is carried out on a handle: in its order among the others, with its errors
// explained, and not after close().

import { constants } from 'node:os';
import { formatAddress } from './address.js';
import type { Address } from './address.js';
import type { Channels } from './channel.js';
import type { Portion } from './connection-table.js';
import { AbortError, IpvsError } from './errors.js';
import type { Subject } from './errors.js';
import type { Explainer } from './explain.js';
import type { Asker } from './gathering.js';
import { Fault, NOT_SENT, NativeFailure } from './native.js';
import type { NativeConnectionList, Outcome, Reply } from './native.js';
import { lazy } from './lazy.js';
import { Lifetime } from './lifetime.js';
import { OperationReader, nameOfChange } from './operations.js';
import { parseCallOptions } from './options.js';
import { Command, changes } from './records.js';
import type {
  Change,
  Counter,
  DaemonNumbers,
  DaemonRecord,
  DestinationId,
  DestinationRecord,
  Request,
  ServiceId,
  ServiceRecord,
} from './records.js';
import { serviceOfRow } from './rows.js';
import type { Records } from './rows.js';
import type { Table, WantedService } from './table.js';
import { Turns, serviceName } from './turns.js';
import type { CallOptions, Ensured, Operation } from './types.js';
import { onAbort, waitFor, whenLate } from './waiting.js';
import type { Limits } from './waiting.js';
import { toServiceKey } from './words.js';

const { ENOENT, ESRCH, EEXIST } = constants.errno;

// Somebody else may add and remove what an ensure method looks at, but hardly this often.
const ENSURE_ATTEMPTS = 5;

// For a look at what became of a request whose deadline has passed, in milliseconds.
const LAST_LOOK = 500;

// For a request that names its daemon by the role alone.
const NO_DAEMON: DaemonNumbers = {
  role: 0,
  interface: '',
  syncId: 0,
  maxLength: 0,
  group: undefined,
  port: 0,
  ttl: 0,
};

/** One call of a method. */
export interface Call {
  /** As errors name it. */
  readonly command: string;
  readonly service?: ServiceId | undefined;
  readonly destination?: DestinationId | undefined;
  readonly signal?: AbortSignal | undefined;
  /** When it has to be over, as performance.now() counts: set when it starts. */
  deadline?: number | undefined;
}

/** A call about a service. */
export type ServiceCall = Call & { readonly service: ServiceId };

/** What an open handle is made of. */
export class Session implements Asker {
  readonly channels: Channels;
  readonly #reader = new OperationReader();
  readonly #turns = new Turns();
  readonly #lifetime = new Lifetime();

  constructor(channels: Channels) {
    this.channels = channels;
  }

  /** Closes the channels when everything that was asked is done. */
  close(): Promise<void> {
    return this.#lifetime.close(async () => {
      // What nobody waits for any more, because it was aborted, is carried out too.
      await this.channels.settled();
      this.channels.close();
    });
  }

  /** Every operation goes through here: after close() none begins, and close() waits for the last. */
  async track<T>(call: Call, work: () => Promise<T>): Promise<T> {
    if (this.#lifetime.isOver) {
      throw new IpvsError(subjectOf(call), {
        code: 'ERR_IPVS_CLOSED',
        sentence: 'the handle is closed',
      });
    }
    throwIfAborted(call);
    call.deadline = performance.now() + this.channels.timeout;
    return this.held(work);
  }

  /** What close() waits for. */
  held<T>(work: () => Promise<T>): Promise<T> {
    return this.#lifetime.hold(work);
  }

  /** A single request about a service, in its order among the others. */
  ordered<T>(call: ServiceCall, work: () => Promise<T>): Promise<T> {
    return this.#inOrder(call, work, (begin) =>
      this.#turns.take(() => serviceName(call.service), false, begin),
    );
  }

  /** Several requests that nothing asked later may slip into. */
  inTurn<T>(call: ServiceCall, work: () => Promise<T>): Promise<T> {
    return this.#inOrder(call, work, (begin) =>
      this.#turns.take(() => serviceName(call.service), true, begin),
    );
  }

  /** A look at all services. */
  overall<T>(call: Call, work: () => Promise<T>): Promise<T> {
    return this.#inOrder(call, work, (begin) => this.#turns.afterAll(begin));
  }

  /** What changes all services. */
  whole<T>(call: Call, work: () => Promise<T>): Promise<T> {
    return this.#inOrder(call, work, (begin) => this.#turns.takeAll(begin));
  }

  /** Several requests about all services, which nothing asked later may slip into. */
  alone<T>(call: Call, work: () => Promise<T>): Promise<T> {
    return this.#inOrder(call, work, (begin) => this.#turns.takeAll(begin, true));
  }

  // Who waits for a turn may be aborted meanwhile, or run out of time: the turn is taken all the same,
  // so that nobody overtakes those before, but nothing is done with it.
  #inOrder<T>(
    call: Call,
    work: () => Promise<T>,
    take: (begin: () => Promise<T>) => Promise<T>,
  ): Promise<T> {
    return this.track(call, () => {
      const { signal, deadline = Infinity } = call;
      if (signal === undefined && this.#turns.free) return take(work);
      return new Promise((resolve, reject) => {
        let over = false;
        const stopAbort =
          signal &&
          onAbort(signal, () => {
            stopAlarm();
            over = true;
            reject(abortError(call, false));
          });
        const stopAlarm = whenLate(deadline, () => {
          stopAbort?.();
          over = true;
          this.explain(call, { command: Command.getInfo }, NOT_SENT).then(reject, reject);
        });
        const begin = async (): Promise<T> => {
          stopAbort?.();
          stopAlarm();
          throwIfAborted(call);
          if (over) throw new Error('its time is over'); // nobody hears of it any more
          return work();
        };
        take(begin).then(resolve, reject);
      });
    });
  }

  // Resolves when all commands that were asked for so far have their answers, or it is too late.
  async #commandsSettled(call: Call): Promise<void> {
    throwIfAborted(call);
    const limits = limitsOf(call, { command: Command.getInfo });
    await waitFor(this.channels.commands.settled(), limits, undefined);
  }

  /** A plain change of a service, in its order among the others. */
  change(operation: Operation, options: CallOptions | undefined): Promise<void> {
    try {
      const change = this.#reader.read(operation) as Change;
      const { signal } = parseCallOptions(options);
      if (this.#lifetime.isOver || signal !== undefined || !this.#turns.free) {
        const own = copyOf(change);
        const call = { ...callOf(own), signal };
        return this.ordered(call, () => this.send(call, own)).then(nothing);
      }
      // The usual case, for many at once: nobody to wait for, and nothing but time that could end it.
      const answer = this.channels.commands.gather(change, this);
      this.#lifetime.begin();
      return answer;
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
      return Promise.reject(error);
    }
  }

  failing(deadline: number): (change: Change, failure: NativeFailure) => Promise<never> {
    const explainer = this.explainer(deadline);
    return (change, failure) =>
      this.held(async () => {
        const verdict = await explainer.verdict(failure, change);
        throw new IpvsError(subjectOf(callOf(change)), verdict);
      });
  }

  answered(count: number): void {
    this.#lifetime.end(count);
  }

  #request(call: Call, request: Request): Promise<Outcome> {
    return this.channels.commands.request(request, limitsOf(call, request));
  }

  /** Sends one request; rejects with what it meant where it failed. */
  async send(call: Call, request: Request): Promise<Reply> {
    const outcome = await this.#request(call, request);
    if (outcome instanceof NativeFailure) throw await this.explain(call, request, outcome);
    return outcome;
  }

  async readService<C extends Counter = number>(
    call: Call,
    service: ServiceId,
    bigint = false,
  ): Promise<ServiceRecord<C> | undefined> {
    const request: Request = { command: Command.getService, service };
    const outcome = await this.#request(call, request);
    if (!(outcome instanceof NativeFailure)) {
      return serviceOfRow(outcome as Uint8Array, bigint) as ServiceRecord<C>;
    }
    if (outcome.fault === Fault.refused && outcome.errno === ESRCH) return undefined;
    throw await this.explain(call, request, outcome);
  }

  /** The kernel can only list all destinations of a service; native code picks the one. */
  async readDestination<C extends Counter = number>(
    call: Call,
    service: ServiceId,
    destination: DestinationId,
    bigint = false,
  ): Promise<DestinationRecord<C> | undefined> {
    const records = await this.#destinations(call, service, destination, bigint);
    return records.take(1)[0] as DestinationRecord<C> | undefined;
  }

  destinations(
    call: Call,
    service: ServiceId,
    bigint: boolean,
  ): Promise<Records<DestinationRecord<Counter>>> {
    return this.#destinations(call, service, undefined, bigint);
  }

  #destinations(
    call: Call,
    service: ServiceId,
    destination: DestinationId | undefined,
    bigint: boolean,
  ): Promise<Records<DestinationRecord<Counter>>> {
    const request = {
      command: Command.getDestination,
      service,
      ...(destination && { destination }),
    };
    return this.#look(call, request, (limits) =>
      this.channels.dumps.destinations(service, destination, bigint, limits),
    );
  }

  services(call: Call, bigint: boolean): Promise<Records<ServiceRecord<Counter>>> {
    return this.#look(call, { command: Command.getService }, (limits) =>
      this.channels.dumps.services(bigint, limits),
    );
  }

  daemons(call: Call): Promise<readonly DaemonRecord[]> {
    return this.#look(call, { command: Command.getDaemon }, (limits) =>
      this.channels.dumps.daemons(limits),
    );
  }

  /** These services, and what is wanted of them; a failure is for the caller to explain. */
  async servicesNamed(
    call: Call,
    services: readonly WantedService[],
  ): Promise<Table | NativeFailure> {
    await this.#commandsSettled(call);
    const limits = limitsOf(call, { command: Command.getService });
    return this.channels.dumps.servicesNamed(services, limits);
  }

  /** All services with their destinations. */
  table(call: Call, settle: boolean, bigint: boolean): Promise<Table> {
    return this.#look(call, { command: Command.getService }, (limits) =>
      this.channels.dumps.table(settle, bigint, limits),
    );
  }

  /** Dumps have a socket of their own, so they wait for the changes that were asked for before. */
  async #look<Result>(
    call: Call,
    request: Request,
    dump: (limits: Limits) => Promise<Result | NativeFailure>,
  ): Promise<Result> {
    await this.#commandsSettled(call);
    const result = await dump(limitsOf(call, request));
    if (result instanceof NativeFailure) throw await this.explain(call, request, result);
    return result;
  }

  /**
   * Stops a sync daemon. One that is stopped before it ran is stopped without an answer
   * (netlink_rcv_skb leaves -EINTR unanswered): then it is looked whether it is gone.
   */
  async stopDaemon(call: Call, role: number): Promise<void> {
    const request: Request = { command: Command.deleteDaemon, daemon: { ...NO_DAEMON, role } };
    const outcome = await this.#request(call, request);
    if (!(outcome instanceof NativeFailure)) return;
    if (outcome.fault === Fault.noAnswer && (await this.#isStopped(role))) return;
    throw await this.explain(call, request, outcome);
  }

  // False where it can't be told. Not bound to the call: its deadline may have passed, and what was
  // sent is not taken back by an abort.
  async #isStopped(role: number): Promise<boolean> {
    const deadline = performance.now() + LAST_LOOK;
    const daemons = await this.channels.dumps.daemons({ deadline });
    if (daemons instanceof NativeFailure) return false;
    return !daemons.some((daemon) => daemon.role === role);
  }

  async readFile(call: Call, path: string): Promise<string> {
    const { files } = this.channels;
    return this.withModule(call, () => files.read(path));
  }

  readConnections(call: Call, list: NativeConnectionList, most: number): Promise<Portion> {
    return this.withModule(call, () => lazy.connectionTable().readPortion(list, most));
  }

  /** The files of IPVS are there while its module is loaded; asking for information loads it. */
  async withModule<T>(call: Call, read: () => Promise<T | NativeFailure>): Promise<T> {
    let result = await read();
    throwIfAborted(call);
    if (result instanceof NativeFailure && result.errno === ENOENT) {
      await this.send(call, { command: Command.getInfo });
      result = await read();
      throwIfAborted(call);
    }
    if (result instanceof NativeFailure) {
      throw await this.explain(call, { command: Command.getInfo }, result);
    }
    return result;
  }

  async ensure<Present>(
    call: Call,
    plan: {
      readonly read: () => Promise<Present | undefined>;
      readonly same: (present: Present) => boolean;
      readonly add: Request;
      readonly set: Request;
    },
  ): Promise<Ensured> {
    for (let attempt = 1; ; attempt++) {
      const present = await plan.read();
      if (present !== undefined && plan.same(present)) return 'unchanged';
      const request = present === undefined ? plan.add : plan.set;
      const outcome = await this.#request(call, request);
      if (!(outcome instanceof NativeFailure)) return present === undefined ? 'added' : 'updated';
      if (attempt === ENSURE_ATTEMPTS || !overtaken(outcome, request)) {
        throw await this.explain(call, request, outcome);
      }
    }
  }

  explain(call: Call, request: Request, failure: NativeFailure): Promise<IpvsError> {
    const { channels } = this;
    return lazy.explain().explain(failure, subjectOf(call), request, channels, call.deadline);
  }

  /** For failures that came together. */
  explainer(deadline: number | undefined): Explainer {
    const { Explainer } = lazy.explain();
    return new Explainer(this.channels, deadline);
  }

  missingService(call: Call, service: ServiceId): Promise<IpvsError> {
    const request: Request = { command: Command.getService, service };
    return this.explain(call, request, refusal(ESRCH));
  }

  async missingDestination(
    call: Call,
    service: ServiceId,
    destination: DestinationId,
  ): Promise<IpvsError> {
    const there = (await this.readService(call, service)) !== undefined;
    const request: Request = { command: Command.getDestination, service, destination };
    return this.explain(call, request, refusal(there ? ENOENT : ESRCH));
  }
}

// What is read next overwrites it.
function copyOf(change: Change): Change {
  const { destination, destinationNumbers } = change;
  return {
    ...change,
    ...(destination && {
      destination: {
        ...destination,
        address: { ...destination.address, bytes: [...destination.address.bytes] },
      },
    }),
    ...(destinationNumbers && { destinationNumbers: { ...destinationNumbers } }),
  };
}

const callOf = ({ command, service, destination }: Change): ServiceCall => ({
  command: nameOfChange(command),
  service,
  destination,
});

const nothing = (): void => undefined;

export function refusal(errno: number): NativeFailure {
  return new NativeFailure(Fault.refused, errno, '', '');
}

// Canonical, as everything that is read: of a plain change nothing else is kept.
export function subjectOf({ command, service, destination }: Call): Subject {
  return {
    command,
    service: service && toServiceKey({ ...service, address: textOf(service.address) }),
    destination: destination && {
      address: textOf(destination.address),
      port: destination.port,
    },
  };
}

const textOf = (address: Address | undefined): string =>
  address === undefined ? '' : formatAddress(address.family, address.bytes, 0);

function limitsOf(call: Call, request: Request): Limits {
  const { signal, deadline } = call;
  if (signal === undefined) return { deadline };
  const error = (sent: boolean) => abortError(call, sent && changes(request));
  return { deadline, cancellation: { signal, error } };
}

const abortError = (call: Call, sent: boolean): AbortError =>
  new AbortError(subjectOf(call), sent, call.signal?.reason);

export function throwIfAborted(call: Call): void {
  if (call.signal?.aborted) throw abortError(call, false);
}

/** Whether somebody added or removed it between our look and our request. */
export function overtaken(failure: NativeFailure, { command }: Request): boolean {
  if (failure.fault !== Fault.refused) return false;
  switch (command) {
    case Command.newService:
    case Command.newDestination:
      return failure.errno === EEXIST;
    case Command.setService:
      return failure.errno === ESRCH;
    default:
      return failure.errno === ENOENT;
  }
}
