// The kernel does its work inside sendmsg and recvmmsg, a bridge's removal 40 ms of it: whichever thread
// calls them stands still.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { STATES, WITHOUT_TAP } from './programs/run.js';

const CALLS = ['socket', 'bind', 'sendmsg', 'sendto', 'recvmsg', 'recvmmsg', 'recvfrom', 'setns'];

// Catches an "only this once" on the JavaScript thread, which no measurement of time would show.
t.test('no netlink system call is made on the main thread', (t) => {
  const root = join(__dirname, '..', '..');
  execFileSync(join(root, 'scripts', 'need'), ['strace:strace']);
  const folder = mkdtempSync(join(tmpdir(), 'ipvs-strace-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const trace = join(folder, 'trace');

  // -f: all threads, each line begins with the thread's number. -yy: what kind of socket it is.
  const options = ['-f', '-yy', '-o', trace, `--trace=${CALLS.join()}`];
  const main = execFileSync(
    'strace',
    [...options, ...WITHOUT_TAP, process.execPath, STATES, 'traced'],
    { encoding: 'utf8' },
  ).trim();

  const seen = new Map<string, Set<string>>(CALLS.map((call) => [call, new Set()]));
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const [, thread = '', call = ''] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (/NETLINK|^\d+ +setns/.test(line)) seen.get(call)?.add(thread);
  }
  for (const [call, threads] of seen) {
    t.notOk(
      threads.has(main),
      `${call}: threads ${[...threads].join(' ')}, the main one is ${main}`,
    );
  }
  for (const call of ['socket', 'sendmsg', 'recvmmsg', 'setns']) {
    t.not(seen.get(call)?.size, 0, `${call} was seen at all`);
  }
  t.end();
});
