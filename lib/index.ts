// The package's public face.

export { Ipvs } from './ipvs.js';
export { AbortError, IpvsError } from './errors.js';
export type { IpvsErrorCode } from './errors.js';
export * from './functions.js';
export { formatRules, parseRules } from './language.js';
export type * from './rules/types.js';
export { RulesError } from './rules/error.js';
export type * from './types.js';
