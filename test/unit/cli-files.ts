// What is made from the tree of commands: the manual page and completion. They catch a page that is
// older than the commands, and a script that a shell does not take.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
function completed(script: string, words: readonly string[]): string[] {
  const program = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ipvs; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['-c', program, 'bash', ...words], { encoding: 'utf8' });
  return out.split('\n').filter((line) => line !== '');
}

t.test('bash completes commands, options, values and files', async (t) => {
  const { status, out: script } = await runCli(['completion', 'bash']);
  t.equal(status, 0);
  const offers = (line: string) => completed(script, line.split(' '));
  t.same(offers('ipvs dr'), ['drain']);
  t.same(offers('ipvs add '), ['service', 'server', ...offers('ipvs add --')]);
  t.same(offers('ipvs add serv'), ['service', 'server']);
  t.same(offers('ipvs add service t'), ['tcp']);
  t.same(offers('ipvs add service tcp t'), [], 'only the first word is a kind');
  t.same(offers('ipvs --netns add add service --sched'), ['--scheduler'], 'a value is no command');
  t.same(offers('ipvs ls ma'), ['mark', 'mark6'], 'an alias');
  t.same(offers('ipvs watch --sort '), ['name', 'conns', 'active', 'in', 'out', 'packets']);
  t.same(offers('ipvs save --format y'), ['yaml']);
  t.same(offers(`ipvs restore ${root}/packa`), [
    `${root}/package-lock.json`,
    `${root}/package.json`,
  ]);
  t.same(offers('ipvs completion '), ['bash', 'zsh', ...offers('ipvs completion --')]);
});

t.test('the script for zsh names every command and option', async (t) => {
  const { out } = await runCli(['completion', 'zsh']);
  t.match(out, /^#compdef ipvs\n/);
  for (const { name } of commandsBelow()) t.ok(out.includes(`    '${name}') known=(`), name);
  t.match(out, /'--weight:0 is no new connections/);
});
