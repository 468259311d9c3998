// The verbs of Ipvs as plain functions, on a handle of the process's own network namespace that
// opens itself at the first call. Nothing needs to be closed.

import { Ipvs } from './ipvs.js';

let handle: Ipvs | undefined;

// Without waiting, so that a call's arguments are read when it is made.
function theHandle(): Ipvs {
  handle ??= Ipvs.unopened();
  return handle;
}

type MethodsReturning<Result> = {
  [Name in keyof Ipvs]: Ipvs[Name] extends (...args: never[]) => Result ? Name : never;
}[keyof Ipvs];

type AnyMethod = (...args: unknown[]) => unknown;

function verb<Name extends MethodsReturning<Promise<unknown>>>(name: Name): Ipvs[Name] {
  return (async (...args: unknown[]) => {
    const ipvs = theHandle();
    return await (ipvs[name] as AnyMethod).apply(ipvs, args);
  }) as Ipvs[Name];
}

function iteration<Name extends MethodsReturning<AsyncIterable<unknown>>>(name: Name): Ipvs[Name] {
  return async function* (...args: unknown[]) {
    const ipvs = theHandle();
    yield* (ipvs[name] as AnyMethod).apply(ipvs, args) as AsyncIterable<unknown>;
  } as unknown as Ipvs[Name];
}

/** {@link Ipvs.addService} of the process's own network namespace. */
export const addService = verb('addService');
/** {@link Ipvs.updateService} of the process's own network namespace. */
export const updateService = verb('updateService');
/** {@link Ipvs.replaceService} of the process's own network namespace. */
export const replaceService = verb('replaceService');
/** {@link Ipvs.ensureService} of the process's own network namespace. */
export const ensureService = verb('ensureService');
/** {@link Ipvs.removeService} of the process's own network namespace. */
export const removeService = verb('removeService');
/** {@link Ipvs.getService} of the process's own network namespace. */
export const getService = verb('getService');
/** {@link Ipvs.listServices} of the process's own network namespace. */
export const listServices = verb('listServices');
/** {@link Ipvs.services} of the process's own network namespace. */
export const services = iteration('services');

/** {@link Ipvs.addDestination} of the process's own network namespace. */
export const addDestination = verb('addDestination');
/** {@link Ipvs.updateDestination} of the process's own network namespace. */
export const updateDestination = verb('updateDestination');
/** {@link Ipvs.replaceDestination} of the process's own network namespace. */
export const replaceDestination = verb('replaceDestination');
/** {@link Ipvs.ensureDestination} of the process's own network namespace. */
export const ensureDestination = verb('ensureDestination');
/** {@link Ipvs.removeDestination} of the process's own network namespace. */
export const removeDestination = verb('removeDestination');
/** {@link Ipvs.getDestination} of the process's own network namespace. */
export const getDestination = verb('getDestination');
/** {@link Ipvs.listDestinations} of the process's own network namespace. */
export const listDestinations = verb('listDestinations');
/** {@link Ipvs.destinations} of the process's own network namespace. */
export const destinations = iteration('destinations');

/** {@link Ipvs.snapshot} of the process's own network namespace. */
export const snapshot = verb('snapshot');
/** {@link Ipvs.batch} of the process's own network namespace. */
export const batch = verb('batch');
/** {@link Ipvs.restore} of the process's own network namespace. */
export const restore = verb('restore');
/** {@link Ipvs.flush} of the process's own network namespace. */
export const flush = verb('flush');
/** {@link Ipvs.zero} of the process's own network namespace. */
export const zero = verb('zero');

/** {@link Ipvs.getInfo} of the process's own network namespace. */
export const getInfo = verb('getInfo');
/** {@link Ipvs.getTimeouts} of the process's own network namespace. */
export const getTimeouts = verb('getTimeouts');
/** {@link Ipvs.setTimeouts} of the process's own network namespace. */
export const setTimeouts = verb('setTimeouts');
/** {@link Ipvs.getStats} of the process's own network namespace. */
export const getStats = verb('getStats');
/** {@link Ipvs.connections} of the process's own network namespace. */
export const connections = iteration('connections');
/** {@link Ipvs.startSyncDaemon} of the process's own network namespace. */
export const startSyncDaemon = verb('startSyncDaemon');
/** {@link Ipvs.stopSyncDaemon} of the process's own network namespace. */
export const stopSyncDaemon = verb('stopSyncDaemon');
/** {@link Ipvs.listSyncDaemons} of the process's own network namespace. */
export const listSyncDaemons = verb('listSyncDaemons');
/** {@link Ipvs.probe} of the process's own network namespace. */
export const probe = verb('probe');
