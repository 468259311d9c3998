// The same changes as lines for a shell, with ip, sysctl, ipvsadm and nft.

import { NFT_TABLE, chainOf, noteOf } from '../network/mark-names.js';
import { routeWordsOf } from '../network/route-words.js';
import { isRecord, leftOf, placesOf, recordOf, serviceKeyOf, textOf } from './resources.js';
import type {
  AddressResource,
  DestinationResource,
  FouPortResource,
  MarkResource,
  Resource,
  RouteResource,
  RuleResource,
  SnatResource,
} from './resources.js';
import { familyOf } from './networks.js';
import type { AddressFamily, ServiceKey } from '../types.js';
import type { Value, ValueRecord } from './types.js';

/** A word as a POSIX shell reads it back. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command that makes `after` of `before`; it may be several lines. */
export function shellOf(resource: Resource, before: Value, after: Value): string {
  const lines = commandsOf(resource, before, after);
  return lines
    .map((words) => (typeof words === 'string' ? words : words.map(quote).join(' ')))
    .join('\n');
}

/** The command that has it as it was, whether it is still there or went along with something. */
export function shellToKeep(resource: Resource, value: Value): string {
  const shell = shellOf(resource, null, value);
  return resource.kind === 'address'
    ? shell.replace(/^ip address add /, 'ip address replace ')
    : shell;
}

type Command = readonly string[] | string;

function commandsOf(resource: Resource, before: Value, after: Value): Command[] {
  const add = after !== null;
  const settings = recordOf(after);
  switch (resource.kind) {
    case 'sysctl':
      return add ? [['sysctl', '-qw', `${resource.name}=${textOf(after)}`]] : [];
    case 'link':
      if (!add) return [['ip', 'link', 'delete', resource.name]];
      return [['ip', 'link', 'add', resource.name, ...linkWords(settings)]];
    case 'link-state':
      return [['ip', 'link', 'set', resource.name, settings['up'] === true ? 'up' : 'down']];
    case 'address':
      return addressCommands(resource, before, after);
    case 'route':
      return [routeCommand(resource, before, after)];
    case 'rule':
      return [ruleCommand(resource, add)];
    case 'proxy': {
      const { address, interface: place } = resource;
      return [['ip', 'neighbour', add ? 'add' : 'delete', 'proxy', address, 'dev', place]];
    }
    case 'fou-port':
      return [fouCommand(resource, after)];
    case 'mark':
      return markLines(resource, add);
    case 'snat':
      return snatLines(resource, add);
    case 'service': {
      const key = serviceWords(resource.service);
      if (!add) return [['ipvsadm', '-D', ...key]];
      return [['ipvsadm', before === null ? '-A' : '-E', ...key, ...serviceOptions(settings)]];
    }
    case 'destination': {
      const real = endpoint(resource.address, portOf(resource));
      const key = [...serviceWords(resource.service), '-r', real];
      if (!add) return [['ipvsadm', '-d', ...key]];
      return [['ipvsadm', before === null ? '-a' : '-e', ...key, ...destinationOptions(settings)]];
    }
    case 'sync-daemon':
      if (!add) return [['ipvsadm', '--stop-daemon', resource.role]];
      return [['ipvsadm', '--start-daemon', resource.role, ...daemonOptions(settings)]];
  }
}

function ipOf(family: AddressFamily): string[] {
  return family === 'ipv6' ? ['ip', '-6'] : ['ip'];
}

function addressCommands(resource: AddressResource, before: Value, after: Value): string[][] {
  const { address, interface: name } = resource;
  const { prefix = null } = recordOf(after);
  const own = (verb: string, length: Value): string[] => [
    'ip',
    'address',
    verb,
    `${address}/${textOf(length)}`,
    'dev',
    name,
  ];
  // With the new one there, the routes by the interface outlive the old one.
  const places = placesOf(before).map((each) => each['prefix'] ?? null);
  const isNew = after !== null && !places.includes(prefix);
  return [
    ...(isNew ? [[...own('add', prefix), ...addressWords(address, recordOf(after))]] : []),
    ...places
      .filter((each) => after === null || each !== prefix)
      .map((each) => own('delete', each)),
  ];
}

function routeCommand(resource: RouteResource, before: Value, after: Value): Command {
  const { family, destination, table, metric = null, tos = null } = resource;
  const add = after !== null;
  const settings = recordOf(add ? after : before);
  const all = { ...settings, metric: settings['metric'] ?? metric, tos };
  const words = add ? routeWords(family, all) : pairs(all, ROUTE_WORDS);
  if (words === undefined) {
    const sentence = `the route to ${destination} has something that ip-route(8) has no words for`;
    return `{ echo ${quote(sentence)} >&2; false; }`;
  }
  const type = settings['type'] ?? 'unicast';
  return [
    ...ipOf(family),
    'route',
    add ? 'replace' : 'delete',
    ...(type === 'unicast' ? [] : [textOf(type)]),
    destination,
    ...words,
    ...(table === 254 ? [] : ['table', String(table)]),
  ];
}

// What tells one from another.
const ROUTE_WORDS = { tos: 'tos', metric: 'metric', interface: 'dev' };

function ruleCommand({ family, priority, fwmark, table }: RuleResource, add: boolean): string[] {
  const what = pairs({ priority, fwmark, table }, RULE_WORDS);
  return [...ipOf(family), 'rule', add ? 'add' : 'delete', ...what];
}

const RULE_WORDS = { priority: 'priority', fwmark: 'fwmark', table: 'table' };

function fouCommand({ family, port }: FouPortResource, after: Value): string[] {
  const add = after !== null;
  const type = isRecord(after) ? [textOf(after['type'] ?? 'gue')] : [];
  const own = ['ip', 'fou', add ? 'add' : 'delete', 'port', String(port), ...type];
  return family === 'ipv6' ? [...own, '-6'] : own;
}

/** `name value` for each that is there. */
function pairs(settings: ValueRecord, names: Readonly<Record<string, string>>): string[] {
  return Object.entries(names).flatMap(([property, option]) => {
    const value = settings[property] ?? null;
    return value === null ? [] : [option, textOf(value)];
  });
}

function linkWords(settings: ValueRecord): string[] {
  const type = textOf(settings['type'] ?? '');
  return [
    'type',
    type,
    ...(type === 'ip6tnl' ? ['mode', 'any'] : []),
    ...pairs(settings, { local: 'local' }),
    ...(settings['checksum'] === true ? ['csum'] : []),
  ];
}

function addressWords(address: string, settings: ValueRecord): string[] {
  const scope = settings['scope'] ?? null;
  return [
    ...(scope === null || scope === 'global' || familyOf(address) === 'ipv6'
      ? []
      : ['scope', textOf(scope)]),
    ...pairs(settings, { label: 'label', broadcast: 'broadcast' }),
    ...(settings['noPrefixRoute'] === true ? ['noprefixroute'] : []),
    ...(settings['noDad'] === true ? ['nodad'] : []),
    ...pairs({ validUntil: leftOf(settings['validUntil']) ?? null }, { validUntil: 'valid_lft' }),
    ...(settings['deprecated'] === true
      ? ['preferred_lft', '0']
      : pairs({ until: leftOf(settings['preferredUntil']) ?? null }, { until: 'preferred_lft' })),
  ];
}

// What `ip route` says by itself, and what is no protocol.
const OWN_PROTOCOLS: ReadonlySet<Value> = new Set([null, 'boot']);

/** Behind the destination; undefined where not all that it has can be said. */
function routeWords(family: AddressFamily, settings: ValueRecord): string[] | undefined {
  const { other = null, nextHops = null, expiresAt = null, protocol = null } = settings;
  const said = routeWordsOf(typeof other === 'string' ? other : '');
  if (said === undefined) return undefined;
  const { nextHopId, onLink, rest, locked } = said;
  const hops = Array.isArray(nextHops) ? (nextHops as readonly Value[]).map(recordOf) : [];
  const metric = (name: 'mtu' | 'advmss', value: Value = null): string[] =>
    value === null ? [] : [name, ...(locked.has(name) ? ['lock'] : []), textOf(value)];
  const isObject = nextHopId !== undefined;
  const way = isObject ? ['nhid', nextHopId] : wayWords(family, settings, settings['onLink']);
  return [
    ...pairs(settings, { tos: 'tos' }),
    ...(isObject || hops.length === 0 ? way : []),
    ...pairs(settings, { source: 'src', metric: 'metric' }),
    ...metric('mtu', settings['mtu']),
    ...metric('advmss', settings['advertisedMss']),
    ...(OWN_PROTOCOLS.has(protocol) ? [] : pairs(settings, { protocol: 'proto' })),
    ...scopeWords(family, settings),
    ...rest,
    ...pairs({ expires: leftOf(expiresAt) ?? null }, { expires: 'expires' }),
    ...(isObject ? [] : hops).flatMap((hop, index) => [
      'nexthop',
      ...wayWords(family, hop, onLink[index]),
      ...pairs(hop, { weight: 'weight' }),
    ]),
  ];
}

function wayWords(family: AddressFamily, way: ValueRecord, onLink: Value = false): string[] {
  const { gateway = null } = way;
  const isOther = typeof gateway === 'string' && familyOf(gateway) !== family;
  return [
    ...(typeof gateway === 'string' ? ['via', ...(isOther ? ['inet6'] : []), gateway] : []),
    ...pairs(way, { interface: 'dev' }),
    ...(onLink === true ? ['onlink'] : []),
  ];
}

/** Where it is not what `ip route` takes by itself. */
function scopeWords(family: AddressFamily, settings: ValueRecord): string[] {
  const { type = 'unicast', scope = null } = settings;
  if (family === 'ipv6' || scope === null || scope === usualScope(type, settings)) return [];
  return ['scope', textOf(scope)];
}

function usualScope(type: Value, { gateway = null, nextHops = null }: ValueRecord): string {
  if (type === 'local') return 'host';
  const isDirect = type === 'unicast' && gateway === null && nextHops === null;
  return isDirect || type === 'broadcast' ? 'link' : 'global';
}

function endpoint(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

// ipvsadm wants a port behind brackets.
function portOf({ service, address, port }: DestinationResource): number | undefined {
  const isAny = service.fwmark !== undefined && port === 0;
  return isAny && familyOf(address) === 'ipv4' ? undefined : port;
}

const PROTOCOL_OPTIONS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

function serviceWords(service: ServiceKey): string[] {
  if (service.fwmark !== undefined) {
    return ['-f', String(service.fwmark), ...(service.family === 'ipv6' ? ['-6'] : [])];
  }
  return [PROTOCOL_OPTIONS[service.protocol], endpoint(service.address, service.port)];
}

function serviceOptions(settings: ValueRecord): string[] {
  const flags = settings['schedulerFlags'];
  const persistence = settings['persistence'] ?? null;
  return [
    ...pairs(settings, { scheduler: '-s' }),
    ...(Array.isArray(flags) && flags.length > 0 ? ['-b', flags.join(',')] : []),
    ...(isRecord(persistence)
      ? pairs(persistence, { timeout: '-p', netmask: '-M', engine: '--pe' })
      : []),
    ...pairs(settings, { engine: '--pe' }),
    ...(settings['onePacket'] === true ? ['-o'] : []),
  ];
}

const FORWARDING_OPTIONS: Readonly<Record<string, string>> = { nat: '-m', dr: '-g', tun: '-i' };

function destinationOptions(settings: ValueRecord): string[] {
  const tunnel = settings['tunnel'] ?? null;
  const checksum = isRecord(tunnel) ? tunnel['checksum'] : 'none';
  return [
    FORWARDING_OPTIONS[textOf(settings['forwarding'] ?? '')] ?? '-g',
    ...(isRecord(tunnel) ? ['--tun-type', textOf(tunnel['type'] ?? 'ipip')] : []),
    ...(isRecord(tunnel) ? pairs(tunnel, { port: '--tun-port' }) : []),
    ...(checksum === 'csum' ? ['--tun-csum'] : checksum === 'remcsum' ? ['--tun-remcsum'] : []),
    ...pairs(settings, { weight: '-w', upperThreshold: '-x', lowerThreshold: '-y' }),
  ];
}

function daemonOptions(settings: ValueRecord): string[] {
  return pairs(settings, {
    interface: '--mcast-interface',
    syncId: '--syncid',
    maxLength: '--sync-maxlen',
    group: '--mcast-group',
    port: '--mcast-port',
    ttl: '--mcast-ttl',
  });
}

// The same table, chain and rules as the library makes, so that each takes back what the other has
// made. The chain is emptied first: the lines can be repeated.
function markLines(resource: MarkResource, add: boolean): Command[] {
  const { fwmark, family, protocol, address, ports } = resource;
  const marked = { address, protocol, mark: fwmark };
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  const table = `${ip} ${NFT_TABLE}`;
  const chain = `${table} ${chainOf(marked)}`;
  if (!add) {
    return [
      `nft 'flush chain ${chain}; delete chain ${chain}'`,
      // With what somebody else has put into it, the table stays.
      `test "$(nft list table ${table} | wc -l)" -gt 2 || nft delete table ${table}`,
    ];
  }
  return [
    `nft -f - <<'END'`,
    `add table ${table}`,
    `add chain ${chain} { type filter hook prerouting priority mangle; policy accept; }`,
    `flush chain ${chain}`,
    ...ports.map(
      (each) =>
        `add rule ${chain} ${ip} daddr ${address} ${protocol} dport ${each} ` +
        `meta mark set ${fwmark} comment "${noteOf(marked, each)}"`,
    ),
    'END',
  ];
}

function snatLines({ family, protocol, address, port }: SnatResource, add: boolean): Command[] {
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  const table = `${ip} ipvs_snat_${protocol}_${port}_${address.replaceAll(/[.:]/g, '_')}`;
  if (!add) return [`nft delete table ${table}`];
  return [
    `nft -f - <<'END'`,
    `add table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    meta l4proto ${protocol} ct original ${ip} daddr ${address} ct original proto-dst ${port} masquerade`,
    '  }',
    '}',
    'END',
  ];
}

/** For a sentence: `tcp 192.168.51.11:80`. */
export function nameOfService(service: ServiceKey): string {
  if (service.fwmark !== undefined) return serviceKeyOf(service);
  return `${service.protocol} ${endpoint(service.address, service.port)}`;
}
