// Answers in all the forms in which kernels give them: the verdict is the same, and what the kernel
// explains is passed on.

import t from 'tap';
import type { Ipvs } from 'ipvs';
import { LONG, facing, healthy } from './peer/peer.js';
import { WEB, errorOf, numberOf, outcomeOf, web } from './peer/outcome.js';
import {
  EEXIST,
  EINVAL,
  EPERM,
  ESRCH,
  NEW_SERVICE,
  ack,
  asksForAck,
  done,
  explainedAck,
  isDump,
  service,
  text,
  u32,
  uncappedAck,
  verdict,
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

/** The changes of a batch, and what became of each. */
async function changes(ipvs: Ipvs, count: number): Promise<(string | undefined)[]> {
  const calls = Array.from({ length: count }, (_, i) =>
    outcomeOf(ipvs.addService({ ...web(i), scheduler: 'rr' })),
  );
  const outcomes = await Promise.all(calls);
  return outcomes.map(({ error }, number) => {
    if (error && !error.message.includes(`:${1000 + number}:`)) return error.message;
    return error?.code;
  });
}

t.test('answers to changes may come in any number of datagrams, and more than once', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  const shapes: Readonly<Record<string, (answers: Buffer[]) => Buffer[]>> = {
    'one each': (answers) => answers,
    'all in one': (answers) => [Buffer.concat(answers)],
    'each twice': (answers) => answers.flatMap((answer) => [answer, answer]),
  };
  for (const [name, shape] of Object.entries(shapes)) {
    peer.script = (requests) =>
      shape(requests.flatMap((each) => verdict(each, numberOf(each) % 3 === 0 ? EEXIST : 0)));
    const before = peer.requests.length;
    const outcomes = await changes(ipvs, 300);
    t.strictSame(
      peer.requests.slice(before).map(numberOf),
      outcomes.map((_, number) => number),
      `${name}: each was sent once, in order`,
    );
    t.strictSame(
      outcomes,
      outcomes.map((_, number) => (number % 3 === 0 ? 'EEXIST' : undefined)),
      name,
    );
  }
});

t.test('answers to reads may come in any order', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  await ipvs.getTimeouts();
  const portOf = (request: Request) => request.attributes.readUInt16BE(4 + 8 + 8 + 20 + 4);
  peer.script = (requests) =>
    requests
      .flatMap((request) =>
        portOf(request) % 3 === 0
          ? [ack(request, ESRCH)]
          : [Buffer.concat([service(request, { port: portOf(request) }), ack(request)])],
      )
      .reverse();
  const services = await Promise.all(
    Array.from({ length: 120 }, (_, i) => ipvs.getService(web(i))),
  );
  t.strictSame(
    services.map((each) => each && 'port' in each && each.port),
    services.map((_, i) => ((1000 + i) % 3 === 0 ? undefined : 1000 + i)),
  );
});

// The last one's acknowledgement stands for all that were not refused: the kernel carries a datagram
// out in order.
t.test('of the changes that travel together only the last is acknowledged', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  const datagrams: boolean[][] = [];
  peer.script = (requests) => {
    datagrams.push(requests.map(asksForAck));
    return requests.flatMap((request) => verdict(request));
  };
  t.strictSame(new Set(await changes(ipvs, 100)), new Set([undefined]));
  t.strictSame(datagrams, [[true], [...new Array<boolean>(98).fill(false), true]]);
});

t.test('in a batch each change learns its own truth', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: 2000 });
  await ipvs.getService(WEB);
  const refused = new Set([0, 1, 2, 50, 100]);
  // The first travels alone, the others together. Their last answer but one is that to number 100.
  for (const [lost, known] of [
    [undefined, 120],
    [119, 101],
  ] as const) {
    peer.script = (requests) =>
      requests.flatMap((request) => {
        const number = numberOf(request);
        return number === lost ? [] : verdict(request, refused.has(number) ? ESRCH : 0);
      });
    const before = peer.asked(NEW_SERVICE).length;
    const outcomes = await changes(ipvs, 120);
    t.equal(peer.asked(NEW_SERVICE).length - before, 120, 'each was sent once');
    t.strictSame(
      outcomes,
      outcomes.map((_, number) => {
        if (refused.has(number)) return 'ESRCH';
        return number < known ? undefined : 'ERR_IPVS_UNKNOWN_OUTCOME';
      }),
      lost === undefined ? 'all is answered' : 'the last answer is lost',
    );
  }
  peer.script = healthy;
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
});
