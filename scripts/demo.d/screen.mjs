// @ts-check
// Everything that the demo prints. It fits 80 columns.

import { inspect, stripVTControlCharacters } from 'node:util';
import { DRAWING, REAL_SERVERS } from './cluster.mjs';

/** @import { Destination, Ipvs, Service } from 'ipvs' */

const colours = process.argv.includes('--color');

const { LC_ALL, LC_CTYPE, LANG } = process.env;
const unicode = /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');

/**
 * Each style ends only what it began, so that they can be nested.
 * @param {number} begin
 * @param {number} end
 */
const style = (begin, end) => (/** @type {string} */ text) =>
  colours ? `\x1b[${begin}m${text}\x1b[${end}m` : text;

const bold = style(1, 22);
const dim = style(2, 22);
const red = style(31, 39);
const green = style(32, 39);
const magenta = style(35, 39);
const cyan = style(36, 39);

// Where the locale does not promise more. Corners are all the others.
/** @type {Record<string, string>} */
const ASCII = { '─': '-', '│': '|', '→': '>', '●': 'o', '·': '.' };

let afterBlank = false;

/** Prints a line; of blank lines in a row, only the first. */
export function print(text = '') {
  if (text === '' && afterBlank) return;
  afterBlank = text === '';
  const plain = unicode ? text : text.replace(/[^\0-\x7f]/g, (glyph) => ASCII[glyph] ?? '+');
  process.stdout.write(`${plain}\n`);
}

/** @param {string} text */
function indented(text) {
  for (const line of text.split('\n')) print(`  ${line}`);
}

/**
 * @param {string} text
 * @param {string} remark
 */
export function title(text, remark) {
  print();
  print(`${bold(text)}   ${dim(remark)}`);
  print();
}

/** @param {string} text */
export function heading(text) {
  print();
  print(bold(text));
  print();
}

/** @param {string} text */
export function ok(text) {
  indented(`${green('ok')}  ${text}`);
}

/** @param {string[]} texts */
export function failed(...texts) {
  print();
  indented(`${red('FAILED')}  ${texts.join('\n        ')}`);
}

/** @param {string} source */
export function code(source) {
  indented(`${dim('>')} ${source}`);
}

/** @param {string} text */
export function step(text) {
  indented(dim(`  ${text}`));
}

/**
 * Runs a call after showing its source, in which the given variables are replaced by their values.
 * @param {() => Promise<void>} call
 * @param {Record<string, unknown>} [variables]
 */
export async function shown(call, variables = {}) {
  let source = `${call}`.replace('() => ', '');
  for (const [name, value] of Object.entries(variables)) {
    source = source.replace(new RegExp(`\\b${name}\\b`, 'g'), inspect(value));
  }
  code(source);
  await call();
}

/**
 * What is about a real server has its colour.
 * @param {string} server
 */
function coloured(server, text = server) {
  return server === REAL_SERVERS[0] ? cyan(text) : magenta(text);
}

export function drawing() {
  const drawn = DRAWING.replace(/[─│┌┐└┘├┤→]+/g, dim);
  indented(REAL_SERVERS.reduce((text, server) => text.replace(server, coloured(server)), drawn));
}

/**
 * The services and destinations, read from the kernel.
 * @param {Ipvs} ipvs
 */
export async function listing(ipvs) {
  for (const service of await ipvs.listServices()) {
    print();
    indented(describe(service));
    table(
      ['real server', 'forwarding', 'weight', 'active', 'inactive', 'persistent'],
      (await ipvs.listDestinations(service)).map((destination) => [
        coloured(destination.address, `${destination.address}:${destination.port}`),
        destination.forwarding,
        destination.weight,
        destination.activeConnections,
        destination.inactiveConnections,
        destination.persistentConnections,
      ]),
    );
  }
  print();
}

/** @param {Service} service */
function describe({ scheduler, persistence, ...key }) {
  return [
    'fwmark' in key ? `mark ${key.fwmark}` : `${key.protocol} ${key.address}:${key.port}`,
    `${dim('scheduler')} ${scheduler}`,
    dim('persistence') +
      (persistence ? ` ${persistence.timeout} s, mask ${persistence.netmask}` : ' none'),
  ].join('   ');
}

/**
 * Who answered the requests, in their order: a lane for each real server.
 * @param {string[]} servers
 */
export function lanes(servers) {
  if (servers.length === 0) return;
  table(
    ['request', ...servers.map((_, index) => `${index + 1}`), 'answers'],
    REAL_SERVERS.map((lane) => {
      const mine = servers.filter((server) => server === lane);
      const marks = servers.map((server) => (server === lane ? coloured(lane, '●') : dim('·')));
      return [coloured(lane), ...marks, mine.length];
    }),
  );
  print();
}

/**
 * @param {Service} service
 * @param {Destination[]} destinations
 * @param {Map<string, number>} answered how many requests each real server has answered
 */
export function counters(service, destinations, answered) {
  const row = (/** @type {Service | Destination} */ { stats }) => [
    stats.connections,
    stats.incomingPackets,
    stats.incomingBytes,
    stats.outgoingPackets,
  ];
  table(
    ['', 'answers', 'connections', 'packets in', 'bytes in', 'packets out'],
    [
      ...destinations.map((destination) => [
        coloured(destination.address),
        answered.get(destination.address) ?? 0,
        ...row(destination),
      ]),
      ['the service', '', ...row(service)],
    ],
  );
  print();
}

/**
 * Columns below their heads; those of numbers to the right.
 * @param {string[]} head
 * @param {(string | number)[][]} rows
 */
function table(head, rows) {
  const width = (/** @type {string | number} */ cell) => stripVTControlCharacters(`${cell}`).length;
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => width(row[column]))),
  );
  const line = (/** @type {(string | number)[]} */ row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column] - width(cell));
        return typeof rows[0][column] === 'number' ? `${space}${cell}` : `${cell}${space}`;
      })
      .join('   ')
      .trimEnd();
  indented(dim(line(head)));
  for (const row of rows) indented(line(row));
}
