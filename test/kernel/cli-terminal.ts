// `ipvs watch` and `ipvs list` on real terminals of 80 and 200 columns, with 3 and with 3,000 services.
// They catch a terminal that is left behind unusable, a screen that scrolls, and processes that stay.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import type { Ipvs, Operation } from 'ipvs';
import { run } from '#lib/cli/run';
import { FakeTerminal } from '../fixtures/terminal.js';
import { freshFolder } from '../lab/folder.js';
import { freshIpvs } from '../lab/namespace.js';

t.setTimeout(120_000);

const main = join(__dirname, '..', '..', 'dist', 'cli', 'main.js');
const ENTER = '\x1b[?1049h';
const LEAVE = '\x1b[?25h\x1b[?1049l';

async function fill(ipvs: Ipvs, count: number): Promise<void> {
  const operations: Operation[] = [];
  for (let index = 0; index < count; index++) {
    const address = `10.${index >> 8}.${index & 255}.1`;
    const service = { protocol: 'tcp', address, port: 80 } as const;
    operations.push({ op: 'addService', service: { ...service, scheduler: 'rr' } });
    operations.push({
      op: 'addDestination',
      service,
      destination: { address: '10.100.0.1', port: 8080, forwarding: 'nat' },
    });
  }
  const outcomes = await ipvs.batch(operations);
  t.ok(outcomes.every((each) => each === undefined));
}

interface Seen {
  text: string;
  /** What `stty` says after the command. */
  modes: string;
  status: string;
}

/** Runs `ipvs` on a terminal; `act` is called when a screen was drawn. */
async function onTerminal(
  words: string,
  size: { columns: number; rows: number },
  folder: string,
  act?: (keys: NodeJS.WritableStream, pid: number) => void,
): Promise<Seen> {
  const pidFile = join(folder, 'pid');
  const inner = `echo $$ >${pidFile}; exec ${process.execPath} ${main} ${words}`;
  const command = `stty cols ${size.columns} rows ${size.rows}; sh -c '${inner}'; echo "status=$?"; stty -a`;
  // What runs the tests may have said something about colours: here only the terminal does.
  const env = {
    ...process.env,
    FORCE_COLOR: undefined,
    NO_COLOR: undefined,
    TERM: 'xterm',
    LANG: 'C.UTF-8',
    NODE_OPTIONS: '',
  };
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  let acted = false;
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
    if (acted || !text.includes('q quit')) return;
    acted = true;
    act?.(child.stdin, Number(readFileSync(pidFile, 'utf8')));
  });
  await once(child, 'close');
  const [, shown = '', status = '', modes = ''] =
    /^([^]*)status=(\d+)\r?\n([^]*)$/.exec(text) ?? [];
  return { text: shown, status, modes };
}

/** The lines of the last screen. */
function lastScreen(text: string): string[] {
  const screen = text.slice(text.lastIndexOf('\x1b[H'), text.lastIndexOf(LEAVE));
  return stripVTControlCharacters(screen).split(/\r*\n/); // the terminal adds one of its own
}

const isUsable = (modes: string) => modes.includes(' icanon ') && modes.includes(' echo ');

t.test('a terminal of 80 columns, 3 services: q gives it back', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await fill(ipvs, 3);
  const size = { columns: 80, rows: 24 };
  const seen = await onTerminal(`watch --netns ${netns}`, size, freshFolder(t), (keys) =>
    keys.write('q'),
  );
  t.equal(seen.status, '0');
  t.ok(seen.text.startsWith(ENTER));
  t.ok(seen.text.endsWith(LEAVE));
  t.ok(isUsable(seen.modes), seen.modes);
  const lines = lastScreen(seen.text);
  t.equal(lines.length, 24);
  t.ok(lines.every((line) => line.length <= 80));
  t.match(lines[0], /^ipvs watch {2}3 services, 3 servers .* every 2s {2}\d\d:\d\d:\d\d$/);
  t.match(lines.slice(3, 9), [
    /^tcp 10\.0\.0\.1:80 /,
    /^ {2}10\.100\.0\.1:8080 nat /,
    /^tcp /,
    /^ {2}/,
    /^tcp /,
    /^ {2}/,
  ]);

  const single = await onTerminal(`watch --count 1 --netns ${netns}`, size, freshFolder(t));
  t.equal(single.status, '0');
  t.notMatch(single.text, ENTER, 'a single view stays on the terminal');
  t.match(stripVTControlCharacters(single.text), /\ntcp 10\.0\.0\.1:80 /);
  const twice = await onTerminal(
    `watch --count 2 --interval 1 --netns ${netns}`,
    size,
    freshFolder(t),
  );
  const last = twice.text.slice(twice.text.lastIndexOf(LEAVE));
  t.match(stripVTControlCharacters(last), /\ntcp 10\.0\.0\.1:80 /, 'so does the last of two');
  const helped = await onTerminal(`watch --netns ${netns}`, size, freshFolder(t), (keys) =>
    keys.write('?qq'),
  );
  t.equal(helped.status, '0');
  t.match(stripVTControlCharacters(helped.text), /c +sorts by connections per second/);

  const list = await onTerminal(`list --netns ${netns}`, size, freshFolder(t));
  t.equal(list.status, '0');
  t.match(list.text, '\x1b[1mtcp 10.0.0.1:80\x1b[22m', 'in colour');
  t.match(stripVTControlCharacters(list.text), /\n {2}10\.100\.0\.1:8080 +nat +1 +0 +0\r*\n/);
  t.match(list.text, '3 services, 3 servers');
});

t.test('a terminal of 200 columns, 3,000 services: so does a signal', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await fill(ipvs, 3000);
  const size = { columns: 200, rows: 50 };
  const seen = await onTerminal(
    `watch --netns ${netns} --sort name`,
    size,
    freshFolder(t),
    (_, pid) => process.kill(pid, 'SIGTERM'),
  );
  t.equal(seen.status, '143');
  t.ok(seen.text.endsWith(LEAVE));
  t.ok(isUsable(seen.modes), seen.modes);
  const lines = lastScreen(seen.text);
  t.equal(lines.length, 50, 'only what fits');
  t.ok(lines.every((line) => line.length <= 200));
  t.match(lines[3], /^tcp 10\.0\.0\.1:80 /);
  t.match(lines[49], / 1-46 of 3000$/);

  const pipe = `${process.execPath} ${main} list --netns ${netns} | head -n 2; echo "\${PIPESTATUS[0]}"`;
  const out = execFileSync('bash', ['-c', pipe], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  t.match(out, /^SERVICE.*\ntcp 10\.0\.0\.1:80 +rr\n0\n$/, 'a reader that goes away is no failure');
});

t.test('watch follows keys and the size of the terminal, and leaves nothing behind', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await fill(ipvs, 30);
  const listeners = () => process.eventNames().map((name) => [name, process.listenerCount(name)]);
  const before = listeners();
  const terminal = new FakeTerminal({ columns: 100, rows: 12, env: {} });
  const { stdin, stdout } = terminal;
  const ended = run(['watch', '--netns', netns, '--interval', '1'], terminal);
  const until = async (pattern: RegExp) => {
    while (!pattern.test(stdout.text)) await sleep(10);
    const drawn = stripVTControlCharacters(stdout.text.slice(stdout.text.lastIndexOf('\x1b[H')));
    stdout.text = '';
    return drawn.split('\r\n');
  };
  const press = (key: string, pattern: RegExp) => {
    stdin.write(key);
    return until(pattern);
  };
  t.equal((await until(/1-8 of 30/)).length, 12);
  t.match((await press('n', /by name/))[3], 'tcp 10.0.0.1:80');
  t.match((await press('\x1b[B\x1b[B', /3-10 of 30/))[3], 'tcp 10.0.2.1:80');
  t.match((await press('s', /1-8 of 60/))[4], '10.100.0.1:8080');
  await press(' ', /paused/);
  stdout.resize(60, 20);
  const smaller = await until(/1-16 of 60/);
  t.equal(smaller.length, 20);
  t.ok(smaller.every((line) => line.length <= 60));
  await press(' ', /every 1s/);
  await ipvs.addService({ fwmark: 7 });
  t.match((await until(/31 services/))[0], '31 services, 30 servers');
  stdin.write('x\x03');
  t.equal(await ended, 130);
  t.ok(stdout.text.endsWith(LEAVE));
  t.same(terminal.modes, [true, false], 'raw, and back');
  t.same(listeners(), before);
  t.equal(stdout.listeners, 0);
  t.equal(stdin.listenerCount('data'), 0);
});

t.test('watch into a pipe, and as JSON', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await fill(ipvs, 1);
  const terminal = new FakeTerminal();
  const words = ['watch', '--netns', netns, '--interval', '1', '--count', '2'];
  t.equal(await run(words, terminal), 0);
  t.match(terminal.stdout.text.split('\n\n'), [/^\d{4}-.*Z\nSERVICE/, /^\d{4}-.*Z\nSERVICE/]);
  t.notMatch(terminal.stdout.text, '\x1b');

  const json = new FakeTerminal({ columns: 80 });
  t.equal(await run([...words, '--json'], json), 0);
  const looks = json.stdout.text.trim().split('\n');
  t.equal(looks.length, 2);
  for (const look of looks) {
    t.match(JSON.parse(look), {
      time: String,
      total: { connections: 0 },
      services: [{ address: '10.0.0.1', destinations: [{ port: 8080 }] }],
    });
  }
});
