// The router between the clients' network and the cluster's.

import { isWithin, hostPrefix } from './networks.js';
import type { Model, ModelNode } from './model.js';
import { settingOf } from './resources.js';
import { sysctl } from './wanted.js';
import type { Facts, Wanted } from './wanted.js';
import { gatewayWants } from './side.js';

export function routerWants(model: Model, node: ModelNode, facts: Facts): Wanted[] {
  const { inside, outside } = node;
  const families = new Set(model.vips.map(({ family }) => family));
  const wanted: Wanted[] = [];
  if (families.has('ipv4')) {
    wanted.push({
      resource: sysctl('net.ipv4.ip_forward'),
      value: '1',
      reason: 'a router passes packets on',
    });
  }
  if (families.has('ipv6')) {
    wanted.push({
      resource: sysctl('net.ipv6.conf.all.forwarding'),
      value: '1',
      reason: 'a router passes packets on',
    });
  }
  wanted.push(...gatewayWants(node.gateways, 'the description names it as the gateway', facts));
  for (const { address, family } of model.vips) {
    if (inside.addresses.some((each) => each.prefix !== undefined && isWithin(address, each))) {
      continue; // it is on the link anyway
    }
    wanted.push({
      resource: {
        kind: 'route',
        family,
        destination: `${address}/${hostPrefix(family)}`,
        table: 254,
      },
      value: { interface: inside.interface, gateway: null },
      reason: 'the virtual address is behind this router; whichever director has it answers for it',
    });
    const networks = outside.addresses.filter(
      (each) => each.family === family && each.prefix !== undefined,
    );
    if (networks.length > 0 && !networks.some((each) => isWithin(address, each))) continue;
    if (family === 'ipv6') {
      wanted.push({
        resource: sysctl(settingOf('ipv6', outside.interface, 'proxy_ndp')),
        value: '1',
        reason: 'IPv6 looks at proxy entries only with it (ndisc_recv_ns)',
      });
    }
    wanted.push({
      resource: { kind: 'proxy', interface: outside.interface, address },
      value: {},
      reason:
        "clients in the virtual address's own network look for it on their link, " +
        'where only the router can answer (arp_process)',
    });
  }
  return wanted;
}
