// What only some commands need is loaded when they do: a listing is to cost what Node.js costs.

/* eslint-disable @typescript-eslint/no-require-imports */

export const lazy = {
  connections: () => require('./connections.js') as typeof import('./connections.js'),
  explain: () => require('../../explain.js') as typeof import('../../explain.js'),
  format: () => require('../../rules/format.js') as typeof import('../../rules/format.js'),
  help: () => require('./help.js') as typeof import('./help.js'),
  restore: () => require('../../rules/restore.js') as typeof import('../../rules/restore.js'),
  session: () => require('../../session.js') as typeof import('../../session.js'),
  strict: () => require('./strict.js') as typeof import('./strict.js'),
};
