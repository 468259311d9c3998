// A table as it is to be, in numbers: built up line by line from rules, or at once from an object.

import { notUnicast } from '../address.js';
import { list, object } from '../check.js';
import type { Input } from '../check.js';
import { invalidValue, renameProperty } from '../errors.js';
import { parseDaemon, parseTimeouts } from '../options.js';
import type {
  DaemonNumbers,
  DestinationId,
  DestinationNumbers,
  ServiceId,
  ServiceNumbers,
  TimeoutNumbers,
} from '../records.js';
import { destinationName, serviceName } from '../turns.js';
import { parseDestinationConfig, parseServiceConfig } from '../validate.js';
import { FORWARDINGS, ROLES } from '../words.js';
import type { Line } from './lines.js';
import { fault, ownerFor } from './parse.js';
import type { RuleLine } from './parse.js';

export interface TargetDestination {
  readonly id: DestinationId;
  readonly numbers: DestinationNumbers;
  /** The line that added it. */
  readonly line?: Line | undefined;
}

export interface TargetService {
  readonly id: ServiceId;
  readonly numbers: ServiceNumbers;
  readonly destinations: Map<string, TargetDestination>;
  readonly line?: Line | undefined;
}

export interface TargetDaemon {
  readonly numbers: DaemonNumbers;
  /** The line that starts it. */
  readonly line?: Line | undefined;
}

/** The kernel's table in the same form. */
export type PresentTable = ReadonlyMap<string, TargetService>;

export class Target {
  readonly services: Map<string, TargetService>;
  timeouts: TimeoutNumbers = { tcp: 0, tcpFin: 0, udp: 0 };
  /** By role: what it is to be, or `'stopped'`. Others go on as they are. */
  readonly daemons = new Map<number, TargetDaemon | 'stopped'>();
  /** Whose counters start again; undefined: all. */
  readonly zeroed: (ServiceId | undefined)[] = [];

  /** `present`: what stays unless something else is said. */
  constructor(present: PresentTable) {
    this.services = new Map(
      [...present].map(([name, service]) => [
        name,
        { ...service, destinations: new Map(service.destinations) },
      ]),
    );
  }

  /** Does what the lines say; throws a RulesError for one that can't be done. */
  follow(lines: readonly RuleLine[], file: string): void {
    for (const { line, command } of lines) {
      const refuse = (reason: string): never => {
        throw fault(file, line, 0, reason);
      };
      this.#follow(line, command, refuse);
    }
  }

  #follow(line: Line, command: RuleLine['command'], refuse: (reason: string) => never): void {
    const { name, service: id, destination, serviceNumbers, destinationNumbers } = command;
    const key = id && serviceName(id);
    const service = key === undefined ? undefined : this.services.get(key);
    switch (name) {
      case 'flush':
        this.services.clear();
        return;
      case 'set':
        this.timeouts = {
          tcp: command.timeouts.tcp || this.timeouts.tcp,
          tcpFin: command.timeouts.tcpFin || this.timeouts.tcpFin,
          udp: command.timeouts.udp || this.timeouts.udp,
        };
        return;
      case 'start-daemon':
        this.daemons.set(command.daemon.role, { numbers: command.daemon, line });
        return;
      case 'stop-daemon':
        this.daemons.set(command.daemon.role, 'stopped');
        return;
      case 'zero':
        if (id !== undefined && service === undefined) refuse(NO_SERVICE);
        this.zeroed.push(id);
        return;
    }
    if (id === undefined || key === undefined) return;
    if (name === 'add-service') {
      if (service?.line) refuse(`the service is there already, since line ${service.line.number}`);
      const destinations = service?.destinations ?? new Map<string, TargetDestination>();
      this.services.set(key, { id, numbers: serviceNumbers, destinations, line });
      return;
    }
    if (service === undefined) return refuse(NO_SERVICE);
    if (name === 'edit-service') {
      this.services.set(key, { ...service, numbers: serviceNumbers, line });
    } else if (name === 'delete-service') {
      this.services.delete(key);
    } else if (destination !== undefined) {
      const own = destinationName(destination);
      const present = service.destinations.get(own);
      if (name === 'add-server') {
        if (present?.line) {
          refuse(`the real server is there already, since line ${present.line.number}`);
        }
      } else if (present === undefined) {
        refuse('the service has no such real server at this line');
      }
      const why = notUnicast(destination.address);
      if (why !== undefined)
        refuse(`a real server's address must be unicast, and this one is ${why}`);
      if (name === 'delete-server') service.destinations.delete(own);
      else service.destinations.set(own, { id: destination, numbers: destinationNumbers, line });
    }
  }

  /**
   * What an object says, such as a snapshot; throws where it makes no sense. `exact`: where it tells
   * of sync daemons, no others are to run.
   */
  static of(value: unknown, exact: boolean): Target {
    const target = new Target(new Map());
    target.#take(value, exact);
    return target;
  }

  #take(value: unknown, exact: boolean): void {
    const input = object(value, 'table', TABLE);
    list(input['services'], 'table.services').forEach((service, index) => {
      this.#takeService(service, `table.services[${index}]`);
    });
    if (input['timeouts'] !== undefined) {
      this.timeouts = placed('timeouts', 'table.timeouts', () => parseTimeouts(input['timeouts']));
    }
    const daemons = input['syncDaemons'];
    if (daemons === undefined) return;
    if (exact) for (const role of ROLES.words) this.daemons.set(ROLES.number(role) ?? 0, 'stopped');
    list(daemons, 'table.syncDaemons').forEach((daemon, index) => {
      const path = `table.syncDaemons[${index}]`;
      const numbers = placed('daemon', path, () => parseDaemon(daemon));
      this.daemons.set(numbers.role, { numbers });
    });
  }

  #takeService(value: unknown, path: string): void {
    const { id, numbers } = parseServiceConfig(value, path);
    const name = serviceName(id);
    if (this.services.has(name)) throw invalidValue(path, 'is there twice', value);
    const destinations = new Map<string, TargetDestination>();
    this.services.set(name, { id, numbers, destinations });
    const given = (value as Input)['destinations'];
    list(given ?? [], `${path}.destinations`).forEach((each, index) => {
      const at = `${path}.destinations[${index}]`;
      const destination = placed('destination', at, () => takeDestination(each, id));
      const own = destinationName(destination.id);
      if (destinations.has(own)) throw invalidValue(at, 'is there twice', each);
      destinations.set(own, destination);
    });
  }

  /** This one, and what else there is. */
  over(present: PresentTable): Target {
    const all = new Target(present);
    for (const [name, service] of this.services) {
      const others = all.services.get(name)?.destinations ?? [];
      const destinations = new Map([...others, ...service.destinations]);
      all.services.set(name, { ...service, destinations });
    }
    all.timeouts = this.timeouts;
    for (const [role, daemon] of this.daemons) all.daemons.set(role, daemon);
    return all;
  }
}

const NO_SERVICE = 'there is no such service at this line';

export const TABLE = new Set(['services', 'timeouts', 'syncDaemons', 'settled']);

function takeDestination(value: unknown, service: ServiceId): TargetDestination {
  const { forwarding, port } = (value ?? {}) as Input;
  const method = FORWARDINGS.number(typeof forwarding === 'string' ? forwarding : 'dr') ?? 0;
  const owner = typeof port === 'number' ? ownerFor(service, port, method) : service;
  const { id, numbers } = parseDestinationConfig(value, owner);
  const why = notUnicast(id.address);
  if (why !== undefined) {
    throw invalidValue('destination.address', `must be unicast, and it is ${why}`, id.address.text);
  }
  return { id, numbers };
}

/** The checks name a property by itself: here it has a place in the table. */
export function placed<Result>(name: string, path: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    throw renameProperty(error, name, path);
  }
}

/** Whether a text is rules; other texts are JSON or YAML. */
export function isRules(text: string): boolean {
  const [first = ''] = /^[ \t]*[^#\s].*$/m.exec(text) ?? [];
  return first.trim() === '' || /^\s*(-[^-\s]|--[^-\s]|ipvsadm\s)/.test(first);
}
