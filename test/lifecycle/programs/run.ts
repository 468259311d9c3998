// Runs a program in a process of its own, because that is what may end wrongly, or not at all.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface Ended {
  readonly status: number | null;
  /** What killed it; a process that does not end by itself is killed with SIGTERM. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const STATES = join(__dirname, 'states.js');
const CHANGES = join(__dirname, 'changes.js');

/** One of states.ts. */
export function run(state: string, ...nodeArgs: readonly string[]): Ended {
  return node(...nodeArgs, STATES, state);
}

/** One of changes.ts. */
export function runIn(netns: string, state: string): Ended {
  return node('--expose-gc', CHANGES, state, netns);
}

// tap gives every child process a loader by way of NODE_OPTIONS: `env` takes it away again.
export const WITHOUT_TAP = ['/usr/bin/env', '-u', 'NODE_OPTIONS'] as const;

function node(...args: readonly string[]): Ended {
  const [env, ...unset] = WITHOUT_TAP;
  const { status, signal, stdout, stderr } = spawnSync(env, [...unset, process.execPath, ...args], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  return { status, signal, stdout, stderr };
}

/** How a process ends that has nothing to complain about. */
export function ended(stdout: string, status = 0): Ended {
  return { status, signal: null, stdout, stderr: '' };
}
