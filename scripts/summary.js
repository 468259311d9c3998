// Counts the assertions of a raw TAP report, those of subtests included.
//
//   node scripts/summary.js .tap/report.tap EXIT_STATUS
//
// EXIT_STATUS is that of the run: where it is not 0, something failed, also where no assertion
// tells. What was skipped or left to do has not passed.

'use strict';

const { readFileSync } = require('node:fs');
const { Parser } = require('tap-parser');

const [, , file, status] = process.argv;
const counts = { passed: 0, failed: 0 };

function follow(parser) {
  // How many had failed when the subtest began that the next assertion of this level closes.
  let before;
  parser.on('child', (child) => {
    before = counts.failed;
    follow(child);
  });
  parser.on('assert', ({ ok, skip, todo }) => {
    const good = ok && !skip && !todo;
    if (before === undefined) {
      counts[good ? 'passed' : 'failed']++;
    } else if (!good && counts.failed === before) {
      counts.failed++; // it died without an assertion that says so
    }
    before = undefined;
  });
}

const parser = new Parser();
follow(parser);
parser.on('complete', () => {
  const { passed } = counts;
  const failed = counts.failed === 0 && status !== '0' ? 1 : counts.failed;
  console.log(`# { total: ${passed + failed}, pass: ${passed}, fail: ${failed} }`);
  console.log(`${passed} passed, ${failed} failed`);
});
parser.end(readFileSync(file, 'utf8'));
