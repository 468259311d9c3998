// The handle: every operation of the kernel's IPVS.

// For programs that are compiled without @types/node, which declares Symbol.asyncDispose too.
/// <reference lib="esnext.disposable" preserve="true" />

import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Channels } from './channel.js';
import type { Cancellation, Place } from './channel.js';
import { sameDestination, sameService } from './compare.js';
import { AbortError, IpvsError } from './errors.js';
import type { Subject } from './errors.js';
import { changes, explain, explainOpen } from './explain.js';
import { loadAddon } from './load.js';
import { Fault, NativeFailure } from './native.js';
import type { NativeConnectionList, NativeTable, Records, Reply } from './native.js';
import {
  DEFAULT_TIMEOUT,
  parseCallOptions,
  parseConnectionsOptions,
  parseDaemon,
  parseOpenOptions,
  parseReadOptions,
  parseRole,
  parseSnapshotOptions,
  parseTimeouts,
} from './options.js';
import { probe } from './probe.js';
import { Command } from './records.js';
import type {
  ConnectionRecord,
  DaemonRecord,
  DestinationId,
  DestinationRecord,
  InfoRecord,
  Request,
  ServiceId,
  ServiceRecord,
  TimeoutNumbers,
} from './records.js';
import { PER_CPU_FILE, TOTALS_FILE, parseDirectorStats } from './stats.js';
import { Turns } from './turns.js';
import type {
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
  checkDestinationChanges,
  checkServiceChanges,
  parseDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
} from './validate.js';
import {
  ROLES,
  toConnection,
  toDestination,
  toInfo,
  toService,
  toServiceKey,
  toSyncDaemon,
} from './words.js';

const { ENOENT, ESRCH, EEXIST } = constants.errno;

// Records become objects in such portions, with a turn of the event loop in between.
const PORTION = 500;

// Somebody else may add and remove what an ensure method looks at, but hardly this often.
const ENSURE_ATTEMPTS = 5;

const CONNECTIONS_FILE = '/proc/thread-self/net/ip_vs_conn';
const CONNECTIONS_WITH_ORIGIN_FILE = '/proc/thread-self/net/ip_vs_conn_sync';

/** Either kind of counter, while it is not said which. */
type Counter = number | bigint;

/** One call of a method. */
interface Call {
  /** As errors name it. */
  readonly command: string;
  readonly service?: ServiceId | undefined;
  readonly destination?: DestinationId | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The IPVS of one network namespace.
 *
 * All methods may be called concurrently. Calls take effect in the order in which they are made: a
 * read sees every change that was asked for before it, and an update that reads, merges and writes is
 * not overtaken by later calls for the same service. Other processes are not held back.
 *
 * An open handle keeps no process alive.
 */
export class Ipvs {
  readonly #channels: Channels;
  readonly #turns = new Turns();
  #running = 0;
  #closed: Promise<void> | undefined;
  #lastIsDone: (() => void) | undefined;

  private constructor(channels: Channels) {
    this.#channels = channels;
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
    if (channels instanceof NativeFailure) throw explainOpen(channels, place.netns);
    return new Ipvs(channels);
  }

  /** @internal A handle on the process's own network namespace, at once. */
  static unopened(): Ipvs {
    return new Ipvs(Channels.unopened(loadAddon(), DEFAULT_TIMEOUT));
  }

  /** Closes the handle when everything that was asked is done. Repeating it is harmless. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** {@link Ipvs.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#lastIsDone = resolve;
      });
    }
    this.#channels.close();
  }

  // ---- virtual services

  /**
   * Adds a virtual service (`ipvsadm -A`). Rejects with `EEXIST` where it is there already,
   * `ERR_IPVS_SCHEDULER` or `ERR_IPVS_ENGINE` where the kernel lacks the module.
   */
  async addService(service: ServiceConfig, options?: CallOptions): Promise<void> {
    const { id, numbers } = parseServiceConfig(service);
    const call = { command: 'add service', service: id, ...parseCallOptions(options) };
    await this.#change(call, {
      command: Command.newService,
      service: id,
      serviceNumbers: numbers,
    });
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
    checkServiceChanges(changes, id);
    const given = structuredClone(changes);
    const call = { command: 'update service', service: id, ...parseCallOptions(options) };
    await this.#inTurn(call, async () => {
      const present = await this.#readService(call, id);
      if (present === undefined) throw await this.#missingService(call, id);
      const serviceNumbers = parseServiceChanges(given, id, present);
      await this.#send(call, { command: Command.setService, service: id, serviceNumbers });
    });
  }

  /**
   * Sets a service that is there to just this configuration (`ipvsadm -E`): what is left out becomes
   * its default. Destinations, connections and counters stay. One message, nothing is read. Rejects
   * with `ESRCH` where it is not there.
   */
  async replaceService(service: ServiceConfig, options?: CallOptions): Promise<void> {
    const { id, numbers } = parseServiceConfig(service);
    const call = { command: 'replace service', service: id, ...parseCallOptions(options) };
    await this.#change(call, {
      command: Command.setService,
      service: id,
      serviceNumbers: numbers,
    });
  }

  /** Makes sure that the service is there with just this configuration; tells what it took. */
  async ensureService(service: ServiceConfig, options?: CallOptions): Promise<Ensured> {
    const { id, numbers } = parseServiceConfig(service);
    const call = { command: 'ensure service', service: id, ...parseCallOptions(options) };
    return this.#inTurn(call, () =>
      this.#ensure<ServiceRecord>(call, {
        read: () => this.#readService(call, id),
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
  async removeService(service: ServiceKey, options?: CallOptions): Promise<void> {
    const id = parseServiceId(service);
    const call = { command: 'remove service', service: id, ...parseCallOptions(options) };
    await this.#change(call, { command: Command.deleteService, service: id });
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
    return this.#ordered(call, async () => {
      const record = await this.#readService(call, id, bigint);
      return record && toService(record);
    });
  }

  /** All services, sorted: addresses before marks, IPv4 before IPv6, then protocol, address, port. */
  listServices(options: ReadOptions & BigIntCounters): Promise<Service<bigint>[]>;
  listServices(options?: ReadOptions): Promise<Service[]>;
  async listServices(options?: ReadOptions): Promise<Service<Counter>[]> {
    return all(this.#services(options));
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
  async addDestination(
    service: ServiceKey,
    destination: DestinationConfig,
    options?: CallOptions,
  ): Promise<void> {
    const { call, request } = this.#destinationCall(
      'add destination',
      service,
      destination,
      options,
    );
    await this.#change(call, { ...request, command: Command.newDestination });
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
    checkDestinationChanges(changes, owner, id);
    const given = structuredClone(changes);
    const call = {
      command: 'update destination',
      service: owner,
      destination: id,
      ...parseCallOptions(options),
    };
    await this.#inTurn(call, async () => {
      const present = await this.#readDestination(call, owner, id);
      if (present === undefined) throw await this.#missingDestination(call, owner, id);
      await this.#send(call, {
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
  async replaceDestination(
    service: ServiceKey,
    destination: DestinationConfig,
    options?: CallOptions,
  ): Promise<void> {
    const { call, request } = this.#destinationCall(
      'replace destination',
      service,
      destination,
      options,
    );
    await this.#change(call, { ...request, command: Command.setDestination });
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
    const { call, request } = this.#destinationCall(
      'ensure destination',
      service,
      destination,
      options,
    );
    return this.#inTurn(call, () =>
      this.#ensure<DestinationRecord>(call, {
        read: () => this.#readDestination(call, request.service, request.destination),
        same: (present) => sameDestination(present, request.destinationNumbers),
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
  async removeDestination(
    service: ServiceKey,
    destination: DestinationKey,
    options?: CallOptions,
  ): Promise<void> {
    const owner = parseServiceId(service);
    const id = parseDestinationId(destination, owner);
    const call = {
      command: 'remove destination',
      service: owner,
      destination: id,
      ...parseCallOptions(options),
    };
    await this.#change(call, {
      command: Command.deleteDestination,
      service: owner,
      destination: id,
    });
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
    return this.#ordered(call, async () => {
      const record = await this.#readDestination(call, owner, id, bigint);
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
    return all(this.#destinations(service, options));
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
   * Everything that is configured, in one view and sorted: services with their destinations,
   * timeouts, sync daemons. While others change the table it is read again until two views agree,
   * within a bound; `settled` says whether they did.
   */
  snapshot(options: SnapshotOptions & BigIntCounters): Promise<Snapshot<bigint>>;
  snapshot(options?: SnapshotOptions): Promise<Snapshot>;
  async snapshot(options?: SnapshotOptions): Promise<Snapshot<Counter>> {
    const { bigint, settle, signal } = parseSnapshotOptions(options);
    const call = { command: 'take snapshot', signal };
    return this.#whole(call, async () => {
      const { commands, dumps } = this.#channels;
      await commands.settled();
      const request: Request = { command: Command.getService };
      const table = await dumps.table(settle, bigint, cancellationOf(call, request));
      if (table instanceof NativeFailure) throw await this.#explain(call, request, table);
      const [services, timeouts, daemons] = await Promise.all([
        snapshotServices(table),
        this.#send(call, { command: Command.getTimeouts }),
        this.#dump<DaemonRecord>(call, { command: Command.getDaemon }),
      ]);
      return {
        settled: table.settled,
        services,
        timeouts: timeouts as TimeoutNumbers,
        syncDaemons: daemons.take(daemons.length).map(toSyncDaemon),
      };
    });
  }

  /** Removes all services of this network namespace, whoever made them (`ipvsadm -C`). */
  async flush(options?: CallOptions): Promise<void> {
    const call = { command: 'flush', ...parseCallOptions(options) };
    await this.#whole(call, () => this.#send(call, { command: Command.flush }));
  }

  /**
   * Sets counters to zero (`ipvsadm -Z`): those of a service and its destinations, or all of them
   * with the director's totals. Every other reader sees that too. Rejects with `ESRCH` where the
   * service is not there.
   */
  async zero(service?: ServiceKey, options?: CallOptions): Promise<void> {
    const id = service === undefined ? undefined : parseServiceId(service);
    const call = { command: 'zero counters', service: id, ...parseCallOptions(options) };
    if (id === undefined) {
      await this.#whole(call, () => this.#send(call, { command: Command.zero }));
    } else {
      await this.#change({ ...call, service: id }, { command: Command.zero, service: id });
    }
  }

  // ---- the director

  /** The kernel's version of IPVS and the size of its table of connections. */
  async getInfo(options?: CallOptions): Promise<Info> {
    const call = { command: 'get information', ...parseCallOptions(options) };
    return this.#track(call, async () =>
      toInfo((await this.#send(call, { command: Command.getInfo })) as InfoRecord),
    );
  }

  /** How long idle connections are remembered (`ipvsadm -L --timeout`). */
  async getTimeouts(options?: CallOptions): Promise<Timeouts> {
    const call = { command: 'get timeouts', ...parseCallOptions(options) };
    return this.#track(call, async () => {
      return (await this.#send(call, { command: Command.getTimeouts })) as TimeoutNumbers;
    });
  }

  /** Sets timeouts (`ipvsadm --set`), in seconds: 1 to 2147483; absent and 0 keep what there is. */
  async setTimeouts(timeouts: Partial<Timeouts>, options?: CallOptions): Promise<void> {
    const numbers = parseTimeouts(timeouts);
    const call = { command: 'set timeouts', ...parseCallOptions(options) };
    await this.#track(call, () =>
      this.#send(call, { command: Command.setTimeouts, timeouts: numbers }),
    );
  }

  /** The counters of the whole director, since its start or since they were zeroed. */
  getStats(options: ReadOptions & BigIntCounters): Promise<DirectorStats<bigint>>;
  getStats(options?: ReadOptions): Promise<DirectorStats>;
  async getStats(options?: ReadOptions): Promise<DirectorStats<Counter>> {
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'get statistics', signal };
    return this.#track(call, async () => {
      const totals = await this.#readFile(call, TOTALS_FILE);
      const perCpu = await this.#readFile(call, PER_CPU_FILE);
      const stats = parseDirectorStats(totals, perCpu, bigint);
      if (stats !== undefined) return stats;
      const failure = new NativeFailure(Fault.malformed, 0, '', TOTALS_FILE);
      throw await this.#explain(call, { command: Command.getInfo }, failure);
    });
  }

  /**
   * The table of connections, streamed: it is read while you iterate, so what changes meanwhile may
   * be seen or not. Memory does not grow with the table.
   */
  async *connections(options?: ConnectionsOptions): AsyncIterable<Connection> {
    const { filter, limit, origin, signal } = parseConnectionsOptions(options);
    const call = { command: 'list connections', signal };
    const path = origin ? CONNECTIONS_WITH_ORIGIN_FILE : CONNECTIONS_FILE;
    const list = this.#channels.files.connections(path, origin, filter);
    try {
      let end = false;
      for (let rest = limit; rest > 0 && !end;) {
        const most = Math.min(PORTION, rest);
        const read = await this.#track(call, () => this.#readConnections(call, list, most));
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
    await this.#whole(call, () =>
      this.#send(call, { command: Command.newDaemon, daemon: numbers }),
    );
  }

  /** Stops a sync daemon (`ipvsadm --stop-daemon`). Rejects with `ESRCH` where it is not running. */
  async stopSyncDaemon(role: SyncRole, options?: CallOptions): Promise<void> {
    const number = parseRole(role);
    const call = { command: `stop ${role} sync daemon`, ...parseCallOptions(options) };
    const request: Request = {
      command: Command.deleteDaemon,
      daemon: {
        role: number,
        interface: '',
        syncId: 0,
        maxLength: 0,
        group: undefined,
        port: 0,
        ttl: 0,
      },
    };
    await this.#whole(call, async () => {
      const outcome = await this.#channels.commands.request(request, cancellationOf(call, request));
      if (!(outcome instanceof NativeFailure)) return;
      // A daemon that is stopped before it ran is stopped without an answer (netlink_rcv_skb leaves
      // -EINTR unanswered), so look.
      if (outcome.fault === Fault.noAnswer) {
        const daemons = await this.#daemons(call);
        if (!daemons.some((daemon) => daemon.role === number)) return;
      }
      throw await this.#explain(call, request, outcome);
    });
  }

  /** The sync daemons that run (`ipvsadm -L --daemon`): none, one or both, the master first. */
  async listSyncDaemons(options?: CallOptions): Promise<SyncDaemon[]> {
    const call = { command: 'list sync daemons', ...parseCallOptions(options) };
    return this.#whole(call, async () => (await this.#daemons(call)).map(toSyncDaemon));
  }

  /**
   * What works here and, where it does not, why. Rejects only where the handle is closed or the call
   * aborted. Tables stay as they are; the modules of schedulers and engines are loaded.
   */
  async probe(options?: CallOptions): Promise<Capabilities> {
    const call = { command: 'probe', ...parseCallOptions(options) };
    return this.#track(call, () => probe(loadAddon(), this.#channels));
  }

  // ---- what all of these are made of

  #destinationCall(
    command: string,
    service: ServiceKey,
    destination: DestinationConfig,
    options: CallOptions | undefined,
  ) {
    const owner = parseServiceId(service);
    const { id, numbers } = parseDestinationConfig(destination, owner);
    return {
      call: { command, service: owner, destination: id, ...parseCallOptions(options) },
      request: { service: owner, destination: id, destinationNumbers: numbers },
    };
  }

  async *#services(options: ReadOptions | undefined): AsyncIterable<Service<Counter>[]> {
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'list services', signal };
    const records = await this.#whole(call, () =>
      this.#dump<ServiceRecord<Counter>>(call, { command: Command.getService, bigint }),
    );
    yield* portions(call, records, toService);
  }

  async *#destinations(
    service: ServiceKey,
    options: ReadOptions | undefined,
  ): AsyncIterable<Destination<Counter>[]> {
    const owner = parseServiceId(service);
    const { bigint, signal } = parseReadOptions(options);
    const call = { command: 'list destinations', service: owner, signal };
    const records = await this.#ordered(call, async () => {
      const read = await this.#dump<DestinationRecord<Counter>>(call, {
        command: Command.getDestination,
        service: owner,
        bigint,
      });
      // For a service that is not there the kernel gives an empty list, for one that goes away
      // meanwhile a short one.
      const sure = read.length > 0 && read.chunks === 1;
      if (!sure && (await this.#readService(call, owner)) === undefined) {
        throw await this.#missingService(call, owner);
      }
      return read;
    });
    yield* portions(call, records, toDestination);
  }

  // Every operation goes through here: after close() none begins, and close() waits for the last.
  async #track<T>(call: Call, work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) {
      throw new IpvsError(subjectOf(call), {
        code: 'ERR_IPVS_CLOSED',
        sentence: 'the handle is closed',
      });
    }
    throwIfAborted(call);
    this.#running++;
    try {
      return await work();
    } finally {
      if (--this.#running === 0) this.#lastIsDone?.();
    }
  }

  // A single request about a service, in its order among the others.
  #ordered<T>(call: Call & { readonly service: ServiceId }, work: () => Promise<T>): Promise<T> {
    return this.#track(call, () => this.#turns.take(() => turnOf(call.service), false, work));
  }

  // Several requests that nothing asked later may slip into.
  #inTurn<T>(call: Call & { readonly service: ServiceId }, work: () => Promise<T>): Promise<T> {
    return this.#track(call, () => this.#turns.take(() => turnOf(call.service), true, work));
  }

  // What concerns all services.
  #whole<T>(call: Call, work: () => Promise<T>): Promise<T> {
    return this.#track(call, () => this.#turns.takeAll(work));
  }

  async #change(call: Call & { readonly service: ServiceId }, request: Request): Promise<void> {
    await this.#ordered(call, () => this.#send(call, request));
  }

  async #send(call: Call, request: Request): Promise<Reply> {
    const outcome = await this.#channels.commands.request(request, cancellationOf(call, request));
    if (outcome instanceof NativeFailure) throw await this.#explain(call, request, outcome);
    return outcome;
  }

  async #readService<C extends Counter = number>(
    call: Call,
    service: ServiceId,
    bigint = false,
  ): Promise<ServiceRecord<C> | undefined> {
    const request: Request = { command: Command.getService, service, bigint };
    const outcome = await this.#channels.commands.request(request, cancellationOf(call, request));
    if (!(outcome instanceof NativeFailure)) return outcome as ServiceRecord<C>;
    if (outcome.fault === Fault.refused && outcome.errno === ESRCH) return undefined;
    throw await this.#explain(call, request, outcome);
  }

  // The kernel can only list all destinations of a service; native code picks the one.
  async #readDestination<C extends Counter = number>(
    call: Call,
    service: ServiceId,
    destination: DestinationId,
    bigint = false,
  ): Promise<DestinationRecord<C> | undefined> {
    const request: Request = { command: Command.getDestination, service, destination, bigint };
    const records = await this.#dump<DestinationRecord<C>>(call, request);
    return records.take(1)[0];
  }

  async #daemons(call: Call): Promise<DaemonRecord[]> {
    const records = await this.#dump<DaemonRecord>(call, { command: Command.getDaemon });
    return records.take(records.length);
  }

  // Dumps have a socket of their own, so they wait for the changes that were asked for before.
  async #dump<Item>(call: Call, request: Request): Promise<Records<Item>> {
    const { commands, dumps } = this.#channels;
    await commands.settled();
    const records = await dumps.dump<Item>(request, cancellationOf(call, request));
    if (records instanceof NativeFailure) throw await this.#explain(call, request, records);
    return records;
  }

  async #readFile(call: Call, path: string): Promise<string> {
    const { files } = this.#channels;
    return this.#withModule(call, () => files.read(path));
  }

  #readConnections(
    call: Call,
    list: NativeConnectionList,
    most: number,
  ): Promise<{ entries: ConnectionRecord[]; end: boolean }> {
    return this.#withModule(
      call,
      () =>
        new Promise((resolve) => {
          list.read(most, (failure, entries, end) => {
            resolve(failure ?? { entries, end });
          });
        }),
    );
  }

  // The files of IPVS are there while its module is loaded; asking for information loads it.
  async #withModule<T>(call: Call, read: () => Promise<T | NativeFailure>): Promise<T> {
    let result = await read();
    throwIfAborted(call);
    if (result instanceof NativeFailure && result.errno === ENOENT) {
      await this.#send(call, { command: Command.getInfo });
      result = await read();
      throwIfAborted(call);
    }
    if (result instanceof NativeFailure) {
      throw await this.#explain(call, { command: Command.getInfo }, result);
    }
    return result;
  }

  async #ensure<Present>(
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
      const cancellation = cancellationOf(call, request);
      const outcome = await this.#channels.commands.request(request, cancellation);
      if (!(outcome instanceof NativeFailure)) return present === undefined ? 'added' : 'updated';
      if (attempt === ENSURE_ATTEMPTS || !overtaken(outcome, request)) {
        throw await this.#explain(call, request, outcome);
      }
    }
  }

  #explain(call: Call, request: Request, failure: NativeFailure): Promise<IpvsError> {
    return explain(failure, subjectOf(call), request, this.#channels);
  }

  #missingService(call: Call, service: ServiceId): Promise<IpvsError> {
    const request: Request = { command: Command.getService, service };
    return this.#explain(call, request, refusal(ESRCH));
  }

  async #missingDestination(
    call: Call,
    service: ServiceId,
    destination: DestinationId,
  ): Promise<IpvsError> {
    const there = (await this.#readService(call, service)) !== undefined;
    const request: Request = { command: Command.getDestination, service, destination };
    return this.#explain(call, request, refusal(there ? ENOENT : ESRCH));
  }
}

function refusal(errno: number): NativeFailure {
  return new NativeFailure(Fault.refused, errno, '', '');
}

/** Whether somebody added or removed it between our look and our request. */
function overtaken(failure: NativeFailure, { command }: Request): boolean {
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

function subjectOf({ command, service, destination }: Call): Subject {
  return {
    command,
    service: service && toServiceKey({ ...service, address: service.address?.text ?? '' }),
    destination: destination && { address: destination.address.text, port: destination.port },
  };
}

function cancellationOf(call: Call, request: Request): Cancellation | undefined {
  const { signal } = call;
  if (signal === undefined) return undefined;
  return {
    signal,
    error: (sent) => new AbortError(subjectOf(call), sent && changes(request), signal.reason),
  };
}

function throwIfAborted(call: Call): void {
  const { signal } = call;
  if (signal?.aborted) throw new AbortError(subjectOf(call), false, signal.reason);
}

function turnOf({ family, protocol, address, port, fwmark }: ServiceId): string {
  return `${family} ${protocol} ${address?.bytes.join('.')} ${port} ${fwmark}`;
}

async function* portions<Item, Result>(
  call: Call,
  records: Records<Item>,
  convert: (item: Item) => Result,
): AsyncIterable<Result[]> {
  for (let rest = records.length; rest > 0; rest -= PORTION) {
    yield records.take(PORTION).map(convert);
    if (rest > PORTION) await nextTurn();
    throwIfAborted(call);
  }
}

async function snapshotServices(table: NativeTable): Promise<SnapshotService<Counter>[]> {
  const services: SnapshotService<Counter>[] = [];
  let sinceTurn = 0;
  for (const count of table.counts) {
    const [record] = table.services.take(1);
    if (record === undefined) break;
    const destinations = table.destinations.take(count).map(toDestination);
    services.push({ ...toService(record), destinations });
    sinceTurn += 1 + count;
    if (sinceTurn > PORTION) {
      sinceTurn = 0;
      await nextTurn();
    }
  }
  return services;
}

async function all<Item>(source: AsyncIterable<Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const portion of source) items.push(...portion);
  return items;
}
