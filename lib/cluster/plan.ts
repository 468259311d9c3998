// What would have to change: what is wanted, against what is there, against what we put there before.

import { describe } from './describe.js';
import type { Chains } from './journal.js';
import { fits, isChangeable, isMove, isPartOf, isQuieting, isRecord, keyOf } from './resources.js';
import type { Kind, Resource } from './resources.js';
import { quote, shellOf } from './shell.js';
import type { Value } from './types.js';
import type { Look, Wanted } from './wanted.js';

/** One change of one thing. */
export interface Change {
  /** `'sysctl'`, `'address'`, `'route'`, `'service'`, … */
  readonly kind: Kind;
  /** What is changed. */
  readonly resource: Resource;
  /** A sentence. */
  readonly description: string;
  /** Why, with its source where there is one. */
  readonly reason: string;
  /** The value before; null where it is not there. */
  readonly before: Value;
  /** The value afterwards; null where it is to go. */
  readonly after: Value;
  /** The line (or lines) that does the same in a shell. */
  readonly shell: string;
}

interface PlanContext {
  readonly warnings?: readonly string[];
  readonly along?: readonly Change[];
}

/** What would change on a node, in order. Nothing to do is an empty plan. */
export class Plan implements Iterable<Change> {
  /** The node's name. */
  readonly node: string;
  readonly changes: readonly Change[];
  /** What is needed besides and this library does not do: rules for nftables. */
  readonly manual: readonly Change[];
  /** Why there may be more to do than it says, in sentences. */
  readonly warnings: readonly string[];
  readonly #along: readonly Change[];

  /** @internal `along`: what goes along with addresses, and is put back. */
  constructor(
    node: string,
    changes: readonly Change[],
    manual: readonly Change[],
    { warnings = [], along = [] }: PlanContext = {},
  ) {
    this.node = node;
    this.changes = changes;
    this.manual = manual;
    this.warnings = warnings;
    this.#along = along;
  }

  get length(): number {
    return this.changes.length;
  }

  get isEmpty(): boolean {
    return this.changes.length === 0;
  }

  /** The changes, in order. */
  [Symbol.iterator](): IterableIterator<Change> {
    return this.changes.values();
  }

  /** One sentence a line. */
  toString(): string {
    return this.changes.map(({ description }) => `${description}\n`).join('');
  }

  /**
   * A POSIX shell script that does the same, with `ip`, `sysctl`, `ipvsadm` and `nft`; it ends at the
   * first line that fails. What is not this library's to do ({@link Plan.manual}) is in it too, and so is
   * what the kernel takes along with an address that is made anew, as it was when this was planned.
   */
  toShell(): string {
    const addressed = this.changes.findLastIndex(({ kind }) => kind === 'address') + 1;
    const [before, after] = [this.changes.slice(0, addressed), this.changes.slice(addressed)];
    const steps = [...before, ...this.#along, ...after, ...this.manual].map(
      ({ description, shell }) => `# ${description.replaceAll('\n', ' ')}\n${shell}\n`,
    );
    return `#!/bin/sh\n# The node ${quote(this.node)}.\nset -e\n\n${steps.join('\n')}`;
  }
}

function replacedLinks(wanted: readonly Wanted[], look: Look): Resource[] {
  return wanted.flatMap((each) => {
    const { resource } = each;
    const present = look(resource);
    const stays = resource.kind !== 'link' || present === null || isFine(each, present, look);
    return stays ? [] : [resource];
  });
}

function partsGone(link: Resource, wanted: readonly Wanted[], look: Look): Change[] {
  return wanted.flatMap(({ resource }) => {
    const present = look(resource);
    if (resource.kind !== 'address' || !isPartOf(resource, link) || present === null) return [];
    return [makeChange(resource, present, null, 'its device has to be made anew')];
  });
}

/** A change with all that is said about it. */
export function makeChange(
  resource: Resource,
  before: Value,
  after: Value,
  reason: string,
): Change {
  return {
    kind: resource.kind,
    resource,
    description: describe(resource, before, after),
    reason,
    before,
    after,
    shell: shellOf(resource, before, after),
  };
}

/** Everything that has to be looked at for a plan. */
export function resourcesOf(wanted: readonly Wanted[], chains: Chains): Resource[] {
  const found = new Map<string, Resource>();
  for (const { resource, looksAt = [], startsAs, manual } of wanted) {
    if (manual !== true) found.set(keyOf(resource), resource);
    for (const each of looksAt) found.set(keyOf(each), each);
    if (startsAs !== undefined) found.set(keyOf(startsAs), startsAs);
  }
  for (const [key, { resource }] of chains) found.set(key, resource);
  return [...found.values()];
}

/** `look` tells what is there, `chains` what the journal says that we put there. */
export function makePlan(
  node: string,
  wanted: readonly Wanted[],
  look: Look,
  chains: Chains,
): Plan {
  const keys = new Set(wanted.map(({ resource }) => keyOf(resource)));
  const changes: Change[] = [];
  const last: Change[] = [];
  const taken = new Map<string, Value>();
  // What is ours and no longer wanted goes first, the last that came first.
  for (const [key, chain] of [...chains].reverse()) {
    if (keys.has(key)) continue;
    const { resource } = chain;
    const present = look(resource);
    const target = chain.takeBack(present);
    if (target === undefined) continue;
    taken.set(key, target);
    const reason = 'it is ours, and the description no longer has it';
    (isQuieting(resource) ? last : changes).push(...changesTo(resource, present, target, reason));
  }
  const replaced = replacedLinks(wanted, look);
  const after: Look = (resource) => {
    if (replaced.some((link) => isPartOf(resource, link))) return null;
    const target = taken.get(keyOf(resource));
    return target === undefined ? look(resource) : target;
  };
  for (const each of wanted) {
    if (each.manual === true) continue;
    // What is on a device that is made anew goes first, and comes again after it.
    if (replaced.includes(each.resource)) changes.push(...partsGone(each.resource, wanted, look));
    const present = after(each.resource);
    if (isFine(each, present ?? startOf(each, after), after)) continue;
    if (each.optional === true && present === null) continue;
    changes.push(...changesFor(each, present));
  }
  changes.push(...last);
  const manual = wanted
    .filter((each) => each.manual === true)
    .map((each) => makeChange(each.resource, null, each.value, each.reason));
  return new Plan(node, changes, manual);
}

/** What makes a thing as it should be. */
export function changesFor({ resource, value, reason }: Wanted, present: Value): Change[] {
  return changesTo(resource, present, merged(resource, present, value), reason);
}

/** A route by the same gateway keeps what nobody wants changed. */
function merged({ kind }: Resource, present: Value, value: Value): Value {
  if (kind !== 'route' || !isRecord(present) || !isRecord(value)) return value;
  const same = ['gateway', 'interface'].every(
    (name) => value[name] === undefined || fits(value[name] ?? null, present[name] ?? null),
  );
  return same ? { ...present, ...value } : value;
}

/** What it will be without being set, as soon as it is there. */
function startOf({ startsAs }: Wanted, look: Look): Value {
  return startsAs === undefined ? null : look(startsAs);
}

/** Whether a thing is as it should be. */
export function isFine(wanted: Wanted, present: Value, look: Look): boolean {
  if (fits(wanted.value, present)) return true;
  return wanted.accepts !== undefined && present !== null && wanted.accepts(present, look);
}

/** One change, or two where the kernel can't change it in place. */
export function changesTo(
  resource: Resource,
  present: Value,
  value: Value,
  reason: string,
): Change[] {
  const isOne = isChangeable(resource.kind) || isMove(resource, present, value);
  if (present === null || value === null || isOne) {
    return [makeChange(resource, present, value, reason)];
  }
  return [
    makeChange(resource, present, null, `it has to be made anew: ${reason}`),
    makeChange(resource, null, value, reason),
  ];
}
