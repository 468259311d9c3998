// What is measured: every operation with every shape of table, and what is measured besides. A case has
//
//   shape       services and destinations of each
//   mode        what floor.c calls the same
//   before      what the namespace holds before the clock starts: nothing, services or table
//   reuse       whether the same namespace will do for all of a process's runs
//   after       what it has to hold afterwards, as `floor dump` counts it
//   given       makes what the timed part works on
//   run         the timed part; what it resolves to is checked afterwards
//   check       throws where that is not what it should be
//   count       how many changes, records or calls that is
//   warmUp      how often a process does it before the run that counts
//   young       what `given` made was made just now, and V8's collector has not seen it yet
//   options     of floor.c
//   peer        how ipvsadm does it, see peers.js
//   targets     at most so many times the floor, at least so many times as fast as the peer, at most so
//               many milliseconds of delay, at most so many MiB more than before

'use strict';

const assert = require('node:assert');
const rules = require('./rules.js');

const SHAPES = [
  [1000, 10],
  [10, 1000],
  [1000, 100],
  [1, 1],
];

// So long V8 compiles, and its heap grows. Large tables take less, because there each call does more: the
// tenth snapshot of one is the first to find all the memory that it needs.
// Who changes something needs a fresh namespace for each run, who reads does not.
const WARM_UP = { changing: 8, reading: 20 };
const WARM_UP_LARGE = { changing: 3, reading: 12 };
const LARGE = 50_000;

// One after the other takes too long for all of a large table.
const AWAITED = 2000;
const REPEAT = 200;

// ipvsadm takes a millisecond and more for each rule of a file.
const RESTORED_AT_MOST = 15_000;

// A process for each change takes as long on any table.
const PROCESS_SHAPE = [1000, 10];

// What has to be there before something can be done.
const BEFORE = {
  add: 'nothing',
  'add-destinations': 'services',
  set: 'table',
  remove: 'table',
  dump: 'table',
  'dump-destination': 'table',
  get: 'table',
};

const LARGEST_DELAY = 15;

// By title; from the issue that asks for them.
const TARGETS = {
  'batch, add, 1,000 × 10': { floor: 2, peer: 100, delay: LARGEST_DELAY },
  'batch, add, first call, 1,000 × 10': { floor: 5, delay: LARGEST_DELAY },
  'batch, add, 1,000 × 100': { floor: 2.5, delay: LARGEST_DELAY },
  'Promise.all of addDestination, 1,000 × 10': { floor: 6, delay: LARGEST_DELAY },
  'addDestination, awaited each, 1,000 × 10': { floor: 6, peer: 100, delay: LARGEST_DELAY },
  'snapshot, 1,000 × 10': { floor: 1.6, peer: 8, delay: LARGEST_DELAY },
  'snapshot, 1,000 × 100': { floor: 4.5, delay: LARGEST_DELAY },
  'snapshot, settle: false, 1,000 × 100': { floor: 2.5, delay: LARGEST_DELAY },
  'services(), destinations(), 1,000 × 100': { delay: LARGEST_DELAY, memory: 48 },
  'services(), one long list, 60,000 × 0': { delay: LARGEST_DELAY, memory: 48 },
};

const total = ([services, destinations]) => services + services * destinations;
const destinationsOf = ([services, destinations]) => services * destinations;

// ---- writing

function checkOutcomes(outcomes, operations) {
  assert.strictEqual(outcomes.length, operations.length);
  for (const outcome of outcomes) if (outcome !== undefined) throw outcome;
}

const batch = {
  needs: 'batch',
  run: (ipvs, operations) => ipvs.batch(operations),
  check: checkOutcomes,
  peer: 'restore',
};

const batchAdd = {
  ...batch,
  name: 'batch, add',
  mode: 'add',
  after: rules.tableOf,
  given: rules.additions,
  count: total,
};

function newDestinations(shape) {
  return rules.eachDestination(shape, (number, service) => ({
    service,
    destination: rules.destinationConfig(number),
  }));
}

const addDestinations = {
  mode: 'add-destinations',
  after: rules.tableOf,
  given: newDestinations,
  count: destinationsOf,
  peer: 'process',
};

function allAtOnce(ipvs, items) {
  return Promise.all(
    items.map(({ service, destination }) => ipvs.addDestination(service, destination)),
  );
}

async function oneAfterTheOther(ipvs, items) {
  for (const { service, destination } of items) await ipvs.addDestination(service, destination);
}

// ---- reading

const reading = {
  mode: 'dump',
  reuse: true,
  after: rules.tableOf,
  count: total,
  peer: 'save',
};

function snapshot(options) {
  return {
    ...reading,
    run: (ipvs) => ipvs.snapshot(options),
    check: ({ services }, _items, [count, destinationsEach]) => {
      assert.strictEqual(services.length, count);
      for (const { destinations } of services) {
        assert.strictEqual(destinations.length, destinationsEach);
      }
    },
  };
}

const takeSnapshot = { ...snapshot(), name: 'snapshot' };

function counting(run) {
  const check = (count, _items, shape) => assert.strictEqual(count, total(shape));
  return { ...reading, run, check };
}

async function listAll(ipvs) {
  let count = 0;
  for (const service of await ipvs.listServices()) {
    count += 1 + (await ipvs.listDestinations(service)).length;
  }
  return count;
}

async function iterateAll(ipvs) {
  let count = 0;
  for await (const service of ipvs.services()) {
    count++;
    for await (const { weight } of ipvs.destinations(service)) count += weight > 0 ? 1 : 0;
  }
  return count;
}

async function iterateServices(ipvs) {
  let count = 0;
  for await (const { scheduler } of ipvs.services()) count += scheduler === 'wrr' ? 1 : 0;
  return count;
}

// ---- all of it

const OPERATIONS = [
  batchAdd,
  {
    ...batch,
    name: 'batch, update weights',
    mode: 'set',
    after: (shape) => rules.tableOf(shape, { weight: () => rules.NEW_WEIGHT }),
    given: rules.newWeights,
    count: destinationsOf,
  },
  {
    ...batch,
    name: 'batch, remove',
    mode: 'remove',
    after: () => rules.tableOf([0, 0]),
    given: rules.removals,
    count: total,
  },
  { ...addDestinations, name: 'Promise.all of addDestination', run: allAtOnce },
  {
    ...addDestinations,
    name: 'addDestination, awaited each',
    after: (shape) => rules.tableOf(shape, { most: AWAITED }),
    given: (shape) => newDestinations(shape).slice(0, AWAITED),
    run: oneAfterTheOther,
    count: (shape) => Math.min(AWAITED, destinationsOf(shape)),
    options: ['--one', '--first', AWAITED],
  },
  { ...counting(listAll), name: 'listServices, listDestinations' },
  takeSnapshot,
  { ...counting(iterateAll), name: 'services(), destinations()' },
];

/** One call again and again, on a table of one service with one destination. */
function repeated(name, mode, call, rest) {
  return {
    ...reading,
    name,
    mode,
    peer: undefined,
    count: () => REPEAT,
    given: () => Array.from({ length: REPEAT }, (_, index) => index),
    run: async (ipvs, indexes) => {
      for (const index of indexes) await call(ipvs, index);
    },
    options: ['--one', '--repeat', REPEAT],
    ...rest,
  };
}

const newWeight = (index) => ({ weight: rules.NEW_WEIGHT + (index % 2) });
const lastWeight = (shape) => rules.tableOf(shape, { weight: () => newWeight(REPEAT - 1).weight });

const REPEATED = [
  repeated('one getService', 'get', (ipvs) => ipvs.getService(rules.serviceKey(0))),
  repeated('one getDestination', 'dump-destination', (ipvs) =>
    ipvs.getDestination(rules.serviceKey(0), rules.destinationKey(0)),
  ),
  repeated(
    'one updateDestination',
    'set',
    (ipvs, index) =>
      ipvs.updateDestination(rules.serviceKey(0), rules.destinationKey(0), newWeight(index)),
    { after: lastWeight },
  ),
  repeated(
    'one replaceDestination',
    'set',
    (ipvs, index) =>
      ipvs.replaceDestination(rules.serviceKey(0), {
        ...rules.destinationConfig(0),
        ...newWeight(index),
      }),
    { after: lastWeight },
  ),
];

const BESIDES = [
  // Between one and a hundred thousand: how cost grows.
  [batchAdd, [100, 10]],
  [takeSnapshot, [100, 10]],
  [{ ...batchAdd, name: 'batch, add, first call', warmUp: 0, peer: undefined }, [1000, 10]],
  [{ ...batchAdd, name: 'batch, add, made just now', young: true, peer: undefined }, [1000, 10]],
  [{ ...batchAdd, name: 'batch, add, made just now', young: true, peer: undefined }, [1000, 100]],
  [
    {
      ...batchAdd,
      name: 'batch, add, shared keys',
      given: (shape) => rules.additions(shape, { sharedKeys: true }),
    },
    [1000, 10],
  ],
  [{ ...batchAdd, name: 'batch, ensure', given: rules.ensured, peer: undefined }, [1000, 10]],
  [{ ...snapshot({ settle: false }), name: 'snapshot, settle: false' }, [1000, 10]],
  [{ ...snapshot({ settle: false }), name: 'snapshot, settle: false' }, [1000, 100]],
  [
    { ...snapshot({ settle: false }), name: 'snapshot, settle: false, first call', warmUp: 0 },
    [1000, 100],
  ],
  [
    {
      ...addDestinations,
      name: 'one addDestination, on average',
      run: oneAfterTheOther,
      options: ['--one'],
    },
    [100, 1],
  ],
  [
    {
      ...counting(iterateServices),
      name: 'services(), one long list',
      peer: undefined,
      warmUp: WARM_UP_LARGE.changing, // each takes seconds
    },
    [60_000, 0],
  ],
  ...REPEATED.map((operation) => [operation, [1, 1]]),
];

function caseOf(operation, shape) {
  const { name, mode, given, check, after, count, peer, reuse } = operation;
  const title = `${name}, ${shape.map((number) => number.toLocaleString('en')).join(' × ')}`;
  return {
    options: [],
    warmUp: (count(shape) > LARGE ? WARM_UP_LARGE : WARM_UP)[reuse ? 'reading' : 'changing'],
    ...operation,
    title,
    shape,
    before: BEFORE[mode],
    after: after(shape),
    given: given && (() => given(shape)),
    check: check && ((result, items) => check(result, items, shape)),
    count: count(shape),
    peer: peer === 'restore' && count(shape) > RESTORED_AT_MOST ? undefined : peer,
    targets: TARGETS[title],
  };
}

const cases = [
  ...OPERATIONS.flatMap((operation) => SHAPES.map((shape) => caseOf(operation, shape))),
  ...BESIDES.map(([operation, shape]) => caseOf(operation, shape)),
];
for (const title of Object.keys(TARGETS)) {
  assert.ok(
    cases.some((each) => each.title === title),
    `there is a case ${title}`,
  );
}

/** A floor's own name: several cases have the same one, which is measured once in each round. */
function floorOf({ options, mode, shape, reuse, warmUp: own }) {
  const words = [...options, mode, ...shape].map(String);
  // A program in C needs none; but the kernel is then what it is to the library.
  const warmUp = reuse ? 0 : own;
  const key = [...words, ...(reuse ? [] : [`after ${warmUp}`])].join(' ');
  return { key, arguments: words, before: BEFORE[mode], shape, reuse, warmUp };
}

/** The same for ipvsadm, where it takes part. */
function peerOf({ peer, mode, before, shape: own, after }) {
  if (peer === undefined) return undefined;
  const sampled = peer === 'process';
  const shape = sampled ? PROCESS_SHAPE : own;
  const words = [peer, mode, ...shape].map(String);
  const expected = sampled ? undefined : after;
  return { key: words.join(' '), name: peer, arguments: words, before, shape, after: expected };
}

module.exports = { cases, floorOf, peerOf };
