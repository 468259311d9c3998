// What a node should be like: a list of settings in the order in which they are safe to make.

import type { AddressFamily } from '../types.js';
import { canonicalSetting, isRecord } from './resources.js';
import type { Resource, RouteResource } from './resources.js';
import type { Value, ValueRecord } from './types.js';

/** One thing as it should be. */
export interface Wanted {
  readonly resource: Resource;
  readonly value: Value;
  /** Why, in a sentence, with its source where there is one. */
  readonly reason: string;
  /** What it also may be, in view of other things: see `looksAt`. Default: only `value`. */
  readonly accepts?: (present: Value, look: Look) => boolean;
  /** What `accepts` looks at besides. */
  readonly looksAt?: readonly Resource[];
  /** What has the value that it starts with: a setting of an interface that is not there yet. */
  readonly startsAs?: Resource;
  /** A setting that not every kernel has: without it nothing is done. */
  readonly optional?: boolean;
  /** The description asks for it by name, and not only by a role. */
  readonly asked?: boolean;
  /** Not done by this library, only said and put into the shell script. */
  readonly manual?: boolean;
}

/** The value of something that was looked at; null where it is not there. */
export type Look = (resource: Resource) => Value;

/** What is known of a node besides its description. */
export interface Facts {
  /** The kernel's release, as `uname -r` has it. */
  readonly release: string;
  /** The families whose packets can be marked here (nf_tables); looked at where that is wanted. */
  readonly marks?: ReadonlySet<AddressFamily>;
  /** The MTU of each network interface by name. */
  readonly mtus: Readonly<Record<string, number>>;
  /**
   * Of each family the default route that packets take, as it is without us: the one with the lowest
   * metric. Not what routers advertise.
   */
  readonly defaults: Readonly<Partial<Record<AddressFamily, DefaultRoute>>>;
  /** The interface of IPv4's default route as it is now. */
  readonly way?: string;
}

export interface DefaultRoute {
  readonly resource: RouteResource;
  readonly value: ValueRecord;
}

/** What a machine tells of itself. */
export interface Observed extends Omit<Facts, 'defaults' | 'marks' | 'way'> {
  readonly defaultRoutes: readonly DefaultRoute[];
}

/** Where Linux puts a route of IPv6 that nobody gave a metric (IP6_RT_PRIO_USER). */
export const IPV6_METRIC = 1024;

/** Where packets go by several routes to the same: by the lowest metric. */
export function metricOf({ resource, value }: DefaultRoute): number {
  const { metric = null } = value;
  if (typeof metric === 'number') return metric;
  return resource.metric ?? (resource.family === 'ipv6' ? IPV6_METRIC : 0);
}

/** The one that packets take. */
export function bestOf(
  routes: Iterable<DefaultRoute>,
  family: AddressFamily,
): DefaultRoute | undefined {
  return [...routes]
    .filter(({ resource }) => resource.family === family)
    .sort((a, b) => metricOf(a) - metricOf(b))[0];
}

/** The gateways of a route, one for each way that it goes; null for one without. */
export function gatewaysOf(value: ValueRecord): Value[] {
  const { nextHops = null, gateway = null } = value;
  if (!Array.isArray(nextHops)) return [gateway];
  return (nextHops as readonly Value[]).map((each) =>
    isRecord(each) ? (each['gateway'] ?? null) : null,
  );
}

export type Sysctl = Extract<Resource, { kind: 'sysctl' }>;

export function sysctl(name: string): Sysctl {
  return { kind: 'sysctl', name: canonicalSetting(name) };
}

/** The value of a setting as a number; NaN where it is not there. */
export function numberAt(look: Look, name: string): number {
  const value = look(sysctl(name));
  return typeof value === 'string' && value !== '' ? Number(value) : NaN;
}

/** Whether a kernel is at least of that version. */
export function isSince(release: string, major: number, minor: number): boolean {
  const [, first = '0', second = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(first) > major || (Number(first) === major && Number(second) >= minor);
}
