// Names that stand for numbers, without asking the network: the ports of /etc/services.

import { readFileSync } from 'node:fs';
import { PROTOCOLS } from '../words.js';
import type { Names } from './command.js';

const SERVICES_FILE = '/etc/services';

/** The names of ports, both ways; the first line of a name or number counts. */
export class PortNames {
  readonly #ports = new Map<string, number>();
  readonly #names = new Map<string, string>();

  /** `text`: what /etc/services holds. */
  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [name, place, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
      const [, port, protocol = ''] = /^(\d+)\/(\w+)$/.exec(place ?? '') ?? [];
      const number = PROTOCOLS.number(protocol);
      if (name === undefined || port === undefined || number === undefined) continue;
      keepFirst(this.#names, `${number} ${port}`, name);
      for (const each of [name, ...aliases])
        keepFirst(this.#ports, `${number} ${each}`, Number(port));
    }
  }

  port(name: string, protocol: number): number | undefined {
    return this.#ports.get(`${protocol} ${name}`);
  }

  name(port: number, protocol: number): string | undefined {
    return this.#names.get(`${protocol} ${port}`);
  }
}

function keepFirst<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (!map.has(key)) map.set(key, value);
}

let portNames: PortNames | undefined;

/** This host's names of ports; none where it has no list of them. */
export function loadPortNames(): PortNames {
  if (portNames !== undefined) return portNames;
  let text = '';
  try {
    text = readFileSync(SERVICES_FILE, 'utf8');
  } catch {
    // then there are only numbers
  }
  return (portNames = new PortNames(text));
}

/** Ports have names, hosts have not: looking those up takes time, and may find another one each time. */
export const PORTS_ONLY: Names = {
  address: () => undefined,
  port: (name, protocol) => loadPortNames().port(name, protocol),
};
