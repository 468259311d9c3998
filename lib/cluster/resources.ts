// Everything on a node that this library may change: how each thing is named, and which value it has.
// A value is JSON, and null where the thing is not there.

import { isDeepStrictEqual } from 'node:util';
import type { AddressFamily, Protocol, Service, ServiceKey, SyncRole } from '../types.js';
import type { Value, ValueRecord } from './types.js';

/** A kernel setting. Value: its text. */
export interface SysctlResource {
  readonly kind: 'sysctl';
  readonly name: string;
}

/** A tunnel device. Value: its type and what else it is made of. */
export interface LinkResource {
  readonly kind: 'link';
  readonly name: string;
}

/** Whether a network interface is up. Value: `{ up }`. */
export interface LinkStateResource {
  readonly kind: 'link-state';
  readonly name: string;
}

/**
 * An address of an interface. Value: prefix length, scope and flags; `others` are further ones of the
 * same address with another prefix length, which IPv4 may have.
 */
export interface AddressResource {
  readonly kind: 'address';
  readonly interface: string;
  readonly address: string;
}

/** A route. Value: where it leads. */
export interface RouteResource {
  readonly kind: 'route';
  readonly family: AddressFamily;
  /** `'default'`, or an address with its prefix length. */
  readonly destination: string;
  readonly table: number;
  /** Default: 0, for IPv6 what Linux takes where none is given. */
  readonly metric?: number;
  /** The type of service that it is for. Default: 0. */
  readonly tos?: number;
}

/** A policy rule that sends marked packets to a table. Value: `{}`. */
export interface RuleResource {
  readonly kind: 'rule';
  readonly family: AddressFamily;
  readonly priority: number;
  readonly fwmark: number;
  readonly table: number;
}

/** An address for which an interface answers on behalf of another (proxy ARP). Value: `{}`. */
export interface ProxyResource {
  readonly kind: 'proxy';
  readonly interface: string;
  readonly address: string;
}

/** A UDP port on which the kernel decapsulates. Value: `{ type }`. */
export interface FouPortResource {
  readonly kind: 'fou-port';
  readonly family: AddressFamily;
  readonly port: number;
}

/** A firewall rule that marks packets to an address. Value: `{ ports }`. */
export interface MarkResource {
  readonly kind: 'mark';
  readonly fwmark: number;
  readonly family: AddressFamily;
  readonly protocol: Protocol;
  readonly address: string;
  /** Numbers, or ranges such as `'1024-65535'`. */
  readonly ports: readonly string[];
}

/** A firewall rule that makes answers come back through the director. */
export interface SnatResource {
  readonly kind: 'snat';
  readonly family: AddressFamily;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** A virtual service. Value: its settings. */
export interface ServiceResource {
  readonly kind: 'service';
  readonly service: ServiceKey;
}

/** A real server of a virtual service. Value: its settings. */
export interface DestinationResource {
  readonly kind: 'destination';
  readonly service: ServiceKey;
  readonly address: string;
  readonly port: number;
}

/** A sync daemon. Value: its settings. */
export interface SyncDaemonResource {
  readonly kind: 'sync-daemon';
  readonly role: SyncRole;
}

/** Something on a node that this library may change, by its name. */
export type Resource =
  | SysctlResource
  | LinkResource
  | LinkStateResource
  | AddressResource
  | RouteResource
  | RuleResource
  | ProxyResource
  | FouPortResource
  | MarkResource
  | SnatResource
  | ServiceResource
  | DestinationResource
  | SyncDaemonResource;

/** What kind of thing it is. */
export type Kind = Resource['kind'];

/** The same text for the same thing. */
export function keyOf(resource: Resource): string {
  const { kind } = resource;
  switch (kind) {
    case 'sysctl':
    case 'link':
    case 'link-state':
      return `${kind} ${resource.name}`;
    case 'address':
    case 'proxy':
      return `${kind} ${resource.interface} ${resource.address}`;
    case 'route':
      return [
        `${kind} ${resource.family} ${resource.table} ${resource.destination}`,
        ...(resource.metric === undefined ? [] : [`metric ${resource.metric}`]),
        ...(resource.tos === undefined ? [] : [`tos ${resource.tos}`]),
      ].join(' ');
    case 'rule':
      return `${kind} ${resource.family} ${resource.priority} ${resource.fwmark} ${resource.table}`;
    case 'fou-port':
      return `${kind} ${resource.family} ${resource.port}`;
    case 'mark':
      return `${kind} ${resource.address} ${resource.protocol} ${resource.fwmark}`;
    case 'snat':
      return `${kind} ${resource.protocol} ${resource.address} ${resource.port}`;
    case 'service':
      return `${kind} ${serviceKeyOf(resource.service)}`;
    case 'destination':
      return `${kind} ${serviceKeyOf(resource.service)} ${resource.address} ${resource.port}`;
    case 'sync-daemon':
      return `${kind} ${resource.role}`;
  }
}

export function serviceKeyOf(service: ServiceKey): string {
  return service.fwmark !== undefined
    ? `fwmark ${service.fwmark} ${service.family ?? 'ipv4'}`
    : `${service.protocol} ${service.address} ${service.port}`;
}

/** Whether `present` is as `wanted` asks; what `wanted` does not name may be anything. */
export function fits(wanted: Value, present: Value): boolean {
  if (!isRecord(wanted)) return isDeepStrictEqual(wanted, present);
  if (!isRecord(present)) return false;
  return Object.entries(wanted).every(([name, value]) => {
    const is = present[name] ?? null;
    // Who gives a lease gives it again: the time may be another, but not none.
    return ENDS.has(name) ? (value === null) === (is === null) : fits(value, is);
  });
}

const ENDS: ReadonlySet<string> = new Set(['validUntil', 'preferredUntil', 'expiresAt']);

/**
 * Whether it is as one of them. An address is changed by adding it anew and removing the old one: in
 * between there are both.
 */
export function isOneOf(values: readonly Value[], present: Value): boolean {
  const places = isRecord(present) ? placesOf(present).map(alone) : [present];
  return places.every((place) => values.some((each) => fits(alone(each), place)));
}

/** All that an interface has of one address: with several prefix lengths there are several. */
export function placesOf(value: Value): ValueRecord[] {
  if (!isRecord(value)) return [];
  const { others = null } = value;
  return [value, ...(Array.isArray(others) ? (others as readonly Value[]).filter(isRecord) : [])];
}

/** Whether it comes first in its network is for those that were there before to say. */
export function withoutPlace(value: Value): Value {
  return isRecord(value) ? without(value, ['secondary']) : value;
}

function alone(value: Value): Value {
  return isRecord(value) ? without(value, ['others', 'secondary']) : value;
}

export function without(value: ValueRecord, names: readonly string[]): ValueRecord {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

/** Whether an address is to have another prefix length, which IPv4 lets it have at the same time. */
export function isMove(resource: Resource, present: Value, value: Value): boolean {
  if (resource.kind !== 'address' || resource.address.includes(':')) return false;
  if (!isRecord(value) || present === null) return false;
  const wanted = alone(value);
  return placesOf(present).every(
    (each) => each['prefix'] !== value['prefix'] || fits(wanted, alone(each)),
  );
}

export function isRecord(value: Value): value is ValueRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The properties of a value; none where it has none. */
export function recordOf(value: Value): ValueRecord {
  return isRecord(value) ? value : {};
}

/** What is left of a time, in seconds; what is over ends at once. */
export function leftOf(until: Value | undefined): number | undefined {
  return typeof until === 'number' ? Math.max(1, until - Math.round(Date.now() / 1000)) : undefined;
}

/** A value as people read and write it. */
export function textOf(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A service's settings as plans and journals have them. */
export function serviceValue(
  service: Pick<Service, 'scheduler' | 'schedulerFlags' | 'onePacket' | 'persistence'> &
    Partial<Pick<Service, 'engine'>>,
): ValueRecord {
  const { scheduler, schedulerFlags, onePacket, persistence, engine = null } = service;
  return {
    scheduler,
    schedulerFlags: [...schedulerFlags].sort(),
    onePacket,
    persistence: persistence === undefined ? null : { engine: null, ...persistence },
    engine,
  };
}

/** Whether it is in the kernel's table of services: many of those are changed with one call. */
export function isInTable({ kind }: { readonly kind: Kind }): boolean {
  return kind === 'service' || kind === 'destination';
}

/** Whether the kernel can change it in place; otherwise it is removed and added again. */
export function isChangeable(kind: Kind): boolean {
  switch (kind) {
    case 'sysctl':
    case 'link-state':
    case 'route':
    case 'service':
    case 'destination':
      return true;
    default:
      return false;
  }
}

/**
 * Whose value the kernel changes by itself when this is changed: they are noted too, and put back.
 * `interfaces` are the names of those that there are.
 */
export function disturbedBy(resource: Resource, interfaces: readonly string[]): Resource[] {
  const sysctls = (family: string, names: readonly string[], setting: string): Resource[] =>
    names.map((name) => ({ kind: 'sysctl', name: settingOf(family, name, setting) }));
  if (resource.kind === 'link-state' && resource.name === 'lo') {
    // 127.0.0.1 comes when the loopback goes up, and stays when it goes down (inetdev_event).
    return [{ kind: 'address', interface: 'lo', address: '127.0.0.1' }];
  }
  if (resource.kind !== 'sysctl') return [];
  switch (resource.name) {
    case 'net.ipv4.ip_forward':
      // inet_forward_change
      return [
        ...sysctls('ipv4', ['all'], 'accept_redirects'),
        ...sysctls('ipv4', ['default', ...interfaces], 'forwarding'),
      ];
    case 'net.ipv6.conf.all.forwarding':
      // addrconf_fixup_forwarding
      return sysctls('ipv6', ['default', ...interfaces], 'forwarding');
    default: {
      // Interfaces whose own nobody has set have it as well (devinet_copy_dflt_conf).
      const [, setting] = /^net\.ipv4\.conf\.default\.([^./]+)$/.exec(resource.name) ?? [];
      return setting === undefined ? [] : sysctls('ipv4', interfaces, setting);
    }
  }
}

/** `net.ipv4.conf.eth0.arp_ignore`; with slashes where the interface's name has a dot. */
export function settingOf(family: string, interfaceName: string, setting: string): string {
  const parts = ['net', family, 'conf', interfaceName, setting];
  return parts.join(interfaceName.includes('.') ? '/' : '.');
}

/**
 * One name for a setting, however it is written: with dots, but with slashes where a part of it has a
 * dot. What IPv4 calls by two names is one too.
 */
export function canonicalSetting(name: string): string {
  const slashes = /[./]/.exec(name)?.[0] === '/';
  const parts = slashes
    ? name.split('/')
    : name.split('.').map((each) => each.replaceAll('/', '.'));
  const text = parts.join(parts.some((each) => each.includes('.')) ? '/' : '.');
  return text === 'net.ipv4.conf.all.forwarding' ? 'net.ipv4.ip_forward' : text;
}

/** The interface whose setting this is, or undefined. */
export function interfaceOfSetting(name: string): string | undefined {
  const match = /^net[./]ipv[46][./]conf[./](.+)[./][^./]+$/.exec(name);
  return match?.[1] === 'all' || match?.[1] === 'default' ? undefined : match?.[1];
}

/**
 * Whether it may be what keeps a node from telling others of an address. It is taken back last: what
 * takes its place, or the address's going, comes before.
 */
export function isQuieting(resource: Resource): boolean {
  return resource.kind === 'sysctl' && /[./]arp_(ignore|announce)$/.test(resource.name);
}

/** The setting that has the value which an interface's one starts with. */
export function settingOfNew(name: string): string | undefined {
  if (interfaceOfSetting(name) === undefined) return undefined;
  const [, family = '', setting = ''] = /^net[./](ipv[46])[./].*[./]([^./]+)$/.exec(name) ?? [];
  return settingOf(family, 'default', setting);
}

/** Whether IPVS has it. */
export function isOfIpvs({ kind }: Resource): boolean {
  return kind === 'service' || kind === 'destination' || kind === 'sync-daemon';
}

/** Whether one is gone when the other is. */
export function isPartOf(part: Resource, whole: Resource): boolean {
  if (whole.kind === 'service') {
    return (
      part.kind === 'destination' && serviceKeyOf(part.service) === serviceKeyOf(whole.service)
    );
  }
  if (whole.kind !== 'link') return false;
  switch (part.kind) {
    case 'link-state':
      return part.name === whole.name;
    case 'address':
      return part.interface === whole.name;
    case 'sysctl':
      return interfaceOfSetting(part.name) === whole.name;
    default:
      return false;
  }
}
