// The handle: every operation on virtual services and their destinations.

// For programs that are compiled without @types/node, which declares Symbol.asyncDispose too.
/// <reference lib="esnext.disposable" preserve="true" />

import { constants } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Channels } from './channel.js';
import { IpvsError } from './errors.js';
import type { Subject } from './errors.js';
import { explain, explainOpen } from './explain.js';
import { loadAddon } from './load.js';
import { Command, Fault, NativeFailure } from './native.js';
import type {
  DestinationId,
  DestinationNumbers,
  DestinationRecord,
  Records,
  Request,
  ServiceId,
  ServiceNumbers,
  ServiceRecord,
} from './native.js';
import { Turns } from './turns.js';
import type {
  Destination,
  DestinationChanges,
  DestinationConfig,
  DestinationKey,
  Ensured,
  OpenOptions,
  ReadOptions,
  Service,
  ServiceChanges,
  ServiceConfig,
  ServiceKey,
} from './types.js';
import {
  DEFAULT_TIMEOUT,
  checkDestinationChanges,
  checkServiceChanges,
  parseDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseOpenOptions,
  parseReadOptions,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
} from './validate.js';
import {
  PERSISTENT,
  SETTABLE_FLAGS,
  TUN,
  toDestination,
  toService,
  toServiceKey,
} from './words.js';

// Records become objects in such portions, with a turn of the event loop in between.
const PORTION = 500;

// Somebody else may add and remove what an ensure method looks at, but hardly this often.
const ENSURE_ATTEMPTS = 5;

/** Either kind of counter, while it is not said which. */
type Counter = number | bigint;
/** A read that gives its counters as bigints. */
type BigIntOptions = ReadOptions & { readonly bigint: true };

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
  readonly #timeout: number;
  readonly #turns = new Turns();
  #running = 0;
  #closed: Promise<void> | undefined;
  #lastIsDone: (() => void) | undefined;

  private constructor(channels: Channels, timeout: number) {
    this.#channels = channels;
    this.#timeout = timeout;
  }

  /**
   * Opens a handle. Does not look for IPVS yet: where the kernel has none, the first operation
   * rejects with `ERR_IPVS_UNAVAILABLE`.
   *
   * Rejects with `ERR_IPVS_PLATFORM` off Linux, `ERR_IPVS_LOAD` where the addon can't be loaded,
   * `ENOENT` for a network namespace that is not there, `EPERM` where it may not be entered.
   */
  static async open(options?: OpenOptions): Promise<Ipvs> {
    const { netns, timeout } = parseOpenOptions(options);
    const channels = await Channels.open(loadAddon(), netns, timeout);
    if (channels instanceof NativeFailure) throw explainOpen(channels, netns);
    return new Ipvs(channels, timeout);
  }

  /** @internal A handle on the process's own network namespace, at once. */
  static unopened(): Ipvs {
    return new Ipvs(Channels.unopened(loadAddon(), DEFAULT_TIMEOUT), DEFAULT_TIMEOUT);
  }

  /** Closes the handle when everything that was asked is done. Repeating it is harmless. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#lastIsDone = resolve;
      });
      await nextTurn(); // the caller hears of it before it hears of the end
    }
    this.#channels.close();
  }

  /**
   * Adds a virtual service (`ipvsadm -A`). Rejects with `EEXIST` where it is there already,
   * `ERR_IPVS_SCHEDULER` or `ERR_IPVS_ENGINE` where the kernel lacks the module.
   */
  async addService(service: ServiceConfig): Promise<void> {
    const { id, numbers } = parseServiceConfig(service);
    await this.#change('add service', id, {
      command: Command.newService,
      service: id,
      serviceNumbers: numbers,
    });
  }

  /**
   * Changes what is given and nothing else: reads the service, merges, writes it back. Connections
   * and counters stay. Rejects with `ESRCH` where it is not there.
   */
  async updateService(service: ServiceKey, changes: ServiceChanges): Promise<void> {
    const command = 'update service';
    const id = parseServiceId(service);
    checkServiceChanges(changes, id);
    const given = structuredClone(changes);
    await this.#inTurn(command, id, async () => {
      const present = await this.#readService(command, id);
      if (present === undefined) throw await this.#missingService(command, id);
      const serviceNumbers = parseServiceChanges(given, id, present);
      await this.#send(command, { command: Command.setService, service: id, serviceNumbers });
    });
  }

  /**
   * Sets a service that is there to just this configuration (`ipvsadm -E`): what is left out becomes
   * its default. Destinations, connections and counters stay. Rejects with `ESRCH` where it is not there.
   */
  async replaceService(service: ServiceConfig): Promise<void> {
    const { id, numbers } = parseServiceConfig(service);
    await this.#change('replace service', id, {
      command: Command.setService,
      service: id,
      serviceNumbers: numbers,
    });
  }

  /** Makes sure that the service is there with just this configuration; tells what it took. */
  async ensureService(service: ServiceConfig): Promise<Ensured> {
    const command = 'ensure service';
    const { id, numbers } = parseServiceConfig(service);
    return this.#inTurn(command, id, () =>
      this.#ensure<ServiceRecord>({
        command,
        read: () => this.#readService(command, id),
        same: (present) => sameService(present, numbers),
        add: { command: Command.newService, service: id, serviceNumbers: numbers },
        set: { command: Command.setService, service: id, serviceNumbers: numbers },
      }),
    );
  }

  /**
   * Removes a service with its destinations (`ipvsadm -D`). Rejects with `ESRCH` where it is not there.
   */
  async removeService(service: ServiceKey): Promise<void> {
    const id = parseServiceId(service);
    await this.#change('remove service', id, { command: Command.deleteService, service: id });
  }

  /** Reads one service; undefined where it is not there. */
  getService(service: ServiceKey, options: BigIntOptions): Promise<Service<bigint> | undefined>;
  getService(service: ServiceKey, options?: ReadOptions): Promise<Service | undefined>;
  async getService(
    service: ServiceKey,
    options?: ReadOptions,
  ): Promise<Service<Counter> | undefined> {
    const command = 'get service';
    const id = parseServiceId(service);
    const bigint = parseReadOptions(options);
    return this.#ordered(command, id, async () => {
      const record = await this.#readService(command, id, bigint);
      return record && toService(record);
    });
  }

  /** All services, sorted: addresses before marks, IPv4 before IPv6, then protocol, address, port. */
  listServices(options: BigIntOptions): Promise<Service<bigint>[]>;
  listServices(options?: ReadOptions): Promise<Service[]>;
  async listServices(options?: ReadOptions): Promise<Service<Counter>[]> {
    return this.#held(() => all(this.#services(options)));
  }

  /**
   * The same one by one: the table is read at once, and becomes objects in portions while you
   * iterate.
   */
  services(options: BigIntOptions): AsyncIterable<Service<bigint>>;
  services(options?: ReadOptions): AsyncIterable<Service>;
  async *services(options?: ReadOptions): AsyncIterable<Service<Counter>> {
    for await (const portion of this.#services(options)) yield* portion;
  }

  /**
   * Adds a destination to a service (`ipvsadm -a`). Rejects with `EEXIST` where it is there already,
   * `ESRCH` where the service is not, `EINVAL` where the kernel does not take the address.
   */
  async addDestination(service: ServiceKey, destination: DestinationConfig): Promise<void> {
    const owner = parseServiceId(service);
    const { id, numbers } = parseDestinationConfig(destination, owner);
    await this.#change('add destination', owner, {
      command: Command.newDestination,
      service: owner,
      destination: id,
      destinationNumbers: numbers,
    });
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
  ): Promise<void> {
    const command = 'update destination';
    const owner = parseServiceId(service);
    const id = parseDestinationId(destination, owner);
    checkDestinationChanges(changes, owner, id);
    const given = structuredClone(changes);
    await this.#inTurn(command, owner, async () => {
      const present = await this.#readDestination(command, owner, id);
      if (present === undefined) throw await this.#missingDestination(command, owner, id);
      await this.#send(command, {
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
  async replaceDestination(service: ServiceKey, destination: DestinationConfig): Promise<void> {
    const owner = parseServiceId(service);
    const { id, numbers } = parseDestinationConfig(destination, owner);
    await this.#change('replace destination', owner, {
      command: Command.setDestination,
      service: owner,
      destination: id,
      destinationNumbers: numbers,
    });
  }

  /**
   * Makes sure that the destination is there with just this configuration; tells what it took.
   * Rejects with `ESRCH` where the service is not there.
   */
  async ensureDestination(service: ServiceKey, destination: DestinationConfig): Promise<Ensured> {
    const command = 'ensure destination';
    const owner = parseServiceId(service);
    const { id, numbers } = parseDestinationConfig(destination, owner);
    const request = { service: owner, destination: id, destinationNumbers: numbers };
    return this.#inTurn(command, owner, () =>
      this.#ensure<DestinationRecord>({
        command,
        read: () => this.#readDestination(command, owner, id),
        same: (present) => sameDestination(present, numbers),
        add: { command: Command.newDestination, ...request },
        set: { command: Command.setDestination, ...request },
      }),
    );
  }

  /**
   * Removes a destination (`ipvsadm -d`). Its connections are cut: to let them end, set its weight
   * to 0 first and wait. Rejects with `ENOENT` where it is not there, `ESRCH` where the service is not.
   */
  async removeDestination(service: ServiceKey, destination: DestinationKey): Promise<void> {
    const owner = parseServiceId(service);
    const id = parseDestinationId(destination, owner);
    await this.#change('remove destination', owner, {
      command: Command.deleteDestination,
      service: owner,
      destination: id,
    });
  }

  /** Reads one destination; undefined where it (or its service) is not there. */
  getDestination(
    service: ServiceKey,
    destination: DestinationKey,
    options: BigIntOptions,
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
    const command = 'get destination';
    const owner = parseServiceId(service);
    const id = parseDestinationId(destination, owner);
    const bigint = parseReadOptions(options);
    return this.#ordered(command, owner, async () => {
      const record = await this.#readDestination(command, owner, id, bigint);
      return record && toDestination(record);
    });
  }

  /**
   * All destinations of a service, sorted by family, address and port. Rejects with `ESRCH` where
   * the service is not there.
   */
  listDestinations(service: ServiceKey, options: BigIntOptions): Promise<Destination<bigint>[]>;
  listDestinations(service: ServiceKey, options?: ReadOptions): Promise<Destination[]>;
  async listDestinations(
    service: ServiceKey,
    options?: ReadOptions,
  ): Promise<Destination<Counter>[]> {
    return this.#held(() => all(this.#destinations(service, options)));
  }

  /**
   * The same one by one: the list is read at once, and becomes objects in portions while you
   * iterate.
   */
  destinations(service: ServiceKey, options: BigIntOptions): AsyncIterable<Destination<bigint>>;
  destinations(service: ServiceKey, options?: ReadOptions): AsyncIterable<Destination>;
  async *destinations(
    service: ServiceKey,
    options?: ReadOptions,
  ): AsyncIterable<Destination<Counter>> {
    for await (const portion of this.#destinations(service, options)) yield* portion;
  }

  async *#services(options: ReadOptions | undefined): AsyncIterable<Service<Counter>[]> {
    const command = 'list services';
    const bigint = parseReadOptions(options);
    const records = await this.#track(command, undefined, async () => {
      await this.#turns.all();
      return this.#dump<ServiceRecord<Counter>>(command, { command: Command.getService, bigint });
    });
    yield* portions(records, toService);
  }

  async *#destinations(
    service: ServiceKey,
    options: ReadOptions | undefined,
  ): AsyncIterable<Destination<Counter>[]> {
    const command = 'list destinations';
    const owner = parseServiceId(service);
    const bigint = parseReadOptions(options);
    const records = await this.#ordered(command, owner, async () => {
      const read = await this.#dump<DestinationRecord<Counter>>(command, {
        command: Command.getDestination,
        service: owner,
        bigint,
      });
      // For a service that is not there the kernel gives an empty list, for one that goes away
      // meanwhile a short one.
      const sure = read.length > 0 && read.chunks === 1;
      if (!sure && (await this.#readService(command, owner)) === undefined) {
        throw await this.#missingService(command, owner);
      }
      return read;
    });
    yield* portions(records, toDestination);
  }

  // Every operation goes through here: after close() none begins, and close() waits for the last.
  async #track<T>(
    command: string,
    service: ServiceId | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    if (this.#closed !== undefined) {
      throw new IpvsError(subject(command, { service }), {
        code: 'ERR_IPVS_CLOSED',
        sentence: 'the handle is closed',
      });
    }
    return this.#held(work);
  }

  // What close() waits for.
  async #held<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await work();
    } finally {
      if (--this.#running === 0) this.#lastIsDone?.();
    }
  }

  // A single request in its order among the others.
  #ordered<T>(command: string, service: ServiceId, work: () => Promise<T>): Promise<T> {
    return this.#track(command, service, () =>
      this.#turns.take(() => turnOf(service), false, work),
    );
  }

  // Several requests that nothing asked later may slip into.
  #inTurn<T>(command: string, service: ServiceId, work: () => Promise<T>): Promise<T> {
    return this.#track(command, service, () => this.#turns.take(() => turnOf(service), true, work));
  }

  #change(command: string, service: ServiceId, request: Request): Promise<void> {
    return this.#ordered(command, service, () => this.#send(command, request));
  }

  async #send(command: string, request: Request): Promise<void> {
    const outcome = await this.#channels.commands.request(request);
    if (outcome instanceof NativeFailure) throw await this.#explain(command, request, outcome);
  }

  async #readService<C extends Counter = number>(
    command: string,
    service: ServiceId,
    bigint = false,
  ): Promise<ServiceRecord<C> | undefined> {
    const request: Request = { command: Command.getService, service, bigint };
    const outcome = await this.#channels.commands.request(request);
    if (!(outcome instanceof NativeFailure)) return outcome as ServiceRecord<C>;
    if (outcome.fault === Fault.refused && outcome.errno === constants.errno.ESRCH) {
      return undefined;
    }
    throw await this.#explain(command, request, outcome);
  }

  // The kernel can only list all destinations of a service; native code picks the one.
  async #readDestination<C extends Counter = number>(
    command: string,
    service: ServiceId,
    destination: DestinationId,
    bigint = false,
  ): Promise<DestinationRecord<C> | undefined> {
    const request: Request = { command: Command.getDestination, service, destination, bigint };
    const records = await this.#dump<DestinationRecord<C>>(command, request);
    return records.take(1)[0];
  }

  // Dumps have a socket of their own, so they wait for the changes that were asked for before.
  async #dump<Item>(command: string, request: Request): Promise<Records<Item>> {
    await this.#channels.commands.settled();
    const records = await this.#channels.dumps.dump<Item>(request);
    if (records instanceof NativeFailure) throw await this.#explain(command, request, records);
    return records;
  }

  async #ensure<Record>(plan: {
    readonly command: string;
    readonly read: () => Promise<Record | undefined>;
    readonly same: (present: Record) => boolean;
    readonly add: Request;
    readonly set: Request;
  }): Promise<Ensured> {
    for (let attempt = 1; ; attempt++) {
      const present = await plan.read();
      if (present !== undefined && plan.same(present)) return 'unchanged';
      const request = present === undefined ? plan.add : plan.set;
      const outcome = await this.#channels.commands.request(request);
      if (!(outcome instanceof NativeFailure)) return present === undefined ? 'added' : 'updated';
      if (attempt === ENSURE_ATTEMPTS || !overtaken(outcome, request)) {
        throw await this.#explain(plan.command, request, outcome);
      }
    }
  }

  #explain(command: string, request: Request, failure: NativeFailure): Promise<IpvsError> {
    return explain(failure, subject(command, request), request, {
      commands: this.#channels.commands,
      timeout: this.#timeout,
    });
  }

  #missingService(command: string, service: ServiceId): Promise<IpvsError> {
    const request: Request = { command: Command.getService, service };
    return this.#explain(command, request, refusal(constants.errno.ESRCH));
  }

  async #missingDestination(
    command: string,
    service: ServiceId,
    destination: DestinationId,
  ): Promise<IpvsError> {
    const there = (await this.#readService(command, service)) !== undefined;
    const request: Request = { command: Command.getDestination, service, destination };
    const { ENOENT, ESRCH } = constants.errno;
    return this.#explain(command, request, refusal(there ? ENOENT : ESRCH));
  }
}

function refusal(errno: number): NativeFailure {
  return new NativeFailure(Fault.refused, errno, '', '');
}

/** Whether somebody added or removed it between our look and our request. */
function overtaken(failure: NativeFailure, { command }: Request): boolean {
  const { EEXIST, ENOENT, ESRCH } = constants.errno;
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

function subject(
  command: string,
  { service, destination }: { service?: ServiceId | undefined; destination?: DestinationId },
): Subject {
  return {
    command,
    service: service && toServiceKey({ ...service, address: service.address?.text ?? '' }),
    destination: destination && { address: destination.address.text, port: destination.port },
  };
}

function turnOf({ family, protocol, address, port, fwmark }: ServiceId): string {
  return `${family} ${protocol} ${address?.bytes.join('.')} ${port} ${fwmark}`;
}

// What does not matter where a service is not persistent is not compared there.
function sameService(present: ServiceNumbers, wanted: ServiceNumbers): boolean {
  const persistent = (wanted.flags & PERSISTENT) !== 0;
  return (
    present.scheduler === wanted.scheduler &&
    (present.flags & SETTABLE_FLAGS) === wanted.flags &&
    present.engine === wanted.engine &&
    (!persistent || (present.timeout === wanted.timeout && present.netmask === wanted.netmask))
  );
}

function sameDestination(present: DestinationNumbers, wanted: DestinationNumbers): boolean {
  return (
    present.forwarding === wanted.forwarding &&
    present.weight === wanted.weight &&
    present.upperThreshold === wanted.upperThreshold &&
    present.lowerThreshold === wanted.lowerThreshold &&
    (wanted.forwarding !== TUN ||
      (present.tunnelType === wanted.tunnelType &&
        present.tunnelPort === wanted.tunnelPort &&
        present.tunnelFlags === wanted.tunnelFlags))
  );
}

async function* portions<Item, Result>(
  records: Records<Item>,
  convert: (item: Item) => Result,
): AsyncIterable<Result[]> {
  for (let rest = records.length; rest > 0; rest -= PORTION) {
    yield records.take(PORTION).map(convert);
    if (rest > PORTION) await nextTurn();
  }
}

async function all<Item>(source: AsyncIterable<Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const portion of source) items.push(...portion);
  return items;
}
