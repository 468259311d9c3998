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

/** A link of one of ipvsadm's names is that program. */
function start([, file = '', ...words]: readonly string[]): Promise<number> {
  const program = basename(file);
  return /^ipvsadm(-save|-restore)?$/.test(program)
    ? lazy.adm().runAdm(words, { program })
    : lazy.run().run(words, io);
}

void start(process.argv).then((status) => {
  process.exitCode = status;
});
