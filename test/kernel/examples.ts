// The six persistence examples that every LVS guide has, as ipvsadm is given them and as the library
// is. They catch a default, a flag or a netmask that the library sends differently from what an
// operator expects, and a field that it reads back wrongly.

import t from 'tap';
import type { Destination, DestinationConfig, Service, ServiceConfig } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';
import { noTraffic, unused } from '../lab/objects.js';
import { tableOf } from '../lab/records.js';

const VIP = '192.168.51.11';
const REAL_SERVERS = ['192.168.1.2', '192.168.1.3', '192.168.1.4'];

interface Example {
  name: string;
  /** The rules, with the real servers left to be filled in for "…". */
  rules: [service: string, destination: string];
  /** The same as `ipvsadm -Sn` has them. */
  saved: [service: string, destination: string];
  /** The same for the library. */
  config: ServiceConfig;
  settings: Omit<DestinationConfig, 'address'>;
  /** What the library reads. */
  service: Service;
  destination: Pick<Destination, 'port' | 'forwarding' | 'tunnel'>;
}

const service: Service = {
  protocol: 'tcp',
  address: VIP,
  port: 80,
  family: 'ipv4',
  scheduler: 'wlc',
  schedulerFlags: [],
  persistence: { timeout: 360, netmask: '255.255.255.255' },
  onePacket: false,
  stats: noTraffic,
};

// A bare -p is 360 s in ipvsadm 1.31, whatever its manual says.
const examples: Example[] = [
  {
    name: 'sticky HTTP over VS/NAT',
    rules: [`-A -t ${VIP}:80 -p`, `-a -t ${VIP}:80 -r … -m`],
    saved: [`-A -t ${VIP}:80 -s wlc -p 360`, `-a -t ${VIP}:80 -r …:80 -m -w 1`],
    config: { protocol: 'tcp', address: VIP, port: 80, persistence: { timeout: 360 } },
    settings: { forwarding: 'nat' },
    service,
    destination: { port: 80, forwarding: 'nat' },
  },
  {
    name: 'FTP over VS/NAT',
    rules: [`-A -t ${VIP}:21 -p 540`, `-a -t ${VIP}:21 -r … -m`],
    saved: [`-A -t ${VIP}:21 -s wlc -p 540`, `-a -t ${VIP}:21 -r …:21 -m -w 1`],
    config: { protocol: 'tcp', address: VIP, port: 21, persistence: { timeout: 540 } },
    settings: { forwarding: 'nat' },
    service: { ...service, port: 21, persistence: { timeout: 540, netmask: '255.255.255.255' } },
    destination: { port: 21, forwarding: 'nat' },
  },
  {
    name: 'sticky HTTP over VS/TUN',
    rules: [`-A -t ${VIP}:80 -p`, `-a -t ${VIP}:80 -r … -i`],
    saved: [`-A -t ${VIP}:80 -s wlc -p 360`, `-a -t ${VIP}:80 -r …:80 -i -w 1 --tun-type ipip`],
    config: { protocol: 'tcp', address: VIP, port: 80, persistence: { timeout: 360 } },
    settings: { forwarding: 'tun' },
    service,
    destination: { port: 80, forwarding: 'tun', tunnel: { type: 'ipip' } },
  },
  {
    name: 'FTP over VS/DR',
    rules: [`-A -t ${VIP}:21 -p 540`, `-a -t ${VIP}:21 -r … -g`],
    saved: [`-A -t ${VIP}:21 -s wlc -p 540`, `-a -t ${VIP}:21 -r …:21 -g -w 1`],
    config: { protocol: 'tcp', address: VIP, port: 21, persistence: { timeout: 540 } },
    settings: { forwarding: 'dr' },
    service: { ...service, port: 21, persistence: { timeout: 540, netmask: '255.255.255.255' } },
    destination: { port: 21, forwarding: 'dr' },
  },
  {
    name: 'catch-all persistence over VS/DR',
    rules: [`-A -t ${VIP}:0 -p`, `-a -t ${VIP}:0 -r … -g`],
    saved: [`-A -t ${VIP}:0 -s wlc -p 360`, `-a -t ${VIP}:0 -r …:0 -g -w 1`],
    config: { protocol: 'tcp', address: VIP, port: 0, persistence: { timeout: 360 } },
    settings: { forwarding: 'dr' },
    service: { ...service, port: 0 },
    destination: { port: 0, forwarding: 'dr' },
  },
  {
    name: 'persistence for whole class C networks',
    rules: [`-A -t ${VIP}:80 -p -M 255.255.255.0`, `-a -t ${VIP}:80 -r …`],
    saved: [`-A -t ${VIP}:80 -s wlc -p 360 -M 255.255.255.0`, `-a -t ${VIP}:80 -r …:80 -g -w 1`],
    config: {
      protocol: 'tcp',
      address: VIP,
      port: 80,
      persistence: { timeout: 360, netmask: '255.255.255.0' },
    },
    settings: {},
    service: { ...service, persistence: { timeout: 360, netmask: '255.255.255.0' } },
    destination: { port: 80, forwarding: 'dr' },
  },
];

function lines([first, each]: readonly [string, string]): string {
  return [first, ...REAL_SERVERS.map((address) => each.replace('…', address)), ''].join('\n');
}

for (const example of examples) {
  t.test(`${example.name}: the library and ipvsadm leave the same in the kernel`, async (t) => {
    const ours = await freshIpvs(t);
    await ours.ipvs.addService(example.config);
    for (const address of REAL_SERVERS) {
      await ours.ipvs.addDestination(example.config, { address, ...example.settings });
    }
    const theirs = await freshIpvs(t);
    theirs.restore(lines(example.rules));

    t.equal(theirs.ipvsadm('-Sn'), lines(example.saved), 'as ipvsadm saves its own');
    t.equal(ours.ipvsadm('-Sn'), lines(example.saved), 'as ipvsadm saves ours');
    const table = await tableOf(ours.netns);
    t.equal(table[0]?.destinations.length, 3);
    t.strictSame(table, await tableOf(theirs.netns), 'every number in the kernel');

    const destinations = REAL_SERVERS.map((address) => ({
      address,
      family: 'ipv4',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      ...unused,
      ...example.destination,
    }));
    for (const { ipvs } of [ours, theirs]) {
      t.strictSame(await ipvs.listServices(), [example.service]);
      t.strictSame(await ipvs.listDestinations(example.service), destinations);
    }
  });
}

// A default that is another one than documented, or that one of the two families lacks.
t.test('persistence is for 300 seconds and per client where nothing else is said', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  await ipvs.addService({ protocol: 'tcp', address: VIP, port: 80, persistence: {} });
  await ipvs.addService({ protocol: 'tcp', address: '2001:db8::1', port: 80, persistence: {} });
  t.equal(ipvsadm('-Sn'), `-A -t ${VIP}:80 -s wlc -p 300\n-A -t [2001:db8::1]:80 -s wlc -p 300\n`);
  t.match(await ipvs.listServices(), [
    { persistence: { timeout: 300, netmask: '255.255.255.255' } },
    { persistence: { timeout: 300, netmask: 128 } },
  ]);
});
