// The network of a fresh namespace, with what `ip` says of it.

import { spawnSync } from 'node:child_process';
import { Network, Sysctl } from 'ipvs';
import { freshNamespace } from './namespace.js';
import type { Test } from './namespace.js';

/** What `ip -json` tells of one thing. */
export type Told = Record<string, unknown>;

export interface FreshNetwork {
  network: Network;
  netns: string;
  /** What `ip` says to each of some commands, all of one process; throws where it complains. */
  ip: (...commands: string[]) => Told[][];
  /** The same of one family. */
  ip4: (...commands: string[]) => Told[][];
  ip6: (...commands: string[]) => Told[][];
}

/** A handle on the network of a fresh namespace. */
export async function freshNetwork(t: Test): Promise<FreshNetwork> {
  const netns = freshNamespace(t);
  return {
    network: await openNetwork(t, netns),
    netns,
    ip: (...commands) => ip(netns, commands),
    ip4: (...commands) => ip(netns, commands, '-4'),
    ip6: (...commands) => ip(netns, commands, '-6'),
  };
}

/** A handle that is closed when the test ends. */
export async function openNetwork(t: Test, netns: string): Promise<Network> {
  const network = await Network.open({ netns });
  t.teardown(() => network.close());
  return network;
}

/** The settings of a namespace; closed when the test ends. */
export async function openSysctl(t: Test, netns: string): Promise<Sysctl> {
  const sysctl = await Sysctl.open({ netns });
  t.teardown(() => sysctl.close());
  return sysctl;
}

function ip(netns: string, commands: readonly string[], ...options: string[]): Told[][] {
  const args = [...options, '-n', netns, '-details', '-json', '-batch', '-'];
  const input = commands.map((line) => `${line}\n`).join('');
  const { error, status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8', input });
  if (error !== undefined || status !== 0 || stderr !== '') {
    throw new Error(`ip failed: ${stderr}`, { cause: error });
  }
  // An array for each command that shows something, one behind the other.
  const joined = stdout.trim().replace(/\]\s*\[/g, '],[');
  return joined === '' ? [] : (JSON.parse(`[${joined}]`) as Told[][]);
}
