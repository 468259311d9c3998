// ipvsadm's language, both ways: `ipvs/rules`.

export { formatRules } from './format.js';
export { parseRules } from './parse.js';
export { RulesError } from './error.js';
export type * from './types.js';
