// The verbs as plain functions, on the process's own network namespace. They catch a function that
// calls another verb, or that goes to another namespace than ipvsadm would.

import t from 'tap';
import * as ipvs from 'ipvs';
import { execFileSync } from 'node:child_process';
import { failureOf } from '../lab/failure.js';

const service = { protocol: 'tcp', address: '10.255.0.1', port: 80 } as const;
const real = { address: '10.255.0.5' } as const;
const saved = () => execFileSync('ipvsadm', ['-Sn'], { encoding: 'utf8' });

t.test('every verb about services and destinations works as a function', async (t) => {
  t.equal(saved(), '', 'nobody else uses this namespace');
  t.teardown(() => execFileSync('ipvsadm', ['-C']));

  // Without waiting in between: the first call opens the handle, and the order stays.
  const [, , service1] = await Promise.all([
    ipvs.addService(service),
    ipvs.addDestination(service, { ...real, weight: 2 }),
    ipvs.getService(service),
  ]);
  t.match(service1, { ...service, scheduler: 'wlc' });
  await ipvs.updateService(service, { scheduler: 'rr' });
  await ipvs.updateDestination(service, real, { upperThreshold: 3 });
  t.equal(saved(), '-A -t 10.255.0.1:80 -s rr\n-a -t 10.255.0.1:80 -r 10.255.0.5:80 -g -w 2\n');
  t.match(await ipvs.getDestination(service, real), { weight: 2, upperThreshold: 3 });
  t.match(await ipvs.listServices(), [service]);
  t.match(await ipvs.listDestinations(service, { bigint: true }), [
    { ...real, stats: { connections: 0n } },
  ]);
  for await (const each of ipvs.services({ bigint: true })) {
    t.match(each, { ...service, stats: { connections: 0n } });
  }
  for await (const each of ipvs.destinations(service)) t.match(each, real);

  t.equal(await ipvs.ensureService(service), 'updated');
  t.equal(await ipvs.ensureDestination(service, real), 'updated');
  t.equal(await ipvs.ensureService(service), 'unchanged');
  await ipvs.replaceService({ ...service, scheduler: 'lc' });
  await ipvs.replaceDestination(service, { ...real, forwarding: 'nat' });
  t.equal(saved(), '-A -t 10.255.0.1:80 -s lc\n-a -t 10.255.0.1:80 -r 10.255.0.5:80 -m -w 1\n');
  t.strictSame(
    await ipvs.batch([
      { op: 'updateDestination', service, destination: real, changes: { weight: 0 } },
      { op: 'replaceService', service: { ...service, scheduler: 'nq' } },
    ]),
    [undefined, undefined],
  );
  t.equal(saved(), '-A -t 10.255.0.1:80 -s nq\n-a -t 10.255.0.1:80 -r 10.255.0.5:80 -m -w 0\n');
  await ipvs.removeDestination(service, real);
  t.strictSame(await ipvs.listDestinations(service), []);
  await ipvs.removeService(service);
  t.equal(saved(), '');
  t.match(await failureOf(ipvs.removeService(service)), { code: 'ESRCH' });
  t.match(await failureOf(ipvs.addService({} as never)), { code: 'ERR_INVALID_ARG_TYPE' });
});

t.test('every verb about the whole works as a function', async (t) => {
  t.teardown(() => execFileSync('ipvsadm', ['-C']));
  const { version } = await ipvs.getInfo();
  t.match(version, /^1\.2\.\d$/);
  t.match(await ipvs.probe(), { usable: true, info: { version }, schedulers: /wlc/ });

  const before = await ipvs.getTimeouts();
  t.teardown(() => ipvs.setTimeouts(before));
  await ipvs.setTimeouts({ tcpFin: 77 });
  t.strictSame(await ipvs.getTimeouts(), { ...before, tcpFin: 77 });
  const shown = execFileSync('ipvsadm', ['-l', '--timeout'], { encoding: 'utf8' });
  t.equal(shown, `Timeout (tcp tcpfin udp): ${before.tcp} 77 ${before.udp}\n`);

  await ipvs.addService(service);
  await ipvs.addDestination(service, real);
  await ipvs.zero(service);
  await ipvs.zero();
  t.match(await ipvs.getStats({ bigint: true }), { connections: 0n, perCpu: [{ cpu: 0 }] });
  for await (const each of ipvs.connections()) t.fail(`a connection: ${each.state}`);

  const daemon = { role: 'backup', interface: 'lo', syncId: 7 } as const;
  await ipvs.startSyncDaemon(daemon);
  t.match(await ipvs.listSyncDaemons(), [daemon]);
  t.match(await ipvs.snapshot(), {
    settled: true,
    services: [{ ...service, destinations: [real] }],
    timeouts: { tcpFin: 77 },
    syncDaemons: [daemon],
  });
  await ipvs.stopSyncDaemon('backup');
  t.strictSame(await ipvs.listSyncDaemons(), []);
  await ipvs.flush();
  t.equal(saved(), '');
});

t.test('a handle without options works in the same place', async (t) => {
  t.teardown(() => execFileSync('ipvsadm', ['-C']));
  const handle = await ipvs.Ipvs.open();
  t.teardown(() => handle.close());
  await handle.addService(service);
  t.match(await ipvs.listServices(), [service]);
  t.equal(saved(), '-A -t 10.255.0.1:80 -s wlc\n');
});
