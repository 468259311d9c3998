// From a cluster's description to its model, or to an error that names the place in the document.

import { INT_MAX, boolean, integer, list, port, quoted, string, word } from '../check.js';
import type { Input } from '../check.js';
import { invalidType, invalidValue } from '../errors.js';
import { interfaceName, parseDaemon } from '../options.js';
import type { AddressFamily, Persistence, Protocol, ServiceConfig, Tunnel } from '../types.js';
import { parseServiceConfig } from '../validate.js';
import { CHECKSUMS, PROTOCOLS, TUNNELS } from '../words.js';
import { realAddress, servicesOf } from './model.js';
import type { Model, ModelNode, ModelService, Side, Vip } from './model.js';
import { familyOf, parsePlaced, whyNotIn, whyNotOfHost } from './networks.js';
import type { Placed } from './networks.js';
import { serviceKeyOf } from './resources.js';
import { deviceFor } from './tunnels.js';
import type { Mode, Role } from './types.js';

const CLUSTER = [
  'mode',
  'vip',
  'services',
  'nodes',
  'tunnel',
  'gateway',
  'natGateway',
  'sync',
  'sysctl',
  'arp',
];
const SERVICE = [
  'protocol',
  'port',
  'fwmark',
  'ports',
  'vip',
  'mode',
  'tunnel',
  'scheduler',
  'schedulerFlags',
  'persistence',
  'onePacket',
  'realPort',
  'realServers',
  'snat',
];
const NODE = [
  'role',
  'interface',
  'address',
  'clients',
  'gateway',
  'state',
  'weight',
  'upperThreshold',
  'lowerThreshold',
  'sysctl',
];
const SYNC = ['syncId', 'interface', 'group', 'port', 'ttl', 'maxLength'];

const MODES: readonly Mode[] = ['nat', 'dr', 'tun'];
const ROLES: readonly Role[] = ['director', 'real-server', 'router'];

const IPIP: Tunnel = { type: 'ipip' };

/** Throws a TypeError or RangeError whose property is the path in the description. */
export function parseDescription(value: unknown): Model {
  const input = mapping(value, '', CLUSTER);
  const tunnel = parseTunnel(input['tunnel'], 'tunnel') ?? IPIP;
  const mode = input['mode'] === undefined ? undefined : choice(input['mode'], 'mode', MODES);
  const vips = parseVips(input['vip']);
  const gateways = parseGateways(input['gateway'], 'gateway') ?? [];
  const nodes = parseNodes(input['nodes'], gateways);
  const services = list(input['services'], 'services').flatMap((each, index) =>
    parseService(each, `services[${index}]`, { mode, tunnel, vips, nodes }),
  );
  const model: Model = {
    vips,
    services,
    nodes,
    natGateways: parseGateways(input['natGateway'], 'natGateway') ?? [],
    sync: parseSync(input['sync']),
    ...parseSysctl(input['sysctl']),
    arp: input['arp'] === undefined ? 'all' : choice(input['arp'], 'arp', ['all', 'interface']),
  };
  checkServices(model);
  checkTunnels(model);
  checkAddresses(model);
  checkGateways(model, gateways);
  checkDirectors(model);
  return model;
}

// ---- virtual addresses

function parseVips(value: unknown): Vip[] {
  const vips = several(value, 'vip', (each, path): Vip => {
    if (typeof each !== 'object' || each === null)
      return { ...bare(each, path), interface: undefined };
    const input = mapping(each, path, ['address', 'interface']);
    const own = input['interface'];
    return {
      ...bare(input['address'], `${path}.address`),
      interface: own === undefined ? undefined : interfaceName(own, `${path}.interface`),
    };
  });
  vips.forEach(({ address }, index) => {
    if (vips.findIndex((each) => each.address === address) !== index) {
      throw invalidValue(`vip[${index}]`, 'is there twice', address);
    }
  });
  return vips;
}

function bare(value: unknown, path: string): { address: string; family: AddressFamily } {
  const { address, family, prefix } = placed(value, path);
  if (prefix !== undefined) {
    throw invalidValue(path, 'must not have a prefix length: it is one address', value);
  }
  return { address, family };
}

function placed(value: unknown, path: string): Placed {
  const text = string(value, path);
  const result = parsePlaced(text);
  if (result !== undefined) {
    const why = whyNotOfHost(result.address) ?? whyNotIn(result.address, result);
    if (why !== undefined) throw invalidValue(path, `must be that of a host: it ${why}`, value);
    return result;
  }
  throw invalidValue(
    path,
    'must be an IPv4 or IPv6 address, which may have a prefix length such as /24',
    value,
  );
}

function parseGateways(value: unknown, path: string): Placed[] | undefined {
  if (value === undefined) return undefined;
  const gateways = several(value, path, bare);
  oneOfEachFamily(gateways, path);
  return gateways;
}

function oneOfEachFamily(addresses: readonly Placed[], path: string): void {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const those = addresses.filter((each) => each.family === family);
    if (those.length > 1) {
      const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
      throw invalidValue(path, `must have one ${name} address at most`, those[1]?.address);
    }
  }
}

// ---- nodes

function parseNodes(value: unknown, gateways: readonly Placed[]): ReadonlyMap<string, ModelNode> {
  const input = record(value, 'nodes');
  const nodes = new Map<string, ModelNode>();
  let masters = 0;
  for (const [name, each] of Object.entries(input)) {
    const path = `nodes.${name}`;
    if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name)) {
      throw invalidValue(path, "must have a name of letters, digits, '-', '_' and '.'", name);
    }
    const node = parseNode(name, each, path, gateways, masters === 0);
    if (node.roles.has('director') && node.state === 'master' && ++masters > 1) {
      throw invalidValue(
        `${path}.state`,
        "can't be 'master' too: one director has the VIP",
        'master',
      );
    }
    nodes.set(name, node);
  }
  return nodes;
}

function parseNode(
  name: string,
  value: unknown,
  path: string,
  gateways: readonly Placed[],
  first: boolean,
): ModelNode {
  const input = mapping(value, path, NODE);
  const roles = new Set(
    several(input['role'], `${path}.role`, (each, at) => choice(each, at, ROLES)),
  );
  const is = (role: Role): boolean => roles.has(role);
  const forRole = (property: string, ...wanted: readonly Role[]): unknown => {
    const given = input[property];
    if (given !== undefined && !wanted.some(is)) {
      throw invalidValue(`${path}.${property}`, `is for a ${wanted.join(' or ')} only`, given);
    }
    return given;
  };
  const threshold = (property: string, most: number, otherwise: number): number => {
    const given = forRole(property, 'real-server');
    return given === undefined ? otherwise : integer(given, `${path}.${property}`, 0, most);
  };
  const inside = {
    interface: networkInterface(input['interface'], `${path}.interface`),
    addresses: parseAddresses(input['address'], `${path}.address`),
  };
  const clients = forRole('clients', 'director', 'router');
  if (is('router') && clients === undefined) {
    throw invalidValue(`${path}.clients`, 'must be said: a router has two sides', clients);
  }
  const state = forRole('state', 'director');
  const upperThreshold = threshold('upperThreshold', INT_MAX, 0);
  return {
    name,
    roles,
    inside,
    outside: clients === undefined ? inside : parseSide(clients, `${path}.clients`, inside),
    gateways:
      parseGateways(input['gateway'], `${path}.gateway`) ??
      (is('director') || is('real-server') ? gateways : []),
    state:
      state !== undefined
        ? choice(state, `${path}.state`, ['master', 'backup'])
        : first
          ? 'master'
          : 'backup',
    weight: threshold('weight', INT_MAX, 1),
    upperThreshold,
    lowerThreshold: threshold('lowerThreshold', upperThreshold, 0),
    sysctls: parseSettings(input['sysctl'], `${path}.sysctl`),
  };
}

function parseSide(value: unknown, path: string, inside: Side): Side {
  if (typeof value === 'string') return sideAt(value, path, undefined, inside);
  const input = mapping(value, path, ['interface', 'address']);
  return sideAt(input['interface'], `${path}.interface`, input['address'], inside, path);
}

function sideAt(name: unknown, at: string, addresses: unknown, inside: Side, path = at): Side {
  const own = networkInterface(name, at);
  if (own === inside.interface) {
    throw invalidValue(at, 'must be another interface than that towards the real servers', own);
  }
  return { interface: own, addresses: parseAddresses(addresses, `${path}.address`) };
}

function networkInterface(value: unknown, path: string): string {
  const name = interfaceName(value, path);
  if (name === 'lo') throw invalidValue(path, 'must lead to other nodes', name);
  return name;
}

function parseAddresses(value: unknown, path: string): Placed[] {
  if (value === undefined) return [];
  const addresses = several(value, path, placed);
  oneOfEachFamily(addresses, path);
  return addresses;
}

// ---- services

interface Surroundings {
  readonly mode: Mode | undefined;
  readonly tunnel: Tunnel;
  readonly vips: readonly Vip[];
  readonly nodes: ReadonlyMap<string, ModelNode>;
}

/** One for each virtual address; for a mark, one for each family. */
function parseService(value: unknown, path: string, around: Surroundings): ModelService[] {
  const input = mapping(value, path, SERVICE);
  const mode =
    input['mode'] === undefined ? around.mode : choice(input['mode'], `${path}.mode`, MODES);
  if (mode === undefined) {
    throw invalidValue(`${path}.mode`, `must be one of ${quoted(MODES)}, here or for all`, mode);
  }
  if (input['tunnel'] !== undefined && mode !== 'tun') {
    throw invalidValue(`${path}.tunnel`, "goes with mode 'tun' only", input['tunnel']);
  }
  const marked = input['fwmark'] !== undefined;
  if (marked && input['port'] !== undefined) {
    throw invalidValue(
      `${path}.port`,
      "does not go with a firewall mark: it has 'ports'",
      input['port'],
    );
  }
  if (!marked && input['ports'] !== undefined) {
    throw invalidValue(`${path}.ports`, "goes with 'fwmark' only", input['ports']);
  }
  const protocols = parseProtocols(input['protocol'], `${path}.protocol`, marked);
  const vips = serviceVips(input['vip'], `${path}.vip`, around.vips);
  const ports = marked ? parsePorts(input['ports'], `${path}.ports`) : [];
  const own = marked ? 0 : port(input['port'], `${path}.port`);
  const snat = input['snat'] !== undefined && boolean(input['snat'], `${path}.snat`);
  if (snat && mode !== 'nat') throw invalidValue(`${path}.snat`, "goes with mode 'nat' only", true);
  if (snat && (marked || own === 0)) {
    throw invalidValue(`${path}.snat`, 'goes with a service of one port only', true);
  }
  const common = {
    path,
    mode,
    tunnel: parseTunnel(input['tunnel'], `${path}.tunnel`) ?? around.tunnel,
    realServers: parseRealServers(input['realServers'], `${path}.realServers`, around.nodes),
    realPort: parseRealPort(input, path, own, mode),
    protocols,
    ports,
    snat,
  };
  const families = new Set(vips.map(({ family }) => family));
  const configOf = (family: AddressFamily, key: object): ServiceConfig => {
    const settings = settingsFor(input, path, family, families.size > 1);
    const config = { ...key, ...settings } as unknown as ServiceConfig;
    parseServiceConfig(config, path);
    return config;
  };
  if (!marked) {
    return vips.map(({ address, family }) => ({
      ...common,
      family,
      vips: [address],
      config: configOf(family, { protocol: protocols[0], address, port: own }),
    }));
  }
  return [...families].map((family) => ({
    ...common,
    family,
    vips: vips.filter((each) => each.family === family).map(({ address }) => address),
    config: configOf(family, { fwmark: input['fwmark'], family }),
  }));
}

function settingsFor(input: Input, path: string, family: AddressFamily, mixed: boolean): Input {
  const settings: Record<string, unknown> = {};
  for (const name of ['scheduler', 'schedulerFlags', 'onePacket']) {
    if (input[name] !== undefined) settings[name] = input[name];
  }
  const value = input['persistence'];
  if (value === undefined) return settings;
  const at = `${path}.persistence`;
  const given = mapping(value, at, ['timeout', 'netmask', 'netmask6', 'engine']);
  const netmask6 = given['netmask6'];
  if (netmask6 !== undefined) integer(netmask6, `${at}.netmask6`, 1, 128);
  const netmask =
    family === 'ipv4' ? given['netmask'] : (netmask6 ?? (mixed ? undefined : given['netmask']));
  const { timeout, engine } = given as Persistence;
  settings['persistence'] = {
    ...(timeout !== undefined && { timeout }),
    ...(netmask !== undefined && { netmask }),
    ...(engine !== undefined && { engine }),
  };
  return settings;
}

function serviceVips(value: unknown, path: string, vips: readonly Vip[]): readonly Vip[] {
  if (value === undefined) return vips;
  return several(value, path, (each, at) => {
    const { address } = bare(each, at);
    const vip = vips.find((other) => other.address === address);
    if (vip === undefined) {
      const choices = vips.map((other) => other.address).join(', ');
      throw invalidValue(at, `must be one of the cluster's: ${choices}`, each);
    }
    return vip;
  });
}

/** One; for a mark one or several. */
function parseProtocols(value: unknown, path: string, marked: boolean): Protocol[] {
  if (marked && value === undefined) return ['tcp'];
  const one = (each: unknown, at: string): Protocol => PROTOCOLS.word(word(each, at, PROTOCOLS));
  if (!marked) return [one(value, path)];
  const protocols = several(value, path, one);
  protocols.forEach((each, index) => {
    if (protocols.indexOf(each) !== index) {
      throw invalidValue(`${path}[${index}]`, 'is there twice', each);
    }
  });
  return protocols;
}

/** In ascending order, each range as it is told by the kernel's side too. */
function parsePorts(value: unknown, path: string): string[] {
  const ranges = list(value, path).map((each, index) => parsePortRange(each, `${path}[${index}]`));
  if (ranges.length === 0) throw invalidValue(path, 'must not be empty: what is marked?', value);
  ranges.forEach((range, index) => {
    const other = ranges.slice(0, index).find((each) => overlap(each, range));
    if (other === undefined) return;
    throw invalidValue(`${path}[${index}]`, `is in ${rangeText(other)} already`, rangeText(range));
  });
  return ranges.sort((a, b) => a.first - b.first).map(rangeText);
}

interface Ports {
  readonly first: number;
  readonly last: number;
}

function parsePortRange(value: unknown, path: string): Ports {
  if (typeof value === 'number') {
    const only = integer(value, path, 1, 65535);
    return { first: only, last: only };
  }
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(string(value, path));
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (first >= 1 && last <= 65535 && first <= last) return { first, last };
  throw invalidValue(path, "must be a port, or a range of ports such as '1024-65535'", value);
}

const overlap = (one: Ports, other: Ports): boolean =>
  one.first <= other.last && other.first <= one.last;

const rangeText = ({ first, last }: Ports): string =>
  first === last ? String(first) : `${first}-${last}`;

function parseRealPort(input: Input, path: string, own: number, mode: Mode): number {
  if (input['realPort'] === undefined) return own;
  const at = `${path}.realPort`;
  const real = integer(input['realPort'], at, 1, 65535);
  if (mode !== 'nat' && real !== own) {
    throw invalidValue(
      at,
      `must be the service's port ${own}: only mode 'nat' can change it`,
      real,
    );
  }
  // ip_vs_sched_persist; every port is for persistent services only.
  if (own === 0 && (input['fwmark'] === undefined || input['persistence'] !== undefined)) {
    throw invalidValue(
      at,
      'does not go with many ports and persistence: each stays as it is',
      real,
    );
  }
  return real;
}

function parseRealServers(
  value: unknown,
  path: string,
  nodes: ReadonlyMap<string, ModelNode>,
): string[] {
  const all = [...nodes.values()].filter(({ roles }) => roles.has('real-server'));
  const names = all.map(({ name }) => name);
  if (value === undefined) return names;
  return list(value, path).map((each, index) => choice(each, `${path}[${index}]`, names));
}

function parseTunnel(value: unknown, path: string): Tunnel | undefined {
  if (value === undefined) return undefined;
  const input = mapping(value, path, ['type', 'port', 'checksum']);
  const type = TUNNELS.word(word(input['type'], `${path}.type`, TUNNELS));
  const checksum = input['checksum'];
  if (type !== 'gue' && input['port'] !== undefined) {
    throw invalidValue(`${path}.port`, 'goes with gue only', input['port']);
  }
  if (checksum !== undefined) {
    word(checksum, `${path}.checksum`, CHECKSUMS);
    if (type === 'ipip' || (type === 'gre' && checksum === 'remcsum')) {
      throw invalidValue(`${path}.checksum`, `does not go with ${type}`, checksum);
    }
  }
  if (type === 'ipip') return { type };
  const sum = { checksum: (checksum ?? 'none') as 'none' };
  if (type === 'gre') return { type, ...sum };
  return { type, port: integer(input['port'], `${path}.port`, 1, 65535), ...sum };
}

// ---- the rest

function parseSync(value: unknown): Model['sync'] {
  if (value === undefined) return undefined;
  const input = mapping(value, 'sync', SYNC);
  parseDaemon({ interface: 'lo', ...input, role: 'master' }, 'sync');
  return input;
}

function parseSysctl(value: unknown): Pick<Model, 'profile' | 'sysctls'> {
  if (value === undefined) return { profile: undefined, sysctls: [] };
  const input = mapping(value, 'sysctl', ['profile', 'settings']);
  const { profile } = input as { profile?: unknown };
  return {
    profile:
      profile === undefined ? undefined : choice(profile, 'sysctl.profile', ['director'] as const),
    sysctls: parseSettings(input['settings'], 'sysctl.settings'),
  };
}

function parseSettings(value: unknown, path: string): [name: string, value: string][] {
  if (value === undefined) return [];
  return Object.entries(record(value, path)).map(([name, each]) => {
    const at = `${path}.${name}`;
    if (!/^net([./][\w:@-]+)+$/.test(name)) {
      throw invalidValue(at, "must be a setting's name, such as net.ipv4.vs.conntrack", each);
    }
    if (typeof each === 'number') return [name, String(each)];
    const text = string(each, at);
    if (text === '' || /[\0\n]/.test(text)) throw invalidValue(at, 'must be one line', each);
    return [name, text];
  });
}

// ---- what concerns several parts

function checkServices(model: Model): void {
  const seen = new Map<string, ModelService>();
  for (const service of model.services) {
    const key = serviceKeyOf(service.config);
    const same = seen.get(key);
    if (same !== undefined && service.config.fwmark !== undefined) {
      throw invalidValue(
        `${service.path}.fwmark`,
        `is that of ${same.path} too: a mark is one service, which may have several protocols and ports`,
        service.config.fwmark,
      );
    }
    if (same !== undefined) throw invalidValue(service.path, `describes ${key} once more`, key);
    for (const other of seen.values()) checkMarks(service, other);
    seen.set(key, service);
    for (const name of service.realServers) {
      const node = model.nodes.get(name);
      if (node === undefined || realAddress(service, node) !== undefined) continue;
      const family = service.family === 'ipv4' ? 'IPv4' : 'IPv6';
      const [first] = node.inside.addresses;
      throw invalidValue(
        `nodes.${name}.address`,
        `must have an ${family} address: ${service.path} is for ${service.vips.join(', ')}`,
        first?.address,
      );
    }
  }
}

/** A packet has one mark. */
function checkMarks(service: ModelService, other: ModelService): void {
  const vip = service.vips.find((each) => other.vips.includes(each));
  const protocol = service.protocols.find((each) => other.protocols.includes(each));
  if (vip === undefined || protocol === undefined) return;
  const at = (text: string): Ports => parsePortRange(text.includes('-') ? text : Number(text), '');
  for (const each of service.ports) {
    if (!other.ports.some((own) => overlap(at(own), at(each)))) continue;
    throw invalidValue(
      `${service.path}.ports`,
      `must not be those of ${other.path} too: ${protocol} to ${vip} gets one mark`,
      each,
    );
  }
}

function checkAddresses(model: Model): void {
  const owners = new Map(model.vips.map(({ address }) => [address, 'vip']));
  for (const { address } of model.natGateways) owners.set(address, 'natGateway');
  for (const { name, inside, outside } of model.nodes.values()) {
    const sides = outside === inside ? [inside] : [inside, outside];
    sides.forEach((side, index) => {
      for (const { address } of side.addresses) {
        const path = index === 0 ? `nodes.${name}.address` : `nodes.${name}.clients.address`;
        const owner = owners.get(address);
        if (owner !== undefined) throw invalidValue(path, `is that of ${owner} too`, address);
        owners.set(address, path);
      }
      for (const network of side.addresses) checkVipsIn(model, network);
    });
  }
}

function checkVipsIn({ vips }: Model, network: Placed): void {
  vips.forEach(({ address }, index) => {
    const why = whyNotIn(address, network);
    if (why === undefined) return;
    const path = vips.length === 1 ? 'vip' : `vip[${index}]`;
    throw invalidValue(path, `must be that of a host: it ${why}`, address);
  });
}

/** A device takes GRE with checksums or without (ip_tunnel_rcv), and there is one for an address. */
function checkTunnels(model: Model): void {
  for (const node of model.nodes.values()) {
    const devices = new Map<string, { checksum: boolean; path: string }>();
    for (const service of servicesOf(model, node)) {
      const { path, mode, tunnel, family } = service;
      const local = realAddress(service, node);
      if (mode !== 'tun' || local === undefined) continue;
      const { name, checksum } = deviceFor(tunnel, family, familyOf(local), local);
      const other = devices.get(name);
      if (other !== undefined && other.checksum !== checksum) {
        throw invalidValue(
          `${path}.tunnel.checksum`,
          `must be as that of ${other.path}: ${node.name} takes GRE with or without checksums`,
          checksum ? 'csum' : 'none',
        );
      }
      devices.set(name, { checksum, path });
    }
  }
}

function checkGateways(model: Model, common: readonly Placed[]): void {
  for (const { name, gateways, inside, outside } of model.nodes.values()) {
    for (const { address } of gateways) {
      const own = [inside, outside].some((side) =>
        side.addresses.some((each) => each.address === address),
      );
      const isVip = model.vips.some((each) => each.address === address);
      if (!own && !isVip) continue;
      throw invalidValue(
        gateways === common ? 'gateway' : `nodes.${name}.gateway`,
        isVip
          ? 'must be another node: real servers and directors have the virtual address themselves'
          : `must be another node: it is an address of ${name}`,
        address,
      );
    }
  }
}

function checkDirectors(model: Model): void {
  const directors = [...model.nodes.values()].filter(({ roles }) => roles.has('director'));
  if (directors.length === 0) {
    throw invalidValue('nodes', "must have a node with the role 'director'", undefined);
  }
  const families = model.services.filter(({ mode }) => mode === 'nat').map(({ family }) => family);
  for (const family of new Set(families)) {
    if (model.natGateways.some((each) => each.family === family)) continue;
    const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
    if (directors.length > 1) {
      throw invalidValue(
        'natGateway',
        `must be an ${name} address that moves with the VIP: there are several directors`,
        undefined,
      );
    }
    const [director] = directors;
    if (director?.inside.addresses.some((each) => each.family === family)) continue;
    throw invalidValue(
      `nodes.${director?.name ?? ''}.address`,
      `must have an ${name} address: real servers send their answers there in VS/NAT`,
      undefined,
    );
  }
}

// ---- of which the others are made

function mapping(value: unknown, path: string, known: readonly string[]): Input {
  const input = record(value, path);
  for (const key of Object.keys(input)) {
    if (known.includes(key)) continue;
    const at = path === '' ? key : `${path}.${key}`;
    const near = nearest(key, known);
    const advice = near === undefined ? `only ${known.join(', ')}` : `did you mean '${near}'?`;
    throw invalidValue(at, `is not known here, ${advice}`, input[key]);
  }
  return input;
}

function record(value: unknown, path: string): Input {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Input;
  throw invalidType(path === '' ? 'description' : path, 'an object', value);
}

/** One or several, at least one. */
function several<T>(value: unknown, path: string, parse: (each: unknown, path: string) => T): T[] {
  if (!Array.isArray(value)) return [parse(value, path)];
  if (value.length === 0) throw invalidValue(path, 'must not be empty', value);
  return (value as unknown[]).map((each, index) => parse(each, `${path}[${index}]`));
}

function choice<Word extends string>(value: unknown, path: string, words: readonly Word[]): Word {
  const text = string(value, path);
  const found = words.find((each) => each === text);
  if (found !== undefined) return found;
  const near = nearest(text, words);
  const advice = near === undefined ? '' : `; did you mean '${near}'?`;
  throw invalidValue(path, `must be one of ${quoted(words)}${advice}`, value);
}

/** What somebody may have meant who wrote something else. */
export function nearest(text: string, words: readonly string[]): string | undefined {
  const distances = words.map((each) => distance(text.toLowerCase(), each.toLowerCase()));
  const least = Math.min(...distances);
  return least <= Math.max(1, Math.floor(text.length / 3))
    ? words[distances.indexOf(least)]
    : undefined;
}

// Levenshtein's.
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
