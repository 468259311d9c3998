// The drop-in as a process of its own, by `ipvs adm` and by links of ipvsadm's names, in the hands of a
// script that was written for ipvsadm; and what --strict refuses.

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { parseCommand } from '#lib/rules/command';
import { PORTS_ONLY } from '#lib/rules/names';
import { START, commandLine, rightLine } from '../fixtures/adm-command-lines.js';
import { Differences } from '../lab/adm-differences.js';
import { RealIpvsadm, ours } from '../lab/adm.js';
import type { Call } from '../lab/adm.js';
import { freshFolder } from '../lab/folder.js';
import { freshIpvs } from '../lab/namespace.js';
import { tableOf } from '../lab/records.js';

t.setTimeout(300_000);

const SEED = 20261124;
const differences = new Differences('adm-process');

const MAIN = require.resolve('#lib/cli/main');

/** A folder with links of ipvsadm's names. */
function linkedFolder(t: Test): string {
  const folder = freshFolder(t);
  chmodSync(MAIN, 0o755); // as npm does it for what is in "bin"
  for (const name of ['ipvsadm', 'ipvsadm-save', 'ipvsadm-restore', 'ipvs']) {
    symlinkSync(MAIN, join(folder, name));
  }
  return folder;
}

// Adds, drains and reads back, as people do it with what ipvsadm prints.
const SCRIPT = `
set -e
ipvsadm -C
ipvsadm -A -t 10.0.0.1:80 -s wrr
ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.5:8080 -m -w 3
ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.6 -m -w 2
ipvsadm -Ln | awk '/->/ && $3 == "Masq" { print $2, $4 }' | sort
ipvsadm -e -t 10.0.0.1:80 -r 10.0.0.6 -m -w 0
ipvsadm -Ln -t 10.0.0.1:80 | awk '$2 == "10.0.0.6:80" && $4 == 0 { print "drained", $2 }'
if ! ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.7 2>/dev/null; then echo "status $?"; fi
saved=$(ipvsadm-save -n)
ipvsadm -C
ipvsadm -Ln | wc -l
echo "$saved" | ipvsadm-restore
[ "$(ipvsadm -Sn)" = "$saved" ] && echo restored
ipvsadm --foo || echo "status $?"
ipvsadm -A -t 10.0.0.1:80 -q || echo "status $?"
ipvsadm -h | wc -l
`;

t.test('a script for ipvsadm sees no difference', async (t) => {
  const { netns } = await freshIpvs(t);
  const folder = linkedFolder(t);
  const run = (path: string, script = SCRIPT) => {
    const env = { ...process.env, PATH: path };
    const command = ['netns', 'exec', netns, 'bash', '-c', script];
    const { status, stdout, stderr } = spawnSync('ip', command, { env, encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  const path = process.env.PATH ?? '';
  const theirs = run(path);
  const table = await tableOf(netns);
  t.equal(theirs.status, 0, theirs.stderr);
  const withLinks = [folder, path].join(delimiter);
  t.strictSame(run(withLinks), theirs);
  t.strictSame(await tableOf(netns), table);
  t.equal(run(path, 'ipvsadm -A -f -5').status, 2);
  t.equal(run(withLinks, 'ipvsadm -A -f -5').status, 0, 'which only ours takes: it was ours');
  differences.meet('negative mark');
  const pipe = 'exec 3> >(:); wait $!; ipvsadm -h >&3; echo $?';
  t.equal(run(path, pipe).stdout, '141\n');
  t.equal(run(withLinks, pipe).stdout, '0\n');
  differences.meet('closed pipe');
});

/** Whether ipvsadm goes on behind it. */
function isRead(words: readonly string[]): boolean {
  try {
    return parseCommand(words, PORTS_ONLY).name !== 'list';
  } catch {
    return false;
  }
}

// Starting Node.js takes its time in the lab: most lines come from standard input.
t.test('made-up command lines, as a process', async (t) => {
  const real = await freshIpvs(t);
  const mine = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, real.netns);
  const link = new RealIpvsadm(t, mine.netns);
  const program = join(linkedFolder(t), 'ipvsadm');
  const single = fc.sample(commandLine, { numRuns: 4, seed: SEED });
  const right = fc.sample(rightLine, { numRuns: 40, seed: SEED }).filter(isRead).slice(0, 16);
  const input = right.map((words) => words.join(' ')).join('\n');
  const calls: Call[] = [START, { args: ['-R'], input }, ...single.map((args) => ({ args }))];
  for (const call of calls) {
    const theirs = await ipvsadm.run(call);
    const own = await link.run(call, program);
    const converted = { ...own, stdout: differences.asIpvsadm(own.stdout) };
    t.strictSame(converted, theirs, call.input ?? call.args.join(' '));
  }
  t.strictSame(await tableOf(mine.netns), await tableOf(real.netns));
});

t.test('ipvs adm is the same, and takes a namespace', async (t) => {
  const { netns, ipvsadm } = await freshIpvs(t);
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [MAIN, 'adm', ...args], { encoding: 'utf8' });
  t.equal(run('--netns', netns, '-A', '-f', '1'), '');
  t.equal(run(`--netns=${netns}`, '-Ln'), ipvsadm('-Ln'));
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'adm', '--netns', 'nosuch', '-L'], {
    encoding: 'utf8',
  });
  t.equal(status, 2);
  t.match(stderr, /there is no network namespace \/run\/netns\/nosuch/);
});

t.test('--strict refuses what ipvsadm does in silence', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const strict = (args: string, input = '') =>
    ours(netns, { args: ['--strict', ...args.split(' ')], input });
  const refuses = async (args: string, reason: RegExp, input = '', status = 2) => {
    const before = await tableOf(netns);
    const result = await strict(args, input);
    t.equal(result.status, status, args);
    t.match(result.stderr, reason, args);
    t.equal(result.stdout, '');
    t.strictSame(await tableOf(netns), before, 'nothing was changed');
  };
  const accepts = async (args: string, input = '') => {
    t.strictSame(await strict(args, input), { status: 0, stdout: '', stderr: '' }, args);
  };
  await accepts('-A -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0');
  await accepts('-a -t 10.0.0.1:80 -r 10.0.0.5 -m -w 5 -x 9 -y 3');
  const server = '-t 10.0.0.1:80 -r 10.0.0.5';
  await refuses(`-e ${server} -w 0`, /does not name: -g, -i or -m, -x, -y;/);
  await refuses(`-e ${server} -m`, /does not name: -w, -x, -y; name them too\n$/);
  await accepts(`-e ${server} -m -w 0 -x 9 -y 3`);
  await accepts(`-e ${server} -m -w 0 -x 8 -y 3`);
  await accepts(`-e ${server} -w 0 -i -x 8 -y 3 --tun-type gue --tun-port 6080 --tun-csum`);
  await refuses(
    `-e ${server} -w 0 -i -x 8 -y 3`,
    /does not name: --tun-type, --tun-port, --tun-csum/,
  );
  await refuses('-E -t 10.0.0.1:80 -s rr', /does not name: -p, -M; name them too/);
  await refuses('-E -t 10.0.0.1:80 -p 300', /does not name: -s, -M; name/);
  await accepts('-E -t 10.0.0.1:80 -s rr -p 60 -M 255.255.255.0');
  await refuses('-a -t 10.0.0.1:80 -r 10.0.0.6:8080', /port 8080 would become the service's, 80/);
  await refuses('-e -t 10.0.0.1:81 -r 10.0.0.6', /^Service not defined/, '', 255);

  // Input: all of it has to make sense first, and the first refusal ends it.
  await refuses('-R', /illegal weight/, '-A -f 1\n-a -f 1 -r 10.0.0.5 -w x\n');
  await refuses('-R', /unknown option/, '-A -f 1\n-A -f 2 --foo\n', 255);
  const lines = (...all: string[]) => `-A -f 1\n${all.join('\n')}\n`;
  await refuses('-R', /port 8080 would become/, lines('-a -t 10.0.0.1:80 -r 10.0.0.6:8080'));
  await refuses('-R', /does not name: -p, -M; name/, lines('-E -t 10.0.0.1:80 -s rr'));
  await refuses('-R', /does not name: -g, -i or -m, -x, -y/, lines(`-e ${server} -w 0`));
  // As the lines before leave it.
  await refuses('-R', /does not name: -s; name/, lines('-A -f 2 -s rr', '-E -f 2'));
  await refuses(
    '-R',
    /does not name: -w; name/,
    lines('-a -f 1 -r 10.0.0.6 -w 5', '-e -f 1 -r 10.0.0.6'),
  );
  await refuses('-R', /^Try `ipvsadm -h'/, lines('-R'), 255);
  await accepts(
    '-R',
    `-D -t 10.0.0.1:80\n-A -t 10.0.0.1:80 -s lc\n-a ${server} -m\n-e ${server} -m -w 0\n`,
  );
  await accepts('-R', '-A -f 7 -p\n-C\n-A -f 7 -s rr\n-E -f 7 -s rr -p\n-D -f 7\n');
  const half = await strict('-R', '-A -f 1\n-A -f 1\n-A -f 2\n');
  t.match(half, { status: 255, stderr: 'Service already exists\n' });
  t.equal((await ipvs.listServices()).length, 1, 'and nothing comes after it');
  const usual = await ours(netns, { args: ['-R'], input: '-A -f 1\n-A -f 3\n' });
  t.match(usual, { status: 0, stderr: 'Service already exists\n' }, 'as ipvsadm has it');

  // ipvsadm-restore: at once, without a gap, or not at all.
  const restore = (input: string) =>
    ours(netns, { args: ['--strict'], input }, { program: 'ipvsadm-restore' });
  const before = await tableOf(netns);
  const refused = await restore('-A -f 1\n-A -f 1\n');
  t.match(refused, { status: 2, stderr: /standard input:2:1: .* since line 1/ });
  t.strictSame(await tableOf(netns), before);
  t.strictSame(await restore('# all\n-A -f 1\n'), { status: 0, stdout: '', stderr: '' });
  t.match(await ipvs.listServices(), [{ fwmark: 1 }]);
});

t.test('each difference was met', (t) => {
  differences.meet('own options');
  differences.check(t);
  t.end();
});
