// ipvsadm's language, for those who import all: what it takes is loaded at the first call.

import type * as Rules from './rules/index.js';

function rules(): typeof Rules {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  return require('./rules/index.js') as typeof Rules;
}

/** {@inheritDoc Rules.parseRules} */
export const parseRules: typeof Rules.parseRules = (...args) => rules().parseRules(...args);

/** {@inheritDoc Rules.formatRules} */
export const formatRules: typeof Rules.formatRules = (...args) => rules().formatRules(...args);
