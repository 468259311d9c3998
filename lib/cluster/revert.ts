// Puts back what the journal says was there before, and leaves alone what others have changed.

import type { AbortSignalLike } from '../types.js';
import { ClusterError } from './errors.js';
import {
  dependentOn,
  inTheWayOf,
  mayDisturb,
  putBack,
  readAll,
  readDisturbed,
} from './disturbed.js';
import type { Lost } from './disturbed.js';
import type { Chain, Disturbed, Journal } from './journal.js';
import type { TurnOptions } from './lock.js';
import type { Machine, Write } from './machine.js';
import { changesTo, makeChange } from './plan.js';
import type { Change } from './plan.js';
import { Rehearsal } from './rehearsal.js';
import type { Reverting } from './rehearsal.js';
import { fits, isPartOf, isQuieting, keyOf, withoutPlace } from './resources.js';
import type { Resource } from './resources.js';
import type { Value } from './types.js';

/** Something that was not put back. */
export interface Kept {
  /** The change that would have put it back. */
  readonly change: Change;
  /** What is there now. */
  readonly current: Value;
  /** Why it was left alone, in a sentence. */
  readonly reason: string;
}

/** What became of a node's changes. */
export interface Reverted {
  /** What was put back, in order. */
  readonly reverted: readonly Change[];
  /** What was left alone, because somebody else has changed it meanwhile. */
  readonly kept: readonly Kept[];
}

/** How changes are taken back. */
export interface RevertOptions extends TurnOptions {
  /** Ends it between two changes: it rejects with `ABORT_ERR`, and may be repeated. */
  readonly signal?: AbortSignalLike;
  /** Only says what would be put back, and what left alone. Default `false`. */
  readonly dryRun?: boolean;
}

const BACK = 'it was so before';

const NO_JOURNAL = { append: () => Promise.resolve(), mention: () => Promise.resolve() };

export async function revertAll(
  machine: Machine,
  journal: Journal,
  node: string,
  { signal, dryRun = false }: RevertOptions,
): Promise<Reverted> {
  const run = dryRun
    ? new Run(`revert ${node}`, new Rehearsal(machine), NO_JOURNAL)
    : new Run(`revert ${node}`, machine, journal);
  for (const chain of inOrder([...journal.chains.values()])) {
    run.endIfAborted(signal);
    await run.unwind(chain);
  }
  await run.finish();
  const { reverted, kept } = run;
  if (journal.chains.size === 0 && !dryRun) await journal.remove();
  return { reverted, kept };
}

/** The last that came first; but what keeps an address quiet stays as long as that may be there. */
function inOrder(chains: readonly Chain[]): Chain[] {
  const goesLast = ({ resource }: Chain): boolean =>
    isQuieting(resource) && !chains.some((each) => isPartOf(resource, each.resource));
  const backwards = chains.toReversed();
  return [...backwards.filter((each) => !goesLast(each)), ...backwards.filter(goesLast)];
}

class Run {
  readonly reverted: Change[] = [];
  readonly kept: Kept[] = [];
  /** What could not be put back yet: what it needs may come back with another. */
  #pending: Lost[] = [];
  readonly #command: string;
  readonly #machine: Reverting;
  readonly #journal: Pick<Journal, 'append' | 'mention'>;

  constructor(command: string, machine: Reverting, journal: Pick<Journal, 'append' | 'mention'>) {
    this.#command = command;
    this.#machine = machine;
    this.#journal = journal;
  }

  endIfAborted(signal: AbortSignalLike | undefined): void {
    if (!signal?.aborted) return;
    throw new ClusterError(this.#command, {
      code: 'ABORT_ERR',
      sentence: `aborted after ${this.reverted.length} changes`,
      cause: signal.reason,
      done: this.reverted,
    });
  }

  async unwind(chain: Chain): Promise<void> {
    const { resource } = chain;
    const stays = await this.#putBack(chain);
    if (stays === 'all') return;
    const kept = stays === 'others';
    await this.#journal.mention({ line: 'reverted', resource, ...(kept && { kept }) });
  }

  /** What stays: nothing of ours, what others have made of it, or all, for another try. */
  async #putBack(chain: Chain): Promise<'nothing' | 'others' | 'all'> {
    const { resource } = chain;
    const present = await this.#read(resource);
    const { target, kept } = chain.unwind(present);
    if (kept) {
      // The device is gone, and with it what would have to be put back.
      if (present === null && isPartOfDevice(resource)) return 'nothing';
      this.kept.push({
        change: makeChange(resource, present, target, BACK),
        current: present,
        reason: `somebody else has changed it to ${JSON.stringify(present)}`,
      });
    }
    const write = { resource, before: present, after: target };
    if (fits(withoutPlace(target), present)) {
      await this.#restore(chain.restoring ?? (await this.#targetsOf(chain, write)));
      return kept ? 'others' : 'nothing';
    }
    const inUse = await this.#inUse(chain, write);
    if (inUse !== undefined) {
      this.kept.push({
        change: makeChange(resource, present, target, BACK),
        current: present,
        reason: inUse,
      });
      return 'all';
    }
    const disturbed = chain.restoring ?? (await this.#targetsOf(chain, write));
    if (disturbed.length > 0) {
      await this.#journal.append([{ line: 'restore', resource, disturbed }]);
    }
    const values = await this.#machine.read(disturbed.map((each) => each.resource));
    const first = inTheWayOf(write, disturbed, values);
    for (const change of [...first, ...changesTo(resource, present, target, BACK)]) {
      await this.#write(change);
    }
    await this.#restore(disturbed);
    return 'nothing';
  }

  /** Why it can't go without something of others; a sentence. */
  async #inUse(chain: Chain, write: Write): Promise<string | undefined> {
    if (write.after === null) {
      const occupants = await this.#machine.occupantsOf(write.resource);
      if (occupants !== undefined) return occupants;
    }
    if (!mayDisturb(write)) return undefined;
    const before = new Set(chain.before.map((each) => keyOf(each.resource)));
    return dependentOn(write, await this.#machine.surroundings(), before);
  }

  /** How what the kernel changes along with it is to be afterwards. */
  async #targetsOf(chain: Chain, write: Write): Promise<Disturbed[]> {
    const found = await readDisturbed(this.#machine, write);
    const before = byKey(chain.before);
    const left = byKey(chain.left ?? []);
    // What is not there any more was hit, or somebody has removed it.
    const keys = new Set(found.map(({ resource }) => keyOf(resource)));
    const gone = chain.before.filter(({ resource }) => !keys.has(keyOf(resource)));
    const now = [
      ...found,
      ...(await readAll(
        this.#machine,
        gone.map((each) => each.resource),
      )),
    ];
    return now.flatMap(({ resource, value }): Disturbed[] => {
      const key = keyOf(resource);
      const was = before.get(key);
      // It came after us. With an interface that is up come things that go by themselves.
      if (was === undefined) {
        return write.resource.kind === 'link-state' ? [] : [{ resource, value }];
      }
      const then = left.get(key);
      const changed = then !== undefined && !fits(then.value, value);
      if (fits(was.value, value)) return [{ resource, value }];
      if (!changed) return [{ resource, value: was.value }];
      this.kept.push({
        change: makeChange(resource, value, was.value, BACK),
        current: value,
        reason: `somebody else has changed it to ${JSON.stringify(value)}`,
      });
      return [{ resource, value }];
    });
  }

  async #restore(disturbed: readonly Disturbed[]): Promise<void> {
    const targets = [...this.#pending, ...disturbed];
    const lost = await putBack(this.#machine, targets, BACK, (change) =>
      this.reverted.push(change),
    );
    for (const { change, error, isEarly } of lost) {
      if (!isEarly) throw this.#failure(change, error);
    }
    this.#pending = lost;
  }

  /** What could not be put back, whatever else came back, is told. */
  async finish(): Promise<void> {
    await this.#restore([]);
    for (const { change, resource, error } of this.#pending) {
      const current = await this.#read(resource);
      this.kept.push({ change, current, reason: `it can't be put back: ${error.message}` });
    }
  }

  async #read(resource: Resource): Promise<Value> {
    const [value = null] = await this.#machine.read([resource]);
    return value;
  }

  async #write(change: Change): Promise<void> {
    const [error] = await this.#machine.write([change]);
    if (error !== undefined) throw this.#failure(change, error);
    this.reverted.push(change);
  }

  #failure(change: Change, cause: Error): ClusterError {
    const { code, hint } = cause as Error & { code?: string; hint?: string };
    return new ClusterError(this.#command, {
      code: code ?? 'ERR_IPVS_UNKNOWN_OUTCOME',
      sentence: `${change.description} ${cause.message}`,
      hint: hint ?? 'revert() may be repeated',
      cause,
      done: this.reverted,
      failed: change,
    });
  }
}

function isPartOfDevice({ kind }: Resource): boolean {
  return kind === 'sysctl' || kind === 'link-state';
}

function byKey(disturbed: readonly Disturbed[]): Map<string, Disturbed> {
  return new Map(disturbed.map((each) => [keyOf(each.resource), each]));
}
