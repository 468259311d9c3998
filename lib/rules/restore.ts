// A table is brought to be as a source says, by what differs: what is in both is never missing.

import { constants } from 'node:os';
import { parseAddress } from '../address.js';
import { boolean, object, quoted } from '../check.js';
import { sameDestination, sameService } from '../compare.js';
import { IpvsError, invalidType, invalidValue } from '../errors.js';
import { Fault, NativeFailure } from '../native.js';
import { parseCallOptions } from '../options.js';
import { Command } from '../records.js';
import type {
  DaemonNumbers,
  DaemonRecord,
  DestinationRecord,
  Request,
  ServiceId,
  ServiceRecord,
  TimeoutNumbers,
} from '../records.js';
import { Requests } from '../requests.js';
import { subjectOf, throwIfAborted } from '../session.js';
import type { Call, Session } from '../session.js';
import { readTable } from '../table.js';
import { destinationName, serviceName } from '../turns.js';
import type { ServiceKey, SyncRole, Timeouts } from '../types.js';
import { ROLES } from '../words.js';
import { Foresight, isOfAnotherFamily } from './beforehand.js';
import { TableDocument } from './document.js';
import { idOfDestination, idOfService } from './ids.js';
import { fileName, readRules, textOf } from './parse.js';
import type { RuleLine } from './parse.js';
import { Target, isRules } from './target.js';
import type { PresentTable, TargetDestination, TargetService } from './target.js';
import type { RestoreResult, RestoredEntry } from './types.js';

const { ENOENT, ESRCH } = constants.errno;

/** So many requests go to native code at a time. */
const PORTION = 4096;

const OPTIONS = new Set(['mode', 'dryRun', 'file', 'signal']);
const MODES = ['replace', 'merge'] as const;
type Mode = (typeof MODES)[number];

/** What was given, read when the call is made: an object, or what lines do to a table. */
type Source = Target | readonly RuleLine[];

interface Settings {
  readonly mode: Mode;
  readonly dryRun: boolean;
  readonly file: string;
}

type Change = Request & { readonly service: ServiceId };

/** What has to be sent. */
interface Plan {
  /** Additions and updates, services before their destinations. */
  readonly changes: Change[];
  readonly added: Change[];
  readonly updated: Change[];
  readonly removed: Change[];
  unchanged: number;
}

/** See {@link Ipvs.restore}. */
export function restore(
  session: Session,
  value: unknown,
  options: unknown,
): Promise<RestoreResult> {
  const input = options === undefined ? {} : object(options, 'options', OPTIONS);
  const mode = MODES.find((each) => each === (input['mode'] ?? 'replace'));
  if (mode === undefined) {
    throw invalidValue('options.mode', `must be one of ${quoted(MODES)}`, input['mode']);
  }
  const file = fileName(input['file']);
  const dryRun = input['dryRun'] === undefined ? false : boolean(input['dryRun'], 'options.dryRun');
  const signal = input['signal'] === undefined ? {} : { signal: input['signal'] };
  const call: Call = { command: 'restore', ...parseCallOptions(signal) };
  const source = readSource(value, mode, file);
  return session.alone(call, () => new Restore(session, call, { mode, dryRun, file }).run(source));
}

function readSource(value: unknown, mode: Mode, file: string): Source {
  const exact = mode === 'replace';
  if (typeof value === 'string') {
    if (isRules(value)) return readRules(value, file);
    const document = new TableDocument(value, file);
    try {
      return Target.of(document.value, exact);
    } catch (error) {
      throw document.placed(error);
    }
  }
  if (typeof value !== 'object' || value === null) {
    throw invalidType('source', 'a string or an object', value);
  }
  return Target.of(value, exact);
}

class Restore {
  readonly #session: Session;
  readonly #call: Call;
  readonly #settings: Settings;

  constructor(session: Session, call: Call, settings: Settings) {
    this.#session = session;
    this.#call = call;
    this.#settings = settings;
  }

  async run(source: Source): Promise<RestoreResult> {
    const { mode, dryRun } = this.#settings;
    const present = await this.#readTable();
    const target = this.#targetOf(source, present);
    const foresight = new Foresight(this.#session, this.#call, this.#settings.file);
    await foresight.checkModules(target, present);
    await foresight.checkAddresses(target, present);
    const plan = planOf(target, present);
    const timeouts = await this.#timeoutsToSet(target.timeouts);
    const running = await this.#runningDaemons(target, plan);
    await foresight.checkDaemons(target, running);
    const daemons = daemonsToChange(target, running);
    const zeroed = zeroedOf(target);
    throwIfAborted(this.#call);
    if (!dryRun) {
      await this.#change(plan, daemons);
      await this.#setTimeouts(timeouts);
      for (const each of daemons) await this.#replaceDaemon(each);
      for (const service of zeroed) {
        const request = { command: Command.zero, ...(service && { service }) };
        await this.#session.send(this.#begin(), request);
      }
    }
    return {
      mode,
      dryRun,
      added: plan.added.map(entryOf),
      updated: plan.updated.map(entryOf),
      removed: plan.removed.map(entryOf),
      unchanged: plan.unchanged,
      timeouts,
      startedDaemons: rolesOf(daemons.filter(({ wanted }) => wanted !== undefined)),
      stoppedDaemons: rolesOf(daemons.filter(({ present }) => present !== undefined)),
      zeroed: keysOf(zeroed),
    };
  }

  // What has begun is brought to its end, and each step has the time of a call.
  #begin(): Call {
    const deadline = performance.now() + this.#session.channels.timeout;
    return { command: this.#call.command, deadline };
  }

  async #readTable(): Promise<PresentTable> {
    const present = new Map<string, TargetService>();
    let destinations = new Map<string, TargetDestination>();
    await readTable(await this.#session.table(this.#call, true, false), {
      service: (record) => {
        const numbers = { ...(record as ServiceRecord) };
        const id = idOfService(numbers);
        destinations = new Map();
        present.set(serviceName(id), { id, numbers, destinations });
      },
      destination: (record) => {
        const numbers = { ...(record as DestinationRecord) };
        const id = idOfDestination(numbers);
        destinations.set(destinationName(id), { id, numbers });
      },
    });
    return present;
  }

  #targetOf(source: Source, present: PresentTable): Target {
    const { mode, file } = this.#settings;
    if (source instanceof Target) return mode === 'merge' ? source.over(present) : source;
    const target = new Target(mode === 'merge' ? present : new Map<string, TargetService>());
    target.follow(source, file);
    return target;
  }

  async #timeoutsToSet(wanted: TimeoutNumbers): Promise<Partial<Timeouts>> {
    const names = ['tcp', 'tcpFin', 'udp'] as const;
    if (names.every((name) => wanted[name] === 0)) return {};
    const request = { command: Command.getTimeouts };
    const present = (await this.#session.send(this.#call, request)) as TimeoutNumbers;
    const different = names.filter((name) => wanted[name] !== 0 && wanted[name] !== present[name]);
    return Object.fromEntries(different.map((name) => [name, wanted[name]]));
  }

  /** Those of now, where it depends on them what can be done. */
  async #runningDaemons(target: Target, { added }: Plan): Promise<readonly DaemonRecord[]> {
    if (target.daemons.size === 0 && !added.some(isMixed)) return [];
    return this.#session.daemons(this.#call);
  }

  async #setTimeouts(timeouts: Partial<Timeouts>): Promise<void> {
    if (Object.keys(timeouts).length === 0) return;
    const request = {
      command: Command.setTimeouts,
      timeouts: { tcp: 0, tcpFin: 0, udp: 0, ...timeouts },
    };
    await this.#session.send(this.#begin(), request);
  }

  /**
   * Changes services and destinations. Daemons go on meanwhile, and for good where something is
   * refused; but destinations of another family than their service can only come where none runs.
   */
  async #change({ changes, added, removed }: Plan, daemons: DaemonChange[]): Promise<void> {
    const early = added.some(isMixed) ? daemons.filter(({ present }) => present !== undefined) : [];
    const stopped: DaemonRecord[] = [];
    try {
      for (const each of early) {
        const { role, present } = each;
        await this.#session.stopDaemon(this.#begin(), role);
        if (present !== undefined) stopped.push(present);
        each.isStopped = true;
      }
      await this.#send(changes);
    } catch (error) {
      for (const daemon of stopped) await this.#startAgain(daemon, error);
      throw error;
    }
    await this.#send(removed);
  }

  async #replaceDaemon({ role, present, wanted, isStopped }: DaemonChange): Promise<void> {
    if (present !== undefined && !isStopped) await this.#session.stopDaemon(this.#begin(), role);
    if (wanted === undefined) return;
    try {
      await this.#startDaemon(wanted);
    } catch (error) {
      if (present !== undefined) await this.#startAgain(present, error);
      throw error;
    }
  }

  async #startDaemon(daemon: DaemonNumbers): Promise<void> {
    await this.#session.send(this.#begin(), { command: Command.newDaemon, daemon });
  }

  /** After a failure: what ran before is to run again. */
  async #startAgain(daemon: DaemonRecord, failure: unknown): Promise<void> {
    const group = daemon.group === '' ? undefined : parseAddress(daemon.group);
    try {
      await this.#startDaemon({ ...daemon, group });
    } catch {
      if (!(failure instanceof IpvsError)) return;
      const { code, message, hint, errno } = failure;
      const lost = `the ${ROLES.word(daemon.role)} sync daemon on ${daemon.interface}`;
      throw new IpvsError(subjectOf(this.#call), {
        code,
        sentence: `${lost} was stopped and can't be started again, after this: ${message}`,
        hint,
        errno,
        cause: failure,
      });
    }
  }

  /** Sends all, and rejects where something was refused. */
  async #send(changes: readonly Change[]): Promise<void> {
    const errors: IpvsError[] = [];
    for (let first = 0; first < changes.length; first += PORTION) {
      const portion = changes.slice(first, first + PORTION);
      const call = this.#begin();
      const requests = new Requests(portion.length);
      for (const request of portion) requests.add(request);
      const outcomes = await this.#session.channels.commands.bulk(requests);
      const explainer = this.#session.explainer(call.deadline);
      if (outcomes instanceof NativeFailure) {
        throw await this.#session.explain(call, portion[0] ?? NOTHING, outcomes);
      }
      for (const [index, outcome] of (outcomes ?? []).entries()) {
        const request = portion[index];
        if (!(outcome instanceof NativeFailure) || request === undefined) continue;
        if (isGone(outcome, request)) continue;
        const { service, destination } = request;
        const about = { ...call, command: NAMES[request.command] ?? '', service, destination };
        errors.push(new IpvsError(subjectOf(about), await explainer.verdict(outcome, request)));
      }
    }
    const [first] = errors;
    if (first === undefined) return;
    const refused = `${errors.length} of ${changes.length} changes were refused`;
    throw new IpvsError(subjectOf(this.#call), {
      code: first.code,
      sentence: `${refused}; the first: ${first.message}`,
      hint: first.hint,
      errno: first.errno,
      cause: new AggregateError(errors, refused),
    });
  }
}

function isMixed({ service, destination }: Change): boolean {
  return destination !== undefined && isOfAnotherFamily(destination.address, service);
}

/** What becomes of a daemon: `present` runs and is to end, `wanted` is to run. */
interface DaemonChange {
  readonly role: number;
  readonly present: DaemonRecord | undefined;
  readonly wanted: DaemonNumbers | undefined;
  /** Stopped already. */
  isStopped: boolean;
}

function daemonsToChange(target: Target, running: readonly DaemonRecord[]): DaemonChange[] {
  const daemons: DaemonChange[] = [];
  for (const [role, daemon] of target.daemons) {
    const present = running.find((each) => each.role === role);
    const wanted = daemon === 'stopped' ? undefined : daemon.numbers;
    const stays = present === undefined ? !wanted : wanted && isAs(present, wanted);
    if (!stays) daemons.push({ role, present, wanted, isStopped: false });
  }
  return daemons;
}

function rolesOf(daemons: readonly DaemonChange[]): SyncRole[] {
  return daemons.map(({ role }) => ROLES.word(role));
}

/** Whose counters start again, each once: those that are still there in the end; undefined: all. */
function zeroedOf({ zeroed, services }: Target): (ServiceId | undefined)[] {
  if (zeroed.includes(undefined)) return [undefined];
  const named = new Map(zeroed.map((id) => [id && serviceName(id), id]));
  return [...named].filter(([name = '']) => services.has(name)).map(([, id]) => id);
}

function keysOf(zeroed: readonly (ServiceId | undefined)[]): ServiceKey[] | 'all' {
  const keys = zeroed.map((service) => subjectOf({ command: '', service }).service);
  return keys.includes(undefined) ? 'all' : (keys as ServiceKey[]);
}

/** Whether somebody else removed what was to be removed. */
function isGone({ fault, errno }: NativeFailure, { command }: Request): boolean {
  const removes = command === Command.deleteService || command === Command.deleteDestination;
  return removes && fault === Fault.refused && (errno === ESRCH || errno === ENOENT);
}

const NOTHING: Request = { command: Command.getInfo };

/** As errors name them. */
const NAMES: Readonly<Record<number, string>> = {
  [Command.newService]: 'add service',
  [Command.setService]: 'replace service',
  [Command.deleteService]: 'remove service',
  [Command.newDestination]: 'add destination',
  [Command.setDestination]: 'replace destination',
  [Command.deleteDestination]: 'remove destination',
};

function planOf(target: Target, present: PresentTable): Plan {
  const plan: Plan = { changes: [], added: [], updated: [], removed: [], unchanged: 0 };
  for (const [name, service] of target.services) planService(plan, service, present.get(name));
  for (const [name, { id, destinations }] of present) {
    const kept = target.services.get(name);
    if (kept === undefined) {
      plan.removed.push({ command: Command.deleteService, service: id });
      continue;
    }
    for (const [own, destination] of destinations) {
      if (kept.destinations.has(own)) continue;
      const request = { command: Command.deleteDestination, destination: destination.id };
      plan.removed.push({ ...request, service: id });
    }
  }
  return plan;
}

function planService(
  plan: Plan,
  { id, numbers, destinations }: TargetService,
  present: TargetService | undefined,
): void {
  const service = { service: id, serviceNumbers: numbers };
  if (present === undefined) {
    add(plan, { ...service, command: Command.newService });
  } else if (present.numbers !== numbers && !sameService(present.numbers, numbers)) {
    update(plan, { ...service, command: Command.setService });
  } else {
    plan.unchanged++;
  }
  for (const [own, destination] of destinations) {
    const there = present?.destinations.get(own);
    const wanted = { destination: destination.id, destinationNumbers: destination.numbers };
    const request = { service: id, ...wanted };
    if (there === undefined) {
      add(plan, { ...request, command: Command.newDestination });
    } else if (there !== destination && !sameDestination(there.numbers, destination.numbers)) {
      update(plan, { ...request, command: Command.setDestination });
    } else {
      plan.unchanged++;
    }
  }
}

function add(plan: Plan, change: Change): void {
  plan.changes.push(change);
  plan.added.push(change);
}

function update(plan: Plan, change: Change): void {
  plan.changes.push(change);
  plan.updated.push(change);
}

function entryOf({ service, destination }: Change): RestoredEntry {
  const { service: key, destination: own } = subjectOf({ command: '', service, destination });
  if (key === undefined) throw new TypeError('a change is about a service');
  return { service: key, ...(own && { destination: own }) };
}

/** Whether a daemon runs as it is wanted: what is 0 was the kernel's choice. */
function isAs(present: DaemonRecord, wanted: DaemonNumbers): boolean {
  const chosen = (number: number, own: number) => number === 0 || number === own;
  return (
    present.interface === wanted.interface &&
    present.syncId === wanted.syncId &&
    chosen(wanted.maxLength, present.maxLength) &&
    chosen(wanted.port, present.port) &&
    chosen(wanted.ttl, present.ttl) &&
    (wanted.group === undefined || textOf(wanted.group) === present.group)
  );
}
