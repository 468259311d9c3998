// An AbortSignal ends every wait. What was not sent yet is never sent; what was is carried out, and
// the error says so.

import { getEventListeners } from 'node:events';
import t from 'tap';
import type { Ipvs } from 'ipvs';
import { answersTo, butFor, facing, healthy, silent } from './peer/peer.js';
import type { Peer } from './peer/peer.js';
import { WEB, errorOf, outcomeOf, web } from './peer/outcome.js';
import {
  DEL_SERVICE,
  GET_DEST,
  GET_SERVICE,
  NEW_SERVICE,
  SET_SERVICE,
  ack,
  done,
  isDump,
  service,
} from './peer/wire.js';

const reason = new Error('enough');
const rr = { ...WEB, scheduler: 'rr' };

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

async function first<T>(source: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of source) return item;
  return undefined;
}

const CALLS: Readonly<Record<string, (ipvs: Ipvs, signal: AbortSignal) => Promise<unknown>>> = {
  addService: (ipvs, signal) => ipvs.addService(rr, { signal }),
  updateService: (ipvs, signal) => ipvs.updateService(WEB, { scheduler: 'sh' }, { signal }),
  replaceService: (ipvs, signal) => ipvs.replaceService(rr, { signal }),
  ensureService: (ipvs, signal) => ipvs.ensureService({ ...rr, scheduler: 'sh' }, { signal }),
  removeService: (ipvs, signal) => ipvs.removeService(WEB, { signal }),
  getService: (ipvs, signal) => ipvs.getService(WEB, { signal }),
  listServices: (ipvs, signal) => ipvs.listServices({ signal }),
  services: (ipvs, signal) => first(ipvs.services({ signal })),
  addDestination: (ipvs, signal) => ipvs.addDestination(WEB, { address: '10.0.1.9' }, { signal }),
  updateDestination: (ipvs, signal) =>
    ipvs.updateDestination(WEB, { address: '10.0.1.1' }, { weight: 2 }, { signal }),
  replaceDestination: (ipvs, signal) =>
    ipvs.replaceDestination(WEB, { address: '10.0.1.1' }, { signal }),
  ensureDestination: (ipvs, signal) =>
    ipvs.ensureDestination(WEB, { address: '10.0.1.1', weight: 2 }, { signal }),
  removeDestination: (ipvs, signal) =>
    ipvs.removeDestination(WEB, { address: '10.0.1.1' }, { signal }),
  getDestination: (ipvs, signal) => ipvs.getDestination(WEB, { address: '10.0.1.1' }, { signal }),
  listDestinations: (ipvs, signal) => ipvs.listDestinations(WEB, { signal }),
  destinations: (ipvs, signal) => first(ipvs.destinations(WEB, { signal })),
  snapshot: (ipvs, signal) => ipvs.snapshot({ signal }),
  flush: (ipvs, signal) => ipvs.flush({ signal }),
  zero: (ipvs, signal) => ipvs.zero(WEB, { signal }),
  'zero of everything': (ipvs, signal) => ipvs.zero(undefined, { signal }),
  getInfo: (ipvs, signal) => ipvs.getInfo({ signal }),
  getTimeouts: (ipvs, signal) => ipvs.getTimeouts({ signal }),
  setTimeouts: (ipvs, signal) => ipvs.setTimeouts({ tcp: 1 }, { signal }),
  getStats: (ipvs, signal) => ipvs.getStats({ signal }),
  connections: (ipvs, signal) => first(ipvs.connections({ signal })),
  startSyncDaemon: (ipvs, signal) =>
    ipvs.startSyncDaemon({ role: 'master', interface: 'lo' }, { signal }),
  stopSyncDaemon: (ipvs, signal) => ipvs.stopSyncDaemon('master', { signal }),
  listSyncDaemons: (ipvs, signal) => ipvs.listSyncDaemons({ signal }),
  probe: (ipvs, signal) => ipvs.probe({ signal }),
};

/** What a call may end with whose first request changes something. */
const CHANGES = new Set([
  'addService',
  'replaceService',
  'removeService',
  'addDestination',
  'replaceDestination',
  'removeDestination',
  'flush',
  'zero',
  'zero of everything',
  'setTimeouts',
  'startSyncDaemon',
  'stopSyncDaemon',
]);

/** Those that ask the peer nothing before they look at this machine's own files. */
const ELSEWHERE = new Set(['getStats', 'connections', 'probe']);

t.test('a signal that is aborted already: nothing is sent', async (t) => {
  const { ipvs, peer } = await facing(t);
  const signal = AbortSignal.abort(reason);
  for (const [name, call] of Object.entries(CALLS)) {
    const error = await errorOf(call(ipvs, signal));
    t.match(error, { name: 'AbortError', code: 'ABORT_ERR', cause: reason, sent: false }, name);
    t.match(error.message, /nothing was changed/);
  }
  t.equal(peer.sockets.length, 0);
  t.equal(listeners(signal), 0);
});

t.test('without a reason of its own the cause is the usual one', async (t) => {
  const { ipvs } = await facing(t);
  const error = await errorOf(ipvs.getService(WEB, { signal: AbortSignal.abort() }));
  t.match(error, { name: 'AbortError', code: 'ABORT_ERR', cause: { name: 'AbortError' } });
});

t.test('while it waits for an answer:', async (t) => {
  const { ipvs, peer } = await facing(t);
  await ipvs.getService(WEB);
  await ipvs.listServices();
  for (const [name, call] of Object.entries(CALLS)) {
    if (ELSEWHERE.has(name)) continue;
    await t.test(name, async (t) => {
      const before = peer.requests.length;
      const silence = holdBack(peer);
      const controller = new AbortController();
      const ending = outcomeOf(call(ipvs, controller.signal));
      await silence.heard;
      controller.abort(reason);
      const { error, milliseconds } = await ending;
      const sent = CHANGES.has(name);
      t.match(error, { name: 'AbortError', code: 'ABORT_ERR', cause: reason, sent });
      t.match(error?.message, sent ? /already sent, and is carried out/ : /nothing was changed/);
      t.ok(milliseconds < 5000, `it took ${milliseconds} ms`);
      t.equal(listeners(controller.signal), 0);
      t.equal(peer.requests.length, before + 1);

      // The answer that comes now is nobody's; those behind it get theirs.
      const next = ipvs.getTimeouts();
      silence.end();
      t.match(await next, { tcp: 900 });
      t.match(await ipvs.getService(WEB), WEB);
      t.equal((await ipvs.listServices()).length, 1);
    });
  }
});

/** Holds all answers back until it ends. */
function holdBack(peer: Peer): { heard: Promise<unknown>; end: () => void } {
  let end = (): void => undefined;
  const heard = new Promise((resolve) => {
    peer.script = (requests) => {
      const [request] = requests;
      end = () => {
        peer.script = healthy;
        if (request !== undefined) peer.send(request, ...healthy(requests));
      };
      resolve(undefined);
      return [];
    };
  });
  return {
    heard,
    end: () => {
      end();
    },
  };
}

t.test('while it waits behind another request:', async (t) => {
  const { ipvs, peer } = await facing(t);
  await ipvs.getService(WEB);
  await ipvs.listServices();
  for (const [name, call] of Object.entries(CALLS)) {
    if (ELSEWHERE.has(name)) continue;
    await t.test(name, async (t) => {
      const silence = holdBack(peer);
      const blocker = ipvs.setTimeouts({ udp: 7 });
      await silence.heard;
      const before = peer.requests.length;
      const controller = new AbortController();
      const ending = outcomeOf(call(ipvs, controller.signal));
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.abort(reason);
      const { error, milliseconds } = await ending;
      t.match(error, { name: 'AbortError', cause: reason, sent: false });
      t.ok(milliseconds < 5000, `it took ${milliseconds} ms`);
      t.equal(listeners(controller.signal), 0);

      silence.end();
      await blocker;
      await ipvs.getTimeouts();
      await ipvs.listSyncDaemons();
      t.equal(peer.requests.length, before + 2, 'it was never sent');
    });
  }
});

t.test('while it waits for its turn at a service:', async (t) => {
  const { ipvs, peer } = await facing(t);
  await ipvs.getService(WEB);
  await ipvs.listServices();
  for (const name of [
    'addService',
    'updateService',
    'ensureService',
    'getService',
    'removeDestination',
    'listDestinations',
    'listServices',
    'snapshot',
    'flush',
  ]) {
    const call = CALLS[name];
    if (call === undefined) throw new Error(name);
    await t.test(name, async (t) => {
      const silence = holdBack(peer);
      const updating = ipvs.updateService(WEB, { scheduler: 'wrr' });
      await silence.heard;
      const controller = new AbortController();
      const ending = outcomeOf(call(ipvs, controller.signal));
      const behind = ipvs.removeService(WEB);
      controller.abort(reason);
      const { error, milliseconds } = await ending;
      t.match(error, { name: 'AbortError', cause: reason, sent: false });
      t.ok(milliseconds < 5000, `it took ${milliseconds} ms`);
      t.equal(listeners(controller.signal), 0);
      const before = peer.requests.length;
      silence.end();
      await Promise.all([updating, behind]);
      const commands = peer.requests.slice(before).map(({ command }) => command);
      t.strictSame(commands, [SET_SERVICE, DEL_SERVICE], 'the others keep their order');
    });
  }
});

t.test('an update that is aborted before it writes, writes nothing', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = butFor(GET_SERVICE, () => []);
  const controller = new AbortController();
  const ending = outcomeOf(
    ipvs.updateService(WEB, { scheduler: 'sh' }, { signal: controller.signal }),
  );
  const reading = await peer.hears(GET_SERVICE);
  controller.abort(reason);
  t.match((await ending).error, { sent: false, message: /nothing was changed/ });
  peer.send(reading, service(reading), ack(reading));
  await ipvs.getTimeouts();
  t.equal(peer.asked(SET_SERVICE).length, 0);
  t.equal(listeners(controller.signal), 0);
});

t.test('an update that is aborted while it writes says that it was sent', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = butFor(SET_SERVICE, () => []);
  const controller = new AbortController();
  const { signal } = controller;
  const ending = outcomeOf(ipvs.updateService(WEB, { scheduler: 'sh' }, { signal }));
  const writing = await peer.hears(SET_SERVICE);
  controller.abort(reason);
  t.match((await ending).error, { sent: true, message: /already sent, and is carried out/ });
  peer.send(writing, ack(writing));
  t.match(await ipvs.getService(WEB), WEB);
  t.equal(listeners(signal), 0);
});

t.test('an abort between two requests of one call ends it there', async (t) => {
  const { ipvs, peer } = await facing(t);
  const controller = new AbortController();
  const { signal } = controller;
  // The list of services is answered; with the answer comes the abort.
  peer.script = (requests) =>
    requests.flatMap((request) => {
      if (request.command === GET_DEST) {
        controller.abort(reason);
        return [done(request)];
      }
      return answersTo(request);
    });
  t.match(await errorOf(ipvs.listDestinations(WEB, { signal })), { name: 'AbortError' });
  await ipvs.getTimeouts();
  t.equal(peer.asked(GET_SERVICE).length, 0);
  t.equal(listeners(signal), 0);
});

t.test('of a batch only the aborted ones end', async (t) => {
  const { ipvs, peer } = await facing(t);
  await ipvs.getService(WEB);
  const silence = holdBack(peer);
  const blocker = ipvs.getTimeouts();
  await silence.heard;
  const controller = new AbortController();
  const calls = Array.from({ length: 100 }, (_, i) => {
    const options = i % 2 === 0 ? { signal: controller.signal } : {};
    return outcomeOf(ipvs.addService({ ...web(i), scheduler: 'rr' }, options));
  });
  controller.abort(reason);
  silence.end();
  await blocker;
  const outcomes = await Promise.all(calls);
  t.ok(outcomes.every(({ error }, i) => (error?.code === 'ABORT_ERR') === (i % 2 === 0)));
  t.equal(peer.asked(NEW_SERVICE).length, 50);
  t.equal(listeners(controller.signal), 0);
});

t.test('close() waits for what was sent, and ends', async (t) => {
  const { ipvs, peer } = await facing(t, { script: silent });
  const controller = new AbortController();
  const { signal } = controller;
  const adding = outcomeOf(ipvs.addService(rr, { signal }));
  const request = await peer.hears(NEW_SERVICE);
  const queued = outcomeOf(ipvs.removeService(WEB, { signal }));
  controller.abort(reason);
  t.equal((await adding).error?.sent, true);
  t.equal((await queued).error?.sent, false);
  let closed = false;
  const closing = ipvs.close().then(() => {
    closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.notOk(closed, 'the answer is still awaited');
  peer.send(request, ack(request));
  await closing;
  t.equal(peer.asked(DEL_SERVICE).length, 0);
  t.match(await errorOf(ipvs.addService(rr, { signal })), { code: 'ERR_IPVS_CLOSED' });
});

t.test('an iteration ends in the middle, and nothing stays behind', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = (requests) =>
    requests.flatMap((request) => {
      if (!isDump(request)) return answersTo(request);
      const ports = Array.from({ length: 600 }, (_, i) => i + 1);
      return [...ports.map((port) => service(request, { port })), done(request)];
    });
  const controller = new AbortController();
  const seen: unknown[] = [];
  const iterating = outcomeOf(
    (async () => {
      for await (const one of ipvs.services({ signal: controller.signal })) {
        seen.push(one);
        if (seen.length === 10) controller.abort(reason);
      }
    })(),
  );
  t.match((await iterating).error, { name: 'AbortError', cause: reason, sent: false });
  t.ok(seen.length < 600);
  t.equal(listeners(controller.signal), 0);
  t.equal((await ipvs.listServices()).length, 600);
});

t.test('a signal that lives long collects no listeners', async (t) => {
  const { ipvs, peer } = await facing(t);
  const { signal } = new AbortController();
  for (let i = 0; i < 30; i++) {
    await Promise.all([
      ipvs.addService(rr, { signal }),
      ipvs.ensureService({ ...rr, scheduler: 'sh' }, { signal }),
      ipvs.listDestinations(WEB, { signal }),
      ipvs.snapshot({ signal }),
      ipvs.stopSyncDaemon('master', { signal }),
    ]);
  }
  peer.script = (requests) => requests.map((request) => ack(request, 1));
  await outcomeOf(ipvs.addService(rr, { signal }));
  await outcomeOf(ipvs.listServices({ signal }));
  t.equal(listeners(signal), 0);
});

t.test('what is no signal is refused', async (t) => {
  const { ipvs, peer } = await facing(t);
  const signal = {} as AbortSignal;
  for (const call of Object.values(CALLS)) {
    t.match(await errorOf(call(ipvs, signal)), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
  }
  t.equal(peer.sockets.length, 0);
});
