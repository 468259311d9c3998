// What Network and Sysctl are made of, loaded with the first handle: most programs have none.

export { Handle } from './handle.js';
export * from './validate.js';
export * from './words.js';
