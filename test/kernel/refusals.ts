// What the kernel says "no" to: each reason has a code, a sentence and a hint of its own. They catch
// an errno that is passed on bare, although it means several things, or is told as another one.

import t from 'tap';
import { fieldsOf, refusalOf } from '../lab/failure.js';
import { freshIpvs } from '../lab/namespace.js';
import { tableOf } from '../lab/records.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const missing = { protocol: 'udp', address: '2001:db8::1', port: 53 } as const;
const real = { address: '10.0.0.5', port: 8080, forwarding: 'nat' } as const;
const realKey = { address: '10.0.0.5', port: 8080 };

const everyService = /listServices\(\) shows what is there; .*network namespace/;
const everyDestination = /listDestinations\(\) shows what is there/;

t.test('what is there already is EEXIST', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, real);
  const before = await tableOf(netns);

  // The same key, whatever the rest says.
  const twice = await refusalOf(ipvs.addService({ ...service, scheduler: 'rr' }));
  t.strictSame(fieldsOf(twice), {
    command: 'add service',
    code: 'EEXIST',
    errno: -17,
    service,
    hint: 'ensureService() adds or updates, whichever is needed',
    message: 'add service tcp 10.0.0.1:80: the service already exists (EEXIST)',
  });
  const again = await refusalOf(ipvs.addDestination(service, { ...real, weight: 7 }));
  t.strictSame(fieldsOf(again), {
    command: 'add destination',
    code: 'EEXIST',
    errno: -17,
    service,
    destination: realKey,
    hint: 'ensureDestination() adds or updates, whichever is needed',
    message:
      'add destination 10.0.0.5:8080 to tcp 10.0.0.1:80: the destination already exists (EEXIST)',
  });
  t.strictSame(await tableOf(netns), before);
});

t.test('a service that is not there is ESRCH, in every operation', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const at = '[2001:db8::5]:53';
  const of = 'udp [2001:db8::1]:53: the service does not exist (ESRCH)';
  const destination = { address: '2001:db8::5' };
  const operations: [message: string, () => Promise<unknown>][] = [
    [`update service ${of}`, () => ipvs.updateService(missing, { scheduler: 'rr' })],
    [`replace service ${of}`, () => ipvs.replaceService(missing)],
    [`remove service ${of}`, () => ipvs.removeService(missing)],
    [`list destinations ${of}`, () => ipvs.listDestinations(missing)],
    [`add destination ${at} to ${of}`, () => ipvs.addDestination(missing, destination)],
    [
      `update destination ${at} of ${of}`,
      () => ipvs.updateDestination(missing, destination, { weight: 0 }),
    ],
    [`replace destination ${at} of ${of}`, () => ipvs.replaceDestination(missing, destination)],
    [`ensure destination ${at} of ${of}`, () => ipvs.ensureDestination(missing, destination)],
    [`remove destination ${at} from ${of}`, () => ipvs.removeDestination(missing, destination)],
  ];
  for (const [message, call] of operations) {
    const error = await refusalOf(call());
    t.equal(error.message, message);
    t.match(error, { code: 'ESRCH', errno: -3, service: missing, hint: everyService });
    const about = message.includes(at) ? { address: '2001:db8::5', port: 53 } : undefined;
    t.strictSame(error.destination, about);
    t.equal(error.syscall, undefined);
  }
  t.strictSame(await tableOf(netns), []);
});

// The kernel says ENOENT here, which is also its word for a missing scheduler and a missing IPVS.
t.test('a destination that is not there is ENOENT, in every operation', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, real);
  const absent = { address: '10.0.0.5', port: 80 };
  const operations: [command: string, () => Promise<unknown>][] = [
    ['update', () => ipvs.updateDestination(service, absent, { weight: 0 })],
    ['replace', () => ipvs.replaceDestination(service, { ...absent, forwarding: 'nat' })],
    ['remove', () => ipvs.removeDestination(service, absent)],
  ];
  for (const [verb, call] of operations) {
    const error = await refusalOf(call());
    t.equal(
      error.message,
      `${verb} destination 10.0.0.5:80 ${verb === 'remove' ? 'from' : 'of'} tcp 10.0.0.1:80: ` +
        'the service has no such destination (ENOENT)',
    );
    t.match(error, { code: 'ENOENT', errno: -2, hint: everyDestination });
    t.strictSame([error.service, error.destination], [service, absent]);
  }
});

t.test('a scheduler that the kernel does not know is ERR_IPVS_SCHEDULER', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const engine = 'sip';
  await ipvs.addService({ ...service, persistence: { engine } });
  const before = await tableOf(netns);
  const scheduler = 'no-such-thing';
  const other = { ...service, port: 81, scheduler };
  const operations: [command: string, port: number, () => Promise<unknown>][] = [
    ['add service', 81, () => ipvs.addService(other)],
    ['ensure service', 81, () => ipvs.ensureService(other)],
    ['ensure service', 80, () => ipvs.ensureService({ ...service, scheduler })],
    ['replace service', 80, () => ipvs.replaceService({ ...service, scheduler })],
    ['update service', 80, () => ipvs.updateService(service, { scheduler })],
    // Here the engine might be what is missing, and both might.
    ['add service', 81, () => ipvs.addService({ ...other, persistence: { engine } })],
    ['add service', 81, () => ipvs.addService({ ...other, persistence: { engine: 'nor-this' } })],
  ];
  for (const [command, port, call] of operations) {
    const error = await refusalOf(call());
    t.equal(
      error.message,
      `${command} tcp 10.0.0.1:${port}: ` +
        "this kernel has no scheduler 'no-such-thing' (ERR_IPVS_SCHEDULER)",
    );
    t.match(error, { code: 'ERR_IPVS_SCHEDULER', errno: -2, hint: /\bip_vs_no-such-thing\b/ });
    t.strictSame(error.service, { ...service, port });
  }
  t.strictSame(await tableOf(netns), before);
});

t.test('an engine that the kernel does not know is ERR_IPVS_ENGINE', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  const before = await tableOf(netns);
  const persistence = { engine: 'no-such-thing' };
  const other = { fwmark: 7, family: 'ipv6' } as const;
  const mark = 'firewall mark 7 (ipv6)';
  const operations: [of: string, () => Promise<unknown>][] = [
    [`add service ${mark}`, () => ipvs.addService({ ...other, persistence })],
    [`ensure service ${mark}`, () => ipvs.ensureService({ ...other, persistence })],
    [
      'replace service tcp 10.0.0.1:80',
      () => ipvs.replaceService({ ...service, scheduler: 'lc', persistence }),
    ],
    [
      'update service tcp 10.0.0.1:80',
      () => ipvs.updateService(service, { scheduler: 'lc', persistence }),
    ],
  ];
  for (const [of, call] of operations) {
    const error = await refusalOf(call());
    t.equal(
      error.message,
      `${of}: this kernel has no persistence engine 'no-such-thing' (ERR_IPVS_ENGINE)`,
    );
    t.match(error, { code: 'ERR_IPVS_ENGINE', errno: -2, hint: /\bip_vs_pe_no-such-thing\b/ });
  }
  // To tell the two apart the library asks the kernel about the scheduler: that leaves nothing.
  t.strictSame(await tableOf(netns), before);
});

t.test('an address that no real server can have is EINVAL, with the reason', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addService(missing);
  const before = await tableOf(netns);
  const at = (address: string) =>
    ipvs.addDestination(address.includes(':') ? missing : service, { address });

  for (const [address, kind] of [
    ['0.0.0.0', 'unspecified'],
    ['255.255.255.255', 'the broadcast address'],
    ['239.1.2.3', 'multicast'],
    ['ff02::1', 'multicast'],
  ] as const) {
    const error = await refusalOf(at(address));
    t.match(error, { code: 'EINVAL', errno: -22 });
    t.ok(
      error.message.endsWith(
        `: a real server's address must be unicast, and this one is ${kind} (EINVAL)`,
      ),
      error.message,
    );
  }
  // What is broadcast or link-local depends on the interfaces: only the kernel knows.
  for (const [address, sentence] of [
    [
      '127.255.255.255',
      "a real server's address must be unicast, and this one is a broadcast address",
    ],
    ['fe80::1', "a link-local address can't be a real server's, unless it is this host's own"],
  ] as const) {
    const error = await refusalOf(at(address));
    t.match(error, { code: 'EINVAL', errno: -22 });
    t.ok(error.message.endsWith(`: ${sentence} (EINVAL)`), error.message);
  }
  t.strictSame(await tableOf(netns), before);
});

// Every container's first mistake: the same call works after `ip link set lo up`.
t.test('a namespace whose loopback was never up is explained', async (t) => {
  const { ipvs } = await freshIpvs(t, { loopback: false });
  await ipvs.addService(service);
  const error = await refusalOf(ipvs.addDestination(service, { address: '10.0.0.5' }));
  t.match(error, { code: 'EINVAL', errno: -22, hint: 'ip link set lo up' });
  t.equal(
    error.message,
    "add destination 10.0.0.5:80 to tcp 10.0.0.1:80: this network namespace's loopback was never " +
      'up, so that no IPv4 address counts (EINVAL)',
  );
});

// One refusal among many: the others are carried out, and each promise settles by itself.
t.test('a refusal spoils nothing that travels with it', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  const settled = await Promise.allSettled([
    ipvs.addDestination(service, { address: '10.0.0.2' }),
    ipvs.addDestination(service, { address: '10.0.0.2' }),
    ipvs.addService({ ...service, port: 81, scheduler: 'no-such-thing' }),
    ipvs.addDestination(service, { address: '10.0.0.3' }),
    ipvs.addDestination(missing, { address: '2001:db8::5' }),
    ipvs.removeDestination(service, { address: '10.0.0.9' }),
    ipvs.addDestination(service, { address: '10.0.0.4' }),
  ]);
  t.strictSame(
    settled.map((each) =>
      each.status === 'fulfilled' ? 'done' : (each.reason as { code: string }).code,
    ),
    ['done', 'EEXIST', 'ERR_IPVS_SCHEDULER', 'done', 'ESRCH', 'ENOENT', 'done'],
  );
  t.strictSame(
    (await ipvs.listDestinations(service)).map(({ address }) => address),
    ['10.0.0.2', '10.0.0.3', '10.0.0.4'],
  );
});
