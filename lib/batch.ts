// Many changes with one call: all are checked before the first is sent, in portions.

import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sameDestination, sameService } from './compare.js';
import { AbortError, IpvsError } from './errors.js';
import type { Explainer } from './explain.js';
import type { Outcomes } from './gathering.js';
import { Fault, NativeFailure } from './native.js';
import { OperationReader, keyOf, nameOfChange } from './operations.js';
import type { Merge, Present, Step } from './operations.js';
import { Command, changes } from './records.js';
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
const STEPS = 256;

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

/** What a group has to send. */
interface Decided {
  readonly requests: Requests;
  /** The same with their places. */
  readonly sent: Sent[];
  /** Which can't be decided before that is carried out. */
  readonly waiting: Set<number>;
}

/** What an operation is about, with names for it. */
type Concern = Pick<Merge, 'service' | 'owner' | 'key'> & {
  readonly destination?: DestinationId | undefined;
};

type Failed = Sent & { readonly failure: NativeFailure };

/** Reads and checks all operations; others have the thread meanwhile. Throws where one is wrong. */
export async function prepare(operations: readonly unknown[], total: number): Promise<Portion[]> {
  const portions: Portion[] = [];
  const reader = new OperationReader();
  let list = operations;
  let end = performance.now() + STRETCH;
  for (let index = 0; index < total; index++) {
    if (index % STEPS === STEPS - 1 && performance.now() > end) {
      // The caller may use its own for the next ones.
      if (list === operations) list = operations.slice(0, total);
      await nextTurn();
      end = performance.now() + STRETCH;
    }
    append(portions, reader.readAt(index, list[index]), index, total);
  }
  // To make room for the outcomes of a long list takes a while too.
  if (total > PORTION) await nextTurn();
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
  #explainer: Explainer | undefined;
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
    this.#signal = signal;
    this.#onProgress = onProgress;
    this.#outcomes = new Array<Outcome>(total).fill(undefined);
  }

  async run(portions: readonly Portion[]): Promise<Outcome[]> {
    for (const portion of portions) {
      if ('requests' in portion) await this.#sendPlain(portion);
      else await this.#sendMerged(portion);
      this.#report();
    }
    return this.#outcomes;
  }

  // Each group that travels together has the time of a call.
  #begin(): void {
    this.#endIfAborted();
    const deadline = performance.now() + this.#session.channels.timeout;
    this.#call.deadline = deadline;
    // What is not sent any more has one reason.
    if (this.#stopped === undefined) this.#explainer = undefined;
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
    this.#begin();
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
      if (this.#isLong(index)) await this.#breathe();
      sent.push({ index, name: nameOfChange(request.command), request });
    }
    return sent;
  }

  async #sendMerged({ first, steps }: MergePortion): Promise<void> {
    for (let begin = 0; begin < steps.length;) {
      this.#begin();
      const group = await this.#group(steps, begin, first);
      await this.#mergeGroup(group);
      this.#done += group.length;
      begin += group.length;
    }
  }

  /** The steps from `begin` on, as far as each is about something else. */
  async #group(steps: readonly Merge[], begin: number, first: number): Promise<Place[]> {
    const group: Place[] = [];
    const keys = new Set<string>();
    for (let at = begin; at < steps.length; at++) {
      if (this.#isLong(at)) await this.#breathe();
      const step = steps[at];
      if (step === undefined || keys.has(step.key)) break;
      keys.add(step.key);
      group.push({ index: first + at, step });
    }
    return group;
  }

  /** Operations each of which is about something else, though some may be of others' services. */
  async #mergeGroup(group: readonly Place[]): Promise<void> {
    let rest = group;
    for (let attempt = 1; rest.length > 0; attempt++) {
      const { requests, sent, waiting } = await this.#decide(rest);
      const outcomes =
        requests.count === 0 ? undefined : await this.#session.channels.commands.bulk(requests);
      if (outcomes === undefined && waiting.size === 0) return;
      const failed = failedOf(sent, outcomes);
      const again =
        attempt < ATTEMPTS ? await this.#doubtful(rest, sent, failed, waiting) : waiting;
      await this.#explain(failed.filter(({ index }) => !again.has(index)));
      rest = rest.filter(({ index }) => again.has(index));
      for (const { index } of rest) this.#outcomes[index] = undefined;
    }
  }

  /** Which of these operations have to look again, by their places. */
  async #doubtful(
    group: readonly Place[],
    sent: readonly Sent[],
    failed: readonly Failed[],
    waiting: ReadonlySet<number>,
  ): Promise<ReadonlySet<number>> {
    const again = new Set(waiting);
    const failures = new Map(failed.map(({ index, failure }) => [index, failure]));
    const requests = new Map(sent.map(({ index, request }) => [index, request]));
    const services = new Set<string>();
    for (const { index, step } of group) {
      if (this.#isLong(index)) await this.#breathe();
      const request = requests.get(index);
      const failure = failures.get(index);
      // Somebody else added or removed what was to be ensured, or it is not known what became of it:
      // then it may be repeated, as an update may.
      const ours =
        failure !== undefined &&
        request !== undefined &&
        (isLost(failure) || (step.add !== undefined && overtaken(failure, request)));
      if (ours && step.destination === undefined) services.add(step.owner);
      // What was decided about its destinations supposed that the service was there, or not.
      const done = request !== undefined && failure?.fault !== Fault.refused;
      if (ours || (step.destination !== undefined && services.has(step.owner) && !done)) {
        again.add(index);
      }
    }
    return again;
  }

  /** What has to be sent, in view of what is there; other outcomes are settled at once. */
  async #decide(group: readonly Place[]): Promise<Decided> {
    const decided: Decided = { requests: new Requests(), sent: [], waiting: new Set() };
    const { requests, sent, waiting } = decided;
    const look = this.#stopped ?? (await this.#look(group.map(({ step }) => step)));
    if (look instanceof NativeFailure) {
      await this.#explain(group.map((each) => ({ ...lookedFor(each), failure: look })));
      return decided;
    }
    const failed: Failed[] = [];
    // Services that are not there yet, but will be when what follows is carried out.
    const added = new Set<string>();
    for (const each of group) {
      const { index, step } = each;
      if (this.#isLong(index)) await this.#breathe();
      const present = look.present(step);
      const isService = step.destination === undefined;
      const wanted = isService ? present : present?.destination;
      if (wanted === undefined) {
        const hasOwner = present !== undefined || added.has(step.owner);
        if (step.add !== undefined && (isService || hasOwner)) {
          if (isService) added.add(step.owner);
          requests.add(step.add);
          sent.push({ index, name: step.name, request: step.add });
        } else if (present === undefined && hasOwner) {
          // Whether it is the service that it lacks is known when that was added, or was not.
          waiting.add(index);
        } else {
          const failure = refusal(present === undefined ? ESRCH : ENOENT);
          failed.push({ ...lookedFor(each), failure });
        }
        continue;
      }
      try {
        const request = present && step.merge(present);
        if (request === undefined) continue;
        requests.add(request);
        sent.push({ index, name: step.name, request });
      } catch (error) {
        // It contradicts what is there.
        this.#outcomes[index] = contradiction(callOf(lookedFor(each)), error);
      }
    }
    await this.#explain(failed);
    return decided;
  }

  /** `sent`: all that were sent with them, in order, where those may be about the same. */
  async #explain(failed: readonly Failed[], sent: readonly Sent[] = failed): Promise<void> {
    this.#stopAfter(failed);
    const lost = failed.some(({ failure, request }) => isLost(failure) && changes(request));
    const rest = lost ? await this.#withoutDone(failed, sent) : failed;
    if (rest.length === 0) return;
    const explainer = (this.#explainer ??= this.#session.explainer(this.#call.deadline));
    await Promise.all(
      rest.map(async (each) => {
        const verdict = await explainer.verdict(each.failure, each.request);
        this.#outcomes[each.index] = new IpvsError(subjectOf(callOf(each)), verdict);
      }),
    );
  }

  #stopAfter(failed: readonly Failed[]): void {
    const stop = failed.find(({ failure }) => failure.fault !== Fault.refused && !isLost(failure));
    this.#stopped ??= stop && afterwards(stop.failure);
  }

  /** Of those that failed the ones that are not known to be done, with what the kernel said. */
  async #withoutDone(failed: readonly Failed[], sent: readonly Sent[]): Promise<Failed[]> {
    const { done, undone } = await this.#readBack(failed, sent);
    const answers = new Map<number, NativeFailure>();
    if (undone.length > 0 && this.#stopped === undefined) {
      const requests = new Requests();
      for (const { request } of undone) requests.add(request);
      const again = failedOf(undone, await this.#session.channels.commands.bulk(requests));
      this.#stopAfter(again);
      for (const { index } of undone) done.add(index);
      for (const { index, failure } of again) {
        if (failure.fault === Fault.refused) answers.set(index, failure);
        else done.delete(index); // it is as it was
      }
    }
    return failed.flatMap((each) => {
      const failure = answers.get(each.index);
      if (failure !== undefined) return [{ ...each, failure }];
      return done.has(each.index) ? [] : [each];
    });
  }

  /** Before one of many: whether it is time that others get the thread. */
  #isLong(at: number): boolean {
    return at % STEPS === STEPS - 1 && performance.now() >= this.#turnEnds;
  }

  async #breathe(): Promise<void> {
    await nextTurn();
    this.#turnEnds = performance.now() + STRETCH;
  }

  /**
   * The receive queue overran, so answers are lost, but not the way to the kernel: of what was meant
   * to be last for its service or destination it can be seen whether it is as it was to be. What is not
   * may be sent once more, because nothing that came later is about the same.
   */
  async #readBack(
    failed: readonly Failed[],
    sent: readonly Sent[],
  ): Promise<{ readonly done: Set<number>; readonly undone: readonly Sent[] }> {
    const done = new Set<number>();
    const undone: Sent[] = [];
    const lost = new Map<number, Change>();
    const refused = new Set<number>();
    for (const { index, request, failure } of failed) {
      if (failure.fault === Fault.refused) refused.add(index);
      if (isLost(failure)) lost.set(index, request);
    }
    const look = await this.#look([...lost.values()].map(concernOf));
    if (look instanceof NativeFailure) return { done, undone }; // it stays unknown
    const later = new Set<string>();
    // Services that were made or removed, and their destinations with them.
    const remade = new Set<string>();
    for (const each of sent.toReversed()) {
      const { index, request } = each;
      if (this.#isLong(index)) await this.#breathe();
      // These change nothing that is seen.
      if (refused.has(index) || request.command === Command.zero) continue;
      const { owner, key } = concernOf(request);
      if (lost.has(index) && !later.has(key) && !remade.has(owner)) {
        if (look.isDone(request)) done.add(index);
        else undone.push(each);
      }
      later.add(key);
      if (MAKING.has(request.command)) remade.add(owner);
    }
    return { done, undone: undone.reverse() };
  }

  /** At all that these are about. */
  async #look(concerns: readonly Concern[]): Promise<Look | NativeFailure> {
    const wanted = new Map<string, WantedService & { readonly destinations: DestinationId[] }>();
    let at = 0;
    for (const { service, destination, owner } of concerns) {
      if (this.#isLong(at++)) await this.#breathe();
      let own = wanted.get(owner);
      if (own === undefined) wanted.set(owner, (own = { service, destinations: [] }));
      if (destination !== undefined) own.destinations.push(destination);
    }
    const table = await this.#session.servicesNamed(this.#call, [...wanted.values()]);
    return table instanceof NativeFailure ? table : Look.read([...wanted.keys()], table);
  }
}

// An ensure method that is overtaken looks again so often.
const ATTEMPTS = 5;

const MAKING: ReadonlySet<Command> = new Set([Command.newService, Command.deleteService]);

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
  const failed: Failed[] = [];
  if (outcomes === undefined) return failed;
  for (const [at, each] of sent.entries()) {
    const failure = outcomes instanceof NativeFailure ? outcomes : outcomes[at];
    if (failure instanceof NativeFailure) failed.push({ ...each, failure });
  }
  return failed;
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

function concernOf({ service, destination }: Change): Concern {
  const owner = serviceName(service);
  const key = destination === undefined ? owner : keyOf(owner, destination);
  return { service, destination, owner, key };
}

/** Services and destinations, as they were at one time. */
class Look {
  readonly #services = new Map<string, Present['service']>();
  readonly #destinations = new Map<string, DestinationRecord>();

  /** `owners`: the names of the services of which the table tells, or that they are not there. */
  static async read(owners: readonly string[], table: Table): Promise<Look> {
    const look = new Look();
    let owner: string;
    await readTable(table, {
      service: (record, index) => {
        owner = owners[index] ?? '';
        look.#services.set(owner, { ...(record as ServiceRecord) });
      },
      destination: (record) => {
        const key = `${owner} ${record.address} ${record.port}`;
        look.#destinations.set(key, { ...(record as DestinationRecord) });
      },
    });
    return look;
  }

  present({ owner, key }: Concern): Present | undefined {
    const service = this.#services.get(owner);
    return service && { service, destination: this.#destinations.get(key) };
  }

  /** Whether all is as the request was to make it. */
  isDone(request: Change): boolean {
    const { serviceNumbers, destinationNumbers } = request;
    const present = this.present(concernOf(request));
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
