// The node as the kernel has it: rtnetlink, sysctls and IPVS.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { release } from 'node:os';
import { Ipvs } from '../ipvs.js';
import { Network } from '../network/network.js';
import { Sysctl } from '../network/sysctl.js';
import type { IpvsError } from '../errors.js';
import { missingCapability } from '../rights.js';
import type {
  AddressFamily,
  DestinationConfig,
  OpenOptions,
  Operation,
  ServiceConfig,
  SyncDaemonConfig,
} from '../types.js';
import type { Survey } from './check.js';
import { ClusterError } from './errors.js';
import { KernelTables } from './kernel-tables.js';
import {
  addressConfig,
  addressValue,
  given,
  linkConfig,
  markRule,
  routeConfig,
  routeResource,
  routeValue,
} from './kernel-values.js';
import type { AnnounceOptions, Found, Machine, Placement, Surroundings, Write } from './machine.js';
import { isInTable, keyOf, placesOf, recordOf, settingOfNew } from './resources.js';
import type { AddressResource, DestinationResource, Resource } from './resources.js';
import type { Value } from './types.js';
import type { Observed } from './wanted.js';

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

// They come and go with addresses, and with what routers say.
const OF_THE_KERNEL: ReadonlySet<string | number> = new Set(['kernel', 'redirect', 'ra']);

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
    const look = new KernelTables(this);
    return Promise.all(resources.map((resource) => look.at(resource)));
  }

  async write(writes: readonly Write[]): Promise<(Error | undefined)[]> {
    if (writes.length > 0 && writes.every(({ resource }) => isInTable(resource))) {
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
        return this.#writeAddress(resource, before, after);
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

  identity(): Promise<string> {
    return this.network.identity();
  }

  /** First the new one, then what is otherwise: so the routes by the interface outlive it. */
  async #writeAddress(resource: AddressResource, before: Value, after: Value): Promise<void> {
    const { interface: name, address } = resource;
    const places = placesOf(before);
    const stays = after === null ? undefined : addressConfig(resource, after).prefix;
    if (after !== null && !places.some(({ prefix }) => prefix === stays)) {
      await this.network.addAddress(addressConfig(resource, after));
    }
    for (const { prefix, peer } of places) {
      if (prefix === stays) continue;
      await this.network.removeAddress({
        interface: name,
        address,
        prefix: prefix as number,
        ...(typeof peer === 'string' && { peer }),
      });
    }
  }

  async surroundings(): Promise<Surroundings> {
    const [links, addresses, routes] = await Promise.all([
      this.network.links(),
      this.network.addresses(),
      this.network.routes(),
    ]);
    const found = new Map<string, Found<AddressResource>>();
    for (const each of addresses) {
      const resource: AddressResource = {
        kind: 'address',
        interface: each.interface,
        address: each.address,
      };
      const key = keyOf(resource);
      const known = found.get(key);
      const others =
        known === undefined ? [] : [...placesOf(known.value).slice(1), addressValue(each)];
      found.set(key, {
        resource,
        value: known === undefined ? addressValue(each) : { ...known.value, others },
      });
    }
    return {
      interfaces: links.map(({ name }) => name),
      addresses: [...found.values()],
      routes: routes
        .filter(({ protocol, from }) => !OF_THE_KERNEL.has(protocol) && from === undefined)
        .map((each) => ({ resource: routeResource(each), value: routeValue(each) })),
    };
  }

  async facts(): Promise<Observed> {
    const [links, routes] = await Promise.all([
      this.network.links(),
      this.network.routes({ table: MAIN_TABLE }),
    ]);
    return {
      release: release(),
      mtus: Object.fromEntries(links.map(({ name, mtu }) => [name, mtu])),
      defaultRoutes: routes
        .filter(
          ({ destination, protocol, from, tos, type }) =>
            destination === 'default' &&
            protocol !== 'ra' &&
            from === undefined &&
            tos === undefined &&
            type === 'unicast',
        )
        .map((each) => ({ resource: routeResource(each), value: routeValue(each) })),
    };
  }

  canMark(family: AddressFamily): Promise<boolean> {
    return this.network.canMark(family);
  }

  async preflight(command: string, changes: readonly Write[]): Promise<void> {
    const missing = await missingCapability();
    if (missing !== undefined) throw new ClusterError(command, { code: 'EPERM', ...missing });
    const names = changes.flatMap(({ resource, before, after }) => {
      if (resource.kind !== 'sysctl') return [];
      const value = after as string;
      if (before !== null) return [{ name: resource.name, value }];
      // Of an interface that the plan makes: nobody can name it beforehand, but what it starts as.
      const name = settingOfNew(resource.name);
      return name === undefined ? [] : [{ name, value }];
    });
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

  async survey(settings: readonly string[], own: readonly Placement[]): Promise<Survey> {
    const [addresses, listeners, rights, ipvs, writable] = await Promise.all([
      this.network.addresses(),
      this.network.listeners(),
      missingCapability(),
      this.ipvs.getInfo().then(
        () => undefined,
        (error: unknown) => error as IpvsError,
      ),
      Promise.all(settings.map((name) => this.sysctl.isWritable(name))),
    ]);
    const refused = settings.find((_, index) => writable[index] === false);
    const readOnly =
      refused !== undefined && (await whyNotWritable(refused)) === 'EROFS' ? refused : undefined;
    const present = own.filter(({ address }) => addresses.some((each) => each.address === address));
    return {
      addresses,
      listeners,
      claimants: await this.#claimants(present),
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

  /** Who else answers for these addresses; nobody, where this process may not ask. */
  async #claimants(own: readonly Placement[]): Promise<Survey['claimants']> {
    if (own.length === 0) return [];
    const names = new Set(own.map((each) => each.interface));
    const found = await Promise.all(
      [...names].map(async (name) => {
        const addresses = own.filter((each) => each.interface === name);
        try {
          return await this.network.claimants(
            name,
            addresses.map(({ address }) => address),
          );
        } catch (error) {
          if (CANNOT_ASK.includes((error as { code?: string }).code ?? '')) return [];
          throw error;
        }
      }),
    );
    // A director of several interfaces on one link, or with a virtual MAC, hears itself.
    const ours = (await this.network.links()).map(({ address }) => address);
    return found
      .flat()
      .flatMap(({ interface: name, address, linkAddress = '' }) =>
        ours.includes(linkAddress) ? [] : [{ interface: name, address, linkAddress }],
      );
  }

  async occupantsOf(
    resource: Resource,
    gone: ReadonlySet<string> = new Set(),
  ): Promise<string | undefined> {
    if (resource.kind === 'service') {
      const look = new KernelTables(this);
      const { service } = resource;
      const left = (await look.destinationsOf(resource)).filter(
        ({ address, port }) => !gone.has(keyOf({ kind: 'destination', service, address, port })),
      );
      if (left.length === 0) return undefined;
      const [{ address, port } = { address: '', port: 0 }] = left;
      return `it has ${left.length} real servers of somebody else, such as ${address} port ${port}`;
    }
    if (resource.kind === 'link') {
      const all = await this.network.addresses({ interface: resource.name });
      const own = all.filter(
        ({ scope, address }) =>
          scope !== 'link' &&
          !gone.has(keyOf({ kind: 'address', interface: resource.name, address })),
      );
      return own.length === 0 ? undefined : `it has the address ${own[0]?.address ?? ''} on it`;
    }
    return undefined;
  }

  async mayAnnounce(command: string, interfaces: readonly string[]): Promise<void> {
    const missing = await missingCapability('CAP_NET_RAW');
    if (missing === undefined) return;
    const links = await this.network.links();
    const told = links.find(
      ({ name, arp, address }) => interfaces.includes(name) && arp && address !== undefined,
    );
    if (told === undefined) return;
    throw new ClusterError(command, {
      code: 'EPERM',
      sentence:
        `${missing.sentence}, which it takes to announce addresses on ${told.name}; ` +
        'nothing was changed',
      hint: missing.hint,
    });
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

// No CAP_NET_RAW; down; gone; without neighbours.
const CANNOT_ASK = ['EPERM', 'ENETDOWN', 'ENODEV', 'EOPNOTSUPP'];

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

function isSettingOfIpvs(resource: Resource): boolean {
  return resource.kind === 'sysctl' && resource.name.startsWith('net.ipv4.vs.');
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
