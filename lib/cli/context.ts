// What every command is given: how to reach IPVS, and how to say what came of it.

import type { Ipvs } from '../ipvs.js';
import type { OpenOptions } from '../types.js';
import { failureText } from './failure.js';
import { lazy } from './lazy.js';
import { columnsOf, styleOf, widthOf } from './terminal.js';
import type { Io, Style } from './terminal.js';
import { parseDuration } from './words.js';

/** The options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly netns?: string;
  readonly deadline?: string;
  /** False with --no-color. */
  readonly color?: boolean;
}

// So much is given to a stream at once.
const PORTION = 64 * 1024;

/** The network namespace that words name, as the library takes it. */
export function netnsOf(words: string): string | { pid: number } {
  const pid = /^pid:(\d{1,10})$/.exec(words)?.[1];
  return pid === undefined ? words : { pid: Number(pid) };
}

export class Context {
  readonly io: Io;
  readonly json: boolean;
  /** Of standard output. */
  readonly style: Style;
  readonly #options: CommonOptions;
  #ipvs: Promise<Ipvs> | undefined;

  constructor(io: Io, options: CommonOptions) {
    this.io = io;
    this.json = options.json === true;
    this.#options = options;
    this.style = styleOf(io.stdout, io.env, this.#color);
  }

  get #color(): false | undefined {
    return this.#options.color === false ? false : undefined;
  }

  /** Of standard error. */
  get errorStyle(): Style {
    return styleOf(this.io.stderr, this.io.env, this.#color);
  }

  /** Of a line of standard output; Infinity where it is not for eyes. */
  get width(): number {
    return widthOf(this.io.stdout);
  }

  /** Whether somebody sees standard output come. */
  get isTerminal(): boolean {
    return this.io.stdout.isTTY === true;
  }

  /** The network namespace that the user named, as the library takes it. */
  get netns(): OpenOptions['netns'] {
    const { netns } = this.#options;
    return netns === undefined ? undefined : netnsOf(netns);
  }

  /** The one handle of this command. */
  ipvs(): Promise<Ipvs> {
    this.#ipvs ??= this.#open();
    return this.#ipvs;
  }

  /** Where and how the library is to work. */
  get openOptions(): OpenOptions {
    const { deadline } = this.#options;
    const { netns } = this;
    return {
      ...(netns !== undefined && { netns }),
      ...(deadline !== undefined && { timeout: parseDuration(deadline, '--deadline') * 1000 }),
    };
  }

  // An error of its options is a rejection too.
  async #open(): Promise<Ipvs> {
    return lazy.ipvs().Ipvs.open(this.openOptions);
  }

  async close(): Promise<void> {
    await this.#ipvs?.then(
      (ipvs) => ipvs.close(),
      () => undefined,
    );
  }

  /** Lines on standard output. */
  async print(lines: Iterable<string>): Promise<void> {
    let text = '';
    for (const line of lines) {
      text += `${line}\n`;
      if (text.length < PORTION) continue;
      await this.write(text);
      text = '';
    }
    if (text !== '') await this.write(text);
  }

  async printJson(value: unknown): Promise<void> {
    await this.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** Resolves when the reader has room again. */
  async write(text: string): Promise<void> {
    const { stdout } = this.io;
    if (!stdout.write(text) && stdout.once) {
      await new Promise<void>((resolve) => stdout.once?.('drain', resolve));
    }
  }

  /** A remark beside the output, for people only. */
  remark(text: string): void {
    if (this.isTerminal && !this.json) this.io.stderr.write(`${this.errorStyle.dim(text)}\n`);
  }

  /** Something that went another way than somebody may think; on standard error, always. */
  warn(text: string): void {
    this.io.stderr.write(`${this.errorStyle.yellow('warning:')} ${text}\n`);
  }

  /** Something that was not done, where the command goes on all the same. */
  fail(error: unknown): void {
    this.io.stderr.write(failureText(error, this.errorStyle, this.json));
  }

  /** One line that says how far something is, replaced again and again; silent in a pipe. */
  progress(): Progress {
    const { stderr } = this.io;
    if (stderr.isTTY !== true || this.json) return { show: () => undefined, end: () => undefined };
    let shown = false;
    return {
      show: (text) => {
        shown = true;
        stderr.write(`\r\x1b[K${text.slice(0, columnsOf(stderr) - 1)}`);
      },
      end: () => {
        if (shown) stderr.write('\r\x1b[K');
      },
    };
  }
}

export interface Progress {
  show(text: string): void;
  end(): void;
}
