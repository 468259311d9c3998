// Requests as they cross to native code: one after the other in a buffer.

import { IPV6, formatAddress } from './address.js';
import type { Address } from './address.js';
import type {
  Change,
  Command,
  DaemonNumbers,
  DestinationId,
  DestinationNumbers,
  Request,
  ServiceId,
  ServiceNumbers,
  TimeoutNumbers,
} from './records.js';
import { SETTABLE_FLAGS } from './words.js';

// The parts that follow a request's first word, and their columns counted in 32-bit words:
// native/addon/request.h.

const enum Part {
  serviceKey = 0x01,
  service = 0x02,
  destinationKey = 0x04,
  destination = 0x08,
  limits = 0x10,
  tunnel = 0x20,
  timeouts = 0x40,
  daemon = 0x80,
}

const enum ServiceKeyColumn {
  family,
  protocol,
  port,
  fwmark,
  end,
}

const enum ServiceColumn {
  flags,
  flagsMask,
  timeout,
  netmask,
  scheduler,
  engine = 8,
  end = 13,
}

const enum DestinationKeyColumn {
  family,
  port,
  end,
}

const enum DestinationColumn {
  forwarding,
  weight,
  end,
}

const enum LimitsColumn {
  upperThreshold,
  lowerThreshold,
  end,
}

const enum TunnelColumn {
  type,
  port,
  flags,
  end,
}

const enum TimeoutsColumn {
  tcp,
  tcpFin,
  udp,
  end,
}

const enum DaemonColumn {
  role,
  interface,
  syncId = 5,
  maxLength,
  port,
  ttl,
  groupFamily,
  end,
}

/** In the order of the native struct's columns, each part's size behind its last one. */
const LAYOUT: readonly number[] = [
  ServiceKeyColumn.family,
  ServiceKeyColumn.protocol,
  ServiceKeyColumn.port,
  ServiceKeyColumn.fwmark,
  ServiceKeyColumn.end,
  ServiceColumn.flags,
  ServiceColumn.flagsMask,
  ServiceColumn.timeout,
  ServiceColumn.netmask,
  ServiceColumn.scheduler,
  ServiceColumn.engine,
  ServiceColumn.end,
  DestinationKeyColumn.family,
  DestinationKeyColumn.port,
  DestinationKeyColumn.end,
  DestinationColumn.forwarding,
  DestinationColumn.weight,
  DestinationColumn.end,
  LimitsColumn.upperThreshold,
  LimitsColumn.lowerThreshold,
  LimitsColumn.end,
  TunnelColumn.type,
  TunnelColumn.port,
  TunnelColumn.flags,
  TunnelColumn.end,
  TimeoutsColumn.tcp,
  TimeoutsColumn.tcpFin,
  TimeoutsColumn.udp,
  TimeoutsColumn.end,
  DaemonColumn.role,
  DaemonColumn.interface,
  DaemonColumn.syncId,
  DaemonColumn.maxLength,
  DaemonColumn.port,
  DaemonColumn.ttl,
  DaemonColumn.groupFamily,
  DaemonColumn.end,
];

/** Whether an addon with this layout reads requests as they are written here. */
export const readsOurRequests = (layout: Uint32Array): boolean => isLayout(LAYOUT, layout);

/** Whether native code counts in bytes what `ours` counts in words. */
export function isLayout(ours: readonly number[], theirs: Uint32Array): boolean {
  return theirs.length === ours.length && ours.every((word, i) => word * 4 === theirs[i]);
}

const NO_SERVICE: ServiceId = { family: 0, protocol: 0, address: undefined, port: 0, fwmark: 0 };

// All parts at once.
const LARGEST =
  1 +
  ServiceKeyColumn.end +
  ServiceColumn.end +
  DestinationKeyColumn.end +
  DestinationColumn.end +
  LimitsColumn.end +
  TunnelColumn.end +
  TimeoutsColumn.end +
  DaemonColumn.end +
  3 * 4; // addresses

const FIRST_WORDS = 256;

// What a change of a destination takes, with the key of its service.
const USUAL = 4 + ServiceKeyColumn.end + DestinationKeyColumn.end + DestinationColumn.end;

/** A buffer of requests that grows as they are added, and is used again and again. */
export class Requests {
  #words: Uint32Array;
  #bytes: Uint8Array;
  #end = 0;
  #count = 0;
  // Whose key was written last: the next request for it need not repeat that.
  #service: ServiceId | undefined;

  /** With room for about so many. */
  constructor(expected = 0) {
    this.#words = new Uint32Array(Math.max(FIRST_WORDS, LARGEST + expected * USUAL));
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  get count(): number {
    return this.#count;
  }

  /** What was added; valid until the next request is added. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#end * 4);
  }

  /**
   * The changes of services and destinations that were added, in order: for those that failed, because
   * nothing else of them is kept. Addresses are in their canonical form, however the caller wrote them.
   */
  *changes(): Generator<Change> {
    let service = NO_SERVICE;
    for (this.#at = 0; this.#at < this.#end;) {
      const head = this.#next(1);
      const word = this.#words[head] ?? 0;
      const parts = word >> 8;
      if ((parts & Part.serviceKey) !== 0) service = this.#readServiceKey();
      yield {
        command: (word & 0xff) as Command,
        service,
        ...((parts & Part.service) !== 0 && { serviceNumbers: this.#readService() }),
        ...((parts & Part.destinationKey) !== 0 && { destination: this.#readDestinationKey() }),
        ...((parts & Part.destination) !== 0 && {
          destinationNumbers: this.#readDestination(parts),
        }),
      };
    }
  }

  // Where to read on, in words.
  #at = 0;

  #next(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }

  #readServiceKey(): ServiceId {
    const words = this.#words;
    const at = this.#next(ServiceKeyColumn.end);
    const family = words[at + ServiceKeyColumn.family] ?? 0;
    const fwmark = words[at + ServiceKeyColumn.fwmark] ?? 0;
    return {
      family,
      protocol: words[at + ServiceKeyColumn.protocol] ?? 0,
      port: words[at + ServiceKeyColumn.port] ?? 0,
      fwmark,
      address: fwmark === 0 ? this.#readAddress(family) : undefined,
    };
  }

  #readService(): ServiceNumbers {
    const words = this.#words;
    const at = this.#next(ServiceColumn.end);
    return {
      flags: words[at + ServiceColumn.flags] ?? 0,
      timeout: words[at + ServiceColumn.timeout] ?? 0,
      netmask: words[at + ServiceColumn.netmask] ?? 0,
      scheduler: this.#readText(at + ServiceColumn.scheduler, at + ServiceColumn.engine),
      engine: this.#readText(at + ServiceColumn.engine, at + ServiceColumn.end),
    };
  }

  #readDestinationKey(): DestinationId {
    const at = this.#next(DestinationKeyColumn.end);
    const family = this.#words[at + DestinationKeyColumn.family] ?? 0;
    return {
      port: this.#words[at + DestinationKeyColumn.port] ?? 0,
      address: this.#readAddress(family),
    };
  }

  #readDestination(parts: number): DestinationNumbers {
    const words = this.#words;
    const at = this.#next(DestinationColumn.end);
    const limits = (parts & Part.limits) === 0 ? undefined : this.#next(LimitsColumn.end);
    const tunnel = (parts & Part.tunnel) === 0 ? undefined : this.#next(TunnelColumn.end);
    const read = (part: number | undefined, column: number) =>
      part === undefined ? 0 : (words[part + column] ?? 0);
    return {
      forwarding: read(at, DestinationColumn.forwarding),
      weight: read(at, DestinationColumn.weight),
      upperThreshold: read(limits, LimitsColumn.upperThreshold),
      lowerThreshold: read(limits, LimitsColumn.lowerThreshold),
      tunnelType: read(tunnel, TunnelColumn.type),
      tunnelPort: read(tunnel, TunnelColumn.port),
      tunnelFlags: read(tunnel, TunnelColumn.flags),
    };
  }

  #readAddress(family: number): Address {
    const size = family === IPV6 ? 16 : 4;
    const from = this.#next(size / 4) * 4;
    return {
      family,
      bytes: [...this.#bytes.subarray(from, from + size)],
      text: formatAddress(family, this.#bytes, from),
    };
  }

  #readText(word: number, end: number): string {
    const text = String.fromCharCode(...this.#bytes.subarray(word * 4, end * 4));
    return text.slice(0, (text + '\0').indexOf('\0'));
  }

  clear(): void {
    this.#end = 0;
    this.#count = 0;
    this.#service = undefined;
  }

  add(request: Request): void {
    if (this.#end + LARGEST > this.#words.length) this.#grow();
    const start = this.#end++;
    const { service, serviceNumbers, destination, destinationNumbers, timeouts, daemon } = request;
    let parts = 0;
    // What concerns no service still has a key, of no family.
    if (service !== this.#service || service === undefined) {
      this.#service = service;
      parts |= Part.serviceKey;
      this.#writeServiceKey(service);
    }
    if (serviceNumbers !== undefined) {
      parts |= Part.service;
      this.#writeService(serviceNumbers);
    }
    if (destination !== undefined) {
      parts |= Part.destinationKey;
      this.#writeDestinationKey(destination);
    }
    if (destinationNumbers !== undefined) {
      parts |= this.#writeDestination(destinationNumbers);
    }
    if (timeouts !== undefined) {
      parts |= Part.timeouts;
      this.#writeTimeouts(timeouts);
    }
    if (daemon !== undefined) {
      parts |= Part.daemon;
      this.#writeDaemon(daemon);
    }
    this.#words[start] = request.command | (parts << 8);
    this.#count++;
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    this.#bytes = new Uint8Array(words.buffer);
  }

  /** The words of the next part, which is `size` long. */
  #part(size: number): number {
    const at = this.#end;
    this.#end += size;
    return at;
  }

  #writeServiceKey(service: ServiceId | undefined): void {
    const words = this.#words;
    const at = this.#part(ServiceKeyColumn.end);
    words[at + ServiceKeyColumn.family] = service?.family ?? 0;
    words[at + ServiceKeyColumn.protocol] = service?.protocol ?? 0;
    words[at + ServiceKeyColumn.port] = service?.port ?? 0;
    words[at + ServiceKeyColumn.fwmark] = service?.fwmark ?? 0;
    this.#writeAddress(service?.address);
  }

  #writeService(numbers: ServiceNumbers): void {
    const words = this.#words;
    const at = this.#part(ServiceColumn.end);
    words[at + ServiceColumn.flags] = numbers.flags;
    words[at + ServiceColumn.flagsMask] = SETTABLE_FLAGS;
    words[at + ServiceColumn.timeout] = numbers.timeout;
    words[at + ServiceColumn.netmask] = numbers.netmask;
    this.#writeText(at + ServiceColumn.scheduler, at + ServiceColumn.engine, numbers.scheduler);
    this.#writeText(at + ServiceColumn.engine, at + ServiceColumn.end, numbers.engine);
  }

  #writeDestinationKey({ address, port }: DestinationId): void {
    const words = this.#words;
    const at = this.#part(DestinationKeyColumn.end);
    words[at + DestinationKeyColumn.family] = address.family;
    words[at + DestinationKeyColumn.port] = port;
    this.#writeAddress(address);
  }

  // Most have neither limits nor a tunnel that is to be described.
  #writeDestination(numbers: DestinationNumbers): number {
    const words = this.#words;
    const at = this.#part(DestinationColumn.end);
    words[at + DestinationColumn.forwarding] = numbers.forwarding;
    words[at + DestinationColumn.weight] = numbers.weight;
    let parts: number = Part.destination;
    const { upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelFlags } = numbers;
    if (upperThreshold !== 0 || lowerThreshold !== 0) {
      parts |= Part.limits;
      const limits = this.#part(LimitsColumn.end);
      words[limits + LimitsColumn.upperThreshold] = upperThreshold;
      words[limits + LimitsColumn.lowerThreshold] = lowerThreshold;
    }
    if (tunnelType !== 0 || tunnelPort !== 0 || tunnelFlags !== 0) {
      parts |= Part.tunnel;
      const tunnel = this.#part(TunnelColumn.end);
      words[tunnel + TunnelColumn.type] = tunnelType;
      words[tunnel + TunnelColumn.port] = tunnelPort;
      words[tunnel + TunnelColumn.flags] = tunnelFlags;
    }
    return parts;
  }

  #writeTimeouts(timeouts: TimeoutNumbers): void {
    const words = this.#words;
    const at = this.#part(TimeoutsColumn.end);
    words[at + TimeoutsColumn.tcp] = timeouts.tcp;
    words[at + TimeoutsColumn.tcpFin] = timeouts.tcpFin;
    words[at + TimeoutsColumn.udp] = timeouts.udp;
  }

  #writeDaemon(daemon: DaemonNumbers): void {
    const words = this.#words;
    const at = this.#part(DaemonColumn.end);
    words[at + DaemonColumn.role] = daemon.role;
    this.#writeText(at + DaemonColumn.interface, at + DaemonColumn.syncId, daemon.interface);
    words[at + DaemonColumn.syncId] = daemon.syncId;
    words[at + DaemonColumn.maxLength] = daemon.maxLength;
    words[at + DaemonColumn.port] = daemon.port;
    words[at + DaemonColumn.ttl] = daemon.ttl;
    words[at + DaemonColumn.groupFamily] = daemon.group?.family ?? 0;
    this.#writeAddress(daemon.group);
  }

  #writeAddress(address: Address | undefined): void {
    if (address === undefined) return;
    const { bytes } = address;
    const from = this.#part(bytes.length / 4) * 4;
    for (let i = 0; i < bytes.length; i++) this.#bytes[from + i] = bytes[i] ?? 0;
  }

  // Names are ASCII and fit their column: validate.ts has seen to it.
  #writeText(word: number, end: number, text: string): void {
    this.#words.fill(0, word, end);
    const from = word * 4;
    for (let i = 0; i < text.length; i++) this.#bytes[from + i] = text.charCodeAt(i);
  }
}
