// Everything else that ipvsadm can say, beside the same said to the library: number by number. They
// catch a flag bit, a byte order or a tunnel setting that differs from what other tools write and read.

import t from 'tap';
import type { Test } from 'tap';
import type { DestinationConfig, ServiceConfig } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';
import { tableOf } from '../lab/records.js';

type Table = [service: ServiceConfig, ...destinations: DestinationConfig[]][];

async function compare(t: Test, rules: string, table: Table): Promise<void> {
  const ours = await freshIpvs(t);
  for (const [service, ...destinations] of table) {
    await ours.ipvs.addService(service);
    for (const destination of destinations) await ours.ipvs.addDestination(service, destination);
  }
  const theirs = await freshIpvs(t);
  theirs.restore(rules);

  t.equal(ours.ipvsadm('-Sn'), theirs.ipvsadm('-Sn'), 'as ipvsadm saves it');
  const numbers = await tableOf(ours.netns);
  t.equal(numbers.length, table.length);
  t.strictSame(numbers, await tableOf(theirs.netns), 'every number in the kernel');
}

t.test('every setting of a service', async (t) => {
  await compare(
    t,
    `-A -t 10.0.0.1:80
-A -t 10.0.0.1:81 -s wrr -b flag-1,flag-3
-A -u 10.0.0.1:53 -s rr -o
-A -u 10.0.0.1:5060 -s sh -b sh-port,sh-fallback -p 60 -M 255.255.0.0 --pe sip
-A -u 10.0.0.1:5061 -s mh -b mh-port -p 2678400
-A --sctp-service 10.0.0.1:80 -s lblc
-A -t [2001:db8::1]:80 -s mh -b mh-port,mh-fallback -p 60 -M 64
-A -t [2001:db8::1]:0 -s lc -p 1 -M 1
`,
    [
      [{ protocol: 'tcp', address: '10.0.0.1', port: 80 }],
      [
        {
          protocol: 'tcp',
          address: '10.0.0.1',
          port: 81,
          scheduler: 'wrr',
          schedulerFlags: ['flag-1', 'flag-3'],
        },
      ],
      [{ protocol: 'udp', address: '10.0.0.1', port: 53, scheduler: 'rr', onePacket: true }],
      [
        {
          protocol: 'udp',
          address: '10.0.0.1',
          port: 5060,
          scheduler: 'sh',
          schedulerFlags: ['sh-port', 'sh-fallback'],
          persistence: { timeout: 60, netmask: 16, engine: 'sip' },
        },
      ],
      [
        {
          protocol: 'udp',
          address: '10.0.0.1',
          port: 5061,
          scheduler: 'mh',
          schedulerFlags: ['mh-port'],
          persistence: { timeout: 2678400 },
        },
      ],
      [{ protocol: 'sctp', address: '10.0.0.1', port: 80, scheduler: 'lblc' }],
      [
        {
          protocol: 'tcp',
          address: '2001:db8::1',
          port: 80,
          scheduler: 'mh',
          schedulerFlags: ['mh-fallback', 'mh-port'],
          persistence: { timeout: 60, netmask: 64 },
        },
      ],
      [
        {
          protocol: 'tcp',
          address: '2001:db8::1',
          port: 0,
          scheduler: 'lc',
          persistence: { timeout: 1, netmask: 1 },
        },
      ],
    ],
  );
});

t.test('every setting of a destination', async (t) => {
  await compare(
    t,
    `-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 192.168.1.2 -g -w 65535
-a -t 10.0.0.1:80 -r 192.168.1.3 -i -w 0
-a -t 10.0.0.1:80 -r 192.168.1.4:8080 -m -w 2147483647 -x 9 -y 3
-a -t 10.0.0.1:80 -r 192.168.1.5 -i --tun-type gue --tun-port 6080
-a -t 10.0.0.1:80 -r 192.168.1.6 -i --tun-type gue --tun-port 6081 --tun-csum -x 100000
-a -t 10.0.0.1:80 -r 192.168.1.7 -i --tun-type gue --tun-port 65535 --tun-remcsum
-a -t 10.0.0.1:80 -r 192.168.1.8 -i --tun-type gre
-a -t 10.0.0.1:80 -r 192.168.1.9 -i --tun-type gre --tun-csum
-a -t 10.0.0.1:80 -r [2001:db8::2]:80 -i
-A -t [2001:db8::1]:80 -s rr
-a -t [2001:db8::1]:80 -r [2001:db8::2]:8080 -m
-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -g
-a -t [2001:db8::1]:80 -r 192.168.1.2:80 -i
`,
    [
      [
        { protocol: 'tcp', address: '10.0.0.1', port: 80, scheduler: 'rr' },
        { address: '192.168.1.2', forwarding: 'dr', weight: 65535 },
        { address: '192.168.1.3', forwarding: 'tun', weight: 0 },
        {
          address: '192.168.1.4',
          port: 8080,
          forwarding: 'nat',
          weight: 2147483647,
          upperThreshold: 9,
          lowerThreshold: 3,
        },
        { address: '192.168.1.5', forwarding: 'tun', tunnel: { type: 'gue', port: 6080 } },
        {
          address: '192.168.1.6',
          forwarding: 'tun',
          upperThreshold: 100000,
          tunnel: { type: 'gue', port: 6081, checksum: 'csum' },
        },
        {
          address: '192.168.1.7',
          forwarding: 'tun',
          tunnel: { type: 'gue', port: 65535, checksum: 'remcsum' },
        },
        { address: '192.168.1.8', forwarding: 'tun', tunnel: { type: 'gre' } },
        { address: '192.168.1.9', forwarding: 'tun', tunnel: { type: 'gre', checksum: 'csum' } },
        { address: '2001:db8::2', forwarding: 'tun' },
      ],
      [
        { protocol: 'tcp', address: '2001:db8::1', port: 80, scheduler: 'rr' },
        { address: '2001:db8::2', port: 8080, forwarding: 'nat' },
        { address: '2001:db8::2', forwarding: 'dr' },
        { address: '192.168.1.2', forwarding: 'tun' },
      ],
    ],
  );
});

t.test('firewall marks', async (t) => {
  await compare(
    t,
    `-A -f 1 -s rr
-a -f 1 -r 10.0.0.9 -g
-a -f 1 -r 10.0.0.9:80 -m
-A -f 1 -6 -s lc -p 60
-a -f 1 -6 -r [2001:db8::9]:0 -g
-A -f 2147483647 -p 60 -M 255.255.255.0
`,
    [
      [
        { fwmark: 1, scheduler: 'rr' },
        { address: '10.0.0.9' },
        { address: '10.0.0.9', port: 80, forwarding: 'nat' },
      ],
      [
        { fwmark: 1, family: 'ipv6', scheduler: 'lc', persistence: { timeout: 60 } },
        { address: '2001:db8::9' },
      ],
      [{ fwmark: 2147483647, persistence: { timeout: 60, netmask: '255.255.255.0' } }],
    ],
  );
});
