// Names of hosts and ports, as ipvsadm asks the C library for them.

import { isIP } from 'node:net';
import { loadPortNames } from '../../rules/names.js';

/** Names that stand for numbers, and the other way round; undefined where there is none. */
export interface AdmResolver {
  /** The first IPv4 address of a host. */
  address(host: string): Promise<string | undefined>;
  /** The name of an address. */
  host(address: string): Promise<string | undefined>;
  port(service: string, protocol: number): number | undefined;
  /** The name of a port. */
  service(port: number, protocol: number): string | undefined;
}

/** This host's: its files and name servers. */
export const systemResolver: AdmResolver = {
  async address(host) {
    if (!/^[\w.-]+$/.test(host)) return undefined;
    const { lookup } = await import('node:dns/promises');
    try {
      return (await lookup(host, { family: 4 })).address;
    } catch {
      return undefined;
    }
  },

  async host(address) {
    const { lookupService } = await import('node:dns/promises');
    try {
      const { hostname } = await lookupService(address, 0);
      return isIP(hostname) === 0 ? hostname : undefined;
    } catch {
      return undefined;
    }
  },

  port: (service, protocol) => loadPortNames().port(service, protocol),
  service: (port, protocol) => loadPortNames().name(port, protocol),
};
