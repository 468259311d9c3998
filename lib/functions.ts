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

export const addService = verb('addService');
export const updateService = verb('updateService');
export const replaceService = verb('replaceService');
export const ensureService = verb('ensureService');
export const removeService = verb('removeService');
export const getService = verb('getService');
export const listServices = verb('listServices');
export const services = iteration('services');

export const addDestination = verb('addDestination');
export const updateDestination = verb('updateDestination');
export const replaceDestination = verb('replaceDestination');
export const ensureDestination = verb('ensureDestination');
export const removeDestination = verb('removeDestination');
export const getDestination = verb('getDestination');
export const listDestinations = verb('listDestinations');
export const destinations = iteration('destinations');

export const snapshot = verb('snapshot');
export const flush = verb('flush');
export const zero = verb('zero');

export const getInfo = verb('getInfo');
export const getTimeouts = verb('getTimeouts');
export const setTimeouts = verb('setTimeouts');
export const getStats = verb('getStats');
export const connections = iteration('connections');
export const startSyncDaemon = verb('startSyncDaemon');
export const stopSyncDaemon = verb('stopSyncDaemon');
export const listSyncDaemons = verb('listSyncDaemons');
export const probe = verb('probe');
