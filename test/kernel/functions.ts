// The verbs as plain functions, on the process's own network namespace. They catch a function that
// calls another verb, or that goes to another namespace than ipvsadm would.

import t from 'tap';
import * as ipvs from 'ipvs';
import { execFileSync } from 'node:child_process';
import { failureOf } from '../lab/failure.js';

const service = { protocol: 'tcp', address: '10.255.0.1', port: 80 } as const;
const real = { address: '10.255.0.5' } as const;
const saved = () => execFileSync('ipvsadm', ['-Sn'], { encoding: 'utf8' });

t.test('every verb works as a function', async (t) => {
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
  await ipvs.removeDestination(service, real);
  t.strictSame(await ipvs.listDestinations(service), []);
  await ipvs.removeService(service);
  t.equal(saved(), '');
  t.match(await failureOf(ipvs.removeService(service)), { code: 'ESRCH' });
  t.match(await failureOf(ipvs.addService({} as never)), { code: 'ERR_INVALID_ARG_TYPE' });
});

t.test('a handle without options works in the same place', async (t) => {
  t.teardown(() => execFileSync('ipvsadm', ['-C']));
  const handle = await ipvs.Ipvs.open();
  t.teardown(() => handle.close());
  await handle.addService(service);
  t.match(await ipvs.listServices(), [service]);
  t.equal(saved(), '-A -t 10.255.0.1:80 -s wlc\n');
});
