// Carries a plan out: journal, change, look again.

import { ClusterError } from './errors.js';
import type { Disturbed, Journal, Line } from './journal.js';
import type { TurnOptions } from './lock.js';
import type { Machine } from './machine.js';
import { changesTo } from './plan.js';
import type { Change, Plan } from './plan.js';
import { putBack, readDisturbed } from './disturbed.js';
import type { Lost } from './disturbed.js';
import { fits, isInTable, isRecord, keyOf, withoutPlace } from './resources.js';
import type { Value } from './types.js';
import type { AbortSignalLike } from '../types.js';

/** How far a plan is. */
export interface ApplyProgress {
  readonly done: number;
  readonly total: number;
  /** The change that was made. */
  readonly change: Change;
}

/** How a plan is carried out. */
export interface ApplyOptions extends TurnOptions {
  /** Ends it between two changes: it rejects with `ABORT_ERR`. */
  readonly signal?: AbortSignalLike;
  /** Called after each change. What it throws is an uncaught exception. */
  readonly onProgress?: (progress: ApplyProgress) => void;
}

/** @internal */
export interface Purpose {
  /** Whether a change mends what was found wrong, besides what the description asks for. */
  readonly mends?: (change: Change) => boolean;
}

// So many services and destinations go to the kernel at a time.
const PORTION = 1024;

/** Gives the changes that were made; those that had become unnecessary are left out. */
export async function applyPlan(
  machine: Machine,
  journal: Journal,
  plan: Plan,
  { signal, onProgress, mends }: ApplyOptions & Purpose,
): Promise<Change[]> {
  const command = `apply ${plan.node}`;
  refuseIrreversible(command, plan.changes);
  const done: Change[] = [];
  const step = new Step(command, machine, journal, done, mends);
  let finished = 0;
  for (const group of groupsOf(plan.changes)) {
    if (signal?.aborted) {
      throw new ClusterError(command, {
        code: 'ABORT_ERR',
        sentence: `aborted after ${done.length} changes`,
        cause: signal.reason,
        done,
      });
    }
    const made = await step.run(group);
    for (const change of group) {
      finished++;
      if (made.has(change)) report(onProgress, { done: finished, total: plan.length, change });
    }
  }
  await step.finish();
  return done;
}

// What the listener throws is its own affair, and no reason to leave the rest undone.
function report(listener: ApplyOptions['onProgress'], progress: ApplyProgress): void {
  try {
    listener?.(progress);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** What could not be put back is not changed. */
function refuseIrreversible(command: string, changes: readonly Change[]): void {
  for (const change of changes) {
    if (!isRecord(change.before)) continue;
    const { type = null } = change.before;
    const known =
      change.kind === 'route'
        ? typeof type !== 'number' && type !== 'nat'
        : change.kind !== 'link' || DEVICES.has(type);
    if (known) continue;
    throw new ClusterError(command, {
      code: 'ERR_IPVS_NOT_RESTORABLE',
      sentence: `${change.description} What is there now could not be put back as it was`,
      hint: `make room for it yourself (${change.shell}), or take it out of the description`,
      done: [],
      failed: change,
    });
  }
}

// What this library can make.
const DEVICES: ReadonlySet<Value> = new Set(['ipip', 'sit', 'ip6tnl', 'gre', 'ip6gre']);

/** Services and destinations in a row go together, everything else goes alone. */
function groupsOf(changes: readonly Change[]): Change[][] {
  const groups: Change[][] = [];
  let last: Change[] | undefined;
  for (const change of changes) {
    // A service that goes is looked at when its own real servers are gone already.
    const alone = change.kind === 'service' && change.after === null;
    if (isInTable(change) && !alone && last?.[0] && isInTable(last[0]) && last.length < PORTION) {
      last.push(change);
    } else {
      groups.push((last = [change]));
    }
  }
  return groups;
}

/** Some changes that are made together. */
class Step {
  readonly #command: string;
  readonly #machine: Machine;
  readonly #journal: Journal;
  readonly #done: Change[];
  readonly #mends: Purpose['mends'];
  /** What went along with an address, and has to come back. */
  #pending = new Map<string, Disturbed>();

  constructor(
    command: string,
    machine: Machine,
    journal: Journal,
    done: Change[],
    mends: Purpose['mends'],
  ) {
    this.#mends = mends;
    this.#command = command;
    this.#machine = machine;
    this.#journal = journal;
    this.#done = done;
  }

  /** What has not come back by now does not come back. */
  async finish(): Promise<void> {
    const [lost] = await this.#putBack();
    if (lost !== undefined) throw this.#loss(lost);
  }

  async #putBack(): Promise<readonly Lost[]> {
    const targets = [...this.#pending.values()];
    if (targets.length === 0) return [];
    const lost = await putBack(this.#machine, targets, 'it went along with an address');
    for (const each of lost) if (!each.isEarly) throw this.#loss(each);
    this.#pending = new Map(lost.map((each) => [keyOf(each.resource), each]));
    return lost;
  }

  #loss({ change, error, isEarly }: Lost): ClusterError {
    const { code, message } = error as Error & { code?: string };
    return new ClusterError(this.#command, {
      code: code ?? 'ERR_IPVS_UNKNOWN_OUTCOME',
      sentence: `${change.description} It went along with an address: ${message}`,
      hint: isEarly
        ? 'it needs an address that the description does not have; revert() puts both back'
        : 'revert() takes back what was done',
      cause: error,
      done: this.#done,
      failed: change,
    });
  }

  /** Which of them were made; the others had become unnecessary. */
  async run(group: readonly Change[]): Promise<ReadonlySet<Change>> {
    const made = new Set<Change>();
    const writes: { readonly change: Change; readonly own: Change }[] = [];
    const values = await this.#read(group);
    group.forEach((change, index) => {
      const present = values[index] ?? null;
      if (fits(change.after, present)) return;
      made.add(change);
      // It may have changed since it was planned.
      for (const own of changesTo(change.resource, present, change.after, change.reason)) {
        writes.push({ change, own });
      }
    });
    for (const { own } of writes) await this.#refuseOccupied(own);
    // Two writes of one thing (remove, add) are two steps: the second is looked at after the first.
    const alone = writes.some(({ own }) => !isInTable(own));
    for (const portion of alone ? writes.map((each) => [each]) : [writes]) {
      await this.#write(portion.map(({ own }) => own));
    }
    return made;
  }

  async #read(changes: readonly Change[]): Promise<Value[]> {
    try {
      return await this.#machine.read(changes.map(({ resource }) => resource));
    } catch (error) {
      const [first] = changes;
      throw first === undefined ? error : this.#failure(first, error);
    }
  }

  async #refuseOccupied(change: Change): Promise<void> {
    if (change.after !== null) return;
    const occupants = await this.#machine.occupantsOf(change.resource);
    if (occupants === undefined) return;
    throw new ClusterError(this.#command, {
      code: 'EBUSY',
      sentence: `${change.description} It can't go: ${occupants}`,
      hint: 'they are not of this cluster: remove them, or describe the service again',
      done: this.#done,
      failed: change,
    });
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const disturbed = new Map<Change, Disturbed[]>();
    for (const change of changes) {
      const noted = await this.#disturbed(change);
      if (noted.length > 0) disturbed.set(change, noted);
    }
    await this.#journal.append(
      changes.map((change): Line => {
        const { resource, before, after } = change;
        const noted = disturbed.get(change);
        return {
          line: 'change',
          resource,
          before,
          after,
          ...(noted && { disturbed: noted }),
          ...(this.#mends?.(change) === true && { mends: true }),
        };
      }),
    );
    const outcomes = await this.#machine.write(changes);
    const failed: [Change, Error][] = [];
    const tried: Change[] = [];
    changes.forEach((change, index) => {
      if (index >= outcomes.length) return;
      const error = outcomes[index];
      if (error === undefined) tried.push(change);
      else failed.push([change, error]);
    });
    await this.#verify(tried);
    for (const { resource } of tried) this.#pending.delete(keyOf(resource));
    for (const [{ kind }, noted] of disturbed) {
      if (kind !== 'address') continue;
      for (const { resource, value } of noted) {
        this.#pending.set(keyOf(resource), { resource, value: withoutPlace(value) });
      }
    }
    if (tried.some(({ kind }) => kind === 'address')) await this.#putBack();
    for (const [change, noted] of disturbed) {
      if (tried.includes(change)) await this.#noteLeft(change, noted);
    }
    await this.#noteTakenBack(tried);
    const [first] = failed;
    if (first !== undefined) throw this.#failure(...first);
  }

  async #noteTakenBack(changes: readonly Change[]): Promise<void> {
    const { chains } = this.#journal;
    const taken = changes.filter(
      ({ resource, after }) => chains.get(keyOf(resource))?.isTakenBackBy(after) === true,
    );
    await this.#journal.append(taken.map(({ resource }) => ({ line: 'taken-back', resource })));
  }

  /** What the kernel will change along with it, as it is now. */
  async #disturbed(change: Change): Promise<Disturbed[]> {
    return readDisturbed(this.#machine, change);
  }

  async #noteLeft({ resource }: Change, before: readonly Disturbed[]): Promise<void> {
    const resources = before.map((each) => each.resource);
    const values = await this.#machine.read(resources);
    await this.#journal.append([
      {
        line: 'disturbed',
        resource,
        disturbed: resources.map((each, index) => ({
          resource: each,
          value: values[index] ?? null,
        })),
      },
    ]);
  }

  async #verify(changes: readonly Change[]): Promise<void> {
    const values = await this.#read(changes);
    changes.forEach((change, index) => {
      const present = values[index] ?? null;
      if (fits(change.after, present)) {
        this.#done.push(change);
        return;
      }
      throw new ClusterError(this.#command, {
        code: 'ERR_IPVS_NOT_TAKEN',
        sentence:
          `${change.description} The kernel took it, and has something else: ` +
          JSON.stringify(present),
        hint: 'another program may be changing it back',
        done: this.#done,
        failed: change,
      });
    });
  }

  #failure(change: Change, cause: unknown): ClusterError {
    const { code, message, hint } = cause as Error & { code?: string; hint?: string };
    return new ClusterError(this.#command, {
      code: code ?? 'ERR_IPVS_UNKNOWN_OUTCOME',
      sentence: `${change.description} ${message}`,
      hint: hint ?? 'revert() takes back what was done',
      cause,
      done: this.#done,
      failed: change,
    });
  }
}
