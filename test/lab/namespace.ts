// A network namespace for one test: IPVS tables, timeouts and sysctls are separate in each.

import { execFileSync } from 'node:child_process';
import { Ipvs } from 'ipvs';
import type { OpenOptions } from 'ipvs';

interface Test {
  teardown(work: () => void | Promise<void>): void;
}

let made = 0;

/** A fresh namespace with its loopback up, removed when the test ends. */
export function freshNamespace(t: Test): string {
  const name = `ipvs-test-${process.pid}-${++made}`;
  execFileSync('ip', ['netns', 'add', name]);
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  t.teardown(() => {
    execFileSync('ip', ['netns', 'delete', name]);
  });
  return name;
}

/** A handle on a fresh namespace, and ipvsadm in the same one. */
export async function freshIpvs(
  t: Test,
  options: Omit<OpenOptions, 'netns'> = {},
): Promise<{ ipvs: Ipvs; netns: string; ipvsadm: (...args: string[]) => string }> {
  const netns = freshNamespace(t);
  const ipvs = await Ipvs.open({ ...options, netns });
  t.teardown(() => ipvs.close());
  return { ipvs, netns, ipvsadm: (...args) => ipvsadm(netns, args) };
}

/** The standard output of ipvsadm in a namespace; throws where it fails. */
export function ipvsadm(netns: string, args: readonly string[], input?: string): string {
  return execFileSync('ip', ['netns', 'exec', netns, 'ipvsadm', ...args], {
    encoding: 'utf8',
    ...(input !== undefined && { input }),
  });
}
