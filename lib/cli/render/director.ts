// What belongs to the director as a whole: timeouts and sync daemons.

import type { SyncDaemon, SyncDaemonConfig, Timeouts } from '../../types.js';
import type { Style } from '../terminal.js';
import { endpointWords } from '../words.js';
import { formatDuration } from './numbers.js';
import { tableLines } from './table.js';
import type { Column } from './table.js';

const TIMEOUTS: readonly (readonly [name: keyof Timeouts, title: string])[] = [
  ['tcp', 'tcp'],
  ['tcpFin', 'tcp-fin'],
  ['udp', 'udp'],
];

/** How long idle connections are remembered; what changed beside what it was. */
export function timeoutLines(
  before: Timeouts,
  after: Timeouts,
  dryRun: boolean,
  style: Style,
): string[] {
  const arrow = style.unicode ? '→' : '->';
  return TIMEOUTS.map(([name, title]) => {
    const now = formatDuration(after[name]);
    if (before[name] === after[name]) return `${title.padEnd(8)} ${now}`;
    const would = dryRun ? ' (not changed)' : '';
    return `${title.padEnd(8)} ${formatDuration(before[name])} ${arrow} ${style.bold(now)}${would}`;
  });
}

const DAEMON_COLUMNS: readonly Column[] = [
  { title: 'ROLE' },
  { title: 'INTERFACE' },
  { title: 'SYNC ID', align: 'right' },
  { title: 'GROUP' },
  { title: 'TTL', align: 'right' },
  { title: 'LONGEST', align: 'right' },
];

export function daemonLines(daemons: readonly SyncDaemon[], style: Style, width: number): string[] {
  if (daemons.length === 0) return [];
  const rows = daemons.map((daemon) => ({
    cells: [
      { text: daemon.role, paint: style.bold },
      { text: daemon.interface },
      { text: String(daemon.syncId) },
      { text: endpointWords(daemon.group, daemon.port) },
      { text: String(daemon.ttl) },
      { text: `${daemon.maxLength} bytes` },
    ],
  }));
  return tableLines(DAEMON_COLUMNS, rows, width, style.dim);
}

/** 'the master sync daemon on eth0, sync id 7'. */
export function daemonWords({ role, interface: device, syncId = 0 }: SyncDaemonConfig): string {
  return `the ${role} sync daemon on ${device}, sync id ${syncId}`;
}
