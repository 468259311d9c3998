// The operations of a batch, from what a caller wrote to what is sent.

import { Names, object, quoted, string } from './check.js';
import type { Input } from './check.js';
import { sameDestination, sameService } from './compare.js';
import { invalidType, invalidValue } from './errors.js';
import { Command } from './records.js';
import type {
  Change,
  DestinationId,
  DestinationRecord,
  Mutable,
  ServiceId,
  ServiceRecord,
} from './records.js';
import { destinationName, serviceName } from './turns.js';
import type { Operation } from './types.js';
import {
  makeDestinationSlot,
  mergeDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
  readDestinationChanges,
  readServiceChanges,
} from './validate.js';
import type { DestinationSlot } from './validate.js';

/** An operation that looks at what is there before it sends anything. */
export interface Merge {
  /** As errors name it. */
  readonly name: string;
  readonly service: ServiceId;
  readonly destination?: DestinationId;
  /** One name for the service. */
  readonly owner: string;
  /** One name for what it is about: the service, or a destination of it. */
  readonly key: string;
  /** Where the service, or the destination if it is about one, is not there. */
  readonly add?: Change;
  /** Where it is; undefined where nothing has to be sent. */
  readonly merge: (present: Present) => Change | undefined;
}

/** An operation that has been checked; most are a request and nothing else. */
export type Step = Change | Merge;

export interface Present {
  readonly service: ServiceRecord;
  readonly destination: DestinationRecord | undefined;
}

type Name = Operation['op'];
type Read = (input: Input, reader: OperationReader) => Step;

const SERVICE = new Names(['op', 'service']);
const SERVICE_CHANGES = new Names(['op', 'service', 'changes']);
const DESTINATION = new Names(['op', 'service', 'destination']);
const DESTINATION_CHANGES = new Names(['op', 'service', 'destination', 'changes']);

const READERS: Readonly<Record<Name, Read>> = {
  addService: (input) => plainService(input, Command.newService),
  replaceService: (input) => plainService(input, Command.setService),
  removeService: (input) => serviceKey(input, Command.deleteService),
  zero: (input) => serviceKey(input, Command.zero),

  ensureService: (input) => {
    const { id: service, numbers: serviceNumbers } = serviceConfig(input);
    const add = { command: Command.newService, service, serviceNumbers };
    const owner = serviceName(service);
    return {
      name: COMMANDS.ensureService,
      service,
      owner,
      key: owner,
      add,
      merge: (present) =>
        sameService(present.service, serviceNumbers)
          ? undefined
          : { ...add, command: Command.setService },
    };
  },

  updateService: (input) => {
    object(input, 'operation', SERVICE_CHANGES);
    const service = parseServiceId(input['service']);
    const changes = readServiceChanges(input['changes'], service);
    const owner = serviceName(service);
    return {
      name: COMMANDS.updateService,
      service,
      owner,
      key: owner,
      merge: (present) => ({
        command: Command.setService,
        service,
        serviceNumbers: parseServiceChanges(changes, service, present.service),
      }),
    };
  },

  addDestination: (input, reader) => plainDestination(input, reader, Command.newDestination),
  replaceDestination: (input, reader) => plainDestination(input, reader, Command.setDestination),

  ensureDestination: (input, reader) => {
    const { service, destination, destinationNumbers } = destinationConfig(input, reader);
    const add = { command: Command.newDestination, service, destination, destinationNumbers };
    return {
      name: COMMANDS.ensureDestination,
      service,
      destination,
      owner: reader.ownerName,
      key: keyOf(reader.ownerName, destination),
      add,
      merge: (present) =>
        present.destination !== undefined &&
        sameDestination(present.destination, destinationNumbers)
          ? undefined
          : { ...add, command: Command.setDestination },
    };
  },

  updateDestination: (input, reader) => {
    object(input, 'operation', DESTINATION_CHANGES);
    const service = reader.owner(input['service']);
    const destination = parseDestinationId(input['destination'], service);
    const changes = readDestinationChanges(input['changes'], service, destination);
    return {
      name: COMMANDS.updateDestination,
      service,
      destination,
      owner: reader.ownerName,
      key: keyOf(reader.ownerName, destination),
      merge: (present) =>
        present.destination && {
          command: Command.setDestination,
          service,
          destination,
          destinationNumbers: mergeDestinationChanges(
            changes,
            service,
            destination,
            present.destination,
          ),
        },
    };
  },

  removeDestination: (input, reader) => {
    object(input, 'operation', DESTINATION);
    const service = reader.owner(input['service']);
    reader.key.service = service;
    parseDestinationId(input['destination'], service, reader.slot.id, reader.slot.address);
    return reader.key;
  },
};

/** A service's own name has one word less. */
export const keyOf = (owner: string, destination: DestinationId): string =>
  `${owner} ${destinationName(destination)}`;

const NAMES = Object.keys(READERS);

/** As errors name them. */
const COMMANDS: Readonly<Record<Name, string>> = {
  addService: 'add service',
  replaceService: 'replace service',
  ensureService: 'ensure service',
  updateService: 'update service',
  removeService: 'remove service',
  zero: 'zero counters',
  addDestination: 'add destination',
  replaceDestination: 'replace destination',
  ensureDestination: 'ensure destination',
  updateDestination: 'update destination',
  removeDestination: 'remove destination',
};

const PLAIN_CHANGES = new Map<Command, string>([
  [Command.newService, COMMANDS.addService],
  [Command.setService, COMMANDS.replaceService],
  [Command.deleteService, COMMANDS.removeService],
  [Command.zero, COMMANDS.zero],
  [Command.newDestination, COMMANDS.addDestination],
  [Command.setDestination, COMMANDS.replaceDestination],
  [Command.deleteDestination, COMMANDS.removeDestination],
]);

/** How errors name an operation that is just this command. */
export const nameOfChange = (command: Command): string => PLAIN_CHANGES.get(command) ?? '';

export function commandOf(operation: unknown): string {
  const name = (operation as Operation | undefined)?.op;
  return name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : 'batch';
}

/** Reads operations one after the other. */
export class OperationReader {
  // Those in a row are often for the same service: its key need not be read, or sent, again. By its
  // properties: the caller may use one object for several services, or one for each operation.
  #protocol: unknown;
  #address: unknown;
  #port: unknown;
  #fwmark: unknown;
  #family: unknown;
  #properties = 0;
  #service: ServiceId | undefined;
  #ownerName: string | undefined;

  // The kind of the last one, and what reads it.
  #name: unknown;
  #read: Read | undefined;

  // A change of a destination is read into these: there may be a hundred thousand.
  readonly slot: DestinationSlot = {
    ...makeDestinationSlot(),
    address: { family: 0, bytes: [], text: '' },
  };
  readonly change: Mutable<Change> = {
    command: Command.newDestination,
    service: { family: 0, protocol: 0, address: undefined, port: 0, fwmark: 0 },
    destination: this.slot.id,
    destinationNumbers: this.slot.numbers,
  };
  readonly key: Mutable<Change> = {
    command: Command.deleteDestination,
    service: this.change.service,
    destination: this.slot.id,
  };

  /** Throws where it makes no sense. What comes of it is valid until the next one is read. */
  read(value: unknown): Step {
    const input = operation(value);
    const name = input['op'];
    // Those in a row are mostly of one kind.
    if (name !== this.#name || this.#read === undefined) {
      const known = typeof name === 'string' && Object.hasOwn(READERS, name);
      this.#read = known ? READERS[name as Name] : unknown(name);
      this.#name = name;
    }
    return this.#read(input, this);
  }

  /** The same for one of many: errors name its place among them. */
  readAt(index: number, value: unknown): Step {
    try {
      return this.read(value);
    } catch (error) {
      throw placed(error, index);
    }
  }

  /** The service that a destination is of. */
  owner(value: unknown): ServiceId {
    if (this.#service !== undefined && this.#isSame(value)) return this.#service;
    this.#service = parseServiceId(value);
    this.#ownerName = undefined;
    const key = value as Input;
    this.#protocol = key['protocol'];
    this.#address = key['address'];
    this.#port = key['port'];
    this.#fwmark = key['fwmark'];
    this.#family = key['family'];
    // Only a key that has nothing else can be told by these.
    const own = [this.#protocol, this.#address, this.#port, this.#fwmark, this.#family];
    const defined = own.reduce<number>((sum, each) => sum + (each === undefined ? 0 : 1), 0);
    this.#properties = countProperties(key) === defined ? defined : -1;
    return this.#service;
  }

  /** One name for the service that `owner` has read last. */
  get ownerName(): string {
    return (this.#ownerName ??= this.#service === undefined ? '' : serviceName(this.#service));
  }

  // With as many properties and these the same, it has no others.
  #isSame(value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false;
    const key = value as Input;
    return (
      key['protocol'] === this.#protocol &&
      key['address'] === this.#address &&
      key['port'] === this.#port &&
      key['fwmark'] === this.#fwmark &&
      key['family'] === this.#family &&
      countProperties(key) === this.#properties
    );
  }
}

function countProperties(input: Input): number {
  let count = 0;
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- without making a list of them
  for (const _ in input) count++;
  return count;
}

function operation(value: unknown): Input {
  if (typeof value === 'object' && value !== null) return value as Input;
  throw invalidType('operation', 'an object', value);
}

function unknown(name: unknown): never {
  throw invalidValue('op', `must be one of ${quoted(NAMES)}`, string(name, 'op'));
}

// The checks name a property within its operation.
function placed(error: unknown, index: number): unknown {
  if (!(error instanceof Error) || !error.message.startsWith("The property '")) return error;
  error.message = error.message.replace(
    /^(The property ')(operation(?=[.']))?/,
    (_, start: string, whole?: string) =>
      `${start}operations[${index}]${whole === undefined ? '.' : ''}`,
  );
  return error;
}

function serviceConfig(input: Input): ReturnType<typeof parseServiceConfig> {
  object(input, 'operation', SERVICE);
  return parseServiceConfig(input['service']);
}

function plainService(input: Input, command: Command): Change {
  const { id: service, numbers: serviceNumbers } = serviceConfig(input);
  return { command, service, serviceNumbers };
}

function serviceKey(input: Input, command: Command): Change {
  object(input, 'operation', SERVICE);
  return { command, service: parseServiceId(input['service']) };
}

function destinationConfig(input: Input, reader: OperationReader) {
  object(input, 'operation', DESTINATION);
  const service = reader.owner(input['service']);
  const { id, numbers } = parseDestinationConfig(input['destination'], service);
  return { service, destination: id, destinationNumbers: numbers };
}

function plainDestination(input: Input, reader: OperationReader, command: Command): Change {
  object(input, 'operation', DESTINATION);
  const service = reader.owner(input['service']);
  parseDestinationConfig(input['destination'], service, reader.slot);
  reader.change.command = command;
  reader.change.service = service;
  return reader.change;
}
