// What was chosen of a service or a server, without what was only observed.

import { IPV4, IPV6, formatAddress, parseAddress } from '../address.js';
import type { Address } from '../address.js';
import type { DestinationId, DestinationNumbers, ServiceId, ServiceNumbers } from '../records.js';
import { NO_STATS } from '../rows.js';
import { idOfDestination } from '../rules/ids.js';
import type {
  Destination,
  DestinationConfig,
  DestinationKey,
  Service,
  ServiceConfig,
  ServiceKey,
} from '../types.js';
import {
  CHECKSUMS,
  FAMILIES,
  FORWARDINGS,
  ONE_PACKET,
  PERSISTENT,
  PROTOCOLS,
  TUNNELS,
  schedulerFlagBit,
  toDestination,
  toService,
} from '../words.js';
import type { Vocabulary } from '../words.js';

type Chosen<Config> = { -readonly [Key in keyof Config]: Config[Key] };

export function keyOf(service: ServiceKey): ServiceKey {
  return service.fwmark !== undefined
    ? { fwmark: service.fwmark, family: service.family ?? 'ipv4' }
    : { protocol: service.protocol, address: service.address, port: service.port };
}

export function serviceConfigOf(service: Service): ServiceConfig {
  const { scheduler, schedulerFlags, persistence, engine, onePacket } = service;
  return {
    ...keyOf(service),
    scheduler,
    schedulerFlags,
    ...(persistence !== undefined && { persistence }),
    ...(engine !== undefined && { engine }),
    onePacket,
  };
}

export function destinationConfigOf(destination: Destination): DestinationConfig {
  const { address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel } = destination;
  const config: Chosen<DestinationConfig> = {
    address,
    port,
    forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
  };
  if (tunnel !== undefined) config.tunnel = tunnel;
  return config;
}

/** An address as the kernel's own are written. */
export function textOf({ family, bytes }: Address): string {
  return formatAddress(family, Uint8Array.from(bytes), 0);
}

export function serviceInWords(id: ServiceId, numbers: ServiceNumbers): ServiceConfig {
  const address = id.address === undefined ? '' : textOf(id.address);
  const { scheduler, flags, timeout, netmask, engine } = numbers;
  const record = { ...id, scheduler, flags, timeout, netmask, engine, address };
  return serviceConfigOf(toService({ ...record, stats: NO_STATS, wideStats: 0 }));
}

export function destinationInWords(
  id: DestinationId,
  numbers: DestinationNumbers,
): DestinationConfig {
  return destinationConfigOf(
    toDestination({
      ...numbers,
      family: id.address.family,
      address: textOf(id.address),
      port: id.port,
      activeConnections: 0,
      inactiveConnections: 0,
      persistentConnections: 0,
      stats: NO_STATS,
    }),
  );
}

// The way back, of what the kernel has: nothing is checked, whoever put it there. What has no word
// comes as digits.

function numberOf(words: Vocabulary<string>, word: string): number {
  return words.number(word) ?? Number(word);
}

export function idOfKey(key: ServiceKey): ServiceId {
  if (key.fwmark !== undefined) {
    const family = numberOf(FAMILIES, key.family ?? 'ipv4');
    return { family, protocol: 0, address: undefined, port: 0, fwmark: key.fwmark };
  }
  const address = parseAddress(key.address);
  const family = address?.family ?? IPV4;
  return {
    family,
    protocol: numberOf(PROTOCOLS, key.protocol),
    address,
    port: key.port,
    fwmark: 0,
  };
}

export function idOfServer({ address, port = 0 }: DestinationKey): DestinationId {
  return idOfDestination({ address, port });
}

/** What serviceConfigOf gave, in numbers. */
export function serviceInNumbers(service: ServiceConfig): {
  id: ServiceId;
  numbers: ServiceNumbers;
} {
  const { scheduler = '', schedulerFlags = [], persistence, onePacket } = service;
  const id = idOfKey(service);
  const bits = schedulerFlags.reduce((all, flag) => all | (schedulerFlagBit(flag) ?? 0), 0);
  const flags =
    (persistence === undefined ? 0 : PERSISTENT) | (onePacket === true ? ONE_PACKET : 0) | bits;
  const { timeout = 0, engine = service.engine ?? '' } = persistence ?? {};
  const netmask = maskOf(persistence?.netmask ?? (id.family === IPV6 ? 128 : '255.255.255.255'));
  return { id, numbers: { scheduler, flags, timeout, netmask, engine } };
}

// Dotted for IPv4, a prefix length for IPv6: as toService writes them.
function maskOf(netmask: string | number): number {
  if (typeof netmask === 'number') return netmask;
  return netmask.split('.').reduce((mask, byte) => mask * 256 + Number(byte), 0);
}

/** What destinationConfigOf gave, in numbers. */
export function destinationInNumbers(destination: DestinationConfig): {
  id: DestinationId;
  numbers: DestinationNumbers;
} {
  const { forwarding = 'dr', weight = 1, upperThreshold = 0, lowerThreshold = 0 } = destination;
  const { type, port, checksum } = { port: 0, checksum: 'none', ...(destination.tunnel ?? IPIP) };
  return {
    id: idOfServer(destination),
    numbers: {
      forwarding: numberOf(FORWARDINGS, forwarding),
      weight,
      upperThreshold,
      lowerThreshold,
      tunnelType: numberOf(TUNNELS, type),
      tunnelPort: port,
      tunnelFlags: numberOf(CHECKSUMS, checksum),
    },
  };
}

const IPIP = { type: 'ipip' } as const;
