// The table of connections, as native code reads it from the kernel's file: portion by portion.

import type { NativeConnectionList, NativeFailure } from './native.js';
import type { ConnectionRecord } from './records.js';

export const CONNECTIONS_FILE = '/proc/thread-self/net/ip_vs_conn';

/** So many entries are read at a time. */
export const PORTION = 500;

export interface Portion {
  readonly entries: ConnectionRecord[];
  /** Whether there is no other one. */
  readonly end: boolean;
}

/** The next entries, `most` of them or fewer. */
export function readPortion(
  list: NativeConnectionList,
  most: number,
): Promise<Portion | NativeFailure> {
  return new Promise((resolve) => {
    list.read(most, (failure, entries, end) => {
      resolve(failure ?? { entries, end });
    });
  });
}
