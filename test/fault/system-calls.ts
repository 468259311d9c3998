// Runs preloaded/calls.ts with system calls that fail on demand.

import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const source = join(__dirname, '../../test/fault/preloaded/calls.c');
const library = join(mkdtempSync(join(tmpdir(), 'ipvs-calls-')), 'calls.so');
execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-o', library, source, '-ldl'], {
  stdio: 'inherit',
});

const env = { ...process.env, LD_PRELOAD: library };
t.spawn(process.execPath, [join(__dirname, 'preloaded/calls.js')], { env }, 'system calls fail');
