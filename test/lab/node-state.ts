// Nodes of a cluster in namespaces of their own, and all that the helper may change there as lines
// that can be compared.

import { execFileSync } from 'node:child_process';
import { Ipvs } from 'ipvs';
import { Network, Sysctl } from 'ipvs/cluster';
import { KernelMachine } from '#lib/cluster/kernel-machine';
import { freshNamespaces } from './namespace.js';
import type { Test } from './namespace.js';
import { until } from './until.js';

/** A machine that is a node, as its kernel sees it. */
export class Place {
  readonly netns: string;
  readonly machine: KernelMachine;

  private constructor(netns: string, machine: KernelMachine) {
    this.netns = netns;
    this.machine = machine;
  }

  static async open(t: Test, netns: string): Promise<Place> {
    // All settings are a thousand files.
    const options = { netns, timeout: 60_000 };
    const [network, sysctl, ipvs] = await Promise.all([
      Network.open(options),
      Sysctl.open(options),
      Ipvs.open(options),
    ]);
    const machine = new KernelMachine(network, sysctl, ipvs);
    t.teardown(() => machine.close());
    return new Place(netns, machine);
  }

  /** All but the settings: what can be asked for quickly. */
  async look(): Promise<string[]> {
    let found = await read(this.machine);
    await until('devices run, and addresses of IPv6 have their routes', async () => {
      if (isFinished(found)) return true;
      found = await read(this.machine);
      return false;
    });
    const { table, ...rest } = found;
    const { services, syncDaemons, timeouts } = table;
    return [
      ...Object.values(rest).flat(),
      ...services.flatMap(({ destinations, ...service }) => [
        { ...service, stats: undefined },
        ...destinations.map((each) => ({ ...each, stats: undefined, of: service })),
      ]),
      ...syncDaemons,
      timeouts,
    ].map((each) => withoutTimes(JSON.stringify(each)));
  }

  /** Every setting of the network. */
  async settings(): Promise<string[]> {
    const settings = await this.machine.sysctl.list('net');
    return settings
      .filter(({ name }) => name !== 'net.netfilter.nf_conntrack_count')
      .map(({ name, value }) => `${name} = ${value}`);
  }

  async snapshot(): Promise<string[]> {
    return [...(await this.look()), ...(await this.settings())];
  }
}

async function read({ network, ipvs }: KernelMachine) {
  const [table, links, addresses, routes, rules, neighbours, fouPorts] = await Promise.all([
    ipvs.snapshot(),
    network.links(),
    network.addresses(),
    network.routes(),
    network.rules(),
    network.neighbours(),
    network.fouPorts(),
  ]);
  // The others are what the kernel has learnt.
  const proxies = neighbours.filter(({ proxy }) => proxy);
  return { table, links, addresses, routes, rules, proxies, fouPorts };
}

type Found = Awaited<ReturnType<typeof read>>;

// Linux does some of it when it comes to it: a device runs (linkwatch_event), an address of IPv6 has its
// route, also where the device is down (addrconf_dad_work).
function isFinished({ links, addresses, routes }: Found): boolean {
  return (
    links.every(({ up, running }) => running || !up) &&
    addresses.every(
      ({ address, family, tentative }) =>
        family === 'ipv4' ||
        (!tentative &&
          routes.some((each) => each.table === 255 && each.destination === `${address}/128`)),
    )
  );
}

// Whether there is one, and not how much of it is left.
function withoutTimes(text: string): string {
  return text.replaceAll(/"(\w+Lifetime|expires)":[1-9]\d*/g, '"$1":"some"');
}

/** Lines that are in one of the two alone. */
export function difference(from: readonly string[], to: readonly string[]): string[] {
  const [before, after] = [new Set(from), new Set(to)];
  return [
    ...from.filter((line) => !after.has(line)).map((line) => `- ${line}`),
    ...to.filter((line) => !before.has(line)).map((line) => `+ ${line}`),
  ];
}

/**
 * Namespaces with eth0 and eth1, whose other ends are up: bare ones, all the same, with everything
 * down and nothing configured.
 */
export async function freshPlaces(t: Test, count: number): Promise<Place[]> {
  const [wires = '', ...names] = freshNamespaces(t, 1 + count);
  const cables = names.flatMap((netns, index) =>
    ['eth0', 'eth1'].map((name, number) => {
      const own = `address 02:00:00:00:00:0${number}`;
      const peer = `peer name w${index}-${number} netns ${wires}`;
      return `link add ${name} netns ${netns} ${own} type veth ${peer}\n`;
    }),
  );
  execFileSync('ip', ['-batch', '-'], { input: cables.join('') });
  const up = names.flatMap((_, index) =>
    [0, 1].map((number) => `link set w${index}-${number} up\n`),
  );
  execFileSync('ip', ['-n', wires, '-batch', '-'], { input: up.join('') });
  const places = await Promise.all(names.map((netns) => Place.open(t, netns)));
  for (const { machine } of places) {
    for (const name of ['eth0', 'eth1']) {
      // Nothing that comes and goes by itself.
      await machine.sysctl.set(`net.ipv6.conf.${name}.accept_dad`, 0);
      await machine.sysctl.set(`net.ipv6.conf.${name}.accept_ra`, 0);
    }
  }
  return places;
}

/**
 * Has the kernel load what clusters take. Modules of tunnels put a device into each namespace, with
 * settings, which nobody can take away.
 */
export async function loadModules(): Promise<void> {
  const netns = `ipvs-modules-${process.pid}`;
  execFileSync('ip', ['netns', 'add', netns]);
  try {
    await using network = await Network.open({ netns });
    await using ipvs = await Ipvs.open({ netns });
    await ipvs.addService({ protocol: 'tcp', address: '10.0.0.1', port: 80, scheduler: 'rr' });
    for (const kind of ['ipip', 'sit', 'gre'] as const) {
      await network.addLink({ name: `warm-${kind}`, kind, local: '10.0.0.1' });
    }
    for (const kind of ['ip6tnl', 'ip6gre'] as const) {
      await network.addLink({ name: `warm-${kind}`, kind, local: 'fd00::1' });
    }
    await network.addFouPort({ port: 6080, type: 'gue' });
    await network.addFouPort({ port: 6080, type: 'gue', family: 'ipv6' });
  } finally {
    execFileSync('ip', ['netns', 'delete', netns]);
  }
}
