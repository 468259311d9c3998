// The family's number changes whenever the kernel loads its module anew. Nothing is sent before it is
// known, and a stale one is looked up again once: the kernel acknowledges number 0 and does nothing.

import t from 'tap';
import { SHORT, facing, onlyFor, silent } from './peer/peer.js';
import type { Script } from './peer/peer.js';
import { SLACK, WEB, errorOf, outcomeOf, web } from './peer/outcome.js';
import { FAMILY, NEW_SERVICE, ENOENT, ack, done, family, isDump } from './peer/wire.js';

const numbered =
  (id: number): Script =>
  (requests) =>
    requests.flatMap((request) => [family(request, id), ack(request)]);
const unknown: Script = (requests) => requests.map((request) => ack(request, ENOENT));

t.test('the number is asked for once, by name, and then used', async (t) => {
  const { ipvs, peer } = await facing(t);
  await Promise.all([ipvs.addService({ ...WEB, scheduler: 'rr' }), ipvs.getService(WEB)]);
  await ipvs.getService(WEB);
  t.equal(peer.questions.length, 1);
  t.ok(peer.questions[0]?.bytes.includes('IPVS\0'));
  t.strictSame([...new Set(peer.requests.map(({ type }) => type))], [FAMILY]);
});

t.test('where there is no such family, nothing is sent', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.familyScript = unknown;
  const calls = [
    ipvs.addService({ ...WEB, scheduler: 'rr' }),
    ipvs.getService(WEB),
    ipvs.listServices(),
    ipvs.listDestinations(WEB),
    ipvs.snapshot(),
    ipvs.flush(),
    ipvs.stopSyncDaemon('master'),
  ];
  for (const { error } of await Promise.all(calls.map((call) => outcomeOf<unknown>(call)))) {
    t.match(error, { code: 'ERR_IPVS_UNAVAILABLE', message: /IPVS/, hint: String });
  }
  t.equal(peer.requests.length, 0);

  peer.familyScript = numbered(31);
  t.match(await ipvs.getService(WEB), WEB, 'once it is there, the same handle works');
  t.equal((await ipvs.listServices()).length, 1);
  t.equal(peer.requests[0]?.type, 31);
});

for (const id of [0, 2, 15]) {
  t.test(`${id} is no family's number: nothing is sent to it`, async (t) => {
    const { ipvs, peer } = await facing(t);
    peer.familyScript = numbered(id);
    const calls = [ipvs.addService({ ...WEB, scheduler: 'rr' }), ipvs.listServices()];
    for (const { error } of await Promise.all(calls.map((call) => outcomeOf<unknown>(call)))) {
      t.match(error, { code: 'ERR_IPVS_PROTOCOL', message: /CTRL_ATTR_FAMILY_ID/ });
    }
    t.equal(peer.requests.length, 0);
  });
}

t.test('where the question for the number gets no answer, nothing is sent', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  peer.familyScript = silent;
  const calls = [ipvs.addService({ ...WEB, scheduler: 'rr' }), ipvs.listServices()];
  const outcomes = await Promise.all(calls.map((call) => outcomeOf<unknown>(call)));
  for (const { error, milliseconds } of outcomes) {
    t.match(error, { code: 'ERR_IPVS_TIMEOUT', message: /nothing was changed/ });
    t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  }
  t.equal(peer.requests.length, 0);
  peer.familyScript = numbered(FAMILY);
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
});

const USES: Readonly<
  Record<string, (ipvs: Awaited<ReturnType<typeof facing>>['ipvs']) => Promise<unknown>>
> = {
  'a change': (ipvs) => ipvs.addService({ ...WEB, scheduler: 'rr' }),
  'a read': (ipvs) => ipvs.getService(WEB),
  'a list of services': (ipvs) => ipvs.listServices(),
  'a list of destinations': (ipvs) => ipvs.listDestinations(WEB),
  'a snapshot': (ipvs) => ipvs.snapshot(),
};

for (const [name, use] of Object.entries(USES)) {
  t.test(`${name} finds the number anew after the module was loaded anew`, async (t) => {
    const { ipvs, peer } = await facing(t);
    await ipvs.getService(WEB);
    await ipvs.listServices();
    peer.script = onlyFor(FAMILY + 1);
    peer.familyScript = numbered(FAMILY + 1);
    await use(ipvs);
    const sequence = peer.requests.at(-1)?.sequence;
    t.equal(
      peer.requests.filter(
        (request) => request.sequence === sequence && request.type === FAMILY + 1,
      ).length,
      1,
    );
    const asked = peer.questions.length;
    await use(ipvs);
    t.equal(peer.questions.length, asked, 'and remembers it');
  });

  t.test(`${name} says so where the module is gone`, async (t) => {
    const { ipvs, peer } = await facing(t);
    await ipvs.getService(WEB);
    await ipvs.listServices();
    peer.script = onlyFor(FAMILY + 1);
    peer.familyScript = unknown;
    const sent = peer.requests.length;
    t.match(await errorOf(use(ipvs)), { code: 'ERR_IPVS_UNAVAILABLE' });
    t.equal(peer.requests.length, sent + 1, 'it is not sent again');
    peer.familyScript = numbered(FAMILY + 1);
    await use(ipvs);
  });
}

t.test('ENOENT for a number that is right is a verdict, and comes once', async (t) => {
  const { ipvs, peer } = await facing(t, { script: unknown });
  await t.rejects(ipvs.removeDestination(WEB, { address: '10.0.1.1' }), { code: 'ENOENT' });
  t.equal(peer.requests.length, 1);
});

t.test(
  'of a batch only what met the stale number is sent again, each once, in order',
  async (t) => {
    const { ipvs, peer } = await facing(t);
    await ipvs.getService(WEB);
    // The module goes away and comes back while the batch is being carried out.
    peer.familyScript = numbered(FAMILY + 1);
    peer.script = (requests) =>
      requests.map((request, index) =>
        request.type === FAMILY && index >= 3 ? ack(request, ENOENT) : ack(request),
      );
    // The first call goes alone; the others together, behind it.
    const before = peer.requests.length;
    const numbers = [0, 1, 2, 3, 4, 5, 6, 7];
    await Promise.all(numbers.map((n) => ipvs.addService({ ...web(n), scheduler: 'rr' })));
    const ports = peer.requests
      .slice(before)
      .map((request) => [request.type, request.attributes.readUInt16BE(4 + 8 + 8 + 20 + 4)]);
    const expected = [
      ...numbers.map((n) => [FAMILY, 1000 + n]),
      ...[4, 5, 6, 7].map((n) => [FAMILY + 1, 1000 + n]),
    ];
    t.strictSame(ports, expected);
  },
);

t.test(
  'where the number goes stale twice in one call, the verdict is what comes last',
  async (t) => {
    const { ipvs, peer } = await facing(t);
    await ipvs.getService(WEB);
    let id = FAMILY;
    peer.familyScript = (requests) => numbered(++id)(requests);
    peer.script = (requests) => requests.map((request) => ack(request, ENOENT));
    const { error } = await outcomeOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
    t.match(error, { code: 'ERR_IPVS_SCHEDULER' });
    t.ok(peer.asked(NEW_SERVICE).length <= 4, 'no endless repetition');
  },
);

t.test('a dump that ends with ENOENT is repeated only for another number', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) =>
    requests.flatMap((request) => (isDump(request) ? [done(request, ENOENT)] : [ack(request)]));
  t.match(await errorOf(ipvs.listServices()), { code: 'ENOENT' });
  t.equal(peer.requests.length, 1);
});
