// One machine of a cluster: what would change on it, changing it, and changing it back.

// For programs that are compiled without @types/node, which declares Symbol.asyncDispose too.
/// <reference lib="esnext.disposable" preserve="true" />

import { INT_MAX, boolean, integer, object, string } from '../check.js';
import type { Input } from '../check.js';
import { invalidType, invalidValue } from '../errors.js';
import { parseOpenOptions } from '../options.js';
import type { AddressFamily, OpenOptions } from '../types.js';
import { applyPlan } from './apply.js';
import type { ApplyOptions } from './apply.js';
import { mayDisturb, takenAlong } from './disturbed.js';
import { findFaults, settingsToCheck } from './check.js';
import type { Fault } from './check.js';
import { desired } from './desired.js';
import { vipInterface } from './director.js';
import { ClusterError } from './errors.js';
import { Journal } from './journal.js';
import { lock } from './lock.js';
import type { TurnOptions, Wait } from './lock.js';
import type { AnnounceOptions, Machine } from './machine.js';
import { withState } from './model.js';
import type { Model, ModelNode } from './model.js';
import { JOURNALS, placeOf } from './place.js';
import { Plan, makePlan, resourcesOf } from './plan.js';
import type { Change } from './plan.js';
import { interfaceOfSetting, isOfIpvs, keyOf, isRecord } from './resources.js';
import type { Resource, RouteResource } from './resources.js';
import { revertAll } from './revert.js';
import type { RevertOptions, Reverted } from './revert.js';
import type { Value } from './types.js';
import { bestOf } from './wanted.js';
import type { Facts, Look } from './wanted.js';

/** Where a node is, and how it is worked on. */
export interface NodeOptions extends OpenOptions {
  /** The folder of journals. Default `/run/ipvs`. */
  readonly journal?: string;
  /** A director's state, instead of the description's: another one is not the master then. */
  readonly state?: 'master' | 'backup';
}

/** What a check has found. */
export interface Finding extends Omit<Fault, 'changes'> {
  /** What mends it, where this library can. */
  readonly mend?: Mend;
}

/** What mends a finding. */
export interface Mend {
  readonly changes: readonly Change[];
  /** Makes the changes, and gives those that it took: {@link ClusterNode.mend}. */
  apply(options?: ApplyOptions): Promise<Plan>;
}

const OPTIONS = new Set(['netns', 'timeout', 'journal', 'state']);

type Vip = Resource & { readonly kind: 'address' };

// What a process without rights runs into, somewhere.
const RIGHTS: readonly string[] = ['EPERM', 'EACCES', 'ERR_IPVS_JOURNAL'];

/** @internal How the machine behind a node is opened. */
export type OpenMachine = (options: OpenOptions) => Promise<Machine>;

/**
 * A node of a cluster: the machine that the program runs on, or one of its network namespaces.
 *
 * Calls are carried out one after the other. Nothing is opened before the first one.
 */
export class ClusterNode {
  /** Its name in the description. */
  readonly name: string;
  readonly #model: Model;
  readonly #node: ModelNode;
  readonly #options: OpenOptions;
  readonly #folder: string;
  readonly #openMachine: OpenMachine;
  #machine: Promise<Machine> | undefined;
  #closed = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(model: Model, node: ModelNode, options: NodeOptions, openMachine: OpenMachine) {
    const input: Input = object(options, 'options', OPTIONS);
    const { journal, state, ...rest } = options;
    parseOpenOptions(rest);
    this.#folder = journal === undefined ? JOURNALS : string(journal, 'options.journal');
    if (this.#folder === '') throw invalidValue('options.journal', 'must not be empty', journal);
    if (state !== undefined) {
      if (!['master', 'backup'].includes(state)) {
        throw invalidValue('options.state', "must be 'master' or 'backup'", input['state']);
      }
      if (!node.roles.has('director')) {
        throw invalidValue('options.state', 'is for a director only', state);
      }
      ({ model, node } = withState(model, node, state));
    }
    this.name = node.name;
    this.#model = model;
    this.#node = node;
    this.#options = rest;
    this.#openMachine = openMachine;
  }

  /** What would change, in order. Looks, and changes nothing. */
  plan(): Promise<Plan> {
    return this.#inTurn('plan', async (machine) => {
      const journal = await this.#readJournal(machine);
      const { node, changes, manual } = await this.#plan(machine, journal, 'plan');
      const isAddressed = changes.some((change) => change.kind === 'address' && mayDisturb(change));
      return new Plan(node, changes, manual, {
        warnings: journal.isHidden ? [hidden(journal)] : [],
        along: isAddressed ? takenAlong(changes, await machine.surroundings()) : [],
      });
    });
  }

  /**
   * Carries the plan out, and gives what was changed. Before each change the value that was there is
   * noted in the journal. Repeated, it changes nothing. A director that got a virtual address
   * announces it; where that did not come to pass, the next one does it.
   *
   * Rejects with a {@link ClusterError} at the first failure: `done` is what was changed before it,
   * `failed` what could not be, `code` why. Nothing at all is changed where the node can't be set up
   * to the end for a reason that shows beforehand: `EPERM`, `EROFS` (/proc/sys), `ENODEV`,
   * `ERR_IPVS_UNAVAILABLE`. Nothing to do takes no rights but to the journal's folder.
   * `ERR_IPVS_LOCKED`: another process is changing this node.
   */
  apply(options: ApplyOptions = {}): Promise<Plan> {
    const { signal, onProgress, ...turn } = parseApplyOptions(options);
    return this.#inTurn('apply', (machine) =>
      this.#locked(machine, 'apply', { signal, ...turn }, async (journal) => {
        if (journal === undefined) return new Plan(this.name, [], []);
        const plan = await this.#plan(machine, journal, 'apply');
        await this.#preflight(machine, 'apply', plan.changes, journal);
        const done = await applyPlan(machine, journal, plan, {
          ...(signal && { signal }),
          ...(onProgress && { onProgress }),
        });
        await this.#announceNew(machine, journal, 'apply', done);
        return new Plan(this.name, done, plan.manual);
      }),
    );
  }

  /**
   * Puts back what was there before, from the journal: what this or another process has applied, all
   * or part of it. What somebody else has changed meanwhile is left alone and told; then the journal
   * stays as well. May be repeated after a failure. With `dryRun` it says what it would do.
   */
  revert(options: RevertOptions = {}): Promise<Reverted> {
    const { dryRun, ...others } = object(options, 'options', REVERT_OPTIONS);
    const isDry = dryRun === undefined ? false : boolean(dryRun, 'options.dryRun');
    const { signal, ...turn } = parseApplyOptions(others);
    const how = { ...(signal && { signal }), dryRun: isDry };
    return this.#inTurn('revert', async (machine) => {
      if (isDry) {
        const { path, header } = await placeOf(this.#folder, this.name, await machine.identity());
        return revertAll(machine, await Journal.read(path, header), this.name, how);
      }
      return this.#locked(machine, 'revert', { signal, ...turn }, async (journal) => {
        if (journal === undefined) return { reverted: [], kept: [] };
        if (journal.chains.size > 0) await machine.preflight(`revert ${this.name}`, []);
        return revertAll(machine, journal, this.name, how);
      });
    });
  }

  /**
   * Looks for what is wrong, the worst first: what is not as described, and what keeps a cluster from
   * working besides. A healthy node has no findings.
   */
  check(): Promise<Finding[]> {
    return this.#inTurn('check', async (machine) => {
      const journal = await this.#readJournal(machine);
      const facts = await this.#facts(machine, journal, 'check');
      const all = desired(this.#model, this.#node, facts);
      const settings = all.flatMap(({ resource }) =>
        resource.kind === 'sysctl' && interfaceOfSetting(resource.name) === undefined
          ? [resource.name]
          : [],
      );
      const { way } = facts;
      const survey = {
        ...(await machine.survey([...settings, 'net.ipv4.ip_forward'], this.#ownVips())),
        ...(way !== undefined && { way }),
      };
      const usable = survey.ipvs === undefined && survey.rights === undefined;
      const wanted = all.filter(({ resource }) => usable || !isOfIpvs(resource));
      const resources = [
        ...resourcesOf(wanted, new Map()),
        ...settingsToCheck(this.#model, this.#node, wanted),
      ];
      const look = await lookAt(machine, resources);
      return findFaults(this.#model, this.#node, wanted, look, survey).map((fault) =>
        this.#finding(fault),
      );
    });
  }

  /**
   * Mends what a check has found, and gives what was changed; nothing where the finding has no mend.
   * Rejects as {@link ClusterNode.apply} does. {@link ClusterNode.revert} takes it back.
   */
  mend(finding: Finding, options: ApplyOptions = {}): Promise<Plan> {
    const { signal, onProgress, ...turn } = parseApplyOptions(options);
    const changes = finding.mend?.changes ?? [];
    return this.#inTurn('mend', (machine) =>
      this.#locked(machine, 'mend', { signal, ...turn }, async (journal) => {
        if (journal === undefined) return new Plan(this.name, [], []);
        const plan = new Plan(this.name, changes, []);
        await this.#preflight(machine, 'mend', plan.changes, journal);
        // What the description asks for is taken away with it, whoever has put it back.
        const facts = await this.#facts(machine, journal, 'mend');
        const wanted = desired(this.#model, this.#node, facts);
        const described = new Set(wanted.map(({ resource }) => keyOf(resource)));
        const done = await applyPlan(machine, journal, plan, {
          ...(signal && { signal }),
          ...(onProgress && { onProgress }),
          mends: ({ resource }) => !described.has(keyOf(resource)),
        });
        await this.#announceNew(machine, journal, 'mend', done);
        return new Plan(this.name, done, []);
      }),
    );
  }

  #finding({ changes, ...fault }: Fault): Finding {
    if (changes.length === 0) return fault;
    const finding: Finding = {
      ...fault,
      mend: { changes, apply: (options) => this.mend(finding, options) },
    };
    return finding;
  }

  /**
   * Tells the neighbours that the virtual addresses are here now: gratuitous ARP (RFC 5227) and
   * unsolicited neighbour advertisements (RFC 4861), five of each, and again after five seconds. On a
   * node that has none it does nothing.
   */
  announce(options: AnnounceOptions = {}): Promise<void> {
    return this.#inTurn('announce', (machine) => this.#announce(machine, this.#ownVips(), options));
  }

  /** Closes what was opened, when everything that was asked is done. Repeating it is harmless. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn.catch(() => undefined);
    const machine = await this.#machine?.catch(() => undefined);
    this.#machine = undefined;
    await machine?.close();
  }

  /** {@link ClusterNode.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- of which these are made

  #inTurn<T>(command: string, work: (machine: Machine) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.#closed) {
        throw new ClusterError(`${command} ${this.name}`, {
          code: 'ERR_IPVS_CLOSED',
          sentence: 'the node was closed',
        });
      }
      this.#machine ??= this.#openMachine(this.#options);
      let machine: Machine;
      try {
        machine = await this.#machine;
      } catch (error) {
        this.#machine = undefined;
        throw error;
      }
      return work(machine);
    };
    const result = this.#turn.then(run, run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #readJournal(machine: Machine): Promise<Journal> {
    const { path, header } = await placeOf(this.#folder, this.name, await machine.identity());
    return Journal.readIfAllowed(path, header);
  }

  /** Has `work` done while nobody else changes the node; without a journal where it is not to be. */
  async #locked<T>(
    machine: Machine,
    command: string,
    { when, ...wait }: Turn,
    work: (journal: Journal | undefined) => Promise<T>,
  ): Promise<T> {
    const what = `${command} ${this.name}`;
    try {
      const { path, header } = await placeOf(this.#folder, this.name, await machine.identity());
      const unlock = await lock(`${path}.lock`, what, wait);
      try {
        if (when !== undefined && !(await when())) return await work(undefined);
        const journal = await Journal.read(path, header);
        try {
          return await work(journal);
        } finally {
          await journal.close();
        }
      } finally {
        await unlock();
      }
    } catch (error) {
      // Who has no rights hears of that, and not of what it was that could not be read or written.
      const { code = '', done } = error as { code?: string; done?: unknown };
      if (RIGHTS.includes(code) && done === undefined) await machine.preflight(what, []);
      throw error;
    }
  }

  /** Looks beforehand; nothing to do can always be done. */
  async #preflight(
    machine: Machine,
    command: string,
    changes: readonly Change[],
    journal: Journal,
  ): Promise<void> {
    const what = `${command} ${this.name}`;
    if (changes.length > 0) await machine.preflight(what, changes);
    const added = changes.filter(({ after }) => after !== null).map(({ resource }) => resource);
    const keys = new Set([...added, ...this.#unannounced(journal)].map(keyOf));
    const vips = this.#ownVips().filter((each) => keys.has(keyOf(each)));
    const interfaces = new Set(vips.map((each) => each.interface));
    if (interfaces.size > 0) await machine.mayAnnounce(what, [...interfaces]);
  }

  async #facts(machine: Machine, journal: Journal, command: string): Promise<Facts> {
    const { defaultRoutes, ...rest } = await machine.facts();
    const facts = { ...rest, marks: await this.#markable(machine) };
    for (const [name, path] of this.#interfaces()) {
      if (facts.mtus[name] !== undefined) continue;
      throw new ClusterError(`${command} ${this.name}`, {
        code: 'ENODEV',
        sentence: `there is no network interface ${name} here`,
        path,
        hint: `here are: ${Object.keys(facts.mtus).join(', ')}`,
      });
    }
    // A default route of our own is none that somebody else has set.
    const routes = new Map(defaultRoutes.map((each) => [keyOf(each.resource), each]));
    for (const { resource, unwound } of await unwindRoutes(machine, journal)) {
      if (isRecord(unwound) && unwound['protocol'] !== 'ra') {
        routes.set(keyOf(resource), { resource, value: unwound });
      } else {
        routes.delete(keyOf(resource));
      }
    }
    const [ipv4, ipv6] = (['ipv4', 'ipv6'] as const).map((each) => bestOf(routes.values(), each));
    const way = bestOf(defaultRoutes, 'ipv4')?.value['interface'];
    return {
      ...facts,
      defaults: { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) },
      ...(typeof way === 'string' && { way }),
    };
  }

  /** The families of marks that the kernel can be told of, of those that are described. */
  async #markable(machine: Machine): Promise<ReadonlySet<AddressFamily>> {
    const marked = this.#model.services.filter(({ config }) => config.fwmark !== undefined);
    const families = [...new Set(marked.map(({ family }) => family))];
    const can = await Promise.all(families.map((family) => machine.canMark(family)));
    return new Set(families.filter((_, index) => can[index] === true));
  }

  /** Those that have to be there, and where the description names them. */
  #interfaces(): [name: string, path: string][] {
    const { roles, inside, outside } = this.#node;
    const { vips, sync } = this.#model;
    const interfaces: [string, string][] = [
      [inside.interface, `nodes.${this.name}.interface`],
      [outside.interface, `nodes.${this.name}.clients`],
    ];
    if (!roles.has('director')) return interfaces;
    vips.forEach((vip, index) => {
      interfaces.push([vipInterface(this.#node, vip), `vip[${index}].interface`]);
    });
    if (sync?.interface !== undefined) interfaces.push([sync.interface, 'sync.interface']);
    return interfaces;
  }

  async #plan(machine: Machine, journal: Journal, command: string): Promise<Plan> {
    const wanted = desired(this.#model, this.#node, await this.#facts(machine, journal, command));
    const look = await lookAt(machine, resourcesOf(wanted, journal.chains));
    return makePlan(this.name, wanted, look, journal.chains);
  }

  /** Those that came by this library, of which the neighbours have not been told yet. */
  #unannounced(journal: Journal): Vip[] {
    return this.#ownVips().filter((each) => journal.chains.get(keyOf(each))?.isNews === true);
  }

  /** What an `apply` that was killed or failed has added is told by the next one. */
  async #announceNew(
    machine: Machine,
    journal: Journal,
    command: string,
    done: readonly Change[],
  ): Promise<void> {
    const news = this.#unannounced(journal);
    if (news.length === 0) return;
    const what = `${command} ${this.name}`;
    try {
      const present = await machine.read(news);
      const fresh = news.filter((_, index) => (present[index] ?? null) !== null);
      await this.#announce(machine, fresh, { repeatAfter: 0 });
      await journal.append(fresh.map((resource) => ({ line: 'announced', resource })));
    } catch (error) {
      const { code, message, hint } = error as Error & { code?: string; hint?: string };
      throw new ClusterError(what, {
        code: code ?? 'ERR_IPVS_UNKNOWN_OUTCOME',
        sentence: `all is changed, and the neighbours were not told: ${message}`,
        hint: hint ?? 'apply() again announces it; revert() takes back what was done',
        cause: error,
        done,
      });
    }
  }

  /** The virtual addresses that are to be here, on interfaces with neighbours. */
  #ownVips(): Vip[] {
    const { roles, state, inside } = this.#node;
    if (!roles.has('director') || state !== 'master') return [];
    return [
      ...this.#model.vips.map((vip) => ({
        kind: 'address' as const,
        interface: vipInterface(this.#node, vip),
        address: vip.address,
      })),
      ...this.#model.natGateways.map(({ address }) => ({
        kind: 'address' as const,
        interface: inside.interface,
        address,
      })),
    ].filter((each) => each.interface !== 'lo');
  }

  async #announce(
    machine: Machine,
    vips: readonly { readonly interface: string; readonly address: string }[],
    options: AnnounceOptions,
  ): Promise<void> {
    const interfaces = new Set(vips.map((each) => each.interface));
    await Promise.all(
      [...interfaces].map((name) =>
        machine.announce(
          name,
          vips.filter((each) => each.interface === name).map(({ address }) => address),
          options,
        ),
      ),
    );
  }
}

function hidden({ path }: Journal): string {
  return (
    `this process may not read the journal ${path}: ` +
    'what was applied before and is described no longer is not in this plan'
  );
}

async function lookAt(machine: Machine, resources: readonly Resource[]): Promise<Look> {
  const values = await machine.read(resources);
  const found = new Map(
    resources.map((resource, index) => [keyOf(resource), values[index] ?? null]),
  );
  return (resource) => found.get(keyOf(resource)) ?? null;
}

/** The default routes that we have changed, as they would be without us. */
async function unwindRoutes(
  machine: Machine,
  journal: Journal,
): Promise<{ resource: RouteResource; unwound: Value }[]> {
  const chains = [...journal.chains.values()].flatMap((chain) =>
    chain.resource.kind === 'route' && chain.resource.destination === 'default'
      ? [{ chain, resource: chain.resource }]
      : [],
  );
  const own = chains.filter(({ resource }) => resource.table === 254);
  const values = await machine.read(own.map(({ resource }) => resource));
  return own.map(({ chain, resource }, index) => ({
    resource,
    unwound: chain.unwind(values[index] ?? null).target,
  }));
}

/** How a turn is waited for, and whether it is still wanted when it comes. */
type Turn = Wait & Pick<TurnOptions, 'when'>;

const REVERT_OPTIONS = new Set(['signal', 'wait', 'when', 'dryRun']);

function parseApplyOptions(value: unknown): Turn & Pick<ApplyOptions, 'onProgress'> {
  const input = object(value, 'options', new Set(['signal', 'onProgress', 'wait', 'when']));
  const { signal, onProgress, wait, when } = input as Record<string, unknown>;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidType('options.signal', 'an AbortSignal', signal);
  }
  for (const [name, each] of Object.entries({ onProgress, when })) {
    if (each === undefined || typeof each === 'function') continue;
    throw invalidType(`options.${name}`, 'a function', each);
  }
  return {
    signal,
    wait: wait === undefined ? 0 : integer(wait, 'options.wait', 0, INT_MAX),
    ...(onProgress !== undefined && { onProgress: onProgress as ApplyOptions['onProgress'] }),
    ...(when !== undefined && { when: when as TurnOptions['when'] }),
  } as Turn & Pick<ApplyOptions, 'onProgress'>;
}
