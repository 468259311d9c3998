// What --strict refuses: that ipvsadm does something else than was written.

import { NativeFailure } from '../../native.js';
import type { DestinationNumbers, ServiceNumbers } from '../../records.js';
import type { Command } from '../../rules/command.js';
import type { OptionName } from '../../rules/option-reader.js';
import { idOfDestination } from '../../rules/ids.js';
import { destinationName } from '../../turns.js';
import { ALL_SCHEDULER_BITS, ONE_PACKET, PERSISTENT, TUN } from '../../words.js';
import type { Director } from './director.js';

/** Why a command is refused; undefined where it does what it says. */
export async function refusalOf(command: Command, director: Director): Promise<string | undefined> {
  const { replacedPort, service, name } = command;
  if (replacedPort !== undefined) {
    return (
      `the real server's port ${replacedPort} would become the service's, ${service?.port}: ` +
      'only -m brings packets to another port'
    );
  }
  const lost =
    name === 'edit-service'
      ? await lostOfService(command, director)
      : name === 'edit-server'
        ? await lostOfServer(command, director)
        : [];
  return lost.length === 0
    ? undefined
    : `it would change what it does not name: ${lost.join(', ')}; name them too`;
}

async function lostOfService(
  { service, serviceNumbers: wanted, options }: Command,
  director: Director,
): Promise<string[]> {
  if (service === undefined) return [];
  const present = await director.service(service);
  if (present instanceof NativeFailure) return []; // the kernel says it better
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
  director: Director,
): Promise<string[]> {
  if (service === undefined || destination === undefined) return [];
  const list = await director.destinations(service);
  if (list instanceof NativeFailure) return [];
  const name = destinationName(destination);
  const present = list.find((each) => destinationName(idOfDestination(each)) === name);
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
