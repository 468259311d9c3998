// What the kernel changes by itself along with something, how that is put back, and who would be hit by
// it. Addresses and routes are found out, not listed: others have put them there.

import { changesTo, makeChange } from './plan.js';
import type { Change } from './plan.js';
import type { Disturbed } from './journal.js';
import type { Found, Machine, Surroundings, Write } from './machine.js';
import { shellToKeep } from './shell.js';
import { familyOf, isWithin } from './networks.js';
import {
  disturbedBy,
  fits,
  isMove,
  isRecord,
  keyOf,
  placesOf,
  recordOf,
  withoutPlace,
} from './resources.js';
import type { AddressResource, Resource, RouteResource } from './resources.js';
import type { Value, ValueRecord } from './types.js';

/** Whether anything may change along with it. */
export function mayDisturb({ resource, before }: Write): boolean {
  switch (resource.kind) {
    case 'address':
      return before !== null;
    case 'link-state':
      return true;
    default:
      return disturbedBy(resource, []).length > 0;
  }
}

/** What changes along with it. */
export function disturbedAlong(change: Write, around: Surroundings): Resource[] {
  const { resource } = change;
  const known = disturbedBy(resource, around.interfaces);
  if (resource.kind === 'link-state') {
    // IPv6 loses its addresses when the interface goes down (addrconf_ifdown).
    const own = around.addresses.filter(({ resource: each }) => each.interface === resource.name);
    return unique([...known, ...own.map((each) => each.resource)]);
  }
  if (resource.kind !== 'address') return known;
  return [...addressesAlong(change, around), ...routesAlong(change, around)].map(
    (each) => each.resource,
  );
}

/** As it is now. */
export async function readDisturbed(
  machine: Pick<Machine, 'read' | 'surroundings'>,
  change: Write,
): Promise<Disturbed[]> {
  if (!mayDisturb(change)) return [];
  return readAll(machine, disturbedAlong(change, await machine.surroundings()));
}

export async function readAll(
  machine: Pick<Machine, 'read'>,
  resources: readonly Resource[],
): Promise<Disturbed[]> {
  const values = await machine.read(resources);
  return resources.flatMap((each, index): Disturbed[] => {
    const value = values[index] ?? null;
    // An interface without IPv6 has no settings for it.
    return value === null && each.kind === 'sysctl' ? [] : [{ resource: each, value }];
  });
}

/** What goes along with addresses and is nothing that the plan changes, in the order of its coming back. */
export function takenAlong(changes: readonly Change[], around: Surroundings): Change[] {
  const own = new Set(changes.map(({ resource }) => keyOf(resource)));
  const values = new Map(
    [...around.addresses, ...around.routes].map(({ resource, value }) => [keyOf(resource), value]),
  );
  const taken = changes
    .filter((change) => change.kind === 'address' && mayDisturb(change))
    .flatMap((change) => disturbedAlong(change, around));
  const targets = unique(taken).flatMap((resource): Disturbed[] => {
    const value = values.get(keyOf(resource));
    return value === undefined || own.has(keyOf(resource)) ? [] : [{ resource, value }];
  });
  return inOrder(targets).map(({ resource, value }) => ({
    ...makeChange(resource, null, value, 'it goes along with an address'),
    shell: shellToKeep(resource, value),
  }));
}

function unique(resources: readonly Resource[]): Resource[] {
  return [...new Map(resources.map((each) => [keyOf(each), each])).values()];
}

/** Whether both are in the network that the prefix length makes of one of them. */
function isNeighbour(a: string, b: string, prefix: Value): boolean {
  return typeof prefix === 'number' && isWithin(a, { address: b, family: familyOf(b), prefix });
}

/** Those that go when the first of their network goes (__inet_del_ifa). */
function addressesAlong(
  { resource, before, after }: Write,
  { addresses }: Surroundings,
): Found<AddressResource>[] {
  if (resource.kind !== 'address' || familyOf(resource.address) === 'ipv6') return [];
  const stays = isMove(resource, before, after) ? recordOf(after)['prefix'] : undefined;
  const gone = placesOf(before).filter(
    ({ prefix, secondary }) => prefix !== stays && secondary !== true,
  );
  return addresses.filter(
    (each) =>
      each.resource.interface === resource.interface &&
      each.resource.address !== resource.address &&
      each.value['secondary'] === true &&
      gone.some(
        ({ prefix = null }) =>
          each.value['prefix'] === prefix &&
          isNeighbour(each.resource.address, resource.address, prefix),
      ),
  );
}

/**
 * IPv4 takes away the routes by an interface with its last address (fib_disable_ip), and routes from an
 * address with that (fib_sync_down_addr). IPv6 takes the source from them (rt6_remove_prefsrc).
 */
function routesAlong(change: Write, around: Surroundings): Found<RouteResource>[] {
  const { resource, before, after } = change;
  if (resource.kind !== 'address') return [];
  const goes = !isMove(resource, before, after);
  const family = familyOf(resource.address);
  const along = addressesAlong(change, around);
  const sources = new Set<Value>(along.map((each) => each.resource.address));
  if (goes) sources.add(resource.address);
  const lost = new Set(along.map((each) => each.resource.address));
  const isLast =
    family === 'ipv4' &&
    goes &&
    !around.addresses.some(
      ({ resource: each }) =>
        each.interface === resource.interface &&
        each.address !== resource.address &&
        familyOf(each.address) === 'ipv4' &&
        !lost.has(each.address),
    );
  return around.routes.filter(
    (route) =>
      route.resource.family === family &&
      (sources.has(route.value['source'] ?? null) ||
        (isLast && goesThrough(route, resource.interface))),
  );
}

function goesThrough({ value }: Found<RouteResource>, name: string): boolean {
  return waysOf(value).some((way) => way['interface'] === name);
}

function waysOf(value: ValueRecord): ValueRecord[] {
  const { nextHops = null } = value;
  return Array.isArray(nextHops) ? (nextHops as readonly Value[]).filter(isRecord) : [value];
}

/** What others have put there that can't be without it; a sentence. `ours`: keys of what was there before. */
export function dependentOn(
  { resource, before, after }: Write,
  around: Surroundings,
  ours: ReadonlySet<string>,
): string | undefined {
  switch (resource.kind) {
    case 'link-state':
      return fits({ up: false }, after) ? dependentOnLink(resource.name, around, ours) : undefined;
    case 'address':
      return after === null
        ? dependentOnAddress({ resource, before, after }, resource, around)
        : undefined;
    default:
      return undefined;
  }
}

function dependentOnLink(
  name: string,
  { addresses, routes }: Surroundings,
  ours: ReadonlySet<string>,
): string | undefined {
  const address = addresses.find(
    ({ resource, value }) =>
      resource.interface === name && !ours.has(keyOf(resource)) && !isKernels(resource, value),
  );
  if (address !== undefined) {
    return `somebody else uses it: it has the address ${address.resource.address} on it`;
  }
  const route = routes.find(
    (each) => goesThrough(each, name) && !REJECTING.has(each.value['type'] ?? null),
  );
  return route && `somebody else uses it: the ${nameOf(route.resource)} goes by it`;
}

// IPv6 has them on the loopback, whether that is up or not.
const REJECTING: ReadonlySet<Value> = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

/** What comes with an interface that is up, and goes with it. */
function isKernels({ address, interface: name }: AddressResource, value: ValueRecord): boolean {
  if (name === 'lo' && (address === '127.0.0.1' || address === '::1')) return true;
  if (familyOf(address) === 'ipv4') return false;
  // That of a tunnel by its own end (sit_add_v4_addrs).
  if (/^::[\d.]+$/.test(address)) return true;
  // Of the link itself, or from what a router advertised.
  return value['scope'] === 'link' || (value['validUntil'] ?? null) !== null;
}

function dependentOnAddress(
  change: Write,
  resource: AddressResource,
  around: Surroundings,
): string | undefined {
  const rest = around.addresses.filter(
    (each) =>
      each.resource.interface === resource.interface && each.resource.address !== resource.address,
  );
  const reached = (address: string): boolean =>
    rest.some(({ resource: each, value }) =>
      isNeighbour(address, each.address, value['prefix'] ?? null),
    ) ||
    around.routes.some(
      ({ resource: each, value }) =>
        each.destination.includes('/') &&
        (value['gateway'] ?? null) === null &&
        value['interface'] === resource.interface &&
        isNeighbour(
          address,
          each.destination.split('/')[0] ?? '',
          Number(each.destination.split('/')[1]),
        ),
    );
  const found = routesAlong(change, around).find(({ value }) => {
    if (value['source'] === resource.address) return true;
    return waysOf(value).some(({ interface: name, gateway = null }) => {
      if (name !== resource.interface || typeof gateway !== 'string') return false;
      return familyOf(gateway) === 'ipv4' && value['onLink'] !== true && !reached(gateway);
    });
  });
  return found && `somebody else needs it: the ${nameOf(found.resource)} does not work without it`;
}

function nameOf({ destination, table }: RouteResource): string {
  const to = destination === 'default' ? 'default route' : `route to ${destination}`;
  return table === 254 ? to : `${to} in table ${table}`;
}

/**
 * Addresses that are to come after this one, to be the second of its network again: they have to make
 * room for it.
 */
export function inTheWayOf(
  { resource, after }: Write,
  targets: readonly Disturbed[],
  present: readonly Value[],
): Change[] {
  if (resource.kind !== 'address' || !isRecord(after) || after['secondary'] === true) return [];
  const { prefix = null } = after;
  return targets.flatMap(({ resource: each, value }, index): Change[] => {
    const now = present[index] ?? null;
    const moves =
      each.kind === 'address' &&
      each.interface === resource.interface &&
      isRecord(value) &&
      value['secondary'] === true &&
      isRecord(now) &&
      now['secondary'] === false &&
      now['prefix'] === prefix &&
      isNeighbour(each.address, resource.address, prefix);
    return moves ? changesTo(each, now, null, 'it has to come after another of its network') : [];
  });
}

/** Addresses before routes, and routes to a network before those by a gateway in it. */
function inOrder(targets: readonly Disturbed[]): Disturbed[] {
  const rank = ({ resource, value }: Disturbed): number => {
    if (resource.kind === 'address') return isRecord(value) && value['secondary'] === true ? 1 : 0;
    if (resource.kind !== 'route') return 2;
    return isRecord(value) && waysOf(value).every(({ gateway = null }) => gateway === null) ? 3 : 4;
  };
  return [...targets].sort((a, b) => rank(a) - rank(b));
}

/** What could not be put back, and why. */
export interface Lost extends Disturbed {
  readonly change: Change;
  readonly error: Error;
  /** Something else that it needs is not there (yet). */
  readonly isEarly: boolean;
}

// What the kernel says of a route whose gateway or source is not there.
const EARLY: ReadonlySet<string | undefined> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EINVAL',
  'ENETDOWN',
]);

/**
 * Makes things as they are to be, in an order in which the kernel takes them. Ends at what fails for
 * another reason than that it is too early.
 */
export async function putBack(
  machine: Pick<Machine, 'read' | 'write'>,
  targets: readonly Disturbed[],
  reason: string,
  made?: (change: Change) => void,
): Promise<Lost[]> {
  const written = new Set<string>();
  for (;;) {
    const rest = inOrder(targets).filter(({ resource }) => !written.has(keyOf(resource)));
    const values = await machine.read(rest.map(({ resource }) => resource));
    const todo = rest
      .map((target, index) => ({ target, present: values[index] ?? null }))
      .filter(({ target, present }) => !fits(withoutPlace(target.value), present));
    const lost: Lost[] = [];
    for (const { target, present } of todo) {
      const { resource, value } = target;
      let error: Error | undefined;
      for (const change of changesTo(resource, present, value, reason)) {
        [error] = await machine.write([change]);
        if (error !== undefined) {
          const isEarly = EARLY.has((error as { code?: string }).code);
          lost.push({ ...target, change, error, isEarly });
          break;
        }
        made?.(change);
      }
      if (error === undefined) written.add(keyOf(resource));
      const last = lost.at(-1);
      if (last?.isEarly === false) return [last];
    }
    // What one needs, another may have brought; what one takes along, another has to bring back.
    if (lost.length === todo.length) return lost;
  }
}
