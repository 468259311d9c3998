// What crosses to native code and back, in numbers: requests, and the records that answer them.

import type { Address } from './address.js';
import type { Endpoint, Stats } from './types.js';

/** 64 bits, as the caller asked for them. */
export type Counter = number | bigint;

/** What is read into again and again. */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** IPVS_CMD_*: what a request asks for. */
export const Command = {
  newService: 1,
  setService: 2,
  deleteService: 3,
  getService: 4,
  newDestination: 5,
  setDestination: 6,
  deleteDestination: 7,
  getDestination: 8,
  newDaemon: 9,
  deleteDaemon: 10,
  getDaemon: 11,
  setTimeouts: 12,
  getTimeouts: 13,
  getInfo: 15,
  zero: 16,
  flush: 17,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

export interface ServiceId {
  readonly family: number;
  readonly protocol: number;
  /** Undefined for a mark. */
  readonly address: Address | undefined;
  readonly port: number;
  /** 0 where the address names the service. */
  readonly fwmark: number;
}

/** What a service is set to, in numbers. */
export interface ServiceNumbers {
  readonly scheduler: string;
  readonly flags: number;
  readonly timeout: number;
  /** IPv4: the mask as an integer; IPv6: a prefix length. */
  readonly netmask: number;
  readonly engine: string;
}

export interface ServiceRecord<Counter extends number | bigint = number> extends ServiceNumbers {
  readonly family: number;
  readonly protocol: number;
  readonly address: string;
  readonly port: number;
  readonly fwmark: number;
  readonly stats: Stats<Counter>;
  /** Whether the kernel counts in 64 bits. */
  readonly wideStats: number;
}

export interface DestinationId {
  readonly address: Address;
  readonly port: number;
}

/** What a destination is set to, in numbers. */
export interface DestinationNumbers {
  readonly forwarding: number;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly tunnelType: number;
  readonly tunnelPort: number;
  readonly tunnelFlags: number;
}

export interface DestinationRecord<
  Counter extends number | bigint = number,
> extends DestinationNumbers {
  readonly family: number;
  readonly address: string;
  readonly port: number;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly stats: Stats<Counter>;
}

export interface TimeoutNumbers {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

export interface DaemonNumbers {
  readonly role: number;
  readonly interface: string;
  readonly syncId: number;
  readonly maxLength: number;
  /** Undefined: the kernel's own choice, as 0 for the others. */
  readonly group: Address | undefined;
  readonly port: number;
  readonly ttl: number;
}

export interface DaemonRecord extends Omit<DaemonNumbers, 'group'> {
  readonly group: string;
}

export interface InfoRecord {
  readonly version: number;
  readonly connectionTableSize: number;
}

export interface ConnectionRecord {
  /** 0 for the template of a mark. */
  readonly protocol: number;
  readonly isTemplate: number;
  readonly client: Endpoint;
  readonly virtual: Endpoint;
  readonly destination: Endpoint;
  readonly fwmark: number;
  readonly state: string;
  readonly expires: number;
  /** 0 where it is not known. */
  readonly origin: number;
  readonly engine: string;
  readonly engineData: string;
}

/** What of the table of connections is wanted: 0, no bytes and a negative port match anything. */
export interface ConnectionFilter {
  readonly protocol: number;
  readonly fwmark: number;
  readonly client: EndpointNumbers;
  readonly virtual: EndpointNumbers;
  readonly destination: EndpointNumbers;
}

export interface EndpointNumbers {
  readonly family: number;
  readonly bytes: readonly number[];
  readonly port: number;
}

/** One request, ready to be written. */
export interface Request {
  readonly command: Command;
  readonly service?: ServiceId;
  readonly serviceNumbers?: ServiceNumbers;
  readonly destination?: DestinationId;
  readonly destinationNumbers?: DestinationNumbers;
  readonly timeouts?: TimeoutNumbers;
  readonly daemon?: DaemonNumbers;
}

/** A request that changes a service, or something of it. */
export type Change = Request & { readonly service: ServiceId };

/** Whether a request changes anything. */
export function changes({ command }: Request): boolean {
  switch (command) {
    case Command.getService:
    case Command.getDestination:
    case Command.getDaemon:
    case Command.getTimeouts:
    case Command.getInfo:
      return false;
    default:
      return true;
  }
}
