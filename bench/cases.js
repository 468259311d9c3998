// What is measured. Each case names
//
//   shape       services and destinations of each
//   before      what the namespace holds before the clock starts: nothing, services or table
//   reuse       whether the same namespace will do for all of a process's runs
//   after       what it has to hold afterwards, as `floor dump` counts it
//   given       makes what the timed part works on
//   run         the timed part; what it resolves to is checked afterwards
//   check       throws where that is not what it should be
//   count       how many changes, records or calls that is
//   first       measured in the first call of a process rather than the second one
//   floor       what C does instead: arguments of floor.c, and where it differs its own `before`
//   peer        what ipvsadm does instead, see peers.js, and how many times that makes up the case
//   targets     at most so many times the floor, at least so many times as fast as the peer, at most so
//               many MiB more than before

'use strict';

const assert = require('node:assert');
const rules = require('./rules.js');

const NOTHING = { services: 0, destinations: 0, weights: 0 };
const SEQUENTIAL = [200, 10];
const SINGLE = [100, 1];
const REPEAT = 200;
const LARGEST_DELAY = 15;

const total = ([services, destinations]) => services + services * destinations;

function checkOutcomes(outcomes, operations) {
  assert.strictEqual(outcomes.length, operations.length);
  for (const outcome of outcomes) if (outcome !== undefined) throw outcome;
}

function checkSnapshot(snapshot, shape) {
  assert.strictEqual(snapshot.services.length, shape[0]);
  for (const { destinations } of snapshot.services) {
    assert.strictEqual(destinations.length, shape[1]);
  }
}

function batch(name, shape, given, rest) {
  return {
    name,
    shape,
    needs: 'batch',
    given: () => given(shape),
    run: (ipvs, operations) => ipvs.batch(operations),
    check: checkOutcomes,
    ...rest,
  };
}

function batchAdd(name, shape, rest) {
  return batch(name, shape, rules.additions, {
    before: 'nothing',
    after: rules.tableOf(shape),
    count: total(shape),
    floor: { arguments: ['add', ...shape] },
    ...rest,
  });
}

function snapshot(name, shape, options, rest) {
  return {
    name,
    shape,
    before: 'table',
    reuse: true,
    after: rules.tableOf(shape),
    count: total(shape),
    run: (ipvs) => ipvs.snapshot(options),
    check: (result) => checkSnapshot(result, shape),
    floor: { arguments: ['dump', ...shape] },
    ...rest,
  };
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

function reading(name, shape, run, rest) {
  return {
    name,
    shape,
    before: 'table',
    reuse: true,
    after: rules.tableOf(shape),
    count: total(shape),
    run,
    check: (count) => assert.strictEqual(count, total(shape)),
    floor: { arguments: ['dump', ...shape] },
    ...rest,
  };
}

function addingDestinations(name, shape, run, rest) {
  return {
    name,
    shape,
    before: 'services',
    after: rules.tableOf(shape),
    count: shape[0] * shape[1],
    given: () =>
      rules.eachDestination(shape, (number, service) => ({
        service,
        destination: rules.destinationConfig(number),
      })),
    run,
    ...rest,
  };
}

/** One call again and again, on a table of one service with one destination. */
function repeated(name, call, rest) {
  return {
    name,
    shape: [1, 1],
    before: 'table',
    reuse: true,
    after: rules.tableOf([1, 1]),
    count: REPEAT,
    given: () => Array.from({ length: REPEAT }, (_, index) => index),
    run: async (ipvs, indexes) => {
      for (const index of indexes) await call(ipvs, index);
    },
    ...rest,
  };
}

const one = (mode) => ({ arguments: ['--one', '--repeat', REPEAT, mode, 1, 1] });
const lastWeight = rules.tableOf([1, 1], () => rules.NEW_WEIGHT + ((REPEAT - 1) % 2));

async function oneAfterTheOther(ipvs, items) {
  for (const { service, destination } of items) await ipvs.addDestination(service, destination);
}

const cases = [
  batchAdd('batch, add', [1000, 10], {
    peer: { name: 'restore', shape: [1000, 10] },
    targets: { floor: 2, peer: 100, delay: LARGEST_DELAY },
  }),
  batchAdd('batch, add, first call', [1000, 10], {
    first: true,
    targets: { floor: 5, delay: LARGEST_DELAY },
  }),
  batchAdd('batch, add, shared keys', [1000, 10], {
    given: () => rules.additions([1000, 10], { sharedKeys: true }),
  }),
  batchAdd('batch, add', [10, 1000]),
  batchAdd('batch, add', [1000, 100], { targets: { floor: 2.5, delay: LARGEST_DELAY } }),
  batchAdd('batch, add', [1, 1]),
  batch('batch, update weights', [1000, 10], rules.newWeights, {
    before: 'table',
    after: rules.tableOf([1000, 10], () => rules.NEW_WEIGHT),
    count: 10_000,
    floor: { arguments: ['set', 1000, 10] },
  }),
  batch('batch, remove', [1000, 10], rules.removals, {
    before: 'table',
    after: NOTHING,
    count: 11_000,
    floor: { arguments: ['remove', 1000, 10] },
  }),
  addingDestinations(
    'Promise.all of addDestination',
    [1000, 10],
    (ipvs, items) =>
      Promise.all(
        items.map(({ service, destination }) => ipvs.addDestination(service, destination)),
      ),
    {
      floor: { arguments: ['add-destinations', 1000, 10] },
      targets: { floor: 6, delay: LARGEST_DELAY },
    },
  ),
  addingDestinations('addDestination, awaited each', SEQUENTIAL, oneAfterTheOther, {
    floor: { arguments: ['--one', 'add-destinations', ...SEQUENTIAL] },
    peer: { name: 'process', shape: SEQUENTIAL },
    targets: { floor: 6, peer: 100, delay: LARGEST_DELAY },
  }),
  snapshot('snapshot', [1000, 10], undefined, {
    peer: { name: 'save', shape: [1000, 10] },
    targets: { floor: 1.6, peer: 8, delay: LARGEST_DELAY },
  }),
  snapshot('snapshot', [10, 1000]),
  snapshot('snapshot', [1000, 100], undefined, { targets: { floor: 4.5, delay: LARGEST_DELAY } }),
  snapshot('snapshot, settle: false', [1000, 10], { settle: false }),
  snapshot(
    'snapshot, settle: false',
    [1000, 100],
    { settle: false },
    {
      targets: { floor: 2.5, delay: LARGEST_DELAY },
    },
  ),
  reading('listServices, listDestinations', [1000, 10], listAll),
  reading('services(), destinations()', [1000, 10], iterateAll),
  reading('services(), destinations()', [1000, 100], iterateAll, {
    targets: { delay: LARGEST_DELAY, memory: 48 },
  }),
  reading('services(), destinations()', [10, 1000], iterateAll),
  addingDestinations('one addDestination', SINGLE, oneAfterTheOther, {
    floor: { arguments: ['--one', 'add-destinations', ...SINGLE] },
  }),
  repeated('one getService', (ipvs) => ipvs.getService(rules.serviceKey(0)), { floor: one('get') }),
  repeated(
    'one getDestination',
    (ipvs) => ipvs.getDestination(rules.serviceKey(0), rules.destinationKey(0)),
    { floor: one('dump-destination') },
  ),
  repeated(
    'one updateDestination',
    (ipvs, index) =>
      ipvs.updateDestination(rules.serviceKey(0), rules.destinationKey(0), {
        weight: rules.NEW_WEIGHT + (index % 2),
      }),
    { after: lastWeight, floor: one('set') },
  ),
  repeated(
    'one replaceDestination',
    (ipvs, index) =>
      ipvs.replaceDestination(rules.serviceKey(0), {
        ...rules.destinationConfig(0),
        weight: rules.NEW_WEIGHT + (index % 2),
      }),
    { after: lastWeight, floor: one('set') },
  ),
];

for (const each of cases) {
  each.title = `${each.name}, ${each.shape.map((number) => number.toLocaleString('en')).join(' × ')}`;
}

// What has to be there before C can do its part.
const FLOOR_BEFORE = {
  add: 'nothing',
  'add-destinations': 'services',
  set: 'table',
  remove: 'table',
  dump: 'table',
  'dump-destination': 'table',
  get: 'table',
};

/** A floor's own name: several cases have the same one, which is measured once in each round. */
function floorOf({ floor }) {
  const [mode, services, destinations] = floor.arguments.slice(-3);
  return {
    key: floor.arguments.join(' '),
    arguments: floor.arguments.map(String),
    before: FLOOR_BEFORE[mode],
    shape: [services, destinations],
  };
}

module.exports = { cases, floorOf };
