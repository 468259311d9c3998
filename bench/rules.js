// The table that every case is about, as the library's operations and as ipvsadm's rules. floor.c makes
// the very same one.

'use strict';

const NEW_WEIGHT = 50;

function dotted(number) {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}

/** A fresh object each time, as a program has it that takes its rules from somewhere else. */
function serviceKey(service) {
  return { protocol: 'tcp', address: dotted(service), port: 80 };
}

function serviceConfig(service) {
  return { protocol: 'tcp', address: dotted(service), port: 80, scheduler: 'wrr' };
}

/** Destinations are numbered throughout: the first of service 1 follows the last of service 0. */
function destinationKey(number) {
  return { address: dotted(0x800000 + number), port: 8080 };
}

function destinationConfig(number) {
  const address = dotted(0x800000 + number);
  return { address, port: 8080, forwarding: 'nat', weight: weightOf(number) };
}

function weightOf(number) {
  return 1 + (number % 10);
}

/** What `make` gives for each destination's number, its service's key and the service's number. */
function eachDestination([services, destinations], make, { sharedKeys = false } = {}) {
  const items = [];
  for (let service = 0; service < services; service++) {
    const shared = serviceKey(service);
    for (let index = 0; index < destinations; index++) {
      items.push(make(service * destinations + index, sharedKeys ? shared : serviceKey(service)));
    }
  }
  return items;
}

function eachService([services], make) {
  return Array.from({ length: services }, (_, service) => make(service));
}

/** The operations of `batch` that make the whole table. */
function additions(shape, options) {
  return [
    ...eachService(shape, (service) => ({ op: 'addService', service: serviceConfig(service) })),
    ...eachDestination(
      shape,
      (number, service) => ({
        op: 'addDestination',
        service,
        destination: destinationConfig(number),
      }),
      options,
    ),
  ];
}

/** Those that see to it that the whole table is there, each service in front of its destinations. */
function ensured(shape) {
  const destinationsEach = shape[1];
  return eachService(shape, (service) => [
    { op: 'ensureService', service: serviceConfig(service) },
    ...Array.from({ length: destinationsEach }, (_, index) => ({
      op: 'ensureDestination',
      service: serviceKey(service),
      destination: destinationConfig(service * destinationsEach + index),
    })),
  ]).flat();
}

/** Those that give every destination another weight. */
function newWeights(shape) {
  return eachDestination(shape, (number, service) => ({
    op: 'updateDestination',
    service,
    destination: destinationKey(number),
    changes: { weight: NEW_WEIGHT },
  }));
}

/** Those that remove all destinations, then all services. */
function removals(shape) {
  return [
    ...eachDestination(shape, (number, service) => ({
      op: 'removeDestination',
      service,
      destination: destinationKey(number),
    })),
    ...eachService(shape, (service) => ({ op: 'removeService', service: serviceKey(service) })),
  ];
}

function serviceWords({ address, port }) {
  return ['-t', `${address}:${port}`];
}

function destinationWords(number, service) {
  const { address, port } = destinationKey(number);
  return [...serviceWords(service), '-r', `${address}:${port}`];
}

function settingWords(number, service, weight) {
  return [...destinationWords(number, service), '-m', '-w', String(weight)];
}

/** The same as ipvsadm's arguments, a rule each, by the names that floor.c has for it. */
const ipvsadmRules = {
  add: (shape) => [
    ...eachService(shape, (service) => ['-A', ...serviceWords(serviceKey(service)), '-s', 'wrr']),
    ...ipvsadmRules['add-destinations'](shape),
  ],
  'add-destinations': (shape) =>
    eachDestination(shape, (number, service) => [
      '-a',
      ...settingWords(number, service, weightOf(number)),
    ]),
  set: (shape) =>
    eachDestination(shape, (number, service) => [
      '-e',
      ...settingWords(number, service, NEW_WEIGHT),
    ]),
  remove: (shape) => [
    ...eachDestination(shape, (number, service) => ['-d', ...destinationWords(number, service)]),
    ...eachService(shape, (service) => ['-D', ...serviceWords(serviceKey(service))]),
  ],
};

/**
 * What is in the kernel when the whole table is, or the first destinations of it: the numbers that
 * `floor dump` prints.
 */
function tableOf([services, destinations], { weight = weightOf, most = Infinity } = {}) {
  const present = Math.min(most, services * destinations);
  let weights = 0;
  for (let number = 0; number < present; number++) weights += weight(number);
  return { services, destinations: present, weights };
}

module.exports = {
  NEW_WEIGHT,
  additions,
  destinationConfig,
  destinationKey,
  eachDestination,
  ensured,
  eachService,
  ipvsadmRules,
  newWeights,
  removals,
  serviceConfig,
  serviceKey,
  tableOf,
};
