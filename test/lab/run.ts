// Runs test files one after the other and prints their TAP as subtests of one stream. Meant for the
// inside of a lab kernel, where starting one program per file is all that one wants to pay for.
//
//   node dist-test/lab/run.js dist-test/kernel/a.js dist-test/kernel/b.js

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

// tap ends a file after 30 seconds if nothing else is said, which a slow machine may need.
const env = { ...process.env, TAP_TIMEOUT: process.env.TAP_TIMEOUT ?? '300' };

// In the lab a page fault takes a hundred times what it takes elsewhere, and V8's optimising compiler
// makes thousands, which a program of some seconds never gets back.
const OPTIONS = ['--no-opt'];

async function run(files: readonly string[]): Promise<void> {
  console.log('TAP version 14');
  console.log(`1..${files.length}`);
  for (const [index, file] of files.entries()) {
    console.log(`# Subtest: ${file}`);
    const started = Date.now();
    const test = spawn(process.execPath, [...OPTIONS, file], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(test, 'close');
    for await (const line of createInterface({ input: test.stdout })) {
      if (!line.startsWith('TAP version')) console.log(line === '' ? '' : `    ${line}`);
    }
    const [status, signal] = (await ended) as [number | null, string | null];
    const verdict = status === 0 ? 'ok' : 'not ok';
    console.log(`${verdict} ${index + 1} - ${file} # time=${Date.now() - started}ms`);
    if (status !== 0) {
      process.exitCode = 1;
      console.log(`  ---\n  ended: ${signal ?? `exit status ${status}`}\n  ...`);
    }
  }
}

void run(process.argv.slice(2));
