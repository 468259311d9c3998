// npm run bench: see USAGE.

'use strict';

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdirSync, writeFileSync } = require('node:fs');
const { cpus, loadavg } = require('node:os');
const { join } = require('node:path');
const { createInterface } = require('node:readline');
const { parseArgs } = require('node:util');
const { cases, floorOf, peerOf } = require('./cases.js');
const { evaluate, format, summary } = require('./report.js');

const USAGE = `Usage: npm run bench -- [OPTION ...]

Measures the library in the lab: a real kernel, every reading in a fresh network
namespace, against a C program that does the least that is possible (floor.c) and
against ipvsadm. Prints medians of several rounds, and ratios of medians from
this one run. It measures; it never fails because of what it measures.

Every operation is measured with every shape of table, services × destinations of
each; where each call is awaited, it is 2,000 calls at most. ipvsadm takes part
where it needs no minutes.

Options:
  --lane LANE      lab: User-Mode Linux, where computing costs what it does outside and
                   system calls many times that. emulated: Debian's kernel on an
                   emulated machine whose clock counts instructions, see
                   bench/emulated --help; slow, but the same result every time.
                   Default: lab
  --kernel KERNEL  of the lab: 6.1, 6.12, 7.2, or host where this machine's kernel
                   has IPVS. Default: 6.12
  --rounds N       how often everything is measured, ipvsadm at most 3 times. Default: 5
                   for what has an aim, 3 for all else; emulated 3 and 1
  --case PATTERN   only the cases whose name matches, a regular expression
  --aims           only those that have an aim
  --json FILE      every reading, and what they come to, as JSON
  --quick          2 rounds for what has an aim, emulated 1; all else once
  --list           only say which cases there are
  --help           this text

Columns:
  ours ms     median; warmed up, which means that the process has done the same
              8 times before in other namespaces, or 20 times in one where it only
              reads; 3 and 12 times where a call is about 100,000 records; of three
              such times in a row the middle one
  spread      the least and the most of all rounds
  µs each     per change, record or call
  C ms, × C   the same done by floor.c; ours as a multiple of it. Best: the least of
              ours by the least of C, which a busy machine disturbs less
  ipvsadm     the same done by ipvsadm: restore (one process for all rules),
              process (one for each change, from a sample), save (with its text
              parsed); how many times faster ours is
  delay ms    the event loop's longest turn minus its longest while idle, the
              median; in brackets the longest of all, idleness not subtracted
  memory MiB  the process's highest resident size over that at the start, in the
              first call of a fresh process
`;

const ROOT = join(__dirname, '..');
const BUILD = join(__dirname, 'build');
const USUAL_ROUNDS = { lab: 5, emulated: 3 };
const OTHER_ROUNDS = { lab: 3, emulated: 1 };
const QUICK_ROUNDS = { lab: 2, emulated: 1 };
const PEER_ROUNDS = 3;
const BOOTS = 3;

function options() {
  const { values } = parseArgs({
    options: {
      lane: { type: 'string', default: 'lab' },
      kernel: { type: 'string', default: '6.12' },
      rounds: { type: 'string' },
      case: { type: 'string', default: '' },
      aims: { type: 'boolean', default: false },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (!(values.lane in USUAL_ROUNDS)) throw new Error('--lane takes lab or emulated');
  return { ...values, ...roundsOf(values), pattern: new RegExp(values.case) };
}

/** How often what has an aim is measured, what has none, and ipvsadm. */
function roundsOf({ rounds: given, quick, lane }) {
  const rounds = Number(given ?? (quick ? QUICK_ROUNDS : USUAL_ROUNDS)[lane]);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number');
  const otherRounds = given === undefined ? (quick ? 1 : OTHER_ROUNDS[lane]) : rounds;
  return { rounds, otherRounds, peerRounds: quick ? 1 : Math.min(rounds, PEER_ROUNDS) };
}

function build() {
  const inherit = { cwd: ROOT, stdio: ['ignore', process.stderr, 'inherit'] };
  execFileSync(join(ROOT, 'scripts', 'setup'), inherit);
  execFileSync(
    join(ROOT, 'scripts', 'need'),
    ['cc:gcc', 'ip:iproute2', 'ipvsadm:ipvsadm'],
    inherit,
  );
  mkdirSync(BUILD, { recursive: true });
  const source = join(__dirname, 'floor.c');
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', join(BUILD, 'floor'), source], inherit);
}

/** Outside the lab: a guest reads files in its own way. The first ones warm the file cache. */
function measureImport(count) {
  const milliseconds = Array.from({ length: count + 3 }, () =>
    Number(execFileSync(process.execPath, [join(__dirname, 'import.js')], { encoding: 'utf8' })),
  );
  return summary(milliseconds.slice(3));
}

/**
 * All rounds in one guest. Linux 6.12 may panic under many large tables, one after the other, on a busy
 * machine (its estimator thread, ip_vs_enqueue_estimator); another guest then does the rounds that are
 * missing, C and ipvsadm included.
 */
async function measureRounds(launcher, job) {
  const readings = [];
  const roundsDone = () => readings.filter(({ kind }) => kind === 'round').length;
  let boots = 0;
  while (roundsDone() < job.rounds && boots < BOOTS) {
    boots++;
    const done = roundsDone();
    const rest = {
      ...job,
      rounds: job.rounds - done,
      otherRounds: job.otherRounds - done,
      peerRounds: job.peerRounds - done,
    };
    const before = readings.length;
    await measureInside(launcher, rest, readings);
    if (readings.length === before) throw new Error('the lab did not start, see above');
  }
  return { readings, boots, roundsDone: roundsDone() };
}

/** Boots once, and gathers what comes out. */
async function measureInside(launcher, job, readings) {
  const [program, ...args] = [...launcher, process.execPath, join(__dirname, 'inside.js')];
  const lab = spawn(program, [...args, JSON.stringify(job)], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(lab, 'close');
  for await (const line of createInterface({ input: lab.stdout })) {
    const reading = JSON.parse(line);
    readings.push(reading);
    progress(reading);
  }
  await closed;
}

function progress({ kind, name, nanoseconds, error, took }) {
  const value = error ?? (nanoseconds && `${(nanoseconds / 1e6).toFixed(2)} ms`) ?? '';
  console.error(`${kind} ${name}: ${value}${took ? ` (${took} s)` : ''}`);
}

async function main() {
  const { lane, kernel, rounds, otherRounds, peerRounds, pattern, aims, json, quick, list, help } =
    options();
  if (help) return process.stdout.write(USAGE);
  const selected = cases
    .map((each, index) => ({ ...each, index, floor: floorOf(each), peer: peerOf(each) }))
    .filter(({ title, targets }) => pattern.test(title) && (!aims || targets !== undefined));
  if (list) return console.log(selected.map(({ title }) => title).join('\n'));

  const [load] = loadavg();
  build();
  const imports = pattern.test('import') ? measureImport(quick ? 5 : 21) : undefined;
  const launcher =
    lane === 'emulated'
      ? [join(__dirname, 'emulated')]
      : [join(ROOT, 'scripts', 'kernel-lab'), '--kernel', kernel, '--timeout', '0', '--'];
  const job = { rounds, otherRounds, peerRounds, indexes: selected.map(({ index }) => index) };
  const { readings, boots, roundsDone } =
    selected.length > 0
      ? await measureRounds(launcher, job)
      : { readings: [], boots: 0, roundsDone: rounds };
  const results = evaluate(readings, selected, imports);
  const machine = {
    lane,
    kernel: readings.find(({ kind }) => kind === 'kernel')?.name,
    processor: cpus()[0]?.model,
    processors: cpus().length,
    node: process.version,
    rounds: roundsDone,
    otherRounds: Math.min(otherRounds, roundsDone),
    boots,
    // Of others, if there were any: a guest cannot tell time that it did not get from time it took.
    loadBefore: load,
    loadAfter: loadavg()[0],
  };
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ machine, results, readings }, undefined, 2)}\n`);
  }
  const where = machine.kernel === undefined ? '' : `Linux ${machine.kernel}, `;
  console.log(`${where}${machine.processor}, Node.js ${machine.node}`);
  console.log(
    `medians of ${roundsDone} rounds, ${machine.otherRounds} where there is no aim, ` +
      `in ${boots} guests; load ${load.toFixed(1)} before, ${machine.loadAfter.toFixed(1)} after, ` +
      `on ${machine.processors} processors\n`,
  );
  console.log(format(results));
  if (lane === 'emulated') console.log('\nWhat is asked for is asked for in the lab, not here.');
  if (roundsDone < rounds)
    console.log(`\nThe lab ended early: of ${rounds} rounds, some are missing.`);
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
});
