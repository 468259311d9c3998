// A terminal that is taken over, and given back as it was however the command ends.

import { columnsOf } from './terminal.js';
import type { Io } from './terminal.js';
import type { ScreenSize } from './render/watch.js';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[H'; // the alternate screen, without a cursor
const LEAVE = '\x1b[?25h\x1b[?1049l';

/** What the user or the system wants. */
export type ScreenEvent =
  | { readonly type: 'key'; readonly key: string }
  | { readonly type: 'resize' }
  | { readonly type: 'signal'; readonly signal: NodeJS.Signals };

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

export class Screen {
  readonly #io: Io;
  readonly #onEvent: (event: ScreenEvent) => void;
  readonly #listeners = new Map<NodeJS.Signals, () => void>();
  #open = false;

  constructor(io: Io, onEvent: (event: ScreenEvent) => void) {
    this.#io = io;
    this.#onEvent = onEvent;
  }

  open(): void {
    const { stdin, stdout } = this.#io;
    this.#open = true;
    for (const signal of SIGNALS) {
      const listener = () => this.#onEvent({ type: 'signal', signal });
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
    process.on('SIGCONT', this.#onContinue);
    process.on('exit', this.#leave);
    stdin.on('data', this.#onData);
    stdin.setRawMode?.(true);
    stdin.resume();
    stdout.on?.('resize', this.#onResize);
    stdout.write(ENTER);
  }

  close(): void {
    const { stdin, stdout } = this.#io;
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
    process.off('SIGCONT', this.#onContinue);
    process.off('exit', this.#leave);
    stdin.off('data', this.#onData);
    stdin.pause();
    stdout.off?.('resize', this.#onResize);
    this.#leave();
  }

  get size(): ScreenSize {
    const { stdout } = this.#io;
    const { rows = 0 } = stdout;
    return { columns: columnsOf(stdout), rows: rows > 0 ? rows : 24 };
  }

  /** Replaces what is shown, at once: nothing flickers. */
  draw(lines: readonly string[]): void {
    this.#io.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
  }

  readonly #leave = (): void => {
    if (!this.#open) return;
    this.#open = false;
    this.#io.stdin.setRawMode?.(false);
    this.#io.stdout.write(LEAVE);
  };

  // The shell had the terminal meanwhile.
  readonly #onContinue = (): void => {
    this.#io.stdin.setRawMode?.(true);
    this.#io.stdout.write(ENTER);
    this.#onEvent({ type: 'resize' });
  };

  readonly #onResize = (): void => this.#onEvent({ type: 'resize' });

  readonly #onData = (data: Buffer | string): void => {
    for (const key of keysOf(String(data))) this.#onEvent({ type: 'key', key });
  };
}

const NAMES: Readonly<Record<string, string>> = {
  '\x03': 'interrupt',
  '\x1b[A': 'up',
  '\x1bOA': 'up',
  '\x1b[B': 'down',
  '\x1bOB': 'down',
  '\x1b[5~': 'page-up',
  '\x1b[6~': 'page-down',
  '\x1b[H': 'home',
  '\x1b[1~': 'home',
  '\x1b[F': 'end',
  '\x1b[4~': 'end',
  ' ': 'space',
};

/** What was pressed: a fast typist's keys come together, and an arrow is several characters. */
function keysOf(data: string): string[] {
  // eslint-disable-next-line no-control-regex -- keys are such
  const parts = data.match(/\x1b[[O][\d;]*[A-Za-z~]|[^]/g) ?? [];
  return parts.map((part) => NAMES[part] ?? part);
}
