// Commander's Command, with what help, manual page and completion are made of beside it.

import { Command } from 'commander';
import { Context } from './context.js';
import type { CommonOptions } from './context.js';
import { usageError } from './failure.js';
import { makeStyle, styleOf, widthOf } from './terminal.js';
import type { Io, Style } from './terminal.js';

/** A command line that works, and what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** What a command does. After the context come its arguments, then its options, then the command. */
export type Work = (context: Context, ...args: never[]) => Promise<number>;

/** Where a command runs, and what comes of it. */
export interface Run {
  readonly io: Io;
  /** False with --no-color, undefined where the terminal decides. */
  readonly color: boolean | undefined;
  status: number;
}

const WIDEST_HELP = 100;

export class CliCommand extends Command {
  declare readonly commands: readonly CliCommand[];
  declare readonly parent: CliCommand | null;
  readonly examples: Example[] = [];
  /** Whether it does something by itself. */
  works = false;
  #run: Run | undefined;

  /** Commander makes subcommands with this; they inherit its settings. */
  override createCommand(name?: string): CliCommand {
    const command = new CliCommand(name);
    command.#run = this.#run;
    return command;
  }

  /** A subcommand, to be described further. */
  sub(usage: string, summary: string, description = sentence(summary)): CliCommand {
    const command = this.command(usage) as CliCommand;
    return command.helpCommand(false).summary(summary).description(description);
  }

  example(line: string, does: string): this {
    if (this.examples.length === 0) this.addHelpText('after', () => this.#exampleText());
    this.examples.push({ line, does });
    return this;
  }

  /** `load` gives what it does, when it is wanted. */
  does(load: () => Work): this {
    this.works = true;
    return this.action(async (...all: unknown[]) => {
      const run = this.#run;
      if (run === undefined) throw new Error('this tree is for its descriptions only');
      const options = this.optsWithGlobals<CommonOptions & { readonly version?: boolean }>();
      if (options.version === true) {
        throw usageError('--version stands in place of a command: ipvs --version');
      }
      const context = new Context(run.io, options);
      try {
        run.status = await load()(context, ...(all as never[]));
      } finally {
        await context.close();
      }
    });
  }

  get root(): CliCommand {
    return this.parent?.root ?? this;
  }

  /** Has this command, and those below it that come after, run there. */
  runIn(run: Run): this {
    this.#run = run;
    const { stdout, stderr } = run.io;
    const style = this.#style();
    return this.exitOverride()
      .configureOutput({
        writeOut: (text) => stdout.write(text),
        writeErr: (text) => stderr.write(text),
        getOutHelpWidth: () => Math.min(widthOf(stdout), WIDEST_HELP),
        getErrHelpWidth: () => Math.min(widthOf(stderr), WIDEST_HELP),
        getOutHasColors: () => true, // the style knows
        getErrHasColors: () => true,
        outputError: () => undefined, // told with all other failures
      })
      .configureHelp({
        showGlobalOptions: true,
        subcommandTerm: (command) => [command.name(), ...command.aliases()].join(', '),
        styleTitle: style.bold,
        styleSubcommandTerm: style.cyan,
        styleOptionTerm: style.cyan,
        styleArgumentTerm: style.cyan,
      });
  }

  #style(): Style {
    if (this.#run === undefined) return makeStyle(false, false);
    const { io, color } = this.#run;
    return styleOf(io.stdout, io.env, color);
  }

  #exampleText(): string {
    const style = this.#style();
    const lines = this.examples.map(({ line, does }) => `  ${line}\n      ${style.dim(does)}`);
    return `\n${style.bold('Examples:')}\n${lines.join('\n')}\n`;
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
