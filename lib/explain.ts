// What a failure meant. The kernel has few errnos for many reasons, so this may ask it once more.

import { notUnicast } from './address.js';
import type { CommandChannel } from './channel.js';
import { IpvsError, errnoName } from './errors.js';
import type { Subject } from './errors.js';
import { Command, Fault, NativeFailure } from './native.js';
import type { Request } from './native.js';
import { IPV6 } from './words.js';

/** What the explanation may look at. */
export interface Circumstances {
  readonly commands: CommandChannel;
  /** The handle's deadline in milliseconds. */
  readonly timeout: number;
}

interface Reason {
  readonly code?: string;
  readonly sentence: string;
  readonly hint?: string;
}

type Reasons = Readonly<Record<string, Reason>>;

const NO_SERVICE: Reason = {
  sentence: 'the service does not exist',
  hint: 'listServices() shows what is there; tables are separate in each network namespace',
};

const ANYTHING: Reasons = {
  EPERM: {
    sentence: 'this process may not use IPVS: it needs CAP_NET_ADMIN in the initial user namespace',
    hint:
      'run as root, or give the capability (setcap cap_net_admin+ep, --cap-add NET_ADMIN); ' +
      'rootless containers and other user namespaces never have it',
  },
  ESRCH: NO_SERVICE,
  EAFNOSUPPORT: {
    sentence: 'this kernel has no IPv6 for IPVS',
    hint: 'it was built without CONFIG_IP_VS_IPV6, or started with ipv6.disable=1',
  },
  ENOPROTOOPT: {
    sentence: 'the kernel is just unloading its IPVS module',
    hint: 'try again',
  },
  ENOMEM: { sentence: 'the kernel has no memory left for it' },
  EMSGSIZE: { sentence: 'the request is larger than the socket takes' },
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
    hint:
      'it must be a unicast address; in a network namespace whose loopback was never up, ' +
      'no IPv4 address is (ip link set lo up); another address family than the service needs ' +
      "forwarding 'tun' and no running sync daemon",
  },
  ERANGE: { sentence: 'the weight or a threshold is out of range' },
};

const UNAVAILABLE: Reason = {
  code: 'ERR_IPVS_UNAVAILABLE',
  sentence: 'this kernel has no IPVS',
  hint:
    'load its module with "modprobe ip_vs" on the host (the kernel tried by itself); ' +
    'if there is none, the kernel was built without CONFIG_IP_VS',
};

/** The error for what became of a request. */
export async function explain(
  failure: NativeFailure,
  subject: Subject,
  request: Request,
  circumstances: Circumstances,
): Promise<IpvsError> {
  const { errno, syscall } = failure;
  const { code, sentence, hint } = await reason(failure, request, circumstances);
  const told = failure.fault === Fault.refused && failure.detail !== '';
  return new IpvsError(subject, {
    code: code ?? errnoName(errno),
    sentence: told ? `${sentence}; the kernel says: ${failure.detail}` : sentence,
    hint,
    errno,
    syscall,
  });
}

async function reason(
  failure: NativeFailure,
  request: Request,
  circumstances: Circumstances,
): Promise<Reason> {
  const within = `within ${circumstances.timeout} ms`;
  switch (failure.fault) {
    case Fault.refused:
      return refusal(errnoName(failure.errno), request, circumstances.commands);
    case Fault.systemCall:
      return (
        ANYTHING[errnoName(failure.errno)] ?? {
          sentence: `the system call ${failure.syscall} failed before anything was sent`,
        }
      );
    case Fault.unavailable:
      return UNAVAILABLE;
    case Fault.notSent:
      return {
        code: 'ERR_IPVS_TIMEOUT',
        sentence: `it could not be sent ${within}; nothing was changed`,
        hint: 'something keeps the kernel or the thread pool busy; options.timeout allows more time',
      };
    case Fault.noAnswer:
      return isRead(request.command)
        ? { code: 'ERR_IPVS_TIMEOUT', sentence: `the kernel's answer did not come ${within}` }
        : {
            code: 'ERR_IPVS_UNKNOWN_OUTCOME',
            sentence: 'it was sent, but the answer was lost: it may have been carried out or not',
            hint: 'read it back before you go on; an ensure method may simply be repeated',
          };
    case Fault.malformed:
      return {
        code: 'ERR_IPVS_PROTOCOL',
        sentence: `the kernel's answer does not decode: ${failure.detail}`,
        hint: 'please report this, with the kernel version',
      };
  }
}

async function refusal(name: string, request: Request, commands: CommandChannel): Promise<Reason> {
  const { destination, destinationNumbers, serviceNumbers } = request;
  if (serviceNumbers !== undefined && name === 'ENOENT') {
    return missingModule(serviceNumbers.scheduler, serviceNumbers.engine, commands);
  }
  if (destinationNumbers !== undefined && destination !== undefined && name === 'EINVAL') {
    const why = notUnicast(destination.address);
    if (why !== undefined) {
      return { sentence: `a real server's address must be unicast, and this one is ${why}` };
    }
  }
  const own = destination === undefined ? SERVICES : DESTINATIONS;
  return own[name] ?? ANYTHING[name] ?? { sentence: 'the kernel refused it' };
}

function isRead(command: Command): boolean {
  return command === Command.getService || command === Command.getDestination;
}

// ENOENT is the answer for an unknown scheduler and for an unknown persistence engine.
async function missingModule(
  scheduler: string,
  engine: string,
  commands: CommandChannel,
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
  switch (await hasScheduler(scheduler, commands)) {
    case true:
      return noEngine;
    case false:
      return noScheduler;
    case undefined:
      return { ...noEngine, sentence: `${noEngine.sentence}, or no scheduler '${scheduler}'` };
  }
}

/**
 * Whether the kernel has a scheduler, without changing anything: ip_vs_add_service looks it up first
 * and refuses an IPv6 prefix length of 0 afterwards. Undefined where it does not come so far.
 */
async function hasScheduler(
  scheduler: string,
  commands: CommandChannel,
): Promise<boolean | undefined> {
  const outcome = await commands.request({
    command: Command.newService,
    service: { family: IPV6, protocol: 0, address: undefined, port: 0, fwmark: 2 ** 32 - 1 },
    serviceNumbers: { scheduler, flags: 0, timeout: 0, netmask: 0, engine: '' },
  });
  if (!(outcome instanceof NativeFailure) || outcome.fault !== Fault.refused) return undefined;
  const answer = errnoName(outcome.errno);
  return answer === 'ENOENT' ? false : answer === 'EINVAL' ? true : undefined;
}

/** The error for a handle that could not be opened. */
export function explainOpen(failure: NativeFailure, netns: string | undefined): IpvsError {
  const name = errnoName(failure.errno);
  const where = `network namespace ${netns}`;
  const reasons: Readonly<Record<string, Reason>> = {
    'open ENOENT': { sentence: `there is no ${where}`, hint: 'ip netns list shows their names' },
    'setns EINVAL': { sentence: `${netns} is not a network namespace` },
    'setns EPERM': {
      sentence: `the ${where} may not be entered`,
      hint: 'it takes CAP_SYS_ADMIN, here and in the user namespace that owns it',
    },
  };
  const reason = reasons[`${failure.syscall} ${name}`] ?? {
    sentence: `the system call ${failure.syscall} failed`,
  };
  return new IpvsError(
    { command: 'open' },
    { code: name, ...reason, errno: failure.errno, syscall: failure.syscall },
  );
}
