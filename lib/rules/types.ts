// What rules say, in the words of the library.

import type {
  CallOptions,
  DestinationConfig,
  DestinationKey,
  ServiceConfig,
  ServiceKey,
  SyncDaemonConfig,
  SyncRole,
  Timeouts,
} from '../types.js';

/** What one line says. The first five are operations that `batch` takes as they are. */
export type RuleOperation =
  | { readonly op: 'addService' | 'replaceService'; readonly service: ServiceConfig }
  | { readonly op: 'removeService'; readonly service: ServiceKey }
  | {
      readonly op: 'addDestination' | 'replaceDestination';
      readonly service: ServiceKey;
      readonly destination: DestinationConfig;
    }
  | {
      readonly op: 'removeDestination';
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
    }
  | {
      readonly op: 'zero';
      /** Absent: all counters. */
      readonly service?: ServiceKey;
    }
  | { readonly op: 'flush' }
  | { readonly op: 'setTimeouts'; readonly timeouts: Partial<Timeouts> }
  | { readonly op: 'startSyncDaemon'; readonly daemon: SyncDaemonConfig }
  | { readonly op: 'stopSyncDaemon'; readonly role: SyncRole };

/** A line of rules: what it says, and where it is. */
export interface ParsedRule {
  /** From 1 on. */
  readonly line: number;
  readonly operation: RuleOperation;
}

/** A service with its destinations, as they are to be. */
export type TableService = ServiceConfig & {
  /** Default: none. */
  readonly destinations?: readonly DestinationConfig[];
};

/** A table as it is to be. A `Snapshot` is one. */
export interface TableConfig {
  readonly services: readonly TableService[];
  /** What is left out stays as it is. */
  readonly timeouts?: Partial<Timeouts>;
  /** Left out: those that run go on. */
  readonly syncDaemons?: readonly SyncDaemonConfig[];
}

/** How rules are read. */
export interface ParseOptions {
  /** How errors call the text, for example its file's name. Default `'rules'`. */
  readonly file?: string;
}

/** Rules as text, and what they can't say. */
export interface FormattedRules {
  /** What `ipvsadm --restore` takes. */
  readonly text: string;
  /** A sentence for each thing that is lost or changed; empty where nothing is. */
  readonly warnings: readonly string[];
}

/** How a table is restored. */
export interface RestoreOptions extends CallOptions {
  /**
   * - `'replace'`: the table is as the source says, and nothing else is in it
   * - `'merge'`: what the source names is as it says, all else stays
   *
   * Default `'replace'`.
   */
  readonly mode?: 'replace' | 'merge';
  /** Only say what would be done. Default `false`. */
  readonly dryRun?: boolean;
  /** How errors call the text, for example its file's name. Default `'rules'`. */
  readonly file?: string;
}

/** A service, or a destination of it. */
export interface RestoredEntry {
  readonly service: ServiceKey;
  readonly destination?: DestinationKey;
}

/** What was done, or would be. */
export interface RestoreResult {
  readonly mode: 'replace' | 'merge';
  readonly dryRun: boolean;
  readonly added: readonly RestoredEntry[];
  readonly updated: readonly RestoredEntry[];
  /** A service's destinations go with it, and are not named. */
  readonly removed: readonly RestoredEntry[];
  /** How many services and destinations of the source are there already, just so. */
  readonly unchanged: number;
  /** The timeouts that were set. */
  readonly timeouts: Partial<Timeouts>;
  readonly startedDaemons: readonly SyncRole[];
  readonly stoppedDaemons: readonly SyncRole[];
  /** The services whose counters started again, as rules say (`-Z`); `'all'` with the director's. */
  readonly zeroed: readonly ServiceKey[] | 'all';
}
