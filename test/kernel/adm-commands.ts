// The drop-in beside the real ipvsadm 1.31: command lines that are made up, right and wrong ones, each
// carried out by both in namespaces of their own. Output, messages and exit status have to be the same,
// and so has the table after each group.

import { release } from 'node:os';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { START, commandLine, inputLines } from '../fixtures/adm-command-lines.js';
import { Differences } from '../lab/adm-differences.js';
import { RealIpvsadm, ours } from '../lab/adm.js';
import type { Call, Result } from '../lab/adm.js';
import { freshIpvs } from '../lab/namespace.js';
import { tableOf } from '../lab/records.js';

t.setTimeout(600_000);

const SEED = 20261123;
// All of them on one kernel: starting a program takes most of the time.
const GROUPS = release().startsWith('6.12') ? 44 : 4;
const GROUP = 40;
const INPUTS = 6;

const differences = new Differences('adm-commands');

function isSame(call: Call, theirs: Result, own: Result): boolean {
  if (theirs.status === 139 && own.status === 2 && hasEmptyFlags(call)) {
    differences.meet('empty flags');
    return true;
  }
  return (
    theirs.status === own.status &&
    theirs.stderr === own.stderr &&
    theirs.stdout === differences.asIpvsadm(own.stdout)
  );
}

/** Whether a command has -b with no flag in its list: another crash is not the one that is known. */
function hasEmptyFlags({ args, input }: Call): boolean {
  const commands = [args, ...(input ?? '').split('\n').map((line) => line.split(/[ \t\r]+/))];
  return commands.some((words) =>
    words.some((word, index) => {
      const [all, given] = /^(?:-\w*b|--sched-f[\w-]*)(=?,*)$/.exec(word) ?? [];
      if (all === undefined) return false;
      return given !== '' || /^,*$/.test(words[index + 1] ?? 'none');
    }),
  );
}

// ---- the comparison

/** The command lines that were carried out, each once. */
const carriedOut = new Set<string>();

/** The share of calls that ipvsadm accepts. */
async function compare(t: Test, groups: readonly (readonly Call[])[]): Promise<number> {
  const real = await freshIpvs(t);
  const mine = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, real.netns);
  let accepted = 0;
  let compared = 0;
  for (const group of groups) {
    await Promise.all([real.ipvs.flush(), mine.ipvs.flush()]);
    for (const call of [START, ...group]) {
      const theirs = await ipvsadm.run(call);
      const onLine = (line: string) => carriedOut.add(line.trim());
      const own = await ours(mine.netns, call, { onLine });
      if (call.input === undefined) carriedOut.add(call.args.join(' '));
      compared++;
      if (theirs.status === 0) accepted++;
      if (!isSame(call, theirs, own)) t.fail(`ipvsadm ${call.args.join(' ')}`, { theirs, own });
    }
    const tables = await Promise.all([tableOf(real.netns), tableOf(mine.netns)]);
    const timeouts = await Promise.all([real.ipvs.getTimeouts(), mine.ipvs.getTimeouts()]);
    const commands = group.map(({ args }) => args.join(' '));
    t.strictSame(tables[1], tables[0], 'the same table', { commands });
    t.strictSame(timeouts[1], timeouts[0]);
  }
  t.comment(`${compared} calls, ${accepted} of them accepted by ipvsadm`);
  return accepted / compared;
}

t.test('made-up command lines', async (t) => {
  const lines = fc.sample(commandLine, { numRuns: GROUPS * GROUP, seed: SEED });
  const calls = lines.map((args): Call => ({ args }));
  const groups = Array.from({ length: GROUPS }, (_, n) => calls.slice(n * GROUP, (n + 1) * GROUP));
  const accepted = await compare(t, groups);
  t.ok(accepted > 0.2 && accepted < 0.8, `both kinds are there: ${accepted}`);
});

t.test('lines of standard input', async (t) => {
  const inputs = fc.sample(inputLines, { numRuns: GROUPS * INPUTS, seed: SEED });
  const calls = inputs.map((lines): Call => ({ args: ['-R'], input: lines.join('\n') }));
  const groups = Array.from({ length: GROUPS }, (_, n) =>
    calls.slice(n * INPUTS, (n + 1) * INPUTS),
  );
  await compare(t, groups);
});

// In C it ends a word, and what is left may be none.
t.test('NUL in standard input', async (t) => {
  const inputs = [
    '-A -f 29\0',
    '-A -f 30\0x -s rr\0\n-a -f 30 -r 10.0.0.5\0:80 -m\n',
    '-A -f 31 -s \0\n',
    '-A\0x --fwmark-service=32\0\n',
    'ipvsadm\0x -A -f 33\n',
    '\0 -A -f 34\n',
    '-A -f 35 \0\n',
    '-A -f 36\n\0\n-A -f 37\n',
    '-A -f 38 -s\0rr\n',
  ];
  const accepted = await compare(
    t,
    inputs.map((input) => [{ args: ['-R'], input }]),
  );
  t.ok(accepted > 0.5);
});

t.test('enough of them', (t) => {
  const least = GROUPS === 44 ? 2000 : 150;
  t.ok(carriedOut.size >= least, `${carriedOut.size} different command lines were carried out`);
  for (const long of ['--clear', '--restore', '--add-service', '--edit-server', '--zero']) {
    const isThere = [...carriedOut].some((line) => line.startsWith(long));
    t.ok(isThere || GROUPS < 44, long);
  }
  t.end();
});

t.test('what is different on purpose is so', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  const both = async (call: Call) => [await ipvsadm.run(call), await ours(netns, call)] as const;

  const [crash, refused] = await both({ args: ['-A', '-t', '10.0.0.1:80', '-b', ','] });
  differences.meet('empty flags');
  t.match(crash, { status: 139 });
  t.match(refused, { status: 2, stderr: /invalid scheduler flag/ });
  for (const args of [
    ['-A', '-t', 'x'],
    ['-A', '-f', '1', '-b', 'flag-1'],
  ]) {
    t.notOk(isSame({ args }, crash, refused), 'another crash is not the one that is known');
  }

  const [notTaken, taken] = await both({ args: ['-A', '-f', '-294967296'] });
  differences.meet('negative mark');
  t.match(notTaken, { status: 2, stderr: /invalid fwmark value `-294967296'/ });
  t.match(taken, { status: 0, stderr: '' });
  t.match(await ipvs.listServices(), [{ fwmark: 4000000000 }]);

  await ipvs.restore('-A -f 4000000000\n-a -f 4000000000 -r 10.0.0.5 -x 9 -y 3\n');
  for (const args of [['-Ln'], ['-Sn']]) {
    const [theirs, own] = await both({ args });
    t.match(theirs.stdout, ' -294967296 ');
    t.match(own.stdout, ' 4000000000 ');
    t.ok(isSame({ args }, theirs, own), args.join(' '));
  }

  const [dropped, done] = await both({ args: ['-R'], input: '-A -t 10.0.0.9:80  ' });
  differences.meet('blanks at the end');
  t.match(dropped, { status: 0 });
  t.match(done, { status: 0 });
  t.ok(await ipvs.getService({ protocol: 'tcp', address: '10.0.0.9', port: 80 }), 'ours did it');
  differences.check(t);
});
