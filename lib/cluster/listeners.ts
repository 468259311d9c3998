// Whether a server is there for what clients are sent.

import type { Listener } from '../network/listeners.js';

/** Whether somebody listens there. */
export function isServed(
  listeners: readonly Listener[],
  protocol: string,
  address: string,
  port: number,
): boolean {
  const isIPv6 = address.includes(':');
  return listeners.some(
    (each) =>
      each.protocol === protocol &&
      each.port === port &&
      (each.address === address ||
        (each.address === '0.0.0.0' && !isIPv6) ||
        (each.address === '::' && (isIPv6 || each.ipv6Only !== true))),
  );
}
