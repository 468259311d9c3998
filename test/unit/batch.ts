// batch() above a kernel that answers as a test wants. Where it fails, an outcome stands at the wrong
// place, a change is made that nobody hears of, or one is told that was not made.

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { AbortError, IpvsError } from 'ipvs';
import type { BatchOptions, BatchProgress, Ipvs, Operation, Outcome } from 'ipvs';
import { Fault, NativeFailure } from '#lib/native';
import { OperationReader } from '#lib/operations';
import { fakeIpvs, refused } from '../fixtures/fake-addon.js';
import type { Answer, FakeChannel, Look } from '../fixtures/fake-addon.js';
import { FakeTable } from '../fixtures/fake-table.js';
import { range } from '../fixtures/lists.js';
import type { Row } from '../fixtures/packed.js';
import { failureOf, fieldsOf } from '../lab/failure.js';

const PORTION = 4096;
const [ENOENT, ESRCH, EEXIST, EINVAL, ENOBUFS] = [2, 3, 17, 22, 105];
const ROUTES = '/proc/thread-self/net/fib_trie';
const [GET_SERVICE, SET_DESTINATION, GET_DESTINATION] = [4, 6, 8];

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const real = { address: '10.0.0.5' } as const;
const add = (port: number): Operation => ({ op: 'addService', service: { ...web, port } });
const remove = (port: number): Operation => ({ op: 'removeService', service: { ...web, port } });

async function until(done: () => boolean): Promise<void> {
  while (!done()) await turn();
}

const codesOf = (outcomes: readonly Outcome[]) => outcomes.map((each) => each?.code);

const rowsOf = ({ exchanges }: FakeChannel): Row[] => exchanges.flatMap(({ rows }) => rows);

/** A handle whose kernel has a table. */
function onTable(timeout?: number) {
  const { ipvs, commands, dumps } = fakeIpvs(timeout);
  const table = new FakeTable().serve(commands, dumps);
  return { ipvs, commands, dumps, table };
}

/** The look at a table in which there is nothing. */
const absent = ({ services, finish }: Look): void => {
  setImmediate(() => {
    finish(services.map(() => undefined));
  });
};

/** A handle whose kernel gives each command the answer that a function gives. */
function answering(answer: (row: Row, exchange: number) => Answer) {
  const scene = fakeIpvs();
  scene.commands.onExchange = ({ rows, finish }) => {
    const number = scene.commands.exchanges.length;
    setImmediate(() => {
      finish(rows.map((row) => answer(row, number)));
    });
  };
  return scene;
}

/** The error of a batch that has to end with an abort. */
async function abortOf(promise: Promise<unknown>): Promise<AbortError> {
  const error = await failureOf(promise);
  if (error instanceof AbortError) return error;
  throw new Error('an error of the wrong kind', { cause: error });
}

function nothingIsSent(t: Test, { commands, dumps }: ReturnType<typeof fakeIpvs>): void {
  const asked = [commands.exchanges, dumps.exchanges, dumps.dumps, dumps.tables, dumps.looks];
  t.strictSame(asked.flat(), [], 'nothing is sent');
}

// ---- what is refused

const good = add(1);

// The first of its kind is enough where all go the same way: test/unit/validate.ts has the rest.
const wrong: readonly [operation: unknown, property: string, kind: string, message?: RegExp][] = [
  [undefined, '', 'TYPE', /must be an object. Received undefined/],
  [null, '', 'TYPE'],
  ['addService', '', 'TYPE', /must be an object. Received 'addService'/],
  [[good], '.op', 'TYPE'],
  [{}, '.op', 'TYPE', /must be a string. Received undefined/],
  [{ ...good, op: 1 }, '.op', 'TYPE'],
  [{ ...good, op: 'flush' }, '.op', 'VALUE', /must be one of 'addService', .*'removeDest/],
  [{ ...good, op: 'toString' }, '.op', 'VALUE'],
  [{ ...good, op: ['addService'] }, '.op', 'TYPE'],
  [{ ...good, op: '__proto__' }, '.op', 'VALUE'],
  [{ ...good, signal: 1 }, '.signal', 'VALUE', /is not known here, only op, service\. Received 1/],
  [{ ...good, changes: {} }, '.changes', 'VALUE'],
  [{ op: 'addService' }, '.service', 'TYPE'],
  [{ op: 'addService', service: { ...web, port: 65536 } }, '.service.port', 'RANGE', /65535/],
  [{ op: 'replaceService', service: { ...web, port: 0 } }, '.service.port', 'VALUE'],
  [{ op: 'ensureService', service: { ...web, scheduler: '' } }, '.service.scheduler', 'VALUE'],
  [{ op: 'removeService', service: { ...web, schedular: 1 } }, '.service.schedular', 'VALUE'],
  [{ op: 'zero', service: { fwmark: 0 } }, '.service.fwmark', 'RANGE'],
  [{ op: 'zero' }, '.service', 'TYPE'],
  [{ op: 'updateService', service: web }, '.changes', 'TYPE'],
  [{ op: 'updateService', service: web, changes: { port: 1 } }, '.changes.port', 'VALUE'],
  [
    { op: 'updateService', service: web, changes: { persistence: { timeout: 0 } } },
    '.changes.persistence.timeout',
    'RANGE',
  ],
  [{ op: 'addDestination', service: web }, '.destination', 'TYPE'],
  [{ op: 'addDestination', destination: real }, '.service', 'TYPE'],
  [
    { op: 'addDestination', service: web, destination: { ...real, port: 81 } },
    '.destination.port',
    'VALUE',
  ],
  [
    { op: 'replaceDestination', service: web, destination: { ...real, weight: -1 } },
    '.destination.weight',
    'RANGE',
  ],
  [
    { op: 'ensureDestination', service: web, destination: { address: 'x' } },
    '.destination.address',
    'VALUE',
  ],
  [
    { op: 'removeDestination', service: web, destination: { ...real, wieght: 1 } },
    '.destination.wieght',
    'VALUE',
  ],
  [
    { op: 'updateDestination', service: web, destination: real, changes: { weight: 1.5 } },
    '.changes.weight',
    'RANGE',
    /integer/,
  ],
  [
    { op: 'updateDestination', service: web, destination: {}, changes: {} },
    '.destination.address',
    'TYPE',
  ],
];

t.test('an operation that makes no sense is named, and nothing is sent', async (t) => {
  for (const [operation, property, kind, message = /./] of wrong) {
    for (const at of [0, 3]) {
      const scene = fakeIpvs();
      const list = range(1, at)
        .map(add)
        .concat([operation as Operation]);
      const error = await failureOf(scene.ipvs.batch(list));
      t.equal(error.code, kind === 'RANGE' ? 'ERR_OUT_OF_RANGE' : `ERR_INVALID_ARG_${kind}`);
      t.type(error, kind === 'RANGE' ? RangeError : TypeError);
      t.ok(error.message.startsWith(`The property 'operations[${at}]${property}' `), error.message);
      t.match(error.message, message);
      nothingIsSent(t, scene);
    }
  }
});

// A key is not read again where it is that of the operation before. Catches one that is taken for the
// same although it has a property that nobody knows.
t.test('a key that was read is known by all that it has', async (t) => {
  const scene = fakeIpvs();
  const at = (service: object) => ({ op: 'removeDestination', service, destination: real });
  for (const first of [
    { ...web, family: undefined },
    { ...web, scheduler: 'rr' },
  ]) {
    const list = [at(first), at({ ...web, bogus: 1 })] as Operation[];
    const error = await failureOf(scene.ipvs.batch(list));
    t.match(error.message, /^The property 'operations\[1\]\.service\.bogus' is not known here/);
  }
  nothingIsSent(t, scene);
});

// Catches changes that are accepted and then dropped, because only own properties are copied.
t.test('changes may be inherited, or told by a getter', async (t) => {
  class Quiesced {
    readonly #weight = 0;
    get weight() {
      return this.#weight;
    }
  }
  for (const changes of [Object.create({ weight: 0 }) as object, new Quiesced()]) {
    const { ipvs, commands } = onTable();
    const outcomes = await ipvs.batch([
      { op: 'addService', service: web },
      { op: 'addDestination', service: web, destination: { ...real, weight: 7 } },
      { op: 'updateDestination', service: web, destination: real, changes },
    ]);
    t.strictSame(outcomes, [undefined, undefined, undefined]);
    t.match(rowsOf(commands).at(-1), { command: SET_DESTINATION, weight: 0 });
  }
});

// A service may have ten thousand of them.
t.test('destinations are only looked at where an operation is about one', async (t) => {
  const { ipvs, dumps } = onTable();
  await ipvs.batch([add(1), add(2)]);
  const at = (port: number) => ({ ...web, port });
  await ipvs.batch([
    { op: 'updateService', service: at(1), changes: { scheduler: 'rr' } },
    { op: 'ensureDestination', service: at(2), destination: real },
    { op: 'updateService', service: at(1), changes: { scheduler: 'wrr' } },
  ]);
  const commands = dumps.looks.map(({ services }) => services.map(([{ command }]) => command));
  t.strictSame(commands, [[GET_SERVICE, GET_DESTINATION], [GET_SERVICE]]);
});

// Catches calls that have no deadline while they wait for their turn.
t.test('a call behind a long batch does not wait for its end', async (t) => {
  const timeout = 1000;
  const { ipvs, commands } = fakeIpvs(timeout);
  const alive = setInterval(() => undefined, 20); // the deadlines' own timers do not
  t.teardown(() => {
    clearInterval(alive);
  });
  // Each portion takes a third of its time, and all together several times that of a call.
  commands.onExchange = ({ finish }) => setTimeout(finish, timeout / 3);
  const order: string[] = [];
  const long = ipvs.batch(range(1, 9 * PORTION).map(add)).then(() => order.push('batch'));
  const behind = failureOf(ipvs.getService(web)).then((error) => {
    order.push('behind');
    return error;
  });
  t.match(await behind, { code: 'ERR_IPVS_TIMEOUT', message: /nothing was changed/ });
  await long;
  t.strictSame(order, ['behind', 'batch']);
  t.equal(commands.exchanges.length, 9, 'and is not sent afterwards');
});

// Catches a batch that a listener's mistake leaves half done.
t.test('what onProgress throws does not end the batch', async (t) => {
  const { ipvs } = onTable();
  const thrown: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => thrown.push(error));
  const mistake = new Error('mine');
  const outcomes = await ipvs.batch([add(1), add(2)], {
    onProgress: () => {
      throw mistake;
    },
  });
  await turn();
  process.removeAllListeners('uncaughtException');
  for (const listener of listeners) process.on('uncaughtException', listener);
  t.strictSame(outcomes, [undefined, undefined]);
  t.strictSame(thrown, [mistake]);
});

// Catches a batch that begins to send before it has read all.
t.test('the last of many is checked before the first is sent', async (t) => {
  const scene = fakeIpvs();
  const list = [
    ...range(1, 3 * PORTION).map(add),
    { op: 'zero', service: { fwmark: -1 } } as const,
  ];
  t.match(await failureOf(scene.ipvs.batch(list)), {
    name: 'RangeError',
    message: /^The property 'operations\[12288\]\.service\.fwmark' is out of range/,
  });
  nothingIsSent(t, scene);
  // The next one has its turn.
  new FakeTable().serve(scene.commands, scene.dumps);
  t.strictSame(await scene.ipvs.batch([add(1)]), [undefined]);
});

t.test(
  'what is no list of operations is refused, and so are options that there are not',
  async (t) => {
    const scene = fakeIpvs();
    const batch = (operations: unknown, options?: unknown) =>
      failureOf(scene.ipvs.batch(operations as Operation[], options as BatchOptions));
    for (const operations of [undefined, null, {}, 'addService', new Set([good]), { length: 0 }]) {
      t.match(await batch(operations), {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
        message: /^The property 'operations' must be an array\. Received /,
      });
    }
    for (const [options, property, code] of [
      [null, 'options', 'ERR_INVALID_ARG_TYPE'],
      [{ signal: {} }, 'options.signal', 'ERR_INVALID_ARG_TYPE'],
      [{ onProgress: true }, 'options.onProgress', 'ERR_INVALID_ARG_TYPE'],
      [{ onProgress: null }, 'options.onProgress', 'ERR_INVALID_ARG_TYPE'],
      [{ progress: () => undefined }, 'options.progress', 'ERR_INVALID_ARG_VALUE'],
    ] as const) {
      const error = await batch([good], options);
      t.match(error, { name: 'TypeError', code });
      t.ok(error.message.startsWith(`The property '${property}' `), error.message);
    }
    nothingIsSent(t, scene);
  },
);

t.test('an empty list has no outcomes, and asks for nothing', async (t) => {
  const scene = fakeIpvs();
  const progress: BatchProgress[] = [];
  t.strictSame(await scene.ipvs.batch([], { onProgress: (each) => progress.push(each) }), []);
  t.strictSame(progress, []);
  nothingIsSent(t, scene);
});

// ---- plain operations

t.test('each operation is sent as its own method would send it', async (t) => {
  const config = { ...web, scheduler: 'wrr', persistence: { timeout: 60, netmask: 24 } } as const;
  const to = { ...real, port: 8080, forwarding: 'nat', weight: 7, upperThreshold: 9 } as const;
  const list: Operation[] = [
    { op: 'addService', service: config },
    { op: 'replaceService', service: { fwmark: 4294967295, family: 'ipv6', scheduler: 'sh' } },
    { op: 'removeService', service: web },
    { op: 'zero', service: web },
    { op: 'addDestination', service: web, destination: to },
    { op: 'replaceDestination', service: web, destination: real },
    { op: 'removeDestination', service: web, destination: { ...real, port: 1 } },
    { op: 'addDestination', service: { fwmark: 7 }, destination: real },
  ];
  const calls: ((ipvs: Ipvs) => Promise<unknown>)[] = [
    (ipvs) => ipvs.addService(config),
    (ipvs) => ipvs.replaceService({ fwmark: 4294967295, family: 'ipv6', scheduler: 'sh' }),
    (ipvs) => ipvs.removeService(web),
    (ipvs) => ipvs.zero(web),
    (ipvs) => ipvs.addDestination(web, to),
    (ipvs) => ipvs.replaceDestination(web, real),
    (ipvs) => ipvs.removeDestination(web, { ...real, port: 1 }),
    (ipvs) => ipvs.addDestination({ fwmark: 7 }, real),
  ];
  const together = answering(() => undefined);
  t.strictSame(await together.ipvs.batch(list), new Array(list.length).fill(undefined));
  t.equal(together.commands.exchanges.length, 1, 'all at once');
  const alone = answering(() => undefined);
  for (const call of calls) await call(alone.ipvs);
  t.strictSame(rowsOf(together.commands), rowsOf(alone.commands));
});

// Catches an index that is counted within the portion, and a portion that overtakes another.
t.test('over several portions all are sent in order, and each outcome is its own', async (t) => {
  for (const count of [1, 128, 129, PORTION - 1, PORTION, PORTION + 1, 3 * PORTION + 5]) {
    const fails = (port: number) => port % 1000 === 1 || port === PORTION || port === count;
    const { ipvs, commands, dumps } = answering((row) =>
      fails(row.port ?? 0) ? refused(row.port === count ? ESRCH : EEXIST) : undefined,
    );
    const progress: BatchProgress[] = [];
    const outcomes = await ipvs.batch(range(1, count).map(add), {
      onProgress: (each) => progress.push(each),
    });
    t.strictSame(
      rowsOf(commands).map(({ port }) => port),
      range(1, count),
      `${count} in order`,
    );
    t.strictSame(
      commands.exchanges.map(({ rows }) => rows.length),
      range(1, Math.ceil(count / PORTION)).map((n) => Math.min(PORTION, count - (n - 1) * PORTION)),
    );
    t.strictSame(
      outcomes.map((outcome) => outcome && [outcome.code, outcome.service?.port]),
      range(1, count).map((port) =>
        fails(port) ? [port === count ? 'ESRCH' : 'EEXIST', port] : undefined,
      ),
    );
    t.strictSame(
      progress,
      commands.exchanges.map((_, n) => ({
        done: Math.min((n + 1) * PORTION, count),
        total: count,
      })),
    );
    t.strictSame(dumps.looks, []);
  }
});

t.test('an outcome is the error of the own method', async (t) => {
  const no = () => refused(EEXIST);
  const [outcome] = await answering(no).ipvs.batch([
    { op: 'addDestination', service: web, destination: real },
  ]);
  const own = await failureOf(answering(no).ipvs.addDestination(web, real));
  t.type(outcome, IpvsError);
  t.strictSame(outcome && fieldsOf(outcome), fieldsOf(own));
  t.match(outcome, { command: 'add destination', service: web, destination: { port: 80 } });
});

t.test('a mixed list keeps its order, portions of either kind in turn', async (t) => {
  const { ipvs, commands, dumps } = onTable();
  const weigh = (weight: number): Operation => ({
    op: 'updateDestination',
    service: web,
    destination: real,
    changes: { weight },
  });
  const outcomes = await ipvs.batch([
    weigh(1),
    { op: 'addService', service: web },
    weigh(2),
    { op: 'addDestination', service: web, destination: { ...real, weight: 5 } },
    weigh(3),
    { op: 'replaceDestination', service: web, destination: { ...real, upperThreshold: 7 } },
    weigh(4),
    { op: 'removeDestination', service: web, destination: real },
    { op: 'removeService', service: web },
    { op: 'ensureService', service: web },
  ]);
  t.strictSame(codesOf(outcomes), [
    'ESRCH',
    undefined,
    'ENOENT',
    ...new Array<undefined>(7).fill(undefined),
  ]);
  t.match(
    rowsOf(commands).map(({ command, weight, upperThreshold }) => [
      command,
      weight,
      upperThreshold,
    ]),
    [[1], [5, 5], [6, 3, 0], [6, 1, 7], [6, 4, 7], [7], [3], [1]],
  );
  t.equal(dumps.looks.length, 5);
});

// ---- operations that look first

const ensureWeb = (scheduler: string): Operation => ({
  op: 'ensureService',
  service: { ...web, scheduler },
});
const updateWeb = (scheduler: string): Operation => ({
  op: 'updateService',
  service: web,
  changes: { scheduler },
});
const ensureReal = (weight: number): Operation => ({
  op: 'ensureDestination',
  service: web,
  destination: { ...real, weight },
});
const updateReal = (weight: number): Operation => ({
  op: 'updateDestination',
  service: web,
  destination: real,
  changes: { weight },
});

/** What a list does to a table that has this in it already. */
async function merged(before: readonly Operation[], list: readonly Operation[]) {
  const { ipvs, commands, dumps, table } = onTable();
  t.strictSame(
    codesOf(await ipvs.batch(before)),
    before.map(() => undefined),
  );
  const known = commands.exchanges.length;
  const looked = dumps.looks.length;
  const outcomes = await ipvs.batch(list);
  return {
    outcomes,
    table,
    sent: commands.exchanges.slice(known).map(({ rows }) => rows),
    looks: dumps.looks.length - looked,
  };
}

const destinationThere: readonly Operation[] = [
  { op: 'addService', service: web },
  { op: 'addDestination', service: web, destination: { ...real, weight: 5, upperThreshold: 9 } },
];

t.test('ensureService adds, changes, or leaves alone', async (t) => {
  const absent = await merged([], [ensureWeb('rr')]);
  t.match(absent.sent, [[{ command: 1, scheduler: 'rr' }]]);
  const other = await merged([{ op: 'addService', service: web }], [ensureWeb('rr')]);
  t.match(other.sent, [[{ command: 2, scheduler: 'rr' }]]);
  const same = await merged([{ op: 'addService', service: web }], [ensureWeb('wlc')]);
  t.strictSame(same.sent, []);
  for (const { outcomes, looks } of [absent, other, same]) {
    t.strictSame([outcomes, looks], [[undefined], 1]);
  }
});

t.test('updateService changes what is there, and refuses what is not', async (t) => {
  const sticky = { ...web, persistence: { timeout: 77 } };
  const there = await merged([{ op: 'addService', service: sticky }], [updateWeb('rr')]);
  t.match(there.sent, [[{ command: 2, scheduler: 'rr', timeout: 77 }]]);
  t.strictSame(there.outcomes, [undefined]);
  const absent = await merged([], [updateWeb('rr')]);
  t.strictSame(absent.sent, []);
  t.match(absent.outcomes, [{ code: 'ESRCH', command: 'update service', service: web }]);
  t.type(absent.outcomes[0], IpvsError);
});

t.test('ensureDestination adds, changes, leaves alone, or lacks its service', async (t) => {
  const [service] = destinationThere as [Operation];
  const absent = await merged([service], [ensureReal(5)]);
  t.match(absent.sent, [[{ command: 5, weight: 5 }]]);
  const other = await merged(destinationThere, [ensureReal(5)]);
  t.match(other.sent, [[{ command: 6, weight: 5, upperThreshold: 0 }]]);
  const same = await merged([service, ensureReal(5)], [ensureReal(5)]);
  t.strictSame(same.sent, []);
  for (const { outcomes, looks } of [absent, other, same]) {
    t.strictSame([outcomes, looks], [[undefined], 1]);
  }
  const orphan = await merged([], [ensureReal(5)]);
  t.strictSame(orphan.sent, []);
  t.match(orphan.outcomes, [{ code: 'ESRCH', command: 'ensure destination', destination: real }]);
});

t.test('updateDestination changes what is there, and refuses what is not', async (t) => {
  const there = await merged(destinationThere, [updateReal(0)]);
  t.match(there.sent, [[{ command: 6, weight: 0, upperThreshold: 9 }]]);
  t.strictSame(there.outcomes, [undefined]);
  const [service] = destinationThere as [Operation];
  const absent = await merged([service], [updateReal(0)]);
  t.match(absent.outcomes, [{ code: 'ENOENT', command: 'update destination', destination: real }]);
  const orphan = await merged([], [updateReal(0)]);
  t.match(orphan.outcomes, [{ code: 'ESRCH', command: 'update destination', service: web }]);
  t.strictSame([absent.sent, orphan.sent], [[], []]);
});

// It is known only after the look, when the batch can't be refused as a whole any more.
t.test('what contradicts what is there is an outcome, and the others are done', async (t) => {
  const { outcomes, sent } = await merged(
    [...destinationThere, { op: 'addService', service: { fwmark: 1, persistence: {} } }],
    [
      updateReal(1),
      {
        op: 'updateDestination',
        service: web,
        destination: real,
        changes: { lowerThreshold: 10 },
      },
      { op: 'updateService', service: web, changes: { schedulerFlags: ['sh-port'] } },
      updateReal(2),
    ],
  );
  t.strictSame(codesOf(outcomes), [
    undefined,
    'ERR_INVALID_ARG_VALUE',
    'ERR_INVALID_ARG_VALUE',
    undefined,
  ]);
  t.match(outcomes[1], {
    name: 'IpvsError',
    command: 'update destination',
    service: web,
    destination: { ...real, port: 80 },
    message:
      /^update destination 10\.0\.0\.5:80 of tcp .*changes\.lowerThreshold.*upperThreshold \(9\)/,
    cause: { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
  });
  t.match(outcomes[2], { command: 'update service', cause: TypeError });
  t.match(sent.flat(), [{ weight: 1 }, { weight: 2 }]);
});

// Catches a look that is used for two operations of which the first changes what it showed.
t.test('of two operations on one thing the second sees the first', async (t) => {
  const twice = async (...list: Operation[]) => {
    const { outcomes, sent } = await merged([], list);
    return [codesOf(outcomes), sent.flat().map(({ command }) => command)];
  };
  const done = (count: number) => new Array<undefined>(count).fill(undefined);
  t.strictSame(await twice(ensureWeb('rr'), ensureWeb('rr')), [done(2), [1]]);
  t.strictSame(await twice(ensureWeb('rr'), ensureWeb('wrr')), [done(2), [1, 2]]);
  t.strictSame(await twice(ensureWeb('rr'), updateWeb('wrr')), [done(2), [1, 2]]);
  t.strictSame(await twice(ensureWeb('rr'), ensureReal(1), updateReal(2), ensureReal(2)), [
    done(4),
    [1, 5, 6],
  ]);
  // Also where the second is spelt in another way, and where others stand between them.
  const long = { ...web, address: '2001:db8:0:0:0:0:0:1' };
  const short = { ...web, address: '2001:db8::1' };
  t.strictSame(
    await twice(
      { op: 'ensureService', service: long },
      ensureWeb('rr'),
      { op: 'updateService', service: short, changes: { scheduler: 'rr' } },
      { op: 'ensureDestination', service: short, destination: { address: '2001:db8::0:5' } },
      {
        op: 'updateDestination',
        service: long,
        destination: { address: '2001:DB8:0::5' },
        changes: { weight: 9 },
      },
    ),
    [done(5), [1, 1, 2, 5, 6]],
  );
});

t.test('operations that do not concern each other are looked at, and sent, together', async (t) => {
  const { ipvs, commands, dumps } = onTable();
  const list = range(1, 500).map((port): Operation => ({
    op: 'ensureService',
    service: { ...web, port },
  }));
  const [first] = list as [Operation];
  t.strictSame(codesOf(await ipvs.batch([...list, first])), new Array(501).fill(undefined));
  t.strictSame(
    dumps.looks.map(({ services }) => services.length),
    [500, 1],
  );
  t.strictSame(
    commands.exchanges.map(({ rows }) => rows.length),
    [500],
  );
  const reals = range(1, 200).map((n): Operation => ({
    op: 'ensureDestination',
    service: { ...web, port: 1 + (n % 2) },
    destination: { address: `10.0.1.${n}` },
  }));
  await ipvs.batch(reals);
  t.equal(dumps.looks.at(-1)?.services.length, 2, 'each service once');
  t.equal(commands.exchanges.at(-1)?.rows.length, 200);
});

/** Services with their destinations, each behind its own. */
const inNaturalOrder = (services: number, each: number): Operation[] =>
  range(1, services).flatMap((port): Operation[] => [
    { op: 'ensureService', service: { ...web, port } },
    ...range(1, each).map((n): Operation => ({
      op: 'ensureDestination',
      service: { ...web, port },
      destination: { address: `10.0.1.${n}` },
    })),
  ]);

// As most programs write it. Catches a look for each service.
t.test('a service may be ensured together with its destinations', async (t) => {
  const list = inNaturalOrder(1000, 10);
  const { ipvs, commands, dumps } = onTable();
  const outcomes = await ipvs.batch(list);
  t.strictSame(outcomes, new Array(list.length).fill(undefined));
  t.equal(dumps.looks.length, Math.ceil(list.length / PORTION));
  t.equal(rowsOf(commands).length, list.length);
  // And once more, now that all is there.
  const weighed = list.map((operation): Operation => {
    if (operation.op !== 'ensureDestination') return operation;
    const { service, destination } = operation;
    return { op: 'updateDestination', service, destination, changes: { weight: 2 } };
  });
  t.strictSame(new Set(await ipvs.batch(weighed)), new Set([undefined]));
  t.equal(dumps.looks.length, 2 * Math.ceil(list.length / PORTION));
  t.equal(rowsOf(commands).length, list.length + 10_000);
});

/** A handle whose kernel has a table, but not the scheduler 'none'. */
function withoutScheduler() {
  const scene = onTable();
  const { commands, table } = scene;
  commands.onExchange = ({ rows, finish }) => {
    const answers = rows.map((row) =>
      row.scheduler === 'none' ? refused(ENOENT) : table.apply(row),
    );
    setImmediate(() => finish(answers));
  };
  return scene;
}

const realAt = (address: string): Operation => ({
  op: 'ensureDestination',
  service: web,
  destination: { address },
});

// What is decided about a destination supposes what becomes of its service.
t.test('together or one by one, outcomes and table are the same', async (t) => {
  const other: Operation = { op: 'ensureService', service: { fwmark: 1 } };
  const lists: [before: readonly Operation[], list: readonly Operation[]][] = [
    [[], [ensureWeb('none'), ensureReal(1), other, realAt('10.0.0.6')]],
    [[], [ensureWeb('none'), updateReal(2), other]],
    [[], [ensureWeb('rr'), updateReal(2), realAt('10.0.0.6')]],
    [[], [ensureReal(1), ensureWeb('rr'), realAt('10.0.0.6'), updateReal(2)]],
    [[], [updateWeb('rr'), ensureReal(1), updateReal(3)]],
    [destinationThere, [ensureWeb('none'), ensureReal(1), realAt('10.0.0.6')]],
    [destinationThere, [updateWeb('none'), updateReal(2), realAt('10.0.0.6'), updateWeb('rr')]],
    [destinationThere, [updateReal(2), ensureWeb('rr'), ensureReal(7), updateWeb('wrr')]],
  ];
  for (const [before, list] of lists) {
    const together = withoutScheduler();
    const alone = withoutScheduler();
    for (const { ipvs } of [together, alone]) await ipvs.batch(before);
    const outcomes = await together.ipvs.batch(list);
    const each: Outcome[] = [];
    for (const operation of list) each.push(...(await alone.ipvs.batch([operation])));
    const fields = (all: readonly Outcome[]) => all.map((one) => one && fieldsOf(one));
    t.strictSame(fields(outcomes), fields(each));
    const row = { command: 4, family: 2, protocol: 6, port: 80, address: '0a000001' };
    const reals = ['0a000005', '0a000006'].map((destinationAddress) => {
      return { ...row, destinationFamily: 2, destinationPort: 80, destinationAddress };
    });
    const [first, ...rest] = [row, ...reals];
    t.strictSame(
      together.table.look(first as Row, ...rest),
      alone.table.look(first as Row, ...rest),
    );
  }
});

// Catches destinations that are told to be there, or refused, on the word of a look that no longer holds.
t.test('where a service is ensured again, so are its destinations', async (t) => {
  const service = { family: 2, protocol: 6, port: 80, address: '0a000001' };
  for (const [name, before, command] of [
    ['removed', [ensureWeb('rr'), ensureReal(1)], 3],
    ['added', [], 1],
  ] as const) {
    const { ipvs, commands, dumps, table } = onTable();
    await ipvs.batch(before);
    const { onLook } = dumps;
    dumps.onLook = (look) => {
      onLook?.(look);
      dumps.onLook = onLook;
      table.apply({ ...service, command, scheduler: 'lc' });
    };
    const list = [ensureWeb('wrr'), ensureReal(1), updateReal(2)].slice(
      0,
      name === 'added' ? 3 : 2,
    );
    const outcomes = await ipvs.batch(list);
    t.strictSame(codesOf(outcomes), new Array(list.length).fill(undefined), name);
    const real5 = { destinationFamily: 2, destinationPort: 80, destinationAddress: '0a000005' };
    const [there, [destination] = []] = table.look({ ...service, command: 4, ...real5 }) ?? [];
    t.match([there, destination], [{ scheduler: 'wrr' }, { address: '10.0.0.5' }], name);
    t.ok(commands.exchanges.length > 0);
  }
});

// What follows upon each other on one thing is looked at, and sent, one after the other.
t.test('each group of a portion has the time of a call', async (t) => {
  const timeout = 300;
  const { ipvs, dumps } = onTable(timeout);
  const alive = setInterval(() => undefined, 20); // the deadlines' own timers do not
  t.teardown(() => {
    clearInterval(alive);
  });
  const { onLook } = dumps;
  dumps.onLook = (look) => setTimeout(() => onLook?.(look), timeout / 3);
  const list = range(1, 12).map((n) => ensureWeb(n % 2 === 0 ? 'rr' : 'wrr'));
  t.strictSame(codesOf(await ipvs.batch(list)), new Array(12).fill(undefined));
  t.equal(dumps.looks.length, 12);
  t.ok(dumps.looks.every(({ milliseconds }) => milliseconds > timeout / 2));
});

// What was known of the objects before, place by place, must not let an unknown name pass.
t.test('an unknown property is refused at every place, however many came before', async (t) => {
  const { ipvs, commands } = onTable();
  const known = Object.entries({ address: '10.0.0.5', port: 80, weight: 1, forwarding: 'dr' });
  const made = (entries: readonly (readonly [string, unknown])[]): Operation => ({
    op: 'addDestination',
    service: web,
    destination: Object.fromEntries(entries) as { address: string },
  });
  const alike = [made(known), made([...known].reverse()), made(known), made(known.slice(0, 2))];
  for (const place of range(0, known.length)) {
    for (const before of [alike.slice(0, 1), alike]) {
      const entries = [...known.slice(0, place), ['bogus', 1] as const, ...known.slice(place)];
      const error = await failureOf(ipvs.batch([...before, made(entries)]));
      const property = `operations[${before.length}].destination.bogus`;
      t.match(error.message, `The property '${property}' is not known here`);
    }
  }
  t.strictSame(rowsOf(commands), []);
});

t.test('a list that its caller empties, and fills again, is what it was at the call', async (t) => {
  const { ipvs, commands } = onTable();
  const queue = range(1, 20_000).map(add);
  const outcomes = ipvs.batch(queue);
  queue.length = 0;
  queue.push(remove(1));
  t.strictSame(new Set(codesOf(await outcomes)), new Set([undefined]));
  t.equal(rowsOf(commands).length, 20_000);
});

// Catches a pass over all of a portion that keeps others from the thread until its end.
t.test('others get the thread again and again while a portion is looked at', async (t) => {
  const { ipvs, commands, dumps } = onTable();
  const { onLook } = dumps;
  // The clock says at each look at it that it was long.
  const now = performance.now.bind(performance);
  let ahead = 0;
  performance.now = () => now() + (ahead += 5);
  t.teardown(() => {
    performance.now = now;
  });
  let turns = 0;
  let counts = true;
  const count = () => {
    turns++;
    if (counts) setImmediate(count);
  };
  count();
  const seen: number[] = [];
  dumps.onLook = (look) => {
    seen.push(turns);
    onLook?.(look);
  };
  const list = range(1, PORTION).map((port): Operation => ({
    op: 'ensureService',
    service: { ...web, port },
  }));
  await ipvs.batch(list);
  counts = false;
  const [look = 0] = seen;
  // 256 steps at a time: reading the operations, grouping them, naming them for the look; deciding.
  t.ok(look >= 3 * 15, `${look} turns before the look`);
  t.ok(turns - look >= 15, `${turns - look} turns after it`);
  t.equal(rowsOf(commands).length, PORTION);
});

t.test('more of them than a portion holds have their outcomes in their places', async (t) => {
  const { ipvs, table } = onTable();
  const count = PORTION + 10;
  for (const port of range(1, count)) {
    if (port % 10 !== 0)
      table.apply({ command: 1, family: 2, protocol: 6, port, address: '0a000001' });
  }
  const progress: number[] = [];
  const outcomes = await ipvs.batch(
    range(1, count).map((port): Operation => ({
      op: 'updateService',
      service: { ...web, port },
      changes: { scheduler: 'rr' },
    })),
    { onProgress: ({ done }) => progress.push(done) },
  );
  t.strictSame(
    outcomes.map((outcome) => outcome && [outcome.code, outcome.service?.port]),
    range(1, count).map((port) => (port % 10 === 0 ? ['ESRCH', port] : undefined)),
  );
  t.strictSame(progress, [PORTION, count]);
});

for (const [name, list, before, overtake, sent] of [
  ['added a service', [ensureWeb('rr')], [], { command: 1 }, [1, 2]],
  ['removed a service', [ensureWeb('rr')], [ensureWeb('wrr')], { command: 3 }, [2, 1]],
  [
    'added a destination',
    [ensureReal(2)],
    [ensureWeb('rr')],
    { command: 5, destinationFamily: 2, destinationPort: 80, destinationAddress: '0a000005' },
    [5, 6],
  ],
  [
    'removed a destination',
    [ensureReal(2)],
    [ensureWeb('rr'), ensureReal(1)],
    { command: 7, destinationFamily: 2, destinationPort: 80, destinationAddress: '0a000005' },
    [6, 5],
  ],
] as const) {
  t.test(`an ensure that is overtaken by somebody who ${name} looks again`, async (t) => {
    const { ipvs, commands, dumps, table } = onTable();
    await ipvs.batch(before);
    const asked = commands.exchanges.length;
    // Between the look and the change.
    const { onLook } = dumps;
    dumps.onLook = (look) => {
      onLook?.(look);
      dumps.onLook = onLook;
      table.apply({ family: 2, protocol: 6, port: 80, address: '0a000001', ...overtake });
    };
    const other: Operation = { op: 'ensureService', service: { fwmark: 1 } };
    t.strictSame(await ipvs.batch([other, ...list]), [undefined, undefined]);
    t.strictSame(
      commands.exchanges.slice(asked).map(({ rows }) => rows.map(({ command }) => command)),
      [[1, sent[0]], [sent[1]]],
      'and nothing else is sent twice',
    );
  });
}

t.test('who is overtaken again and again gives up with what the kernel says', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  dumps.onLook = absent;
  commands.onExchange = ({ finish }) => setImmediate(() => finish([refused(EEXIST)]));
  t.match(await ipvs.batch([ensureWeb('rr')]), [{ code: 'EEXIST', command: 'ensure service' }]);
  t.equal(commands.exchanges.length, 5);
});

// Somebody removed it meanwhile: an update has nothing left to change.
t.test('an update that is overtaken is not repeated', async (t) => {
  const { ipvs, commands, dumps, table } = onTable();
  await ipvs.batch(destinationThere);
  const { onLook } = dumps;
  dumps.onLook = (look) => {
    onLook?.(look);
    table.apply({ command: 3, family: 2, protocol: 6, port: 80, address: '0a000001' });
  };
  const asked = commands.exchanges.length;
  t.match(await ipvs.batch([updateReal(1)]), [{ code: 'ESRCH', command: 'update destination' }]);
  t.equal(commands.exchanges.length, asked + 1);
});

// Each is told as if it had been a call of its own.
t.test('a look that fails is the outcome of each that it was for, and of no other', async (t) => {
  const { ipvs, commands, dumps } = onTable();
  dumps.onLook = ({ finish }) => setImmediate(() => finish(refused(1)));
  const outcomes = await ipvs.batch([add(1), ensureWeb('rr'), updateReal(1), add(2)]);
  t.match(outcomes, [
    undefined,
    { code: 'EPERM', command: 'ensure service', service: web, hint: /CAP_NET_ADMIN/ },
    { code: 'EPERM', command: 'update destination', service: web, destination: real },
    undefined,
  ]);
  t.match(rowsOf(commands), [{ port: 1 }, { port: 2 }]);
});

// ---- order among other calls

t.test('a batch waits for what was asked before, and later calls wait for it', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const settled: string[] = [];
  const note = (what: string) => () => void settled.push(what);
  const all = [
    ipvs.updateService({ ...web, port: 9 }, { scheduler: 'rr' }).then(note('update')),
    ipvs.batch(range(1, PORTION + 1).map(add)).then(note('batch')),
    ipvs.removeService(web).then(note('remove')),
    ipvs.batch([add(7)]).then(note('second batch')),
    ipvs.listServices().then(note('list')),
  ];
  const asked = () => commands.exchanges.map(({ rows }) => [rows.length, rows[0]?.command]);
  await turn();
  t.strictSame(asked(), [[1, 4]], 'the update reads, and all wait');
  const { rows } = commands.exchanges[0] ?? {};
  const there = new FakeTable();
  for (const row of rows ?? []) there.apply({ ...row, command: 1, scheduler: 'wlc' });
  commands.exchanges[0]?.finish([there.look(rows?.[0] ?? { command: 0 })?.[0]]);
  await until(() => commands.exchanges.length === 2);
  t.strictSame(asked().at(-1), [1, 2], 'it writes, and all wait');
  commands.exchanges[1]?.finish();
  await until(() => commands.exchanges.length === 3);
  t.strictSame(asked().at(-1), [PORTION, 1], 'the batch');
  commands.exchanges[2]?.finish();
  await until(() => commands.exchanges.length === 4);
  t.strictSame(asked().at(-1), [1, 1], 'the rest of it');
  t.strictSame(settled, ['update']);
  commands.exchanges[3]?.finish();
  await until(() => commands.exchanges.length === 5);
  t.strictSame(asked().at(-1), [1, 3], 'the removal');
  commands.exchanges[4]?.finish();
  await until(() => commands.exchanges.length === 6);
  t.strictSame(asked().at(-1), [1, 1], 'the second batch');
  t.strictSame(dumps.dumps, []);
  commands.exchanges[5]?.finish();
  await until(() => dumps.dumps.length === 1);
  dumps.dumps[0]?.finish([]);
  await Promise.all(all);
  t.strictSame(settled, ['update', 'batch', 'remove', 'second batch', 'list']);
});

// Where nothing is waited for, whoever comes later could set out at once.
t.test('nothing slips in between the portions of a batch', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const list = [...range(1, PORTION + 1).map(add), ensureWeb('rr')];
  const all = [ipvs.batch(list), ipvs.removeService(web), ipvs.flush(), ipvs.zero()];
  await until(() => commands.exchanges.length === 1);
  commands.exchanges[0]?.finish();
  await until(() => commands.exchanges.length === 2);
  commands.exchanges[1]?.finish();
  await until(() => dumps.looks.length === 1);
  dumps.looks[0]?.finish([undefined]);
  commands.onExchange = ({ finish }) => setImmediate(() => finish());
  await until(() => commands.exchanges.length === 3);
  await Promise.all(all);
  t.strictSame(commands.exchanges.map(({ rows }) => rows.map(({ command }) => command)).slice(1), [
    [1],
    [1],
    [3],
    [17],
    [16],
  ]);
});

t.test('close() waits for a batch, and after it there is none', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const settled: string[] = [];
  const batch = ipvs.batch(range(1, PORTION + 1).map(add)).then(() => settled.push('batch'));
  const closed = ipvs.close().then(() => settled.push('closed'));
  await t.rejects(ipvs.batch([add(1)]), { code: 'ERR_IPVS_CLOSED', command: 'batch' });
  for (const index of [0, 1]) {
    await until(() => commands.exchanges.length === index + 1);
    t.equal(commands.closed, false);
    commands.exchanges[index]?.finish();
  }
  await Promise.all([batch, closed]);
  t.strictSame(settled, ['batch', 'closed']);
  t.equal(commands.closed, true);
  await t.rejects(ipvs.batch([add(1)]), { name: 'IpvsError', code: 'ERR_IPVS_CLOSED' });
  await t.rejects(ipvs.batch([]), { name: 'IpvsError', code: 'ERR_IPVS_CLOSED' });
});

// ---- objects that are used again

// The key of the service before is not read again where it is the same; "the same" is what it says.
t.test('a key that was changed meanwhile is another service', (t) => {
  const reader = new OperationReader();
  const key: Record<string, unknown> = { protocol: 'tcp', address: '10.0.0.1', port: 80 };
  const operation = { op: 'removeDestination', service: key, destination: real };
  const read = () => reader.readAt(0, operation).service;
  const first = read();
  t.equal(read(), first, 'not read again');
  operation.service = { ...key };
  t.equal(read(), first, 'another object that says the same');
  const changes: [property: string, value: unknown, matches: object][] = [
    ['port', 81, { port: 81 }],
    ['address', '10.0.0.2', { address: { text: '10.0.0.2' } }],
    ['protocol', 'udp', { protocol: 17 }],
  ];
  for (const [property, value, matches] of changes) {
    operation.service[property] = value;
    t.match(read(), matches);
  }
  operation.service.scheduler = 'rr';
  t.match(read(), { port: 81 }, 'a setting is none of the key');
  operation.service.schedular = 'rr';
  t.throws(read, { message: /operations\[0\]\.service\.schedular' is not known/ });
  delete operation.service.schedular;
  t.match(read(), { port: 81 });
  operation.service = { fwmark: 7 };
  t.match(read(), { family: 2, fwmark: 7, address: undefined });
  operation.service.family = 'ipv6';
  t.match(read(), { family: 10, fwmark: 7 });
  operation.service.fwmark = 8;
  t.match(read(), { family: 10, fwmark: 8 });
  operation.service.port = 1;
  t.throws(read, { message: /operations\[0\]\.service/ });
  t.end();
});

t.test('destinations of services in turn are each of their own', async (t) => {
  const { ipvs, commands } = answering(() => undefined);
  const key = (port: number) => ({ ...web, port });
  const ports = [1, 1, 2, 1, 2, 2, 3];
  const list = ports.map((port, n): Operation => ({
    op: 'addDestination',
    service: key(port),
    destination: { address: `10.0.1.${n}` },
  }));
  await ipvs.batch(list);
  t.strictSame(
    rowsOf(commands).map(({ port, destinationPort, destinationAddress }) => [
      port,
      destinationPort,
      destinationAddress,
    ]),
    ports.map((port, n) => [port, port, `0a00010${n}`]),
  );
});

t.test('one list serves for several batches, and one object for several operations', async (t) => {
  const { ipvs, commands } = answering(() => undefined);
  const key = { ...web, port: 1 };
  const operation: Operation = { op: 'removeService', service: key };
  const first = ipvs.batch([operation, operation]);
  key.port = 2; // a short list is read before the call returns
  const second = ipvs.batch([operation]);
  key.port = 3;
  await Promise.all([first, second]);
  t.strictSame(
    commands.exchanges.map(({ rows }) => rows.map(({ port }) => port)),
    [[1, 1], [2]],
  );
});

// It is looked at long after it was checked.
t.test('changes that are changed meanwhile are those that were checked', async (t) => {
  const { ipvs, commands } = onTable();
  await ipvs.batch(destinationThere);
  const changes = { weight: 3 };
  const sticky = { persistence: { timeout: 60 } };
  const outcomes = ipvs.batch([
    { op: 'updateDestination', service: web, destination: real, changes },
    { op: 'updateService', service: web, changes: sticky },
  ]);
  changes.weight = -1;
  sticky.persistence.timeout = 0;
  t.strictSame(await outcomes, [undefined, undefined]);
  t.match(rowsOf(commands).slice(-2), [{ weight: 3 }, { timeout: 60 }]);
});

/** Makes others of operations: what they say afterwards is not what was sent. */
function spoil(list: Operation[]): void {
  for (const [at, operation] of list.entries()) {
    Object.assign(operation, [updateReal(1), { op: 'flush' }, { service: { fwmark: -1 } }][at % 3]);
  }
  list.length = 0;
}

// Each was read when it was checked, and that is what it is judged by.
t.test('operations that are changed meanwhile fail as what they were', async (t) => {
  const { ipvs, commands, dumps } = answering(() => refused(EEXIST));
  dumps.onLook = absent;
  const list = [...range(1, 6).map(add), ensureReal(1), ensureWeb('rr')];
  const outcomes = ipvs.batch(list);
  spoil(list);
  t.match(await outcomes, [
    ...range(1, 6).map((port) => ({ code: 'EEXIST', command: 'add service', service: { port } })),
    { code: 'ESRCH', command: 'ensure destination', service: web, destination: real },
    { code: 'EEXIST', command: 'ensure service', service: web },
  ]);
  t.equal(rowsOf(commands)[0]?.command, 1);
});

// Catches a lost change that is told to be made because another one is.
t.test('what got lost is judged by what was sent, whatever its operation says now', async (t) => {
  const { ipvs, commands, table } = onTable();
  const lost = new NativeFailure(Fault.noAnswer, ENOBUFS, '', '');
  const isForgotten = ({ port }: Row) => port === 2;
  commands.onExchange = ({ rows, finish }) => {
    for (const row of rows) if (!isForgotten(row)) table.apply(row);
    setImmediate(() => finish(rows.map(() => lost)));
  };
  const list = [add(1), add(2), add(3), remove(3)];
  const outcomes = ipvs.batch(list);
  Object.assign(list[0] as object, remove(1));
  Object.assign(list[1] as object, remove(2));
  Object.assign(list[3] as object, add(4));
  t.strictSame(codesOf(await outcomes), [
    undefined,
    'ERR_IPVS_UNKNOWN_OUTCOME',
    'ERR_IPVS_UNKNOWN_OUTCOME', // a later one is of the same
    undefined,
  ]);
});

// A service may have ten thousand destinations.
t.test('of the destinations of a service just those are looked at that are named', async (t) => {
  const { ipvs, dumps } = onTable();
  const at = (port: number) => ({ ...web, port });
  await ipvs.batch([add(1), add(2), add(3)]);
  const list = [
    ['10.0.1.1', 1],
    ['10.0.1.2', 2],
    ['2001:db8::1', 1],
    ['10.0.1.3', 1],
  ] as const;
  await ipvs.batch([
    ...list.map(([address, port]): Operation => ({
      op: 'ensureDestination',
      service: at(port),
      destination: { address, forwarding: 'tun' },
    })),
    { op: 'updateService', service: at(3), changes: { scheduler: 'rr' } },
  ]);
  t.strictSame(
    dumps.looks.map(({ services }) =>
      services.map((rows) =>
        rows.map(({ port, destinationAddress }) => [port, destinationAddress]),
      ),
    ),
    [
      [
        [
          [1, '0a000101'],
          [1, `20010db8${'0'.repeat(23)}1`],
          [1, '0a000103'],
        ],
        [[2, '0a000102']],
        [[3, undefined]],
      ],
    ],
  );
});

// Each would read all routes of the network namespace, or ask the kernel to load a module.
t.test('what explains many failures is looked at once', async (t) => {
  const { ipvs, commands } = answering(({ command, family }) =>
    refused(command === 5 || family === 10 ? EINVAL : ENOENT),
  );
  commands.files[ROUTES] = '|-- 10.0.1.255\n /32 link BROADCAST\n';
  const sip = (port: number): Operation => ({
    op: 'addService',
    service: { ...web, port, scheduler: 'rr', persistence: { engine: 'sip' } },
  });
  const outcomes = await ipvs.batch([
    ...range(1, 300).map((n): Operation => ({
      op: 'addDestination',
      service: web,
      destination: { address: `10.0.1.${n % 256}` },
    })),
    ...range(1, 300).map(sip),
  ]);
  t.strictSame(new Set(codesOf(outcomes)), new Set(['EINVAL', 'ERR_IPVS_ENGINE']));
  t.strictSame(
    outcomes.flatMap((each, at) => (each?.message.includes('broadcast') ? [at] : [])),
    [254],
  );
  t.strictSame(commands.paths, [ROUTES]);
  t.equal(commands.exchanges.length, 2, 'one probe of the scheduler');
});

// ---- what ends a batch before its end

t.test('a batch that is aborted before its turn sends nothing', async (t) => {
  const scene = fakeIpvs();
  const reason = new Error('enough');
  const early = await failureOf(scene.ipvs.batch([add(1)], { signal: AbortSignal.abort(reason) }));
  t.match(early, { name: 'AbortError', code: 'ABORT_ERR', sent: false, cause: reason });
  nothingIsSent(t, scene);

  // Behind what holds its turn.
  const controller = new AbortController();
  const before = failureOf(scene.ipvs.updateService(web, { scheduler: 'rr' }));
  const waiting = abortOf(scene.ipvs.batch([add(1)], { signal: controller.signal }));
  const behind = scene.ipvs.flush();
  controller.abort(reason);
  const late = await waiting;
  t.match(late, { code: 'ABORT_ERR', sent: false, cause: reason });
  t.equal(late.message, 'batch: aborted; nothing was changed');
  t.match(rowsOf(scene.commands), [{ command: 4 }], 'the update is still reading');
  scene.commands.onExchange = ({ finish }) => setImmediate(() => finish());
  scene.commands.exchanges[0]?.finish([refused(ESRCH)]);
  await Promise.all([before, behind]);
  t.match(rowsOf(scene.commands), [{ command: 4 }, { command: 17 }]);
});

t.test('an abort counts between portions: what was sent has its outcomes', async (t) => {
  const { ipvs, commands } = answering((row) => (row.port === 5 ? refused(EEXIST) : undefined));
  const controller = new AbortController();
  const progress: number[] = [];
  const reason = new Error('enough');
  const error = await abortOf(
    ipvs.batch(range(1, 3 * PORTION).map(add), {
      signal: controller.signal,
      onProgress: ({ done }) => {
        progress.push(done);
        if (done === 2 * PORTION) controller.abort(reason);
      },
    }),
  );
  t.match(error, { code: 'ABORT_ERR', sent: true, cause: reason });
  t.match(error.message, /^batch: aborted; 8192 operations were sent, the others were not$/);
  t.strictSame(progress, [PORTION, 2 * PORTION]);
  t.equal(commands.exchanges.length, 2);
  t.equal(error.outcomes?.length, 2 * PORTION);
  t.strictSame(
    error.outcomes?.flatMap((outcome, at) => (outcome ? [[at, outcome.code]] : [])),
    [[4, 'EEXIST']],
  );
  // The handle goes on.
  t.strictSame(await ipvs.batch([remove(1)]), [undefined]);
});

t.test('what is in flight when the signal is aborted is waited for', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const controller = new AbortController();
  const { signal } = controller;
  const first = abortOf(ipvs.batch(range(1, PORTION + 1).map(add), { signal }));
  await until(() => commands.exchanges.length === 1);
  controller.abort();
  await turn();
  commands.exchanges[0]?.finish();
  const error = await first;
  t.match(error, { name: 'AbortError', sent: true });
  t.equal(error.outcomes?.length, PORTION);
  t.equal(commands.exchanges.length, 1);

  // In the last portion there is nothing left to give up.
  const last = new AbortController();
  const whole = ipvs.batch([add(1)], { signal: last.signal });
  await until(() => commands.exchanges.length === 2);
  last.abort();
  commands.exchanges[1]?.finish([refused(EEXIST)]);
  t.match(await whole, [{ code: 'EEXIST' }]);
});

// Catches an AbortError that says "nothing was changed" of what has been carried out: while somebody
// looks, to read back what got lost, or again because it was overtaken.
t.test('an abort after something was sent tells of it, whatever is being looked at', async (t) => {
  const lost = new NativeFailure(Fault.noAnswer, ENOBUFS, '', '');
  const other: Operation = { op: 'ensureService', service: { fwmark: 1 } };
  const cases: [first: Operation[], next: Operation, answer: Answer, looksBefore: number][] = [
    [[add(1), add(2)], other, lost, 0],
    [[ensureWeb('rr'), other], add(1), refused(EEXIST), 1],
    [[ensureWeb('rr'), other], add(1), lost, 1],
    [[ensureWeb('rr'), other], ensureWeb('wrr'), undefined, 1],
  ];
  for (const [first, next, answer, looksBefore] of cases) {
    const { ipvs, commands, dumps } = fakeIpvs();
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = abortOf(ipvs.batch([...first, next], { signal }));
    for (let looks = 0; looks < looksBefore; looks++) {
      await until(() => dumps.looks.length > looks);
      dumps.looks[looks]?.finish([undefined, undefined]);
    }
    await until(() => commands.exchanges.length === 1);
    controller.abort();
    commands.exchanges[0]?.finish([answer, undefined]);
    dumps.onLook = absent;
    commands.onExchange = ({ finish }) => setImmediate(() => finish());
    const { sent, outcomes } = await aborted;
    t.equal(sent, true);
    t.equal(outcomes?.length, first.length, 'those that were sent have an outcome');
    t.equal(outcomes?.[1], undefined);
  }
});

// A late exchange still reads from the memory that it was given.
t.test('memory that a late exchange still holds is not used again', async (t) => {
  const { ipvs, commands } = fakeIpvs(300);
  const alive = setInterval(() => undefined, 20); // the deadlines' own timers do not
  t.teardown(() => {
    clearInterval(alive);
  });
  const bytes: { held: Uint8Array; copy: Uint8Array }[] = [];
  const exchange = commands.exchange.bind(commands);
  commands.exchange = (requests, ...rest) => {
    bytes.push({ held: requests, copy: requests.slice() });
    exchange(requests, ...rest);
  };
  // First a batch that ends well: its memory is used again.
  commands.onExchange = ({ finish }) => setImmediate(() => finish());
  await ipvs.batch(range(1, 1100).map(add));
  await ipvs.batch(range(1, 1100).map(add));
  t.equal(bytes[0]?.held.buffer, bytes[1]?.held.buffer);

  commands.onExchange = undefined;
  const late = await ipvs.batch(range(1, 1100).map(add));
  t.strictSame(new Set(codesOf(late)), new Set(['ERR_IPVS_UNKNOWN_OUTCOME']));
  const waiting = ipvs.batch(range(1, 1100).map(remove));
  await new Promise((resolve) => setTimeout(resolve, 700));
  t.equal(commands.exchanges.length, 3, 'the channel is busy');
  t.strictSame(bytes[2]?.held, bytes[2]?.copy, 'nobody wrote there');
  commands.onExchange = ({ finish }) => setImmediate(() => finish());
  commands.exchanges[2]?.finish();
  t.match(new Set(codesOf(await waiting)), new Set(['ERR_IPVS_TIMEOUT']));
  t.strictSame(await ipvs.batch([remove(1)]), [undefined]);
  t.not(bytes[3]?.held.buffer, bytes[2]?.held.buffer);
});

// Each change of kind makes a portion, and all are prepared before the first is sent.
t.test('kinds that alternate take little memory', async (t) => {
  const { ipvs, commands, dumps } = answering(() => undefined);
  dumps.onLook = absent;
  const sizes: number[] = [];
  const exchange = commands.exchange.bind(commands);
  commands.exchange = (requests, ...rest) => {
    sizes.push(requests.buffer.byteLength);
    exchange(requests, ...rest);
  };
  await ipvs.batch(range(1, 200).flatMap((port) => [add(port), ensureWeb('rr')]));
  // But for the first, which has room for all that may follow.
  t.ok(Math.max(...sizes.slice(1)) <= 4096, `${Math.max(...sizes.slice(1))} bytes`);
});

t.test('what comes after an answer that stays away is not sent, and says so', async (t) => {
  const lost = new NativeFailure(Fault.noAnswer, 0, '', '');
  const { ipvs, commands, dumps } = answering((_, exchange) => (exchange === 2 ? lost : undefined));
  dumps.onLook = absent;
  const outcomes = await ipvs.batch([...range(1, 3 * PORTION).map(add), ensureWeb('rr'), add(9)]);
  const parts = [PORTION, PORTION, PORTION + 2].map((count) => codesOf(outcomes.splice(0, count)));
  t.strictSame(
    parts.map((codes) => [...new Set(codes)]),
    [[undefined], ['ERR_IPVS_UNKNOWN_OUTCOME'], ['ERR_IPVS_TIMEOUT']],
  );
  t.equal(commands.exchanges.length, 2);
  t.strictSame(dumps.looks, [], 'nor is anything looked at');
});

// Each portion has the time of a call: without an end, a list of portions in turn would take all of
// it again and again.
t.test('after a look that stays away nothing more is asked', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  commands.onExchange = ({ finish }) => setImmediate(() => finish());
  const silent = new NativeFailure(Fault.noAnswer, 0, '', '');
  dumps.onLook = ({ finish }) => setImmediate(() => finish(silent));
  const list = range(1, 10).flatMap((port): Operation[] => [ensureWeb('rr'), add(port)]);
  const outcomes = await ipvs.batch(list);
  t.strictSame(codesOf(outcomes), new Array(20).fill('ERR_IPVS_TIMEOUT'));
  t.strictSame([dumps.looks.length, commands.exchanges.length], [1, 0]);
  t.match(outcomes[0], { command: 'ensure service' });
  t.match(outcomes[19], { command: 'add service', message: /nothing was changed/ });
});

// ---- answers that got lost, but not the way to the kernel

t.test('after an overrun the truth is read back, of each key what came last', async (t) => {
  const { ipvs, commands, dumps, table } = onTable();
  const weigh = (address: string, weight: number): Operation => ({
    op: 'replaceDestination',
    service: web,
    destination: { address, weight },
  });
  const drop = (address: string): Operation => ({
    op: 'removeDestination',
    service: web,
    destination: { address },
  });
  const there = ['10.0.0.4', '10.0.0.8', '10.0.0.9'].map((address): Operation => ({
    op: 'addDestination',
    service: web,
    destination: { address },
  }));
  await ipvs.batch([...destinationThere, ...there, ...[1, 2, 4, 5, 6].map(add)]);
  const lost = new NativeFailure(Fault.noAnswer, ENOBUFS, '', '');
  // All are carried out but these, and of few it is heard, until something is sent again.
  const forgotten = ({ command, weight, port, destinationAddress }: Row) =>
    weight === 3 ||
    destinationAddress === '0a000009' ||
    (command !== 1 && (port === 4 || port === 6));
  commands.onExchange = ({ rows, finish }) => {
    commands.onExchange = ({ rows, finish }) => {
      const answers = rows.map((row) => table.apply(row));
      setImmediate(() => finish(answers));
    };
    const answers = rows.map((row, at) => {
      const answer = forgotten(row) ? undefined : table.apply(row);
      const known =
        row.port === 2 || (row.port === 7 && row.command === 1) || at === rows.length - 1;
      return known ? answer : lost;
    });
    setImmediate(() => finish(answers));
  };
  const list: [operation: Operation, code?: string][] = [
    [weigh('10.0.0.5', 7), 'ERR_IPVS_UNKNOWN_OUTCOME'], // a later one is of the same
    [{ op: 'addDestination', service: web, destination: { address: '10.0.0.6', weight: 1 } }],
    [{ op: 'addDestination', service: web, destination: { address: '10.0.0.7', weight: 3 } }],
    [weigh('10.0.0.77', 1), 'ENOENT'],
    [remove(1)],
    [add(2), 'EEXIST'], // which was heard
    [weigh('10.0.0.5', 8)],
    [{ op: 'zero', service: { ...web, port: 9 } }, 'ERR_IPVS_UNKNOWN_OUTCOME'], // nobody sees that
    [add(3), 'ERR_IPVS_UNKNOWN_OUTCOME'],
    [remove(3), 'ERR_IPVS_UNKNOWN_OUTCOME'],
    [add(3)],
    [weigh('10.0.0.4', 3)],
    [drop('10.0.0.8')],
    [drop('10.0.0.9')],
    [remove(4)],
    [{ op: 'replaceService', service: { ...web, port: 5, scheduler: 'rr' } }],
    [{ op: 'replaceService', service: { ...web, port: 6, scheduler: 'rr' } }],
    [{ op: 'replaceService', service: { ...web, port: 11 } }, 'ESRCH'],
    // A service that is set, or zeroed, keeps its destinations.
    [{ op: 'replaceService', service: { ...web, scheduler: 'rr' } }],
    [{ op: 'zero', service: web }, 'ERR_IPVS_UNKNOWN_OUTCOME'],
    // Refused, because it was not there yet: the next one made it, which is known.
    [{ op: 'replaceService', service: { ...web, port: 7 } }, 'ERR_IPVS_UNKNOWN_OUTCOME'],
    [add(7)],
    // The next one was refused, so it can't have made it.
    [add(8)],
    [add(8), 'EEXIST'],
  ];
  const looks = dumps.looks.length;
  const exchanges = commands.exchanges.length;
  const outcomes = await ipvs.batch(list.map(([operation]) => operation));
  t.strictSame(
    codesOf(outcomes).map((code, at) => [at, code]),
    list.map(([, code], at) => [at, code]),
  );
  t.equal(dumps.looks.length - looks, 1);
  // Just what was not done, and in order.
  t.match(
    commands.exchanges.slice(exchanges + 1).map(({ rows }) => rows),
    [
      [
        { command: 5, destinationAddress: '0a000007' },
        { command: 6, destinationAddress: '0a00004d' },
        { command: 6, destinationAddress: '0a000004' },
        { command: 7, destinationAddress: '0a000009' },
        { command: 3, port: 4 },
        { command: 2, port: 6 },
        { command: 2, port: 11 },
      ],
    ],
  );
  t.match(outcomes[0], { errno: -ENOBUFS, command: 'replace destination' });
});

// What is looked at first may be looked at again.
t.test('an operation that looks first looks again where its answer got lost', async (t) => {
  const { ipvs, commands, dumps, table } = onTable();
  await ipvs.batch(destinationThere);
  const lost = new NativeFailure(Fault.noAnswer, ENOBUFS, '', '');
  const { onExchange } = commands;
  // Of the first nothing is carried out, of the second all.
  const lose = (made: boolean, next: FakeChannel['onExchange']) => {
    commands.onExchange = ({ rows, finish }) => {
      commands.onExchange = next;
      if (made) for (const row of rows) table.apply(row);
      setImmediate(() => finish(rows.map(() => lost)));
    };
  };
  const looks = dumps.looks.length;
  for (const made of [false, true]) {
    lose(made, onExchange);
    const list = [ensureWeb(made ? 'rr' : 'wrr'), updateReal(made ? 3 : 2)];
    t.strictSame(await ipvs.batch(list), [undefined, undefined]);
  }
  t.equal(dumps.looks.length - looks, 4);
  t.match(rowsOf(commands).slice(2), [
    { command: 2, scheduler: 'wrr' },
    { command: 6, weight: 2, upperThreshold: 9 },
    { command: 2, scheduler: 'wrr' },
    { command: 6, weight: 2, upperThreshold: 9 },
    { command: 2, scheduler: 'rr' },
    { command: 6, weight: 3 },
    { command: 6, weight: 3 },
  ]);
});

t.test('where nothing can be read back either, what got lost stays unknown', async (t) => {
  const lost = new NativeFailure(Fault.noAnswer, ENOBUFS, '', '');
  const { ipvs, commands, dumps } = answering((_, exchange) => (exchange === 1 ? lost : undefined));
  dumps.onLook = ({ finish }) => setImmediate(() => finish(refused(1)));
  const outcomes = await ipvs.batch(range(1, PORTION + 1).map(add));
  t.strictSame(new Set(codesOf(outcomes.slice(0, -1))), new Set(['ERR_IPVS_UNKNOWN_OUTCOME']));
  t.equal(outcomes.at(-1), undefined, 'and the rest is sent');
  t.equal(commands.exchanges.length, 2);
});
