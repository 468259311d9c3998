// Files as people name them: what is there stays what it is.

import type { Stats } from 'node:fs';
import { lstat, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { CliError } from './failure.js';

/** What stands for standard input or output. */
export const STANDARD = '-';

export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw failure(file, "can't be read", error);
  }
}

/**
 * Writes a file, whole or not at all: a full disk leaves the old one as it was. Its mode and owner
 * stay. Where a link leads to it, the link stays; a pipe or a device is written to.
 */
export async function writeText(file: string, text: string): Promise<void> {
  try {
    await write(file, text);
  } catch (error) {
    throw failure(file, "can't be written", error);
  }
}

async function write(file: string, text: string): Promise<void> {
  const present = await ifThere(stat(file));
  if (present === undefined) {
    // A link that leads nowhere yet leads to the new file.
    const isLink = (await ifThere(lstat(file))) !== undefined;
    return isLink ? writeFile(file, text) : replace(file, text);
  }
  if (!present.isFile()) return writeFile(file, text);
  try {
    await replace(await realpath(file), text, present);
  } catch (error) {
    if (!IN_PLACE.has(codeOf(error))) throw error;
    await writeFile(file, text);
  }
}

// The file may be written, and can't be replaced: its folder is somebody else's, so is the file, or
// it is mounted by itself.
const IN_PLACE: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EBUSY', 'EROFS']);

async function replace(file: string, text: string, like?: Stats): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  const handle = await open(fresh, 'wx', like === undefined ? 0o666 : 0o600);
  try {
    try {
      await handle.writeFile(text);
      // In this order: a change of owner may take bits of the mode away.
      if (like !== undefined) {
        await handle.chown(like.uid, like.gid);
        await handle.chmod(like.mode & 0o7777);
      }
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

async function ifThere(looked: Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await looked;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}

function failure(file: string, what: string, error: unknown): CliError {
  const { code = 'ERR_UNKNOWN', message } = error as NodeJS.ErrnoException;
  return new CliError(code, `${file} ${what}: ${message}`);
}
