// What the kernel shows where a failure has to be explained. Failures that come together mostly have
// one reason, so that each thing is looked at once for all of them.

import { IPV6 } from './address.js';
import type { Channels } from './channel.js';
import { errnoName } from './errors.js';
import { Fault, NativeFailure } from './native.js';
import { Command } from './records.js';
import type { Request } from './records.js';
import type { Obstacle } from './rights.js';

export class Evidence {
  readonly channels: Channels;
  readonly #deadline: number | undefined;
  readonly #seen = new Map<string, Promise<unknown>>();

  constructor(channels: Channels, deadline?: number) {
    this.channels = channels;
    this.#deadline = deadline;
  }

  /** Why the kernel has no IPVS. */
  whyUnavailable(): Promise<Obstacle> {
    return this.#once('available', () => rights().whyUnavailable());
  }

  /** Why the kernel said EPERM. */
  whyNotPermitted(): Promise<Obstacle> {
    return this.#once('permitted', () => rights().whyNotPermitted());
  }

  /** Whether the kernel has a scheduler; undefined where it can't be told. */
  hasScheduler(name: string): Promise<boolean | undefined> {
    return this.#once(`scheduler ${name}`, () =>
      hasModules(name, '', this.channels, this.#deadline),
    );
  }

  /** Whether a sync daemon runs; false where it can't be told. */
  hasDaemons(): Promise<boolean> {
    return this.#once('daemons', async () => {
      const daemons = await this.channels.dumps.daemons({ deadline: this.#deadline });
      return !(daemons instanceof NativeFailure) && daemons.length > 0;
    });
  }

  /** The IPv4 routes of the network namespace; undefined where they can't be read. */
  routes(): Promise<Routes | undefined> {
    return this.#once('routes', async () => {
      const text = await this.channels.files.read('/proc/thread-self/net/fib_trie');
      return text instanceof NativeFailure ? undefined : readRoutes(text);
    });
  }

  #once<Result>(what: string, look: () => Promise<Result>): Promise<Result> {
    const seen = this.#seen.get(what) as Promise<Result> | undefined;
    if (seen !== undefined) return seen;
    const first = look();
    this.#seen.set(what, first);
    return first;
  }
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only where it is needed
const rights = () => require('./rights.js') as typeof import('./rights.js');

export interface Routes {
  /** Whether there is not even a table of local addresses. */
  readonly isEmpty: boolean;
  readonly broadcasts: ReadonlySet<string>;
}

// There may be a hundred thousand, and a thousand addresses to look for.
function readRoutes(text: string): Routes {
  const broadcasts = text.matchAll(/\|-- (\S+)\n[^\n]*BROADCAST/g);
  return {
    isEmpty: text === '',
    broadcasts: new Set(Array.from(broadcasts, ([, address = '']) => address)),
  };
}

/**
 * Whether the kernel has a scheduler and a persistence engine, without changing anything:
 * ip_vs_add_service looks them up first and refuses an IPv6 prefix length of 0 afterwards. Undefined
 * where it does not come so far, and always in a kernel without IPv6, which refuses the family first.
 */
export async function hasModules(
  scheduler: string,
  engine: string,
  { commands }: Channels,
  deadline?: number,
): Promise<boolean | undefined> {
  for (let protocol = LARGEST_PROTOCOL; protocol > LARGEST_REAL_PROTOCOL; protocol--) {
    const request: Request = {
      command: Command.newService,
      service: { family: IPV6, protocol, address: ANY_ADDRESS, port: 0, fwmark: 0 },
      serviceNumbers: { scheduler, flags: 0, timeout: 0, netmask: 0, engine },
    };
    const outcome = await commands.request(request, { deadline });
    if (!(outcome instanceof NativeFailure) || outcome.fault !== Fault.refused) return undefined;
    const answer = errnoName(outcome.errno);
    // Somebody has such a service, which is what the kernel looks at before all else.
    if (answer === 'EEXIST') continue;
    return answer === 'ENOENT' ? false : answer === 'EINVAL' ? true : undefined;
  }
  return undefined;
}

// The kernel keeps 16 bits of a service's protocol; no packet carries more than 8, so that nobody has
// a use for these.
const LARGEST_PROTOCOL = 65535;
const LARGEST_REAL_PROTOCOL = 255;
const ANY_ADDRESS = { family: IPV6, bytes: new Array<number>(16).fill(0), text: '::' };

/**
 * Whether the network namespace has an interface, by one of its names, without changing anything:
 * start_sync_thread looks for it first and refuses a role that is none afterwards.
 */
export async function hasInterface(
  name: string,
  { commands }: Channels,
  deadline?: number,
): Promise<boolean | undefined> {
  const daemon = { role: NO_ROLE, interface: name, syncId: 0, maxLength: 0, port: 0, ttl: 0 };
  const request: Request = {
    command: Command.newDaemon,
    daemon: { ...daemon, group: undefined },
  };
  const outcome = await commands.request(request, { deadline });
  if (!(outcome instanceof NativeFailure) || outcome.fault !== Fault.refused) return undefined;
  const answer = errnoName(outcome.errno);
  return answer === 'ENODEV' ? false : answer === 'EINVAL' ? true : undefined;
}

const NO_ROLE = 3;
