// System calls that are interrupted, and a queue of answers that overruns. Runs with calls.c preloaded:
// test/fault/system-calls.ts starts it.

import { constants } from 'node:os';
import t from 'tap';
import type { Operation } from 'ipvs';
import { LONG, SHORT, facing, healthy } from '../peer/peer.js';
import type { Script } from '../peer/peer.js';
import { SLACK, WEB, numberOf, outcomeOf, web } from '../peer/outcome.js';
import {
  DEL_SERVICE,
  EEXIST,
  ESRCH,
  GET_DEST,
  NEW_SERVICE,
  ack,
  destination,
  done,
  service,
  verdict,
} from '../peer/wire.js';
import { ownSockets, reopened } from '../peer/sockets.js';

const { EINTR, ENOBUFS, EIO, ENOMEM } = constants.errno;

let number = 0;
/** The next calls of this kind on a netlink socket fail. */
function fail(
  call: 'sendmsg' | 'recvmmsg' | 'poll',
  errno: number,
  times: number,
  when = '',
): void {
  process.env.IPVS_TEST_FAULT = `${++number} ${call} ${errno} ${times} ${when}`;
}
/** The next datagrams are received, and lost with this errno. */
const lose = (errno: number, times = 1): void => {
  fail('recvmmsg', errno, times, 'late');
};

t.afterEach(() => {
  delete process.env.IPVS_TEST_FAULT;
});

for (const call of ['sendmsg', 'recvmmsg', 'poll'] as const) {
  t.test(`an interrupted ${call} is repeated, and nothing is lost or sent twice`, async (t) => {
    const { ipvs, peer } = await facing(t);
    fail(call, EINTR, 3);
    await ipvs.addService({ ...WEB, scheduler: 'rr' });
    fail(call, EINTR, 3);
    t.match(await ipvs.getService(WEB), WEB);
    fail(call, EINTR, 3);
    t.equal((await ipvs.listServices()).length, 1);
    fail(call, EINTR, 3);
    t.ok((await ipvs.snapshot()).settled);
    t.equal(peer.asked(NEW_SERVICE).length, 1);
  });
}

t.test('a poll that is interrupted without end is over at the deadline', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: () => [] });
  await peer.settled();
  fail('poll', EINTR, 1e9);
  const { error, milliseconds } = await outcomeOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  t.match(error, { code: /^ERR_IPVS_(UNKNOWN_OUTCOME|TIMEOUT)$/ });
  t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
});

t.test('an overrun loses the answer to a change: its outcome is not known', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  await ipvs.getService(WEB);
  lose(ENOBUFS);
  const { error, milliseconds } = await outcomeOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  t.match(error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME', errno: -ENOBUFS });
  t.notOk(error?.syscall);
  t.ok(milliseconds < LONG / 2, 'it is known at once');
  t.equal(peer.asked(NEW_SERVICE).length, 1);
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
});

t.test('an overrun loses the answer to a read: it may be repeated', async (t) => {
  const { ipvs } = await facing(t, { timeout: LONG });
  await ipvs.getService(WEB);
  await ipvs.listServices();
  const reads = {
    getService: () => ipvs.getService(WEB),
    listServices: () => ipvs.listServices(),
    listDestinations: () => ipvs.listDestinations(WEB),
    snapshot: () => ipvs.snapshot(),
  };
  for (const [name, read] of Object.entries(reads)) {
    lose(ENOBUFS, 2);
    const { error } = await outcomeOf<unknown>(read());
    t.match(
      error,
      { code: 'ERR_IPVS_TIMEOUT', message: /answer was lost/, hint: /repeated/ },
      name,
    );
    delete process.env.IPVS_TEST_FAULT;
    await read();
  }
});

// The lost datagram may have held errors: no answer behind it stands for what came before.
t.test('in a batch an overrun takes answers, and what others would have stood for', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  await ipvs.getService(WEB);
  // Behind another request, so that they travel together.
  const first = ipvs.getTimeouts();
  peer.script = (requests) => {
    if (requests[0]?.command !== NEW_SERVICE) return healthy(requests);
    lose(ENOBUFS);
    return requests.flatMap((each, i) => verdict(each, [10, 20, 40].includes(i) ? EEXIST : 0));
  };
  const calls = Array.from({ length: 60 }, (_, i) =>
    outcomeOf(ipvs.addService({ ...web(i), scheduler: 'rr' })),
  );
  await first;
  const outcomes = await Promise.all(calls);
  t.strictSame(
    outcomes.map(({ error }) => error?.code),
    outcomes.map((_, number) => {
      if (number === 20 || number === 40) return 'EEXIST';
      return number === 59 ? undefined : 'ERR_IPVS_UNKNOWN_OUTCOME';
    }),
  );
  t.equal(peer.asked(NEW_SERVICE).length, 60);
  delete process.env.IPVS_TEST_FAULT;
  peer.script = healthy;
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
});

// The kernel has carried out all that it was sent, and its table tells of it.
t.test('of a list of changes an overrun hides nothing that can be read back', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  const schedulers = new Map<number, string>();
  const weights = new Map<number, number>([[7, 5]]);
  const tableOf: Script = (requests) =>
    requests.flatMap((request) => {
      const number = numberOf(request);
      const scheduler = schedulers.get(number);
      if (request.command === GET_DEST) {
        const weight = weights.get(number);
        if (weight === undefined) return [done(request)];
        return [destination(request, { port: 1000 + number, weight }), done(request)];
      }
      if (scheduler === undefined) return [ack(request, ESRCH)];
      return [service(request, { port: 1000 + number, scheduler }), ack(request)];
    });
  await ipvs.getInfo();
  const addRr = (number: number): Operation => ({
    op: 'addService',
    service: { ...web(number), scheduler: 'rr' },
  });
  const weigh = (weight: number): Operation => ({
    op: 'replaceDestination',
    service: web(7),
    destination: { address: '10.0.1.1', weight },
  });
  const list = Array.from({ length: 60 }, (_, number) => addRr(number));
  list[50] = { op: 'removeService', service: web(99) };
  list[51] = { op: 'replaceService', service: { ...web(3), scheduler: 'lc' } };
  list[52] = weigh(6);
  list[53] = weigh(9);
  list[54] = { op: 'removeService', service: web(4) };
  list[55] = addRr(4);
  list[56] = { op: 'zero', service: web(98) };
  peer.script = (requests) => {
    if (requests[0]?.command !== NEW_SERVICE) return tableOf(requests);
    if (schedulers.size > 0) {
      // What was not made comes once more, and has an answer of its own.
      return requests.flatMap((each) => verdict(each, numberOf(each) === 10 ? EEXIST : 0));
    }
    lose(ENOBUFS);
    for (const number of Array.from({ length: 60 }, (_, each) => each))
      schedulers.set(number, 'rr');
    schedulers.set(3, 'lc'); // by 51
    schedulers.set(10, 'wrr'); // somebody else's: that is why it was refused
    schedulers.delete(30); // and this somebody else has removed since
    weights.set(7, 9);
    return requests.flatMap((each, i) => verdict(each, [10, 20, 40].includes(i) ? EEXIST : 0));
  };
  const { value, milliseconds } = await outcomeOf(ipvs.batch(list));
  t.ok(milliseconds < LONG / 2, 'it is known at once');
  // Later ones concern what 3, 4, 52 and 54 do; nobody can see what 56 did. 20 and 40 were told.
  const told = new Set([10, 20, 40]);
  const unknown = new Set([3, 4, 52, 54, 56]);
  t.strictSame(
    value?.map((outcome, number) => [number, outcome?.code]),
    list.map((_, number) => {
      if (told.has(number)) return [number, 'EEXIST'];
      return [number, unknown.has(number) ? 'ERR_IPVS_UNKNOWN_OUTCOME' : undefined];
    }),
  );
  t.match(value?.[10], { errno: -EEXIST, command: 'add service', service: web(10) });
  t.match(value?.[3], { errno: -ENOBUFS, command: 'add service', service: web(3) });
  t.equal(peer.asked(NEW_SERVICE).length, 56, 'only what was not made is sent twice');
  peer.script = healthy;
  t.strictSame(await ipvs.batch([addRr(1)]), [undefined], 'the handle goes on');
});

t.test(
  'where an overrun hides it a second time, it stays unknown, and the rest is sent',
  async (t) => {
    const { ipvs, peer } = await facing(t, { timeout: LONG });
    await ipvs.getInfo();
    await ipvs.listServices();
    // The services stay there, so that they are removed once more.
    const removed = new Set<number>();
    peer.script = (requests) => {
      if (requests[0]?.command === DEL_SERVICE) {
        const numbers = requests.map(numberOf);
        if (removed.size === 0 || numbers.some((each) => removed.has(each))) lose(ENOBUFS);
        for (const each of numbers) removed.add(each);
      }
      return healthy(requests);
    };
    const list = Array.from({ length: 4097 }, (_, number): Operation => ({
      op: 'removeService',
      service: web(number),
    }));
    const { value } = await outcomeOf(ipvs.batch(list));
    const unknown = value?.filter((outcome) => outcome?.code === 'ERR_IPVS_UNKNOWN_OUTCOME');
    t.ok((unknown?.length ?? 0) > 0);
    t.strictSame(
      value?.filter((outcome) => outcome !== undefined),
      unknown,
    );
    t.equal(value?.at(-1), undefined);
    t.equal(peer.asked(DEL_SERVICE).length, 4097 + (unknown?.length ?? 0));
  },
);

t.test('a receive that fails otherwise loses the answer and the socket', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  await ipvs.getService(WEB);
  await ipvs.listServices();
  let sockets = ownSockets();
  fail('recvmmsg', EIO, 1);
  const adding = await outcomeOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  t.match(adding.error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME', errno: -EIO });
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
  t.ok(reopened(sockets, ownSockets()));
  t.equal(peer.asked(NEW_SERVICE).length, 2);

  sockets = ownSockets();
  fail('recvmmsg', EIO, 1);
  t.match((await outcomeOf(ipvs.listServices())).error, { code: 'ERR_IPVS_TIMEOUT', errno: -EIO });
  t.equal((await ipvs.listServices()).length, 1);
  t.ok(reopened(sockets, ownSockets()));
});

t.test('a send that fails has sent nothing, and says so', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  await ipvs.getService(WEB);
  fail('sendmsg', ENOMEM, 1);
  const { error } = await outcomeOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  t.match(error, { code: 'ENOMEM', syscall: 'sendmsg' });
  t.equal(peer.asked(NEW_SERVICE).length, 0);
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
});
