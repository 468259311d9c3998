// ipvs watch

import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SnapshotService, Stats } from '../../types.js';
import type { Context } from '../context.js';
import { Exit, tell, usageError } from '../failure.js';
import { statsLines } from '../render/stats.js';
import { rowCount, tableRows, watchLines, wholeLines } from '../render/watch.js';
import type { ScreenSize, SortKey, WatchModel } from '../render/watch.js';
import { Screen } from '../screen.js';
import type { ScreenEvent } from '../screen.js';
import { select } from '../select.js';
import { parseDuration, parseNumber } from '../words.js';

export interface WatchFlags {
  readonly interval?: string;
  readonly count?: string;
  readonly sort?: SortKey;
}

interface View {
  readonly services: readonly SnapshotService[];
  readonly total: Stats;
}

/** Shows what happens, again and again: on a terminal as a screen, otherwise one view after another. */
export async function watch(
  context: Context,
  kind: string | undefined,
  name: string | undefined,
  { interval: time = '2s', count: most, sort = 'conns' }: WatchFlags,
): Promise<number> {
  const interval = parseDuration(time, '--interval');
  if (interval < 1)
    throw usageError('--interval is at least 1s: the kernel counts every 2 seconds');
  const count = most === undefined ? Infinity : parseNumber(most, '--count');
  const look = async (): Promise<View> => {
    const ipvs = await context.ipvs();
    return { services: await select(context, kind, name), total: await ipvs.getStats() };
  };
  const isScreen = context.isTerminal && !context.json && context.io.stdin.isTTY === true;
  return isScreen
    ? new Watch(context, look, interval, sort).run(count)
    : printViews(context, look, interval, count);
}

async function printViews(
  context: Context,
  look: () => Promise<View>,
  interval: number,
  count: number,
): Promise<number> {
  const { style, width } = context;
  for (let done = 0; done < count; done++) {
    if (done > 0) await sleep(interval * 1000);
    const { services, total } = await look();
    const time = new Date().toISOString();
    if (context.json) {
      await context.write(`${JSON.stringify({ time, total, services })}\n`);
    } else {
      const lines = statsLines(services, total, { view: 'rates', exact: true, style, width });
      await context.print([...(done > 0 ? [''] : []), time, ...lines]);
    }
  }
  return Exit.done;
}

const SORT_KEYS: Readonly<Record<string, SortKey>> = {
  n: 'name',
  c: 'conns',
  a: 'active',
  i: 'in',
  o: 'out',
  p: 'packets',
};

class Watch {
  readonly #context: Context;
  readonly #look: () => Promise<View>;
  readonly #interval: number;
  readonly #screen: Screen;
  readonly #end = new AbortController();
  #model: WatchModel | undefined;
  #sort: SortKey;
  #status: number = Exit.done;

  constructor(context: Context, look: () => Promise<View>, interval: number, sort: SortKey) {
    this.#context = context;
    this.#look = look;
    this.#interval = interval;
    this.#sort = sort;
    this.#screen = new Screen(context.io, (event) => this.#on(event));
  }

  async run(count: number): Promise<number> {
    // Before the screen is taken: a failure is told where it can be read.
    await this.#refresh();
    if (count > 1) await this.#runOnScreen(count);
    // What nobody has left by a key is still wanted.
    if (!this.#end.signal.aborted) await this.#print();
    return this.#status;
  }

  async #runOnScreen(count: number): Promise<void> {
    this.#screen.open();
    try {
      this.#draw();
      for (let done = 1; done < count; done++) {
        if (!(await this.#wait())) break;
        if (this.#model?.paused !== true) await this.#refresh();
        this.#draw();
      }
    } finally {
      this.#screen.close();
    }
  }

  async #print(): Promise<void> {
    if (this.#model === undefined) return;
    const { style } = this.#context;
    await this.#context.print(wholeLines(this.#model, this.#screen.size.columns, style));
  }

  /** Resolves to false where it is over. */
  async #wait(): Promise<boolean> {
    const { signal } = this.#end;
    return sleep(this.#interval * 1000, true, { signal }).catch(() => false);
  }

  async #refresh(): Promise<void> {
    const old = this.#model;
    try {
      const view = await this.#look();
      this.#model = {
        sort: this.#sort,
        reversed: false,
        servers: 'auto',
        offset: 0,
        paused: false,
        interval: this.#interval,
        ...this.#model,
        ...view,
        time: clock(),
        problem: undefined,
      };
    } catch (error) {
      if (old === undefined) throw error;
      this.#model = { ...old, problem: tell(error).message };
    }
  }

  #draw(): void {
    const { size } = this.#screen;
    if (this.#model === undefined) return;
    const model = scrolled(this.#model, 0, size);
    this.#model = model;
    this.#screen.draw(watchLines(model, size, this.#context.style));
  }

  #on(event: ScreenEvent): void {
    switch (event.type) {
      case 'resize':
        this.#draw();
        return;
      case 'signal':
        this.#quit(128 + constants.signals[event.signal]);
        return;
      case 'key':
        this.#press(event.key);
    }
  }

  #press(key: string): void {
    if (this.#model === undefined) return;
    if (key === 'q' || key === 'Q') {
      this.#quit(Exit.done);
    } else if (key === 'interrupt') {
      this.#quit(Exit.interrupted);
    } else {
      this.#model = pressed(this.#model, key, this.#screen.size);
      this.#draw();
    }
  }

  #quit(status: number): void {
    this.#status = status;
    this.#end.abort();
  }
}

/** What a key makes of what is shown. */
export function pressed(model: WatchModel, key: string, size: ScreenSize): WatchModel {
  if (model.help === true) return { ...model, help: false };
  if (key === '?' || key === 'h') return { ...model, help: true };
  const sort = SORT_KEYS[key];
  if (sort !== undefined) return { ...model, sort, reversed: false, offset: 0 };
  const page = tableRows(size);
  switch (key) {
    case 'r':
      return { ...model, reversed: !model.reversed };
    case 's': {
      const shown = rowCount(model, size) > model.services.length;
      return { ...model, servers: shown ? 'hidden' : 'shown', offset: 0 };
    }
    case 'space':
      return { ...model, paused: !model.paused };
    case 'up':
    case 'k':
      return scrolled(model, -1, size);
    case 'down':
    case 'j':
      return scrolled(model, 1, size);
    case 'page-up':
      return scrolled(model, -page, size);
    case 'page-down':
      return scrolled(model, page, size);
    case 'home':
      return scrolled(model, -Infinity, size);
    case 'end':
      return scrolled(model, Infinity, size);
    default:
      return model;
  }
}

// Never past the last page, whatever went away meanwhile.
function scrolled(model: WatchModel, by: number, size: ScreenSize): WatchModel {
  const last = Math.max(0, rowCount(model, size) - tableRows(size));
  return { ...model, offset: Math.max(0, Math.min(last, model.offset + by)) };
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}
