// What was chosen of a service or a server, without what was only observed.

import { formatAddress } from '../address.js';
import type { Address } from '../address.js';
import type { DestinationId, DestinationNumbers, ServiceId, ServiceNumbers } from '../records.js';
import { NO_STATS } from '../rows.js';
import type {
  Destination,
  DestinationConfig,
  Service,
  ServiceConfig,
  ServiceKey,
} from '../types.js';
import { toDestination, toService } from '../words.js';

type Chosen<Config> = { -readonly [Key in keyof Config]: Config[Key] };

export function keyOf(service: ServiceKey): ServiceKey {
  return service.fwmark !== undefined
    ? { fwmark: service.fwmark, family: service.family ?? 'ipv4' }
    : { protocol: service.protocol, address: service.address, port: service.port };
}

export function serviceConfigOf(service: Service): ServiceConfig {
  const { scheduler, schedulerFlags, persistence, onePacket } = service;
  return {
    ...keyOf(service),
    scheduler,
    schedulerFlags,
    ...(persistence !== undefined && { persistence }),
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
