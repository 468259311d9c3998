// What --strict refuses: that ipvsadm does something else than was written.

import { NativeFailure } from '../../native.js';
import type {
  DestinationId,
  DestinationNumbers,
  ServiceId,
  ServiceNumbers,
} from '../../records.js';
import type { Command } from '../../rules/command.js';
import type { OptionName } from '../../rules/option-reader.js';
import { idOfDestination, idOfService } from '../../rules/ids.js';
import { destinationName, serviceName } from '../../turns.js';
import { ALL_SCHEDULER_BITS, ONE_PACKET, PERSISTENT, TUN } from '../../words.js';
import type { Director, Listed } from './director.js';

type Maybe<Value> = Value | undefined | Promise<Value | undefined>;

/** What a command meets; undefined where it is not there. */
export interface Table {
  service(id: ServiceId): Maybe<ServiceNumbers>;
  destination(service: ServiceId, id: DestinationId): Maybe<DestinationNumbers>;
}

/** The kernel's table, asked each time. What it refuses is no matter of ours: it says it better. */
export function tableOf(director: Director): Table {
  return {
    async service(id) {
      const service = await director.service(id);
      return service instanceof NativeFailure ? undefined : service;
    },
    async destination(service, id) {
      const list = await director.destinations(service);
      if (list instanceof NativeFailure) return undefined;
      const name = destinationName(id);
      return list.find((each) => destinationName(idOfDestination(each)) === name);
    },
  };
}

/** The table as a command of standard input will meet it, when those before it were carried out. */
export class ForeseenTable implements Table {
  readonly #services = new Map<string, ServiceNumbers>();
  readonly #destinations = new Map<string, Map<string, DestinationNumbers>>();

  constructor(present: readonly Listed[]) {
    for (const { service, destinations } of present) {
      const name = serviceName(idOfService(service));
      const own = destinations.map(
        (each) => [destinationName(idOfDestination(each)), each] as const,
      );
      this.#services.set(name, service);
      this.#destinations.set(name, new Map(own));
    }
  }

  service(id: ServiceId): ServiceNumbers | undefined {
    return this.#services.get(serviceName(id));
  }

  destination(service: ServiceId, id: DestinationId): DestinationNumbers | undefined {
    return this.#destinations.get(serviceName(service))?.get(destinationName(id));
  }

  follow(command: Command): void {
    const { service, destination } = command;
    if (command.name === 'flush') {
      this.#services.clear();
      this.#destinations.clear();
    }
    if (service === undefined) return;
    const name = serviceName(service);
    switch (command.name) {
      case 'add-service':
      case 'edit-service':
        this.#services.set(name, command.serviceNumbers);
        return;
      case 'delete-service':
        this.#services.delete(name);
        this.#destinations.delete(name);
        return;
    }
    if (destination === undefined) return;
    const own = this.#destinations.get(name) ?? new Map<string, DestinationNumbers>();
    this.#destinations.set(name, own);
    if (command.name === 'delete-server') own.delete(destinationName(destination));
    else own.set(destinationName(destination), command.destinationNumbers);
  }
}

/** Why a command is refused; undefined where it does what it says. */
export async function refusalOf(command: Command, table: Table): Promise<string | undefined> {
  const { replacedPort, service, name } = command;
  if (replacedPort !== undefined) {
    return (
      `the real server's port ${replacedPort} would become the service's, ${service?.port}: ` +
      'only -m brings packets to another port'
    );
  }
  const lost =
    name === 'edit-service'
      ? await lostOfService(command, table)
      : name === 'edit-server'
        ? await lostOfServer(command, table)
        : [];
  return lost.length === 0
    ? undefined
    : `it would change what it does not name: ${lost.join(', ')}; name them too`;
}

async function lostOfService(
  { service, serviceNumbers: wanted, options }: Command,
  table: Table,
): Promise<string[]> {
  const present = service && (await table.service(service));
  if (present === undefined) return [];
  const flag = (numbers: ServiceNumbers, bits: number) => numbers.flags & bits;
  const persistent = flag(present, PERSISTENT) !== 0;
  return lost<ServiceNumbers>(options, present, wanted, [
    ['scheduler', '-s', (each) => each.scheduler],
    ['persistent', '-p', (each) => (persistent ? `${flag(each, PERSISTENT)} ${each.timeout}` : '')],
    ['netmask', '-M', (each) => (persistent ? each.netmask : 0)],
    ['pe', '--pe', (each) => each.engine],
    ['ops', '-o', (each) => flag(each, ONE_PACKET)],
    ['sched-flags', '-b', (each) => flag(each, ALL_SCHEDULER_BITS)],
  ]);
}

async function lostOfServer(
  { service, destination, destinationNumbers: wanted, options }: Command,
  table: Table,
): Promise<string[]> {
  const present = service && destination && (await table.destination(service, destination));
  if (present === undefined) return [];
  const tunnel = (of: (each: DestinationNumbers) => number) => (each: DestinationNumbers) =>
    present.forwarding === TUN && wanted.forwarding === TUN ? of(each) : 0;
  return lost<DestinationNumbers>(options, present, wanted, [
    ['forwarding-method', '-g, -i or -m', (each) => each.forwarding],
    ['weight', '-w', (each) => each.weight],
    ['u-threshold', '-x', (each) => each.upperThreshold],
    ['l-threshold', '-y', (each) => each.lowerThreshold],
    ['tun-type', '--tun-type', tunnel((each) => each.tunnelType)],
    ['tun-port', '--tun-port', tunnel((each) => each.tunnelPort)],
    ['tun-csum', '--tun-csum', tunnel((each) => each.tunnelFlags & 1)],
    ['tun-remcsum', '--tun-remcsum', tunnel((each) => each.tunnelFlags & 2)],
  ]);
}

type Setting<Numbers> = [
  option: OptionName,
  written: string,
  of: (numbers: Numbers) => number | string,
];

/** The options that are not given and whose setting would change. */
function lost<Numbers>(
  options: ReadonlySet<OptionName>,
  present: Numbers,
  wanted: Numbers,
  settings: readonly Setting<Numbers>[],
): string[] {
  return settings
    .filter(([option, , of]) => !options.has(option) && of(present) !== of(wanted))
    .map(([, written]) => written);
}
