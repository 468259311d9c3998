// Calls that nobody waits for take effect in the order in which they were made. They catch a change
// that overtakes another on its way through queues and threads, and an update that is lost because
// another one read before it wrote.

import t from 'tap';
import type { DestinationConfig, Ipvs } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshIpvs, openIpvs } from '../lab/namespace.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const real = { address: '10.0.0.5' } as const;

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error as { code: unknown }).code,
  );

t.test('add, update and remove that nobody waits for', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const outcomes: Promise<unknown>[] = [];
  const expected: string[] = [];
  for (let round = 0; round < 40; round++) {
    outcomes.push(
      codeOf(ipvs.addService(service)),
      codeOf(ipvs.addDestination(service, real)),
      codeOf(ipvs.updateService(service, { scheduler: 'rr' })),
      codeOf(ipvs.updateDestination(service, real, { weight: 9 })),
      codeOf(ipvs.removeDestination(service, real)),
      codeOf(ipvs.updateDestination(service, real, { weight: 8 })),
      codeOf(ipvs.removeService(service)),
      codeOf(ipvs.addDestination(service, real)),
      codeOf(ipvs.updateService(service, { scheduler: 'lc' })),
    );
    expected.push('done', 'done', 'done', 'done', 'done', 'ENOENT', 'done', 'ESRCH', 'ESRCH');
  }
  t.strictSame(await Promise.all(outcomes), expected);
  t.strictSame(await ipvs.listServices(), []);
});

t.test('remove and add again leaves the new one', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService({ ...service, persistence: {} });
  await ipvs.addDestination(service, { ...real, forwarding: 'nat', weight: 5 });
  const changes: Promise<unknown>[] = [];
  for (let weight = 1; weight <= 100; weight++) {
    changes.push(
      ipvs.removeService(service),
      ipvs.addService({ ...service, scheduler: weight % 2 === 0 ? 'rr' : 'lc' }),
      ipvs.addDestination(service, { ...real, weight: 0 }),
      ipvs.removeDestination(service, real),
      ipvs.addDestination(service, { ...real, weight }),
    );
  }
  t.match(await ipvs.listDestinations(service), [{ ...real, weight: 100 }], 'without waiting');
  await Promise.all(changes);
  const [there] = await ipvs.listServices();
  t.match(there, { scheduler: 'rr' });
  t.equal(there?.persistence, undefined);
});

// Dumps travel over a socket of their own: they would be there first.
t.test('a read sees every change that was asked for before it', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const settled: Promise<unknown>[] = [];
  for (let round = 1; round <= 20; round++) {
    settled.push(
      ipvs.addService(service),
      ipvs.addDestination(service, real),
      ipvs.updateDestination(service, real, { weight: round }),
      ipvs.updateService(service, { persistence: { timeout: round } }),
    );
    const reads = [
      ipvs.listServices(),
      ipvs.listDestinations(service),
      ipvs.getService(service),
      ipvs.getDestination(service, real),
    ] as const;
    const [services, destinations, one, other] = await Promise.all(reads);
    t.match(services, [{ ...service, persistence: { timeout: round } }]);
    t.match(destinations, [{ ...real, weight: round }]);
    t.match(one, { ...service, persistence: { timeout: round } });
    t.match(other, { ...real, weight: round });
    settled.push(ipvs.removeService(service));
    t.equal(await ipvs.getService(service), undefined);
  }
  await Promise.all(settled);
});

t.test('concurrent updates of different fields lose none', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService({ ...service, scheduler: 'sh' });
  await ipvs.addDestination(service, { ...real, forwarding: 'nat' });
  for (let round = 1; round <= 20; round++) {
    await Promise.all([
      ipvs.updateDestination(service, real, { weight: round }),
      ipvs.updateDestination(service, real, { upperThreshold: 1000 + round }),
      ipvs.updateDestination(service, real, { lowerThreshold: round }),
      ipvs.updateService(service, { schedulerFlags: round % 2 === 0 ? ['sh-port'] : [] }),
      ipvs.updateService(service, { persistence: { timeout: round } }),
      ipvs.updateService(service, { persistence: { netmask: `255.0.0.${round}` } }),
    ]);
    t.match(await ipvs.getDestination(service, real), {
      forwarding: 'nat',
      weight: round,
      upperThreshold: 1000 + round,
      lowerThreshold: round,
    });
    const there = await ipvs.getService(service);
    t.strictSame(there?.schedulerFlags, round % 2 === 0 ? ['sh-port'] : []);
    t.strictSame(there?.persistence, { timeout: round, netmask: `255.0.0.${round}` });
    await ipvs.updateService(service, { persistence: null });
  }
});

t.test('the last of several changes to the same field stays', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, { ...real, upperThreshold: 7 });
  const changes: Promise<unknown>[] = [];
  for (let weight = 1; weight <= 100; weight++) {
    changes.push(
      weight % 2 === 0
        ? ipvs.updateDestination(service, real, { weight })
        : ipvs.replaceDestination(service, { ...real, weight, upperThreshold: 7 }),
    );
  }
  changes.push(ipvs.ensureDestination(service, { ...real, weight: 101, upperThreshold: 7 }));
  changes.push(ipvs.updateDestination(service, real, { lowerThreshold: 2 }));
  await Promise.all(changes);
  t.match(await ipvs.getDestination(service, real), {
    weight: 101,
    upperThreshold: 7,
    lowerThreshold: 2,
  });
});

// One that fails in its turn must not take those behind it along.
t.test('a refused update holds nobody up', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(service);
  await ipvs.addDestination(service, real);
  const outcomes = [
    codeOf(ipvs.updateDestination(service, { address: '10.0.0.9' }, { weight: 1 })),
    codeOf(ipvs.updateDestination(service, real, { lowerThreshold: 5 })),
    codeOf(ipvs.updateService(service, { scheduler: 'no-such-thing' })),
    codeOf(ipvs.updateService(service, { schedulerFlags: ['mh-port'] })),
    codeOf(ipvs.updateDestination(service, real, { weight: 3 })),
  ];
  t.strictSame(await Promise.all(outcomes), [
    'ENOENT',
    'ERR_INVALID_ARG_VALUE',
    'ERR_IPVS_SCHEDULER',
    'ERR_INVALID_ARG_VALUE',
    'done',
  ]);
  t.equal((await ipvs.getDestination(service, real))?.weight, 3);
  t.match(await failureOf(ipvs.addService(service)), { code: 'EEXIST' });
});

async function edit(ipvs: Ipvs, stop: () => boolean): Promise<number> {
  const many: DestinationConfig[] = Array.from({ length: 100 }, (_, index) => ({
    address: `10.9.0.${index + 1}`,
  }));
  let rounds = 0;
  for (; !stop(); rounds++) {
    await Promise.all(many.map((each) => ipvs.addDestination(service, each)));
    await Promise.all(many.map((each) => ipvs.removeDestination(service, each)));
  }
  return rounds;
}

// The kernel resumes a dump by index: an entry that is added in front of it shows another one twice.
t.test('nothing is listed twice while another handle edits', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const other = await openIpvs(t, { netns });
  await ipvs.addService(service);
  await Promise.all(
    Array.from({ length: 400 }, (_, index) =>
      ipvs.addDestination(service, {
        address: `10.8.${index >> 8}.${index & 255 || 1}`,
        port: index,
        forwarding: 'nat',
      }),
    ),
  );
  let done = false;
  const edited = edit(other, () => done);
  for (let round = 0; round < 30; round++) {
    const listed = await ipvs.listDestinations(service);
    const keys = listed.map(({ address, port }) => `${address}:${port}`);
    t.equal(new Set(keys).size, keys.length);
  }
  done = true;
  t.ok((await edited) > 0);
});
