// Counters and rates of services and servers, as `ipvs stats` shows them.

import type { SnapshotService, Stats } from '../../types.js';
import type { Paint, Style } from '../terminal.js';
import { endpointWords, serviceWords } from '../words.js';
import { shortNumber } from './numbers.js';
import { tableLines } from './table.js';
import type { Column, Row } from './table.js';

/** Which numbers: since the start, per second, or both where there is room. */
export type StatsView = 'totals' | 'rates' | 'both';

interface Counter {
  readonly title: string;
  readonly of: (stats: Stats) => number;
}

const TOTALS: readonly Counter[] = [
  { title: 'CONNS', of: (stats) => stats.connections },
  { title: 'IN PKTS', of: (stats) => stats.incomingPackets },
  { title: 'OUT PKTS', of: (stats) => stats.outgoingPackets },
  { title: 'IN BYTES', of: (stats) => stats.incomingBytes },
  { title: 'OUT BYTES', of: (stats) => stats.outgoingBytes },
];

const RATES: readonly Counter[] = [
  { title: 'CONN/S', of: (stats) => stats.connectionRate },
  { title: 'IN PKT/S', of: (stats) => stats.incomingPacketRate },
  { title: 'OUT PKT/S', of: (stats) => stats.outgoingPacketRate },
  { title: 'IN B/S', of: (stats) => stats.incomingByteRate },
  { title: 'OUT B/S', of: (stats) => stats.outgoingByteRate },
];

const COUNTERS: Readonly<Record<StatsView, readonly Counter[]>> = {
  totals: TOTALS,
  rates: RATES,
  both: [...TOTALS, ...RATES],
};

export interface StatsLook {
  readonly view: StatsView;
  /** Every digit rather than 1.2M. */
  readonly exact: boolean;
  readonly style: Style;
  readonly width: number;
}

/** `total` is the whole director, where it is wanted. */
export function statsLines(
  services: readonly SnapshotService[],
  total: Stats | undefined,
  { view, exact, style, width }: StatsLook,
): string[] {
  const counters = COUNTERS[view];
  const columns: Column[] = [
    { title: 'SERVICE / SERVER' },
    ...counters.map(({ title }): Column => ({ title, align: 'right' })),
  ];
  const row = (text: string, stats: Stats, paint?: Paint): Row => ({
    cells: [
      { text, paint },
      ...counters.map(({ of }) => {
        const value = of(stats);
        const digits = exact ? String(value) : shortNumber(value);
        return { text: digits, paint: value === 0 ? style.dim : paint };
      }),
    ],
  });
  const rows = services.flatMap((service) => [
    row(serviceWords(service), service.stats, style.bold),
    ...service.destinations.map(({ address, port, stats }) =>
      row(`  ${endpointWords(address, port)}`, stats),
    ),
  ]);
  if (total !== undefined) rows.unshift(row('all', total, style.bold));
  return rows.length === 0 ? [] : tableLines(columns, rows, width, style.dim);
}
