// Every errno that IPVS answers with, as a table that is carried out: each row is provoked on the
// kernel, and what the library makes of it is compared word by word. A code or a hint that changes,
// and a kernel that answers otherwise, both fail here.

import { execFileSync } from 'node:child_process';
import { constants, release } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Ipvs, IpvsError } from 'ipvs';
import { parseAddress } from '#lib/address';
import { Channels } from '#lib/channel';
import { errnoName } from '#lib/errors';
import { explain } from '#lib/explain';
import { loadAddon } from '#lib/load';
import { Fault, NativeFailure } from '#lib/native';
import { Command } from '#lib/records';
import type { DestinationId, DestinationNumbers, Request, ServiceId } from '#lib/records';
import { freshIpvs } from '../lab/namespace.js';

t.setTimeout(120_000);

const root = join(__dirname, '..', '..');

interface Lab {
  readonly ipvs: Ipvs;
  /** The same namespace, below the validation. */
  readonly channels: Channels;
  readonly raw: (request: Request) => Promise<void>;
}

interface Answer {
  readonly code: string;
  readonly sentence: string;
  readonly hint?: string;
}

interface Row {
  readonly errno: string;
  readonly when: string;
  /** Rejects with the error. */
  readonly provoke: (lab: Lab) => Promise<unknown>;
  /** Where the code is not the errno itself. */
  readonly code?: string;
  readonly sentence: string;
  readonly hint?: string;
}

// ---- what the rows are about

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const web6 = { protocol: 'tcp', address: '2001:db8::1', port: 80 } as const;
const real = { address: '10.0.0.5', port: 80 } as const;

function id(address: string, port: number): DestinationId {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new Error(address);
  return { address: parsed, port };
}

function serviceId(address: string, port = 80): ServiceId {
  const { address: parsed } = id(address, port);
  return { family: parsed.family, protocol: 6, address: parsed, port, fwmark: 0 };
}

const service = serviceId(web.address);
const plain = { scheduler: 'rr', flags: 0, timeout: 0, netmask: 0xffffffff, engine: '' };
const masq: DestinationNumbers = {
  forwarding: 0,
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
};
const daemon = {
  role: 1,
  interface: 'lo',
  syncId: 0,
  maxLength: 0,
  group: undefined,
  port: 0,
  ttl: 0,
};

async function withService({ ipvs }: Lab, key: typeof web | typeof web6 = web): Promise<void> {
  await ipvs.addService({ ...key, scheduler: 'rr' });
}

async function withDestination(lab: Lab): Promise<void> {
  await withService(lab);
  await lab.ipvs.addDestination(web, real);
}

function addRaw(numbers: Partial<DestinationNumbers>, address: string = real.address, port = 80) {
  return async (lab: Lab) => {
    await withService(lab);
    await lab.raw({
      command: Command.newDestination,
      service,
      destination: id(address, port),
      destinationNumbers: { ...masq, ...numbers },
    });
  };
}

function add(address: string, key: typeof web | typeof web6 = web) {
  return async (lab: Lab) => {
    await withService(lab, key);
    await lab.ipvs.addDestination(key, { address, forwarding: 'nat' });
  };
}

// ---- sentences that several rows share

const NO_SERVICE = {
  sentence: 'the service does not exist',
  hint: 'listServices() shows what is there; tables are separate in each network namespace',
};
const NO_DESTINATION = {
  sentence: 'the service has no such destination',
  hint: 'a destination is named by address and port; listDestinations() shows what is there',
};
const UNFIT = {
  sentence: 'the kernel does not take the address as a real server here',
  hint: "it must be a unicast address, and the service's scheduler must have room for it",
};
const NO_IPV6 = {
  sentence: 'this kernel has no IPv6 for IPVS',
  hint: 'it was built without CONFIG_IP_VS_IPV6, or started with ipv6.disable=1',
};
const DAEMON_SETTINGS = {
  sentence: 'the kernel does not take these settings',
  hint: "it can't synchronise while a service has destinations of another address family",
};
const UNLOADING = {
  sentence: 'the kernel is just unloading its IPVS module',
  hint: 'try again',
};

// ---- the table

const rows: Row[] = [
  // Meanings of ENOENT. That the family is not there is in test/no-ipvs.ts, that its number has
  // changed in test/kernel/reload.ts.
  ...(['addService', 'replaceService'] as const).map((method): Row => ({
    errno: 'ENOENT',
    when: `${method} names a scheduler that is not there`,
    provoke: async (lab) => {
      if (method !== 'addService') await withService(lab);
      await lab.ipvs[method]({ ...web, scheduler: 'nope' });
    },
    code: 'ERR_IPVS_SCHEDULER',
    sentence: "this kernel has no scheduler 'nope'",
    hint: 'its module would be ip_vs_nope; is the name right, and the module installed?',
  })),
  {
    errno: 'ENOENT',
    when: 'a service names a persistence engine that is not there',
    provoke: ({ ipvs }) =>
      ipvs.addService({ ...web, scheduler: 'rr', persistence: { engine: 'nope' } }),
    code: 'ERR_IPVS_ENGINE',
    sentence: "this kernel has no persistence engine 'nope'",
    hint: 'its module would be ip_vs_pe_nope; is the name right, and the module installed?',
  },
  {
    errno: 'ENOENT',
    when: 'an update names a persistence engine that is not there',
    provoke: async (lab) => {
      await withService(lab);
      await lab.ipvs.updateService(web, { persistence: { engine: 'nope' } });
    },
    code: 'ERR_IPVS_ENGINE',
    sentence: "this kernel has no persistence engine 'nope'",
    hint: 'its module would be ip_vs_pe_nope; is the name right, and the module installed?',
  },
  {
    errno: 'ENOENT',
    when: 'neither the scheduler nor the persistence engine is there',
    provoke: ({ ipvs }) =>
      ipvs.addService({ ...web, scheduler: 'nope', persistence: { engine: 'sip' } }),
    code: 'ERR_IPVS_SCHEDULER',
    sentence: "this kernel has no scheduler 'nope'",
    hint: 'its module would be ip_vs_nope; is the name right, and the module installed?',
  },
  ...(
    [
      ['replaceDestination', ({ ipvs }: Lab) => ipvs.replaceDestination(web, real)],
      ['updateDestination', ({ ipvs }: Lab) => ipvs.updateDestination(web, real, { weight: 2 })],
      ['removeDestination', ({ ipvs }: Lab) => ipvs.removeDestination(web, real)],
    ] as const
  ).map(([method, call]): Row => ({
    errno: 'ENOENT',
    when: `${method} names a destination that the service does not have`,
    provoke: async (lab) => {
      await withService(lab);
      await call(lab);
    },
    ...NO_DESTINATION,
  })),
  {
    errno: 'ENOENT',
    when: 'a destination of another family is named by the same port only',
    provoke: async (lab) => {
      await withService(lab);
      await lab.ipvs.addDestination(web, { address: '2001:db8::5', forwarding: 'tun' });
      await lab.ipvs.removeDestination(web, { address: '32.1.13.184' });
    },
    ...NO_DESTINATION,
  },

  // ESRCH
  ...(
    [
      ['replaceService', ({ ipvs }: Lab) => ipvs.replaceService(web)],
      ['updateService', ({ ipvs }: Lab) => ipvs.updateService(web, { scheduler: 'rr' })],
      ['removeService', ({ ipvs }: Lab) => ipvs.removeService(web)],
      ['zero', ({ ipvs }: Lab) => ipvs.zero(web)],
      ['addDestination', ({ ipvs }: Lab) => ipvs.addDestination(web, real)],
      ['replaceDestination', ({ ipvs }: Lab) => ipvs.replaceDestination(web, real)],
      ['updateDestination', ({ ipvs }: Lab) => ipvs.updateDestination(web, real, { weight: 2 })],
      ['ensureDestination', ({ ipvs }: Lab) => ipvs.ensureDestination(web, real)],
      ['removeDestination', ({ ipvs }: Lab) => ipvs.removeDestination(web, real)],
      ['listDestinations', ({ ipvs }: Lab) => ipvs.listDestinations(web)],
      ['removeService of a mark', ({ ipvs }: Lab) => ipvs.removeService({ fwmark: 2 ** 32 - 1 })],
    ] as const
  ).map(([method, call]): Row => ({
    errno: 'ESRCH',
    when: `${method} names a service that is not there`,
    provoke: call,
    ...NO_SERVICE,
  })),
  {
    errno: 'ESRCH',
    when: 'a service that is not there is read',
    provoke: ({ raw }) => raw({ command: Command.getService, service }),
    ...NO_SERVICE,
  },
  {
    errno: 'ESRCH',
    when: 'a mark of the other family is there',
    provoke: async ({ ipvs }) => {
      await ipvs.addService({ fwmark: 7, family: 'ipv6' });
      await ipvs.removeService({ fwmark: 7 });
    },
    ...NO_SERVICE,
  },
  ...(['master', 'backup'] as const).map((role): Row => ({
    errno: 'ESRCH',
    when: `a ${role} sync daemon is stopped that is not running`,
    provoke: ({ ipvs }) => ipvs.stopSyncDaemon(role),
    sentence: 'it is not running',
  })),

  // EEXIST
  {
    errno: 'EEXIST',
    when: 'a service is added twice',
    provoke: async (lab) => {
      await withService(lab);
      await withService(lab);
    },
    sentence: 'the service already exists',
    hint: 'ensureService() adds or updates, whichever is needed',
  },
  {
    errno: 'EEXIST',
    when: 'a mark is added twice',
    provoke: async ({ ipvs }) => {
      await ipvs.addService({ fwmark: 2 ** 32 - 1 });
      await ipvs.addService({ fwmark: 2 ** 32 - 1, family: 'ipv4' });
    },
    sentence: 'the service already exists',
    hint: 'ensureService() adds or updates, whichever is needed',
  },
  {
    errno: 'EEXIST',
    when: 'a destination is added twice',
    provoke: async (lab) => {
      await withDestination(lab);
      await lab.ipvs.addDestination(web, { ...real, weight: 9 });
    },
    sentence: 'the destination already exists',
    hint: 'ensureDestination() adds or updates, whichever is needed',
  },
  ...(['master', 'backup'] as const).map((role): Row => ({
    errno: 'EEXIST',
    when: `a ${role} sync daemon is started twice`,
    provoke: async ({ ipvs }) => {
      await ipvs.startSyncDaemon({ role, interface: 'lo' });
      await ipvs.startSyncDaemon({ role, interface: 'lo' });
    },
    sentence: 'it is already running',
    hint: 'stopSyncDaemon() first',
  })),

  // The meanings of EINVAL
  ...(
    [
      ['0.0.0.0', web, 'unspecified'],
      ['255.255.255.255', web, 'the broadcast address'],
      ['224.0.0.1', web, 'multicast'],
      ['239.255.255.255', web, 'multicast'],
      ['10.5.0.255', web, 'a broadcast address'],
      ['::', web6, 'unspecified'],
      ['ff02::1', web6, 'multicast'],
    ] as const
  ).map(([address, key, kind]): Row => ({
    errno: 'EINVAL',
    when: `a destination is ${address}`,
    provoke: add(address, key),
    sentence:
      kind === 'a broadcast address'
        ? `a real server's address must be unicast, and this one is a broadcast address`
        : `a real server's address must be unicast, and this one is ${kind}`,
  })),
  {
    errno: 'EINVAL',
    when: "a destination is somebody else's link-local address",
    provoke: add('fe80::1234', web6),
    sentence: "a link-local address can't be a real server's, unless it is this host's own",
  },
  {
    errno: 'EINVAL',
    when: 'a destination of another family meets a sync daemon',
    provoke: async (lab) => {
      await withService(lab);
      await lab.ipvs.startSyncDaemon({ role: 'master', interface: 'lo' });
      await lab.ipvs.addDestination(web, { address: '2001:db8::5', forwarding: 'tun' });
    },
    sentence: "a destination of another address family can't be there with a sync daemon",
    hint: 'stopSyncDaemon() first, or use a real server of the same family as the service',
  },
  {
    errno: 'EINVAL',
    when: 'a sync daemon meets a destination of another family',
    provoke: async (lab) => {
      await withService(lab);
      await lab.ipvs.addDestination(web, { address: '2001:db8::5', forwarding: 'tun' });
      await lab.ipvs.startSyncDaemon({ role: 'backup', interface: 'lo' });
    },
    ...DAEMON_SETTINGS,
  },
  {
    errno: 'EINVAL',
    when: 'a destination of another family is not reached by a tunnel (refused before)',
    provoke: addRaw({ forwarding: 3 }, '2001:db8::5'),
    ...UNFIT,
  },
  {
    errno: 'EINVAL',
    when: 'a GUE tunnel has port 0 (refused before)',
    provoke: addRaw({ forwarding: 2, tunnelType: 1 }),
    ...UNFIT,
  },
  {
    errno: 'EINVAL',
    when: 'the scheduler mh gets more destinations than its table has room for',
    provoke: async (lab) => {
      await withService(lab);
      const addresses = Array.from({ length: 4094 }, (_, n) => `10.1.${n >> 8}.${n & 255}`);
      await Promise.all(addresses.map((address) => lab.ipvs.addDestination(web, { address })));
      await lab.ipvs.updateService(web, { scheduler: 'mh' });
    },
    sentence: 'the kernel does not take these settings',
  },
  ...[0, 129, 0xffffffff].map((netmask): Row => ({
    errno: 'EINVAL',
    when: `an IPv6 service has the prefix length ${netmask} (refused before)`,
    provoke: ({ raw }) =>
      raw({
        command: Command.newService,
        service: serviceId(web6.address),
        serviceNumbers: { ...plain, netmask },
      }),
    sentence: 'the kernel does not take these settings',
  })),
  {
    errno: 'EINVAL',
    when: 'a sync daemon has a role that there is not (refused before)',
    provoke: ({ raw }) => raw({ command: Command.newDaemon, daemon: { ...daemon, role: 3 } }),
    ...DAEMON_SETTINGS,
  },
  {
    errno: 'EINVAL',
    when: 'the group of a sync daemon is not multicast (refused before)',
    provoke: ({ raw }) =>
      raw({
        command: Command.newDaemon,
        daemon: { ...daemon, group: id('10.0.0.1', 0).address },
      }),
    ...DAEMON_SETTINGS,
  },
  {
    errno: 'EINVAL',
    when: 'a sync daemon is stopped in a role that there is not (refused before)',
    provoke: ({ raw }) => raw({ command: Command.deleteDaemon, daemon: { ...daemon, role: 3 } }),
    ...DAEMON_SETTINGS,
  },
  ...(['tcp', 'tcpFin', 'udp'] as const).map((name): Row => ({
    errno: 'EINVAL',
    when: `the timeout ${name} is beyond the limit (refused before)`,
    provoke: ({ raw }) =>
      raw({
        command: Command.setTimeouts,
        timeouts: { tcp: 0, tcpFin: 0, udp: 0, [name]: 21474837 },
      }),
    sentence: 'a timeout is out of range',
  })),

  // ERANGE
  {
    errno: 'ERANGE',
    when: 'a weight is beyond the limit (refused before)',
    provoke: addRaw({ weight: 2 ** 31 }),
    sentence: 'the weight or a threshold is out of range',
  },
  {
    errno: 'ERANGE',
    when: 'the lower threshold exceeds the upper one (refused before)',
    provoke: addRaw({ upperThreshold: 5, lowerThreshold: 6 }),
    sentence: 'the weight or a threshold is out of range',
  },
  {
    errno: 'ERANGE',
    when: 'there is a lower threshold without an upper one (refused before)',
    provoke: addRaw({ lowerThreshold: 1 }),
    sentence: 'the weight or a threshold is out of range',
  },

  // What is the same for all commands
  {
    errno: 'EAFNOSUPPORT',
    when: 'a service is of a family that the kernel does not know (refused before)',
    provoke: ({ raw }) =>
      raw({
        command: Command.newService,
        service: { ...service, family: 3, address: undefined }, // it has none
        serviceNumbers: plain,
      }),
    ...NO_IPV6,
  },
  {
    errno: 'EAFNOSUPPORT',
    when: 'the destinations of such a service are removed (refused before)',
    provoke: ({ raw }) =>
      raw({
        command: Command.deleteDestination,
        service: { ...service, family: 3, address: undefined }, // it has none
        destination: id(real.address, 80),
      }),
    ...NO_IPV6,
  },
  ...([Command.getDestination, Command.getDaemon] as const).map((command): Row => ({
    errno: 'EOPNOTSUPP',
    when: `command ${command} is asked for one answer instead of a list (never sent)`,
    provoke: ({ raw }) => raw({ command, service }),
    sentence: 'the kernel refused it',
  })),
  ...(['master', 'backup'] as const).map((role): Row => ({
    errno: 'ENODEV',
    when: `a ${role} sync daemon is started on an interface that is not there`,
    provoke: ({ ipvs }) => ipvs.startSyncDaemon({ role, interface: 'nope0' }),
    sentence: 'there is no such network interface in this network namespace',
  })),
  {
    errno: 'EADDRNOTAVAIL',
    when: 'a sync daemon has a group whose family its interface has no address of',
    provoke: ({ ipvs }) =>
      ipvs.startSyncDaemon({ role: 'master', interface: 'dum0', group: 'ff02::81' }),
    sentence: 'the network interface has no address to send from',
    hint: 'give it one, of the family of the multicast group',
  },
];

// What these kernels can't be brought to answer on demand. What the library would say is checked all
// the same; that such an answer gets there is for the tests of faults.
const elsewhere: (Answer & { readonly errno: string; readonly why: string })[] = [
  {
    errno: 'EAFNOSUPPORT',
    why: 'IPv6 is missing only where the kernel is built or booted without it',
    code: 'EAFNOSUPPORT',
    ...NO_IPV6,
  },
  {
    errno: 'ENOPROTOOPT',
    why: 'only in the instant in which the module is unloaded',
    code: 'ENOPROTOOPT',
    ...UNLOADING,
  },
  {
    errno: 'EPROTONOSUPPORT',
    why: 'only in the instant in which the module is unloaded',
    code: 'EPROTONOSUPPORT',
    ...UNLOADING,
  },
  {
    errno: 'ENOMEM',
    why: 'it would take a machine without memory',
    code: 'ENOMEM',
    sentence: 'the kernel has no memory left for it',
  },
  {
    errno: 'ENOBUFS',
    why: 'no more is sent at once than the receive queue has room for',
    code: 'ENOBUFS',
    sentence: 'the kernel has no room left for it',
  },
  {
    errno: 'EMSGSIZE',
    why: 'a batch is far smaller than the send queue',
    code: 'EMSGSIZE',
    sentence: 'the request is larger than the socket takes',
  },
  {
    errno: 'EBUSY',
    why: 'a handle has one dump at a time on its socket',
    code: 'EBUSY',
    sentence: 'the kernel refused it',
  },
  {
    errno: 'EFAULT',
    why: 'only setsockopt(2) gives it, which is not used',
    code: 'EFAULT',
    sentence: 'the kernel refused it',
  },
  {
    errno: 'ERANGE',
    why: 'as "attribute too short": every attribute is written in its full length',
    code: 'ERANGE',
    sentence: 'the kernel refused it',
  },
];

// ---- carrying it out

async function openLab(t: tap.Test): Promise<Lab> {
  const { ipvs, netns } = await freshIpvs(t);
  execFileSync('ip', ['-n', netns, '-batch', '-'], {
    input: [
      'link add dum0 type dummy',
      'link set dum0 addrgenmode none',
      'link set dum0 up',
      'address add 10.5.0.1/24 dev dum0',
    ].join('\n'),
  });
  const channels = await Channels.open(loadAddon(), { netns: `/run/netns/${netns}` }, 10_000);
  if (channels instanceof NativeFailure) throw new Error(channels.syscall);
  t.teardown(() => {
    channels.close();
  });
  const raw = async (request: Request): Promise<void> => {
    const outcome = await channels.commands.request(request);
    if (outcome instanceof NativeFailure) {
      throw await explain(outcome, { command: 'raw' }, request, channels);
    }
  };
  return { ipvs, channels, raw };
}

async function caught(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error;
  }
}

function check(t: tap.Test, error: unknown, errno: string, { code, sentence, hint }: Answer): void {
  if (!(error instanceof IpvsError)) {
    t.fail('it is an IpvsError', { error });
    return;
  }
  t.equal(error.code, code, 'code');
  t.equal(error.errno, -constants.errno[errno as keyof typeof constants.errno], 'errno');
  const end = `: ${sentence} (${code})`;
  t.equal(error.message.slice(-end.length), end, 'sentence');
  t.equal(error.hint, hint, 'hint');
  t.notOk('syscall' in error, 'the kernel answered: no system call failed');
}

t.test('what the kernel answers', async (t) => {
  const lab = await openLab(t);
  for (const { errno, when, provoke, ...answer } of rows) {
    await t.test(`${errno} where ${when}`, async (t) => {
      check(t, await caught(provoke(lab)), errno, { code: errno, ...answer });
      await lab.ipvs.flush();
      for (const { role } of await lab.ipvs.listSyncDaemons()) {
        await caught(lab.ipvs.stopSyncDaemon(role));
      }
    });
  }

  await t.test('the answer to a threshold beyond the limit depends on the kernel', async (t) => {
    const answer = await caught(addRaw({ upperThreshold: 2 ** 31 })(lab));
    const since = /^(6\.1|6\.12)\.(\d+)/.exec(release());
    const patch = Number(since?.[2]);
    const taken = since?.[1] === '6.1' ? patch < 192 : since?.[1] === '6.12' && patch < 107;
    t.comment(`${release()}: ${taken ? 'takes it' : 'refuses it'}`);
    if (taken) t.equal(answer, undefined);
    else check(t, answer, 'EINVAL', { code: 'EINVAL', ...UNFIT });
    await lab.ipvs.flush();
  });

  await t.test('a command that there is not is refused by its number', async (t) => {
    for (const command of [0, 14, 18]) {
      const answer = await lab.channels.commands.request({ command: command as Command });
      t.match(answer, { fault: Fault.refused, errno: constants.errno.EOPNOTSUPP }, `${command}`);
    }
  });
});

t.test('EINVAL where the loopback was never up', async (t) => {
  const netns = `ipvs-test-down-${process.pid}`;
  execFileSync('ip', ['netns', 'add', netns]);
  t.teardown(() => {
    execFileSync('ip', ['netns', 'delete', netns]);
  });
  const ipvs = await Ipvs.open({ netns });
  t.teardown(() => ipvs.close());
  await ipvs.addService({ ...web, scheduler: 'rr' });
  check(t, await caught(ipvs.addDestination(web, real)), 'EINVAL', {
    code: 'EINVAL',
    sentence: "this network namespace's loopback was never up, so that no IPv4 address counts",
    hint: 'ip link set lo up',
  });
});

t.test('answers that a kernel does not give on demand have their sentences too', async (t) => {
  const lab = await openLab(t);
  for (const { errno, why, ...answer } of elsewhere) {
    t.comment(`${errno} is not provoked: ${why}`);
    const number = constants.errno[errno as keyof typeof constants.errno];
    const failure = new NativeFailure(Fault.refused, number, '', '');
    const request: Request = { command: Command.flush };
    check(t, await explain(failure, { command: 'flush' }, request, lab.channels), errno, answer);
  }
});

// ---- who may not

type Told = Record<string, { code: string; message: string; hint: string; errno: number }>;

// Runs in a process of its own: prints what each method says.
async function tellAll(uid: number | undefined): Promise<void> {
  const { loadAddon: load } = await import('#lib/load');
  const { Ipvs: Handle } = await import('ipvs');
  load(); // its files may be root's
  if (uid !== undefined) {
    process.setgroups?.([]);
    process.setgid?.(uid);
    process.setuid?.(uid);
  }
  const ipvs = await Handle.open();
  const key = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  const destination = { address: '10.0.0.5' };
  const calls: Record<string, () => Promise<unknown>> = {
    addService: () => ipvs.addService(key),
    updateService: () => ipvs.updateService(key, { scheduler: 'rr' }),
    replaceService: () => ipvs.replaceService(key),
    ensureService: () => ipvs.ensureService(key),
    removeService: () => ipvs.removeService(key),
    getService: () => ipvs.getService(key),
    listServices: () => ipvs.listServices(),
    addDestination: () => ipvs.addDestination(key, destination),
    updateDestination: () => ipvs.updateDestination(key, destination, { weight: 0 }),
    replaceDestination: () => ipvs.replaceDestination(key, destination),
    ensureDestination: () => ipvs.ensureDestination(key, destination),
    removeDestination: () => ipvs.removeDestination(key, destination),
    getDestination: () => ipvs.getDestination(key, destination),
    listDestinations: () => ipvs.listDestinations(key),
    snapshot: () => ipvs.snapshot(),
    flush: () => ipvs.flush(),
    zero: () => ipvs.zero(),
    getInfo: () => ipvs.getInfo(),
    getTimeouts: () => ipvs.getTimeouts(),
    setTimeouts: () => ipvs.setTimeouts({ udp: 10 }),
    startSyncDaemon: () => ipvs.startSyncDaemon({ role: 'master', interface: 'lo' }),
    stopSyncDaemon: () => ipvs.stopSyncDaemon('master'),
    listSyncDaemons: () => ipvs.listSyncDaemons(),
  };
  const told: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call();
      told[name] = {};
    } catch (error) {
      const { code, message, hint, errno } = error as IpvsError;
      told[name] = { code, message, hint, errno };
    }
  }
  console.log(JSON.stringify(told));
  await ipvs.close();
}

function tellFrom(command: readonly string[], uid?: number): Told {
  const args = [...command, process.execPath, '-e', `(${String(tellAll)})(${uid})`];
  return JSON.parse(execFileSync('env', args, { cwd: root, encoding: 'utf8' })) as Told;
}

const strangers = [
  {
    who: 'without capabilities',
    tell: () => tellFrom([], 65534),
    sentence: 'this process lacks the capability CAP_NET_ADMIN',
    hint:
      'run it as root, or give it the capability: setcap cap_net_admin+ep, ' +
      '--cap-add NET_ADMIN for a container, AmbientCapabilities= for a systemd unit',
  },
  ...[
    ['in a user namespace without users', ['unshare', '-Un']],
    ['as root of a user namespace', ['unshare', '-Urn']],
  ].map(([who, command]) => ({
    who: who as string,
    tell: () => tellFrom(command as string[]),
    sentence: 'this process is in a user namespace of its own, and IPVS takes the initial one',
    hint:
      'run it outside of rootless containers and user namespaces, ' +
      'or in a privileged container of a daemon that runs as root',
  })),
];

for (const { who, tell, sentence, hint } of strangers) {
  t.test(`EPERM for every method, reads too, ${who}`, (t) => {
    const told = tell();
    t.equal(Object.keys(told).length, 23);
    for (const [method, error] of Object.entries(told)) {
      t.match(error, { code: 'EPERM', errno: -constants.errno.EPERM, hint }, method);
      t.ok(error.message.endsWith(`: ${sentence} (EPERM)`), `${method}: ${error.message}`);
    }
    t.end();
  });
}

t.test('every errno name stands for the number that the kernel gives', (t) => {
  for (const { errno } of [...rows, ...elsewhere]) {
    const number = constants.errno[errno as keyof typeof constants.errno];
    const name = errnoName(number);
    t.equal(constants.errno[name as keyof typeof constants.errno], number);
  }
  t.end();
});
