// A kernel that fails, or a program that stops, at a chosen one of its changes.

import type { Machine, Write } from '#lib/cluster/machine';

/**
 * What happens at that change, which is in the journal by then:
 *
 * - `fails`: it is refused
 * - `stops before`: the program gets no further, and it is not made
 * - `stops after`: it is made, and the program never hears of it
 * - `stops later`: it is made, looked at, and told to whoever listens
 */
export type How = 'fails' | 'stops before' | 'stops after' | 'stops later';

const waiting: unknown[] = [];

/** Something between the helper and the kernel. */
export class Obstacle implements Machine {
  readonly #machine: Machine;
  readonly #at: number;
  readonly #how: How;
  #writes = 0;
  #stopped = false;
  #reach = (): void => undefined;
  /** Resolves when the program has stopped. */
  readonly reached = new Promise<void>((resolve) => {
    this.#reach = resolve;
  });

  constructor(machine: Machine, { at, how }: { readonly at: number; readonly how: How }) {
    this.#machine = machine;
    this.#at = at;
    this.#how = how;
  }

  /** To be called as `onProgress`. */
  listen({ done }: { readonly done: number }): void {
    if (this.#how === 'stops later' && done > this.#at) this.#stopped = true;
  }

  async write(writes: readonly Write[]): Promise<(Error | undefined)[]> {
    const index = this.#at - this.#writes;
    this.#writes += writes.length;
    if (this.#how === 'stops later' || index < 0 || index >= writes.length) {
      return this.#pass(() => this.#machine.write(writes));
    }
    const sooner = writes.slice(0, this.#how === 'stops after' ? index + 1 : index);
    const outcomes = sooner.length === 0 ? [] : await this.#machine.write(sooner);
    if (this.#how === 'fails') {
      return [...outcomes, Object.assign(new Error('it was refused'), { code: 'EIO' })];
    }
    this.#stopped = true;
    return this.#pass(() => Promise.resolve([]));
  }

  read(...[resources]: Parameters<Machine['read']>): ReturnType<Machine['read']> {
    return this.#pass(() => this.#machine.read(resources));
  }

  mayAnnounce(...[command, interfaces]: Parameters<Machine['mayAnnounce']>): Promise<void> {
    return this.#machine.mayAnnounce(command, interfaces);
  }

  announce(...announcement: Parameters<Machine['announce']>): Promise<void> {
    return this.#pass(() => this.#machine.announce(...announcement));
  }

  canMark(...[family]: Parameters<Machine['canMark']>): Promise<boolean> {
    return this.#machine.canMark(family);
  }

  identity(): Promise<string> {
    return this.#machine.identity();
  }

  surroundings(): ReturnType<Machine['surroundings']> {
    return this.#pass(() => this.#machine.surroundings());
  }

  facts(): ReturnType<Machine['facts']> {
    return this.#machine.facts();
  }

  survey(...[settings, own]: Parameters<Machine['survey']>): ReturnType<Machine['survey']> {
    return this.#machine.survey(settings, own);
  }

  preflight(...[command, changes]: Parameters<Machine['preflight']>): Promise<void> {
    return this.#machine.preflight(command, changes);
  }

  occupantsOf(...what: Parameters<Machine['occupantsOf']>): Promise<string | undefined> {
    return this.#machine.occupantsOf(...what);
  }

  /** What is behind it is closed by whoever opened that. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Where the program has stopped, this is never answered. */
  #pass<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#stopped) return work();
    this.#reach();
    // Kept, for what waits for it not to be cleaned up.
    return new Promise((resolve) => waiting.push(resolve));
  }
}
