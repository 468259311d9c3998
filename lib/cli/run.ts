// A command line from its words to its exit status. Writes to what it is given, and never ends the
// process: tests run it inside theirs.

import { Exit, failureText, statusOf, tell, usageError } from './failure.js';
import { lazy } from './lazy.js';
import { styleOf } from './terminal.js';
import type { Io } from './terminal.js';

/** Runs `ipvs` with these arguments; resolves to the exit status. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  if (argv.includes('--version') || argv.includes('-V')) {
    io.stdout.write(`${version()}\n`);
    return Exit.done;
  }
  const color = argv.includes('--no-color') ? false : undefined;
  const state = { io, color, status: Exit.done as number };
  try {
    await lazy.program().makeProgram(state).parseAsync(argv, { from: 'user' });
    return state.status;
  } catch (thrown) {
    const error = ofCommander(thrown);
    if (error === undefined) return Exit.done;
    if (error === HELPED) return Exit.usage;
    if (argv.includes('--json')) io.stderr.write(`${JSON.stringify({ error: tell(error) })}\n`);
    else io.stderr.write(failureText(error, styleOf(io.stderr, io.env, color)));
    return statusOf(error);
  }
}

function version(): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- where it is published
  return (require('../../package.json') as { version: string }).version;
}

const HELPED = Symbol('help was shown where a command was missing');

/** Commander's errors as ours; undefined where help was asked for and shown. */
function ofCommander(error: unknown): unknown {
  const { code, message, exitCode } = error as { code?: unknown } & Error & { exitCode?: number };
  if (typeof code !== 'string' || !code.startsWith('commander.')) return error;
  if (exitCode === 0) return undefined;
  if (code === 'commander.help') return HELPED;
  const [said = '', hint] = message.replace(/^error: /, '').split('\n');
  return usageError(said, hint?.replace(/^\(|\)$/g, ''));
}
