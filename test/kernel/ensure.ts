// ensure* makes it so and tells what it took. They catch an update that is not made, one that is made
// for nothing (it costs the kernel an RCU grace period), and a race that becomes an error.

import t from 'tap';
import type { DestinationConfig, ServiceConfig } from 'ipvs';
import { refusalOf } from '../lab/failure.js';
import { freshIpvs, openIpvs } from '../lab/namespace.js';

const service = { protocol: 'udp', address: '10.0.0.1', port: 53 } as const;

t.test('a service is added, left alone, or set to just this configuration', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const sip: ServiceConfig = {
    ...service,
    scheduler: 'sh',
    schedulerFlags: ['sh-port'],
    persistence: { timeout: 60, netmask: '255.255.255.0', engine: 'sip' },
  };
  const configs: ServiceConfig[] = [
    service,
    { ...service, scheduler: 'rr' },
    { ...service, scheduler: 'sh' },
    { ...service, scheduler: 'sh', onePacket: true },
    { ...service, scheduler: 'sh', schedulerFlags: ['sh-port', 'flag-3'] },
    { ...service, persistence: {} },
    { ...service, persistence: { timeout: 60 } },
    { ...service, persistence: { timeout: 60, netmask: 24 } },
    sip,
    { ...sip, persistence: { timeout: 60, netmask: 24 } },
    { ...sip, schedulerFlags: [] },
    service,
  ];
  let expected = 'added';
  for (const config of configs) {
    t.equal(await ipvs.ensureService(config), expected, JSON.stringify(config));
    t.equal(await ipvs.ensureService(config), 'unchanged');
    const there = await ipvs.getService(service);
    await ipvs.replaceService(config);
    t.strictSame(await ipvs.getService(service), there, 'the same as replaceService makes it');
    expected = 'updated';
  }
});

t.test('the defaults that are written out are the same configuration', async (t) => {
  const { ipvs, restore } = await freshIpvs(t);
  // By another program, in other words.
  restore('-A -t 10.0.0.2:80 -p 300\n-a -t 10.0.0.2:80 -r 10.0.0.5\n-A -f 7\n');
  const other = { protocol: 'tcp', address: '10.0.0.2', port: 80 } as const;
  t.equal(await ipvs.ensureService({ ...other, persistence: {} }), 'unchanged');
  t.equal(
    await ipvs.ensureService({
      ...other,
      scheduler: 'wlc',
      schedulerFlags: [],
      persistence: { timeout: 300, netmask: 32 },
      onePacket: false,
    }),
    'unchanged',
  );
  t.equal(await ipvs.ensureDestination(other, { address: '10.0.0.5' }), 'unchanged');
  t.equal(
    await ipvs.ensureDestination(other, {
      address: '10.0.0.5',
      port: 80,
      forwarding: 'dr',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
    }),
    'unchanged',
  );
  t.equal(await ipvs.ensureService({ fwmark: 7 }), 'unchanged');
  t.equal(await ipvs.ensureService({ fwmark: 7, family: 'ipv6' }), 'added');
});

t.test('a destination is added, left alone, or set to just this configuration', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  const real = { address: '10.0.0.5' };
  const configs: DestinationConfig[] = [
    real,
    { ...real, forwarding: 'nat' },
    { ...real, forwarding: 'nat', weight: 0 },
    { ...real, forwarding: 'nat', weight: 0, upperThreshold: 9 },
    { ...real, forwarding: 'nat', weight: 0, upperThreshold: 9, lowerThreshold: 1 },
    { ...real, forwarding: 'tun' },
    { ...real, forwarding: 'tun', tunnel: { type: 'gue', port: 6080 } },
    { ...real, forwarding: 'tun', tunnel: { type: 'gue', port: 6081 } },
    { ...real, forwarding: 'tun', tunnel: { type: 'gue', port: 6081, checksum: 'csum' } },
    { ...real, forwarding: 'tun', tunnel: { type: 'gre' } },
    real,
  ];
  let expected = 'added';
  for (const config of configs) {
    t.equal(await ipvs.ensureDestination(service, config), expected, JSON.stringify(config));
    t.equal(await ipvs.ensureDestination(service, config), 'unchanged');
    const there = await ipvs.listDestinations(service);
    await ipvs.replaceDestination(service, config);
    t.strictSame(await ipvs.listDestinations(service), there);
    expected = 'updated';
  }
});

t.test('the destination of a service that is not there is not ensured', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const error = await refusalOf(ipvs.ensureDestination(service, { address: '10.0.0.5' }));
  t.match(error, { code: 'ESRCH', command: 'ensure destination' });
});

// Two controllers, or one that is restarted while its predecessor still runs. One of the two adds
// first: for the other the kernel says EEXIST, or ESRCH once it is gone again.
t.test('two handles that ensure the same make it so without an error', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const other = await openIpvs(t, { netns });
  const real = { address: '10.0.0.5', forwarding: 'nat' } as const;
  const outcomes: Record<string, number> = {};
  for (let round = 0; round < 50; round++) {
    const made = await Promise.all([
      ipvs.ensureService({ ...service, scheduler: 'rr' }),
      other.ensureService({ ...service, scheduler: 'rr' }),
      ipvs.ensureDestination(service, real),
      other.ensureDestination(service, real).catch((error: unknown) => {
        // The other handle's own order says nothing about this one's.
        if ((error as { code: string }).code === 'ESRCH') return 'too early';
        throw error;
      }),
    ]);
    for (const each of made) outcomes[each] = (outcomes[each] ?? 0) + 1;
    t.equal(made.slice(0, 2).filter((each) => each === 'added').length, 1);
    t.match(await ipvs.listServices(), [{ ...service, scheduler: 'rr' }]);
    t.match(await ipvs.listDestinations(service), [real]);
    await ipvs.removeService(service);
  }
  t.equal(outcomes.updated, undefined);
});

t.test('two handles that ensure different settings leave one of the two', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const other = await openIpvs(t, { netns });
  for (let round = 0; round < 50; round++) {
    await Promise.all([
      ipvs.ensureService({ ...service, scheduler: 'rr' }),
      other.ensureService({ ...service, persistence: { timeout: 60 } }),
    ]);
    const there = await ipvs.getService(service);
    t.ok(
      there?.scheduler === 'rr'
        ? there.persistence === undefined
        : there?.scheduler === 'wlc' && there.persistence?.timeout === 60,
      'no mixture of both',
    );
    await ipvs.removeService(service);
  }
});
