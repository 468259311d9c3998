// What is read back, and how. They catch "not there" that hides another failure, text that is not
// canonical, and an object that can't be passed back in.

import t from 'tap';
import type { Destination, Ipvs, Service } from 'ipvs';
import { collect } from '../fixtures/lists.js';
import { refusalOf } from '../lab/failure.js';
import { freshIpvs } from '../lab/namespace.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const service6 = { protocol: 'udp', address: '2001:db8::1', port: 53 } as const;

t.test('what is not there is undefined, and a list of nothing is empty', async (t) => {
  const { ipvs } = await freshIpvs(t);
  t.strictSame(await ipvs.listServices(), []);
  t.strictSame(await collect(ipvs.services()), []);
  t.equal(await ipvs.getService(service), undefined);
  t.equal(await ipvs.getService({ fwmark: 1 }), undefined);
  t.equal(await ipvs.getDestination(service, { address: '10.0.0.5' }), undefined);

  await ipvs.addService(service);
  t.strictSame(await ipvs.listDestinations(service), []);
  t.strictSame(await collect(ipvs.destinations(service)), []);
  t.equal(await ipvs.getDestination(service, { address: '10.0.0.5' }), undefined);
  t.equal(await ipvs.getService({ ...service, protocol: 'udp' }), undefined);
  t.equal(await ipvs.getService({ ...service, port: 81 }), undefined);
});

// The kernel answers with an empty list, as if there were such a service.
t.test('the destinations of a service that is not there are no empty list', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  for (const call of [
    () => ipvs.listDestinations(service6),
    () => collect(ipvs.destinations(service6)),
    () => ipvs.listDestinations({ ...service, port: 81 }),
    () => ipvs.listDestinations({ fwmark: 1 }),
  ]) {
    t.match(await refusalOf(call()), { code: 'ESRCH', command: 'list destinations' });
  }
});

t.test('addresses come back in canonical text, however they were written', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const written = { protocol: 'tcp', address: '2001:DB8:0::1', port: 80 } as const;
  const canonical = { ...written, address: '2001:db8::1' };
  await ipvs.addService(written);
  await ipvs.addService({ ...written, address: '::FFFF:10.0.0.1' });
  await ipvs.addDestination(written, { address: '2001:0DB8:0000:0000:0000:0000:0000:00A2' });
  await ipvs.addDestination(canonical, { address: '64:FF9B::10.0.0.1' });
  t.match(await ipvs.listServices(), [{ ...written, address: '::ffff:10.0.0.1' }, canonical]);
  t.match(await ipvs.listDestinations(canonical), [
    { address: '64:ff9b::a00:1' },
    { address: '2001:db8::a2' },
  ]);
  t.match(await ipvs.getService(written), canonical);
  t.match(await ipvs.getDestination(written, { address: '2001:db8:0:0::a2' }), {
    address: '2001:db8::a2',
  });
  t.equal((await refusalOf(ipvs.addService(canonical))).code, 'EEXIST');
  // Errors name it as everything that is read does, whichever way the call took.
  const { signal } = new AbortController();
  for (const options of [undefined, { signal }]) {
    t.match((await refusalOf(ipvs.addService(written, options))).service, canonical);
  }
});

// Hash order, or order as text, would differ from one kernel and one moment to the next.
t.test('lists are sorted by key', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const sorted = [
    { protocol: 'tcp', address: '9.255.0.0', port: 1000 },
    { protocol: 'tcp', address: '10.0.0.1', port: 80 },
    { protocol: 'tcp', address: '10.0.0.1', port: 443 },
    { protocol: 'tcp', address: '10.0.0.2', port: 1 },
    { protocol: 'tcp', address: '10.0.0.10', port: 1 },
    { protocol: 'tcp', address: '200.0.0.1', port: 1 },
    { protocol: 'udp', address: '1.0.0.1', port: 53 },
    { protocol: 'sctp', address: '1.0.0.1', port: 53 },
    { protocol: 'tcp', address: '2001:db8::2', port: 80 },
    { protocol: 'tcp', address: '2001:db8::10', port: 80 },
    { protocol: 'udp', address: '::1', port: 1 },
    { fwmark: 3, family: 'ipv4' },
    { fwmark: 20, family: 'ipv4' },
    { fwmark: 4000000000, family: 'ipv4' },
    { fwmark: 1, family: 'ipv6' },
  ] as const;
  for (const key of [...sorted].reverse()) await ipvs.addService(key);
  const keys = (await ipvs.listServices()).map((each) =>
    'fwmark' in each
      ? { fwmark: each.fwmark, family: each.family }
      : { protocol: each.protocol, address: each.address, port: each.port },
  );
  t.strictSame(keys, sorted);

  const destinations = [
    { address: '9.9.9.9', port: 80 },
    { address: '10.0.0.5', port: 8 },
    { address: '10.0.0.5', port: 80 },
    { address: '10.0.0.5', port: 1000 },
    { address: '10.0.0.40', port: 80 },
    { address: '2001:db8::9', port: 80 },
    { address: '2001:db8::10', port: 80 },
  ];
  for (const { address, port } of [...destinations].reverse()) {
    const forwarding = address.includes(':') ? 'tun' : 'nat';
    await ipvs.addDestination(service, { address, port, forwarding });
  }
  t.strictSame(
    (await ipvs.listDestinations(service)).map(({ address, port }) => ({ address, port })),
    destinations,
  );
});

async function fill(ipvs: Ipvs): Promise<void> {
  await ipvs.addService({ ...service, scheduler: 'rr' });
  await ipvs.addService({
    protocol: 'udp',
    address: '10.0.0.1',
    port: 5060,
    scheduler: 'sh',
    schedulerFlags: ['sh-port', 'flag-3'],
    persistence: { timeout: 60, netmask: 20, engine: 'sip' },
    onePacket: true,
  });
  await ipvs.addService({ protocol: 'tcp', address: '2001:db8::1', port: 0, persistence: {} });
  await ipvs.addService({ fwmark: 4294967295, scheduler: 'mh', schedulerFlags: ['mh-fallback'] });
  await ipvs.addService({ fwmark: 4294967295, family: 'ipv6', scheduler: 'lc' });
  const real = { address: '10.1.0.2', weight: 3, upperThreshold: 9, lowerThreshold: 3 };
  await ipvs.addDestination(service, { ...real, port: 8080, forwarding: 'nat' });
  await ipvs.addDestination(service, { ...real, forwarding: 'local' });
  await ipvs.addDestination(service, { ...real, address: '10.1.0.3', forwarding: 'bypass' });
  for (const [address, tunnel] of [
    ['10.1.0.4', { type: 'ipip' }],
    ['10.1.0.5', { type: 'gue', port: 6080, checksum: 'remcsum' }],
    ['2001:db8::5', { type: 'gre', checksum: 'csum' }],
  ] as const) {
    await ipvs.addDestination(service, { ...real, address, forwarding: 'tun', tunnel });
  }
  await ipvs.addDestination({ fwmark: 4294967295, family: 'ipv6' }, { address: '2001:db8::5' });
}

async function tree(ipvs: Ipvs): Promise<[Service, Destination[]][]> {
  const services = await ipvs.listServices();
  return Promise.all(
    services.map(async (each): Promise<[Service, Destination[]]> => [
      each,
      await ipvs.listDestinations(each),
    ]),
  );
}

t.test('what was read can be passed back as key and as configuration', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await fill(ipvs);
  const before = await tree(ipvs);
  t.strictSame(
    before.map(([, destinations]) => destinations.length),
    [6, 0, 0, 0, 1],
  );

  for (const [each, destinations] of before) {
    t.strictSame(await ipvs.getService(each), each);
    t.equal(await ipvs.ensureService(each), 'unchanged');
    await ipvs.replaceService(each);
    for (const destination of destinations) {
      t.strictSame(await ipvs.getDestination(each, destination), destination);
      t.equal(await ipvs.ensureDestination(each, destination), 'unchanged');
      await ipvs.replaceDestination(each, destination);
    }
  }
  t.strictSame(await tree(ipvs), before);

  const copy = await freshIpvs(t);
  for (const [each, destinations] of before) {
    await copy.ipvs.addService(each);
    for (const destination of destinations) await copy.ipvs.addDestination(each, destination);
  }
  t.strictSame(await tree(copy.ipvs), before, 'a copy in another namespace');

  for (const [each, destinations] of before) {
    for (const destination of destinations) await copy.ipvs.removeDestination(each, destination);
    await copy.ipvs.removeService(each);
  }
  t.strictSame(await tree(copy.ipvs), []);
});

t.test('counters are numbers, or bigints where they are asked for', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const destination = { address: '10.0.0.5' };
  await ipvs.addService(service);
  await ipvs.addDestination(service, destination);
  const kinds = (stats: object | undefined) => {
    const values = Object.values(stats ?? {}) as unknown[];
    return [values.length, ...new Set(values.map((value) => typeof value))];
  };
  for (const [options, kind] of [
    [undefined, 'number'],
    [{}, 'number'],
    [{ bigint: false }, 'number'],
    [{ bigint: true }, 'bigint'],
  ] as const) {
    const objects = [
      await ipvs.getService(service, options),
      await ipvs.getDestination(service, destination, options),
      ...(await ipvs.listServices(options)),
      ...(await ipvs.listDestinations(service, options)),
      ...(await collect(ipvs.services(options))),
      ...(await collect(ipvs.destinations(service, options))),
    ];
    for (const object of objects) t.strictSame(kinds(object?.stats), [10, kind]);
  }
  t.match(await ipvs.getDestination(service, destination, { bigint: true }), {
    weight: 1,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
  });
});
