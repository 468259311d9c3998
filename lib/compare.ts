// Whether the kernel already has what is wanted.

import type { DestinationNumbers, ServiceNumbers } from './records.js';
import { PERSISTENT, SETTABLE_FLAGS, TUN } from './words.js';

// What does not matter where a service is not persistent is not compared there.
export function sameService(present: ServiceNumbers, wanted: ServiceNumbers): boolean {
  const persistent = (wanted.flags & PERSISTENT) !== 0;
  return (
    present.scheduler === wanted.scheduler &&
    (present.flags & SETTABLE_FLAGS) === wanted.flags &&
    present.engine === wanted.engine &&
    (!persistent || (present.timeout === wanted.timeout && present.netmask === wanted.netmask))
  );
}

// The same with a tunnel where there is none.
export function sameDestination(present: DestinationNumbers, wanted: DestinationNumbers): boolean {
  return (
    present.forwarding === wanted.forwarding &&
    present.weight === wanted.weight &&
    present.upperThreshold === wanted.upperThreshold &&
    present.lowerThreshold === wanted.lowerThreshold &&
    (wanted.forwarding !== TUN ||
      (present.tunnelType === wanted.tunnelType &&
        present.tunnelPort === wanted.tunnelPort &&
        present.tunnelFlags === wanted.tunnelFlags))
  );
}
