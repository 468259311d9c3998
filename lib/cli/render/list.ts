// The table of services and servers, as `ipvs list` shows it.

import type { Destination, Persistence, Service, SnapshotService, Tunnel } from '../../types.js';
import type { Style } from '../terminal.js';
import { endpointWords, serviceWords } from '../words.js';
import { countOf, formatDuration } from './numbers.js';
import { tableLines } from './table.js';
import type { Cell, Column, Row } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'SERVICE / SERVER' },
  { title: 'METHOD' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'INACTIVE', align: 'right' },
];

export function listLines(
  services: readonly SnapshotService[],
  style: Style,
  width: number,
): string[] {
  if (services.length === 0) return [];
  const rows = services.flatMap((service) => [
    serviceRow(service, style),
    ...service.destinations.map((server) => serverRow(server, style)),
  ]);
  return tableLines(COLUMNS, rows, width, style.dim);
}

/** What stands below the table: '3 services, 7 servers'. */
export function listSummary(services: readonly SnapshotService[]): string {
  const servers = services.reduce((sum, each) => sum + each.destinations.length, 0);
  return `${countOf(services.length, 'service')}, ${countOf(servers, 'server')}`;
}

function serviceRow(service: SnapshotService, style: Style): Row {
  const notes = serviceNotes(service);
  if (service.destinations.length === 0) notes.push('no servers');
  return {
    cells: [{ text: serviceWords(service), paint: style.bold }, { text: service.scheduler }],
    note: { text: notes.join(', '), paint: style.cyan },
  };
}

/** What is special about a service, in words. */
function serviceNotes(service: Service): string[] {
  const { persistence, onePacket, schedulerFlags } = service;
  const notes: string[] = [...schedulerFlags];
  if (persistence !== undefined) notes.push(`persistent ${persistenceWords(persistence)}`);
  if (onePacket) notes.push('one packet');
  return notes;
}

/** '5m', '5m per /24 by sip'. */
export function persistenceWords({ timeout = 300, netmask, engine }: Persistence): string {
  const each = netmask === undefined || netmask === 128 || netmask === '255.255.255.255';
  return (
    formatDuration(timeout) +
    (each ? '' : ` per ${maskWords(netmask)}`) +
    (engine === undefined ? '' : ` by ${engine}`)
  );
}

function maskWords(netmask: string | number): string {
  if (typeof netmask === 'number') return `/${netmask}`;
  const bits = netmask
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) ? `/${bits.replaceAll('0', '').length}` : netmask;
}

function serverRow(server: Destination, style: Style): Row {
  const { weight, activeConnections, inactiveConnections } = server;
  return {
    cells: [
      { text: `  ${endpointWords(server.address, server.port)}` },
      { text: server.forwarding },
      { text: String(weight), paint: weight === 0 ? style.yellow : undefined },
      connections(activeConnections, style.green),
      connections(inactiveConnections, undefined),
    ],
    note: { text: serverNotes(server).join(', '), paint: style.yellow },
  };
}

function connections(count: number, paint: Cell['paint']): Cell {
  return { text: String(count), paint: count > 0 ? paint : undefined };
}

/** What is special about a server, in words. */
function serverNotes(server: Destination): string[] {
  const { weight, upperThreshold, lowerThreshold, tunnel } = server;
  const open = server.activeConnections + server.inactiveConnections;
  const notes: string[] = [];
  if (weight === 0) notes.push(open > 0 ? 'draining' : 'no new connections');
  if (tunnel !== undefined && tunnel.type !== 'ipip') notes.push(tunnelWords(tunnel));
  if (upperThreshold > 0) {
    const resumes = lowerThreshold > 0 ? `, again below ${lowerThreshold}` : '';
    notes.push(`full at ${upperThreshold}${resumes}`);
  }
  if (server.persistentConnections > 0) {
    notes.push(countOf(server.persistentConnections, 'sticky client'));
  }
  return notes;
}

export function tunnelWords(tunnel: Tunnel): string {
  if (tunnel.type === 'ipip') return 'ipip';
  const port = tunnel.type === 'gue' ? ` port ${tunnel.port}` : '';
  const { checksum = 'none' } = tunnel;
  return `${tunnel.type}${port}${checksum === 'none' ? '' : ` ${checksum}`}`;
}
