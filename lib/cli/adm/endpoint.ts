// An address with its port, as ipvsadm prints it: in names unless -n is given.

import type { AdmResolver } from './resolver.js';

// The buffer into which ipvsadm prints an endpoint holds so many characters.
const LONGEST = 59;

export interface EndpointWriter {
  write(address: string, port: number, protocol: number): Promise<string> | string;
}

function join(address: string, host: string, port: string): string {
  return (address.includes(':') ? `[${host}]:${port}` : `${host}:${port}`).slice(0, LONGEST);
}

export const inNumbers: EndpointWriter = {
  write: (address, port) => join(address, address, String(port)),
};

/** Asks for each address once. */
export function inNames(resolver: AdmResolver): EndpointWriter {
  const hosts = new Map<string, Promise<string | undefined>>();
  return {
    async write(address, port, protocol) {
      let asked = hosts.get(address);
      if (asked === undefined) hosts.set(address, (asked = resolver.host(address)));
      const host = (await asked) ?? address;
      return join(address, host, resolver.service(port, protocol) ?? String(port));
    },
  };
}
