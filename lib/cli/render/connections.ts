// The table of connections, portion by portion.

import type { Connection } from '../../types.js';
import type { Style } from '../terminal.js';
import { endpointWords } from '../words.js';
import { formatDuration } from './numbers.js';
import { headLine, lengthOf, rowLines, widthsOf, wrap } from './table.js';
import type { Cell, Column, Row } from './table.js';

const WIDE: readonly Column[] = [
  { title: 'CLIENT' },
  { title: 'PROTOCOL' },
  { title: 'SERVICE' },
  { title: 'SERVER' },
  { title: 'STATE' },
  { title: 'EXPIRES', align: 'right' },
];

// Three addresses rarely fit 80 columns: then the way goes below the client.
const NARROW: readonly Column[] = [
  { title: 'CLIENT' },
  { title: 'STATE' },
  { title: 'EXPIRES', align: 'right' },
];

/** The first portion decides how the table looks; columns never become narrower after it. */
export class ConnectionTable {
  readonly #style: Style;
  readonly #width: number;
  #isWide: boolean | undefined;
  #widths: number[] = [];

  constructor(style: Style, width: number) {
    this.#style = style;
    this.#width = width;
  }

  /** The lines of a portion; the first begins with the titles. */
  lines(connections: readonly Connection[]): string[] {
    const isFirst = this.#isWide === undefined;
    this.#isWide ??= fits(wideRows(connections, this.#style), this.#width);
    const columns = this.#isWide ? WIDE : NARROW;
    const make = this.#isWide ? wideRows : narrowRows;
    const rows = make(connections, this.#style);
    const needed = widthsOf(columns, rows);
    this.#widths = needed.map((width, index) => Math.max(width, this.#widths[index] ?? 0));
    return [
      ...(isFirst ? [headLine(columns, this.#widths, this.#style.dim)] : []),
      ...connections.flatMap((each, index) => this.#lines(columns, each, rows[index])),
    ];
  }

  #lines(columns: readonly Column[], connection: Connection, row: Row = { cells: [] }): string[] {
    const lines = rowLines(columns, this.#widths, row, this.#width);
    if (this.#isWide === true) return lines;
    const below = wrap(way(connection, this.#style), this.#width - 2);
    const note = notes(connection);
    if (note !== '') below.push(this.#style.dim(note));
    return [...lines, ...below.map((line) => `  ${line}`)];
  }
}

function fits(rows: readonly Row[], width: number): boolean {
  return lengthOf(widthsOf(WIDE, rows)) <= width;
}

function wideRows(connections: readonly Connection[], style: Style): Row[] {
  return connections.map((each) => {
    const [client, ...rest] = cellsOf(each, style);
    const { protocol = 'any', destination } = each;
    return {
      cells: [
        client,
        { text: protocol },
        { text: virtualWords(each) },
        { text: endpointWords(destination.address, destination.port) },
        ...rest,
      ],
      note: { text: notes(each), paint: style.dim },
    };
  });
}

function narrowRows(connections: readonly Connection[], style: Style): Row[] {
  return connections.map((each) => ({ cells: cellsOf(each, style) }));
}

function cellsOf(connection: Connection, style: Style): [Cell, Cell, Cell] {
  const { kind, client, state, expires } = connection;
  const isTemplate = kind === 'template';
  const paint = state === 'ESTABLISHED' ? style.green : style.dim;
  return [
    // A template is for all ports of a client, or of a network of clients.
    { text: isTemplate ? client.address : endpointWords(client.address, client.port) },
    isTemplate ? { text: 'sticky', paint: style.cyan } : { text: state, paint },
    { text: formatDuration(expires) },
  ];
}

function virtualWords({ virtual }: Connection): string {
  return 'fwmark' in virtual
    ? `mark ${virtual.fwmark}`
    : endpointWords(virtual.address, virtual.port);
}

function way(connection: Connection, style: Style): string {
  const { protocol = 'any', destination } = connection;
  const arrow = style.unicode ? '→' : '->';
  const server = endpointWords(destination.address, destination.port);
  return `${protocol} ${virtualWords(connection)} ${arrow} ${server}`;
}

function notes({ origin, engine, engineData }: Connection): string {
  const parts = [
    ...(origin === 'synchronised' ? ['from another director'] : []),
    ...(engine === undefined ? [] : [`${engine} ${printable(engineData ?? '')}`]),
  ];
  return parts.join(', ');
}

// It came from the network, byte for byte: a terminal might obey it.
function printable(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
