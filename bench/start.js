#!/usr/bin/env node
// How long the command line takes to start, beside Node.js itself: `npm run bench:start`. Each in turn,
// again and again, so that what else the machine does meets all of them. `list` and `adm -Ln` need
// IPVS, as root; without it they fail, and it is the failure that is measured:
//
//   scripts/kernel-lab --kernel 6.12 -- node bench/start.js 20

'use strict';

const { spawnSync } = require('node:child_process');
const { join } = require('node:path');

const main = join(__dirname, '..', 'dist', 'cli', 'main.js');
const COMMANDS = {
  'node -e 0': ['-e', '0'],
  'ipvs --version': [main, '--version'],
  'ipvs list': [main, 'list'],
  'ipvs adm -Ln': [main, 'adm', '-Ln'],
};
/** What `--version` and `list` may take, beside `node -e 0`. */
const LIMIT = 1.5;

const rounds = Number(process.argv[2] ?? 25);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error('Usage: node bench/start.js [rounds]');
  process.exit(2);
}

const env = { ...process.env, NODE_OPTIONS: '' };
const names = Object.keys(COMMANDS);
const times = new Map(names.map((name) => [name, []]));
const failed = new Set();
for (let round = -1; round < rounds; round++) {
  for (const name of names) {
    const start = process.hrtime.bigint();
    const { status } = spawnSync(process.execPath, COMMANDS[name], { env });
    const taken = Number(process.hrtime.bigint() - start) / 1e6;
    if (status !== 0) failed.add(name);
    if (round >= 0) times.get(name).push(taken); // the first one fetches files
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const bare = median(times.get(names[0]));
console.log(
  `Node.js ${process.version}, median of ${rounds}; the limit is ${LIMIT} times node -e 0`,
);
for (const name of names) {
  const own = median(times.get(name));
  const remark = failed.has(name) ? '  (it fails here)' : '';
  console.log(
    `${name.padEnd(16)}${own.toFixed(1).padStart(8)} ms ${(own / bare).toFixed(2).padStart(7)}${remark}`,
  );
}
