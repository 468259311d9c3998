// The table of connections, portion by portion.

import type { Connection } from '../../types.js';
import type { Style } from '../terminal.js';
import { endpointWords } from '../words.js';
import { formatDuration } from './numbers.js';
import { fitFirst, headLine, rowLines, widthsOf } from './table.js';
import type { Column, Row } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'CLIENT' },
  { title: 'PROTOCOL' },
  { title: 'SERVICE' },
  { title: 'SERVER' },
  { title: 'STATE' },
  { title: 'EXPIRES', align: 'right' },
];

/** Columns never become narrower from one portion to the next. */
export class ConnectionTable {
  readonly #style: Style;
  readonly #width: number;
  #widths: number[] = [];

  constructor(style: Style, width: number) {
    this.#style = style;
    this.#width = width;
  }

  /** The lines of a portion; the first begins with the titles. */
  lines(connections: readonly Connection[]): string[] {
    const rows = connections.map((each) => connectionRow(each, this.#style));
    const isFirst = this.#widths.length === 0;
    const needed = widthsOf(COLUMNS, rows);
    this.#widths = needed.map((width, index) => Math.max(width, this.#widths[index] ?? 0));
    const widths = fitFirst(this.#widths, rows, this.#width);
    return [
      ...(isFirst ? [headLine(COLUMNS, widths, this.#style.dim)] : []),
      ...rows.flatMap((row) => rowLines(COLUMNS, widths, row, this.#width)),
    ];
  }
}

function connectionRow(connection: Connection, style: Style): Row {
  const { kind, protocol, client, virtual, destination, state, expires } = connection;
  const isTemplate = kind === 'template';
  const paint = state === 'ESTABLISHED' ? style.green : style.dim;
  return {
    cells: [
      // A template is for all ports of a client, or of a network of clients.
      { text: isTemplate ? client.address : endpointWords(client.address, client.port) },
      { text: protocol ?? 'any' },
      {
        text:
          'fwmark' in virtual
            ? `mark ${virtual.fwmark}`
            : endpointWords(virtual.address, virtual.port),
      },
      { text: endpointWords(destination.address, destination.port) },
      isTemplate ? { text: 'sticky', paint: style.cyan } : { text: state, paint },
      { text: formatDuration(expires) },
    ],
    note: { text: notes(connection), paint: style.dim },
  };
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
