// The node as the kernel has it: rtnetlink, sysctls and IPVS.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { release } from 'node:os';
import { Ipvs } from '../ipvs.js';
import { Network } from '../network/network.js';
import { Sysctl } from '../network/sysctl.js';
import type {
  AddressConfig,
  InterfaceAddress,
  Link,
  LinkConfig,
  MarkRule,
  Neighbour,
  PortRange,
  Route,
  RouteConfig,
  Rule,
} from '../network/types.js';
import type { IpvsError } from '../errors.js';
import { missingCapability } from '../rights.js';
import type {
  Destination,
  DestinationConfig,
  OpenOptions,
  Operation,
  Service,
  ServiceConfig,
  SyncDaemonConfig,
} from '../types.js';
import type { Survey } from './check.js';
import { ClusterError } from './errors.js';
import { parseListeners } from './listeners.js';
import type { Machine, Write } from './machine.js';
import { hostPrefix, familyOf } from './networks.js';
import type { AnnounceOptions } from './node.js';
import { isRecord, serviceKeyOf } from './resources.js';
import type {
  AddressResource,
  DestinationResource,
  LinkResource,
  MarkResource,
  Resource,
  RouteResource,
  ServiceResource,
} from './resources.js';
import type { Value, ValueRecord } from './types.js';
import type { Facts } from './wanted.js';

/** Opens the node that the process is on, or one of its network namespaces. */
export async function openMachine(options: OpenOptions): Promise<Machine> {
  const opened = await Promise.allSettled([
    Network.open(options),
    Sysctl.open(options),
    Ipvs.open(options),
  ]);
  const [network, sysctl, ipvs] = opened;
  if (
    network.status === 'fulfilled' &&
    sysctl.status === 'fulfilled' &&
    ipvs.status === 'fulfilled'
  ) {
    return new KernelMachine(network.value, sysctl.value, ipvs.value);
  }
  for (const each of opened) if (each.status === 'fulfilled') await each.value.close();
  throw opened.find((each) => each.status === 'rejected')?.reason;
}

const MAIN_TABLE = 254;

export class KernelMachine implements Machine {
  readonly network: Network;
  readonly sysctl: Sysctl;
  readonly ipvs: Ipvs;

  constructor(network: Network, sysctl: Sysctl, ipvs: Ipvs) {
    this.network = network;
    this.sysctl = sysctl;
    this.ipvs = ipvs;
  }

  async read(resources: readonly Resource[]): Promise<Value[]> {
    // The settings of IPVS come with its module, which its first answer has the kernel load.
    if (resources.some(isSettingOfIpvs)) await this.ipvs.getInfo().catch(() => undefined);
    const look = new Tables(this);
    return Promise.all(resources.map((resource) => look.at(resource)));
  }

  async write(writes: readonly Write[]): Promise<(Error | undefined)[]> {
    if (writes.length > 0 && writes.every(({ resource }) => isTable(resource))) {
      return [...(await this.ipvs.batch(writes.map(operationOf)))];
    }
    const outcomes: (Error | undefined)[] = [];
    for (const write of writes) {
      try {
        await this.#write(write);
        outcomes.push(undefined);
      } catch (error) {
        outcomes.push(error as Error);
        break;
      }
    }
    return outcomes;
  }

  async #write({ resource, before, after }: Write): Promise<void> {
    const { network } = this;
    switch (resource.kind) {
      case 'sysctl':
        return this.sysctl.set(resource.name, after as string);
      case 'link':
        if (after === null) return network.removeLink(resource.name);
        return network.addLink(linkConfig(resource, after));
      case 'link-state':
        return network.setLink(resource.name, { up: recordOf(after)['up'] === true });
      case 'address':
        if (after !== null) return network.addAddress(addressConfig(resource, after));
        return network.removeAddress({
          interface: resource.interface,
          address: resource.address,
          prefix: recordOf(before)['prefix'] as number,
        });
      case 'route':
        if (after === null) return network.removeRoute(routeConfig(resource, before));
        return network.replaceRoute(routeConfig(resource, after));
      case 'rule': {
        const { family, priority, fwmark, table } = resource;
        const rule = { family, priority, fwmark, table };
        return after === null ? network.removeRule(rule) : network.addRule(rule);
      }
      case 'proxy': {
        const { interface: name, address } = resource;
        const entry = { interface: name, address, proxy: true };
        return after === null ? network.removeNeighbour(entry) : network.addNeighbour(entry);
      }
      case 'fou-port': {
        const { port, family } = resource;
        const type = recordOf(after ?? before)['type'] as 'fou' | 'gue';
        const own = { port, family, type };
        return after === null ? network.removeFouPort(own) : network.addFouPort(own);
      }
      case 'mark':
        if (after === null) return network.removeMark(markRule(resource, before));
        return network.addMark(markRule(resource, after));
      case 'sync-daemon': {
        const { role } = resource;
        if (after === null) return this.ipvs.stopSyncDaemon(role);
        return this.ipvs.startSyncDaemon({
          role,
          ...recordOf(after),
        } as unknown as SyncDaemonConfig);
      }
      default:
        throw new Error(`${resource.kind} is not made by this library`);
    }
  }

  async facts(): Promise<Facts> {
    const [links, routes] = await Promise.all([
      this.network.links(),
      this.network.routes({ table: MAIN_TABLE }),
    ]);
    const gateways = (['ipv4', 'ipv6'] as const).map((family) => {
      const resource = {
        kind: 'route',
        family,
        destination: 'default',
        table: MAIN_TABLE,
      } as const;
      const found = routes.find((each) => isRoute(each, resource) && each.protocol !== 'ra');
      return [family, found?.gateway];
    });
    return {
      release: release(),
      mtus: Object.fromEntries(links.map(({ name, mtu }) => [name, mtu])),
      gateways: Object.fromEntries(gateways) as Facts['gateways'],
    };
  }

  async canMark(): Promise<boolean> {
    try {
      await this.network.marks();
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_IPVS_UNAVAILABLE') return false;
      throw error;
    }
  }

  async preflight(command: string, changes: readonly Write[]): Promise<void> {
    const missing = await missingCapability();
    if (missing !== undefined) throw new ClusterError(command, { code: 'EPERM', ...missing });
    const names = changes.flatMap(({ resource, before, after }) =>
      resource.kind === 'sysctl' && before !== null
        ? [{ name: resource.name, value: after as string }]
        : [],
    );
    const writable = await Promise.all(names.map(({ name }) => this.sysctl.isWritable(name)));
    const refused = names.filter((_, index) => writable[index] !== true);
    const [first] = refused;
    if (first === undefined) return;
    const code = await whyNotWritable(first.name);
    const options = refused.map(({ name, value }) => `--sysctl ${name}=${quoteSpaces(value)}`);
    throw new ClusterError(command, {
      code,
      sentence:
        code === 'EROFS'
          ? `/proc/sys is read-only here, and ${first.name} has to be ${first.value}; nothing was changed`
          : `${first.name} can't be written, and has to be ${first.value}; nothing was changed`,
      hint:
        code === 'EROFS'
          ? `start the container with ${options.join(' ')}, or with --privileged; ` +
            'in Compose they are sysctls:, in Kubernetes securityContext.sysctls'
          : 'run it as root of the user namespace that owns this network namespace',
    });
  }

  async survey(settings: readonly string[]): Promise<Survey> {
    const files = ['tcp', 'tcp6', 'udp', 'udp6'] as const;
    const [addresses, rights, ipvs, writable, ...texts] = await Promise.all([
      this.network.addresses(),
      missingCapability(),
      this.ipvs.getInfo().then(
        () => undefined,
        (error: unknown) => error as IpvsError,
      ),
      Promise.all(settings.map((name) => this.sysctl.isWritable(name))),
      ...files.map((file) => this.network.readProc(`net/${file}`)),
    ]);
    const listeners = files.flatMap((file, index) =>
      parseListeners(file.startsWith('tcp') ? 'tcp' : 'udp', texts[index] ?? ''),
    );
    const refused = settings.find((_, index) => writable[index] === false);
    const readOnly =
      refused !== undefined && (await whyNotWritable(refused)) === 'EROFS' ? refused : undefined;
    return {
      addresses,
      listeners,
      ...(rights && { rights }),
      ...(ipvs && {
        ipvs: {
          code: ipvs.code,
          sentence: ipvs.message,
          ...(ipvs.hint !== undefined && { hint: ipvs.hint }),
        },
      }),
      ...(readOnly !== undefined && { readOnly }),
    };
  }

  async occupantsOf(resource: Resource): Promise<string | undefined> {
    if (resource.kind === 'service') {
      const look = new Tables(this);
      const left = await look.destinationsOf(resource);
      if (left.length === 0) return undefined;
      const [{ address, port } = { address: '', port: 0 }] = left;
      return `it has ${left.length} real servers of somebody else, such as ${address} port ${port}`;
    }
    if (resource.kind === 'link') {
      const all = await this.network.addresses({ interface: resource.name });
      const own = all.filter(({ scope }) => scope !== 'link');
      return own.length === 0 ? undefined : `it has the address ${own[0]?.address ?? ''} on it`;
    }
    return undefined;
  }

  async announce(
    interfaceName: string,
    addresses: readonly string[],
    { signal, ...options }: AnnounceOptions,
  ): Promise<void> {
    try {
      await this.network.announce({
        interface: interfaceName,
        addresses,
        ...options,
        ...(signal && { signal: signal }),
      });
    } catch (error) {
      // A dummy has no neighbours that could be told.
      if ((error as { code?: string }).code !== 'EOPNOTSUPP') throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.network.close(), this.sysctl.close(), this.ipvs.close()]);
  }
}

function quoteSpaces(value: string): string {
  return value.includes(' ') ? `"${value}"` : value;
}

// The mount is the process's, whichever network namespace the setting is of.
async function whyNotWritable(name: string): Promise<string> {
  const path = name.includes('/') ? name : name.replaceAll('.', '/');
  try {
    await access(`/proc/sys/${path}`, constants.W_OK);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'EROFS') return code;
  }
  return 'EACCES';
}

/** What was read for one look: each table once. */
class Tables {
  readonly #machine: KernelMachine;
  #links: Promise<Map<string, Link>> | undefined;
  #addresses: Promise<InterfaceAddress[]> | undefined;
  #routes: Promise<Route[]> | undefined;
  #rules: Promise<Rule[]> | undefined;
  #neighbours: Promise<Neighbour[]> | undefined;
  #fouPorts: ReturnType<Network['fouPorts']> | undefined;
  #marks: ReturnType<Network['marks']> | undefined;
  #daemons: ReturnType<Ipvs['listSyncDaemons']> | undefined;
  readonly #destinations = new Map<string, Promise<Destination[]>>();

  constructor(machine: KernelMachine) {
    this.#machine = machine;
  }

  async at(resource: Resource): Promise<Value> {
    const { network, sysctl, ipvs } = this.#machine;
    switch (resource.kind) {
      case 'sysctl': {
        // Several numbers are told with tabs between them, and may be set with spaces.
        const text = await sysctl.get(resource.name);
        return text?.replaceAll('\t', ' ') ?? null;
      }
      case 'link': {
        const link = await this.#link(resource.name);
        return link === undefined ? null : linkValue(link);
      }
      case 'link-state': {
        const link = await this.#link(resource.name);
        return link === undefined ? null : { up: link.up };
      }
      case 'address': {
        const all = await (this.#addresses ??= network.addresses());
        const found = all.find(
          (each) => each.interface === resource.interface && each.address === resource.address,
        );
        return found === undefined ? null : addressValue(found);
      }
      case 'route': {
        const all = await (this.#routes ??= network.routes());
        const found = all.find((each) => isRoute(each, resource));
        return found === undefined ? null : routeValue(found);
      }
      case 'rule': {
        const all = await (this.#rules ??= network.rules());
        return all.some((each) => isRule(each, resource)) ? {} : null;
      }
      case 'proxy': {
        const all = await (this.#neighbours ??= network.neighbours());
        const found = all.some(
          ({ proxy, address, interface: name }) =>
            proxy && address === resource.address && name === resource.interface,
        );
        return found ? {} : null;
      }
      case 'fou-port': {
        const all = await (this.#fouPorts ??= network.fouPorts());
        const found = all.find(
          ({ port, family = 'ipv4' }) => port === resource.port && family === resource.family,
        );
        return found === undefined ? null : { type: found.type };
      }
      case 'mark': {
        const all = await (this.#marks ??= network.marks());
        const { address, protocol, fwmark } = resource;
        const found = all.find(
          (each) => each.address === address && each.protocol === protocol && each.mark === fwmark,
        );
        return found === undefined ? null : { ports: (found.ports ?? []).map(portText) };
      }
      case 'service': {
        const service = await ipvs.getService(resource.service);
        return service === undefined ? null : serviceValue(service);
      }
      case 'destination': {
        const all = await this.destinationsOf(resource);
        const found = all.find(
          ({ address, port }) => address === resource.address && port === resource.port,
        );
        return found === undefined ? null : destinationValue(found);
      }
      case 'sync-daemon': {
        const all = await (this.#daemons ??= ipvs.listSyncDaemons());
        const found = all.find(({ role }) => role === resource.role);
        if (found === undefined) return null;
        return { ...found };
      }
      default:
        return null;
    }
  }

  async #link(name: string): Promise<Link | undefined> {
    this.#links ??= this.#machine.network
      .links()
      .then((all) => new Map(all.map((each) => [each.name, each])));
    return (await this.#links).get(name);
  }

  /** None where the service is not there. */
  destinationsOf({ service }: ServiceResource | DestinationResource): Promise<Destination[]> {
    const key = serviceKeyOf(service);
    let found = this.#destinations.get(key);
    if (found === undefined) {
      found = this.#machine.ipvs.listDestinations(service).catch((error: unknown) => {
        if ((error as { code?: string }).code === 'ESRCH') return [];
        throw error;
      });
      this.#destinations.set(key, found);
    }
    return found;
  }
}

// ---- values of what there is, and what makes it again

function recordOf(value: Value): ValueRecord {
  return isRecord(value) ? value : {};
}

/** Without what is null: the library leaves that out. */
function given(value: Value): ValueRecord {
  return Object.fromEntries(Object.entries(recordOf(value)).filter(([, each]) => each !== null));
}

const portText = (port: number | PortRange): string =>
  typeof port === 'number' ? String(port) : `${port.from}-${port.to}`;

function markRule({ family, address, protocol, fwmark }: MarkResource, value: Value): MarkRule {
  const ports = (recordOf(value)['ports'] as readonly string[]).map((text) => {
    const [from = 0, to] = text.split('-').map(Number);
    return to === undefined ? from : { from, to };
  });
  return { family, address, protocol, ports, mark: fwmark };
}

function linkValue({ kind, mtu, tunnel }: Link): ValueRecord {
  return {
    type: kind ?? null,
    mtu,
    local: tunnel?.local ?? null,
    remote: tunnel?.remote ?? null,
    ttl: tunnel?.ttl ?? null,
    checksum: tunnel?.checksum ?? false,
    external: tunnel?.external ?? false,
  };
}

function linkConfig({ name }: LinkResource, value: Value): LinkConfig {
  const { type, ...settings } = given(value);
  return { name, kind: type, ...settings } as unknown as LinkConfig;
}

function addressValue(address: InterfaceAddress): ValueRecord {
  const { prefix, scope, label, noPrefixRoute, noDad, deprecated, broadcast } = address;
  return {
    prefix,
    scope,
    label: label === address.interface ? null : (label ?? null),
    noPrefixRoute,
    noDad,
    deprecated,
    broadcast: broadcast ?? null,
  };
}

function addressConfig(resource: AddressResource, value: Value): AddressConfig {
  const { deprecated, scope, noDad, ...settings } = given(value);
  const isIPv6 = familyOf(resource.address) === 'ipv6';
  return {
    interface: resource.interface,
    address: resource.address,
    ...settings,
    // The kernel chooses the one for IPv6, and knows the other for IPv6 only.
    ...(!isIPv6 && scope !== undefined && { scope }),
    ...(isIPv6 && noDad !== undefined && { noDad }),
    ...(deprecated === true && { preferredLifetime: 0 }),
  } as AddressConfig;
}

// Where Linux puts a route of IPv6 that nobody gave a metric (IP6_RT_PRIO_USER).
const IPV6_METRIC = 1024;

function isRoute(route: Route, { family, destination, table }: RouteResource): boolean {
  return (
    route.family === family &&
    route.table === table &&
    destinationOf(route.destination, family) === destinationOf(destination, family) &&
    (route.metric ?? 0) === (family === 'ipv6' && route.metric !== undefined ? IPV6_METRIC : 0)
  );
}

function destinationOf(text: string, family: 'ipv4' | 'ipv6'): string {
  return text === 'default' || text.includes('/') ? text : `${text}/${hostPrefix(family)}`;
}

function routeValue(route: Route): ValueRecord {
  const { type, scope, protocol, nextHops } = route;
  return {
    type,
    scope,
    protocol,
    interface: route.interface ?? null,
    gateway: route.gateway ?? null,
    source: route.source ?? null,
    metric: route.metric ?? null,
    onLink: route.onLink ?? false,
    mtu: route.mtu ?? null,
    advertisedMss: route.advertisedMss ?? null,
    nextHops: nextHops?.map((each) => ({ ...each })) ?? null,
  };
}

function routeConfig({ destination, family, table }: RouteResource, value: Value): RouteConfig {
  const { scope, ...settings } = given({ ...recordOf(value), nextHops: null });
  return {
    destination,
    family,
    table,
    ...settings,
    ...(family === 'ipv4' && scope !== undefined && { scope }),
  } as RouteConfig;
}

function isRule(rule: Rule, wanted: Resource & { kind: 'rule' }): boolean {
  return (
    rule.family === wanted.family &&
    rule.priority === wanted.priority &&
    rule.fwmark === wanted.fwmark &&
    rule.fwmask === undefined &&
    rule.table === wanted.table &&
    rule.action === 'table' &&
    rule.source === undefined &&
    rule.destination === undefined &&
    rule.inputInterface === undefined &&
    rule.outputInterface === undefined &&
    rule.inverted !== true &&
    rule.otherConditions !== true
  );
}

function serviceValue({ scheduler, schedulerFlags, persistence, onePacket }: Service): ValueRecord {
  return {
    scheduler,
    schedulerFlags: [...schedulerFlags].sort(),
    onePacket,
    persistence:
      persistence === undefined
        ? null
        : {
            timeout: persistence.timeout,
            netmask: persistence.netmask,
            engine: persistence.engine ?? null,
          },
  };
}

function destinationValue(destination: Destination): ValueRecord {
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnel } = destination;
  return {
    forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
    tunnel: tunnel === undefined ? null : { ...tunnel },
  };
}

function isSettingOfIpvs(resource: Resource): boolean {
  return resource.kind === 'sysctl' && resource.name.startsWith('net.ipv4.vs.');
}

function isTable({ kind }: Resource): boolean {
  return kind === 'service' || kind === 'destination';
}

function operationOf({ resource, before, after }: Write): Operation {
  if (resource.kind === 'service') {
    const { service } = resource;
    if (after === null) return { op: 'removeService', service };
    const { persistence, ...settings } = given(after);
    const config = {
      ...service,
      ...settings,
      ...(persistence !== undefined && { persistence: given(persistence) }),
    } as unknown as ServiceConfig;
    return { op: before === null ? 'addService' : 'replaceService', service: config };
  }
  const { service, address, port } = resource as DestinationResource;
  const key = { address, port };
  if (after === null) return { op: 'removeDestination', service, destination: key };
  const destination = { ...key, ...given(after) } as unknown as DestinationConfig;
  return { op: before === null ? 'addDestination' : 'replaceDestination', service, destination };
}
