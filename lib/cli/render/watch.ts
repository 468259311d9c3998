// The screen of `ipvs watch`, from what is known and how large it is. Only what fits is drawn.

import type { Destination, SnapshotService, Stats } from '../../types.js';
import type { Paint, Style } from '../terminal.js';
import { endpointWords, serviceWords } from '../words.js';
import { KEYS } from './keys.js';
import { countOf, shortNumber } from './numbers.js';

/** By what services are sorted, and what the bars show. */
export type SortKey = 'name' | 'conns' | 'active' | 'in' | 'out' | 'packets';

export interface WatchModel {
  readonly services: readonly SnapshotService[];
  /** The whole director. */
  readonly total: Stats;
  readonly sort: SortKey;
  /** The smallest first; by name: from the end. */
  readonly reversed: boolean;
  /** Whether servers are shown below their service. 'auto': where everything fits. */
  readonly servers: 'auto' | 'shown' | 'hidden';
  /** How many rows are scrolled over. */
  readonly offset: number;
  readonly paused: boolean;
  /** Whether the keys are explained in place of the table. */
  readonly help?: boolean;
  /** Seconds from one look to the next. */
  readonly interval: number;
  /** When this was seen, for example '12:00:01'. */
  readonly time: string;
  /** Why the last look failed; what is shown is older then. */
  readonly problem?: string | undefined;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** What the table shows of a service or server. */
interface Line {
  readonly name: string;
  readonly isServer: boolean;
  readonly active: number;
  readonly inactive: number;
  readonly stats: Stats;
}

interface Field {
  readonly title: string;
  readonly of: (line: Line) => number;
  /** Sorting by this. */
  readonly key?: SortKey;
}

// The most important first: those that a narrow screen has no room for are left out.
const FIELDS: readonly Field[] = [
  { title: 'CONN/S', key: 'conns', of: ({ stats }) => stats.connectionRate },
  { title: 'ACTIVE', key: 'active', of: ({ active }) => active },
  { title: 'IN B/S', key: 'in', of: ({ stats }) => stats.incomingByteRate },
  { title: 'OUT B/S', key: 'out', of: ({ stats }) => stats.outgoingByteRate },
  { title: 'INACT', of: ({ inactive }) => inactive },
  { title: 'PKT/S', key: 'packets', of: ({ stats }) => packets(stats) },
  { title: 'CONNS', of: ({ stats }) => stats.connections },
];
const FIELD_WIDTH = 7;
const GAP = 1;
const LEAST_NAME = 22;
const LEAST_BAR = 8;
const LARGEST_BAR = 40;

function packets(stats: Stats): number {
  return stats.incomingPacketRate + stats.outgoingPacketRate;
}

const VALUES: Readonly<Record<SortKey, (line: Line) => number>> = {
  name: ({ stats }) => stats.connectionRate,
  conns: ({ stats }) => stats.connectionRate,
  active: ({ active }) => active,
  in: ({ stats }) => stats.incomingByteRate,
  out: ({ stats }) => stats.outgoingByteRate,
  packets: ({ stats }) => packets(stats),
};

const SORT_WORDS: Readonly<Record<SortKey, string>> = {
  name: 'name',
  conns: 'connections/s',
  active: 'active connections',
  in: 'bytes/s in',
  out: 'bytes/s out',
  packets: 'packets/s',
};

// Head, totals, titles; keys.
const LINES_ABOVE = 3;
const LINES_BELOW = 1;

/** How many rows of the table a screen has. */
export function tableRows({ rows }: ScreenSize): number {
  return Math.max(1, rows - LINES_ABOVE - LINES_BELOW);
}

/** How many rows the whole table has on such a screen. */
export function rowCount(model: WatchModel, size: ScreenSize): number {
  return showsServers(model, size) ? allRows(model) : model.services.length;
}

function allRows({ services }: WatchModel): number {
  return services.reduce((sum, { destinations }) => sum + 1 + destinations.length, 0);
}

function showsServers(model: WatchModel, size: ScreenSize): boolean {
  if (model.servers !== 'auto') return model.servers === 'shown';
  return allRows(model) <= tableRows(size);
}

/** The whole table, for where it may scroll away. */
export function wholeLines(model: WatchModel, columns: number, style: Style): string[] {
  const rows = LINES_ABOVE + Math.max(1, allRows(model)) + LINES_BELOW;
  const lines = watchLines({ ...model, offset: 0, help: false }, { columns, rows }, style);
  const shown = LINES_ABOVE + Math.max(1, rowCount(model, { columns, rows }));
  return lines.slice(0, shown);
}

/** The lines of a screen: as many as it has at most, and none too long. */
export function watchLines(model: WatchModel, size: ScreenSize, style: Style): string[] {
  const { columns, rows } = size;
  if (model.help === true) return helpScreen(model, size, style);
  const shown = visibleLines(model, size);
  const layout = layoutOf(shown, columns);
  const all = model.services.map(serviceLine);
  const value = VALUES[model.sort];
  const most = all.reduce((largest, line) => Math.max(largest, value(line)), 0);
  const body = shown.map((line) => bodyLine(line, layout, value(line) / (most || 1), style));
  if (model.services.length === 0) body.push(style.dim('No virtual services here.'));
  const head = [
    headLine(model, columns, style),
    totalLine(model, columns, style),
    titleLine(model, layout, style),
  ];
  const table = body.slice(0, tableRows(size));
  const blank = Math.max(0, rows - head.length - table.length - LINES_BELOW);
  return [...head, ...table, ...Array<string>(blank).fill(''), footLine(model, size, style)].slice(
    0,
    rows,
  );
}

function helpScreen(model: WatchModel, { columns, rows }: ScreenSize, style: Style): string[] {
  const width = Math.max(...KEYS.map(([key]) => key.length));
  const keys = KEYS.map(
    ([key, does]) => style.bold(key.padEnd(width)) + cut(`  ${does}`, Math.max(0, columns - width)),
  );
  const head = [headLine(model, columns, style), ''];
  const body = keys.slice(0, Math.max(0, rows - head.length - LINES_BELOW));
  const blank = Math.max(0, rows - head.length - body.length - LINES_BELOW);
  const foot = style.dim(cut('q quit  any other key: back', columns));
  return [...head, ...body, ...Array<string>(blank).fill(''), foot].slice(0, rows);
}

function serviceLine(service: SnapshotService): Line {
  const { destinations, stats } = service;
  return {
    name: serviceWords(service),
    isServer: false,
    active: destinations.reduce((sum, each) => sum + each.activeConnections, 0),
    inactive: destinations.reduce((sum, each) => sum + each.inactiveConnections, 0),
    stats,
  };
}

function serverLine(server: Destination): Line {
  const { address, port, weight, forwarding, activeConnections, inactiveConnections } = server;
  const drained = weight === 0 ? ', weight 0' : '';
  return {
    name: `  ${endpointWords(address, port)} ${forwarding}${drained}`,
    isServer: true,
    active: activeConnections,
    inactive: inactiveConnections,
    stats: server.stats,
  };
}

/** What is seen of the sorted table between the offset and the screen's end. */
function visibleLines(model: WatchModel, size: ScreenSize): Line[] {
  const servers = showsServers(model, size);
  const most = tableRows(size);
  const shown: Line[] = [];
  let skip = model.offset;
  for (const service of sorted(model)) {
    if (shown.length >= most) break;
    const count = servers ? 1 + service.destinations.length : 1;
    if (skip >= count) {
      skip -= count;
      continue;
    }
    const lines = [serviceLine(service), ...(servers ? service.destinations.map(serverLine) : [])];
    shown.push(...lines.slice(skip));
    skip = 0;
  }
  return shown.slice(0, most);
}

// A table is in the order of names already, and equal ones stay in it.
function sorted({ services, sort, reversed }: WatchModel): readonly SnapshotService[] {
  if (sort === 'name') return reversed ? [...services].reverse() : services;
  const value = VALUES[sort];
  const direction = reversed ? -1 : 1;
  return services
    .map((service) => ({ service, value: value(serviceLine(service)) }))
    .sort((a, b) => direction * (b.value - a.value))
    .map(({ service }) => service);
}

interface Layout {
  readonly name: number;
  readonly fields: readonly Field[];
  readonly bar: number;
}

function layoutOf(shown: readonly Line[], columns: number): Layout {
  const longest = Math.max(LEAST_NAME, ...shown.map(({ name }) => name.length));
  const fields: Field[] = [];
  let rest = columns - LEAST_NAME;
  for (const field of FIELDS) {
    if (rest < GAP + FIELD_WIDTH) break;
    rest -= GAP + FIELD_WIDTH;
    fields.push(field);
  }
  // A bar, and then whole names, are worth more than the least important fields.
  const important = 4;
  while (
    fields.length > important &&
    (rest < GAP + LEAST_BAR || rest - GAP - LEAST_BAR < longest - LEAST_NAME)
  ) {
    fields.pop();
    rest += GAP + FIELD_WIDTH;
  }
  const name = Math.min(longest, LEAST_NAME + rest);
  rest -= name - LEAST_NAME;
  const bar = rest >= GAP + LEAST_BAR ? Math.min(rest - GAP, LARGEST_BAR) : 0;
  return { name, fields, bar };
}

function bodyLine(line: Line, layout: Layout, share: number, style: Style): string {
  const paint: Paint = line.isServer ? (text) => text : style.bold;
  const name = paint(shorten(line.name, layout.name, style).padEnd(layout.name));
  const cells = layout.fields.map((field) => {
    const number = field.of(line);
    const text = shortNumber(number).padStart(GAP + FIELD_WIDTH);
    return number === 0 ? style.dim(text) : text;
  });
  const bar = layout.bar > 0 ? ' ' + style.cyan(barOf(share, layout.bar, style)) : '';
  return `${name}${cells.join('')}${bar}`;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** As long as it is much, beside the largest; whatever is not nothing shows. */
function barOf(share: number, width: number, style: Style): string {
  const eighths = Math.max(Math.round(Math.min(1, share) * width * 8), share > 0 ? 1 : 0);
  if (!style.unicode) return '#'.repeat(Math.max(Math.round(eighths / 8), share > 0 ? 1 : 0));
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}

/** Without its middle: the kind and the port tell more. */
function shorten(text: string, width: number, style: Style): string {
  if (text.length <= width) return text;
  const dots = style.unicode ? '…' : '..';
  const room = width - dots.length;
  const head = Math.ceil(room / 2);
  return text.slice(0, head) + dots + text.slice(text.length - (room - head));
}

function headLine(model: WatchModel, columns: number, style: Style): string {
  const { services, paused, interval, time, problem, sort, reversed } = model;
  const servers = services.reduce((sum, { destinations }) => sum + destinations.length, 0);
  const left = `ipvs watch  ${countOf(services.length, 'service')}, ${countOf(servers, 'server')}`;
  if (problem !== undefined) return style.red(cut(`${left}  ${problem}`, columns));
  const state = paused ? 'paused' : `every ${interval}s`;
  const order = `by ${SORT_WORDS[sort]}${reversed ? ', reversed' : ''}`;
  const right = `${order}  ${state}  ${time}`;
  const blank = Math.max(2, columns - left.length - right.length);
  return style.inverse(cut(left + ' '.repeat(blank) + right, columns).padEnd(columns));
}

function totalLine({ total }: WatchModel, columns: number, style: Style): string {
  const rates = [
    `${shortNumber(total.connectionRate)} conn/s`,
    `in ${shortNumber(total.incomingPacketRate)} pkt/s ${shortNumber(total.incomingByteRate)}B/s`,
    `out ${shortNumber(total.outgoingPacketRate)} pkt/s ${shortNumber(total.outgoingByteRate)}B/s`,
    `${shortNumber(total.connections)} connections so far`,
  ];
  let line = 'all:';
  for (const each of rates) {
    if (line.length + 3 + each.length > columns) break;
    line += `${line === 'all:' ? ' ' : '   '}${each}`;
  }
  return style.bold(line);
}

function titleLine(model: WatchModel, { name, fields, bar }: Layout, style: Style): string {
  const titles = fields.map(({ title, key }) => {
    const text = title.padStart(GAP + FIELD_WIDTH);
    return key === model.sort ? style.bold(text) : style.dim(text);
  });
  const graph = fields.find(({ key }) => key === model.sort)?.title ?? 'CONN/S';
  const last = bar > 0 ? style.dim(` ${graph}`) : '';
  return `${style.dim(cut('SERVICE / SERVER', name).padEnd(name))}${titles.join('')}${last}`;
}

function footLine(model: WatchModel, size: ScreenSize, style: Style): string {
  const count = rowCount(model, size);
  const last = Math.min(count, model.offset + tableRows(size));
  const place = count > tableRows(size) ? `  ${model.offset + 1}-${last} of ${count}` : '';
  const keys =
    'q quit  ? keys  sort: n name c conn/s a active i in o out p packets  r reverse  s servers  ' +
    'space pause  arrows scroll';
  const short = 'q quit  ? keys  sort: n c a i o p  r reverse  s servers';
  const room = size.columns - place.length;
  return style.dim(cut(keys.length <= room ? keys : short, room)) + place;
}

function cut(text: string, width: number): string {
  return text.length > width ? text.slice(0, Math.max(0, width)) : text;
}
