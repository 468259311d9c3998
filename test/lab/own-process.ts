// What the kernel tells of this process.

import { readdirSync, readlinkSync } from 'node:fs';
import { until } from './until.js';

/** What its descriptors are of. */
export function descriptors(): string[] {
  return links('/proc/self/fd');
}

/** A thread that has been waited for may show a little longer, wherever it was. */
export async function untilThreadsAreHome(): Promise<void> {
  const home = readlinkSync('/proc/self/ns/net');
  await until('every thread is in the namespace of the process', () =>
    links('/proc/self/task', '/ns/net').every((namespace) => namespace === home),
  );
}

function links(folder: string, below = ''): string[] {
  return readdirSync(folder).flatMap((entry) => {
    try {
      return [readlinkSync(`${folder}/${entry}${below}`)];
    } catch {
      return []; // gone already, as the descriptor of the folder itself
    }
  });
}
