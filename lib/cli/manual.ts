// The manual page, from the tree of commands.

import type { CliCommand } from './command.js';
import { STATUS_MEANINGS } from './statuses.js';

/** In roff, as man/ipvs.1 has it. */
export function manualPage(program: CliCommand): string {
  const lines = [
    '.\\" Written by "ipvs help --man": change lib/cli/program.ts instead.',
    '.TH IPVS 1 "" "ipvs" "User Commands"',
    '.SH NAME',
    `ipvs \\- ${escaped(program.summary())}`,
    '.SH SYNOPSIS',
    '.B ipvs',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    ...paragraphs(program.description()),
    '.SH OPTIONS',
    'All commands take these.',
    ...options(program),
    '.SH COMMANDS',
    ...program.commands.flatMap((each) => command(each, 'ipvs')),
    '.SH EXIT STATUS',
    ...STATUS_MEANINGS.flatMap(([status, meaning]) => item(`\\fB${status}\\fR`, meaning)),
    ...item('\\fB128\\fR + \\fIn\\fR', 'signal n ended it'),
    '.SH ENVIRONMENT',
    ...item('\\fBNO_COLOR\\fR', 'no colours where it is set and not empty'),
    ...item('\\fBFORCE_COLOR\\fR', 'colours even where output is no terminal; none with 0'),
    ...item(
      '\\fBLC_ALL\\fR, \\fBLC_CTYPE\\fR, \\fBLANG\\fR',
      'lines and arrows where they say UTF-8',
    ),
    '.SH EXAMPLES',
    ...examples(program),
    '.SH SEE ALSO',
    '.BR ipvsadm (8),',
    'docs/cli.md in the package, which has the shapes of all JSON',
  ];
  return `${lines.join('\n')}\n`;
}

function command(each: CliCommand, prefix: string): string[] {
  const name = `${prefix} ${each.name()}`;
  if (each.commands.length > 0) {
    return [...entry(each, name), ...each.commands.flatMap((below) => command(below, name))];
  }
  return entry(each, name);
}

function entry(each: CliCommand, name: string): string[] {
  const args = each.registeredArguments.map((argument) => {
    const text = `\\fI${escaped(argument.name())}\\fR${argument.variadic ? ' ...' : ''}`;
    return argument.required ? text : `[${text}]`;
  });
  const aliases = each.aliases();
  const described = each.registeredArguments.filter(({ description }) => description !== '');
  return [
    `.SS ${[`\\fB${escaped(name)}\\fR`, ...args].join(' ')}`,
    ...paragraphs(each.description()),
    ...(aliases.length > 0 ? [`Short: ${aliases.join(', ')}.`] : []),
    ...described.flatMap((argument) =>
      item(
        `\\fI${escaped(argument.name())}\\fR`,
        withChoices(argument.description, argument.argChoices),
      ),
    ),
    ...options(each),
    ...examples(each),
  ];
}

function options(each: CliCommand): string[] {
  return each.options.flatMap((option) => {
    const shown =
      option.defaultValue === undefined ? '' : ` (default: ${String(option.defaultValue)})`;
    const isSwitch = typeof option.defaultValue === 'boolean';
    const text = withChoices(option.description, option.argChoices);
    return item(`\\fB${escaped(option.flags)}\\fR`, `${text}${isSwitch ? '' : shown}`);
  });
}

function withChoices(text: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? text : `${text}: ${choices.join(', ')}`;
}

function examples(each: CliCommand): string[] {
  return each.examples.flatMap(({ line, does }) => [
    '.PP',
    `${escaped(does.charAt(0).toUpperCase() + does.slice(1))}:`,
    '.PP',
    '.in +4n',
    '.EX',
    escaped(line),
    '.EE',
    '.in',
  ]);
}

function item(term: string, text: string): string[] {
  return ['.TP', term, escaped(text)];
}

function paragraphs(text: string): string[] {
  return text
    .split('\n\n')
    .flatMap((each, index) => [...(index > 0 ? ['.PP'] : []), escaped(each)]);
}

// A hyphen would become a dash, and a dot or quote at a line's begin a request.
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^([.'])/, '\\&$1');
}
