#!/usr/bin/env node
// How long the command line takes to start, beside Node.js itself: `npm run bench:start`. Each in turn,
// again and again, so that what else the machine does meets all of them. `list` and `adm -Ln` need
// IPVS, as root; without it they fail, and it is the failure that is measured, which has no limit:
//
//   scripts/kernel-lab --kernel 6.12 -- node bench/start.js 20
//
// Wall clock is the median. CPU time, in which other programs do not count, is the mean: the kernel tells
// it in hundredths of a second. Ends with status 1 where either is above the limit.

'use strict';

const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const main = join(__dirname, '..', 'dist', 'cli', 'main.js');
const COMMANDS = {
  'node -e 0': ['-e', '0'],
  'ipvs --version': [main, '--version'],
  'ipvs list': [main, 'list'],
  'ipvs adm -Ln': [main, 'adm', '-Ln'],
};
/** What these may take, beside `node -e 0`. */
const LIMIT = 1.5;
const LIMITED = new Set(['ipvs --version', 'ipvs list']);

const rounds = Number(process.argv[2] ?? 25);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error('Usage: node bench/start.js [rounds]');
  process.exit(2);
}

/** CPU time of all programs that were started and have ended, in milliseconds. */
function cpuOfChildren() {
  // Behind the name, which may have blanks in it. cutime and cstime are the 16th and 17th field, from 1.
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

const env = { ...process.env, NODE_OPTIONS: '' };
const names = Object.keys(COMMANDS);
const times = new Map(names.map((name) => [name, { wall: [], cpu: 0 }]));
const failed = new Set();
for (let round = -1; round < rounds; round++) {
  for (const name of names) {
    const cpu = cpuOfChildren();
    const start = process.hrtime.bigint();
    const { status } = spawnSync(process.execPath, COMMANDS[name], { env });
    const taken = Number(process.hrtime.bigint() - start) / 1e6;
    if (status !== 0) failed.add(name);
    if (round < 0) continue; // the first one fetches files
    const own = times.get(name);
    own.wall.push(taken);
    own.cpu += cpuOfChildren() - cpu;
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const measured = new Map(
  [...times].map(([name, { wall, cpu }]) => [name, [median(wall), cpu / rounds]]),
);
const bare = measured.get(names[0]);
console.log(`Node.js ${process.version}, ${rounds} rounds; the limit is ${LIMIT} times node -e 0`);
console.log(`${''.padEnd(16)}${'wall clock'.padStart(19)}${'CPU time'.padStart(19)}`);
for (const [name, own] of measured) {
  const ratios = own.map((time, index) => time / bare[index]);
  const columns = own.map(
    (time, index) => `${time.toFixed(1).padStart(8)} ms ${ratios[index].toFixed(2).padStart(7)}`,
  );
  const isFailed = failed.has(name);
  const isAbove = LIMITED.has(name) && !isFailed && ratios.some((ratio) => ratio > LIMIT);
  if (isAbove) process.exitCode = 1;
  const remark = isFailed ? '  (it fails here)' : isAbove ? '  (above the limit)' : '';
  console.log(`${name.padEnd(16)}${columns.join('')}${remark}`);
}
