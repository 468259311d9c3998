// The command line as far as it needs no kernel: what is refused before anything is asked, how help
// looks, and how failures are told.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { Exit, failureText, statusOf, tell } from '#lib/cli/failure';
import { makeStyle, styleOf } from '#lib/cli/terminal';
import { makeProgram } from '#lib/cli/program';
import type { CliCommand } from '#lib/cli/command';
import { drain } from '#lib/cli/commands/drain';
import type { Context } from '#lib/cli/context';
import { quickTable } from '#lib/cli/quick';
import { select } from '#lib/cli/select';
import { IpvsError } from '#lib/errors';
import { Fault, NativeFailure } from '#lib/native';
import type { Addon } from '#lib/native';
import { parseSnapshotOptions } from '#lib/options';
import { runCli } from '../fixtures/terminal.js';

const root = join(__dirname, '..', '..');

// Only the library makes them, so their constructor is not public.
function makeError(...args: [subject: object, verdict: object]): IpvsError {
  return new (IpvsError as unknown as new (...all: typeof args) => IpvsError)(...args);
}

/** All commands below one, with the words that name them. */
function commandsOf(command: CliCommand, words: string[] = []): [string[], CliCommand][] {
  return [
    [words, command],
    ...command.commands.flatMap((each) => commandsOf(each, [...words, each.name()])),
  ];
}

t.test(
  'what makes no sense is refused with status 2, on standard error, with what would',
  async (t) => {
    const wrong: [string, RegExp][] = [
      ['lst', /^ipvs: unknown command 'lst'\nhint: .*list/],
      ['list --jsn', /^ipvs: unknown option '--jsn'\nhint: .*--json/],
      ['list icmp', /choices are tcp, udp, sctp, mark, mark6/],
      ['add service tcp 10.0.0.1', /'10.0.0.1' has no port\nhint: for example tcp 10.0.0.1:80/],
      ['add service tcp', /missing required argument 'service'/],
      ['add service tcp 10.0.0.1:80 extra', /too many arguments/],
      ['add tcp 10.0.0.1:80 -s rr', /\nhint: ipvs add service tcp 10.0.0.1:80 -s rr\n/],
      ['add service 10.0.0.1:80', /\nhint: ipvs add service tcp 10.0.0.1:80\n/],
      ['rm [2001:db8::1]:80 2001:db8::5', /\nhint: ipvs rm server tcp \[2001:db8::1\]:80 2001/],
      ['set mark 80 10.0.0.5 -w 0', /\nhint: ipvs set server mark 80 10.0.0.5 -w 0\n/],
      ['add server 10.0.0.1:80 10.0.0.5', /\nhint: ipvs add server tcp 10.0.0.1:80 10.0.0.5\n/],
      ['add servce tcp 10.0.0.1:80', /\nhint: Did you mean service\?\n/],
      ['set service tcp 10.0.0.1:80', /nothing to set\nhint: "ipvs set service --help"/],
      ['set server tcp 10.0.0.1:80 10.0.0.5', /nothing to set/],
      ['add server tcp 10.0.0.1:80 10.0.0.5 --nat --dr', /--nat and --dr exclude each other/],
      ['add server tcp 10.0.0.1:80 10.0.0.5 --weight many', /--weight takes a whole number/],
      ['add server tcp 10.0.0.1:80 10.0.0.5 --tunnel-port 1', /go with --tunnel/],
      ['add server tcp 10.0.0.1:80 10.0.0.5 --tunnel vxlan', /choices are ipip, gue, gre/],
      ['set service tcp 10.0.0.1:80 --no-persistent --netmask 24', /does not go with/],
      ['zero tcp', /takes a whole service/],
      ['cluster check -f x --node y --dry-run', /--dry-run goes with --mend/],
      ['connections --service :80 --mark 1', /exclude each other/],
      ['connections --mark 0', /'0' is not a firewall mark/],
      ['watch --interval 0', /--interval is at least 1s/],
      ['timeouts --tcp soon', /--tcp takes a time/],
      ['list --deadline soon', /--deadline takes a time/],
      ['daemon start primary eth0', /choices are master, backup/],
    ];
    for (const [line, message] of wrong) {
      const { status, out, err } = await runCli(line.split(' '));
      t.equal(status, Exit.usage, line);
      t.equal(out, '', line);
      t.match(err, message, line);
    }
  },
);

t.test('values that the library refuses are named as they were typed', async (t) => {
  const wrong: [string, RegExp][] = [
    ['timeouts --tcp 30d', /^ipvs: --tcp is out of range\. It must be >= 0 and <= 2147483/],
    ['daemon start master eth0 --ttl 300', /^ipvs: --ttl is out of range/],
    ['daemon start master eth0/1', /^ipvs: the interface must be a network interface's name/],
    ['connections --client 10.0.0', /^ipvs: --client must be an IPv4 or IPv6 address/],
    ['list --netns ..', /^ipvs: --netns must be a namespace's name or path/],
    ['list --deadline 0', /^ipvs: --deadline is out of range/],
  ];
  for (const [line, message] of wrong) {
    const { status, err } = await runCli(line.split(' '));
    t.equal(status, Exit.usage, line);
    t.match(err, message, line);
  }
});

t.test('--json tells failures as JSON too', async (t) => {
  const { status, out, err } = await runCli(['list', 'icmp', '--json']);
  t.equal(status, Exit.usage);
  t.equal(out, '');
  t.match(JSON.parse(err), { error: { code: 'ERR_USAGE', message: /icmp/ } });
});

t.test('help', async (t) => {
  for (const [words, command] of commandsOf(makeProgram())) {
    const isAdm = words[0] === 'adm'; // its arguments are ipvsadm's, --help too
    const { status, out, err } = await runCli(isAdm ? ['help', 'adm'] : [...words, '--help'], {
      columns: 80,
      env: {},
    });
    const name = ['ipvs', ...words].join(' ');
    t.equal(status, 0, name);
    t.equal(err, '', name);
    t.match(stripped(out), `Usage: ${name}`);
    t.ok(
      out.split('\n').every((line) => stripped(line).length <= 80),
      `${name} fits 80 columns`,
    );
    for (const { line } of command.examples) t.ok(stripped(out).includes(line), line);
    t.ok(command.examples.length > 0, `${name} has an example`);
  }
  const nothing = await runCli([]);
  t.equal(nothing.status, Exit.usage, 'no command is a mistake');
  t.equal(nothing.out, '');
  t.match(nothing.err, 'Usage: ipvs');
  t.notMatch((await runCli(['--help'])).out, '\x1b', 'no colours in a pipe');
  t.match((await runCli(['--help'], { columns: 80, env: { TERM: 'xterm' } })).out, '\x1b[1m');
});

// What changes nothing, by name: whoever adds a command decides.
const LOOKS = new Set([
  'list',
  'watch',
  'stats',
  'connections',
  'doctor',
  'probe',
  'save', // a file, not the machine
  'diff',
  'daemon',
  'cluster plan',
  'help',
  'completion',
]);

t.test('every command that changes something has --dry-run, in the same words', (t) => {
  const working = commandsOf(makeProgram()).filter(([, { works }]) => works);
  t.ok(working.length > 25);
  for (const [words, { options }] of working) {
    const name = words.join(' ');
    if (name === 'adm') continue; // ipvsadm has none
    const dry = options.find(({ long }) => long === '--dry-run');
    t.equal(dry?.short, LOOKS.has(name) ? undefined : '-n', name);
  }
  const docs = readFileSync(join(root, 'docs', 'cli.md'), 'utf8');
  t.match(docs, 'Every command that changes something takes `--dry-run`');
  t.end();
});

// In a namespace that is not there: all that a command says is read, and nothing can be changed.
t.test('every example is understood', async (t) => {
  const docs = readFileSync(join(root, 'docs', 'cli.md'), 'utf8');
  for (const [names, command] of commandsOf(makeProgram())) {
    for (const { line } of command.examples) {
      const [program, ...words] = line
        .replace(/^source <\((.*)\)$/, '$1')
        .replace(/ [|<>].*/, '')
        .split(' ');
      if (program === 'ln' || words[0] === 'adm') continue; // ipvsadm has its own arguments and statuses
      t.equal(program, 'ipvs');
      if (names.length > 0)
        t.same(words.slice(0, names.length), names, `${line} is of ${names.join(' ')}`);
      const { status, err } = await runCli(['--netns', 'nosuch', ...words]);
      t.not(status, Exit.usage, `${line}: ${err}`);
      // What it picks out of the JSON has to be in it.
      const picked = /\| jq .*"\.(\w+)/.exec(line)?.[1];
      if (picked !== undefined)
        t.match(docs, new RegExp(`^\\| .${names[0]}. +\\| .\\{ ${picked}:`, 'm'));
      else t.notMatch(line, ' jq ');
    }
  }
});

t.test('what is set has no defaults', async (t) => {
  for (const what of ['service', 'server']) {
    t.match((await runCli(['add', what, '--help'])).out, /\((default: |the default)/, what);
    const { out } = await runCli(['set', what, '--help']);
    t.notMatch(out, /\((default: (?!10s)|the default)/, what); // 10s is how long the kernel has
  }
  t.match(
    (await runCli(['set', 'service', '--help'])).out,
    /without a time: the present\s+one, or 5m/,
  );
});

t.test("the version is the package's", async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  t.same(await runCli(['--version']), { status: 0, out: `${version}\n`, err: '' });
  for (const words of [['-V'], ['--json', '-V'], ['--netns', 'x', '--no-color', '--version']]) {
    t.same(await runCli(words), { status: 0, out: `${version}\n`, err: '' });
  }
  // Behind a command it may be a mistake, and the command is not carried out.
  const behind = ['clear --yes -V', 'list --version', 'add service tcp 10.0.0.1:80 -s -V'];
  for (const line of behind) {
    t.match(await runCli(line.split(' ')), { status: 2, out: '' }, line);
  }
});

t.test('drain names the port of a server that somebody else has removed', async (t) => {
  const lines: string[] = [];
  const ipvs = { updateDestination: () => undefined, getDestination: () => undefined };
  const context = {
    ipvs: () => Promise.resolve(ipvs),
    style: makeStyle(false, false),
    progress: () => ({ show: () => undefined, end: () => undefined }),
    print: (text: string[]) => lines.push(...text),
  };
  await drain(context as unknown as Context, 'tcp', '10.0.0.1:80', '10.0.0.5', { remove: true });
  t.same(lines, ['drained server 10.0.0.5:80 of tcp 10.0.0.1:80']);
});

// Each look at the kernel may lack what stays, where others go meanwhile. On a machine with one
// processor that is too rare for the test of it on the kernel (test/kernel/restore.ts).
t.test('list looks until two looks agree, by both of its ways', async (t) => {
  const looks: unknown[] = [];
  class Channel {
    table(settle: boolean, _: number, done: (failure: NativeFailure) => void): void {
      looks.push({ settle });
      done(new NativeFailure(Fault.refused, 0, '', ''));
    }

    close(): void {
      looks.push('closed');
    }
  }
  t.equal(await quickTable({ Channel } as unknown as Addon), undefined);
  const snapshot = (options?: object) => (
    looks.push(parseSnapshotOptions(options)),
    { services: [] }
  );
  const context = { ipvs: () => Promise.resolve({ snapshot }) };
  t.same(await select(context as unknown as Context), []);
  t.match(looks, [{ settle: true }, 'closed', { settle: true }]);
});

t.test('what stands in front of adm is taken, or refused', async (t) => {
  const wrong: [string, RegExp][] = [
    ['--netns nosuch adm -Ln', /^open: .*nosuch/],
    ['--no-color --netns=nosuch adm -Ln', /^open: .*nosuch/],
    ['--netns pid:999999999 adm -Ln', /^open: .*999999999/],
    ['--deadline 5s adm -Ln', /^ipvs: --deadline does not go with adm/],
    ['--nosuch adm -Ln', /^ipvs: unknown option '--nosuch'/],
    ['-- adm -Ln', /^ipvs: adm comes first/],
  ];
  for (const [line, message] of wrong) {
    const { status, out, err } = await runCli(line.split(' '));
    t.equal(status, 2, line);
    t.equal(out, '', line);
    t.match(err, message, line);
  }
  const json = await runCli(['--json', 'adm', '-Ln']);
  t.equal(json.status, 2);
  t.match(JSON.parse(json.err), { error: { code: 'ERR_USAGE', hint: /ipvs list --json/ } });
});

t.test('colours follow the user, then the terminal', (t) => {
  const terminal = { isTTY: true, write: () => true };
  const pipe = { write: () => true };
  const isColoured = (...args: Parameters<typeof styleOf>) => styleOf(...args).bold('x') !== 'x';
  t.equal(isColoured(terminal, {}), true);
  t.equal(isColoured(pipe, {}), false);
  t.equal(isColoured(terminal, { NO_COLOR: '1' }), false);
  t.equal(isColoured(terminal, { NO_COLOR: '' }), true, 'an empty one does not count');
  t.equal(isColoured(pipe, { FORCE_COLOR: '1' }), true);
  t.equal(isColoured(terminal, { FORCE_COLOR: '0' }), false);
  t.equal(isColoured(terminal, { TERM: 'dumb' }), false);
  t.equal(isColoured(terminal, { FORCE_COLOR: '1' }, false), false, '--no-color');
  t.equal(styleOf(pipe, { LANG: 'en_US.UTF-8' }).unicode, true);
  t.equal(styleOf(pipe, { LANG: 'en_US.UTF-8', LC_ALL: 'C' }).unicode, false);
  t.equal(styleOf(pipe, {}).unicode, false);
  t.equal(makeStyle(true, true).bold(''), '', 'nothing is not painted');
  t.end();
});

t.test('exit statuses by class of failure', (t) => {
  const of = (code: string) => statusOf(Object.assign(new Error('x'), { code }));
  t.equal(of('EEXIST'), 3);
  t.equal(of('ESRCH'), 4);
  t.equal(of('ENOENT'), 4);
  t.equal(of('EPERM'), 5);
  t.equal(of('ERR_IPVS_UNAVAILABLE'), 6);
  t.equal(of('ERR_IPVS_SCHEDULER'), 6);
  t.equal(of('ERR_IPVS_TIMEOUT'), 7);
  t.equal(of('ERR_IPVS_UNKNOWN_OUTCOME'), 8);
  t.equal(of('EINVAL'), 9);
  t.equal(of('toString'), 9);
  t.equal(statusOf(new Error('x')), 9);
  t.equal(statusOf('x'), 9);
  t.end();
});

// Hints of the library name its functions: nobody can type those.
t.test('hints speak of commands, not of functions', (t) => {
  const source = readFileSync(join(root, 'lib', 'explain.ts'), 'utf8');
  const hints = [...source.matchAll(/hint:\s*(?:'([^']*)'|"([^"]*)")/g)].map(
    ([, single, double]) => single ?? double ?? '',
  );
  t.ok(
    hints.some((hint) => hint.includes('()')),
    'there are such hints',
  );
  for (const hint of hints) {
    const { hint: told } = tell(makeError({ command: 'x' }, { code: 'X', sentence: 'y', hint }));
    t.notMatch(told, /\w\(\)|options\./, hint);
  }
  t.end();
});

t.test('what is told of a failure', (t) => {
  const error = makeError(
    { command: 'add service', service: { protocol: 'tcp', address: '10.0.0.1', port: 80 } },
    {
      code: 'EEXIST',
      sentence: 'the service already exists',
      hint: 'ensureService() adds or updates',
    },
  );
  t.equal(
    failureText(error, makeStyle(false, false)),
    'ipvs: add service tcp 10.0.0.1:80: the service already exists (EEXIST)\n' +
      'hint: with --ensure, "ipvs add service" adds or updates\n',
  );
  t.same(tell(error).service, { protocol: 'tcp', address: '10.0.0.1', port: 80 });
  t.match(tell(new Error('a bug')), { code: 'ERR_UNKNOWN', message: /a bug\n.*cli-run/s });
  t.end();
});

function stripped(line: string): string {
  return stripVTControlCharacters(line);
}

// Root runs this: what others could write to is not where it finds its own code. (Node.js 22 would keep
// what it compiled in the folder for temporary files.)
t.test('nothing is kept in the folder for temporary files', (t) => {
  const folder = t.testdir({});
  const env = { ...process.env, NODE_OPTIONS: '', TMPDIR: folder };
  execFileSync(process.execPath, [join(root, 'dist', 'cli', 'main.js'), '--version'], { env });
  t.same(readdirSync(folder), []);
  t.end();
});

// What is not loaded takes no time: without a clock, what keeps `ipvs list` from starting slowly.
t.test('a command loads only what it needs', (t) => {
  const loaded = (word: string): string[] => {
    const program = `require('#lib/cli/run').run(['${word}'], process).then(() => {
      for (const file of Object.keys(require.cache)) console.log(require('path').relative('.', file));
    })`;
    const env = { ...process.env, NODE_OPTIONS: '' };
    const out = execFileSync(process.execPath, ['-e', program], { cwd: root, env, stdio: 'pipe' });
    return out.toString().split('\n');
  };
  const isOurs = (file: string) => file.startsWith('dist/');
  t.ok(loaded('--version').filter(isOurs).length <= 8);
  const list = loaded('list');
  t.ok(list.includes('dist/cli/render/list.js'));
  for (const other of ['dist/cli/program.js', 'dist/batch.js', 'node_modules/commander/index.js']) {
    t.notOk(list.includes(other), other);
  }
  // Without IPVS it goes on to load what says why: so this is asked of what it loads first.
  const quick = list.slice(0, list.indexOf('dist/cli/select.js')).filter(isOurs);
  t.ok(quick.length <= 21, quick.join(' '));
  t.ok(loaded('probe').includes('node_modules/commander/index.js'));
  t.end();
});
