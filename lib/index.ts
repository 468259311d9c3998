// The package's public face.

export { Ipvs } from './ipvs.js';
export { Network } from './network/network.js';
export { Sysctl } from './network/sysctl.js';
export { AbortError, IpvsError, NetworkError } from './errors.js';
export type { IpvsErrorCode } from './errors.js';
export * from './functions.js';
export { formatRules, parseRules } from './language.js';
export type * from './rules/types.js';
export { RulesError } from './rules/error.js';
export type * from './types.js';
export type * from './network/types.js';
