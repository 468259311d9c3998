// Large tables: many calls at once, and lists that come in several datagrams and several portions.
// They catch a record that is lost or doubled between them, and an order that depends on chance.

import t from 'tap';
import type { Destination, Service } from 'ipvs';
import { collect } from '../fixtures/lists.js';
import { freshIpvs } from '../lab/namespace.js';

/** Always the same disorder. */
function shuffled<Item>(items: readonly Item[]): Item[] {
  const count = items.length;
  // A step without a common divisor with the number of items meets each of them once.
  const step = 7919;
  return items.map((_, index) => items[(index * step) % count] as Item);
}

t.test('100 services with 100 destinations each are there after one Promise.all', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  const services = hundred.map(
    (number) =>
      ({ protocol: 'tcp', address: `10.0.0.${number}`, port: 80, scheduler: 'rr' }) as const,
  );
  const addresses = hundred.map((number) => `10.1.${number}.1`);

  await Promise.all(
    shuffled(services).map(async (service) => {
      const added = ipvs.addService(service);
      await Promise.all(
        shuffled(addresses).map((address) => ipvs.addDestination(service, { address })),
      );
      await added;
    }),
  );

  const listed = await ipvs.listServices();
  t.strictSame(
    listed.map((each) => ('address' in each ? each.address : '')),
    services.map(({ address }) => address),
    'all services, in order',
  );
  const lists = await Promise.all(services.map((service) => ipvs.listDestinations(service)));
  const wrong = lists.filter(
    (list) => list.map(({ address }) => address).join() !== addresses.join(),
  );
  t.strictSame(wrong, [], 'all destinations of each, in order');
  t.equal(lists.flat().length, 10_000);

  await Promise.all(services.map((service) => ipvs.removeService(service)));
  t.strictSame(await ipvs.listServices(), []);
});

// 500 records become objects at a time: the numbers around that, and several portions.
t.test('iterating gives what listing gives, over several portions', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const owner = { protocol: 'tcp', address: '10.0.0.1', port: 1 } as const;
  const key = (port: number) => ({ ...owner, port });
  const real = (port: number) => ({ address: '10.0.0.5', port, forwarding: 'nat' }) as const;
  let made = 0;
  for (const count of [499, 500, 501, 1201]) {
    const added: Promise<void>[] = [];
    for (; made < count; made++) {
      added.push(ipvs.addService(key(made + 1)), ipvs.addDestination(owner, real(made + 1)));
    }
    await Promise.all(added);
    const ports = Array.from({ length: count }, (_, index) => index + 1);

    const services = await ipvs.listServices();
    t.strictSame(services.map(portOf), ports, `${count} services`);
    t.strictSame(await collect(ipvs.services()), services);
    const destinations = await ipvs.listDestinations(owner);
    t.strictSame(destinations.map(portOf), ports, `${count} destinations`);
    t.strictSame(await collect(ipvs.destinations(owner)), destinations);
  }
});

const portOf = (each: Service | Destination) => ('port' in each ? each.port : undefined);

t.test('an iteration may be left early, and several may run at once', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const owner = { protocol: 'tcp', address: '10.0.0.1', port: 1 } as const;
  const ports = Array.from({ length: 600 }, (_, index) => index + 1);
  await Promise.all([
    ...ports.map((port) => ipvs.addService({ ...owner, port })),
    ...ports.map((port) =>
      ipvs.addDestination(owner, { address: '10.0.0.5', port, forwarding: 'nat' }),
    ),
  ]);
  for (const enough of [1, 500, 501]) {
    const seen: unknown[] = [];
    for await (const each of ipvs.services()) {
      seen.push(portOf(each));
      if (seen.length === enough) break;
    }
    for await (const each of ipvs.destinations(owner)) {
      seen.push(portOf(each));
      if (seen.length === 2 * enough) break;
    }
    t.strictSame(seen, [...ports.slice(0, enough), ...ports.slice(0, enough)]);
  }
  // What changes meanwhile does not change what is being iterated over.
  const source = ipvs.destinations(owner)[Symbol.asyncIterator]();
  t.match(await source.next(), { done: false, value: { port: 1 } });
  await ipvs.removeService(owner);
  const rest: number[] = [];
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    rest.push(next.value.port);
  }
  t.strictSame(rest, ports.slice(1));

  const both = await Promise.all([collect(ipvs.services()), collect(ipvs.services())]);
  t.strictSame(both[0], both[1]);
  t.equal(both[0].length, 599);
});
