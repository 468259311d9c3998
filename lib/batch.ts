// Many changes with one call: all are checked before the first is sent, in portions.

import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatAddress } from './address.js';
import { sameDestination, sameService } from './compare.js';
import { AbortError, IpvsError } from './errors.js';
import { changes } from './explain.js';
import type { Explainer } from './explain.js';
import type { Outcomes } from './gathering.js';
import { Fault, NativeFailure } from './native.js';
import { OperationReader, nameOfChange } from './operations.js';
import type { Merge, Present, Step } from './operations.js';
import { Command } from './records.js';
import type { Change, DestinationId, DestinationRecord, ServiceRecord } from './records.js';
import { Requests } from './requests.js';
import { overtaken, refusal, subjectOf } from './session.js';
import type { Call, Session } from './session.js';
import { readTable } from './table.js';
import type { Table, WantedService } from './table.js';
import { serviceName } from './turns.js';
import type { BatchProgress, Outcome } from './types.js';

const { ENOBUFS, ENOENT, ESRCH } = constants.errno;

/** So many operations go to native code at a time. */
const PORTION = 4096;

/** A stretch of work after which others get the thread, in milliseconds. */
const STRETCH = 4;

/** So many steps are taken before the clock is looked at: that may cost more than the step. */
const STEPS = 64;

/** Operations in a row that are sent as they are, written already. */
interface PlainPortion {
  readonly first: number;
  readonly requests: Requests;
}

/** Operations in a row that look at what is there first. */
interface MergePortion {
  readonly first: number;
  readonly steps: Merge[];
}

type Portion = PlainPortion | MergePortion;

/** One of those, with its place in the batch. */
interface Place {
  readonly index: number;
  readonly step: Merge;
}

/** One operation as it was sent, or was to be. */
interface Sent {
  readonly index: number;
  /** As errors name it. */
  readonly name: string;
  readonly request: Change;
}

type Failed = Sent & { readonly failure: NativeFailure };

/** Reads and checks all operations; others have the thread meanwhile. Throws where one is wrong. */
export async function prepare(operations: readonly unknown[]): Promise<Portion[]> {
  const portions: Portion[] = [];
  const reader = new OperationReader();
  let end = performance.now() + STRETCH;
  for (let index = 0; index < operations.length; index++) {
    if (index % STEPS === STEPS - 1 && performance.now() > end) {
      await nextTurn();
      end = performance.now() + STRETCH;
    }
    append(portions, reader.readAt(index, operations[index]), index, operations.length);
  }
  return portions;
}

// Buffers that are used again, about a megabyte: to touch memory for the first time takes longer than
// to write into it.
const SPARE: Requests[] = [];
const MOST_SPARE = 4;

function recycle(requests: Requests): void {
  if (requests.count < PORTION / 4 || SPARE.length === MOST_SPARE) return;
  requests.clear();
  SPARE.push(requests);
}

function append(portions: Portion[], step: Step, first: number, total: number): void {
  const last = portions.at(-1);
  if (!('merge' in step)) {
    const fits = last !== undefined && 'requests' in last && last.requests.count < PORTION;
    // Room for many only where many are likely: kinds that alternate make a portion each.
    const full = last !== undefined && 'requests' in last;
    const expected = first === 0 || full ? Math.min(PORTION, total - first) : 0;
    const requests = fits
      ? last.requests
      : ((expected > 0 ? SPARE.pop() : undefined) ?? new Requests(expected));
    requests.add(step);
    if (!fits) portions.push({ first, requests });
  } else if (last !== undefined && 'steps' in last && last.steps.length < PORTION) {
    last.steps.push(step);
  } else {
    portions.push({ first, steps: [step] });
  }
}

/** A batch on its way. */
export class Batch {
  readonly #session: Session;
  // Without the signal: what has begun is brought to its end, so that its outcome is known.
  readonly #call: Call;
  readonly #signal: AbortSignal | undefined;
  readonly #onProgress: ((progress: BatchProgress) => void) | undefined;
  readonly #outcomes: Outcome[];
  #explainer: Explainer;
  #turnEnds = 0;
  #done = 0;
  // After this nothing more is sent: it would only meet the same.
  #stopped: NativeFailure | undefined;

  constructor(
    session: Session,
    { command, signal }: Call,
    total: number,
    onProgress: ((progress: BatchProgress) => void) | undefined,
  ) {
    this.#session = session;
    this.#call = { command };
    this.#explainer = session.explainer(undefined);
    this.#signal = signal;
    this.#onProgress = onProgress;
    this.#outcomes = new Array<Outcome>(total).fill(undefined);
  }

  async run(portions: readonly Portion[]): Promise<Outcome[]> {
    for (const portion of portions) {
      this.#endIfAborted();
      // Each portion has the time of a call.
      const deadline = performance.now() + this.#session.channels.timeout;
      this.#call.deadline = deadline;
      // What is not sent any more has one reason.
      if (this.#stopped === undefined) this.#explainer = this.#session.explainer(deadline);
      if ('requests' in portion) await this.#sendPlain(portion);
      else await this.#sendMerged(portion);
      this.#report();
    }
    return this.#outcomes;
  }

  // What the listener throws is its own affair, and no reason to leave the rest undone.
  #report(): void {
    try {
      this.#onProgress?.({ done: this.#done, total: this.#outcomes.length });
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #endIfAborted(): void {
    if (!this.#signal?.aborted) return;
    const done = this.#outcomes.slice(0, this.#done);
    throw new AbortError(subjectOf(this.#call), done.length > 0, this.#signal.reason, done);
  }

  async #sendPlain({ first, requests }: PlainPortion): Promise<void> {
    const { count } = requests;
    const outcomes = this.#stopped ?? (await this.#session.channels.commands.bulk(requests));
    if (outcomes !== undefined) {
      const sent = await this.#written(requests, first);
      await this.#explain(failedOf(sent, outcomes), sent);
    }
    // After a failure of all it may still be on its way.
    if (!(outcomes instanceof NativeFailure)) recycle(requests);
    this.#done += count;
  }

  /** Plain operations as they were written: nothing else of them is kept. */
  async #written(requests: Requests, first: number): Promise<Sent[]> {
    const sent: Sent[] = [];
    for (const request of requests.changes()) {
      const index = first + sent.length;
      await this.#breathe(index);
      sent.push({ index, name: nameOfChange(request.command), request });
    }
    return sent;
  }

  async #sendMerged({ first, steps }: MergePortion): Promise<void> {
    for (let begin = 0; begin < steps.length;) {
      this.#endIfAborted();
      const end = begin + independent(steps, begin);
      const group = steps
        .slice(begin, end)
        .map((step, at) => ({ index: first + begin + at, step }));
      await this.#mergeGroup(group);
      this.#done += end - begin;
      begin = end;
    }
  }

  /** Operations none of which changes what another one looks at. */
  async #mergeGroup(group: readonly Place[]): Promise<void> {
    let rest = group;
    for (let attempt = 1; rest.length > 0; attempt++) {
      const sent = await this.#decide(rest);
      const requests = new Requests();
      for (const { request } of sent) requests.add(request);
      const outcomes =
        requests.count === 0 ? undefined : await this.#session.channels.commands.bulk(requests);
      const failed = failedOf(sent, outcomes);
      // Somebody else added or removed what was to be ensured: it is looked at again.
      const again = new Set(
        failed
          .filter(({ failure, request }) => attempt < ATTEMPTS && overtaken(failure, request))
          .map(({ index }) => index),
      );
      rest = rest.filter(({ index, step }) => step.add !== undefined && again.has(index));
      const once = new Set(rest.map(({ index }) => index));
      await this.#explain(failed.filter(({ index }) => !once.has(index)));
    }
  }

  /** What has to be sent, in view of what is there; other outcomes are settled at once. */
  async #decide(group: readonly Place[]): Promise<Sent[]> {
    const steps = group.map(({ step }) => step);
    const look = this.#stopped ?? (await Look.at(this.#session, this.#call, steps));
    if (look instanceof NativeFailure) {
      await this.#explain(group.map((each) => ({ ...lookedFor(each), failure: look })));
      return [];
    }
    const sent: Sent[] = [];
    const failed: Failed[] = [];
    for (const each of group) {
      const { index, step } = each;
      await this.#breathe(index);
      const present = look.present(step);
      const wanted = step.destination === undefined ? present : present?.destination;
      const canAdd = step.add !== undefined && (present !== undefined || !step.destination);
      if (wanted === undefined && !canAdd) {
        const failure = refusal(present === undefined ? ESRCH : ENOENT);
        failed.push({ ...lookedFor(each), failure });
        continue;
      }
      try {
        const request =
          present === undefined || wanted === undefined ? step.add : step.merge(present);
        if (request !== undefined) sent.push({ index, name: step.name, request });
      } catch (error) {
        // It contradicts what is there.
        this.#outcomes[index] = contradiction(callOf(lookedFor(each)), error);
      }
    }
    await this.#explain(failed);
    return sent;
  }

  /** `sent`: all that were sent with them, in order, where those may be about the same. */
  async #explain(failed: readonly Failed[], sent: readonly Sent[] = failed): Promise<void> {
    const lost = failed.some(({ failure, request }) => isLost(failure) && changes(request));
    const done = lost ? await this.#readBack(failed, sent) : undefined;
    const rest = done === undefined ? failed : failed.filter(({ index }) => !done.has(index));
    await Promise.all(
      rest.map(async (each) => {
        const verdict = await this.#explainer.verdict(each.failure, each.request);
        this.#outcomes[each.index] = new IpvsError(subjectOf(callOf(each)), verdict);
      }),
    );
    const stop = failed.find(({ failure }) => failure.fault !== Fault.refused && !isLost(failure));
    this.#stopped ??= stop && afterwards(stop.failure);
  }

  /** Before one of many: others get the thread now and then. */
  async #breathe(at: number): Promise<void> {
    if (at % STEPS !== STEPS - 1 || performance.now() < this.#turnEnds) return;
    await nextTurn();
    this.#turnEnds = performance.now() + STRETCH;
  }

  /**
   * The receive queue overran, so answers are lost, but not the way to the kernel: of what was meant
   * to be last for its service or destination it can be seen whether it is as it was to be.
   */
  async #readBack(failed: readonly Failed[], sent: readonly Sent[]): Promise<ReadonlySet<number>> {
    const done = new Set<number>();
    const lost = new Map<number, Change>();
    const refused = new Set<number>();
    for (const { index, request, failure } of failed) {
      if (failure.fault === Fault.refused) refused.add(index);
      if (isLost(failure)) lost.set(index, request);
    }
    const look = await Look.at(this.#session, this.#call, [...lost.values()]);
    if (look instanceof NativeFailure) return done; // it stays unknown
    const later = new Set<string>();
    for (const { index, request } of sent.toReversed()) {
      await this.#breathe(index);
      if (refused.has(index)) continue;
      const own = nameOf(request);
      const hidden = later.has(own) || later.has(serviceName(request.service));
      if (lost.has(index) && !hidden && look.isDone(request)) done.add(index);
      later.add(own);
    }
    return done;
  }
}

// An ensure method that is overtaken looks again so often.
const ATTEMPTS = 5;

const isLost = ({ fault, errno }: NativeFailure): boolean =>
  fault === Fault.noAnswer && errno === ENOBUFS;

const NOT_SENT_AFTER = new NativeFailure(
  Fault.notSent,
  0,
  '',
  'what became of an operation before it is not known',
);

/** What the operations after this one meet. */
function afterwards(failure: NativeFailure): NativeFailure {
  return failure.fault === Fault.noAnswer || failure.fault === Fault.malformed
    ? NOT_SENT_AFTER
    : failure;
}

function failedOf(sent: readonly Sent[], outcomes: Outcomes): Failed[] {
  if (outcomes === undefined) return [];
  return sent.flatMap((each, at) => {
    const failure = outcomes instanceof NativeFailure ? outcomes : outcomes[at];
    return failure instanceof NativeFailure ? [{ ...each, failure }] : [];
  });
}

const callOf = ({ name, request: { service, destination } }: Sent): Call => ({
  command: name,
  service,
  destination,
});

/** With the request that would look for what the operation is about. */
function lookedFor({ index, step: { name, service, destination } }: Place): Sent {
  const request =
    destination === undefined
      ? { command: Command.getService, service }
      : { command: Command.getDestination, service, destination };
  return { index, name, request };
}

function contradiction(call: Call, error: unknown): IpvsError {
  const { code, message } = error as Error & { code: string };
  return new IpvsError(subjectOf(call), { code, sentence: message, cause: error });
}

/** How many steps from `begin` on have nothing to do with each other. */
function independent(steps: readonly Merge[], begin: number): number {
  const concerned = new Map<string, Set<string> | undefined>();
  let end = begin;
  for (; end < steps.length; end++) {
    const step = steps[end];
    if (step === undefined) break;
    const service = serviceName(step.service);
    if (step.destination === undefined) {
      if (concerned.has(service)) break;
      concerned.set(service, undefined);
      continue;
    }
    const name = destinationName(step.destination);
    const destinations = concerned.get(service);
    if (destinations === undefined) {
      if (concerned.has(service)) break;
      concerned.set(service, new Set([name]));
    } else {
      if (destinations.has(name)) break;
      destinations.add(name);
    }
  }
  return end - begin;
}

/** One name for what it is about: a service, or a destination of it. */
function nameOf({ service, destination }: Step): string {
  const name = serviceName(service);
  return destination === undefined ? name : `${name} ${destinationName(destination)}`;
}

// An address has many spellings.
function destinationName({ address, port }: DestinationId): string {
  return `${formatAddress(address.family, address.bytes, 0)} ${port}`;
}

/** Services and destinations, as they were at one time. */
class Look {
  readonly #services = new Map<string, Present['service']>();
  readonly #destinations = new Map<string, DestinationRecord>();

  /** At all that these operations concern. */
  static async at(
    session: Session,
    call: Call,
    steps: readonly Step[],
  ): Promise<Look | NativeFailure> {
    const wanted = new Map<string, WantedService & { readonly destinations: DestinationId[] }>();
    for (const { service, destination } of steps) {
      const name = serviceName(service);
      const destinations = wanted.get(name)?.destinations ?? [];
      if (destination !== undefined) destinations.push(destination);
      wanted.set(name, { service, destinations });
    }
    const table = await session.servicesNamed(call, [...wanted.values()]);
    if (table instanceof NativeFailure) return table;
    const look = new Look();
    await look.#read([...wanted.keys()], table);
    return look;
  }

  async #read(names: readonly string[], table: Table): Promise<void> {
    let service: string;
    await readTable(table, {
      service: (record, index) => {
        service = names[index] ?? '';
        this.#services.set(service, { ...(record as ServiceRecord) });
      },
      destination: (record) => {
        const name = `${service} ${record.address} ${record.port}`;
        this.#destinations.set(name, { ...(record as DestinationRecord) });
      },
    });
  }

  present(step: Step): Present | undefined {
    const service = this.#services.get(serviceName(step.service));
    return service && { service, destination: this.#destinations.get(nameOf(step)) };
  }

  /** Whether all is as the request was to make it. */
  isDone(request: Change): boolean {
    const { serviceNumbers, destinationNumbers } = request;
    const present = this.present(request);
    switch (request.command) {
      case Command.newService:
      case Command.setService:
        return !!present && !!serviceNumbers && sameService(present.service, serviceNumbers);
      case Command.deleteService:
        return present === undefined;
      case Command.newDestination:
      case Command.setDestination:
        return (
          !!present?.destination &&
          !!destinationNumbers &&
          sameDestination(present.destination, destinationNumbers)
        );
      case Command.deleteDestination:
        return present?.destination === undefined;
      default:
        return false;
    }
  }
}
