// What a check says of a thing that is not there, or not as it is wanted.

import type { FindingCode, Severity } from './check.js';
import { fits, isRecord, recordOf, textOf } from './resources.js';
import type { MarkResource } from './resources.js';
import { nameOfService } from './shell.js';
import type { Value } from './types.js';
import type { Wanted } from './wanted.js';

/** What is wrong with a thing that is wanted. */
export type Complaint = readonly [
  severity: Severity,
  code: FindingCode,
  subject: string,
  what: string,
];

/** Undefined for addresses and routes, of which more than one thing can be wrong. */
export function complaintAbout(
  { resource, value }: Wanted,
  present: Value,
  isTunnel: (interfaceName: string) => boolean,
): Complaint | undefined {
  switch (resource.kind) {
    case 'sysctl':
      return complaintAboutSetting(resource.name, value, present);
    case 'rule': {
      const subject = `mark ${resource.fwmark}`;
      return ['error', 'mark-route', subject, 'The rule for marked packets is missing.'];
    }
    case 'mark':
      return complaintAboutMark(resource, present);
    case 'proxy': {
      const { address, interface: place } = resource;
      return ['error', 'proxy-missing', address, `Nothing answers for ${address} on ${place}.`];
    }
    case 'link':
      return complaintAboutTunnel(resource.name, present);
    case 'link-state': {
      const { name } = resource;
      return ['error', isTunnel(name) ? 'tunnel-down' : 'link-down', name, `${name} is down.`];
    }
    case 'fou-port': {
      const subject = `UDP port ${resource.port}`;
      return ['error', 'tunnel-port', subject, `Nothing takes packets out of GUE at ${subject}.`];
    }
    case 'service':
      return complaintAboutService(nameOfService(resource.service), present);
    case 'destination': {
      const owner = nameOfService(resource.service);
      const name = `${resource.address} port ${resource.port} of ${owner}`;
      return complaintAboutRealServer(name, value, present);
    }
    case 'sync-daemon': {
      const { role } = resource;
      const what = `The ${role} sync daemon does not run as described.`;
      return ['warning', 'sync-daemon', role, what];
    }
    default:
      return undefined;
  }
}

function complaintAboutSetting(name: string, wanted: Value, present: Value): Complaint {
  const known = SETTINGS.find(([pattern]) => pattern.test(name));
  const [severity, code] = known?.[1] ?? ['warning', 'sysctl'];
  const is = present === null ? 'is not there' : `is ${textOf(present)}`;
  const subject = code === 'sysctl' ? name : code;
  return [severity, code, subject, `${name} ${is}, not ${textOf(wanted)}.`];
}

function complaintAboutMark(resource: MarkResource, present: Value): Complaint {
  const { protocol, address, fwmark, ports } = resource;
  const subject = `mark ${fwmark} of ${protocol} ${address}`;
  const what = `${protocol} packets to ${address}, ports ${ports.join(', ')}`;
  if (present === null) {
    return ['error', 'mark-missing', subject, `No rule gives the mark ${fwmark} to ${what}.`];
  }
  const others = textOf(recordOf(present)['ports'] ?? null);
  const told = `The mark ${fwmark} is given to other ports than ${what}: ${others}.`;
  return ['error', 'mark-missing', subject, told];
}

function complaintAboutTunnel(name: string, present: Value): Complaint {
  if (present === null) {
    return ['error', 'tunnel-missing', name, `The tunnel device ${name} is missing.`];
  }
  const what = `The tunnel device ${name} is made otherwise: ${textOf(present)}.`;
  return ['error', 'tunnel-differs', name, what];
}

function complaintAboutService(name: string, present: Value): Complaint {
  if (present === null) {
    return ['error', 'service-missing', name, `The service ${name} is missing.`];
  }
  return ['warning', 'service-differs', name, `The service ${name} has other settings.`];
}

function complaintAboutRealServer(name: string, wanted: Value, present: Value): Complaint {
  if (present === null) {
    return ['error', 'destination-missing', name, `The real server ${name} is missing.`];
  }
  const { weight = null } = recordOf(present);
  const onlyWeight = isRecord(present) && fits({ ...recordOf(wanted), weight }, present);
  return onlyWeight
    ? ['info', 'destination-differs', name, `The real server ${name} has another weight.`]
    : ['error', 'destination-differs', name, `The real server ${name} has other settings.`];
}

const SETTINGS: readonly (readonly [RegExp, readonly [Severity, FindingCode]])[] = [
  [/ip_forward$|\.forwarding$/, ['error', 'ip-forward']],
  [/send_redirects$/, ['error', 'send-redirects']],
  [/proxy_ndp$/, ['error', 'proxy-missing']],
  [/vs\.conntrack$/, ['error', 'conntrack']],
  [/expire_nodest_conn$/, ['warning', 'expire-nodest-conn']],
];
