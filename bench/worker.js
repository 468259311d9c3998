// One case in a process of its own: runs it as often as it is given namespaces, and prints a line of
// JSON with an entry for each run. The first run of a process is the one whose memory counts, because
// nothing has grown yet; a run that is watched tells delays of the event loop and no time, because
// watching costs time.
//
//   node --expose-gc worker.js '{ "index": 0, "runs": [{ "netns": "a", "watch": false }] }'
//
// A run may have `flush`, to leave nothing in the kernel, and `collect`, to begin without garbage.

'use strict';

const { readFileSync, writeFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { setTimeout: sleep } = require('node:timers/promises');
const { Ipvs } = require('ipvs');
const { cases } = require('./cases.js');

// The idle loop is watched for as long as the case took, within these, in milliseconds.
const IDLE_LEAST = 300;
const IDLE_MOST = 3000;

function status(name) {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync('/proc/self/status', 'latin1'),
  );
  return Number(match[1]) * 1024;
}

/** Makes the highest resident size start anew; see proc_pid_clear_refs(5). */
function forgetPeak() {
  writeFileSync('/proc/self/clear_refs', '5');
}

/**
 * What was made for the run is nothing that the run should pay for; two for what is still young. Not where
 * nothing was made: a program that only reads begins with what it read before, too.
 */
function settle() {
  global.gc({ type: 'minor' });
  global.gc({ type: 'minor' });
}

async function timed(work) {
  forgetPeak();
  const before = status('VmRSS');
  const started = process.hrtime.bigint();
  const result = await work();
  const nanoseconds = Number(process.hrtime.bigint() - started);
  return { result, reading: { nanoseconds, memory: Math.max(0, status('VmHWM') - before) } };
}

/** The longest time that the event loop took for a turn while something was done, in milliseconds. */
async function longestDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await sleep(20); // it counts from its first tick on
  const result = await work();
  await sleep(20); // so that the last turn of the work counts too
  histogram.disable();
  return { result, longest: histogram.max / 1e6 };
}

/** Idle afterwards: what is collected then is not what the work left behind. */
async function watched(work, duration) {
  const { result, longest } = await longestDelay(work);
  global.gc();
  const idle = await longestDelay(() => sleep(duration));
  return { result, reading: { longest, idle: idle.longest } };
}

async function main({ index, runs }) {
  const { given, young, run, check } = cases[index];
  const readings = [];
  let duration = IDLE_LEAST;
  let ipvs;
  let place;
  for (const { netns, watch, flush, collect } of runs) {
    if (collect) global.gc();
    if (netns !== place) {
      await ipvs?.close();
      ipvs = await Ipvs.open({ netns });
      place = netns;
    }
    const items = given?.();
    if (given && !young) settle();
    const work = () => run(ipvs, items);
    const { result, reading } = await (watch ? watched(work, duration) : timed(work));
    check?.(result, items);
    readings.push(reading);
    duration = Math.min(IDLE_MOST, Math.max(IDLE_LEAST, reading.nanoseconds / 1e6));
    if (flush) await ipvs.flush();
  }
  await ipvs.close();
  console.log(JSON.stringify(readings));
}

void main(JSON.parse(process.argv[2]));
