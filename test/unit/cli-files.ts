// What is made from the tree of commands: the manual page and completion. They catch a page that is
// older than the commands, and a script that a shell does not take.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeProgram } from '#lib/cli/program';
import { manualPage } from '#lib/cli/manual';
import { STATUS_MEANINGS } from '#lib/cli/statuses';
import { Exit } from '#lib/cli/failure';
import { runCli } from '../fixtures/terminal.js';

const root = join(__dirname, '..', '..');

t.test('man/ipvs.1 is what "ipvs help --man" writes', async (t) => {
  const { status, out } = await runCli(['help', '--man']);
  t.equal(status, 0);
  t.equal(out, readFileSync(join(root, 'man', 'ipvs.1'), 'utf8'));
  t.equal(out, manualPage(makeProgram()));
  for (const { description } of [makeProgram(), ...makeProgram().commands].map((each) => ({
    description: each.description().split(/[-'.]/)[0] ?? '',
  }))) {
    t.match(out, description);
  }
  for (const { name } of commandsBelow())
    t.match(out, `\\fBipvs ${name.replaceAll('-', '\\-')}\\fR`);
});

t.test('every exit status has its meaning, here and in docs/cli.md', (t) => {
  const numbers = STATUS_MEANINGS.map(([status]) => status);
  t.same([...numbers, Exit.interrupted], Object.values(Exit));
  const docs = readFileSync(join(root, 'docs', 'cli.md'), 'utf8');
  for (const [status, meaning] of STATUS_MEANINGS) {
    const row = docs.split('\n').find((line) => line.startsWith(`| ${status} `));
    t.match(row, meaning.split(/[:;(]/)[0]?.trim(), `${status}`);
  }
  t.end();
});

function commandsBelow(): { name: string }[] {
  return makeProgram().commands.flatMap((each) =>
    each.commands.length === 0
      ? [{ name: each.name() }]
      : each.commands.map((below) => ({ name: `${each.name()} ${below.name()}` })),
  );
}

/** What bash offers for a line; the cursor is behind it. */
function completed(script: string, line: string): string[] {
  const program = `${script}
compopt() { :; } # for readline, which is not there
COMP_LINE=$1; COMP_POINT=\${#1}; _ipvs; printf '%s\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['-c', program, 'bash', line], { encoding: 'utf8' });
  return out.split('\n').filter((each) => each !== '');
}

t.test('bash completes commands, options, values and files', async (t) => {
  const { status, out: script } = await runCli(['completion', 'bash']);
  t.equal(status, 0);
  const offers = (line: string) => completed(script, line);
  t.same(offers('ipvs dr'), ['drain']);
  t.same(offers('ipvs add '), ['service', 'server', ...offers('ipvs add --')]);
  t.same(offers('ipvs add serv'), ['service', 'server']);
  t.same(offers('ipvs add service t'), ['tcp']);
  t.same(offers('ipvs add service tcp t'), [], 'only the first word is a kind');
  t.same(offers('ipvs --netns add add service --sched'), ['--scheduler'], 'a value is no command');
  t.same(offers('ipvs ls ma'), ['mark', 'mark6'], 'an alias');
  t.same(offers('ipvs watch --sort '), ['name', 'conns', 'active', 'in', 'out', 'packets']);
  t.same(offers('ipvs save --format y'), ['yaml']);
  t.same(offers('ipvs save --format=y'), ['yaml']);
  t.notMatch(offers('ipvs list --netns ').join(' '), 'tcp', 'namespaces, and nothing else');
  const packages = [`${root}/package-lock.json`, `${root}/package.json`];
  for (const files of ['restore', 'cluster plan -f', 'cluster apply --file', 'diff --merge']) {
    t.same(offers(`ipvs ${files} ${root}/packa`), packages, files);
  }
  t.same(offers(`ipvs cluster check --file=${root}/packa`), packages);
  t.same(offers(`ipvs cluster check --journal ${root}/do`), [`${root}/docs`]);
  t.same(offers(`ipvs cluster check --journal ${root}/packa`), [], 'folders only');
  t.same(offers('ipvs completion '), ['bash', 'zsh', ...offers('ipvs completion --')]);
  t.same(offers('ipvs help cl'), ['clear', 'cluster']);
  t.same(offers('ipvs help cluster '), ['plan', 'apply', 'check', 'revert']);
  t.same(offers('ipvs help cluster plan '), []);
  t.same(offers('ipvs help --m'), ['--man']);
  for (const line of ['ipvs adm ', 'ipvs adm --', 'ipvs adm -A -t list ']) t.same(offers(line), []);
  t.match(offers('ipvs set server tcp 10.0.0.1:80 10.0.0.5 --w'), ['--weight'], 'a colon');
});

/** What a shell makes of lines that are typed, each with a tabulator behind it. */
function typed(shell: string[], home: string, begin: string, lines: readonly string[]): string[] {
  const input = [begin, ...lines.map((line) => `${line}\t`), 'exit', ''].join('\n');
  const env = { ...process.env, TERM: 'dumb', HOME: home, HISTFILE: '', PS1: '' };
  const out = execFileSync('script', ['-qec', shell.join(' '), '/dev/null'], {
    input,
    env,
    encoding: 'utf8',
  });
  return [...out.matchAll(/^<<(.*)>>\r*$/gm)].map(([, words = '']) => words.replace(/[ /]+$/, ''));
}

const LINES = [
  ['ipvs dra', 'drain'],
  ['ipvs save --format=ya', 'save --format=yaml'],
  ['ipvs save --format ya', 'save --format yaml'],
  ['ipvs help clus', 'help cluster'],
  [`ipvs cluster plan -f ${root}/CHANGEL`, `cluster plan -f ${root}/CHANGELOG.md`],
  [`ipvs cluster plan --file=${root}/CHANGEL`, `cluster plan --file=${root}/CHANGELOG.md`],
  [`ipvs cluster plan --journal ${root}/nativ`, `cluster plan --journal ${root}/native`],
  [
    'ipvs set server tcp 10.0.0.1:80 10.0.0.5 --weig',
    'set server tcp 10.0.0.1:80 10.0.0.5 --weight',
  ],
  ['ipvs adm --rat', 'adm --rat'],
] as const;

for (const [shell, start] of [
  [['bash', '--norc', '-i'], ''],
  [['zsh', '-f', '-i'], 'autoload -U compinit; compinit -u -D; '],
] as const) {
  const [name] = shell;
  t.test(`keys that are pressed in ${name}`, async (t) => {
    if (name === 'zsh') execFileSync(join(root, 'scripts', 'need'), ['zsh:zsh']);
    const { out } = await runCli(['completion', name]);
    const home = t.testdir({ script: out });
    const begin = `${start}ipvs() { echo "<<$*>>"; }; source ${join(home, 'script')}`;
    t.same(
      typed(
        [...shell],
        home,
        begin,
        LINES.map(([line]) => line),
      ),
      LINES.map(([, words]) => words),
    );
    t.same(readdirSync(home), ['script'], 'no history is left behind');
  });
}

t.test('the script for zsh names every command and option', async (t) => {
  const { out } = await runCli(['completion', 'zsh']);
  t.match(out, /^#compdef ipvs\n/);
  for (const { name } of commandsBelow()) {
    t.ok(out.includes(`    '${name}') ${name === 'adm' ? 'return' : 'known=('}`), name);
  }
  t.match(out, /'--weight:0 is no new connections/);
});
