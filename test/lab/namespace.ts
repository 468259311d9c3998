// A network namespace for one test: IPVS tables, timeouts and sysctls are separate in each.

import { execFileSync, spawnSync } from 'node:child_process';
import { Ipvs } from 'ipvs';
import type { OpenOptions } from 'ipvs';

export interface Test {
  teardown(work: () => void | Promise<void>): void;
}

export interface FreshIpvs {
  ipvs: Ipvs;
  netns: string;
  /** The standard output of ipvsadm in the same namespace; throws where it fails. */
  ipvsadm: (...args: string[]) => string;
  /** Has ipvsadm carry out a whole table of rules; throws where one fails. */
  restore: (rules: string) => void;
}

let made = 0;
const over: string[] = [];

/** A fresh namespace with its loopback up, removed some time after the test ends. */
export function freshNamespace(t: Test, { loopback = true } = {}): string {
  const [name = ''] = freshNamespaces(t, 1);
  if (loopback) execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  return name;
}

/** So many of them, made by one program, with nothing up. */
export function freshNamespaces(t: Test, count: number): string[] {
  const names = Array.from({ length: count }, () => `ipvs-test-${process.pid}-${++made}`);
  const input = names.map((name) => `netns add ${name}\n`).join('');
  execFileSync('ip', ['-batch', '-'], { input });
  t.teardown(() => {
    if (over.length === 0) process.on('exit', removeNamespaces);
    over.push(...names);
  });
  return names;
}

// All with one program: in the lab, starting one for each is what would take the time.
function removeNamespaces(): void {
  const input = over.map((name) => `netns delete ${name}\n`).join('');
  execFileSync('ip', ['-force', '-batch', '-'], { input, stdio: ['pipe', 'ignore', 'inherit'] });
}

/** A handle on a fresh namespace, and ipvsadm in the same one. */
export async function freshIpvs(
  t: Test,
  options: Omit<OpenOptions, 'netns'> & { loopback?: boolean } = {},
): Promise<FreshIpvs> {
  const { loopback, ...rest } = options;
  const netns = freshNamespace(t, { loopback });
  const ipvs = await openIpvs(t, { ...rest, netns });
  return {
    ipvs,
    netns,
    ipvsadm: (...args) => ipvsadm(netns, args),
    restore: (rules) => ipvsadm(netns, ['-R'], rules),
  };
}

/** A handle that is closed when the test ends. */
export async function openIpvs(t: Test, options: OpenOptions): Promise<Ipvs> {
  const ipvs = await Ipvs.open(options);
  t.teardown(() => ipvs.close());
  return ipvs;
}

/** The standard output of ipvsadm in a namespace; throws where it fails or complains. */
export function ipvsadm(netns: string, args: readonly string[], input = ''): string {
  const command = ['netns', 'exec', netns, 'ipvsadm', ...args];
  const { error, status, stdout, stderr } = spawnSync('ip', command, { encoding: 'utf8', input });
  // It goes on after a rule that failed (-R), and its exit status is 0 then.
  if (error !== undefined || status !== 0 || stderr !== '') {
    throw new Error(`ipvsadm ${args.join(' ')} failed: ${stderr}`, { cause: error });
  }
  return stdout;
}
