// Answers in all the forms in which kernels give them: the verdict is the same, and what the kernel
// explains is passed on.

import t from 'tap';
import { LONG, facing, healthy } from './peer/peer.js';
import { WEB, errorOf, outcomeOf, web } from './peer/outcome.js';
import {
  EEXIST,
  EINVAL,
  EPERM,
  ESRCH,
  NEW_SERVICE,
  ack,
  done,
  explainedAck,
  isDump,
  service,
  text,
  u32,
  uncappedAck,
} from './peer/wire.js';
import type { Request } from './peer/wire.js';

const explanation = Buffer.concat([text(1, 'the moon is full'), u32(2, 44), u32(5, 9)]);
const told = /the kernel says: the moon is full, attribute 9 is missing, at byte 44 of the request/;

for (const [name, form] of Object.entries({ capped: explainedAck, uncapped: uncappedAck })) {
  t.test(`an extended acknowledgement, ${name}, brings its explanation`, async (t) => {
    const { ipvs, peer } = await facing(t);
    peer.script = (requests) => requests.map((request) => form(request, EINVAL, explanation));
    t.match(await errorOf(ipvs.addService({ ...WEB, scheduler: 'rr' })), {
      code: 'EINVAL',
      message: told,
      errno: -EINVAL,
    });
    t.match(await errorOf(ipvs.getService(WEB)), { code: 'EINVAL', message: told });
    t.match(await errorOf(ipvs.listServices()), { code: 'EINVAL', message: told });
  });

  t.test(`an extended acknowledgement, ${name}, of success is success`, async (t) => {
    const { ipvs, peer } = await facing(t);
    peer.script = (requests) => requests.map((request) => form(request, 0, explanation));
    await ipvs.addService({ ...WEB, scheduler: 'rr' });
  });

  t.test(`an explanation that does not decode, ${name}, leaves the verdict`, async (t) => {
    const { ipvs, peer } = await facing(t);
    const damaged = Buffer.concat([u32(2, 44), Buffer.from([200, 0, 1, 0])]);
    peer.script = (requests) => requests.map((request) => form(request, EEXIST, damaged));
    t.match(await errorOf(ipvs.addService({ ...WEB, scheduler: 'rr' })), { code: 'EEXIST' });
  });
}

t.test('an acknowledgement without any extension, from an old kernel, counts', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) => requests.map((request) => ack(request, EEXIST, { flags: 0 }));
  const error = await errorOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  t.match(error, { code: 'EEXIST', hint: /ensureService/, service: WEB });
  t.notMatch(error.message, /kernel says/);
});

t.test('a "done" that carries an error is that error', async (t) => {
  const { ipvs, peer } = await facing(t);
  const failing = (errno: number, extension?: Buffer) => {
    peer.script = (requests) =>
      requests.flatMap((request) =>
        isDump(request) ? [service(request), done(request, errno, extension)] : healthy([request]),
      );
  };
  failing(EPERM);
  t.match(await errorOf(ipvs.listServices()), { code: 'EPERM' });
  failing(EINVAL, explanation);
  t.match(await errorOf(ipvs.listServices()), { code: 'EINVAL', message: told });
  t.match(await errorOf(ipvs.snapshot()), { code: 'EINVAL' });
  failing(0, explanation);
  t.equal((await ipvs.listServices()).length, 1);
});

t.test('an errno that no kernel sends is still a refusal', async (t) => {
  const { ipvs, peer } = await facing(t);
  for (const errno of [-5, 100_000, 2 ** 31]) {
    peer.script = (requests) => requests.map((request) => ack(request, errno));
    t.match(await errorOf(ipvs.addService({ ...WEB, scheduler: 'rr' })), { code: 'EPROTO' });
  }
  peer.script = (requests) => requests.map((request) => ack(request, 4000));
  t.match(await errorOf(ipvs.addService({ ...WEB, scheduler: 'rr' })), { code: 'E4000' });
});

t.test('a reply and its acknowledgement may come in one datagram or in two', async (t) => {
  const { ipvs, peer } = await facing(t);
  t.match(await ipvs.getService(WEB), WEB);
  peer.script = (requests) =>
    requests.map((request) => Buffer.concat([service(request), ack(request)]));
  t.match(await ipvs.getService(WEB), WEB);
});

t.test('a dump may come in any number of datagrams, its end in the last or alone', async (t) => {
  const { ipvs, peer } = await facing(t);
  const ports = [1, 2, 3, 4, 5, 6];
  const records = (request: Request) => ports.map((port) => service(request, { port }));
  const shapes: Readonly<Record<string, (request: Request) => Buffer[]>> = {
    one: (request) => [Buffer.concat([...records(request), done(request)])],
    two: (request) => [Buffer.concat(records(request)), done(request)],
    'one for each': (request) => [...records(request), done(request)],
  };
  for (const [name, shape] of Object.entries(shapes)) {
    peer.script = (requests) =>
      requests.flatMap((request) => (isDump(request) ? shape(request) : healthy([request])));
    const services = await ipvs.listServices();
    t.strictSame(
      services.map((service) => 'port' in service && service.port),
      ports,
      name,
    );
  }
});

t.test('answers to a batch may come in any order and any number of datagrams', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  const verdict = (request: Request): Buffer => {
    const refused = request.sequence % 3 === 0;
    return ack(request, refused ? EEXIST : 0);
  };
  const shapes: Readonly<Record<string, (answers: Buffer[]) => Buffer[]>> = {
    'one each': (answers) => answers,
    'all in one': (answers) => [Buffer.concat(answers)],
    backwards: (answers) => answers.reverse(),
    'each twice': (answers) => answers.flatMap((answer) => [answer, answer]),
  };
  for (const [name, shape] of Object.entries(shapes)) {
    peer.script = (requests) => shape(requests.map(verdict));
    const before = peer.requests.length;
    const calls = Array.from({ length: 300 }, (_, i) =>
      outcomeOf(ipvs.addService({ ...web(i), scheduler: 'rr' })),
    );
    const outcomes = await Promise.all(calls);
    const sent = peer.requests.slice(before);
    t.equal(sent.length, 300, name);
    for (const [index, { error }] of outcomes.entries()) {
      const expected = Number(sent[index]?.sequence) % 3 === 0 ? 'EEXIST' : undefined;
      if (error?.code !== expected) t.fail(`${name}: call ${index} ended with ${error?.code}`);
    }
  }
});

t.test('in a batch each call learns its own truth', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: 500 });
  await ipvs.getService(WEB);
  const lost = new Set([3, 50, 119]);
  const refused = new Set([0, 1, 2, 100]);
  const numberOf = (request: Request) => request.attributes.readUInt16BE(4 + 8 + 8 + 20 + 4) - 1000;
  peer.script = (requests) =>
    requests.flatMap((request) => {
      if (request.command !== NEW_SERVICE) return healthy([request]);
      const number = numberOf(request);
      if (lost.has(number)) return [];
      return [ack(request, refused.has(number) ? ESRCH : 0)];
    });
  const calls = Array.from({ length: 120 }, (_, i) =>
    outcomeOf(ipvs.addService({ ...web(i), scheduler: 'rr' })),
  );
  const outcomes = await Promise.all(calls);
  t.equal(peer.asked(NEW_SERVICE).length, calls.length, 'each was sent once');
  for (const [number, { error }] of outcomes.entries()) {
    const expected = lost.has(number)
      ? 'ERR_IPVS_UNKNOWN_OUTCOME'
      : refused.has(number)
        ? 'ESRCH'
        : undefined;
    if (error?.code !== expected) t.fail(`call ${number}: ${error?.code}, not ${expected}`);
    if (error && !error.message.includes(`:${1000 + number}:`)) t.fail(error.message);
  }
  peer.script = healthy;
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
});
