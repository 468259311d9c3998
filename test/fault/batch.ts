// A batch whose answers are wrong, late, cut short, or stay away: each outcome is still the truth, and
// where that is not known it says so.

import t from 'tap';
import type { Operation, Outcome } from 'ipvs';
import { LONG, facing, healthy, onlyFor, silent } from './peer/peer.js';
import type { Script } from './peer/peer.js';
import { SLACK, WEB, numberOf, outcomeOf, web } from './peer/outcome.js';
import {
  EEXIST,
  ENOENT,
  ESRCH,
  FAMILY,
  GET_SERVICE,
  NEW_SERVICE,
  SET_SERVICE,
  ack,
  asksForAck,
  family,
  isDump,
  verdict,
} from './peer/wire.js';
import type { Request } from './peer/wire.js';

const PORTION = 4096;
// Long enough that on a busy machine too one deadline can be told from two.
const SHORT = 3000;

const add = (number: number): Operation => ({
  op: 'addService',
  service: { ...web(number), scheduler: 'rr' },
});
const adds = (count: number) => Array.from({ length: count }, (_, number) => add(number));

const codesOf = (outcomes: readonly Outcome[] | undefined) => outcomes?.map((each) => each?.code);

const range = (length: number) => Array.from({ length }, (_, number) => number);

t.test('an error in the middle is the outcome of its own operation', async (t) => {
  const { ipvs, peer } = await facing(t);
  const refused = new Map([
    [0, EEXIST],
    [1, ESRCH],
    [1500, EEXIST],
    [PORTION - 1, EEXIST],
    [PORTION, ESRCH],
    [5000, EEXIST],
  ]);
  peer.script = (requests) =>
    requests.flatMap((request) => verdict(request, refused.get(numberOf(request)) ?? 0));
  const outcomes = await ipvs.batch(adds(6000));
  t.strictSame(
    outcomes.flatMap((outcome, at) => (outcome ? [[at, outcome.code, outcome.service?.port]] : [])),
    [...refused].map(([at, errno]) => [at, errno === ESRCH ? 'ESRCH' : 'EEXIST', 1000 + at]),
  );
  t.strictSame(peer.requests.map(numberOf), range(6000), 'each was sent once, in order');
  const acknowledged = peer.requests.filter(asksForAck).length;
  t.ok(acknowledged < 50, `${acknowledged} of 6000 were to be acknowledged`);
});

t.test('where each is refused, each hears why', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) => requests.flatMap((request) => verdict(request, EEXIST));
  const outcomes = await ipvs.batch(adds(PORTION + 100));
  t.strictSame(
    outcomes.map((outcome) => outcome && [outcome.code, outcome.service?.port]),
    outcomes.map((_, number) => ['EEXIST', 1000 + number]),
  );
  t.equal(peer.requests.length, PORTION + 100);
});

t.test('strangers and answers to other questions are none', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) => {
    const [first] = requests as [Request];
    peer.sendAsStranger(first, ...requests.map((request) => ack(request, ESRCH)));
    return requests.flatMap((request) => [
      ack(request, EEXIST, { sequence: (request.sequence - PORTION) >>> 0 }),
      ack(request, EEXIST, { sequence: request.sequence + PORTION }),
      ack(request, EEXIST, { port: request.from + 1 }),
      ...verdict(request, numberOf(request) === 7 ? EEXIST : 0),
    ]);
  };
  const outcomes = await ipvs.batch(adds(200));
  t.strictSame(
    outcomes.flatMap((outcome, at) => (outcome ? [[at, outcome.code]] : [])),
    [[7, 'EEXIST']],
  );
});

// What was sent may have been carried out, and nobody says otherwise of it; what was not is not.
t.test('where an answer stays away, what follows is not sent', async (t) => {
  for (const [name, last] of [
    ['nothing is answered', 0],
    ['the first datagram is answered', 3000],
  ] as const) {
    const { ipvs, peer } = await facing(t, { timeout: SHORT });
    await ipvs.getService(WEB);
    peer.requests.length = 0;
    let unanswered = 0;
    peer.script = (requests) => {
      if (unanswered > 0 || requests.some((request) => numberOf(request) === last)) unanswered++;
      return unanswered > 0 ? [] : requests.flatMap((request) => verdict(request));
    };
    const { value, milliseconds } = await outcomeOf(ipvs.batch(adds(PORTION + 200)));
    t.ok(milliseconds < SHORT + SLACK, `${name}: it took ${milliseconds} ms`);
    t.equal(unanswered, 1, 'nothing is sent after the deadline');
    const codes = codesOf(value) ?? [];
    t.strictSame(
      codes.filter((code, at) => at === 0 || code !== codes[at - 1]),
      [...(last > 0 ? [undefined] : []), 'ERR_IPVS_UNKNOWN_OUTCOME', 'ERR_IPVS_TIMEOUT'],
    );
    const sent = codes.indexOf('ERR_IPVS_TIMEOUT');
    t.strictSame(peer.requests.map(numberOf), range(sent), 'what is said to be sent was');
    t.match(value?.[sent], { message: /nothing was changed/, service: web(sent) });
    t.match(value?.at(-1), { message: /nothing was changed/ });
    peer.script = healthy;
    t.strictSame(await ipvs.batch([add(1)]), [undefined], 'the handle goes on');
  }
});

// Each kind of portion would take a deadline of its own otherwise.
t.test('a batch of many portions is over soon after the first that hears nothing', async (t) => {
  const ensure = (number: number): Operation => ({
    op: 'ensureService',
    service: { ...web(number), scheduler: 'wrr' },
  });
  for (const [first, second] of [
    [add, ensure],
    [ensure, add],
    [ensure, ensure],
  ] as const) {
    const { ipvs, peer } = await facing(t, { timeout: SHORT, script: silent });
    const list = range(6).flatMap((number) => [first(number), second(number)]);
    const { value, milliseconds } = await outcomeOf(ipvs.batch(list));
    t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
    const [code, ...rest] = codesOf(value) ?? [];
    t.equal(code, first === add ? 'ERR_IPVS_UNKNOWN_OUTCOME' : 'ERR_IPVS_TIMEOUT');
    t.strictSame(new Set(rest), new Set(['ERR_IPVS_TIMEOUT']));
    t.ok(peer.asked(NEW_SERVICE).length + peer.asked(SET_SERVICE).length <= 1);
  }
});

t.test(
  'an answer cut short leaves unknown what it may have told, and ends the batch',
  async (t) => {
    const { ipvs, peer } = await facing(t, { timeout: LONG });
    await ipvs.getService(WEB);
    peer.requests.length = 0;
    peer.script = (requests) => {
      const answers = requests.flatMap((request) =>
        verdict(request, numberOf(request) === 3 ? EEXIST : 0),
      );
      const whole = Buffer.concat(answers);
      return [whole.subarray(0, whole.length - 4)];
    };
    const { value, milliseconds } = await outcomeOf(ipvs.batch(adds(PORTION + 10)));
    t.ok(milliseconds < LONG / 2, 'it is known at once');
    const codes = codesOf(value) ?? [];
    t.equal(codes[3], 'EEXIST', 'what came whole counts');
    t.match(value?.[4], { code: 'ERR_IPVS_PROTOCOL', message: /carried out or not/ });
    t.notOk(codes[0], 'and stands for what came before it');
    t.match(value?.at(-1), { code: 'ERR_IPVS_TIMEOUT', message: /nothing was changed/ });
    const notSent = codes.indexOf('ERR_IPVS_TIMEOUT');
    t.ok(peer.requests.every((request) => numberOf(request) < notSent));
  },
);

t.test('a number of the family that is stale in the middle is found anew', async (t) => {
  const { ipvs, peer } = await facing(t);
  await ipvs.getService(WEB);
  const carriedOut: number[] = [];
  const carryOut: Script = (requests) =>
    requests.flatMap((request) => {
      carriedOut.push(numberOf(request));
      return verdict(request, numberOf(request) === 2500 ? EEXIST : 0);
    });
  let id = FAMILY;
  peer.familyScript = (requests) =>
    requests.flatMap((request) => [family(request, id), ack(request)]);
  // Loaded anew between two datagrams.
  peer.script = (requests) => {
    if (requests.some((request) => numberOf(request) === 2000)) id = FAMILY + 1;
    return onlyFor(id, carryOut)(requests);
  };
  const outcomes = await ipvs.batch(adds(PORTION + 100));
  t.strictSame(
    outcomes.flatMap((outcome, at) => (outcome ? [[at, outcome.code]] : [])),
    [[2500, 'EEXIST']],
  );
  t.strictSame(carriedOut, range(PORTION + 100), 'each once, in order');
});

t.test('"not there" is an outcome, and is not sent twice', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) =>
    requests.flatMap((request) => verdict(request, numberOf(request) % 2 === 0 ? ENOENT : 0));
  const list = range(100).map((number): Operation => ({
    op: 'removeDestination',
    service: web(number),
    destination: { address: '10.0.1.1' },
  }));
  t.strictSame(
    codesOf(await ipvs.batch(list)),
    list.map((_, number) => (number % 2 === 0 ? 'ENOENT' : undefined)),
  );
  t.equal(peer.requests.length, 100);
});

t.test('where the module is gone each hears so, and nothing is sent', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.familyScript = (requests) => requests.map((request) => ack(request, ENOENT));
  const ensure: Operation = { op: 'ensureService', service: WEB };
  const outcomes = await ipvs.batch([...adds(PORTION + 1), ensure]);
  t.strictSame(new Set(codesOf(outcomes)), new Set(['ERR_IPVS_UNAVAILABLE']));
  t.match(outcomes[5], { command: 'add service', service: web(5), hint: String });
  t.match(outcomes.at(-1), { command: 'ensure service', service: WEB });
  t.equal(peer.requests.length, 0);
});

t.test('a look whose answers are wrong is an outcome of its own', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) =>
    requests.flatMap((request) =>
      request.command === GET_SERVICE || isDump(request)
        ? [ack(request, EEXIST)]
        : healthy([request]),
    );
  const update = (number: number): Operation => ({
    op: 'updateService',
    service: web(number),
    changes: { scheduler: 'lc' },
  });
  const outcomes = await ipvs.batch([add(1), update(2), update(3), add(4)]);
  t.strictSame(codesOf(outcomes), [undefined, 'EEXIST', 'EEXIST', undefined]);
  t.match(outcomes[2], { command: 'update service', service: web(3) });
  t.strictSame(peer.asked(NEW_SERVICE).map(numberOf), [1, 4]);
  t.strictSame(peer.asked(SET_SERVICE), []);
});
