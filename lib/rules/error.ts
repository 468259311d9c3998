// A mistake in a file of rules, and where it is.

/** What a text of rules is refused with. Nothing was changed. */
export class RulesError extends Error {
  static {
    this.prototype.name = 'RulesError';
  }

  readonly code = 'ERR_IPVS_RULES';
  readonly file: string;
  /** From 1 on, as `column`. */
  readonly line: number;
  readonly column: number;
  /** What is wrong, without the place. */
  readonly reason: string;

  /** @internal */
  constructor(file: string, line: number, column: number, reason: string, cause?: unknown) {
    super(
      `${file}:${line}:${column}: ${reason} (ERR_IPVS_RULES)`,
      cause === undefined ? undefined : { cause },
    );
    this.file = file;
    this.line = line;
    this.column = column;
    this.reason = reason;
  }
}
