// What was changed on a node, so that it can be put back: also by another process, and after a crash
// at any byte. A line is on disk before the change that it is about is made.

import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClusterError } from './errors.js';
import { fits, isOneOf, keyOf } from './resources.js';
import type { Resource } from './resources.js';
import type { Value } from './types.js';

/** Something whose value the kernel changes along with another's. */
export interface Disturbed {
  readonly resource: Resource;
  readonly value: Value;
}

/** A line of the file. */
export type Line =
  | {
      /** About to change this. */
      readonly line: 'change';
      readonly resource: Resource;
      readonly before: Value;
      readonly after: Value;
      /** What the kernel will change along with it, as it was before. */
      readonly disturbed?: readonly Disturbed[];
      /** It mends what was found wrong: only a revert takes it back. */
      readonly mends?: true;
    }
  | {
      /** The change was made; so the kernel has left what it changed along with it. */
      readonly line: 'disturbed';
      readonly resource: Resource;
      readonly disturbed: readonly Disturbed[];
    }
  | {
      /** About to put this back; what is disturbed by that is to be so afterwards. */
      readonly line: 'restore';
      readonly resource: Resource;
      readonly disturbed: readonly Disturbed[];
    }
  | {
      /** It was put back: whoever changes it from now on is somebody else. */
      readonly line: 'reverted';
      readonly resource: Resource;
      /** Only what was disturbed by it: the thing itself was changed by somebody else. */
      readonly kept?: true;
    }
  | {
      /** apply() has taken it back: whoever changes it from now on is somebody else. */
      readonly line: 'taken-back';
      readonly resource: Resource;
    }
  | {
      /** The neighbours were told of this address since its last change. */
      readonly line: 'announced';
      readonly resource: Resource;
    };

/** What the first line says, to tell whose journal it is. */
export interface Header {
  readonly journal: 1;
  readonly node: string;
  /** The network namespace, whichever way it was reached, and the boot. */
  readonly namespace: string;
}

interface Link {
  readonly before: Value;
  readonly after: Value;
  readonly mends: boolean;
}

/** All that was done to one thing. */
export class Chain {
  readonly resource: Resource;
  #links: readonly Link[] = [];
  /** What the kernel changed along with it: as it was at first, and as it was left. */
  before: readonly Disturbed[] = [];
  left: readonly Disturbed[] | undefined;
  /** Whether it was made here, and not announced since. */
  isNews = false;
  /** Where putting back was begun: how what is disturbed is to be in the end. */
  restoring: readonly Disturbed[] | undefined;

  constructor(resource: Resource) {
    this.resource = resource;
  }

  add(line: Line): void {
    switch (line.line) {
      case 'change': {
        const { before, after, disturbed = [], mends = false } = line;
        this.#links = [...this.#links, { before, after, mends }];
        // What was noted before was so before.
        this.before = [...this.before, ...without(disturbed, this.before)];
        this.left = this.left && without(this.left, disturbed);
        this.restoring = undefined;
        this.isNews = after !== null;
        break;
      }
      case 'disturbed':
        this.left = [...without(this.left ?? [], line.disturbed), ...line.disturbed];
        break;
      case 'restore':
        this.restoring = line.disturbed;
        break;
      case 'announced':
        this.isNews = false;
        break;
      case 'taken-back':
        // It keeps its place among the others, in case it comes again: what needs it comes after it.
        this.isNews = false;
        this.#links = this.#mend === undefined ? [] : [{ ...this.#mend, before: this.#original }];
        break;
      case 'reverted':
        this.before = [];
        this.left = undefined;
        this.restoring = undefined;
        break;
    }
  }

  get #original(): Value {
    return this.#links[0]?.before ?? null;
  }

  /** The last change that mended what was found wrong. */
  get #mend(): Link | undefined {
    return this.#links.findLast(({ mends }) => mends);
  }

  /** What apply() leaves there when nobody wants it any more: not what a check has found wrong. */
  get #rest(): Value {
    const mend = this.#mend;
    return mend === undefined ? this.#original : mend.after;
  }

  #isOurs(present: Value): boolean {
    return isOneOf([this.#original, ...this.#links.map(({ after }) => after)], present);
  }

  /** What apply() has to make of it when nobody wants it any more; undefined: it stays. */
  takeBack(present: Value): Value | undefined {
    const isSettled = this.#links.at(-1)?.mends ?? true;
    const target = this.#rest;
    return isSettled || !this.#isOurs(present) || fits(target, present) ? undefined : target;
  }

  /** Whether this is what apply() leaves there. */
  isTakenBackBy(after: Value): boolean {
    // An address that comes back is to be announced first.
    return fits(this.#rest, after) && (this.resource.kind !== 'address' || after === null);
  }

  /**
   * What has to be there so that all is as before our first change. `kept`: somebody else has changed
   * it since our last one, and so it stays. What others did in between was changed by us again.
   */
  unwind(present: Value): { readonly target: Value; readonly kept: boolean } {
    if (this.#links.length === 0) return { target: present, kept: false };
    return this.#isOurs(present)
      ? { target: this.#original, kept: false }
      : { target: present, kept: true };
  }
}

function without(list: readonly Disturbed[], others: readonly Disturbed[]): Disturbed[] {
  const keys = new Set(others.map(({ resource }) => keyOf(resource)));
  return list.filter(({ resource }) => !keys.has(keyOf(resource)));
}

/** By what they are about, in the order in which they were first changed. */
export type Chains = ReadonlyMap<string, Chain>;

function note(chains: Map<string, Chain>, lines: readonly Line[]): void {
  for (const line of lines) {
    const key = keyOf(line.resource);
    if (line.line === 'reverted' && line.kept !== true) {
      chains.delete(key);
      continue;
    }
    let chain = chains.get(key);
    if (chain === undefined) chains.set(key, (chain = new Chain(line.resource)));
    chain.add(line);
  }
}

/** The journal of one node in one network namespace. */
export class Journal {
  readonly path: string;
  readonly #header: Header;
  readonly #chains = new Map<string, Chain>();
  #file: FileHandle | undefined;
  /** Bytes of whole lines: what is behind them was being written when the writer died. */
  #length = 0;
  /** Whose the file is that is there, where it is not ours. */
  #foreign: string | undefined;
  #isHidden = false;

  private constructor(path: string, header: Header) {
    this.path = path;
    this.#header = header;
  }

  /** Reads what there is of it. */
  static async read(path: string, header: Header): Promise<Journal> {
    const journal = new Journal(path, header);
    let text: Buffer;
    try {
      text = await readFile(path);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return journal;
      throw failure('read the journal', path, error);
    }
    const end = text.lastIndexOf('\n') + 1;
    const [first, ...rest] = text.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
    if (first === undefined) return journal;
    try {
      const found = JSON.parse(first) as { [Name in keyof Header]?: unknown };
      // Of an earlier boot, where the folder outlives it.
      if (found.namespace !== header.namespace || found.node !== header.node) {
        journal.#foreign = `${String(found.namespace)} ${String(found.node)}`;
        return journal;
      }
      if (found.journal !== header.journal)
        throw new Error(`its format is ${String(found.journal)}`);
      note(
        journal.#chains,
        rest.map((each) => JSON.parse(each) as Line),
      );
    } catch (error) {
      throw failure('read the journal', path, error);
    }
    journal.#length = end;
    return journal;
  }

  /** For looking only: one that this process may not read counts as none. */
  static async readIfAllowed(path: string, header: Header): Promise<Journal> {
    try {
      return await Journal.read(path, header);
    } catch (error) {
      const { cause } = error as { cause?: { code?: string } };
      if (cause?.code !== 'EACCES') throw error;
      const journal = new Journal(path, header);
      journal.#isHidden = true;
      return journal;
    }
  }

  /** Whether there may be one that could not be read. */
  get isHidden(): boolean {
    return this.#isHidden;
  }

  get chains(): Chains {
    return this.#chains;
  }

  /** Writes lines; they are on disk when it resolves. */
  async append(lines: readonly Line[]): Promise<void> {
    if (lines.length === 0) return;
    try {
      const file = await this.#write(lines);
      await file.datasync();
    } catch (error) {
      throw failure('write the journal', this.path, error);
    }
    note(this.#chains, lines);
  }

  /**
   * Notes what may as well get lost: then it is only not remembered. So a disk that is full is no
   * reason not to put back what there is.
   */
  async mention(line: Line): Promise<void> {
    await this.#write([line]).catch(() => undefined);
    note(this.#chains, [line]);
  }

  async #write(lines: readonly Line[]): Promise<FileHandle> {
    const text = lines.map((each) => `${JSON.stringify(each)}\n`).join('');
    try {
      this.#file ??= await this.#open();
      await this.#file.appendFile(text);
    } catch (error) {
      // What was written of it is cut off where it is opened again.
      await this.close();
      throw error;
    }
    this.#length += Buffer.byteLength(text);
    return this.#file;
  }

  async #open(): Promise<FileHandle> {
    const {
      O_RDWR,
      O_CREAT,
      O_APPEND,
      O_CLOEXEC = 0,
      O_NOFOLLOW,
    } = constants as typeof constants & {
      O_CLOEXEC?: number;
    };
    await makeFolder(dirname(this.path));
    await this.#setForeignAside();
    const flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    const file = await open(this.path, flags, 0o600);
    try {
      await file.truncate(this.#length);
      if (this.#length === 0) {
        const header = `${JSON.stringify(this.#header)}\n`;
        await file.appendFile(header);
        await syncFolder(dirname(this.path));
        this.#length = Buffer.byteLength(header);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }

  /** What somebody may still want to know is kept, under another name for each of them. */
  async #setForeignAside(): Promise<void> {
    if (this.#foreign === undefined) return;
    const whose = this.#foreign.replaceAll(/[^\w:[\].-]+/g, '-');
    await rename(this.path, `${this.path}.stale-${whose}`);
    this.#foreign = undefined;
  }

  /** Takes the file away: everything is as it was. One that is not ours stays. */
  async remove(): Promise<void> {
    await this.close();
    if (this.#foreign !== undefined) return;
    try {
      await unlink(this.path);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') {
        throw failure('remove the journal', this.path, error);
      }
    }
    this.#chains.clear();
    this.#length = 0;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** Not those above it: a folder that is not there at all is a mistake. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } catch {
    // Not every file system can: then its order is its own affair.
  } finally {
    await folder.close();
  }
}

/** What is said of a folder that does not serve. */
export function failure(command: string, path: string, cause: unknown): ClusterError {
  const { message } = cause as Error;
  return new ClusterError(`${command} ${path}`, {
    code: 'ERR_IPVS_JOURNAL',
    sentence: message,
    hint: 'the option "journal" names a folder that this process may write to and that survives it',
    cause,
  });
}
