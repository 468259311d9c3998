// A table in ipvsadm's language, as `ipvsadm -S -n` writes it, and what that language can't say.

import type { DestinationConfig, ServiceConfig, Tunnel } from '../types.js';
import { maskOfLength } from '../validate.js';
import { dottedMask } from '../words.js';
import { LONGEST_TIME } from './command.js';
import { checkTable } from './sayable.js';
import type { FormattedRules, TableConfig, TableService } from './types.js';

/** Writes an address with its port; the default writes numbers. */
export type WriteEndpoint = (address: string, port: number, protocol: string) => string;

/** What is lost, or comes near only. */
export interface Warning {
  readonly text: string;
  /** It is left out altogether. */
  readonly isLost: boolean;
}

const SERVICE_SWITCHES: Readonly<Record<string, string>> = {
  tcp: '-t',
  udp: '-u',
  sctp: '--sctp-service',
};

const FORWARDING_SWITCHES: Readonly<Record<string, string>> = {
  nat: '-m',
  local: '-g',
  tun: '-i',
  dr: '-g',
};

type Checksums = Readonly<Record<string, string | undefined>>;

const TUNNEL_CHECKSUMS: Readonly<Record<'gue' | 'gre', Checksums>> = {
  gue: { none: '--tun-nocsum', csum: '--tun-csum', remcsum: '--tun-remcsum' },
  gre: { none: '--tun-nocsum', csum: '--tun-csum' },
};

const DEFAULT_TIMEOUTS = { tcp: 900, tcpFin: 120, udp: 300 };
const DEFAULT_PERSISTENCE = 300;
const LARGEST_WEIGHT = 65535;

/** `10.0.0.1:80`, `[2001:db8::1]:80` */
function writeNumbers(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * Writes a table, such as a snapshot, as rules that `ipvsadm --restore` and `parseRules` take.
 * Thresholds are written and marks are unsigned, which `ipvsadm -S` gets wrong. What its language
 * can't say is left out or comes nearest to it, and `warnings` has a sentence for each: timeouts other
 * than the kernel's defaults, sync daemons, forwarding `bypass` and `local`, … What no table can hold
 * throws a `TypeError` or `RangeError` that names the property and the value, as `restore` does.
 */
export function formatRules(table: TableConfig): FormattedRules {
  checkTable(table);
  const lines: string[] = [];
  const warnings: Warning[] = [];
  for (const service of table.services) writeService(service, writeNumbers, lines, warnings);
  const { tcp, tcpFin, udp } = { ...DEFAULT_TIMEOUTS, ...table.timeouts };
  if (
    tcp !== DEFAULT_TIMEOUTS.tcp ||
    tcpFin !== DEFAULT_TIMEOUTS.tcpFin ||
    udp !== DEFAULT_TIMEOUTS.udp
  ) {
    lose(warnings, `the timeouts are not saved: ipvsadm --set ${tcp} ${tcpFin} ${udp}`);
  }
  for (const { role, interface: name } of table.syncDaemons ?? []) {
    lose(warnings, `the ${role} sync daemon on ${name} is not saved`);
  }
  const text = lines.map((line) => `${line}\n`).join('');
  return { text, warnings: warnings.map((warning) => warning.text) };
}

/** Adds the lines of a service and its destinations. */
export function writeService(
  service: TableService,
  write: WriteEndpoint,
  lines: string[],
  warnings: Warning[],
): void {
  const name = nameOf(service, write);
  const fault = unsayable(service);
  if (fault !== undefined) {
    lose(warnings, `service ${name} is not saved: ${fault}`);
    return;
  }
  lines.push(`-A ${name}${settingsOf(service, name, warnings)}`);
  for (const destination of service.destinations ?? []) {
    const line = destinationLine(service, name, destination, write, warnings);
    if (line !== undefined) lines.push(line);
  }
}

function nameOf(service: ServiceConfig, write: WriteEndpoint): string {
  if (service.fwmark !== undefined) {
    return `-f ${service.fwmark}${service.family === 'ipv6' ? ' -6' : ''}`;
  }
  const { protocol, address, port } = service;
  const known = SERVICE_SWITCHES[protocol] ?? `--${protocol}-service`;
  return `${known} ${write(address, port, protocol)}`;
}

// The kernel has services that nobody can add with ipvsadm, if somebody asks it for them.
function unsayable(service: ServiceConfig): string | undefined {
  if (service.fwmark !== undefined) return undefined;
  const { protocol, port, persistence } = service;
  if (!Object.hasOwn(SERVICE_SWITCHES, protocol)) return `its protocol is ${protocol}`;
  return port === 0 && persistence === undefined ? 'its port is 0 without persistence' : undefined;
}

function settingsOf(service: ServiceConfig, name: string, warnings: Warning[]): string {
  const { scheduler = 'wlc', schedulerFlags = [], persistence, onePacket = false } = service;
  let text = ` -s ${scheduler}`;
  if (persistence !== undefined) {
    const { timeout = DEFAULT_PERSISTENCE } = persistence;
    const sayable = Math.min(Math.max(timeout, 1), LONGEST_TIME);
    if (sayable !== timeout) {
      approximate(
        warnings,
        `service ${name}: a persistence of ${timeout} s is saved as ${sayable} s`,
      );
    }
    text += ` -p ${sayable}${maskOf(service, persistence.netmask)}`;
  }
  const engine = persistence?.engine ?? service.engine;
  if (engine !== undefined) text += ` --pe ${engine}`;
  if (onePacket && service.fwmark === undefined && service.protocol !== 'udp') {
    approximate(warnings, `service ${name}: one-packet scheduling is saved for UDP only`);
  } else if (onePacket) {
    text += ' -o';
  }
  return schedulerFlags.length === 0 ? text : `${text} -b ${schedulerFlags.join(',')}`;
}

function maskOf(service: ServiceConfig, netmask: string | number | undefined): string {
  const isIPv6 =
    service.fwmark === undefined ? service.address.includes(':') : service.family === 'ipv6';
  // A number would be read as an address: -M 24 is 0.0.0.24.
  const mask = typeof netmask === 'number' && !isIPv6 ? dottedMask(maskOfLength(netmask)) : netmask;
  const isDefault = mask === undefined || mask === (isIPv6 ? 128 : '255.255.255.255');
  return isDefault ? '' : ` -M ${mask}`;
}

function destinationLine(
  service: ServiceConfig,
  name: string,
  destination: DestinationConfig,
  write: WriteEndpoint,
  warnings: Warning[],
): string | undefined {
  const {
    address,
    port = service.port ?? 0,
    forwarding = 'dr',
    weight = 1,
    upperThreshold = 0,
    lowerThreshold = 0,
  } = destination;
  const endpoint = write(address, port, service.protocol ?? 'tcp');
  const subject = `destination ${endpoint} of ${name}`;
  const method = FORWARDING_SWITCHES[forwarding];
  if (method === undefined) {
    lose(warnings, `${subject} is not saved: its forwarding is ${forwarding}`);
    return undefined;
  }
  if (forwarding !== 'nat' && service.fwmark === undefined && port !== service.port) {
    const reason = `${method} would replace its port by the service's`;
    lose(warnings, `${subject} is not saved: ${reason}`);
    return undefined;
  }
  if (forwarding === 'local') approximate(warnings, `${subject}: forwarding local is saved as -g`);
  if (weight > LARGEST_WEIGHT) {
    approximate(warnings, `${subject}: not every ipvsadm takes a weight above ${LARGEST_WEIGHT}`);
  }
  const tunnel = forwarding === 'tun' ? tunnelOf(destination.tunnel, subject, warnings) : '';
  const upper = upperThreshold === 0 ? '' : ` -x ${upperThreshold}`;
  const lower = lowerThreshold === 0 ? '' : ` -y ${lowerThreshold}`;
  return `-a ${name} -r ${endpoint} ${method} -w ${weight}${tunnel}${upper}${lower}`;
}

function tunnelOf(tunnel: Tunnel | undefined, subject: string, warnings: Warning[]): string {
  if (tunnel === undefined || tunnel.type === 'ipip') return ' --tun-type ipip';
  const { type, checksum = 'none' } = tunnel;
  if (!Object.hasOwn(TUNNEL_CHECKSUMS, type)) {
    approximate(warnings, `${subject}: its tunnel of type ${type} is saved as ipip`);
    return ' --tun-type ipip';
  }
  let option = TUNNEL_CHECKSUMS[type][checksum];
  if (option === undefined) {
    option = '--tun-csum';
    approximate(warnings, `${subject}: its tunnel's checksum ${checksum} is saved as csum`);
  }
  const port = tunnel.type === 'gue' ? ` --tun-port ${tunnel.port}` : '';
  return ` --tun-type ${type}${port} ${option}`;
}

function lose(warnings: Warning[], text: string): void {
  warnings.push({ text, isLost: true });
}

function approximate(warnings: Warning[], text: string): void {
  warnings.push({ text, isLost: false });
}
