#!/usr/bin/env node
// The command `ipvs`: the process around run().

import * as nodeModule from 'node:module';
import { run } from './run.js';

// Node.js 22 and later keep what they compiled.
(nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();

// A reader that has seen enough (ipvs list | head) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const { stdin, stdout, stderr, env } = process;
void run(process.argv.slice(2), { stdin, stdout, stderr, env }).then((status) => {
  process.exitCode = status;
});
