// System calls that are interrupted, and a queue of answers that overruns. Runs with calls.c preloaded:
// test/fault/system-calls.ts starts it.

import { constants } from 'node:os';
import t from 'tap';
import { LONG, SHORT, facing, healthy } from '../peer/peer.js';
import { SLACK, WEB, outcomeOf, web } from '../peer/outcome.js';
import { EEXIST, NEW_SERVICE, verdict } from '../peer/wire.js';
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
