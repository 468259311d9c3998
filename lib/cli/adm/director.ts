// What the drop-in asks of the kernel: requests as ipvsadm sends them, past the checks of the library,
// and tables in the order in which ipvsadm has them.

import { Fault, NativeFailure } from '../../native.js';
import type { Channels } from '../../channel.js';
import { Command as Code } from '../../records.js';
import type {
  Counter,
  DaemonRecord,
  DestinationRecord,
  InfoRecord,
  Request,
  ServiceId,
  ServiceRecord,
  TimeoutNumbers,
} from '../../records.js';
import type { Command } from '../../rules/command.js';
import { idOfService } from '../../rules/ids.js';
import { serviceOfRow } from '../../rows.js';
import {
  KernelOrder,
  areDestinationsOrdered,
  areOrdered,
  sortDestinations,
  sortServices,
} from './order.js';

const TABLE_FILE = '/proc/thread-self/net/ip_vs';

// A daemon that is stopped before it ran is stopped without an answer (netlink_rcv_skb leaves -EINTR
// unanswered).
const DAEMON_PATIENCE = 2000;

/** A service with its destinations. */
export interface Listed {
  readonly service: ServiceRecord<Counter>;
  readonly destinations: readonly DestinationRecord<Counter>[];
}

/** The IPVS of one network namespace. */
export class Director {
  readonly channels: Channels;
  #isOrderUnknown = false;

  constructor(channels: Channels) {
    this.channels = channels;
  }

  async info(): Promise<InfoRecord | NativeFailure> {
    return (await this.channels.commands.request({ command: Code.getInfo })) as
      InfoRecord | NativeFailure;
  }

  /** Carries out a command that changes something. */
  async change(command: Command): Promise<NativeFailure | undefined> {
    const outcome =
      command.name === 'stop-daemon'
        ? await this.#stopDaemon(command)
        : await this.channels.commands.request(requestOf(command));
    return outcome instanceof NativeFailure ? outcome : undefined;
  }

  async #stopDaemon({ daemon }: Command): Promise<NativeFailure | undefined> {
    const limits = { deadline: performance.now() + DAEMON_PATIENCE };
    const request = { command: Code.deleteDaemon, daemon };
    const outcome = await this.channels.commands.request(request, limits);
    if (!(outcome instanceof NativeFailure)) return undefined;
    if (outcome.fault === Fault.noAnswer) {
      const daemons = await this.daemons();
      const runs = (each: DaemonRecord) => each.role === daemon.role;
      if (!(daemons instanceof NativeFailure) && !daemons.some(runs)) return undefined;
    }
    return outcome;
  }

  async timeouts(): Promise<TimeoutNumbers | NativeFailure> {
    return (await this.channels.commands.request({ command: Code.getTimeouts })) as
      TimeoutNumbers | NativeFailure;
  }

  daemons(): Promise<readonly DaemonRecord[] | NativeFailure> {
    return this.channels.dumps.daemons();
  }

  /** A service as the kernel has it. */
  async service(id: ServiceId): Promise<ServiceRecord<Counter> | NativeFailure> {
    const request: Request = { command: Code.getService, service: id };
    const outcome = await this.channels.commands.request(request);
    return outcome instanceof NativeFailure ? outcome : serviceOfRow(outcome as Uint8Array, true);
  }

  async destinations(id: ServiceId): Promise<DestinationRecord<Counter>[] | NativeFailure> {
    const records = await this.channels.dumps.destinations(id, undefined, true);
    return records instanceof NativeFailure ? records : records.take(records.length);
  }

  /** One service with its destinations. */
  async listOne(id: ServiceId, sorted: boolean): Promise<Listed | NativeFailure> {
    const service = await this.service(id);
    if (service instanceof NativeFailure) return service;
    const destinations = await this.destinations(idOfService(service));
    if (destinations instanceof NativeFailure) return destinations;
    const order = await this.#kernelOrder(!sorted || !areDestinationsOrdered(destinations));
    const inOrder = order.destinations(service, destinations);
    return { service, destinations: sorted ? sortDestinations(inOrder) : inOrder };
  }

  /** All of them: as ipvsadm sorts, or as the kernel has them. */
  async listAll(sorted: boolean): Promise<Listed[] | NativeFailure> {
    const table = await this.channels.dumps.table(true, true);
    if (table instanceof NativeFailure) return table;
    const services = table.services.take(table.services.length);
    const lists = new Map(
      services.map((service, at) => [service, table.destinations.take(table.counts[at] ?? 0)]),
    );
    const isOrdered = areOrdered(services) && [...lists.values()].every(areDestinationsOrdered);
    const order = await this.#kernelOrder(!sorted || !isOrdered);
    const inOrder = order.services(services);
    return (sorted ? sortServices(inOrder) : inOrder).map((service) => {
      const destinations = order.destinations(service, lists.get(service) ?? []);
      return { service, destinations: sorted ? sortDestinations(destinations) : destinations };
    });
  }

  /** Whether the kernel's own order was needed and could not be read. */
  get isOrderUnknown(): boolean {
    return this.#isOrderUnknown;
  }

  // Lists come sorted from below; how the kernel has them, only its file shows.
  async #kernelOrder(isNeeded: boolean): Promise<KernelOrder> {
    const text = isNeeded ? await this.channels.files.read(TABLE_FILE) : '';
    this.#isOrderUnknown = text instanceof NativeFailure;
    return new KernelOrder(text instanceof NativeFailure ? '' : text);
  }
}

function requestOf(command: Command): Request {
  const { service, serviceNumbers, destination, destinationNumbers } = command;
  const owner = service && { service };
  const real = destination && { destination };
  switch (command.name) {
    case 'add-service':
      return { command: Code.newService, ...owner, serviceNumbers };
    case 'edit-service':
      return { command: Code.setService, ...owner, serviceNumbers };
    case 'delete-service':
      return { command: Code.deleteService, ...owner };
    case 'add-server':
      return { command: Code.newDestination, ...owner, ...real, destinationNumbers };
    case 'edit-server':
      return { command: Code.setDestination, ...owner, ...real, destinationNumbers };
    case 'delete-server':
      return { command: Code.deleteDestination, ...owner, ...real };
    case 'zero':
      return { command: Code.zero, ...(service && !isNowhere(service) && { service }) };
    case 'flush':
      return { command: Code.flush };
    case 'set':
      return { command: Code.setTimeouts, timeouts: command.timeouts };
    case 'start-daemon':
      return { command: Code.newDaemon, daemon: command.daemon };
    default:
      throw new TypeError(`'${command.name}' changes nothing`);
  }
}

/** To ipvsadm, 0.0.0.0:0 is no service: it zeroes all counters then. */
function isNowhere({ fwmark, port, address }: ServiceId): boolean {
  return fwmark === 0 && port === 0 && address !== undefined && !address.bytes.some(Boolean);
}
