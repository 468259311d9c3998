// The handle on the kernel's settings in /proc/sys.

// For programs that are compiled without @types/node, which declares Symbol.asyncDispose too.
/// <reference lib="esnext.disposable" preserve="true" />

import { constants } from 'node:os';
import { NativeFailure } from '../native.js';
import type { Handle } from './handle.js';
import { parts } from './lazy.js';
import type { PlaceOptions, SysctlEntry } from './types.js';

const { EACCES, EISDIR, ENOENT, ENOTDIR, EPERM, EROFS } = constants.errno;

/**
 * Kernel settings, as a network namespace has them.
 *
 * A name has dots ('net.ipv4.ip_forward'), and a slash for a dot inside of a part
 * ('net.ipv4.conf.eth0/100.arp_ignore'); or slashes, and dots are dots
 * ('net/ipv4/conf/eth0.100/arp_ignore'). The first separator says which, as with sysctl(8).
 *
 * Calls are carried out in their order. What fails rejects with a {@link NetworkError}.
 */
export class Sysctl {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Opens a handle. Rejects as {@link Network.open} does. */
  static async open(options?: PlaceOptions): Promise<Sysctl> {
    return new Sysctl(await parts().Handle.open(options));
  }

  /** Closes the handle when everything that was asked is done. Repeating it is harmless. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The same as {@link Sysctl.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The value without the line's end; undefined where there is no such setting. Rejects with
   * `EACCES` or `EPERM` where it may not be read, `EISDIR` for a folder of settings.
   */
  async get(name: string): Promise<string | undefined> {
    const file = parts().parseSettingName(name);
    const request = { command: 'get sysctl', subject: parts().settingName(file), changes: false };
    return this.#handle.track(request, async () => {
      const text = await this.#handle.try<string>((native, _rest, done) => {
        native.readFile(file, done);
      });
      if (!(text instanceof NativeFailure)) return withoutEnd(text);
      if (isAbsent(text)) return undefined;
      throw await this.#handle.explain(text, request);
    });
  }

  /**
   * Sets it, with a single write. Booleans are 1 and 0.
   *
   * Rejects with `ENOENT` where there is no such setting, `EROFS` where /proc/sys is read-only, as in
   * most containers, `EACCES` or `EPERM` where it may not be written, `EINVAL` where the kernel does
   * not take the value.
   */
  async set(name: string, value: string | number | boolean): Promise<void> {
    const file = parts().parseSettingName(name);
    const text = parts().parseSettingValue(value);
    const request = { command: 'set sysctl', subject: parts().settingName(file), changes: true };
    return this.#handle.request<undefined>(request, (native, _rest, done) => {
      native.writeFile(file, `${text}\n`, done);
    });
  }

  /**
   * All settings below a name, or all there are, sorted; those that can't be read are left out. None
   * where there is nothing of that name.
   */
  async list(prefix?: string): Promise<SysctlEntry[]> {
    const folder = prefix === undefined ? '/proc/sys' : parts().parseSettingName(prefix, 'prefix');
    const subject = prefix === undefined ? '' : parts().settingName(folder);
    const request = { command: 'list sysctl', subject, changes: false };
    return this.#handle.track(request, async () => {
      const texts = await this.#handle.try<readonly string[]>((native, _rest, done) => {
        native.readTree(folder, done);
      });
      if (texts instanceof NativeFailure) {
        if (isAbsent(texts)) return [];
        throw await this.#handle.explain(texts, request);
      }
      const entries: SysctlEntry[] = [];
      for (let i = 0; i < texts.length; i += 2) {
        entries.push({
          name: parts().settingName(texts[i] ?? ''),
          value: withoutEnd(texts[i + 1] ?? ''),
        });
      }
      return entries;
    });
  }

  /**
   * Whether it may be written here: false on a read-only /proc/sys, without the rights, and where
   * there is no such setting. Writes nothing.
   */
  async isWritable(name: string): Promise<boolean> {
    const file = parts().parseSettingName(name);
    const request = { command: 'check sysctl', subject: parts().settingName(file), changes: false };
    return this.#handle.track(request, async () => {
      const outcome = await this.#handle.try<undefined>((native, _rest, done) => {
        native.check(file, done);
      });
      if (!(outcome instanceof NativeFailure)) return true;
      if (isAbsent(outcome) || DENIALS.includes(outcome.errno)) return false;
      throw await this.#handle.explain(outcome, request);
    });
  }
}

const DENIALS = [EACCES, EPERM, EROFS, EISDIR];

const isAbsent = ({ errno, syscall }: NativeFailure): boolean =>
  syscall !== '' && (errno === ENOENT || errno === ENOTDIR);

const withoutEnd = (text: string): string => (text.endsWith('\n') ? text.slice(0, -1) : text);
