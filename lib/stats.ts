// The counters of the whole director, from the two files in which the kernel shows them.

import type { Counter } from './records.js';
import type { CpuStats, DirectorStats } from './types.js';

export const TOTALS_FILE = '/proc/thread-self/net/ip_vs_stats';
export const PER_CPU_FILE = '/proc/thread-self/net/ip_vs_stats_percpu';

/** A row of hexadecimal numbers. */
function parseRow(line: string): bigint[] {
  return line
    .trim()
    .split(/\s+/)
    .map((word) => BigInt(`0x${word}`));
}

function isRow(line: string): boolean {
  return /^\s*[0-9A-F]+(\s+[0-9A-F]+)+\s*$/.test(line);
}

/**
 * ip_vs_stats has a row of counters and a row of rates, ip_vs_stats_percpu a row of counters for each
 * CPU. Undefined where they do not look like that.
 */
export function parseDirectorStats(
  totals: string,
  perCpu: string,
  bigint: boolean,
): DirectorStats<Counter> | undefined {
  const counter = (value = 0n): Counter => (bigint ? value : Number(value));
  const rows = totals.split('\n').filter(isRow).map(parseRow);
  const [counts, rates] = rows;
  if (rows.length !== 2 || counts?.length !== 5 || rates?.length !== 5) return undefined;
  // Behind an empty line come the rates of all CPUs together, which the totals have already.
  const [cpuCounts = ''] = perCpu.split('\n\n', 1);
  const cpuRows = cpuCounts.split('\n').filter(isRow).map(parseRow);
  if (cpuRows.some((row) => row.length !== 6)) return undefined;
  return {
    connections: counter(counts[0]),
    incomingPackets: counter(counts[1]),
    outgoingPackets: counter(counts[2]),
    incomingBytes: counter(counts[3]),
    outgoingBytes: counter(counts[4]),
    connectionRate: counter(rates[0]),
    incomingPacketRate: counter(rates[1]),
    outgoingPacketRate: counter(rates[2]),
    incomingByteRate: counter(rates[3]),
    outgoingByteRate: counter(rates[4]),
    perCpu: cpuRows.map((row): CpuStats<Counter> => ({
      cpu: Number(row[0]),
      connections: counter(row[1]),
      incomingPackets: counter(row[2]),
      outgoingPackets: counter(row[3]),
      incomingBytes: counter(row[4]),
      outgoingBytes: counter(row[5]),
    })),
  };
}
