// The handle: every operation of the kernel's IPVS.

// For programs that are compiled without @types/node, which declares Symbol.asyncDispose too.
/// <reference lib="esnext.disposable" preserve="true" />

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Channels } from './channel.js';
import type { Place } from './channel.js';
import { sameDestination, sameService } from './compare.js';
import { invalidType } from './errors.js';
import { lazy } from './lazy.js';
import { loadAddon } from './load.js';
import { Fault, NativeFailure } from './native.js';
import {
  parseBatchOptions,
  parseCallOptions,
  parseConnectionsOptions,
  parseDaemon,
  parseOpenOptions,
  parseReadOptions,
  parseRole,
  parseSnapshotOptions,
  parseTimeouts,
} from './options.js';
import { Command } from './records.js';
import type {
  Counter,
  DestinationRecord,
  InfoRecord,
  ServiceRecord,
  TimeoutNumbers,
} from './records.js';
import type { Records } from './rows.js';
import type { RestoreOptions, RestoreResult, TableConfig } from './rules/types.js';
import { Session, throwIfAborted } from './session.js';
import type { Call } from './session.js';
import { readTable } from './table.js';
import type { Table } from './table.js';
import type {
  BatchOptions,
  BigIntCounters,
  CallOptions,
  Capabilities,
  Connection,
  ConnectionsOptions,
  Destination,
  DestinationChanges,
  DestinationConfig,
  DestinationKey,
  DirectorStats,
  Ensured,
  Info,
  OpenOptions,
  Operation,
  Outcome,
  ReadOptions,
  Service,
  ServiceChanges,
  ServiceConfig,
  ServiceKey,
  Snapshot,
  SnapshotOptions,
  SnapshotService,
  SyncDaemon,
  SyncDaemonConfig,
  SyncRole,
  Timeouts,
} from './types.js';
import {
  parseDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
  readDestinationChanges,
  readServiceChanges,
} from './validate.js';
import { DEFAULT_TIMEOUT } from './waiting.js';
import { ROLES, toConnection, toDestination, toInfo, toService, toSyncDaemon } from './words.js';

// So many records of a list become objects before others get the thread, and an abort counts.
const PORTION = 500;

const CONNECTIONS_WITH_ORIGIN_FILE = '/proc/thread-self/net/ip_vs_conn_sync';

/**
 * The IPVS of one network namespace.
 *
 * All methods may be called concurrently. Changes take effect in the order in which they are asked
 * for, a read sees every change that was asked for before it, and an update that reads, merges and
 * writes is not overtaken by later calls for the same service. A list that is not awaited may see
 * changes that were asked for after it. Other processes are not held back.
 *
 * An open handle keeps no process alive.
 */
export class Ipvs {
  readonly #session: Session;

  private constructor(channels: Channels) {
    this.#session = new Session(channels);
  }

  /**
   * Opens a handle. Does not look for IPVS yet: where the kernel has none, the first operation
   * rejects with `ERR_IPVS_UNAVAILABLE`, and {@link Ipvs.probe} says why.
   *
   * Rejects with `ERR_IPVS_PLATFORM` off Linux, `ERR_IPVS_LOAD` where the addon can't be loaded,
   * `ENOENT` for a network namespace that is not there, `EPERM` where it may not be entered.
   */
  static async open(options?: OpenOptions): Promise<Ipvs> {
    const { netns, timeout } = parseOpenOptions(options);
    return Ipvs.at({ netns }, timeout);
  }

  /** @internal */
  static async at(place: Place, timeout: number): Promise<Ipvs> {
    const channels = await Channels.open(loadAddon(), place, timeout);
    if (channels instanceof NativeFailure) {
      throw lazy.explain().explainOpen(channels, place.netns);
    }
    return new Ipvs(channels);
  }

  /** @internal A handle on the process's own network namespace, at once. */
  static unopened(): Ipvs {
    return new Ipvs(Channels.unopened(loadAddon(), DEFAULT_TIMEOUT));
  }

  /** Closes the handle when everything that was asked is done. Repeating it is harmless. */
  close(): Promise<void> {
    return this.#session.close();
  }

  /** {@link Ipvs.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- virtual services

  /**
   * Adds a virtual service (`ipvsadm -A`). Rejects with `EEXIST` where it is there already,
   * `ERR_IPVS_SCHEDULER` or `ERR_IPVS_ENGINE` where the kernel lacks the module.
   */
  addService(service: ServiceConfig, options?: CallOptions): Promise<void> {
    return this.#session.change({ op: 'addService', service }, options);
  }

  /**
   * Changes what is given and nothing else: reads the service, merges, writes it back. Connections
   * and counters stay. Rejects with `ESRCH` where it is not there.
   */
  async updateService(
    service: ServiceKey,
    changes: ServiceChanges,
    options?: CallOptions,
  ): Promise<void> {
    const id = parseServiceId(service);
    const given = readServiceChanges(changes, id);
    const call = { command: 'update service', service: id, ...parseCallOptions(options) };
    await this.#session.inTurn(call, async () => {
      const present = await this.#session.readService(call, id);
      if (present === undefined) throw await this.#session.missingService(call, id);
      const serviceNumbers = parseServiceChanges(given, id, present);
      await this.#session.send(call, { command: Command.setService, service: id, serviceNumbers });
    });
  }

  /**
   * Sets a service that is there to just this configuration (`ipvsadm -E`): what is left out becomes
   * its default. Destinations, connections and counters stay. One message, nothing is read. Rejects
   * with `ESRCH` where it is not there.
   */
  replaceService(service: ServiceConfig, options?: CallOptions): Promise<void> {
    return this.#session.change({ op: 'replaceService', service }, options);
  }

  /** Makes sure that the service is there with just this configuration; tells what it took. */
  async ensureService(service: ServiceConfig, options?: CallOptions): Promise<Ensured> {
    const { id, numbers } = parseServiceConfig(service);
    const call = { command: 'ensure service', service: id, ...parseCallOptions(options) };
    return this.#session.inTurn(call, () =>
      this.#session.ensure<ServiceRecord>(call, {
        read: () => this.#session.readService(call, id),
        same: (present) => sameService(present, numbers),
        add: { command: Command.newService, service: id, serviceNumbers: numbers },
        set: { command: Command.setService, service: id, serviceNumbers: numbers },
      }),
    );
  }

  /**
   * Removes a service with its destinations (`ipvsadm -D`). Rejects with `ESRCH` where it is not
   * there.
   */
  removeService(service: ServiceKey, options?: CallOptions): Promise<void> {
    return this.#session.change({ op: 'removeService', service }, options);
  }

  /** Reads one service; undefined where it is not there. */
  getService(
    service: ServiceKey,
    options: ReadOptions & BigIntCounters,
  ): Promise<Service<bigint> | undefined>;
  getService(service: ServiceKey, options?: ReadOptions): Promise<Service | undefined>;
  async getService(
    service: ServiceKey,
    options?: ReadOptions,
  ): Promise<Service<Counter> | undefined> {
    const id = parseServiceId(service);
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'get service', service: id, signal };
    return this.#session.ordered(call, async () => {
      const record = await this.#session.readService(call, id, bigint);
      return record && toService(record);
    });
  }

  /** All services, sorted: addresses before marks, IPv4 before IPv6, then protocol, address, port. */
  listServices(options: ReadOptions & BigIntCounters): Promise<Service<bigint>[]>;
  listServices(options?: ReadOptions): Promise<Service[]>;
  async listServices(options?: ReadOptions): Promise<Service<Counter>[]> {
    return this.#session.held(() => all(this.#services(options)));
  }

  /**
   * The same one by one: the table is read at once, and becomes objects in portions while you
   * iterate.
   */
  services(options: ReadOptions & BigIntCounters): AsyncIterable<Service<bigint>>;
  services(options?: ReadOptions): AsyncIterable<Service>;
  async *services(options?: ReadOptions): AsyncIterable<Service<Counter>> {
    for await (const portion of this.#services(options)) yield* portion;
  }

  // ---- destinations

  /**
   * Adds a destination to a service (`ipvsadm -a`). Rejects with `EEXIST` where it is there already,
   * `ESRCH` where the service is not, `EINVAL` where the kernel does not take the address.
   */
  addDestination(
    service: ServiceKey,
    destination: DestinationConfig,
    options?: CallOptions,
  ): Promise<void> {
    return this.#session.change({ op: 'addDestination', service, destination }, options);
  }

  /**
   * Changes what is given and nothing else: reads the destination, merges, writes it back.
   * Connections and counters stay. Rejects with `ENOENT` where it is not there, `ESRCH` where the
   * service is not.
   */
  async updateDestination(
    service: ServiceKey,
    destination: DestinationKey,
    changes: DestinationChanges,
    options?: CallOptions,
  ): Promise<void> {
    const owner = parseServiceId(service);
    const id = parseDestinationId(destination, owner);
    const given = readDestinationChanges(changes, owner, id);
    const call = {
      command: 'update destination',
      service: owner,
      destination: id,
      ...parseCallOptions(options),
    };
    await this.#session.inTurn(call, async () => {
      const present = await this.#session.readDestination(call, owner, id);
      if (present === undefined) throw await this.#session.missingDestination(call, owner, id);
      await this.#session.send(call, {
        command: Command.setDestination,
        service: owner,
        destination: id,
        destinationNumbers: parseDestinationChanges(given, owner, id, present),
      });
    });
  }

  /**
   * Sets a destination that is there to just this configuration (`ipvsadm -e`): what is left out
   * becomes its default. One message, nothing is read. Rejects with `ENOENT` where it is not there,
   * `ESRCH` where the service is not.
   */
  replaceDestination(
    service: ServiceKey,
    destination: DestinationConfig,
    options?: CallOptions,
  ): Promise<void> {
    return this.#session.change({ op: 'replaceDestination', service, destination }, options);
  }

  /**
   * Makes sure that the destination is there with just this configuration; tells what it took.
   * Rejects with `ESRCH` where the service is not there.
   */
  async ensureDestination(
    service: ServiceKey,
    destination: DestinationConfig,
    options?: CallOptions,
  ): Promise<Ensured> {
    const owner = parseServiceId(service);
    const { id, numbers } = parseDestinationConfig(destination, owner);
    const call = {
      command: 'ensure destination',
      service: owner,
      destination: id,
      ...parseCallOptions(options),
    };
    const request = { service: owner, destination: id, destinationNumbers: numbers };
    return this.#session.inTurn(call, () =>
      this.#session.ensure<DestinationRecord>(call, {
        read: () => this.#session.readDestination(call, owner, id),
        same: (present) => sameDestination(present, numbers),
        add: { ...request, command: Command.newDestination },
        set: { ...request, command: Command.setDestination },
      }),
    );
  }

  /**
   * Removes a destination (`ipvsadm -d`). Its connections are cut: to let them end, set its weight
   * to 0 first and wait. Rejects with `ENOENT` where it is not there, `ESRCH` where the service is
   * not.
   */
  removeDestination(
    service: ServiceKey,
    destination: DestinationKey,
    options?: CallOptions,
  ): Promise<void> {
    return this.#session.change({ op: 'removeDestination', service, destination }, options);
  }

  /** Reads one destination; undefined where it (or its service) is not there. */
  getDestination(
    service: ServiceKey,
    destination: DestinationKey,
    options: ReadOptions & BigIntCounters,
  ): Promise<Destination<bigint> | undefined>;
  getDestination(
    service: ServiceKey,
    destination: DestinationKey,
    options?: ReadOptions,
  ): Promise<Destination | undefined>;
  async getDestination(
    service: ServiceKey,
    destination: DestinationKey,
    options?: ReadOptions,
  ): Promise<Destination<Counter> | undefined> {
    const owner = parseServiceId(service);
    const id = parseDestinationId(destination, owner);
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'get destination', service: owner, destination: id, signal };
    return this.#session.ordered(call, async () => {
      const record = await this.#session.readDestination(call, owner, id, bigint);
      return record && toDestination(record);
    });
  }

  /**
   * All destinations of a service, sorted by family, address and port. Rejects with `ESRCH` where
   * the service is not there.
   */
  listDestinations(
    service: ServiceKey,
    options: ReadOptions & BigIntCounters,
  ): Promise<Destination<bigint>[]>;
  listDestinations(service: ServiceKey, options?: ReadOptions): Promise<Destination[]>;
  async listDestinations(
    service: ServiceKey,
    options?: ReadOptions,
  ): Promise<Destination<Counter>[]> {
    return this.#session.held(() => all(this.#destinations(service, options)));
  }

  /**
   * The same one by one: the list is read at once, and becomes objects in portions while you
   * iterate.
   */
  destinations(
    service: ServiceKey,
    options: ReadOptions & BigIntCounters,
  ): AsyncIterable<Destination<bigint>>;
  destinations(service: ServiceKey, options?: ReadOptions): AsyncIterable<Destination>;
  async *destinations(
    service: ServiceKey,
    options?: ReadOptions,
  ): AsyncIterable<Destination<Counter>> {
    for await (const portion of this.#destinations(service, options)) yield* portion;
  }

  // ---- the whole table

  /**
   * Everything that is configured, sorted: services with their destinations, timeouts, sync daemons.
   * What others change meanwhile is read again, within a bound; `settled` says whether it came to rest.
   */
  snapshot(options: SnapshotOptions & BigIntCounters): Promise<Snapshot<bigint>>;
  snapshot(options?: SnapshotOptions): Promise<Snapshot>;
  async snapshot(options?: SnapshotOptions): Promise<Snapshot<Counter>> {
    const { bigint, settle, signal } = parseSnapshotOptions(options);
    const call = { command: 'take snapshot', signal };
    return this.#session.overall(call, async () => {
      const table = await this.#session.table(call, settle, bigint);
      const [services, timeouts, daemons] = await Promise.all([
        snapshotServices(table),
        this.#session.send(call, { command: Command.getTimeouts }),
        this.#session.daemons(call),
      ]);
      return {
        settled: table.settled,
        services,
        timeouts: timeouts as TimeoutNumbers,
        syncDaemons: daemons.map(toSyncDaemon),
      };
    });
  }

  /**
   * Many changes with one call, in order: thousands travel in a few datagrams. Resolves to an outcome
   * for each: undefined where it was done, otherwise the error that its own method would reject with.
   * One that fails does not keep the others from being done, unless the answers stay away: then what
   * comes after that portion is not sent.
   *
   * All operations are checked first: where one makes no sense the call rejects with an error that
   * names it (`operations[3].service.port`), and nothing is changed. Each is read once, a long list in
   * several turns of the event loop: what you change in it meanwhile may count or not. An abort counts
   * between portions of up to 4096 operations, and the `AbortError` then has the outcomes of those that
   * were sent. Each portion has the time that a single call has; where operations that look first are
   * about one thing again, each look with what comes of it has.
   */
  async batch(operations: readonly Operation[], options?: BatchOptions): Promise<Outcome[]> {
    const { signal, onProgress } = parseBatchOptions(options);
    if (!Array.isArray(operations)) throw invalidType('operations', 'an array', operations);
    const call: Call = { command: 'batch', signal };
    const total = operations.length;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
    const { Batch, prepare } = require('./batch.js') as typeof import('./batch.js');
    const prepared = prepare(operations, total);
    prepared.catch(() => undefined); // it is waited for when it is this call's turn
    return this.#session.alone(call, async () =>
      new Batch(this.#session, call, total, onProgress).run(await prepared),
    );
  }

  /**
   * Brings the table to be as the source says: rules in ipvsadm's language, JSON or YAML of a snapshot,
   * or such an object. What differs is sent, additions and updates first and removals last, so that a
   * service that is in both tables is there all the time. Timeouts and sync daemons too, where the
   * source tells of them.
   *
   * All of the source is checked first, and whether this kernel has its schedulers: where something is
   * wrong the call rejects with a `RulesError` (`ERR_IPVS_RULES`) that has file, line and column, for an
   * object with a `TypeError` or `RangeError`, and nothing is changed. Where the kernel refuses a change,
   * the others are made, nothing is removed, and it rejects with an `IpvsError` of the first one's code.
   * An abort counts until the first change is sent.
   */
  async restore(
    source: string | TableConfig | Snapshot | Snapshot<bigint>,
    options?: RestoreOptions,
  ): Promise<RestoreResult> {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
    const { restore } = require('./rules/restore.js') as typeof import('./rules/restore.js');
    return restore(this.#session, source, options);
  }

  /** Removes all services of this network namespace, whoever made them (`ipvsadm -C`). */
  async flush(options?: CallOptions): Promise<void> {
    const call = { command: 'flush', ...parseCallOptions(options) };
    await this.#session.whole(call, () => this.#session.send(call, { command: Command.flush }));
  }

  /**
   * Sets counters to zero (`ipvsadm -Z`): those of a service and its destinations, or all of them
   * with the director's totals. Every other reader sees that too. Rejects with `ESRCH` where the
   * service is not there.
   */
  async zero(service?: ServiceKey, options?: CallOptions): Promise<void> {
    if (service !== undefined) return this.#session.change({ op: 'zero', service }, options);
    const call = { command: 'zero counters', ...parseCallOptions(options) };
    await this.#session.whole(call, () => this.#session.send(call, { command: Command.zero }));
  }

  // ---- the director

  /** The kernel's version of IPVS and the size of its table of connections. */
  async getInfo(options?: CallOptions): Promise<Info> {
    const call = { command: 'get information', ...parseCallOptions(options) };
    return this.#session.track(call, async () =>
      toInfo((await this.#session.send(call, { command: Command.getInfo })) as InfoRecord),
    );
  }

  /** How long idle connections are remembered (`ipvsadm -L --timeout`). */
  async getTimeouts(options?: CallOptions): Promise<Timeouts> {
    const call = { command: 'get timeouts', ...parseCallOptions(options) };
    return this.#session.track(call, async () => {
      return (await this.#session.send(call, { command: Command.getTimeouts })) as TimeoutNumbers;
    });
  }

  /** Sets timeouts (`ipvsadm --set`), in seconds: 1 to 2147483; absent and 0 keep what there is. */
  async setTimeouts(timeouts: Partial<Timeouts>, options?: CallOptions): Promise<void> {
    const numbers = parseTimeouts(timeouts);
    const call = { command: 'set timeouts', ...parseCallOptions(options) };
    await this.#session.track(call, () =>
      this.#session.send(call, { command: Command.setTimeouts, timeouts: numbers }),
    );
  }

  /** The counters of the whole director, since its start or since they were zeroed. */
  getStats(options: ReadOptions & BigIntCounters): Promise<DirectorStats<bigint>>;
  getStats(options?: ReadOptions): Promise<DirectorStats>;
  async getStats(options?: ReadOptions): Promise<DirectorStats<Counter>> {
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'get statistics', signal };
    const { PER_CPU_FILE, TOTALS_FILE, parseDirectorStats } = lazy.stats();
    return this.#session.track(call, async () => {
      const totals = await this.#session.readFile(call, TOTALS_FILE);
      const perCpu = await this.#session.readFile(call, PER_CPU_FILE);
      const stats = parseDirectorStats(totals, perCpu, bigint);
      if (stats !== undefined) return stats;
      const failure = new NativeFailure(Fault.malformed, 0, '', TOTALS_FILE);
      throw await this.#session.explain(call, { command: Command.getInfo }, failure);
    });
  }

  /**
   * The table of connections, streamed: it is read while you iterate, so what changes meanwhile may
   * be seen or not. Memory does not grow with the table.
   */
  async *connections(options?: ConnectionsOptions): AsyncIterable<Connection> {
    const { filter, limit, origin, signal } = parseConnectionsOptions(options);
    const call = { command: 'list connections', signal };
    const { CONNECTIONS_FILE, PORTION: portion } = lazy.connectionTable();
    const path = origin ? CONNECTIONS_WITH_ORIGIN_FILE : CONNECTIONS_FILE;
    const list = this.#session.channels.files.connections(path, origin, filter);
    try {
      let end = false;
      for (let rest = limit; rest > 0 && !end;) {
        const most = Math.min(portion, rest);
        const read = await this.#session.track(call, () =>
          this.#session.readConnections(call, list, most),
        );
        for (const entry of read.entries) {
          throwIfAborted(call);
          yield toConnection(entry);
        }
        rest -= read.entries.length;
        end = read.end;
      }
    } finally {
      list.close();
    }
  }

  // ---- synchronisation with other directors

  /**
   * Starts a daemon that sends connections to other directors or takes theirs
   * (`ipvsadm --start-daemon`). Both roles may run at once. Rejects with `EEXIST` where that role is
   * running, `ENODEV` where the interface is not there.
   */
  async startSyncDaemon(daemon: SyncDaemonConfig, options?: CallOptions): Promise<void> {
    const numbers = parseDaemon(daemon);
    const command = `start ${ROLES.word(numbers.role)} sync daemon`;
    const call = { command, ...parseCallOptions(options) };
    await this.#session.whole(call, () =>
      this.#session.send(call, { command: Command.newDaemon, daemon: numbers }),
    );
  }

  /** Stops a sync daemon (`ipvsadm --stop-daemon`). Rejects with `ESRCH` where it is not running. */
  async stopSyncDaemon(role: SyncRole, options?: CallOptions): Promise<void> {
    const number = parseRole(role);
    const call = { command: `stop ${role} sync daemon`, ...parseCallOptions(options) };
    await this.#session.whole(call, () => this.#session.stopDaemon(call, number));
  }

  /** The sync daemons that run (`ipvsadm -L --daemon`): none, one or both, the master first. */
  async listSyncDaemons(options?: CallOptions): Promise<SyncDaemon[]> {
    const call = { command: 'list sync daemons', ...parseCallOptions(options) };
    return this.#session.overall(call, async () =>
      (await this.#session.daemons(call)).map(toSyncDaemon),
    );
  }

  /**
   * What works here and, where it does not, why. Rejects only where the handle is closed or the call
   * aborted. Tables stay as they are; the modules of schedulers and engines are loaded.
   */
  async probe(options?: CallOptions): Promise<Capabilities> {
    const call = { command: 'probe', ...parseCallOptions(options) };
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
    const { probe } = require('./probe.js') as typeof import('./probe.js');
    return this.#session.track(call, () => probe(loadAddon(), this.#session.channels));
  }

  // ---- what several of these are made of

  async *#services(options: ReadOptions | undefined): AsyncIterable<Service<Counter>[]> {
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'list services', signal };
    const records = await this.#session.overall(call, () => this.#session.services(call, bigint));
    yield* portions(call, records, toService);
  }

  async *#destinations(
    service: ServiceKey,
    options: ReadOptions | undefined,
  ): AsyncIterable<Destination<Counter>[]> {
    const owner = parseServiceId(service);
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'list destinations', service: owner, signal };
    const records = await this.#session.ordered(call, async () => {
      const read = await this.#session.destinations(call, owner, bigint);
      // For a service that is not there the kernel gives an empty list, for one that goes away
      // meanwhile a short one.
      const sure = read.length > 0 && read.chunks === 1;
      if (!sure && (await this.#session.readService(call, owner)) === undefined) {
        throw await this.#session.missingService(call, owner);
      }
      return read;
    });
    yield* portions(call, records, toDestination);
  }
}

async function* portions<Item, Result>(
  call: Call,
  records: Records<Item>,
  convert: (item: Item) => Result,
): AsyncIterable<Result[]> {
  for (let rest = records.length; rest > 0; rest -= PORTION) {
    yield records.map(PORTION, convert);
    if (rest > PORTION) await nextTurn();
    throwIfAborted(call);
  }
}

async function snapshotServices(table: Table): Promise<SnapshotService<Counter>[]> {
  const services: SnapshotService<Counter>[] = [];
  let destinations: Destination<Counter>[] = [];
  let next = 0;
  await readTable(table, {
    service: (record, index) => {
      // Of just the size: what a growing one leaves behind is garbage.
      destinations = new Array<Destination<Counter>>(table.counts[index] ?? 0);
      next = 0;
      services.push({ ...toService(record), destinations });
    },
    destination: (record) => {
      destinations[next++] = toDestination(record);
    },
  });
  return services;
}

async function all<Item>(source: AsyncIterable<Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const portion of source) items.push(...portion);
  return items;
}
