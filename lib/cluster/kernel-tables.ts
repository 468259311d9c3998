// The values of resources as the kernel has them now.

import type { Ipvs } from '../ipvs.js';
import type { Network } from '../network/network.js';
import type { Sysctl } from '../network/sysctl.js';
import type { InterfaceAddress, Link, Neighbour, Route, Rule } from '../network/types.js';
import type { Destination } from '../types.js';
import {
  addressValue,
  destinationValue,
  isRoute,
  isRule,
  linkValue,
  portTexts,
  routeValue,
} from './kernel-values.js';
import { serviceKeyOf, serviceValue } from './resources.js';
import type { DestinationResource, Resource, ServiceResource } from './resources.js';
import type { Value } from './types.js';

export interface Handles {
  readonly network: Network;
  readonly sysctl: Sysctl;
  readonly ipvs: Ipvs;
}

/** What was read for one look: each table once. */
export class KernelTables {
  readonly #machine: Handles;
  #links: Promise<Map<string, Link>> | undefined;
  #addresses: Promise<InterfaceAddress[]> | undefined;
  #routes: Promise<Route[]> | undefined;
  #rules: Promise<Rule[]> | undefined;
  #neighbours: Promise<Neighbour[]> | undefined;
  #fouPorts: ReturnType<Network['fouPorts']> | undefined;
  #marks: ReturnType<Network['marks']> | undefined;
  #daemons: ReturnType<Ipvs['listSyncDaemons']> | undefined;
  readonly #destinations = new Map<string, Promise<Destination[]>>();

  constructor(machine: Handles) {
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
        const [found, ...others] = all.filter(
          (each) => each.interface === resource.interface && each.address === resource.address,
        );
        return found === undefined ? null : addressValue(found, others);
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
          (each) =>
            each.address === address &&
            each.protocol === protocol &&
            each.mark === fwmark &&
            each.ports !== undefined,
        );
        return found === undefined ? null : { ports: portTexts(found.ports ?? []) };
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
