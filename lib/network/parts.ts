// What Network and Sysctl are made of; see lazy.ts.

export { Handle } from './handle.js';
export * from './listeners.js';
export { toMarkRules } from './marks.js';
export * from './validate.js';
export * from './words.js';
