// update* changes what is given and nothing else; replace* sets the rest to its defaults. They catch
// a setting that is lost on the way from the kernel and back, which is how draining a server with
// other tools turns it from nat to dr and takes its thresholds away.

import t from 'tap';
import type { DestinationChanges, ServiceChanges, Tunnel } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshIpvs } from '../lab/namespace.js';
import { sendRaw, tableOf } from '../lab/records.js';
import { parseServiceId } from '#lib/validate';
import { Command } from '#lib/records';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const nat = {
  address: '192.168.1.2',
  forwarding: 'nat',
  weight: 5,
  upperThreshold: 9,
  lowerThreshold: 3,
} as const;
const gue = {
  address: '192.168.1.3',
  forwarding: 'tun',
  weight: 5,
  upperThreshold: 9,
  lowerThreshold: 3,
  tunnel: { type: 'gue', port: 6080, checksum: 'remcsum' },
} as const;

t.test('a weight of 0 is all that changes on a nat destination with thresholds', async (t) => {
  const { ipvs, netns, ipvsadm } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, nat);
  const before = await ipvs.getDestination(service, nat);
  const [entry] = await tableOf(netns);

  await ipvs.updateDestination(service, { address: nat.address }, { weight: 0 });

  t.strictSame(await ipvs.getDestination(service, nat), { ...before, weight: 0 });
  t.strictSame((await tableOf(netns))[0], {
    ...entry,
    destinations: [{ ...entry?.destinations[0], weight: 0 }],
  });
  t.match(ipvsadm('-Ln'), /-> 192\.168\.1\.2:80 +Masq +0 +0 +0/);
  t.match(ipvsadm('-Ln', '--thresholds'), /-> 192\.168\.1\.2:80 +9 +3 +0 +0/);
});

t.test('a weight of 0 is all that changes on a GUE tunnel destination', async (t) => {
  const { ipvs, netns, ipvsadm } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, gue);
  const before = await ipvs.getDestination(service, gue);
  const [entry] = await tableOf(netns);

  await ipvs.updateDestination(service, { address: gue.address }, { weight: 0 });

  t.strictSame(await ipvs.getDestination(service, gue), { ...before, weight: 0 });
  t.strictSame((await tableOf(netns))[0], {
    ...entry,
    destinations: [{ ...entry?.destinations[0], weight: 0 }],
  });
  t.equal(
    ipvsadm('-Sn'),
    `-A -t 10.0.0.1:80 -s wlc
-a -t 10.0.0.1:80 -r 192.168.1.3:80 -i -w 0 --tun-type gue --tun-port 6080 --tun-remcsum
`,
  );
});

t.test('every setting of a destination changes alone', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  // Another port than the service's, and another address family: both are part of the key.
  const mapped = { ...nat, port: 8080 };
  const mixed = { ...gue, address: '2001:db8::3' };
  const changes: [typeof mapped | typeof mixed, DestinationChanges][] = [
    [mapped, { weight: 2147483647 }],
    [mapped, { upperThreshold: 1000 }],
    [mapped, { lowerThreshold: 9 }],
    [mapped, { upperThreshold: 3 }],
    [mapped, { upperThreshold: 0, lowerThreshold: 0 }],
    [mapped, {}],
    [mixed, { weight: 0 }],
    [mixed, { lowerThreshold: 0 }],
    [mixed, { tunnel: { type: 'gue', port: 65535, checksum: 'csum' } }],
    [mixed, { weight: 1, tunnel: { type: 'gre', checksum: 'none' } }],
    [mixed, { forwarding: 'tun' }],
  ];
  for (const [destination, change] of changes) {
    await ipvs.addDestination(service, destination);
    const before = await ipvs.getDestination(service, destination);
    await ipvs.updateDestination(service, destination, change);
    t.strictSame(
      await ipvs.listDestinations(service),
      [{ ...before, ...change }],
      JSON.stringify(change),
    );
    await ipvs.removeDestination(service, destination);
  }
});

t.test('a tunnel keeps what its change leaves out, unless its type changes', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, gue);
  const tunnel = async (change: DestinationChanges): Promise<Tunnel | undefined> => {
    await ipvs.updateDestination(service, gue, change);
    return (await ipvs.getDestination(service, gue))?.tunnel;
  };
  t.strictSame(await tunnel({ tunnel: { type: 'gue', port: 7000 } }), {
    type: 'gue',
    port: 7000,
    checksum: 'remcsum',
  });
  t.strictSame(await tunnel({ tunnel: { type: 'gre' } }), { type: 'gre', checksum: 'none' });
  t.strictSame(await tunnel({ tunnel: { type: 'gre', checksum: 'csum' } }), {
    type: 'gre',
    checksum: 'csum',
  });
  t.strictSame(await tunnel({ tunnel: { type: 'ipip' } }), { type: 'ipip' });
});

t.test('another forwarding method takes the tunnel along', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, gue);
  const [before] = await ipvs.listDestinations(service);
  const { tunnel, ...rest } = before ?? {};
  t.strictSame(tunnel, gue.tunnel);

  for (const forwarding of ['nat', 'dr', 'local', 'bypass'] as const) {
    await ipvs.updateDestination(service, gue, { forwarding });
    t.strictSame(await ipvs.listDestinations(service), [{ ...rest, forwarding }]);
    const [entry] = await tableOf(netns);
    t.match(entry?.destinations, [{ tunnelType: 0, tunnelPort: 0, tunnelFlags: 0 }], forwarding);
  }
  // A tunnel of before is not remembered: it is plain IPIP again.
  await ipvs.updateDestination(service, gue, { forwarding: 'tun' });
  t.match(await ipvs.listDestinations(service), [{ ...rest, tunnel: { type: 'ipip' } }]);
  await ipvs.updateDestination(service, gue, { forwarding: 'tun', tunnel: gue.tunnel });
  t.strictSame(await ipvs.listDestinations(service), [before]);
});

const sip = {
  protocol: 'udp',
  address: '10.0.0.1',
  port: 5060,
  scheduler: 'sh',
  schedulerFlags: ['sh-fallback', 'sh-port'],
  persistence: { timeout: 60, netmask: '255.255.0.0', engine: 'sip' },
} as const;

t.test('every setting of a service changes alone, engine and flags included', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const destination = { ...gue, address: '192.168.1.9' };
  await ipvs.addService(sip);
  await ipvs.addDestination(sip, destination);
  const before = await ipvs.getService(sip);
  const [{ destinations } = {}] = await tableOf(netns);
  const persistence = sip.persistence;
  const table: [ServiceChanges, expected: object][] = [
    [{}, {}],
    [{ persistence: {} }, {}],
    [{ persistence: { timeout: 120 } }, { persistence: { ...persistence, timeout: 120 } }],
    [
      { persistence: { netmask: 24 } },
      { persistence: { ...persistence, netmask: '255.255.255.0' } },
    ],
    [{ persistence: { engine: null } }, { persistence: { timeout: 60, netmask: '255.255.0.0' } }],
    [{ schedulerFlags: ['sh-port'] }, { schedulerFlags: ['sh-port'] }],
    [{ schedulerFlags: ['flag-3'] }, { schedulerFlags: ['flag-3'] }],
    [{ schedulerFlags: [] }, { schedulerFlags: [] }],
    // The same bits, under the names that they have for the new scheduler.
    [{ scheduler: 'mh' }, { scheduler: 'mh', schedulerFlags: ['mh-fallback', 'mh-port'] }],
    [{ scheduler: 'rr' }, { scheduler: 'rr', schedulerFlags: ['flag-1', 'flag-2'] }],
    [
      { scheduler: 'mh', schedulerFlags: ['mh-port'] },
      { scheduler: 'mh', schedulerFlags: ['mh-port'] },
    ],
    [{ onePacket: true }, { onePacket: true }],
    [{ onePacket: false }, {}],
  ];
  for (const [change, expected] of table) {
    await ipvs.updateService(sip, change);
    t.strictSame(await ipvs.listServices(), [{ ...before, ...expected }], JSON.stringify(change));
    await ipvs.replaceService(sip);
  }
  t.strictSame((await tableOf(netns))[0]?.destinations, destinations, 'its servers are as before');
});

t.test('null ends persistence, and what is given begins it with the defaults', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  await ipvs.addService(sip);
  const { persistence, ...before } = (await ipvs.getService(sip)) ?? {};
  t.strictSame(persistence, sip.persistence);

  await ipvs.updateService(sip, { persistence: null });
  t.strictSame(await ipvs.listServices(), [before]);
  t.equal(ipvsadm('-Sn'), '-A -u 10.0.0.1:5060 -s sh -b sh-fallback,sh-port\n');
  await ipvs.updateService(sip, { persistence: null });
  t.strictSame(await ipvs.listServices(), [before], 'null again changes nothing');

  await ipvs.updateService(sip, { persistence: {} });
  t.match(await ipvs.listServices(), [
    { ...before, persistence: { timeout: 300, netmask: '255.255.255.255' } },
  ]);
  t.equal(ipvsadm('-Sn'), '-A -u 10.0.0.1:5060 -s sh -p 300 -b sh-fallback,sh-port\n');
});

// Another program may have left numbers that mean nothing while a service is not persistent.
t.test('persistence begins with the defaults whatever numbers lay around', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await sendRaw(netns, {
    command: Command.newService,
    service: parseServiceId(service),
    serviceNumbers: { scheduler: 'rr', flags: 0, timeout: 7, netmask: 0xff000000, engine: '' },
  });
  t.equal((await ipvs.getService(service))?.persistence, undefined);
  await ipvs.updateService(service, { persistence: { engine: 'sip' } });
  t.strictSame((await ipvs.getService(service))?.persistence, {
    timeout: 300,
    netmask: '255.255.255.255',
    engine: 'sip',
  });
});

t.test('IPv6 services and marks keep their persistence too', async (t) => {
  const { ipvs } = await freshIpvs(t);
  for (const key of [
    { protocol: 'tcp', address: '2001:db8::1', port: 0 },
    { fwmark: 4294967295, family: 'ipv6' },
  ] as const) {
    await ipvs.addService({ ...key, persistence: { timeout: 60, netmask: 64, engine: 'sip' } });
    await ipvs.updateService(key, { scheduler: 'rr' });
    await ipvs.updateService(key, { persistence: { timeout: 61 } });
    t.match(await ipvs.getService(key), {
      ...key,
      scheduler: 'rr',
      persistence: { timeout: 61, netmask: 64, engine: 'sip' },
    });
  }
});

t.test('replace sets what is left out to its default', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  await ipvs.addService(sip);
  await ipvs.addDestination(sip, { ...nat, port: 5060 });
  await ipvs.replaceService({ protocol: 'udp', address: '10.0.0.1', port: 5060 });
  t.equal(
    ipvsadm('-Sn'),
    '-A -u 10.0.0.1:5060 -s wlc\n-a -u 10.0.0.1:5060 -r 192.168.1.2:5060 -m -w 5\n',
    'its servers stay',
  );
  await ipvs.replaceDestination(sip, { address: nat.address });
  t.match(await ipvs.listDestinations(sip), [
    { address: nat.address, forwarding: 'dr', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
  ]);
  await ipvs.replaceDestination(sip, { ...gue, address: nat.address });
  await ipvs.replaceDestination(sip, { address: nat.address, forwarding: 'tun' });
  t.match(await ipvs.listDestinations(sip), [{ weight: 1, tunnel: { type: 'ipip' } }]);
});

// What does not fit what is there is known only after the read: nothing may have been written then.
t.test('changes that contradict what is there are refused, and nothing changes', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const everyPort = { protocol: 'tcp', address: '10.0.0.2', port: 0 } as const;
  await ipvs.addService({ ...service, scheduler: 'sh' });
  await ipvs.addService({ ...everyPort, persistence: {} });
  await ipvs.addDestination(service, nat);
  await ipvs.addDestination(service, { ...nat, port: 8080 });
  const before = await tableOf(netns);

  const mapped = { ...nat, port: 8080 };
  const refused: [property: string, () => Promise<void>][] = [
    ['changes.lowerThreshold', () => ipvs.updateDestination(service, nat, { lowerThreshold: 10 })],
    ['changes.lowerThreshold', () => ipvs.updateDestination(service, nat, { upperThreshold: 2 })],
    ['changes.tunnel', () => ipvs.updateDestination(service, nat, { tunnel: { type: 'ipip' } })],
    ['changes.forwarding', () => ipvs.updateDestination(service, mapped, { forwarding: 'dr' })],
    ['changes.persistence', () => ipvs.updateService(everyPort, { persistence: null })],
    [
      'changes.schedulerFlags[0]',
      () => ipvs.updateService(service, { schedulerFlags: ['mh-port'] }),
    ],
    [
      'changes.schedulerFlags[0]',
      () => ipvs.updateService(everyPort, { schedulerFlags: ['sh-port'] }),
    ],
  ];
  for (const [property, call] of refused) {
    const error = await failureOf(call());
    t.match(error, { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    t.ok(error.message.startsWith(`The property '${property}' `), error.message);
  }
  t.strictSame(await tableOf(netns), before);
});

// The flags of a scheduler may be named in any order, and be mixed with those for any.
t.test('scheduler flags go in any order', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService({ ...service, scheduler: 'sh' });
  await ipvs.updateService(service, { schedulerFlags: ['flag-3', 'sh-port'] });
  t.strictSame((await ipvs.getService(service))?.schedulerFlags, ['sh-port', 'flag-3']);
});

// An object that is changed while the call waits for its turn.
t.test('changes count as they were when the call was made', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, gue);
  const settings = { scheduler: 'rr', persistence: { timeout: 60 } };
  const changes = { weight: 7, tunnel: { type: 'gue' as const, port: 7000 } };
  const updates = [
    ipvs.updateService(service, settings),
    ipvs.updateDestination(service, gue, changes),
  ];
  settings.scheduler = 'lc';
  settings.persistence.timeout = 61;
  changes.weight = 8;
  changes.tunnel.port = 7001;
  await Promise.all(updates);
  t.match(await ipvs.getService(service), { scheduler: 'rr', persistence: { timeout: 60 } });
  t.match(await ipvs.getDestination(service, gue), { weight: 7, tunnel: { port: 7000 } });
});
