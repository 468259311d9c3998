// A machine on which nothing is changed: what is written to it shows when it is read again, as if the
// kernel had done it.

import { readDisturbed } from './disturbed.js';
import type { Found, Machine, Surroundings, Write } from './machine.js';
import { isRecord, keyOf } from './resources.js';
import type { Resource } from './resources.js';
import type { Value } from './types.js';

/** What taking changes back needs of a machine. */
export type Reverting = Pick<Machine, 'read' | 'write' | 'surroundings' | 'occupantsOf'>;

export class Rehearsal implements Reverting {
  readonly #machine: Reverting;
  readonly #written = new Map<string, { readonly resource: Resource; readonly value: Value }>();

  constructor(machine: Reverting) {
    this.#machine = machine;
  }

  async read(resources: readonly Resource[]): Promise<Value[]> {
    const values = await this.#machine.read(resources);
    return resources.map((resource, index) => {
      const written = this.#written.get(keyOf(resource));
      return written === undefined ? (values[index] ?? null) : written.value;
    });
  }

  async write(writes: readonly Write[]): Promise<undefined[]> {
    for (const write of writes) {
      const { resource, after } = write;
      this.#note(resource, after);
      if (resource.kind !== 'sysctl' || typeof after !== 'string') continue;
      // What the kernel changes along with it follows it; redirects are for hosts that do not forward.
      for (const { resource: other } of await readDisturbed(this, write)) {
        const isOpposite = keyOf(other).endsWith('.accept_redirects');
        this.#note(other, isOpposite ? String(1 - Number(after)) : after);
      }
    }
    return writes.map(() => undefined);
  }

  #note(resource: Resource, value: Value): void {
    this.#written.set(keyOf(resource), { resource, value });
  }

  async surroundings(): Promise<Surroundings> {
    const { interfaces, addresses, routes } = await this.#machine.surroundings();
    const stays = ({ resource }: Found<Resource>): boolean => !this.#written.has(keyOf(resource));
    const written = [...this.#written.values()];
    return {
      interfaces,
      addresses: [
        ...addresses.filter(stays),
        ...written.flatMap(({ resource, value }) =>
          resource.kind === 'address' && isRecord(value) ? [{ resource, value }] : [],
        ),
      ],
      routes: [
        ...routes.filter(stays),
        ...written.flatMap(({ resource, value }) =>
          resource.kind === 'route' && isRecord(value) ? [{ resource, value }] : [],
        ),
      ],
    };
  }

  occupantsOf(resource: Resource): Promise<string | undefined> {
    const gone = [...this.#written].flatMap(([key, { value }]) => (value === null ? [key] : []));
    return this.#machine.occupantsOf(resource, new Set(gone));
  }
}
