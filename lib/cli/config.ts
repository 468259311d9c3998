// What was chosen of a service or a server, without what was only observed.

import type {
  Destination,
  DestinationConfig,
  Service,
  ServiceConfig,
  ServiceKey,
} from '../types.js';

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
