// Services and their destinations in ipvsadm's columns.

import { IPV4, IPV6 } from '../../address.js';
import type { Counter, DestinationRecord, ServiceRecord } from '../../records.js';
import type { Stats } from '../../types.js';
import {
  FORWARDINGS,
  NAT,
  ONE_PACKET,
  PERSISTENT,
  ALL_SCHEDULER_BITS,
  TUN,
  TUNNELS,
  dottedMask,
  toService,
} from '../../words.js';
import type { OptionName } from '../../rules/option-reader.js';
import type { EndpointWriter } from './endpoint.js';

export type ListedService = ServiceRecord<Counter>;
export type ListedDestination = DestinationRecord<Counter>;

/** What a listing shows; where several are asked for, the first of these counts. */
export type View = 'stats' | 'rate' | 'thresholds' | 'persistent-conn' | 'tun-info' | 'plain';

const VIEWS: readonly Exclude<View, 'plain'>[] = [
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'tun-info',
];

export interface Layout {
  readonly view: View;
  /** Large counters in full. */
  readonly exact: boolean;
}

export function layoutOf(options: ReadonlySet<OptionName>): Layout {
  const view = VIEWS.find((each) => options.has(each)) ?? 'plain';
  return { view, exact: options.has('exact') };
}

const SERVICE_WIDTH = 33;
const DESTINATION_WIDTH = 28;

const LOCAL = 'Prot LocalAddress:Port';
const REMOTE = '  -> RemoteAddress:Port';

function columns(widths: number, ...titles: string[]): string {
  const rest = titles.map((title) => (widths < 0 ? title.padStart(-widths) : title.padEnd(widths)));
  return [LOCAL.padEnd(SERVICE_WIDTH), ...rest].join(' ');
}

const PLAIN_TITLE = `${LOCAL} Scheduler Flags\n${REMOTE}           Forward `;

const TITLES: Readonly<Record<View, string>> = {
  stats: `${columns(-8, 'Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes')}\n${REMOTE}\n`,
  rate: `${columns(-8, 'CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS')}\n${REMOTE}\n`,
  thresholds: `${columns(10, 'Uthreshold', 'Lthreshold', 'ActiveConn', 'InActConn')}\n${REMOTE}\n`,
  'persistent-conn':
    [LOCAL.padEnd(SERVICE_WIDTH), 'Weight   ', 'PersistConn', 'ActiveConn', 'InActConn '].join(
      ' ',
    ) + `\n${REMOTE}\n`,
  'tun-info': `${PLAIN_TITLE}TunnelInfo    Weight ActiveConn InActConn\n`,
  plain: `${PLAIN_TITLE}Weight ActiveConn InActConn\n`,
};

export function titleOf({ view }: Layout): string {
  return TITLES[view];
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };

/** The line of a service. */
export async function serviceLine(
  service: ListedService,
  layout: Layout,
  endpoints: EndpointWriter,
): Promise<string> {
  const name = await serviceName(service, endpoints);
  if (layout.view === 'stats' || layout.view === 'rate') {
    const counters = layout.view === 'stats' ? countsOf(service.stats) : ratesOf(service.stats);
    const shown = counters.map((counter) => largeNumber(counter, layout.exact));
    return `${name.padEnd(SERVICE_WIDTH)}${shown.join('')}\n`;
  }
  return `${name} ${service.scheduler}${settingsOf(service)}\n`;
}

async function serviceName(service: ListedService, endpoints: EndpointWriter): Promise<string> {
  const { family, fwmark, address, port, protocol } = service;
  if (fwmark !== 0) return `FWM  ${fwmark}${family === IPV6 ? ' IPv6' : ''}`;
  const endpoint = await endpoints.write(address, port, protocol);
  const name = `${(PROTOCOLS[protocol] ?? '?').padEnd(4)} ${endpoint}`;
  return family === IPV6 ? name : name.slice(0, SERVICE_WIDTH);
}

function settingsOf(service: ListedService): string {
  const { flags, timeout, family, netmask, engine } = service;
  let text = '';
  if ((flags & ALL_SCHEDULER_BITS) !== 0) text += ` (${shownFlags(service).join(',')})`;
  if ((flags & PERSISTENT) !== 0) {
    text += ` persistent ${timeout}`;
    const unmasked = family === IPV4 ? 0xffffffff : 128;
    if (netmask !== unmasked) text += ` mask ${family === IPV4 ? dottedMask(netmask) : netmask}`;
    if (engine !== '') text += ` pe ${engine}`;
  }
  return (flags & ONE_PACKET) === 0 ? text : `${text} ops`;
}

// Of sh and mh the third flag has no name here.
function shownFlags(service: ListedService): string[] {
  const { scheduler } = service;
  const named = scheduler === 'sh' || scheduler === 'mh';
  return toService(service).schedulerFlags.filter((flag) => !(named && flag === 'flag-3'));
}

/** The line of a destination. */
export async function destinationLine(
  destination: ListedDestination,
  protocol: number,
  { view, exact }: Layout,
  endpoints: EndpointWriter,
): Promise<string> {
  const { address, port, family, weight, stats } = destination;
  const written = await endpoints.write(address, port, protocol);
  const name = family === IPV6 ? written : written.slice(0, DESTINATION_WIDTH);
  const start = `  -> ${name.padEnd(DESTINATION_WIDTH)}`;
  const active = String(destination.activeConnections).padEnd(10);
  const inactive = String(destination.inactiveConnections).padEnd(10);
  const method = FORWARDING_NAMES[destination.forwarding] ?? '(null)';
  switch (view) {
    case 'stats':
      return `${start}${countsOf(stats)
        .map((counter) => largeNumber(counter, exact))
        .join('')}\n`;
    case 'rate': {
      const [connections, incoming, outgoing, ...bytes] = ratesOf(stats);
      const packets = [connections, incoming, outgoing].map((each) => ` ${pad(each ?? 0n, 8)}`);
      const rates = bytes.map((counter) => largeNumber(counter, exact));
      return `${start}${[...packets, ...rates].join('')}\n`;
    }
    case 'thresholds': {
      const upper = String(destination.upperThreshold).padEnd(10);
      const lower = String(destination.lowerThreshold).padEnd(10);
      return `${start} ${upper} ${lower} ${active} ${inactive}\n`;
    }
    case 'persistent-conn': {
      const persistent = String(destination.persistentConnections).padEnd(11);
      return `${start} ${String(weight).padEnd(9)} ${persistent} ${active} ${inactive}\n`;
    }
    case 'tun-info': {
      const tunnel = tunnelInfo(destination).padEnd(13);
      const shown = String(weight).padEnd(6);
      return `${start} ${method.padEnd(7)} ${tunnel} ${shown} ${active} ${inactive}\n`;
    }
    case 'plain':
      return `${start} ${method.padEnd(7)} ${String(weight).padEnd(6)} ${active} ${inactive}\n`;
  }
}

const DR = FORWARDINGS.number('dr') ?? 3;
const LOCAL_NODE = FORWARDINGS.number('local') ?? 1;

const FORWARDING_NAMES: Readonly<Record<number, string>> = {
  [NAT]: 'Masq',
  [LOCAL_NODE]: 'Local',
  [TUN]: 'Tunnel',
  [DR]: 'Route',
};

const CHECKSUMS: Readonly<Record<number, string>> = { 0: '-c', 1: '+c', 2: 'r+c' };

function tunnelInfo(destination: ListedDestination): string {
  if (destination.forwarding !== TUN) return 'n/a';
  const { tunnelType, tunnelPort, tunnelFlags } = destination;
  const checksum = CHECKSUMS[tunnelFlags] ?? `?${tunnelFlags}`;
  switch (TUNNELS.word(tunnelType)) {
    case 'ipip':
      return 'ipip';
    case 'gue':
      return `gue:${tunnelPort}:${checksum}`;
    case 'gre':
      return `gre:${checksum}`;
    default:
      return 'n/a';
  }
}

function countsOf(stats: Stats<Counter>): bigint[] {
  const { connections, incomingPackets, outgoingPackets, incomingBytes, outgoingBytes } = stats;
  const counts = [connections, incomingPackets, outgoingPackets, incomingBytes, outgoingBytes];
  return counts.map(BigInt);
}

function ratesOf(stats: Stats<Counter>): bigint[] {
  return [
    stats.connectionRate,
    stats.incomingPacketRate,
    stats.outgoingPacketRate,
    stats.incomingByteRate,
    stats.outgoingByteRate,
  ].map(BigInt);
}

function pad(number: bigint, width: number): string {
  return String(number).padStart(width);
}

const UNITS: readonly [below: bigint, divisor: bigint, unit: string][] = [
  [10n ** 9n, 10n ** 3n, 'K'],
  [10n ** 11n, 10n ** 6n, 'M'],
  [10n ** 14n, 10n ** 9n, 'G'],
];

function largeNumber(number: bigint, exact: boolean): string {
  if (exact) return ` ${pad(number, 8)}`;
  if (number < 10n ** 8n) return pad(number, 9);
  const [, divisor, unit] = UNITS.find(([below]) => number < below) ?? [0n, 10n ** 12n, 'T'];
  return `${pad(number / divisor, 8)}${unit}`;
}
