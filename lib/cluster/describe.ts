// Changes as sentences.

import { isRecord, textOf } from './resources.js';
import type { Resource } from './resources.js';
import { nameOfService } from './shell.js';
import type { Value } from './types.js';

/** For example `Add the address 192.168.51.11/32 to lo.` */
export function describe(resource: Resource, before: Value, after: Value): string {
  const add = after !== null;
  const verb = !add ? 'Remove' : before === null ? 'Add' : 'Change';
  switch (resource.kind) {
    case 'sysctl':
      return `Set ${resource.name} to ${textOf(after)}${before === null ? '' : ` (it is ${textOf(before)})`}.`;
    case 'link':
      return add
        ? `Create the ${textOf(of(after, 'type'))} device ${resource.name}.`
        : `Remove the device ${resource.name}.`;
    case 'link-state':
      return `Set ${resource.name} ${of(after, 'up') === true ? 'up' : 'down'}.`;
    case 'address': {
      const prefix = textOf(of(add ? after : before, 'prefix'));
      if (verb === 'Change') {
        const from = `${resource.address}/${textOf(of(before, 'prefix'))}`;
        return `Change the address ${from} on ${resource.interface} to ${resource.address}/${prefix}.`;
      }
      return `${verb} the address ${resource.address}/${prefix} ${add ? 'to' : 'from'} ${resource.interface}.`;
    }
    case 'route': {
      const table = resource.table === 254 ? '' : ` in table ${resource.table}`;
      const to =
        resource.destination === 'default' ? 'default route' : `route to ${resource.destination}`;
      const family = resource.family === 'ipv6' ? 'IPv6 ' : '';
      return `${verb} the ${family}${to}${table}${add ? way(after) : ''}.`;
    }
    case 'rule':
      return `${verb} the rule that sends packets with the mark ${resource.fwmark} to table ${resource.table}.`;
    case 'proxy':
      return add
        ? `Answer for ${resource.address} on ${resource.interface}.`
        : `No longer answer for ${resource.address} on ${resource.interface}.`;
    case 'fou-port':
      return add
        ? `Take packets out of ${textOf(of(after, 'type')).toUpperCase()} on UDP port ${resource.port}.`
        : `No longer take packets out of UDP port ${resource.port}.`;
    case 'mark':
      return (
        `${add ? 'Mark' : 'No longer mark'} ${resource.protocol} packets to ` +
        `${resource.address}, ports ${resource.ports.join(', ')}, with ${resource.fwmark}.`
      );
    case 'snat':
      return `${add ? 'Rewrite' : 'No longer rewrite'} the client's address of connections to ${resource.address}:${resource.port}.`;
    case 'service':
      return `${verb} the service ${nameOfService(resource.service)}.`;
    case 'destination': {
      const name = resource.address.includes(':') ? `[${resource.address}]` : resource.address;
      const where = add ? 'to' : 'from';
      const own = `the real server ${name}:${resource.port}`;
      return `${verb} ${own} ${verb === 'Change' ? 'of' : where} ${nameOfService(resource.service)}.`;
    }
    case 'sync-daemon':
      return add
        ? `Start the ${resource.role} sync daemon on ${textOf(of(after, 'interface'))}.`
        : `Stop the ${resource.role} sync daemon.`;
  }
}

function of(value: Value, name: string): Value {
  return isRecord(value) ? (value[name] ?? null) : null;
}

function way(value: Value): string {
  const gateway = of(value, 'gateway');
  const device = of(value, 'interface');
  const via = gateway === null ? '' : ` via ${textOf(gateway)}`;
  const mss = of(value, 'advertisedMss');
  const size = mss === null ? '' : `, for TCP segments of ${textOf(mss)} bytes`;
  return `${via}${device === null ? '' : ` on ${textOf(device)}`}${size}`;
}
