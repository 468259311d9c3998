// Counts the assertions of a raw TAP report, those of subtests included, and names the failed ones.
//
//   node scripts/summary.js .tap/report.tap EXIT_STATUS
//
// EXIT_STATUS is that of the run: where it is not 0, something failed, also where no assertion
// tells. What was skipped or left to do has not passed.

'use strict';

const { readFileSync } = require('node:fs');
const { inspect } = require('node:util');
const { Parser } = require('tap-parser');

// A log's reader may see only its end: enough to know where to look, and what the first ones are.
const SHOWN = 40;
const EXPLAINED = 5;
const LINES = 25;
const COLUMNS = 240;

const [, , file, status] = process.argv;
const failures = [];
let passed = 0;

function follow(parser, path) {
  // How many had failed when the subtest began that the next assertion of this level closes.
  let before;
  parser.on('child', (child) => {
    before = failures.length;
    follow(child, [...path, child.name]);
  });
  parser.on('assert', ({ ok, skip, todo, name, diag }) => {
    const good = ok && !skip && !todo;
    if (good && before === undefined) passed++;
    // A subtest that failed without an assertion that says so died.
    if (!good && (before === undefined || failures.length === before)) {
      failures.push({ name: [...path, name].join(' > '), diag });
    }
    before = undefined;
  });
}

/** What differs, or else all that is said of it. */
function explain({ name, diag }) {
  const { diff, at } = diag ?? {};
  const text =
    typeof diff === 'string'
      ? `${inspect(at, { breakLength: Infinity })}\n${diff.trimEnd()}`
      : inspect(diag);
  const lines = text.split('\n', LINES).map((line) => `#   ${line.slice(0, COLUMNS)}`);
  console.log([`# ${name}`, ...lines].join('\n'));
}

const parser = new Parser();
follow(parser, []);
parser.on('complete', () => {
  const failed = failures.length === 0 && status !== '0' ? 1 : failures.length;
  for (const failure of failures.slice(0, EXPLAINED)) explain(failure);
  for (const { name } of failures.slice(0, SHOWN)) console.log(`# failed: ${name}`);
  if (failures.length > SHOWN) console.log(`# failed: ${failures.length - SHOWN} more`);
  console.log(`# { total: ${passed + failed}, pass: ${passed}, fail: ${failed} }`);
  console.log(`${passed} passed, ${failed} failed`);
});
parser.end(readFileSync(file, 'utf8'));
