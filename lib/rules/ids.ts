// What names a service or a destination, from what the kernel shows.

import { IPV4, parseAddress } from '../address.js';
import type { DestinationId, DestinationRecord, ServiceId, ServiceRecord } from '../records.js';

export function idOfService(record: Omit<ServiceRecord, 'stats'>): ServiceId {
  const { family, protocol, address, port, fwmark } = record;
  return fwmark !== 0
    ? { family, protocol: 0, address: undefined, port: 0, fwmark }
    : { family, protocol, address: parseAddress(address), port, fwmark };
}

export function idOfDestination({
  address,
  port,
}: Pick<DestinationRecord, 'address' | 'port'>): DestinationId {
  const parsed = parseAddress(address);
  return { address: parsed ?? { family: IPV4, bytes: [0, 0, 0, 0], text: address }, port };
}
