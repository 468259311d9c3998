// Requests as rows of fixed columns: how they cross to native code.

import type { Address } from './address.js';
import type { DaemonNumbers, Request } from './records.js';
import { SETTABLE_FLAGS } from './words.js';

// The columns of a request's row, counted in 32-bit words: native/addon/request.h.
const enum Column {
  command = 0,
  family = 1,
  protocol = 2,
  address = 3,
  port = 7,
  fwmark = 8,
  flags = 9,
  flagsMask = 10,
  timeout = 11,
  netmask = 12,
  scheduler = 13,
  engine = 17,
  destinationFamily = 22,
  destinationAddress = 23,
  destinationPort = 27,
  forwarding = 28,
  weight = 29,
  upperThreshold = 30,
  lowerThreshold = 31,
  tunnelType = 32,
  tunnelPort = 33,
  tunnelFlags = 34,
  bigint = 35,
  timeoutTcp = 36,
  timeoutTcpFin = 37,
  timeoutUdp = 38,
  daemonRole = 39,
  daemonInterface = 40,
  daemonSyncId = 44,
  daemonMaxLength = 45,
  daemonGroupFamily = 46,
  daemonGroup = 47,
  daemonPort = 51,
  daemonTtl = 52,
  end = 53,
}

export const ROW_BYTES = Column.end * 4;

const LAYOUT = [
  Column.command,
  Column.family,
  Column.protocol,
  Column.address,
  Column.port,
  Column.fwmark,
  Column.flags,
  Column.flagsMask,
  Column.timeout,
  Column.netmask,
  Column.scheduler,
  Column.engine,
  Column.destinationFamily,
  Column.destinationAddress,
  Column.destinationPort,
  Column.forwarding,
  Column.weight,
  Column.upperThreshold,
  Column.lowerThreshold,
  Column.tunnelType,
  Column.tunnelPort,
  Column.tunnelFlags,
  Column.bigint,
  Column.timeoutTcp,
  Column.timeoutTcpFin,
  Column.timeoutUdp,
  Column.daemonRole,
  Column.daemonInterface,
  Column.daemonSyncId,
  Column.daemonMaxLength,
  Column.daemonGroupFamily,
  Column.daemonGroup,
  Column.daemonPort,
  Column.daemonTtl,
  Column.end,
];

/** Whether an addon with this layout reads rows as they are written here. */
export function isOurLayout(layout: Uint32Array): boolean {
  const theirs = Array.from(layout);
  return theirs.length === LAYOUT.length && LAYOUT.every((word, i) => word * 4 === theirs[i]);
}

/** Requests as the rows of one buffer, which is used again and again. */
export class Rows {
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(most: number) {
    this.#bytes = new Uint8Array(most * ROW_BYTES);
    this.#words = new Uint32Array(this.#bytes.buffer);
  }

  /** Valid until the next call. */
  of(requests: readonly Request[]): Uint8Array {
    this.#words.fill(0, 0, requests.length * Column.end);
    requests.forEach((request, index) => {
      this.#write(index * Column.end, request);
    });
    return this.#bytes;
  }

  #write(at: number, request: Request): void {
    const words = this.#words;
    words[at + Column.command] = request.command;
    words[at + Column.bigint] = request.bigint === true ? 1 : 0;
    const { service, serviceNumbers, destination, destinationNumbers, timeouts, daemon } = request;
    if (service !== undefined) {
      words[at + Column.family] = service.family;
      words[at + Column.protocol] = service.protocol;
      words[at + Column.port] = service.port;
      words[at + Column.fwmark] = service.fwmark;
      if (service.address !== undefined) this.#writeAddress(at + Column.address, service.address);
    }
    if (serviceNumbers !== undefined) {
      words[at + Column.flags] = serviceNumbers.flags;
      words[at + Column.flagsMask] = SETTABLE_FLAGS;
      words[at + Column.timeout] = serviceNumbers.timeout;
      words[at + Column.netmask] = serviceNumbers.netmask;
      this.#writeText(at + Column.scheduler, serviceNumbers.scheduler);
      this.#writeText(at + Column.engine, serviceNumbers.engine);
    }
    if (destination !== undefined) {
      words[at + Column.destinationFamily] = destination.address.family;
      words[at + Column.destinationPort] = destination.port;
      this.#writeAddress(at + Column.destinationAddress, destination.address);
    }
    if (destinationNumbers !== undefined) {
      words[at + Column.forwarding] = destinationNumbers.forwarding;
      words[at + Column.weight] = destinationNumbers.weight;
      words[at + Column.upperThreshold] = destinationNumbers.upperThreshold;
      words[at + Column.lowerThreshold] = destinationNumbers.lowerThreshold;
      words[at + Column.tunnelType] = destinationNumbers.tunnelType;
      words[at + Column.tunnelPort] = destinationNumbers.tunnelPort;
      words[at + Column.tunnelFlags] = destinationNumbers.tunnelFlags;
    }
    if (timeouts !== undefined) {
      words[at + Column.timeoutTcp] = timeouts.tcp;
      words[at + Column.timeoutTcpFin] = timeouts.tcpFin;
      words[at + Column.timeoutUdp] = timeouts.udp;
    }
    if (daemon !== undefined) this.#writeDaemon(at, daemon);
  }

  #writeDaemon(at: number, daemon: DaemonNumbers): void {
    const words = this.#words;
    words[at + Column.daemonRole] = daemon.role;
    this.#writeText(at + Column.daemonInterface, daemon.interface);
    words[at + Column.daemonSyncId] = daemon.syncId;
    words[at + Column.daemonMaxLength] = daemon.maxLength;
    if (daemon.group !== undefined) {
      words[at + Column.daemonGroupFamily] = daemon.group.family;
      this.#writeAddress(at + Column.daemonGroup, daemon.group);
    }
    words[at + Column.daemonPort] = daemon.port;
    words[at + Column.daemonTtl] = daemon.ttl;
  }

  #writeAddress(word: number, { bytes }: Address): void {
    const from = word * 4;
    for (let i = 0; i < bytes.length; i++) this.#bytes[from + i] = bytes[i] ?? 0;
  }

  // Names are ASCII and fit their column: validate.ts has seen to it.
  #writeText(word: number, text: string): void {
    const from = word * 4;
    for (let i = 0; i < text.length; i++) this.#bytes[from + i] = text.charCodeAt(i);
  }
}
