// The two that are compared: the real ipvsadm, and the one that is carried out in this process.

import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runAdm } from '#lib/cli/adm/run';
import type { AdmResolver } from '#lib/cli/adm/resolver';
import { freshFolder } from './folder.js';

/** Arguments, and what comes from standard input. */
export interface Call {
  readonly args: readonly string[];
  readonly input?: string;
}

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Test {
  teardown(work: () => void | Promise<void>): void;
}

/** Carries a call out in this process. */
export async function ours(
  netns: string,
  { args, input = '' }: Call,
  {
    onLine,
    ...options
  }: {
    program?: string;
    resolver?: AdmResolver;
    /** Called with each line of the input that is read. */
    onLine?: (line: string) => void;
  } = {},
): Promise<Result> {
  let stdout = '';
  let stderr = '';
  const status = await runAdm(args, {
    ...options,
    netns,
    stdin: linesOf(input, onLine),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { status, stdout, stderr };
}

// eslint-disable-next-line @typescript-eslint/require-await -- as a stream gives it
async function* linesOf(text: string, onLine?: (line: string) => void): AsyncIterable<string> {
  for (const line of text.split(/(?<=\n)/)) {
    onLine?.(line);
    yield line;
  }
}

// A line of its own in both streams says that a call is over.
const END = '~~over~~';

/**
 * The real programs in a network namespace. A shell starts them one after the other: in the lab, each
 * process costs as much as a hundred calls of ours.
 */
export class RealIpvsadm {
  readonly #shell: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  #stdout = '';
  #stderr = '';
  #waiting: (() => void) | undefined;
  #files = 0;

  constructor(t: Test, netns: string) {
    this.#folder = freshFolder(t);
    this.#shell = spawn('ip', ['netns', 'exec', netns, 'sh'], { stdio: 'pipe' });
    this.#shell.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#stdout += text;
      this.#waiting?.();
    });
    this.#shell.stderr.setEncoding('latin1').on('data', (text: string) => {
      this.#stderr += text;
      this.#waiting?.();
    });
    t.teardown(() => {
      this.#shell.stdin.end();
    });
  }

  async run({ args, input }: Call, program = 'ipvsadm'): Promise<Result> {
    let source = '/dev/null';
    if (input !== undefined) {
      source = join(this.#folder, String(this.#files++));
      writeFileSync(source, input);
    }
    const command = [program, ...args.map(quote)].join(' ');
    this.#shell.stdin.write(
      `${command} <${source}\nprintf '${END} %s\\n' $?; printf '${END}\\n' >&2\n`,
    );
    const stdout = await this.#until(() => /~~over~~ (\d+)\n$/.exec(this.#stdout));
    const stderr = await this.#until(() => /~~over~~\n$/.exec(this.#stderr));
    const result = {
      status: Number(stdout[1]),
      stdout: this.#stdout.slice(0, stdout.index),
      stderr: this.#stderr.slice(0, stderr.index),
    };
    this.#stdout = '';
    this.#stderr = '';
    return result;
  }

  async #until(found: () => RegExpExecArray | null): Promise<RegExpExecArray> {
    for (;;) {
      const match = found();
      if (match !== null) return match;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
