// A command line from its words to its exit status. Writes to what it is given, and never ends the
// process: tests run it inside theirs.

import { Context, netnsOf } from './context.js';
import { Exit, failureText, statusOf, usageError } from './failure.js';
import { lazy } from './lazy.js';
import { styleOf } from './terminal.js';
import type { Io } from './terminal.js';

// The drop-in for ipvsadm, where the command is invoked under one of its names.
const ADM_NAMES = new Set(['ipvsadm', 'ipvsadm-save', 'ipvsadm-restore']);

/**
 * Runs `ipvs` with these arguments, or what else it was invoked as; resolves to the exit status.
 */
export async function run(argv: readonly string[], io: Io, name = 'ipvs'): Promise<number> {
  const color = argv.includes('--no-color') ? false : undefined;
  try {
    if (ADM_NAMES.has(name)) return await runAdm(argv, io, name);
    const { rest, netns, others } = globalOptions(argv);
    const [first] = rest;
    if (first === 'adm') {
      if (others[0] !== undefined) throw notForAdm(others[0]);
      return await runAdm(rest.slice(1), io, 'ipvsadm', netns);
    }
    if (first === '--version' || first === '-V') {
      io.stdout.write(`${version()}\n`);
      return Exit.done;
    }
    return isPlainList(argv) ? await plainList(argv, io) : await runProgram(argv, io, color);
  } catch (thrown) {
    const error = ofCommander(thrown, argv);
    if (error === undefined) return Exit.done;
    if (error === HELPED) return Exit.usage;
    const style = styleOf(io.stderr, io.env, color);
    io.stderr.write(failureText(error, style, argv.includes('--json')));
    return statusOf(error);
  }
}

interface GlobalOptions {
  readonly netns: string | undefined;
  /** Those that only say something to the commands of `ipvs`. */
  readonly others: readonly string[];
  /** What comes after. */
  readonly rest: readonly string[];
}

// What is common to all commands may stand in front of them. What is wrong there is told later, by
// what reads all of it.
function globalOptions(argv: readonly string[]): GlobalOptions {
  const others: string[] = [];
  let netns: string | undefined;
  let at = 0;
  for (; ; at++) {
    const [, name = '', value] = /^(--[a-z-]+)(?:=(.*))?$/s.exec(argv[at] ?? '') ?? [];
    if (name === '--netns') netns = value ?? argv[++at];
    else if (name === '--json' || name === '--deadline') others.push(name);
    else if (name !== '--no-color') return { netns, others, rest: argv.slice(at) };
    if (name === '--deadline' && value === undefined) at++;
  }
}

function notForAdm(option: string): Error {
  return usageError(
    `${option} does not go with adm: what comes out is what ipvsadm writes`,
    option === '--json' ? '"ipvs list --json" shows the table to programs' : undefined,
  );
}

function runAdm(args: readonly string[], io: Io, program: string, netns?: string): Promise<number> {
  const { stdout, stderr } = io;
  const options = {
    program,
    ...(netns !== undefined && { netns: netnsOf(netns) }),
    stdout,
    stderr,
    get stdin() {
      return io.stdin; // opened only where it is read
    },
  };
  return lazy.adm().runAdm(args, options);
}

async function runProgram(
  argv: readonly string[],
  io: Io,
  color: boolean | undefined,
): Promise<number> {
  const state = { io, color, status: Exit.done as number };
  await lazy.program().makeProgram(state).parseAsync(argv, { from: 'user' });
  return state.status;
}

// Looking at the table is what people and scripts do all the time: reading the description of all
// commands first, and what reads it, would be half of what it takes.
function isPlainList([command, ...options]: readonly string[]): boolean {
  return command === 'list' && options.every((each) => each === '--json' || each === '--no-color');
}

async function plainList(argv: readonly string[], io: Io): Promise<number> {
  const options = { json: argv.includes('--json'), color: !argv.includes('--no-color') };
  const context = new Context(io, options);
  try {
    return await lazy.list().quickList(context);
  } finally {
    await context.close();
  }
}

function version(): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- where it is published
  return (require('../../package.json') as { version: string }).version;
}

const HELPED = Symbol('help was shown where a command was missing');

/** Commander's errors as ours; undefined where help was asked for and shown. */
function ofCommander(error: unknown, argv: readonly string[]): unknown {
  const { code, message, exitCode } = error as { code?: unknown } & Error & { exitCode?: number };
  if (typeof code !== 'string' || !code.startsWith('commander.')) return error;
  if (exitCode === 0) return undefined;
  if (code === 'commander.help') return HELPED;
  const [said = '', hint] = message.replace(/^error: /, '').split('\n');
  return usageError(said, lazy.meant().meant(argv) ?? hint?.replace(/^\(|\)$/g, ''));
}
