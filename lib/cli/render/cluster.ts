// What would change on a node of a cluster, what was changed, and what is wrong with it.

import type { Change, Finding, Kept } from '../../cluster/index.js';
import type { Style } from '../terminal.js';
import { wrap } from './table.js';

/** One change below the other, each with its reason. */
export function planLines(
  changes: readonly Change[],
  manual: readonly Change[],
  style: Style,
  width: number,
): string[] {
  return [
    ...changes.flatMap((change) => changeLines(change, style, width)),
    ...(manual.length === 0
      ? []
      : [
          style.bold('To be done by hand:'),
          ...manual.flatMap((each) => byHand(each, style, width)),
        ]),
  ];
}

function changeLines(change: Change, style: Style, width: number): string[] {
  return [`${mark(change, style)} ${change.description}`, ...indented(change.reason, style, width)];
}

function marked(sign: string, text: string, width: number): string[] {
  return wrap(text, width - 2).map((line, index) => `${index === 0 ? sign : ' '} ${line}`);
}

function mark({ before, after }: Change, style: Style): string {
  if (after === null) return style.red('-');
  return before === null ? style.green('+') : style.yellow('~');
}

function byHand(change: Change, style: Style, width: number): string[] {
  return [
    ...marked(style.yellow('!'), change.description, width),
    ...change.shell.split('\n').map((line) => `    ${line}`),
    ...indented(change.reason, style, width),
  ];
}

function indented(text: string, style: Style, width: number): string[] {
  if (text === '') return [];
  return wrap(text, width - 4).map((line) => `    ${style.dim(line)}`);
}

/** What was left as it is when changes were taken back. */
export function keptLines(kept: readonly Kept[], style: Style, width: number): string[] {
  return kept.flatMap(({ change, reason }) => [
    ...marked(style.yellow('!'), `left as it is: ${change.description}`, width),
    ...indented(reason, style, width),
  ]);
}

/** What is wrong with a node, and what mends it. */
export function clusterFindingLines(
  findings: readonly Finding[],
  style: Style,
  width: number,
): string[] {
  const signs = { error: style.red('E'), warning: style.yellow('W'), info: style.dim('i') };
  return findings.flatMap(({ severity, code, subject, explanation, mend }) => [
    ...marked(signs[severity], `${code} ${subject}`, width),
    ...wrap(explanation, width - 4).map((line) => `    ${line}`),
    ...(mend?.changes ?? []).flatMap(({ shell }) =>
      shell.split('\n').map((line) => `    ${style.cyan(line)}`),
    ),
  ]);
}
