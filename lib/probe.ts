// What works here and, where it does not, why. By trying it, never by version numbers.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { IPV4, IPV6 } from './address.js';
import { Channels } from './channel.js';
import { errnoName } from './errors.js';
import { Evidence, hasModules } from './evidence.js';
import { unusable } from './explain.js';
import { NativeFailure } from './native.js';
import type { Addon } from './native.js';
import { Command } from './records.js';
import type { InfoRecord, Request, ServiceId } from './records.js';
import { serviceOfRow } from './rows.js';
import type { Capabilities, Problem } from './types.js';
import { GUE, TUN, toInfo } from './words.js';

// Those of the kernel tree up to Linux 7.2, sorted.
const SCHEDULERS = [
  'dh',
  'fo',
  'lblc',
  'lblcr',
  'lc',
  'mh',
  'nq',
  'ovf',
  'rr',
  'sed',
  'sh',
  'twos',
  'wlc',
  'wrr',
];
const ENGINES = ['sip'];

const SYSCTLS = '/proc/sys/net/ipv4/vs';

/** Looks at the IPVS of a handle. Changes no table; asking for modules loads them. */
export async function probe(addon: Addon, channels: Channels): Promise<Capabilities> {
  const sysctlsWritable = await mayWrite('/proc/sys/net/ipv4/ip_forward');
  const info = await channels.commands.request({ command: Command.getInfo });
  if (info instanceof NativeFailure) {
    return {
      usable: false,
      problem: await problemOf(info, channels),
      schedulers: [],
      engines: [],
      sysctls: await sysctlsOf(channels),
      sysctlsWritable,
    };
  }
  const schedulers = await those(SCHEDULERS, (name) => hasModules(name, '', channels));
  // "none" is no scheduler, so that only the engine can be missing.
  const engines = await those(ENGINES, (name) => hasModules('none', name, channels));
  const ipv6 = await hasIPv6(channels);
  return {
    usable: true,
    info: toInfo(info as InfoRecord),
    schedulers,
    engines,
    ...(ipv6 !== undefined && { ipv6 }),
    ...(await tryOut(addon, channels.timeout)),
    sysctls: await sysctlsOf(channels),
    sysctlsWritable,
  };
}

async function problemOf(failure: NativeFailure, channels: Channels): Promise<Problem> {
  const reason = await unusable(failure, new Evidence(channels));
  return {
    code: reason?.code ?? errnoName(failure.errno),
    message: reason?.sentence ?? 'the kernel does not answer as it should',
    hint: reason?.hint ?? 'call getInfo(): its error says more',
  };
}

async function those(
  names: readonly string[],
  works: (name: string) => Promise<boolean | undefined>,
): Promise<string[]> {
  const verdicts = await Promise.all(names.map(works));
  return names.filter((_, index) => verdicts[index] === true);
}

async function mayWrite(file: string): Promise<boolean> {
  try {
    await access(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function sysctlsOf({ files }: Channels): Promise<string[]> {
  const names = await files.list(SYSCTLS);
  return names instanceof NativeFailure ? [] : names;
}

// A service that nobody has: the answer tells whether its family is known.
async function hasIPv6({ commands }: Channels): Promise<boolean | undefined> {
  const outcome = await commands.request({
    command: Command.getService,
    service: { family: IPV6, protocol: 0, address: undefined, port: 0, fwmark: 2 ** 32 - 1 },
  });
  if (!(outcome instanceof NativeFailure)) return true;
  const answer = errnoName(outcome.errno);
  return answer === 'ESRCH' ? true : answer === 'EAFNOSUPPORT' ? false : undefined;
}

// What only shows in a table is tried in one of our own: in a new network namespace, which is gone
// afterwards. Who may not make one is told nothing.
async function tryOut(
  addon: Addon,
  timeout: number,
): Promise<Pick<Capabilities, 'tunnels' | 'stats64'>> {
  const scratch = await Channels.open(addon, { netns: null }, timeout);
  if (scratch instanceof NativeFailure) return {};
  try {
    const service: ServiceId = {
      family: IPV4,
      protocol: 0,
      address: undefined,
      port: 0,
      fwmark: 1,
    };
    const destination = {
      address: { family: IPV4, bytes: [10, 0, 0, 1], text: '10.0.0.1' },
      port: 0,
    };
    const requests: Request[] = [
      {
        command: Command.newService,
        service,
        serviceNumbers: {
          scheduler: 'none',
          flags: 0,
          timeout: 0,
          netmask: 0xffffffff,
          engine: '',
        },
      },
      {
        command: Command.newDestination,
        service,
        destination,
        destinationNumbers: {
          forwarding: TUN,
          weight: 1,
          upperThreshold: 0,
          lowerThreshold: 0,
          tunnelType: GUE,
          tunnelPort: 1,
          tunnelFlags: 0,
        },
      },
    ];
    const outcomes = await Promise.all(requests.map((each) => scratch.commands.request(each)));
    if (outcomes.some((outcome) => outcome instanceof NativeFailure)) return {};
    const read = await scratch.commands.request({ command: Command.getService, service });
    const list = await scratch.dumps.destinations(service, undefined, false);
    if (read instanceof NativeFailure || list instanceof NativeFailure) return {};
    const [kept] = list.take(1);
    // A kernel that does not know the attribute drops it and makes an IPIP tunnel.
    return {
      tunnels: kept?.tunnelType === GUE,
      stats64: serviceOfRow(read as Uint8Array, false).wideStats !== 0,
    };
  } finally {
    scratch.close();
  }
}
