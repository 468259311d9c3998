// A machine on which nothing is changed: what is written to it shows when it is read again, as if the
// kernel had done it.

import { readDisturbed } from './apply.js';
import type { Machine, Write } from './machine.js';
import { keyOf } from './resources.js';
import type { Resource } from './resources.js';
import type { Facts } from './wanted.js';
import type { Value } from './types.js';

/** What taking changes back needs of a machine. */
export type Reverting = Pick<Machine, 'read' | 'write' | 'facts' | 'occupantsOf'>;

export class Rehearsal implements Reverting {
  readonly #machine: Reverting;
  readonly #written = new Map<string, Value>();

  constructor(machine: Reverting) {
    this.#machine = machine;
  }

  async read(resources: readonly Resource[]): Promise<Value[]> {
    const values = await this.#machine.read(resources);
    return resources.map((resource, index) => {
      const written = this.#written.get(keyOf(resource));
      return written === undefined ? (values[index] ?? null) : written;
    });
  }

  async write(writes: readonly Write[]): Promise<undefined[]> {
    for (const { resource, after } of writes) {
      this.#written.set(keyOf(resource), after);
      if (resource.kind !== 'sysctl' || typeof after !== 'string') continue;
      // What the kernel changes along with it follows it; redirects are for hosts that do not forward.
      for (const { resource: other } of await readDisturbed(this, resource)) {
        const isOpposite = keyOf(other).endsWith('.accept_redirects');
        this.#written.set(keyOf(other), isOpposite ? String(1 - Number(after)) : after);
      }
    }
    return writes.map(() => undefined);
  }

  facts(): Promise<Facts> {
    return this.#machine.facts();
  }

  occupantsOf(resource: Resource): Promise<string | undefined> {
    const gone = [...this.#written].flatMap(([key, value]) => (value === null ? [key] : []));
    return this.#machine.occupantsOf(resource, new Set(gone));
  }
}
