// The last lines of the continuous integration: what its reader counts, and what is left of a failure
// where a log is cut off.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { freshFolder } from './lab/folder.js';

const file = join(freshFolder(t), 'report.tap');

/** The last lines for a report of a run that ended with this status. */
function summaryOf(report: string, status: number): string[] {
  writeFileSync(file, report);
  const program = join(__dirname, '..', 'scripts', 'summary.js');
  const { stdout, stderr } = spawnSync(process.execPath, [program, file, String(status)], {
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return stdout.trimEnd().split('\n');
}

const tap = (...lines: string[]): string => ['TAP version 14', ...lines, ''].join('\n');

/** A subtest with its own verdict, as tap nests it. */
const subtest = (name: string, verdict: 'ok' | 'not ok', ...lines: string[]): string[] => [
  `# Subtest: ${name}`,
  ...lines.map((line) => `    ${line}`),
  `${verdict} 1 - ${name}`,
];

t.test('what passed is counted in every depth, and a subtest is not one more', (t) => {
  const inner = subtest('inner', 'ok', 'ok 1 - a', 'ok 2 - b', '1..2');
  const report = tap(...subtest('outer', 'ok', ...inner, 'ok 2 - c', '1..2'), 'ok 2 - d', '1..2');
  t.strictSame(summaryOf(report, 0), ['# { total: 4, pass: 4, fail: 0 }', '4 passed, 0 failed']);
  t.end();
});

t.test('what failed has its path, and what differs', (t) => {
  const diagnosis = [
    '  ---',
    '  diff: |',
    '    -rs1',
    '    +ETIMEDOUT',
    '  at:',
    '    lineNumber: 7',
  ];
  const inner = subtest(
    'inner',
    'not ok',
    'ok 1 - a',
    'not ok 2 - b',
    ...diagnosis,
    '  ...',
    '1..2',
  );
  const report = tap(...subtest('outer', 'not ok', ...inner, '1..1'), '1..1');
  t.strictSame(summaryOf(report, 1), [
    '# outer > inner > b',
    '#   { lineNumber: 7 }',
    '#   -rs1',
    '#   +ETIMEDOUT',
    '# failed: outer > inner > b',
    '# { total: 2, pass: 1, fail: 1 }',
    '1 passed, 1 failed',
  ]);
  t.end();
});

t.test('what was skipped or left to do has not passed', (t) => {
  const report = tap('ok 1 - a # SKIP not here', 'not ok 2 - b # TODO', 'ok 3 - c', '1..3');
  t.equal(summaryOf(report, 0).at(-1), '1 passed, 2 failed');
  t.end();
});

t.test('a subtest that died is one failure, though all that it said is good', (t) => {
  const report = tap(...subtest('outer', 'not ok', 'ok 1 - a'), '1..1');
  const lines = summaryOf(report, 1);
  t.match(
    lines.find((line) => line.startsWith('# failed')),
    /^# failed: outer/,
  );
  t.equal(lines.at(-1), '1 passed, 1 failed');
  t.end();
});

t.test('a run that failed has not passed, whatever its report says', (t) => {
  t.equal(summaryOf(tap('ok 1 - a', '1..1'), 1).at(-1), '1 passed, 1 failed');
  t.equal(summaryOf('', 1).at(-1), '0 passed, 1 failed');
  t.end();
});

t.test('of many failures the first are explained, more are named, and all are counted', (t) => {
  const count = 43;
  const failures = Array.from({ length: count }, (_, index) => `not ok ${index + 1} - f${index}`);
  const lines = summaryOf(tap(...failures, `1..${count}`), 1);
  t.equal(lines.filter((line) => /^# f\d+$/.test(line)).length, 5);
  t.equal(lines.filter((line) => /^# failed: f\d+$/.test(line)).length, 40);
  t.ok(lines.includes('# failed: 3 more'));
  t.equal(lines.at(-1), '0 passed, 43 failed');
  t.end();
});
