// What a failure meant, in the words of who configures a network.

import { NetworkError, errnoName } from '../errors.js';
import type { Verdict } from '../errors.js';
import { Fault } from '../native.js';
import type { NativeFailure } from '../native.js';
import { missingCapability } from '../rights.js';
import type { Request } from './handle.js';

interface Reason {
  readonly code?: string;
  readonly sentence: string;
  readonly hint?: string;
}

type Reasons = Readonly<Record<string, Reason>>;

const ANYTHING: Reasons = {
  ENODEV: { sentence: 'there is no such interface in this network namespace' },
  ENETDOWN: { sentence: 'the interface is down', hint: 'setLink(name, { up: true }) first' },
  EAFNOSUPPORT: { sentence: 'this kernel has no IPv6, or not for this' },
  EINVAL: { sentence: 'the kernel does not take these settings' },
  ENOBUFS: { sentence: 'the kernel has no room left for it' },
  ENOMEM: { sentence: 'the kernel has no memory left for it' },
  EMFILE: { sentence: 'this process has too many open files' },
  EBUSY: { sentence: 'it is in use' },
};

const THERE = 'it is there already';
const NOT_THERE = 'it is not there';

/** By the last word of the command. */
const OF: Readonly<Record<string, Reasons>> = {
  link: {
    EEXIST: {
      sentence: 'there is an interface of that name already, or a tunnel with the same ends',
      hint:
        "tunnels without ends are the kernel's own, which come with the module: tunl0 (ipip), sit0, " +
        'gre0, ip6tnl0; setLink() changes them',
    },
    EOPNOTSUPP: {
      sentence: 'this kernel has no interfaces of that kind, or does not let this one be changed',
      hint: 'is the module of the kind installed? Only what was added can be removed',
    },
  },
  address: {
    EEXIST: { sentence: 'the interface has it already' },
    EADDRNOTAVAIL: { sentence: 'the interface has no such address with such a prefix' },
    EACCES: { sentence: 'IPv6 is disabled on the interface' },
  },
  route: {
    EEXIST: { sentence: THERE, hint: 'replaceRoute() puts another in its place' },
    ESRCH: { sentence: 'there is no such route' },
    // IPv4 has not even the table (inet_rtm_delroute).
    ENOENT: { code: 'ESRCH', sentence: 'there is no such route' },
    ENETUNREACH: {
      sentence: 'the gateway is in no network of an interface that is up',
      hint: 'onLink: true takes it to be on the link all the same',
    },
    EHOSTUNREACH: { sentence: 'the gateway is in no network of an interface that is up' },
  },
  rule: {
    EEXIST: { sentence: THERE },
    ENOENT: { sentence: 'there is no such rule' },
  },
  neighbour: {
    EEXIST: { sentence: THERE, hint: 'replaceNeighbour() puts another in its place' },
    ENOENT: { sentence: NOT_THERE },
  },
  port: {
    EADDRINUSE: {
      sentence: 'the port is taken, by FOU or GUE or by something else that listens',
      hint: 'fouPorts() shows what is there',
    },
    // fou_destroy has no other word for it.
    EINVAL: { code: 'ENOENT', sentence: NOT_THERE },
  },
  mark: {
    EEXIST: { sentence: THERE },
    ENOENT: { sentence: NOT_THERE },
    EMSGSIZE: {
      sentence: 'so many ports do not fit into one message to the kernel',
      hint: 'ranges take less: { from, to }; or several calls, each with a part of the ports',
    },
  },
  announce: {
    EPERM: {
      sentence: 'this process lacks the capability CAP_NET_RAW, which a packet socket takes',
      hint: 'run it as root, or give it the capability: setcap cap_net_raw+ep, --cap-add NET_RAW',
    },
    EOPNOTSUPP: {
      sentence: 'the interface has no MAC or does no ARP, so that there is nobody to tell',
      hint: 'announce on the interface that the clients and the router are connected to',
    },
  },
  sysctl: {
    ENOENT: {
      sentence: 'this kernel has no such setting, or its module is not loaded',
      hint: 'settings of IPVS come with the module ip_vs, those of an interface with the interface',
    },
    EROFS: {
      sentence: '/proc/sys is read-only here, as in most containers',
      hint:
        'give the container its own: docker run --sysctl name=value, or --security-opt ' +
        'systempaths=unconfined, or --privileged; podman: --security-opt unmask=/proc/sys; ' +
        "Kubernetes: the pod's securityContext.sysctls, or privileged: true",
    },
    EACCES: {
      sentence: 'this process may not write it',
      hint: 'it takes root, or CAP_NET_ADMIN for settings of a network namespace',
    },
    EINVAL: { sentence: 'the kernel does not take this value' },
    EISDIR: { sentence: 'that is a folder of settings, not one setting' },
  },
};

/** The error for what became of a request. */
export async function explain(
  failure: NativeFailure,
  request: Request,
  timeout: number,
): Promise<NetworkError> {
  const { errno, syscall, detail } = failure;
  const { code, sentence, hint } = await reasonOf(failure, request, timeout);
  const told = failure.fault === Fault.refused && detail !== '';
  const verdict: Verdict = {
    code: code ?? errnoName(errno),
    sentence: told ? `${sentence}; the kernel says: ${detail}` : sentence,
    hint,
    errno,
    syscall,
  };
  return new NetworkError(request.command, request.subject, verdict);
}

async function reasonOf(
  failure: NativeFailure,
  { command, changes }: Request,
  timeout: number,
): Promise<Reason> {
  const name = errnoName(failure.errno);
  switch (failure.fault) {
    case Fault.refused:
    case Fault.systemCall: {
      const reasons = OF[command.slice(command.lastIndexOf(' ') + 1)];
      if (name === 'EPERM') return reasons?.['EPERM'] ?? notPermitted();
      const sentence =
        failure.fault === Fault.refused
          ? 'the kernel refused it'
          : `the system call ${failure.syscall} failed`;
      return reasons?.[name] ?? ANYTHING[name] ?? { sentence };
    }
    case Fault.unavailable:
      return command.includes('mark')
        ? {
            code: 'ERR_IPVS_UNAVAILABLE',
            sentence: 'this kernel has no nf_tables, or not for this address family',
            hint: 'it takes the module nf_tables and CONFIG_NF_TABLES_IPV4 or _IPV6',
          }
        : {
            code: 'ERR_IPVS_UNAVAILABLE',
            sentence: 'this kernel has no FOU: the module fou is not there',
            hint: 'run "modprobe fou" on the host to see why',
          };
    case Fault.notSent:
      return {
        code: 'ERR_IPVS_TIMEOUT',
        sentence: `it could not be sent within ${timeout} ms; nothing was changed`,
        hint: 'something keeps the kernel busy; options.timeout allows more time',
      };
    case Fault.noAnswer:
      return changes
        ? {
            code: 'ERR_IPVS_UNKNOWN_OUTCOME',
            sentence: 'it was sent, but the answer was lost: it may have been carried out or not',
            hint: 'read it back before you go on',
          }
        : {
            code: 'ERR_IPVS_TIMEOUT',
            sentence: `the answer did not come within ${timeout} ms, or was lost`,
            hint: 'it only reads, so it may be repeated',
          };
    default:
      return {
        code: 'ERR_IPVS_PROTOCOL',
        sentence: `the kernel's answer does not decode: ${failure.detail}`,
        hint: 'please report this, with the kernel version',
      };
  }
}

async function notPermitted(): Promise<Reason> {
  return (
    (await missingCapability()) ?? {
      sentence: 'the kernel does not let this process do it',
      hint:
        'it has CAP_NET_ADMIN, but perhaps not in the user namespace that owns this network ' +
        'namespace; otherwise look for a security module',
    }
  );
}
