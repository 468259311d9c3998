#!/usr/bin/env node
// The command `ipvs`: the process around run().

import { basename } from 'node:path';
import { lazy } from './lazy.js';

// Node.js 22 and later keep what they compiled.
if (Number(process.versions.node.split('.', 1)[0]) >= 22) lazy.compileCache();

// A reader that has seen enough (ipvs list | head) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const { stdout, stderr, env } = process;
const io = {
  // Opened only where it is wanted: an open one costs time, and keeps the process.
  get stdin() {
    return process.stdin;
  },
  stdout,
  stderr,
  env,
};

void lazy
  .run()
  .run(process.argv.slice(2), io, basename(process.argv[1] ?? ''))
  .then((status) => {
    process.exitCode = status;
  });
