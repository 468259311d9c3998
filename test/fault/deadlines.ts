// Every call is over when its time is up, whatever it waits for: an answer, its turn behind other
// calls, or room in a queue.

import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { LONG, butFor, facing, healthy, silent } from './peer/peer.js';
import { SLACK, WEB, errorOf, outcomeOf, web } from './peer/outcome.js';
import { GET_DEST, GET_SERVICE, NEW_SERVICE, SET_SERVICE, ack, isDump } from './peer/wire.js';

// Long enough that on a busy machine too one deadline can be told from two.
const SHORT = 3000;

t.test('what waits behind a request that gets no answer ends in its own time', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: silent });
  const calls = [
    ipvs.addService({ ...WEB, scheduler: 'rr' }),
    ipvs.addService({ ...web(1), scheduler: 'rr' }),
    ipvs.removeService(web(2)),
    ipvs.listServices(),
    ipvs.listDestinations(WEB),
    ipvs.snapshot(),
    ipvs.updateService(WEB, { scheduler: 'wrr' }),
    ipvs.ensureService({ ...WEB, scheduler: 'wrr' }),
    ipvs.ensureDestination(WEB, { address: '10.0.1.1' }),
    ipvs.getTimeouts(),
  ];
  const outcomes = await Promise.all(calls.map((call) => outcomeOf<unknown>(call)));
  for (const { error, milliseconds } of outcomes) {
    t.ok(milliseconds < SHORT + SLACK, `${error?.command} took ${milliseconds} ms`);
    t.match(error, { code: /^ERR_IPVS_(TIMEOUT|UNKNOWN_OUTCOME)$/ });
  }
  t.equal(outcomes[0]?.error?.code, 'ERR_IPVS_UNKNOWN_OUTCOME');
  // Whether the others were still sent, in the last millisecond, is chance. What they say is not.
  const untouched = outcomes.filter(({ error }) => error?.message.includes('nothing was changed'));
  t.ok(untouched.length + peer.requests.length <= calls.length, 'none of those was sent');
});

t.test(
  'calls that take turns at one service have one deadline each, not one after the other',
  async (t) => {
    const { ipvs } = await facing(t, { timeout: SHORT, script: silent });
    const calls = Array.from({ length: 8 }, () => ipvs.ensureService({ ...WEB, scheduler: 'rr' }));
    const outcomes = await Promise.all(calls.map((call) => outcomeOf<unknown>(call)));
    for (const { error, milliseconds } of outcomes) {
      t.equal(error?.code, 'ERR_IPVS_TIMEOUT');
      t.ok(milliseconds < SHORT * 1.8, `it took ${milliseconds} ms`);
    }
  },
);

t.test('a call of several requests has one deadline for all of them', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  // The first answer takes half of the time that the whole call has.
  const slowly = (command: number) =>
    butFor(command, (request) => {
      setTimeout(() => peer.send(request, ...healthy([request])), SHORT * 0.5);
      return [];
    });
  peer.script = slowly(GET_SERVICE);
  const reading = outcomeOf(ipvs.ensureService({ ...WEB, scheduler: 'wrr' }));
  await peer.hears(GET_SERVICE);
  peer.script = silent;
  const { error, milliseconds } = await reading;
  t.match(error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME', command: 'ensure service' });
  t.ok(milliseconds < SHORT * 1.4, `it took ${milliseconds} ms`);
  t.equal(peer.asked(SET_SERVICE).length, 1);
});

t.test('looking for the reason of a refusal does not take a second deadline', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  let first = true;
  peer.script = butFor(NEW_SERVICE, (request) => {
    const answers = first ? [ack(request, 2)] : [];
    first = false;
    return answers;
  });
  const config = { ...WEB, scheduler: 'rr', persistence: { engine: 'sip' } };
  const { error, milliseconds } = await outcomeOf(ipvs.addService(config));
  t.match(error, { code: 'ERR_IPVS_ENGINE', message: /or no scheduler 'rr'/ });
  t.ok(milliseconds < SHORT * 1.8, `it took ${milliseconds} ms`);
});

t.test('a list waits for the changes that were asked for before, but not for ever', async (t) => {
  const { ipvs, peer } = await facing(t, {
    timeout: SHORT,
    script: butFor(NEW_SERVICE, () => []),
  });
  const adding = outcomeOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  const { error, milliseconds } = await outcomeOf(ipvs.listServices());
  t.match((await adding).error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME' });
  t.match(error, { code: 'ERR_IPVS_TIMEOUT', command: 'list services' });
  t.ok(milliseconds < SHORT * 1.8, `it took ${milliseconds} ms`);
  // It may still leave in the last millisecond; what it says must be so.
  await peer.caughtUp();
  const sent = peer.requests.some(isDump);
  t.match(error?.message, sent ? /did not come/ : /could not be sent .*; nothing was changed/);
});

t.test('the deadline is the one that the handle was opened with', async (t) => {
  for (const timeout of [500, 5000]) {
    const { ipvs } = await facing(t, { timeout, script: silent });
    const { error, milliseconds } = await outcomeOf(ipvs.getService(WEB));
    t.match(error, { message: new RegExp(`did not come within ${timeout} ms`) });
    t.ok(milliseconds > timeout * 0.6, `${milliseconds} ms of ${timeout}`);
    t.ok(milliseconds < timeout + SLACK, `${milliseconds} ms of ${timeout}`);
  }
});

t.test('a dump that never ends is over at the deadline', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  let going = true;
  t.teardown(() => {
    going = false;
  });
  peer.script = (requests) => {
    const [request] = requests;
    if (request === undefined || !isDump(request)) return healthy(requests);
    const go = (): void => {
      const [record] = healthy(requests);
      if (going && record !== undefined) peer.send(request, record);
      if (going) setTimeout(go, 2);
    };
    go();
    return [];
  };
  const lists = [ipvs.listServices(), ipvs.listDestinations(WEB), ipvs.snapshot()];
  const outcomes = await Promise.all(lists.map((call) => outcomeOf<unknown>(call)));
  for (const { error, milliseconds } of outcomes) {
    t.match(error, { code: 'ERR_IPVS_TIMEOUT' });
    t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  }
  going = false;
  peer.script = healthy;
  t.equal((await ipvs.listServices()).length, 1);
});

t.test('who does not read what is sent to it holds nobody up', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  await ipvs.getService(WEB);
  await peer.stall();
  const services = Array.from({ length: 500 }, (_, i) => ({ ...web(i), scheduler: 'rr' }));
  const outcomes = await Promise.all(
    services.map((service) => outcomeOf(ipvs.addService(service))),
  );
  const codes = new Set(outcomes.map(({ error }) => error?.code));
  t.strictSame([...codes].sort(), ['ERR_IPVS_TIMEOUT', 'ERR_IPVS_UNKNOWN_OUTCOME']);
  for (const { milliseconds } of outcomes) {
    if (milliseconds >= SHORT + SLACK) t.fail(`it took ${milliseconds} ms`);
  }
  // What did not fit was not sent, and says so.
  const unsent = outcomes.filter(({ error }) => error?.code === 'ERR_IPVS_TIMEOUT');
  t.match(unsent[0]?.error?.message, /nothing was changed/);
  await peer.resume();
  await ipvs.getTimeouts();
  const sent = peer.asked(NEW_SERVICE).length;
  t.equal(sent, services.length - unsent.length, 'exactly the others were');
});

t.test('where nobody listens any more nothing was sent, and it says so', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: LONG });
  await ipvs.getService(WEB);
  await ipvs.listServices();
  await peer.stop();
  const error = await errorOf(ipvs.addService({ ...WEB, scheduler: 'rr' }));
  t.match(error, { code: 'ECONNREFUSED', syscall: 'sendmsg', message: /before anything was sent/ });
  const lists = [ipvs.listServices(), ipvs.listDestinations(WEB), ipvs.snapshot()];
  for (const { error } of await Promise.all(lists.map((call) => outcomeOf<unknown>(call)))) {
    t.match(error, { code: 'ECONNREFUSED' });
  }
});

t.test('a handle whose requests all failed closes at once', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: silent });
  const calls = [ipvs.addService({ ...WEB, scheduler: 'rr' }), ipvs.listDestinations(WEB)];
  const outcomes = Promise.all(calls.map((call) => outcomeOf<unknown>(call)));
  const { milliseconds } = await outcomeOf(ipvs.close());
  t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  const [adding, listing] = await outcomes;
  t.match(adding?.error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME' });
  t.match(listing?.error, { code: 'ERR_IPVS_TIMEOUT' });
  await peer.caughtUp();
  const sent = peer.asked(GET_DEST).length > 0;
  t.match(
    listing?.error?.message,
    sent ? /did not come/ : /could not be sent .*; nothing was changed/,
  );
  t.match(await errorOf(ipvs.getService(WEB)), { code: 'ERR_IPVS_CLOSED' });
});

t.test('where the thread pool is occupied by others, nobody waits for it', async (t) => {
  const { ipvs } = await facing(t, { timeout: SHORT });
  // Opening a named pipe takes a thread until somebody opens its other end.
  const pipe = join(t.testdir({}), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const occupants = Array.from({ length: 4 }, () => open(pipe, 'r'));
  const calls = [
    ipvs.addService({ ...WEB, scheduler: 'rr' }),
    ipvs.listServices(),
    ipvs.addDestination(WEB, { address: '10.0.1.1' }),
  ];
  for (const { error } of await Promise.all(calls.map((call) => outcomeOf<unknown>(call)))) {
    t.equal(error, undefined);
  }

  const way = openSync(pipe, 'w');
  for (const occupant of await Promise.all(occupants)) await occupant.close();
  closeSync(way);
});
