// What a failure meant. The kernel has few errnos for many reasons, so this may look once more.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { IPV4, notUnicast } from './address.js';
import type { Channels } from './channel.js';
import { IpvsError, errnoName } from './errors.js';
import type { Subject, Verdict } from './errors.js';
import { Evidence } from './evidence.js';
import { Fault } from './native.js';
import type { NativeFailure } from './native.js';
import { Command, changes } from './records.js';
import type { DestinationId, Request, ServiceId } from './records.js';

interface Reason {
  readonly code?: string;
  readonly sentence: string;
  readonly hint?: string;
}

type Reasons = Readonly<Record<string, Reason>>;

const ANYTHING: Reasons = {
  ESRCH: {
    sentence: 'the service does not exist',
    hint: 'listServices() shows what is there; tables are separate in each network namespace',
  },
  EAFNOSUPPORT: {
    sentence: 'this kernel has no IPv6 for IPVS',
    hint: 'it was built without CONFIG_IP_VS_IPV6, or started with ipv6.disable=1',
  },
  ENOPROTOOPT: { sentence: 'the kernel is just unloading its IPVS module', hint: 'try again' },
  EPROTONOSUPPORT: { sentence: 'the kernel is just unloading its IPVS module', hint: 'try again' },
  ENOMEM: { sentence: 'the kernel has no memory left for it' },
  ENOBUFS: { sentence: 'the kernel has no room left for it' },
  EMSGSIZE: { sentence: 'the request is larger than the socket takes' },
  EMFILE: { sentence: 'this process has too many open files' },
};

const SERVICES: Reasons = {
  EEXIST: {
    sentence: 'the service already exists',
    hint: 'ensureService() adds or updates, whichever is needed',
  },
  EINVAL: { sentence: 'the kernel does not take these settings' },
};

const DESTINATIONS: Reasons = {
  EEXIST: {
    sentence: 'the destination already exists',
    hint: 'ensureDestination() adds or updates, whichever is needed',
  },
  ENOENT: {
    sentence: 'the service has no such destination',
    hint: 'a destination is named by address and port; listDestinations() shows what is there',
  },
  EINVAL: {
    sentence: 'the kernel does not take the address as a real server here',
    hint: "it must be a unicast address, and the service's scheduler must have room for it",
  },
  ERANGE: { sentence: 'the weight or a threshold is out of range' },
};

const DAEMONS: Reasons = {
  EEXIST: { sentence: 'it is already running', hint: 'stopSyncDaemon() first' },
  ESRCH: { sentence: 'it is not running' },
  ENODEV: { sentence: 'there is no such network interface in this network namespace' },
  EADDRNOTAVAIL: {
    sentence: 'the network interface has no address to send from',
    hint: 'give it one, of the family of the multicast group',
  },
  EINVAL: {
    sentence: 'the kernel does not take these settings',
    hint: "it can't synchronise while a service has destinations of another address family",
  },
};

const TIMEOUTS: Reasons = {
  EINVAL: { sentence: 'a timeout is out of range' },
};

function reasonsFor(command: Command): Reasons {
  switch (command) {
    case Command.newService:
    case Command.setService:
    case Command.deleteService:
    case Command.getService:
      return SERVICES;
    case Command.newDestination:
    case Command.setDestination:
    case Command.deleteDestination:
    case Command.getDestination:
      return DESTINATIONS;
    case Command.newDaemon:
    case Command.deleteDaemon:
    case Command.getDaemon:
      return DAEMONS;
    case Command.setTimeouts:
    case Command.getTimeouts:
      return TIMEOUTS;
    case Command.getInfo:
    case Command.zero:
    case Command.flush:
      return {};
  }
}

/** The error for what became of a request. */
export async function explain(
  failure: NativeFailure,
  subject: Subject,
  request: Request,
  channels: Channels,
  deadline?: number,
): Promise<IpvsError> {
  return new IpvsError(subject, await new Explainer(channels, deadline).verdict(failure, request));
}

// So many are explained before others get the thread.
const TOGETHER = 32;

/** Explains failures that came together, of which there may be thousands. */
export class Explainer {
  readonly #evidence: Evidence;
  #asked = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(channels: Channels, deadline: number | undefined) {
    this.#evidence = new Evidence(channels, deadline);
  }

  /** What is to be said of it. */
  async verdict(failure: NativeFailure, request: Request): Promise<Verdict> {
    if (++this.#asked % TOGETHER === 0) this.#turn = this.#turn.then(() => nextTurn());
    await this.#turn;
    return verdictOf(failure, request, this.#evidence);
  }
}

async function verdictOf(
  failure: NativeFailure,
  request: Request,
  evidence: Evidence,
): Promise<Verdict> {
  const { errno, syscall } = failure;
  const { code, sentence, hint } = await reasonOf(failure, request, evidence);
  const told = failure.fault === Fault.refused && failure.detail !== '';
  return {
    code: code ?? errnoName(errno),
    sentence: told ? `${sentence}; the kernel says: ${failure.detail}` : sentence,
    hint,
    errno,
    syscall,
  };
}

/** Why IPVS can't be used at all. */
export async function unusable(
  failure: NativeFailure,
  evidence: Evidence,
): Promise<Reason | undefined> {
  if (failure.fault === Fault.unavailable) {
    return { code: 'ERR_IPVS_UNAVAILABLE', ...(await evidence.whyUnavailable()) };
  }
  return errnoName(failure.errno) === 'EPERM' ? evidence.whyNotPermitted() : undefined;
}

async function reasonOf(
  failure: NativeFailure,
  request: Request,
  evidence: Evidence,
): Promise<Reason> {
  const never = await unusable(failure, evidence);
  if (never !== undefined) return never;
  const name = errnoName(failure.errno);
  const within = `within ${evidence.channels.timeout} ms`;
  switch (failure.fault) {
    case Fault.refused:
      return refusal(name, request, evidence);
    case Fault.systemCall:
      return (
        ANYTHING[name] ?? {
          sentence: `the system call ${failure.syscall} failed before anything was sent`,
        }
      );
    case Fault.notSent:
      return failure.errno === 0 && failure.detail === ''
        ? {
            code: 'ERR_IPVS_TIMEOUT',
            sentence: `it could not be sent ${within}; nothing was changed`,
            hint: 'something keeps the kernel busy; options.timeout allows more time',
          }
        : {
            code: 'ERR_IPVS_TIMEOUT',
            sentence: `it was not sent, because ${
              failure.detail || 'the answer to a question before it was lost'
            }; nothing was changed`,
            hint: 'it may be repeated',
          };
    case Fault.noAnswer:
      return changes(request)
        ? {
            code: 'ERR_IPVS_UNKNOWN_OUTCOME',
            sentence: 'it was sent, but the answer was lost: it may have been carried out or not',
            hint: 'read it back before you go on; an ensure method may simply be repeated',
          }
        : {
            code: 'ERR_IPVS_TIMEOUT',
            sentence:
              failure.errno === 0
                ? `the kernel's answer did not come ${within}`
                : "the kernel's answer was lost",
            hint: 'it only reads, so it may be repeated',
          };
    default:
      return {
        code: 'ERR_IPVS_PROTOCOL',
        sentence:
          `the kernel's answer does not decode: ${failure.detail}` +
          (changes(request) ? '; it may have been carried out or not' : ''),
        hint: 'please report this, with the kernel version',
      };
  }
}

async function refusal(name: string, request: Request, evidence: Evidence): Promise<Reason> {
  const { service, destination, destinationNumbers, serviceNumbers } = request;
  let reason: Reason | undefined;
  if (serviceNumbers !== undefined && name === 'ENOENT') {
    const { scheduler, engine } = serviceNumbers;
    reason = await missingModule(scheduler, engine, evidence);
  } else if (destinationNumbers !== undefined && destination && service && name === 'EINVAL') {
    reason = await unfitDestination(service, destination, evidence);
  }
  return (
    reason ??
    reasonsFor(request.command)[name] ??
    ANYTHING[name] ?? { sentence: 'the kernel refused it' }
  );
}

// ENOENT is the answer for an unknown scheduler and for an unknown persistence engine.
async function missingModule(
  scheduler: string,
  engine: string,
  evidence: Evidence,
): Promise<Reason> {
  const noScheduler: Reason = {
    code: 'ERR_IPVS_SCHEDULER',
    sentence: `this kernel has no scheduler '${scheduler}'`,
    hint: `its module would be ip_vs_${scheduler}; is the name right, and the module installed?`,
  };
  if (engine === '') return noScheduler;
  const noEngine: Reason = {
    code: 'ERR_IPVS_ENGINE',
    sentence: `this kernel has no persistence engine '${engine}'`,
    hint: `its module would be ip_vs_pe_${engine}; is the name right, and the module installed?`,
  };
  switch (await evidence.hasScheduler(scheduler)) {
    case true:
      return noEngine;
    case false:
      return noScheduler;
    case undefined:
      return { ...noEngine, sentence: `${noEngine.sentence}, or no scheduler '${scheduler}'` };
  }
}

// EINVAL is the answer to everything that ip_vs_new_dest and ip_vs_add_dest do not like.
async function unfitDestination(
  service: ServiceId,
  { address }: DestinationId,
  evidence: Evidence,
): Promise<Reason | undefined> {
  const why = notUnicast(address);
  if (why !== undefined) {
    return { sentence: `a real server's address must be unicast, and this one is ${why}` };
  }
  if (address.family !== service.family && (await evidence.hasDaemons())) {
    return {
      sentence: "a destination of another address family can't be there with a sync daemon",
      hint: 'stopSyncDaemon() first, or use a real server of the same family as the service',
    };
  }
  return address.family === IPV4 ? unfitIPv4(address.text, evidence) : unfitIPv6(address.bytes);
}

function unfitIPv6([first = 0, second = 0]: readonly number[]): Reason | undefined {
  return first === 0xfe && (second & 0xc0) === 0x80
    ? { sentence: "a link-local address can't be a real server's, unless it is this host's own" }
    : undefined;
}

async function unfitIPv4(address: string, evidence: Evidence): Promise<Reason | undefined> {
  const routes = await evidence.routes();
  // Without a table of local addresses the kernel takes every address for a broadcast one.
  if (routes?.isEmpty) {
    return {
      sentence: "this network namespace's loopback was never up, so that no IPv4 address counts",
      hint: 'ip link set lo up',
    };
  }
  return routes?.broadcasts.has(address)
    ? { sentence: "a real server's address must be unicast, and this one is a broadcast address" }
    : undefined;
}

/** The error for a handle that could not be opened. */
export function explainOpen(failure: NativeFailure, netns: string | null | undefined): IpvsError {
  return new IpvsError({ command: 'open' }, whyNotOpened(failure, netns));
}

/** What is to be said of a network namespace that could not be entered. */
export function whyNotOpened(failure: NativeFailure, netns: string | null | undefined): Verdict {
  const name = errnoName(failure.errno);
  const where = `network namespace ${netns}`;
  const reasons: Reasons = {
    'open ENOENT': { sentence: `there is no ${where}`, hint: 'ip netns list shows their names' },
    'setns EINVAL': { sentence: `${netns} is not a network namespace` },
    'setns EPERM': {
      sentence: `the ${where} may not be entered`,
      hint: 'it takes CAP_SYS_ADMIN, here and in the user namespace that owns it',
    },
  };
  const reason = reasons[`${failure.syscall} ${name}`] ??
    ANYTHING[name] ?? { sentence: `the system call ${failure.syscall} failed` };
  return { code: name, ...reason, errno: failure.errno, syscall: failure.syscall };
}
