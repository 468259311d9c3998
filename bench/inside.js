// Measures on the kernel it runs on: to be run as root, in a lab. Prints each reading as a line of JSON
// at once, so that nothing is lost if the kernel does not live to see the end.
//
//   node inside.js '{ "rounds": 5, "otherRounds": 3, "peerRounds": 3, "indexes": [0, 1] }'

'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { release } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Ipvs } = require('ipvs');
const { cases, floorOf, peerOf } = require('./cases.js');
const { median } = require('./report.js');

const FLOOR = join(__dirname, 'build', 'floor');
// How the namespace gets what it holds before.
const PREPARATION = {
  nothing: () => ['up'],
  services: (shape) => ['--up', 'add-services', ...shape],
  table: (shape) => ['--up', 'add', ...shape],
};
const LIMIT = 300_000;

// So many runs of a process count, and of these the middle one: a collection of garbage comes in one of
// them, and always in the same.
const COUNTED = 3;

let made = 0;

function execute(program, args, input = '') {
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: LIMIT,
    maxBuffer: 2 ** 28,
  });
  if (error === undefined && status === 0 && stderr === '') return stdout;
  const reason = error?.message ?? (stderr.trim() || signal || `exit status ${status}`);
  throw new Error(`${program} ${args.join(' ')}: ${reason}`);
}

function floor(netns, args) {
  const stdout = execute(FLOOR, ['--netns', `/run/netns/${netns}`, ...args.map(String)]);
  return stdout === '' ? undefined : JSON.parse(stdout);
}

/** Removing a namespace goes on in the background: the next reading must not pay for it. */
async function whenQuiet() {
  let before = ticks();
  for (let attempt = 0; attempt < 50; attempt++) {
    await sleep(100);
    const after = ticks();
    if (after.idle - before.idle >= 0.8 * (after.total - before.total)) return;
    before = after;
  }
}

function ticks() {
  const numbers = /^cpu +(.*)$/m
    .exec(readFileSync('/proc/stat', 'latin1'))[1]
    .split(' ')
    .map(Number);
  return { idle: numbers[3], total: numbers.reduce((sum, each) => sum + each) };
}

/** Gives fresh namespaces that hold what a case starts from, and takes them away afterwards. */
async function withNamespaces(count, before, shape, work) {
  const names = Array.from({ length: count }, () => `bench-${++made}`);
  try {
    eachNamespace('add', names);
    for (const name of names) floor(name, PREPARATION[before](shape));
    await whenQuiet();
    return await work(names);
  } finally {
    eachNamespace('delete', names);
    await whenQuiet();
  }
}

/** By one process for all: in the lab, starting one takes longer than what it does. */
function eachNamespace(verb, names) {
  execute('ip', ['-batch', '-'], names.map((name) => `netns ${verb} ${name}\n`).join(''));
}

function checkTable(netns, expected) {
  const { services, destinations, weights } = floor(netns, ['dump', expected.services, 0]);
  assert.deepStrictEqual({ services, destinations, weights }, expected, 'the table in the kernel');
}

/**
 * Several runs of a case in one process. What the first `removed` of them made is taken away at once: the
 * kernel has one table for the services of all namespaces, and finds each the more slowly the more there
 * are.
 */
function workIn(index, watches, removed = 0) {
  const { before, shape, after, reuse } = cases[index];
  return withNamespaces(reuse ? 1 : watches.length, before, shape, (names) => {
    const runs = watches.map((watch, run) => ({
      watch,
      netns: names[reuse ? 0 : run],
      flush: !reuse && run < removed,
      // What all runs before leave behind is not what the watched one should be stopped for; one more
      // run makes the heap what it was before.
      collect: watches.length > 1 && run === watches.length - 2,
    }));
    const job = JSON.stringify({ index, runs });
    const readings = JSON.parse(
      execute(process.execPath, ['--expose-gc', join(__dirname, 'worker.js'), job]),
    );
    for (const name of reuse ? names : names.slice(removed)) checkTable(name, after);
    return readings;
  });
}

async function measureCase(index) {
  const { warmUp } = cases[index];
  if (warmUp === 0) {
    const [{ nanoseconds, memory }] = await workIn(index, [false]);
    const [{ longest, idle }] = await workIn(index, [true]);
    return { nanoseconds, memory, longest, idle };
  }
  const end = warmUp + COUNTED;
  const watches = [...Array.from({ length: end + 1 }, () => false), true];
  const readings = await workIn(index, watches, end);
  const [{ memory }] = readings;
  const times = readings.slice(warmUp, end).map(({ nanoseconds }) => nanoseconds);
  const { longest, idle } = readings[end + 1];
  return { nanoseconds: median(times), memory, longest, idle };
}

/**
 * In a kernel that has been through the same as for a case: what was removed before is still somewhere
 * in it, and what is allocated now is memory that it has not used yet.
 */
function measureFloor({ arguments: args, before, shape, reuse, warmUp }) {
  const end = warmUp + (reuse || warmUp > 0 ? COUNTED : 1);
  return withNamespaces(reuse ? 1 : end + 2, before, shape, async (names) => {
    const times = [];
    for (let run = 0; run < end; run++) {
      const name = names[reuse ? 0 : run];
      times.push(floor(name, args).nanoseconds);
      if (!reuse) await flush(name);
    }
    return { nanoseconds: median(times.slice(warmUp)) };
  });
}

async function flush(netns) {
  const ipvs = await Ipvs.open({ netns });
  await ipvs.flush();
  await ipvs.close();
}

function measurePeer({ arguments: args, before, shape, after }) {
  return withNamespaces(1, before, shape, ([name]) => {
    const command = [process.execPath, join(__dirname, 'peers.js'), ...args];
    const reading = JSON.parse(execute('ip', ['netns', 'exec', name, ...command]));
    if (after !== undefined) checkTable(name, after);
    return reading;
  });
}

async function report(kind, name, measure) {
  const started = Date.now();
  let reading;
  try {
    reading = await measure();
  } catch (error) {
    reading = { error: error.message };
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(JSON.stringify({ kind, name, ...reading, took: seconds }));
}

/** Whether the library has the method; a checkout of an earlier state may lack it. */
function isPresent({ title, needs }) {
  if (needs === undefined || needs in Ipvs.prototype) return true;
  console.log(JSON.stringify({ kind: 'missing', name: title, error: `there is no ${needs}()` }));
  return false;
}

const byKey = (list) => new Map(list.filter(Boolean).map((each) => [each.key, each]));

async function measureRound(indexes, withPeers) {
  const chosen = indexes.map((index) => cases[index]);
  for (const [key, each] of byKey(chosen.map(floorOf))) {
    await report('floor', key, () => measureFloor(each));
  }
  for (const index of indexes) {
    if (isPresent(cases[index])) {
      await report('case', cases[index].title, () => measureCase(index));
    }
  }
  for (const [key, each] of withPeers ? byKey(chosen.map(peerOf)) : []) {
    await report('peer', key, () => measurePeer(each));
  }
}

async function main({ rounds, otherRounds, peerRounds, indexes }) {
  console.log(JSON.stringify({ kind: 'kernel', name: release() }));
  // Loads the modules: the first to want them would pay for that.
  await withNamespaces(1, 'table', [1, 1], () => undefined);
  for (let round = 0; round < rounds; round++) {
    const chosen = indexes.filter((index) => cases[index].targets || round < otherRounds);
    await measureRound(chosen, round < peerRounds);
    console.log(JSON.stringify({ kind: 'round', name: 'done' }));
  }
}

void main(JSON.parse(process.argv[2]));
