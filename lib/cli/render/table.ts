// Columns under each other.

import type { Paint } from '../terminal.js';

export interface Cell {
  readonly text: string;
  readonly paint?: Paint | undefined;
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** A row of cells, one for each column; `note` stands behind them. */
export interface Row {
  readonly cells: readonly Cell[];
  readonly note?: Cell | undefined;
}

const GAP = 2;
const LEAST_FIRST = 16;

/** How wide each column has to be. */
export function widthsOf(columns: readonly Column[], rows: Iterable<Row>): number[] {
  const widths = columns.map((column) => column.title.length);
  for (const { cells } of rows) {
    cells.forEach((cell, index) => {
      if (cell.text.length > (widths[index] ?? 0)) widths[index] = cell.text.length;
    });
  }
  return widths;
}

/**
 * So that the columns fit a line, the first one may give way: what is longer then stands on a line of
 * its own, above the rest of its row.
 */
function fitFirst(widths: readonly number[], rows: readonly Row[], width: number): number[] {
  const [first = 0, ...others] = widths;
  const room = width - others.reduce((sum, each) => sum + GAP + each, 0);
  if (first <= room) return [...widths];
  const fitting = rows
    .map(({ cells }) => cells[0]?.text.length ?? 0)
    .filter((length) => length <= room);
  return [fitting.reduce((a, b) => Math.max(a, b), LEAST_FIRST), ...others];
}

export function headLine(
  columns: readonly Column[],
  widths: readonly number[],
  paint: Paint,
): string {
  const cells = columns.map(({ title }) => ({ text: title, paint }));
  return cellsLine(columns, widths, cells);
}

/** The lines of a row: usually one. */
export function rowLines(
  columns: readonly Column[],
  widths: readonly number[],
  row: Row,
  width: number,
): string[] {
  const lines: string[] = [];
  let { cells } = row;
  const [name] = cells;
  if (name !== undefined && name.text.length > (widths[0] ?? 0)) {
    lines.push(painted(name, name.text));
    cells = [{ text: '' }, ...cells.slice(1)];
  }
  const line = cellsLine(columns, widths, cells);
  const { note } = row;
  if (note === undefined || note.text === '') {
    if (line !== '' || lines.length === 0) lines.push(line);
    return lines;
  }
  // A note stands right of the last cell that there is; where it has no room, on lines of its own.
  const begin = lengthOf(widths.slice(0, cells.length)) + GAP;
  if (begin + note.text.length <= width) {
    const blank = begin - lineLength(columns, widths, cells);
    lines.push(line + ' '.repeat(blank) + painted(note, note.text));
    return lines;
  }
  if (line !== '') lines.push(line);
  const indent = 6;
  for (const part of wrap(note.text, width - indent)) {
    lines.push(' '.repeat(indent) + painted(note, part));
  }
  return lines;
}

/** A whole table as lines. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly Row[],
  width: number,
  title: Paint,
): string[] {
  const widths = fitFirst(widthsOf(columns, rows), rows, width);
  return [
    headLine(columns, widths, title),
    ...rows.flatMap((row) => rowLines(columns, widths, row, width)),
  ];
}

/** How long a line is with columns of these widths. */
export function lengthOf(widths: readonly number[]): number {
  return widths.reduce((sum, each) => sum + each, 0) + GAP * Math.max(0, widths.length - 1);
}

function lineLength(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Cell[],
): number {
  return cellsLine(
    columns,
    widths,
    cells.map(({ text }) => ({ text })),
  ).length;
}

function painted(cell: Cell, text: string): string {
  return text === '' || cell.paint === undefined ? text : cell.paint(text);
}

function cellsLine(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Cell[],
): string {
  let line = '';
  let blank = 0; // owed, and paid only where something follows: no line ends with blanks
  cells.forEach((cell, index) => {
    const room = Math.max(0, (widths[index] ?? 0) - cell.text.length);
    const before = columns[index]?.align === 'right' ? room : 0;
    if (cell.text !== '') {
      line += ' '.repeat(blank + before) + painted(cell, cell.text);
      blank = 0;
    } else {
      blank += before;
    }
    blank += room - before + GAP;
  });
  return line;
}

/** Text in lines of at most that length, broken between words where it can be. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}
