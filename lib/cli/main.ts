#!/usr/bin/env node
// The command `ipvs`: the process around run().

import { basename } from 'node:path';
import { lazy } from './lazy.js';

// A reader that has seen enough (ipvs list | head) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// Each stream is opened only where it is wanted: that takes time, and standard input keeps the process.
const io = {
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return process.stdout;
  },
  get stderr() {
    return process.stderr;
  },
  env: process.env,
};

void lazy
  .run()
  .run(process.argv.slice(2), io, basename(process.argv[1] ?? ''))
  .then((status) => {
    process.exitCode = status;
  });
