// The node as the kernel has it.

import type { OpenOptions } from '../types.js';
import type { Machine } from './machine.js';

/** Opens nothing yet: rtnetlink and sysctls are still to come. */
export function openMachine(options: OpenOptions): Promise<Machine> {
  return Promise.reject(new Error(`not yet: ${JSON.stringify(options)}`));
}
