// ipvsadm's language, for those who import all: what it takes is loaded at the first call.

import type * as Rules from './rules/index.js';
import type { FormattedRules, ParseOptions, ParsedRule, TableConfig } from './rules/types.js';
import type { Snapshot } from './types.js';

function rules(): typeof Rules {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  return require('./rules/index.js') as typeof Rules;
}

/**
 * Reads rules in ipvsadm's language, one command a line, as `ipvsadm -S` writes them. Throws a
 * `RulesError` (`ERR_IPVS_RULES`) with line and column for a line that makes no sense.
 */
export function parseRules(text: string, options?: ParseOptions): ParsedRule[] {
  return rules().parseRules(text, options);
}

/**
 * Writes a table, such as a snapshot, in ipvsadm's language: text that `ipvsadm --restore` takes, and
 * warnings for what it can't say.
 */
export function formatRules(table: TableConfig | Snapshot | Snapshot<bigint>): FormattedRules {
  return rules().formatRules(table);
}
