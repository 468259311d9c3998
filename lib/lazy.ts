// What a first change does without is loaded when it is needed.

/* eslint-disable @typescript-eslint/no-require-imports */

export const lazy = {
  connectionTable: () => require('./connection-table.js') as typeof import('./connection-table.js'),
  explain: () => require('./explain.js') as typeof import('./explain.js'),
  // For IPv6 alone: it takes as long as a seventh of all else.
  net: () => require('node:net') as typeof import('node:net'),
  stats: () => require('./stats.js') as typeof import('./stats.js'),
};
