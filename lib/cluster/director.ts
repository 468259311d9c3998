// A director: it has the virtual addresses and hands connections out.

import type { ServiceKey } from '../types.js';
import { nodesOf, realAddress } from './model.js';
import type { Model, ModelNode, ModelService } from './model.js';
import { hostPrefix } from './networks.js';
import { profileWants } from './profile.js';
import { fits, serviceValue, settingOf } from './resources.js';
import type { Resource } from './resources.js';
import { gatewayWants } from './side.js';
import { sysctl } from './wanted.js';
import type { Facts, Wanted } from './wanted.js';
import type { Value } from './types.js';

/** Rules and a table of our own for firewall marks: their number is both, so that one finds the other. */
const MARK_TABLE = 20_000;

export function directorWants(model: Model, node: ModelNode, facts: Facts): Wanted[] {
  return [
    ...gatewayWants(node.gateways, 'the description names it as the gateway', facts),
    ...forwardingWants(model, node),
    ...profileWants(model, node, facts),
    ...model.services.flatMap((service) => serviceWants(model, service)),
    // What brings packets here follows the table: before, this host's own TCP would answer, with resets.
    ...markWants(model, facts),
    ...vipWants(model, node),
    // Clients are served also where it can't start.
    ...syncWants(model, node),
  ];
}

/** Where a director has a virtual address. */
export function vipInterface(node: ModelNode, vip: { interface: string | undefined }): string {
  return vip.interface ?? node.outside.interface;
}

function forwardingWants(model: Model, node: ModelNode): Wanted[] {
  const nat = model.services.filter(({ mode }) => mode === 'nat');
  const wanted: Wanted[] = [];
  if (nat.some(({ family }) => family === 'ipv4')) {
    const { inside, outside } = node;
    const interfaces = new Set(['all', inside.interface, outside.interface]);
    wanted.push(
      {
        resource: sysctl('net.ipv4.ip_forward'),
        value: '1',
        reason: 'VS/NAT: the answers of real servers pass the director like a router',
      },
      // After ip_forward, which makes Linux send redirects; both have to say no (IN_DEV_ORCONF).
      ...[...interfaces].map((name): Wanted => ({
        resource: sysctl(settingOf('ipv4', name, 'send_redirects')),
        value: '0',
        reason:
          'VS/NAT on one network: a redirect would tell real servers to answer past the director',
      })),
    );
  }
  if (nat.some(({ family }) => family === 'ipv6')) {
    wanted.push({
      resource: sysctl('net.ipv6.conf.all.forwarding'),
      value: '1',
      reason: 'VS/NAT: the answers of real servers pass the director like a router',
    });
  }
  if (model.services.some(({ snat }) => snat)) {
    wanted.push({
      resource: sysctl('net.ipv4.vs.conntrack'),
      value: '1',
      reason: 'rules for nftables see the connections of IPVS only with it (ipvs-sysctl.rst)',
    });
  }
  return wanted;
}

function vipWants(model: Model, node: ModelNode): Wanted[] {
  if (node.state !== 'master') return [];
  const wanted = model.vips.map((vip): Wanted => ({
    resource: { kind: 'address', interface: vipInterface(node, vip), address: vip.address },
    value: vipValue(vip.family),
    accepts: (present) => vip.family === 'ipv6' || fits({ scope: 'global' }, present),
    reason: 'clients look for the virtual address here; alone, it makes no route',
  }));
  const gateways = model.natGateways.map(({ address, family }): Wanted => ({
    resource: { kind: 'address', interface: node.inside.interface, address },
    value: vipValue(family),
    reason: 'VS/NAT: real servers send their answers to it, whichever director has it',
  }));
  return [...wanted, ...gateways];
}

function vipValue(family: 'ipv4' | 'ipv6'): Value {
  return family === 'ipv4'
    ? { prefix: 32, scope: 'global' }
    : // Without waiting for duplicates, and never chosen as a source.
      { prefix: 128, noDad: true, deprecated: true };
}

function markWants(model: Model, facts: Facts): Wanted[] {
  return model.services.flatMap((service): Wanted[] => {
    const { family, config, vips, protocols, ports } = service;
    if (config.fwmark === undefined) {
      return service.snat ? service.vips.map((address) => snatWant(service, address)) : [];
    }
    const { fwmark } = config;
    return [
      {
        resource: {
          kind: 'route',
          family,
          destination: 'default',
          table: MARK_TABLE,
        },
        value: { type: 'local', interface: 'lo' },
        reason:
          'marked packets are for this director, whatever their address (ip_vs_in is in INPUT)',
      },
      {
        resource: { kind: 'rule', family, priority: MARK_TABLE, fwmark, table: MARK_TABLE },
        value: {},
        reason: 'packets with the mark go by the table that keeps them here',
      },
      ...vips.flatMap((address) =>
        protocols.map((protocol): Wanted => ({
          resource: { kind: 'mark', fwmark, family, protocol, address, ports },
          value: { ports },
          reason: 'the mark makes one service of several ports',
          manual: facts.marks?.has(family) !== true,
        })),
      ),
    ];
  });
}

function snatWant({ family, protocols, config }: ModelService, address: string): Wanted {
  const [protocol = 'tcp'] = protocols;
  const port = config.port ?? 0;
  return {
    resource: { kind: 'snat', family, protocol, address, port },
    value: {},
    reason: 'real servers would answer clients of their own network directly',
    manual: true,
  };
}

function serviceWants(model: Model, service: ModelService): Wanted[] {
  const key = keyOfService(service);
  return [
    {
      resource: { kind: 'service', service: key },
      value: valueOfService(service),
      reason: `${service.path} of the description`,
    },
    ...service.realServers.flatMap((name): Wanted[] => {
      const node = model.nodes.get(name);
      const address = node && realAddress(service, node);
      if (node === undefined || address === undefined) return [];
      const resource: Resource = {
        kind: 'destination',
        service: key,
        address,
        port: service.realPort,
      };
      return [
        {
          resource,
          value: {
            forwarding: service.mode,
            weight: node.weight,
            upperThreshold: node.upperThreshold,
            lowerThreshold: node.lowerThreshold,
            ...(service.mode === 'tun' && { tunnel: { ...service.tunnel } }),
          },
          reason: `${name} is a real server of ${service.path}`,
        },
      ];
    }),
  ];
}

function keyOfService({ config, family }: ModelService): ServiceKey {
  return config.fwmark !== undefined
    ? { fwmark: config.fwmark, family }
    : { protocol: config.protocol, address: config.address, port: config.port };
}

/** As the kernel tells it: defaults filled in. */
function valueOfService({ config, family }: ModelService): Value {
  const { scheduler = 'wlc', schedulerFlags = [], persistence, onePacket = false } = config;
  return serviceValue({
    scheduler,
    schedulerFlags,
    onePacket,
    ...(persistence !== undefined && {
      persistence: {
        ...persistence,
        timeout: persistence.timeout ?? 300,
        netmask: canonicalMask(persistence.netmask, family),
      },
    }),
  });
}

function canonicalMask(netmask: string | number | undefined, family: string): string | number {
  if (family === 'ipv6') return netmask ?? hostPrefix('ipv6');
  if (typeof netmask === 'string') return netmask;
  const bits = netmask ?? 32;
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.');
}

function syncWants(model: Model, node: ModelNode): Wanted[] {
  const { sync } = model;
  if (sync === undefined) return [];
  const { interface: name = node.inside.interface, ...settings } = sync;
  const role = node.state;
  return [
    {
      resource: { kind: 'sync-daemon', role },
      value: {
        interface: name,
        syncId: 0,
        group: '224.0.0.81',
        port: 8848,
        ttl: 1,
        ...settings,
      },
      reason:
        role === 'master'
          ? 'the other directors learn of connections, so that these outlive a takeover'
          : 'it learns of connections, so that these outlive a takeover',
    },
  ];
}

/** Whether the cluster has directors that take over from each other. */
export function hasFailover(model: Model): boolean {
  return model.sync !== undefined || nodesOf(model, 'director').length > 1;
}
