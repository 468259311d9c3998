// What a command needs is loaded when it needs it: `ipvs --version` is to cost what Node.js costs.
// With require(): import() would first load what Node.js has for ECMAScript modules.

/* eslint-disable @typescript-eslint/no-require-imports */

export const lazy = {
  adm: () => require('./adm/run.js') as typeof import('./adm/run.js'),
  ipvs: () => require('../ipvs.js') as typeof import('../ipvs.js'),
  select: () => require('./select.js') as typeof import('./select.js'),
  quick: () => require('./quick.js') as typeof import('./quick.js'),
  meant: () => require('./meant.js') as typeof import('./meant.js'),
  predict: () => require('./predict.js') as typeof import('./predict.js'),
  program: () => require('./program.js') as typeof import('./program.js'),
  run: () => require('./run.js') as typeof import('./run.js'),
  change: () => require('./commands/change.js') as typeof import('./commands/change.js'),
  cluster: () => require('./commands/cluster.js') as typeof import('./commands/cluster.js'),
  clear: () => require('./commands/clear.js') as typeof import('./commands/clear.js'),
  connections: () =>
    require('./commands/connections.js') as typeof import('./commands/connections.js'),
  director: () => require('./commands/director.js') as typeof import('./commands/director.js'),
  probe: () => require('./commands/probe.js') as typeof import('./commands/probe.js'),
  stats: () => require('./commands/stats.js') as typeof import('./commands/stats.js'),
  table: () => require('./commands/table.js') as typeof import('./commands/table.js'),
  help: () => require('./commands/help.js') as typeof import('./commands/help.js'),
  watch: () => require('./commands/watch.js') as typeof import('./commands/watch.js'),
  drain: () => require('./commands/drain.js') as typeof import('./commands/drain.js'),
  list: () => require('./commands/list.js') as typeof import('./commands/list.js'),
};
