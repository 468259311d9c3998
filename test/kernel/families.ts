// Every kind of service and destination through its whole life: created, read, changed, removed.
// They catch an address, a mark or a family that goes into the kernel as another one.

import t from 'tap';
import type { DestinationConfig, ServiceConfig, ServiceKey } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';
import { noTraffic, unused } from '../lab/objects.js';

interface Life {
  name: string;
  key: ServiceKey;
  /** What the service reads like beside its key and its settings. */
  family: 'ipv4' | 'ipv6';
  everybody: string | number;
  destination: DestinationConfig;
  /** What the destination reads like beside its settings. */
  destinationFamily: 'ipv4' | 'ipv6';
  port: number;
}

const lives: Life[] = [];

for (const protocol of ['tcp', 'udp', 'sctp'] as const) {
  lives.push(
    {
      name: `${protocol} over IPv4`,
      key: { protocol, address: '10.0.0.1', port: 65535 },
      family: 'ipv4',
      everybody: '255.255.255.255',
      destination: { address: '192.168.1.2', port: 1, forwarding: 'nat' },
      destinationFamily: 'ipv4',
      port: 1,
    },
    {
      name: `${protocol} over IPv6`,
      key: { protocol, address: '2001:db8::1', port: 65535 },
      family: 'ipv6',
      everybody: 128,
      destination: { address: '2001:db8:ffff::2', port: 1, forwarding: 'nat' },
      destinationFamily: 'ipv6',
      port: 1,
    },
    {
      name: `${protocol} over IPv4 with a tunnel over IPv6`,
      key: { protocol, address: '10.0.0.1', port: 80 },
      family: 'ipv4',
      everybody: '255.255.255.255',
      destination: { address: '2001:db8:ffff::2', forwarding: 'tun' },
      destinationFamily: 'ipv6',
      port: 80,
    },
    {
      name: `${protocol} over IPv6 with a tunnel over IPv4`,
      key: { protocol, address: '2001:db8::1', port: 80 },
      family: 'ipv6',
      everybody: 128,
      destination: { address: '192.168.1.2', forwarding: 'tun' },
      destinationFamily: 'ipv4',
      port: 80,
    },
  );
}

for (const fwmark of [1, 4294967295]) {
  lives.push(
    {
      name: `firewall mark ${fwmark} over IPv4`,
      key: { fwmark, family: 'ipv4' },
      family: 'ipv4',
      everybody: '255.255.255.255',
      destination: { address: '192.168.1.2', forwarding: 'dr' },
      destinationFamily: 'ipv4',
      port: 0,
    },
    {
      name: `firewall mark ${fwmark} over IPv6`,
      key: { fwmark, family: 'ipv6' },
      family: 'ipv6',
      everybody: 128,
      destination: { address: '192.168.1.2', forwarding: 'tun' },
      destinationFamily: 'ipv4',
      port: 0,
    },
  );
}

for (const { name, key, family, everybody, destination, destinationFamily, port } of lives) {
  t.test(`${name}: created, read, changed, removed`, async (t) => {
    const { ipvs } = await freshIpvs(t);
    const config: ServiceConfig = { ...key, scheduler: 'rr', persistence: {} };
    const service = {
      ...key,
      family,
      scheduler: 'rr',
      schedulerFlags: [],
      persistence: { timeout: 300, netmask: everybody },
      onePacket: false,
      stats: noTraffic,
    };
    t.equal(await ipvs.getService(key), undefined);
    await ipvs.addService(config);
    t.strictSame(await ipvs.getService(key), service);
    t.strictSame(await ipvs.listServices(), [service]);
    t.strictSame(await ipvs.listDestinations(key), []);

    const real = {
      address: destination.address,
      port,
      family: destinationFamily,
      forwarding: destination.forwarding,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      ...(destination.forwarding === 'tun' && { tunnel: { type: 'ipip' } }),
      ...unused,
    };
    t.equal(await ipvs.getDestination(key, destination), undefined);
    await ipvs.addDestination(key, destination);
    t.strictSame(await ipvs.getDestination(key, destination), real);
    t.strictSame(await ipvs.listDestinations(key), [real]);

    await ipvs.updateService(key, { scheduler: 'lc' });
    t.strictSame(await ipvs.listServices(), [{ ...service, scheduler: 'lc' }]);
    await ipvs.updateDestination(key, destination, { weight: 0 });
    t.strictSame(await ipvs.listDestinations(key), [{ ...real, weight: 0 }]);
    await ipvs.replaceService(config);
    t.strictSame(await ipvs.listServices(), [service]);
    await ipvs.replaceDestination(key, { ...destination, weight: 2, upperThreshold: 3 });
    t.strictSame(await ipvs.listDestinations(key), [{ ...real, weight: 2, upperThreshold: 3 }]);

    await ipvs.removeDestination(key, destination);
    t.equal(await ipvs.getDestination(key, destination), undefined);
    t.strictSame(await ipvs.listDestinations(key), []);
    await ipvs.removeService(key);
    t.equal(await ipvs.getService(key), undefined);
    t.strictSame(await ipvs.listServices(), []);
  });
}

t.test('a mark over IPv4 and the same over IPv6 are two services', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  await ipvs.addService({ fwmark: 80, scheduler: 'rr' });
  await ipvs.addService({ fwmark: 80, family: 'ipv6', scheduler: 'lc' });
  t.equal((await ipvs.getService({ fwmark: 80 }))?.scheduler, 'rr');
  t.equal((await ipvs.getService({ fwmark: 80, family: 'ipv6' }))?.scheduler, 'lc');
  await ipvs.removeService({ fwmark: 80 });
  t.equal(ipvsadm('-Sn'), '-A -f 80 -6 -s lc\n');
});

// Without its family the kernel would take the bytes for an IPv4 address, or find nothing.
t.test('destinations of both families live side by side', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  await ipvs.addService(service);
  // The first four bytes of the IPv6 address are those of the IPv4 one.
  const four = { address: '32.1.13.184', forwarding: 'tun' } as const;
  const six = { address: '2001:db8::', forwarding: 'tun' } as const;
  await ipvs.addDestination(service, six);
  await ipvs.addDestination(service, { ...four, weight: 4 });
  t.match(await ipvs.listDestinations(service), [
    { address: four.address, family: 'ipv4', weight: 4 },
    { address: six.address, family: 'ipv6', weight: 1 },
  ]);
  t.match(await ipvs.getDestination(service, six), { address: six.address, weight: 1 });
  await ipvs.removeDestination(service, four);
  t.match(await ipvs.listDestinations(service), [{ address: six.address }]);
});
