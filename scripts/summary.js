// Counts the assertions of a raw TAP report, those of subtests included, and names the failed ones.
//
//   node scripts/summary.js .tap/report.tap EXIT_STATUS
//
// EXIT_STATUS is that of the run: where it is not 0, something failed, also where no assertion
// tells. What was skipped or left to do has not passed.

'use strict';

const { readFileSync } = require('node:fs');
const { Parser } = require('tap-parser');

// A log's reader may see only its end: enough to know where to look, not more.
const SHOWN = 40;
const LINES = 25;

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
      failures.push({ name: [...path, name].join(' > '), lines: linesOf(diag) });
    }
    before = undefined;
  });
}

/** What differs, or else all that is said of it. */
function linesOf(diag) {
  if (!diag) return [];
  const lines = (diag.diff ?? JSON.stringify(diag, undefined, 2)).trimEnd().split('\n');
  return lines.length > LINES ? [...lines.slice(0, LINES), '...'] : lines;
}

const parser = new Parser();
follow(parser, []);
parser.on('complete', () => {
  const failed = failures.length === 0 && status !== '0' ? 1 : failures.length;
  for (const { name, lines } of failures.slice(0, SHOWN)) {
    console.log([`# failed: ${name}`, ...lines].join('\n#   '));
  }
  if (failures.length > SHOWN) console.log(`# failed: ${failures.length - SHOWN} more`);
  console.log(`# { total: ${passed + failed}, pass: ${passed}, fail: ${failed} }`);
  console.log(`${passed} passed, ${failed} failed`);
});
parser.end(readFileSync(file, 'utf8'));
