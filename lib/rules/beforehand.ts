// What the kernel would refuse of a table, as far as that can be told before anything is changed.

import { constants } from 'node:os';
import { IPV6 } from '../address.js';
import type { Address } from '../address.js';
import { IpvsError } from '../errors.js';
import { hasInterface, hasModules } from '../evidence.js';
import { NativeFailure } from '../native.js';
import { Command } from '../records.js';
import type { DaemonRecord, Request, ServiceId } from '../records.js';
import { refusal, subjectOf } from '../session.js';
import type { Call, Session } from '../session.js';
import { destinationName, serviceName } from '../turns.js';
import type { Line } from './lines.js';
import { fault } from './parse.js';
import type { PresentTable, Target, TargetDestination, TargetService } from './target.js';

const { EINVAL, ENODEV, ENOENT } = constants.errno;

const OWN_ADDRESSES = '/proc/thread-self/net/if_inet6';

export class Foresight {
  readonly #session: Session;
  readonly #call: Call;
  readonly #file: string;

  constructor(session: Session, call: Call, file: string) {
    this.#session = session;
    this.#call = call;
    this.#file = file;
  }

  /** Schedulers and engines that this kernel lacks. */
  async checkModules(target: Target, present: PresentTable): Promise<void> {
    const modules = ({ scheduler, engine }: TargetService['numbers']) => `${scheduler} ${engine}`;
    const known = new Set([...present.values()].map(({ numbers }) => modules(numbers)));
    for (const { id, numbers, line } of target.services.values()) {
      if (known.has(modules(numbers))) continue;
      known.add(modules(numbers));
      const { scheduler, engine } = numbers;
      const { channels } = this.#session;
      if ((await hasModules(scheduler, engine, channels, this.#call.deadline)) !== false) continue;
      const request = { command: Command.newService, service: id, serviceNumbers: numbers };
      await this.#refuse(request, ENOENT, line);
    }
  }

  /** Link-local addresses of others (ip_vs_new_dest). */
  async checkAddresses(target: Target, present: PresentTable): Promise<void> {
    let own: ReadonlySet<string> | undefined;
    for (const [{ id: service }, { id, numbers, line }] of destinationsOf(target, isLinkLocal)) {
      if (present.get(serviceName(service))?.destinations.has(destinationName(id))) continue;
      own ??= await this.#ownAddresses();
      if (own === undefined) return; // then the kernel says it
      if (own.has(Buffer.from(id.address.bytes).toString('hex'))) continue;
      const request = { command: Command.newDestination, service };
      await this.#refuse(
        { ...request, destination: id, destinationNumbers: numbers },
        EINVAL,
        line,
      );
    }
  }

  /** The IPv6 addresses of this network namespace, in hexadecimal digits. */
  async #ownAddresses(): Promise<ReadonlySet<string> | undefined> {
    const text = await this.#session.channels.files.read(OWN_ADDRESSES);
    if (text instanceof NativeFailure) return undefined;
    return new Set(text.split('\n').map((line) => line.slice(0, 32)));
  }

  /** `running`: the daemons of now. */
  async checkDaemons(target: Target, running: readonly DaemonRecord[]): Promise<void> {
    const { channels } = this.#session;
    let willRun = running.some(({ role }) => !target.daemons.has(role));
    for (const daemon of target.daemons.values()) {
      if (daemon === 'stopped') continue;
      willRun = true;
      const { numbers, line } = daemon;
      if ((await hasInterface(numbers.interface, channels, this.#call.deadline)) !== false)
        continue;
      await this.#refuse({ command: Command.newDaemon, daemon: numbers }, ENODEV, line);
    }
    if (willRun) this.#refuseMixed(target);
  }

  #refuseMixed(target: Target): void {
    for (const [{ id: service }, { id, line }] of destinationsOf(target, isOfAnotherFamily)) {
      const call = { ...this.#call, service, destination: id };
      const error = new IpvsError(subjectOf(call), {
        code: 'EINVAL',
        errno: EINVAL,
        sentence: "a destination of another address family can't be there with a sync daemon",
      });
      throw this.#placed(error, line);
    }
  }

  async #refuse(request: Request, errno: number, line: Line | undefined): Promise<never> {
    const { service, destination } = request;
    const call = {
      ...this.#call,
      ...(service && { service }),
      ...(destination && { destination }),
    };
    throw this.#placed(await this.#session.explain(call, request, refusal(errno)), line);
  }

  #placed(error: Error, line: Line | undefined): Error {
    return line === undefined ? error : fault(this.#file, line, 0, error.message, error);
  }
}

/** The destinations for which that is so, each with its service. */
function* destinationsOf(
  target: Target,
  is: (address: Address, service: ServiceId) => boolean,
): Iterable<[TargetService, TargetDestination]> {
  for (const service of target.services.values()) {
    for (const destination of service.destinations.values()) {
      if (is(destination.id.address, service.id)) yield [service, destination];
    }
  }
}

/** What excludes sync daemons. */
export function isOfAnotherFamily(address: Address, service: ServiceId): boolean {
  return address.family !== service.family;
}

function isLinkLocal({ family, bytes: [first = 0, second = 0] }: Address): boolean {
  return family === IPV6 && first === 0xfe && (second & 0xc0) === 0x80;
}
