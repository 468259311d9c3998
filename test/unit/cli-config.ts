// What the kernel has, in words and back. It catches a diff or a dry run that fails because of what
// somebody else put there, and one that shows another table than there is.

import fc from 'fast-check';
import t from 'tap';
import { IPV4, IPV6 } from '#lib/address';
import {
  destinationConfigOf,
  destinationInNumbers,
  idOfKey,
  keyOf,
  serviceConfigOf,
  serviceInNumbers,
} from '#lib/cli/config';
import { predict } from '#lib/cli/predict';
import { reportsOf } from '#lib/cli/wanted';
import { NO_STATS } from '#lib/rows';
import type { DestinationNumbers, ServiceNumbers } from '#lib/records';
import { idOfService } from '#lib/rules/ids';
import type { RestoreResult } from '#lib/rules/types';
import { serviceName } from '#lib/turns';
import { PERSISTENT, TUN, toDestination, toService, toServiceKey } from '#lib/words';
import type { Destination, Snapshot, SnapshotService } from 'ipvs';

const integer = (max: number) => fc.integer({ min: 0, max });

t.test('every number of a service survives the way into words and back', (t) => {
  const names = { scheduler: fc.constantFrom('wlc', 'sh', 'mh', 'none', 'x') };
  const record = fc.record({
    family: fc.constantFrom(IPV4, IPV6),
    protocol: fc.constantFrom(0, 1, 6, 17, 47, 132, 255),
    port: integer(65535),
    fwmark: fc.constantFrom(0, 1, 2 ** 32 - 1),
    ...names,
    flags: integer(0x3f),
    timeout: integer(2 ** 32 - 1),
    mask: integer(32),
    engine: fc.constantFrom('', 'sip'),
  });
  fc.assert(
    fc.property(record, ({ mask, ...rest }) => {
      const netmask =
        rest.family === IPV6 ? mask : Number(BigInt.asUintN(32, 0xffffffffn << BigInt(32 - mask)));
      const address = rest.family === IPV6 ? '2001:db8::1' : '10.0.0.1';
      const service = { ...rest, netmask, address, stats: NO_STATS, wideStats: 1 };
      const words = toService(service);
      const { id, numbers } = serviceInNumbers(serviceConfigOf(words));
      t.equal(serviceName(id), serviceName(idOfService(service)));
      t.same(idOfKey(keyOf(toServiceKey(service))), id);
      const { scheduler, timeout, engine } = service;
      const flags = service.flags & ~0x02; // hashed: the kernel's own
      const wanted: ServiceNumbers =
        (flags & PERSISTENT) === 0
          ? { ...numbers, scheduler, flags, engine } // the rest means nothing
          : { scheduler, flags, timeout, netmask, engine };
      return t.same(numbers, wanted);
    }),
  );
  t.end();
});

t.test('every number of a destination survives the way into words and back', (t) => {
  const record = fc.record({
    family: fc.constantFrom(IPV4, IPV6),
    port: integer(65535),
    forwarding: integer(7),
    weight: integer(2 ** 31 - 1),
    upperThreshold: integer(2 ** 32 - 1),
    lowerThreshold: integer(2 ** 32 - 1),
    tunnelType: integer(3),
    tunnelPort: integer(65535),
    tunnelFlags: integer(3),
  });
  fc.assert(
    fc.property(record, (rest) => {
      const address = rest.family === IPV6 ? '2001:db8::5' : '10.0.0.5';
      const observed = { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0 };
      const words = toDestination({ ...rest, ...observed, address, stats: NO_STATS });
      const { id, numbers } = destinationInNumbers(destinationConfigOf(words));
      const { port, forwarding, weight, upperThreshold, lowerThreshold } = rest;
      const { tunnelType, tunnelPort, tunnelFlags } = rest;
      // What a method or a type has no use for is not in its words.
      const isTunnel = forwarding === TUN;
      const [isGue, isGre] = [isTunnel && tunnelType === 1, isTunnel && tunnelType === 2];
      const wanted: DestinationNumbers = {
        forwarding,
        weight,
        upperThreshold,
        lowerThreshold,
        tunnelType: isTunnel ? tunnelType : 0,
        tunnelPort: isGue ? tunnelPort : 0,
        tunnelFlags: isGue || isGre ? tunnelFlags : 0,
      };
      t.equal(id.address.text, address);
      return t.same({ port: id.port, ...numbers }, { port, ...wanted });
    }),
  );
  t.end();
});

const server: Destination = {
  address: '10.0.0.5',
  port: 8080,
  family: 'ipv4',
  forwarding: 'dr',
  weight: 3,
  upperThreshold: 0,
  lowerThreshold: 0,
  activeConnections: 0,
  inactiveConnections: 0,
  persistentConnections: 0,
  stats: NO_STATS,
};
const settings = {
  family: 'ipv4',
  scheduler: 'wlc',
  schedulerFlags: [],
  onePacket: false,
  stats: NO_STATS,
} as const;
const address = '10.0.0.1';
const destinations = [server];
/** What the library refuses to make, and the kernel holds all the same. */
const odd: SnapshotService[] = [
  { ...settings, protocol: 'tcp', address, port: 0, destinations },
  { ...settings, protocol: 'tcp', address, port: 80, onePacket: true, destinations },
  {
    ...settings,
    protocol: 'tcp',
    address,
    port: 81,
    persistence: { timeout: 0, netmask: '255.255.255.255' },
    destinations,
  },
  { ...settings, protocol: '47' as 'tcp', address, port: 80, destinations },
  { ...settings, fwmark: 1, destinations },
];

t.test('a table that the library would not make is compared all the same', (t) => {
  const present = { services: odd } as unknown as Snapshot;
  const text = '-A -f 1 -s wlc\n-a -f 1 -r 10.0.0.5:8080 -g -w 1\n';
  const result: RestoreResult = {
    mode: 'replace',
    dryRun: true,
    added: [],
    updated: [{ service: { fwmark: 1, family: 'ipv4' }, destination: server }],
    removed: odd.slice(0, 4).map((service) => ({ service: keyOf(service) })),
    unchanged: 1,
    timeouts: {},
    startedDaemons: [],
    stoppedDaemons: [],
    zeroed: [],
  };
  for (const mode of ['replace', 'merge'] as const) {
    const reports = reportsOf({ ...result, mode }, present, { text, file: 'rules' });
    t.match(reports, [
      { action: 'remove', before: { port: 0 } },
      { action: 'remove', before: { onePacket: true } },
      { action: 'remove', before: { persistence: { timeout: 0 } } },
      { action: 'remove', before: { protocol: '47' } },
      { action: 'update', before: { port: 8080, weight: 3 }, after: { port: 8080, weight: 1 } },
    ]);
  }
  t.end();
});

t.test('what is there is not checked again before it is changed', (t) => {
  // Of another protocol there is no name that could be typed.
  for (const service of odd.filter((each) => keyOf(each).protocol !== ('47' as 'tcp'))) {
    const found = { service: serviceConfigOf(service), destination: destinationConfigOf(server) };
    const key = keyOf(service);
    t.match(predict({ op: 'updateService', service: key, changes: { scheduler: 'rr' } }, found), {
      ...found.service,
      scheduler: 'rr',
    });
    const change = {
      op: 'updateDestination',
      service: key,
      destination: server,
      changes: { weight: 0 },
    } as const;
    t.same(predict(change, found), { ...found.destination, weight: 0 });
  }
  t.end();
});
