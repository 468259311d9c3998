// The node itself, as far as the helper looks at it and changes it. What is behind it is the kernel
// (kernel-machine.ts) or, in tests, a table.

import type { AbortSignalLike, AddressFamily } from '../types.js';
import type { Survey } from './check.js';
import type { AddressResource, Resource, RouteResource } from './resources.js';
import type { Value, ValueRecord } from './types.js';
import type { Observed } from './wanted.js';

/** A change as a machine makes it. */
export interface Write {
  readonly resource: Resource;
  readonly before: Value;
  readonly after: Value;
}

/** An address on an interface. */
export interface Placement {
  readonly interface: string;
  readonly address: string;
}

/** Where a node's own things are: what others have there too. */
export interface Surroundings {
  readonly interfaces: readonly string[];
  readonly addresses: readonly Found<AddressResource>[];
  /** But those that the kernel makes with the addresses, and those that routers advertise. */
  readonly routes: readonly Found<RouteResource>[];
}

export interface Found<R extends Resource> {
  readonly resource: R;
  readonly value: ValueRecord;
}

/** How addresses are announced. */
export interface AnnounceOptions {
  readonly signal?: AbortSignalLike;
  /** How many announcements of each address. Default 5. */
  readonly count?: number;
  /** Again as many after so many milliseconds; 0: not. Default 5000, as keepalived does. */
  readonly repeatAfter?: number;
}

export interface Machine {
  /** What there is, in the order asked for; null for what is not there. */
  read(resources: readonly Resource[]): Promise<Value[]>;

  /**
   * Makes changes, in order. For each one that was tried: undefined, or why it could not be made.
   * After a failure the others may not have been tried.
   */
  write(writes: readonly Write[]): Promise<(Error | undefined)[]>;

  /** Tells its network namespace from all others, by whichever path it was opened. */
  identity(): Promise<string>;

  facts(): Promise<Observed>;

  /** What is there, whoever has put it there, that changes may hit. */
  surroundings(): Promise<Surroundings>;

  /** Whether the kernel can be told to mark packets of that family. */
  canMark(family: AddressFamily): Promise<boolean>;

  /**
   * What a check looks at besides; `settings` are sysctls that should be writable, `own` the addresses
   * that nobody else should answer for.
   */
  survey(settings: readonly string[], own: readonly Placement[]): Promise<Survey>;

  /** Rejects where it shows beforehand that the changes can't all be made; nothing is changed. */
  preflight(command: string, changes: readonly Write[]): Promise<void>;

  /** Rejects where the process may not announce addresses on these interfaces. */
  mayAnnounce(command: string, interfaces: readonly string[]): Promise<void>;

  /** Has the neighbours on an interface know that these addresses are here. */
  announce(
    interfaceName: string,
    addresses: readonly string[],
    options: AnnounceOptions,
  ): Promise<void>;

  /**
   * What others have put into this, so that it can't be removed without theirs; a sentence. What is in
   * `gone`, as keyOf names it, counts as removed already.
   */
  occupantsOf(resource: Resource, gone?: ReadonlySet<string>): Promise<string | undefined>;

  close(): Promise<void>;
}
