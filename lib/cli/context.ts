// What every command is given: how to reach IPVS, and how to say what came of it.

import type { Ipvs } from '../ipvs.js';
import type { OpenOptions } from '../types.js';
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

export class Context {
  readonly io: Io;
  readonly json: boolean;
  /** Of standard output. */
  readonly style: Style;
  /** Of standard error. */
  readonly errorStyle: Style;
  readonly #options: CommonOptions;
  #ipvs: Promise<Ipvs> | undefined;

  constructor(io: Io, options: CommonOptions) {
    this.io = io;
    this.json = options.json === true;
    const wanted = options.color === false ? false : undefined;
    this.style = styleOf(io.stdout, io.env, wanted);
    this.errorStyle = styleOf(io.stderr, io.env, wanted);
    this.#options = options;
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
    const pid = netns?.match(/^pid:(\d{1,10})$/)?.[1];
    return pid === undefined ? netns : { pid: Number(pid) };
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
