// ipvs help, ipvs completion: what is made from the tree of commands

import { completionScript } from '../completion.js';
import type { Shell } from '../completion.js';
import type { CliCommand } from '../command.js';
import type { Context } from '../context.js';
import { Exit, usageError } from '../failure.js';
import { manualPage } from '../manual.js';
import { makeProgram } from '../program.js';

export async function completion(context: Context, shell: Shell): Promise<number> {
  await context.write(completionScript(makeProgram(), shell));
  return Exit.done;
}

export interface HelpFlags {
  readonly man?: boolean;
}

/** Explains a command: the same as --help behind it. */
export async function help(
  context: Context,
  words: readonly string[],
  { man = false }: HelpFlags,
  own: CliCommand,
): Promise<number> {
  if (man) {
    await context.write(manualPage(makeProgram()));
    return Exit.done;
  }
  let command = own.root;
  for (const word of words) {
    const next = command.commands.find(
      (each) => each.name() === word || each.aliases().includes(word),
    );
    if (next === undefined) throw usageError(`there is no command '${words.join(' ')}'`);
    command = next;
  }
  command.outputHelp();
  return Exit.done;
}
