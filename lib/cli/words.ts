// What people type for services, servers, numbers and times, and the same words back.

import type { DestinationKey, EndpointFilter, Protocol, ServiceKey } from '../types.js';
import { endpoint } from '../errors.js';
import { usageError } from './failure.js';

/** What may stand first in the name of a service. */
export const SERVICE_KINDS = ['tcp', 'udp', 'sctp', 'mark', 'mark6'] as const;
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'];

/** 'tcp', '10.0.0.1:80'; 'mark', '80'; 'mark6', '80' for the mark of IPv6 packets. */
export function parseService(kind: string, name: string): ServiceKey {
  if (kind === 'mark' || kind === 'mark6') {
    const fwmark = parseMark(name);
    return { fwmark, family: kind === 'mark' ? 'ipv4' : 'ipv6' };
  }
  if (!PROTOCOLS.includes(kind)) {
    throw usageError(
      `'${kind}' is no kind of service: it is one of ${SERVICE_KINDS.join(', ')}`,
      'a virtual service is two words: tcp 10.0.0.1:80, udp [2001:db8::1]:53, mark 80',
    );
  }
  const { address, port } = parseEndpoint(name, "the virtual service's address");
  if (address === undefined || port === undefined) {
    const example = `${kind} ${endpoint(address ?? name, 80)}`;
    throw usageError(
      `'${name}' has no port`,
      `for example ${example}; port "any" is every port, and takes --persistent`,
    );
  }
  return { protocol: kind as Protocol, address, port };
}

/** Both words of a service's name: what parseService takes. */
export function serviceWords(key: ServiceKey): string {
  if (key.fwmark !== undefined) {
    return `${key.family === 'ipv6' ? 'mark6' : 'mark'} ${key.fwmark}`;
  }
  return `${key.protocol} ${endpointWords(key.address, key.port)}`;
}

/** '10.0.0.5', '10.0.0.5:8080', '[2001:db8::5]:8080'. */
export function parseServer(text: string): DestinationKey {
  const { address, port } = parseEndpoint(text, "the server's address");
  if (address === undefined) throw usageError(`'${text}' is not an address`);
  return { address, ...(port !== undefined && { port }) };
}

/** An address, with port 0 as 'any'. */
export function endpointWords(address: string, port: number): string {
  return port === 0 ? endpoint(address, 0).replace(/:0$/, ':any') : endpoint(address, port);
}

/**
 * An address, a port, or both: '10.0.0.1', '10.0.0.1:80', '[2001:db8::1]:80', '2001:db8::1', ':80'.
 * Whether the address is one is for the library to say.
 */
export function parseEndpoint(text: string, what: string): EndpointFilter {
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]*)\]|([^[\]:]*))(?::(\w*))?$/.exec(text) ?? ([] as (string | undefined)[]);
  const address = bracketed ?? plain;
  if (address === undefined) {
    // Colons without brackets: an IPv6 address without a port.
    if (/^[\da-fA-F:.]+$/.test(text)) return { address: text };
    throw usageError(
      `'${text}' does not read as ${what}`,
      'it is 10.0.0.1:80, or [2001:db8::1]:80 with brackets',
    );
  }
  return {
    ...(address !== '' && { address }),
    ...(port !== undefined && { port: parsePort(port, text) }),
  };
}

function parsePort(text: string, whole: string): number {
  if (text === 'any') return 0;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text);
  throw usageError(`'${text}' in '${whole}' is not a port: 0 to 65535, or any`);
}

export function parseMark(text: string): number {
  const number = /^(0x[\da-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (number >= 1 && number <= 2 ** 32 - 1) return number;
  throw usageError(`'${text}' is not a firewall mark: 1 to 4294967295, also as 0x…`);
}

/** A whole number; whether it is too large is for the library to say. */
export function parseNumber(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usageError(`${name} takes a whole number, not '${text}'`);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400 };

/** Seconds: '300', '45s', '5m', '1h30m'. */
export function parseDuration(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (!/^(\d{1,12}[smhd])+$/.test(text)) {
    throw usageError(`${name} takes a time such as 90, 90s, 5m or 1h30m, not '${text}'`);
  }
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhd])/g)) {
    seconds += Number(count) * (UNITS[unit ?? ''] ?? 0);
  }
  return seconds;
}

/** A dotted mask as it is, a prefix length as a number. */
export function parseNetmask(text: string): string | number {
  return /^\d{1,3}$/.test(text) ? Number(text) : text;
}
