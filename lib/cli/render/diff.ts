// What a file would change, line by line.

import type { RestoreResult } from '../../rules/types.js';
import type { Snapshot, Timeouts } from '../../types.js';
import type { ChangeReport } from '../change.js';
import type { Style } from '../terminal.js';
import { serviceWords } from '../words.js';
import { changeDetails, changeSubject } from './change.js';
import { countOf, formatDuration } from './numbers.js';

export function diffLines(
  reports: readonly ChangeReport[],
  { timeouts, startedDaemons, stoppedDaemons, zeroed }: RestoreResult,
  before: Snapshot,
  style: Style,
): string[] {
  const marks = {
    add: style.green('+'),
    update: style.yellow('~'),
    remove: style.red('-'),
    none: ' ',
  };
  const arrow = style.unicode ? '→' : '->';
  const names = Object.keys(timeouts) as (keyof Timeouts)[];
  const restarted = startedDaemons.filter((role) => stoppedDaemons.includes(role));
  return [
    ...reports.map((report) => {
      const details = changeDetails(report, style);
      const subject = `${marks[report.action]} ${changeSubject(report)}`;
      return details === '' ? subject : `${subject}: ${details}`;
    }),
    ...names.map((name) => {
      const times = [before.timeouts[name], timeouts[name] ?? 0].map(formatDuration);
      return `${marks.update} timeout ${name}: ${times.join(` ${arrow} `)}`;
    }),
    ...restarted.map((role) => `${marks.update} ${role} sync daemon`),
    ...stoppedDaemons
      .filter((role) => !restarted.includes(role))
      .map((role) => `${marks.remove} ${role} sync daemon`),
    ...startedDaemons
      .filter((role) => !restarted.includes(role))
      .map((role) => `${marks.add} ${role} sync daemon`),
    ...countersOf(zeroed).map((counters) => `${marks.update} ${counters}: to zero`),
  ];
}

function countersOf(zeroed: RestoreResult['zeroed']): string[] {
  if (zeroed === 'all') return ['all counters'];
  return zeroed.map((service) => `counters of ${serviceWords(service)}`);
}

/** 'added 3, changed 1, removed 0; 12 unchanged' */
export function restoreSummary(result: RestoreResult): string {
  const { dryRun, added, updated, removed, unchanged } = result;
  const counts = [
    `${added.length} added`,
    `${updated.length} changed`,
    `${removed.length} removed`,
    `${unchanged} unchanged`,
  ];
  const others = Object.keys(result.timeouts).length;
  if (others > 0) counts.push(`${countOf(others, 'timeout')} set`);
  const daemons = new Set([...result.startedDaemons, ...result.stoppedDaemons]).size;
  if (daemons > 0) counts.push(`${countOf(daemons, 'sync daemon')} started or stopped`);
  const { zeroed } = result;
  if (zeroed === 'all') counts.push('all counters zeroed');
  else if (zeroed.length > 0)
    counts.push(`counters of ${countOf(zeroed.length, 'service')} zeroed`);
  return `${dryRun ? 'would be: ' : ''}${counts.join(', ')}`;
}
