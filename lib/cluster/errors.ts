// What can go wrong with a cluster, said so that somebody can act on it.

import type { Change } from './plan.js';

/** Codes of the cluster helper's own; a step that failed has the code of what failed. */
export type ClusterErrorCode =
  | 'ERR_IPVS_DESCRIPTION'
  | 'ERR_IPVS_NO_SUCH_NODE'
  | 'ERR_IPVS_JOURNAL'
  | 'ERR_IPVS_LOCKED'
  | 'ERR_IPVS_NOT_TAKEN'
  | 'ERR_IPVS_NOT_RESTORABLE';

/** @internal What is said of a failure. */
export interface ClusterVerdict {
  readonly code: string;
  readonly sentence: string;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly path?: string;
  readonly line?: number;
  readonly column?: number;
  readonly done?: readonly Change[];
  readonly failed?: Change;
}

/** Every failure of a cluster's node that is not the caller's own mistake in an argument. */
export class ClusterError extends Error {
  static {
    this.prototype.name = 'ClusterError';
  }

  /** `ERR_IPVS_*`, or the code of what failed: the kernel's, such as `EPERM`, or a library's. */
  readonly code: string;
  /** What was asked, for example `apply rs1`. */
  readonly command: string;
  /** The place in the description, for example `nodes.rs1.address`. */
  declare readonly path?: string;
  /** The line in the YAML document, from 1 on. */
  declare readonly line?: number;
  /** The column in that line, from 1 on. */
  declare readonly column?: number;
  /** What was changed before the failure. {@link ClusterNode.revert} takes it back. */
  declare readonly done?: readonly Change[];
  /** The change that failed. */
  declare readonly failed?: Change;
  /** What to do about it. */
  declare readonly hint?: string;

  /** @internal */
  constructor(command: string, verdict: ClusterVerdict) {
    const cause = verdict.cause === undefined ? undefined : { cause: verdict.cause };
    super(`${command}: ${verdict.sentence} (${verdict.code})`, cause);
    this.code = verdict.code;
    this.command = command;
    if (verdict.path !== undefined) this.path = verdict.path;
    if (verdict.line !== undefined) this.line = verdict.line;
    if (verdict.column !== undefined) this.column = verdict.column;
    if (verdict.done) this.done = verdict.done;
    if (verdict.failed) this.failed = verdict.failed;
    if (verdict.hint !== undefined) this.hint = verdict.hint;
  }
}
