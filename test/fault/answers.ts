// An answer that is lost, damaged or somebody else's is never taken for success, and nothing that may
// have been carried out is ever sent again.

import t from 'tap';
import type { Ipvs } from 'ipvs';
import { LONG, SHORT, facing, healthy, silent } from './peer/peer.js';
import type { Peer, Script } from './peer/peer.js';
import { SLACK, WEB, outcomeOf } from './peer/outcome.js';
import { ownSockets, reopened } from './peer/sockets.js';
import {
  FAMILY,
  GET_DEST,
  GET_SERVICE,
  NEW_SERVICE,
  ack,
  destination,
  done,
  isDump,
  message,
  service,
} from './peer/wire.js';
import type { Request, Twist } from './peer/wire.js';

/** A right answer but for what the headers say. */
function answerWith(twist: Twist): Script {
  return (requests) =>
    requests.flatMap((request) => {
      if (!isDump(request)) {
        const reply = request.command === GET_SERVICE ? [service(request, {}, twist)] : [];
        return [...reply, ack(request, 0, twist)];
      }
      const payload = request.command === GET_DEST ? destination(request) : service(request);
      const end = message(
        { type: 3, sequence: request.sequence, port: request.from, ...twist },
        Buffer.alloc(4),
      );
      return [readdressed(payload, twist), end];
    });
}

function readdressed(bytes: Buffer, { sequence, port }: Twist): Buffer {
  const copy = Buffer.from(bytes);
  if (sequence !== undefined) copy.writeUInt32LE(sequence, 8);
  if (port !== undefined) copy.writeUInt32LE(port, 12);
  return copy;
}

/** An acknowledgement that says nothing: there is no room for the errno in it. */
const empty = ({ sequence, from: port }: Request): Buffer =>
  message({ type: 2, sequence, port }, Buffer.alloc(0));

/** A datagram that ends before its message does. */
function cut(request: Request): Buffer {
  const bytes = Buffer.from(ack(request));
  bytes.writeUInt32LE(4096, 0);
  return bytes;
}

const OPERATIONS: Readonly<Record<string, (ipvs: Ipvs) => Promise<unknown>>> = {
  addService: (ipvs) => ipvs.addService({ ...WEB, scheduler: 'rr' }),
  batch: async (ipvs) => {
    const [outcome] = await ipvs.batch([
      { op: 'addService', service: { ...WEB, scheduler: 'rr' } },
    ]);
    if (outcome !== undefined) throw outcome;
  },
  getService: (ipvs) => ipvs.getService(WEB),
  listServices: (ipvs) => ipvs.listServices(),
  listDestinations: (ipvs) => ipvs.listDestinations(WEB),
  snapshot: (ipvs) => ipvs.snapshot(),
};

interface Fault {
  readonly name: string;
  readonly script: (peer: Peer) => Script;
  /** What a read ends with; a change that may have been made always says that. */
  readonly code: string;
  /** Whether the answers are still awaited until the deadline. */
  readonly waits: boolean;
  /** For a change, where it is something else than the unknown outcome. */
  readonly changeCode?: string;
}

const stranger =
  (peer: Peer): Script =>
  (requests) => {
    const [first] = requests;
    if (first !== undefined) peer.sendAsStranger(first, ...healthy(requests));
    return [];
  };

const FAULTS: readonly Fault[] = [
  { name: 'nothing comes', script: () => silent, code: 'ERR_IPVS_TIMEOUT', waits: true },
  { name: 'a stranger answers', script: stranger, code: 'ERR_IPVS_TIMEOUT', waits: true },
  {
    name: 'the answer is for an earlier request',
    script: () => answerWith({ sequence: 0 }),
    code: 'ERR_IPVS_TIMEOUT',
    waits: true,
  },
  {
    name: 'the answer is for a later request',
    script: () => answerWith({ sequence: 0xffff0000 }),
    code: 'ERR_IPVS_TIMEOUT',
    waits: true,
  },
  {
    name: 'the answer is for another socket',
    script: () => answerWith({ port: 1 }),
    code: 'ERR_IPVS_TIMEOUT',
    waits: true,
  },
  {
    name: 'the answer is larger than any kernel sends',
    script: () => (requests) => requests.map((request) => Buffer.concat([ack(request), HUGE])),
    code: 'ERR_IPVS_TIMEOUT',
    waits: false,
  },
  {
    name: 'the acknowledgement is empty',
    script: () => (requests) => requests.map(empty),
    code: 'ERR_IPVS_PROTOCOL',
    changeCode: 'ERR_IPVS_PROTOCOL',
    waits: false,
  },
  {
    name: 'the datagram ends inside a message',
    script: () => (requests) => requests.map(cut),
    code: 'ERR_IPVS_PROTOCOL',
    changeCode: 'ERR_IPVS_PROTOCOL',
    waits: false,
  },
  {
    name: 'the datagram is shorter than a header',
    script: () => (requests) => requests.map(() => Buffer.alloc(15)),
    code: 'ERR_IPVS_PROTOCOL',
    changeCode: 'ERR_IPVS_PROTOCOL',
    waits: false,
  },
];

const HUGE = Buffer.alloc(70_000);

for (const fault of FAULTS) {
  t.test(`where ${fault.name},`, async (t) => {
    const timeout = fault.waits ? SHORT : LONG;
    const { ipvs, peer } = await facing(t, { timeout });
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      await t.test(name, async (t) => {
        await ipvs.getService(WEB);
        await ipvs.listServices();
        const sockets = ownSockets();
        const asked = peer.requests.length;
        peer.script = fault.script(peer);
        const { error, milliseconds } = await outcomeOf(operation(ipvs));

        const changes = name === 'addService' || name === 'batch';
        const code = changes ? (fault.changeCode ?? 'ERR_IPVS_UNKNOWN_OUTCOME') : fault.code;
        t.equal(error?.code, code);
        t.equal(error?.name, 'IpvsError');
        if (changes) t.match(error?.message, /it may have been carried out or not/);
        if (changes) t.match(error, { command: 'add service', service: WEB });
        t.type(error?.hint, 'string');
        t.notOk(error?.syscall, 'no system call failed');
        t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
        if (fault.waits) t.ok(milliseconds > SHORT * 0.5, `it took ${milliseconds} ms`);
        await peer.caughtUp();
        t.equal(peer.requests.length, asked + 1, 'it was sent once');

        peer.script = healthy;
        t.match(await ipvs.getService(WEB), WEB);
        t.equal((await ipvs.listServices()).length, 1);
        await ipvs.addService({ ...WEB, scheduler: 'rr' });
        if (fault.waits) t.ok(reopened(sockets, ownSockets()), 'the socket was opened anew');
      });
    }
  });
}

t.test('where the reply is of another family,', (t) => {
  const foreign: Script = (requests) =>
    requests.flatMap((request) => [
      service(request, {}, { type: FAMILY + 1 }),
      isDump(request) ? done(request) : ack(request),
    ]);

  t.test('a read says that there was none in the answer', async (t) => {
    const { ipvs } = await facing(t, { script: foreign });
    const { error } = await outcomeOf(ipvs.getService(WEB));
    t.match(error, { code: 'ERR_IPVS_PROTOCOL', message: /IPVS_CMD_ATTR_SERVICE: is missing/ });
  });

  t.test('a dump leaves it out', async (t) => {
    const { ipvs } = await facing(t, { script: foreign });
    t.strictSame(await ipvs.listServices(), []);
  });

  t.test('a change counts its acknowledgement, and nothing else', async (t) => {
    const { ipvs, peer } = await facing(t, { script: foreign });
    await ipvs.addService({ ...WEB, scheduler: 'rr' });
    t.equal(peer.requests.length, 1);
  });
  t.end();
});

t.test('a record that does not decode is not guessed at', async (t) => {
  const damaged: Script = (requests) =>
    requests.flatMap((request) => {
      const bytes = service(request);
      bytes.writeUInt16LE(2, 24); // the first attribute inside: shorter than its own header
      return [bytes, isDump(request) ? done(request) : ack(request)];
    });
  const { ipvs, peer } = await facing(t, { script: damaged });
  const calls = [ipvs.getService(WEB), ipvs.listServices(), ipvs.snapshot()];
  for (const { error } of await Promise.all(calls.map((call) => outcomeOf<unknown>(call)))) {
    t.match(error, { code: 'ERR_IPVS_PROTOCOL', message: /length does not fit/ });
  }
  peer.script = healthy;
  t.equal((await ipvs.listServices()).length, 1);
});

t.test('answers may come late, as long as they come', async (t) => {
  const { ipvs, peer } = await facing(t, { script: silent });
  const adding = ipvs.addService({ ...WEB, scheduler: 'rr' });
  const request = await peer.hears(NEW_SERVICE);
  setTimeout(() => {
    peer.send(request, ack(request));
  }, 100);
  await adding;
  t.equal(peer.requests.length, 1);
});

t.test('an answer after the deadline does not meet a later question', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: silent });
  await t.rejects(ipvs.addService({ ...WEB, scheduler: 'rr' }), {
    code: 'ERR_IPVS_UNKNOWN_OUTCOME',
  });
  const [late] = peer.requests as [Request];
  peer.script = (requests) => {
    peer.send(late, ack(late));
    return requests.map((request) => ack(request, 17));
  };
  await t.rejects(ipvs.addService({ ...WEB, scheduler: 'rr' }), { code: 'EEXIST' });
});

t.test("a socket full of strangers' datagrams does not hide the answer", async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: 5000 });
  peer.script = (requests) => {
    for (const request of requests) {
      for (let i = 0; i < 200; i++) peer.sendAsStranger(request, ack(request, 1));
    }
    return healthy(requests);
  };
  await ipvs.addService({ ...WEB, scheduler: 'rr' });
  t.equal((await ipvs.listServices()).length, 1);
});
