// One command of ipvsadm 1.31, from its words to numbers: what may be said with what, in which order,
// with which defaults. Messages are ipvsadm's, because scripts look at them.

import { IPV4, IPV6, parseAddress } from '../address.js';
import type { Address } from '../address.js';
import { INT_MAX } from '../check.js';
import type {
  DaemonNumbers,
  DestinationId,
  DestinationNumbers,
  Mutable,
  ServiceId,
  ServiceNumbers,
  TimeoutNumbers,
} from '../records.js';
import {
  FORWARDINGS,
  GUE,
  NAT,
  ONE_PACKET,
  PERSISTENT,
  PROTOCOLS,
  ROLES,
  TUN,
  TUNNELS,
  schedulerFlagBit,
  schedulerOfFlag,
} from '../words.js';
import { OptionReader } from './option-reader.js';
import type { Option, OptionName } from './option-reader.js';

/** Commands as ipvsadm names them in its messages. */
export type CommandName =
  | 'add-service'
  | 'edit-service'
  | 'delete-service'
  | 'flush'
  | 'list'
  | 'add-server'
  | 'delete-server'
  | 'edit-server'
  | 'set'
  | 'start-daemon'
  | 'stop-daemon'
  | 'restore'
  | 'save'
  | 'zero';

/** A command with all that it says, defaults filled in. */
export interface Command {
  readonly name: CommandName | 'help' | 'version';
  /** The options that were given. */
  readonly options: ReadonlySet<OptionName>;
  /** Undefined where none is named. */
  readonly service: ServiceId | undefined;
  readonly serviceNumbers: ServiceNumbers;
  /** Undefined where none is named. */
  readonly destination: DestinationId | undefined;
  readonly destinationNumbers: DestinationNumbers;
  /** The port that was written for the real server, where the service's is taken instead. */
  readonly replacedPort: number | undefined;
  readonly timeouts: TimeoutNumbers;
  readonly daemon: DaemonNumbers;
}

/** Names that stand for numbers. */
export interface Names {
  /** The IPv4 address of a host. */
  address(host: string): string | undefined;
  /** The port of a service (`http`) of a protocol. */
  port(service: string, protocol: number): number | undefined;
}

/**
 * What is wrong with a command.
 *
 * - `no-command`: it does not start with a command
 * - `option`: an option that can't be read; ipvsadm goes on with the next line of its input then
 * - `refused`: anything else
 */
export class UsageError extends Error {
  static {
    this.prototype.name = 'UsageError';
  }

  constructor(
    readonly kind: 'no-command' | 'option' | 'refused',
    message: string,
    /** The word that is to blame. */
    readonly at: number,
  ) {
    super(message);
  }
}

/** `-p` alone: six minutes, whatever its manual says. */
export const DEFAULT_PERSISTENCE = 360;

/** 31 days, the longest time that ipvsadm takes. */
export const LONGEST_TIME = 31 * 24 * 60 * 60;

const SCHEDULER_LENGTH = 15;
const ENGINE_LENGTH = 16;
const INTERFACE_LENGTH = 15;
const SCHEDULER_FLAGS_LENGTH = 127;
const LONGEST_SYNC_MESSAGE = 65535 - 20 - 8; // without the headers of IPv4 and UDP
const NO_MASK = 0xffffffff;
const DEFAULT_SCHEDULER = 'wlc';
const DEFAULT_INTERFACE = 'eth0';
const DR = FORWARDINGS.number('dr') ?? 3;
const GRE = TUNNELS.number('gre') ?? 2;

const COMMANDS: ReadonlyMap<string, Command['name']> = new Map([
  ['add-service', 'add-service'],
  ['edit-service', 'edit-service'],
  ['delete-service', 'delete-service'],
  ['clear', 'flush'],
  ['list', 'list'],
  ['zero', 'zero'],
  ['add-server', 'add-server'],
  ['edit-server', 'edit-server'],
  ['delete-server', 'delete-server'],
  ['set', 'set'],
  ['help', 'help'],
  ['version', 'version'],
  ['restore', 'restore'],
  ['save', 'save'],
  ['start-daemon', 'start-daemon'],
  ['stop-daemon', 'stop-daemon'],
]);

const NO_OPTION = { option: undefined, value: undefined };

/** In the order in which they are checked. */
const OPTION_NAMES: readonly OptionName[] = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
];

/** Several options may have one name. */
const NAMES_IN_MESSAGES: ReadonlyMap<string, OptionName> = new Map([
  ...OPTION_NAMES.map((name) => [name, name] as const),
  ['tcp-service', 'service-address'],
  ['udp-service', 'service-address'],
  ['sctp-service', 'service-address'],
  ['fwmark-service', 'service-address'],
  ['masquerading', 'forwarding-method'],
  ['ipip', 'forwarding-method'],
  ['gatewaying', 'forwarding-method'],
]);

/** They may come more than once; `sort` is how it is anyway. */
const UNNAMED: ReadonlySet<string> = new Set(['ipv6', 'sort']);

interface Rules {
  readonly needed?: readonly OptionName[];
  readonly allowed?: readonly OptionName[];
  /** Of these at most one. */
  readonly exclusive?: readonly OptionName[];
}

const SERVICE_RULES: Rules = {
  needed: ['service-address'],
  allowed: ['scheduler', 'persistent', 'netmask', 'ops', 'pe', 'sched-flags'],
};
const SERVER_RULES: Rules = {
  needed: ['service-address', 'real-server'],
  allowed: [
    'forwarding-method',
    'weight',
    'u-threshold',
    'l-threshold',
    'tun-type',
    'tun-port',
    'tun-nocsum',
    'tun-csum',
    'tun-remcsum',
  ],
};

const RULES: Readonly<Record<CommandName, Rules>> = {
  'add-service': SERVICE_RULES,
  'edit-service': SERVICE_RULES,
  'delete-service': { needed: ['service-address'] },
  flush: {},
  list: {
    allowed: [
      'numeric',
      'stats',
      'rate',
      'thresholds',
      'persistent-conn',
      'nosort',
      'syncid',
      'exact',
      'tun-info',
    ],
    exclusive: ['connection', 'service-address', 'timeout', 'daemon'],
  },
  'add-server': SERVER_RULES,
  'edit-server': SERVER_RULES,
  'delete-server': { needed: ['service-address', 'real-server'] },
  set: {},
  'start-daemon': {
    allowed: ['mcast-interface', 'syncid', 'mcast-group', 'mcast-port', 'mcast-ttl', 'sync-maxlen'],
  },
  'stop-daemon': { allowed: ['syncid'] },
  restore: {},
  save: { allowed: ['numeric'] },
  zero: { allowed: ['service-address'] },
};

const CHECKSUM_OPTIONS: readonly OptionName[] = ['tun-nocsum', 'tun-csum', 'tun-remcsum'];
const TUNNEL_OPTION_NAMES: readonly OptionName[] = ['tun-port', ...CHECKSUM_OPTIONS];

const TUNNEL_RULES: Readonly<Record<number, Rules>> = {
  [GUE]: { needed: ['tun-port'], exclusive: CHECKSUM_OPTIONS },
  [GRE]: { exclusive: ['tun-nocsum', 'tun-csum'] },
};

/**
 * Reads one command, without the program's name in front. Throws a {@link UsageError} for what
 * ipvsadm refuses before it asks the kernel.
 */
export function parseCommand(words: readonly string[], names: Names): Command {
  return new CommandParser(words, names).parse();
}

class CommandParser {
  readonly #words: readonly string[];
  readonly #reader: OptionReader;
  readonly #names: Names;
  readonly #options = new Set<OptionName>();
  #option = 0; // where the present option's own word is

  // What there is before any option: a service without a family, and ipvsadm's defaults.
  readonly #id: Mutable<ServiceId> = {
    family: 0,
    protocol: 0,
    address: undefined,
    port: 0,
    fwmark: 0,
  };
  readonly #service: Mutable<ServiceNumbers> = {
    scheduler: '',
    flags: 0,
    timeout: 0,
    netmask: NO_MASK,
    engine: '',
  };
  #destination: Mutable<DestinationId> | undefined;
  readonly #server: Mutable<DestinationNumbers> = {
    forwarding: DR,
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 0,
    tunnelPort: 0,
    tunnelFlags: 0,
  };
  readonly #daemon: Mutable<DaemonNumbers> = {
    role: 0,
    interface: '',
    syncId: 0,
    maxLength: 0,
    group: undefined,
    port: 0,
    ttl: 0,
  };
  #timeouts: TimeoutNumbers = { tcp: 0, tcpFin: 0, udp: 0 };
  #schedulerFlags: { readonly text: string; readonly at: number } | undefined;
  #writtenPort: number | undefined;
  #replacedPort: number | undefined;

  constructor(words: readonly string[], names: Names) {
    this.#words = words;
    this.#reader = new OptionReader(words);
    this.#names = names;
  }

  parse(): Command {
    const name = this.#command();
    if (name === 'help' || name === 'version') return this.#result(name);
    for (let read = this.#reader.next(); read !== undefined; read = this.#reader.next()) {
      if ('complaint' in read) {
        throw new UsageError('option', `${this.#word}: ${read.complaint}`, this.#reader.at);
      }
      this.#read(read.option, read.value);
    }
    this.#readRest(name);
    check(RULES[name], OPTION_NAMES, this.#options, (option, kind, other) =>
      this.#refuse(sentence(option, kind, other, `'${name}' command`), 0),
    );
    if (name === 'add-service' || name === 'edit-service') this.#finishService();
    if (name === 'start-daemon' && this.#daemon.interface === '') {
      this.#daemon.interface = DEFAULT_INTERFACE;
    }
    if (name === 'add-server' || name === 'edit-server') this.#finishServer();
    if (name === 'list') this.#checkListing();
    return this.#result(name);
  }

  #result(name: Command['name']): Command {
    return {
      name,
      options: this.#options,
      service: this.#options.has('service-address') ? this.#id : undefined,
      serviceNumbers: this.#service,
      destination: this.#destination,
      destinationNumbers: this.#server,
      replacedPort: this.#replacedPort,
      timeouts: this.#timeouts,
      daemon: this.#daemon,
    };
  }

  /** The one that was read last. */
  get #word(): string {
    return this.#words[this.#reader.at] ?? '';
  }

  #refuse(message: string, at = this.#reader.at): never {
    throw new UsageError('refused', message, at);
  }

  #command(): Command['name'] {
    const read = this.#reader.next();
    const { option, value = '' } = read !== undefined && 'option' in read ? read : NO_OPTION;
    const name = COMMANDS.get(option?.long ?? '');
    if (option === undefined || name === undefined) {
      throw new UsageError('no-command', 'it does not start with a command', 0);
    }
    if (option.argument === 'required') {
      const role = ROLES.number(value);
      if (role === undefined) {
        const [parameter, verb] =
          option.long === 'start-daemon' ? ['start-daemon', 'parameter '] : ['start_daemon', ''];
        this.#refuse(`illegal ${parameter} ${verb}specified`);
      }
      this.#daemon.role = role;
    }
    return name;
  }

  #mark(name: OptionName): void {
    if (this.#options.has(name)) this.#refuse(`multiple '${name}' options specified`, this.#option);
    this.#options.add(name);
  }

  #read({ long }: Option, given: string | undefined): void {
    this.#option = this.#reader.at;
    const name = NAMES_IN_MESSAGES.get(long);
    if (name !== undefined) this.#mark(name);
    else if (!UNNAMED.has(long)) this.#refuse(`invalid option \`${this.#word}'`); // a second command
    // It is about one of these, or being there is all that it says.
    this.#readServiceOption(long, given);
    this.#readServerOption(long, given ?? '');
    this.#readDaemonOption(long, given ?? '');
  }

  #readServiceOption(long: string, given: string | undefined): void {
    const value = given ?? '';
    switch (long) {
      case 'tcp-service':
      case 'udp-service':
      case 'sctp-service':
        this.#readService(long.slice(0, long.indexOf('-')), value);
        return;
      case 'fwmark-service':
        this.#id.family = IPV4;
        this.#id.fwmark = this.#fwmark(value);
        return;
      case 'ipv6':
        // Behind the line is an empty one: that is how ipvsadm says it.
        if (this.#id.fwmark === 0) this.#refuse('-6 used before -f\n');
        this.#id.family = IPV6;
        this.#service.netmask = 128;
        return;
      case 'scheduler':
        this.#service.scheduler = cut(value, SCHEDULER_LENGTH);
        return;
      case 'persistent':
        this.#service.flags |= PERSISTENT;
        this.#service.timeout =
          given === undefined ? DEFAULT_PERSISTENCE : this.#time(value, 1, this.#reader.at);
        return;
      case 'netmask':
        this.#service.netmask = this.#netmask(value);
        return;
      case 'ops':
        this.#service.flags |= ONE_PACKET;
        return;
      case 'pe':
        this.#service.engine = cut(value, ENGINE_LENGTH);
        return;
      case 'sched-flags':
        this.#schedulerFlags = { text: cut(value, SCHEDULER_FLAGS_LENGTH), at: this.#reader.at };
    }
  }

  #readServerOption(long: string, value: string): void {
    const server = this.#server;
    switch (long) {
      case 'real-server':
        this.#readServer(value);
        return;
      case 'masquerading':
        server.forwarding = NAT;
        return;
      case 'ipip':
        server.forwarding = TUN;
        return;
      case 'gatewaying':
        server.forwarding = DR;
        return;
      case 'weight':
        server.weight = this.#number(value, 0, INT_MAX, 'weight');
        return;
      case 'u-threshold':
        server.upperThreshold = this.#number(value, 0, INT_MAX, 'u_threshold');
        return;
      case 'l-threshold':
        server.lowerThreshold = this.#number(value, 0, INT_MAX, 'l_threshold');
        return;
      case 'tun-type':
        server.tunnelType = this.#tunnelType(value);
        return;
      case 'tun-port':
        server.tunnelPort = this.#number(value, 1, 65535, 'tunnel port');
        return;
      case 'tun-csum':
        server.tunnelFlags |= 1;
        return;
      case 'tun-remcsum':
        server.tunnelFlags |= 2;
    }
  }

  #readDaemonOption(long: string, value: string): void {
    const daemon = this.#daemon;
    switch (long) {
      case 'mcast-interface':
        daemon.interface = cut(value, INTERFACE_LENGTH);
        return;
      case 'syncid':
        daemon.syncId = this.#number(value, 0, 255, 'syncid');
        return;
      case 'mcast-group':
        daemon.group = this.#group(value);
        return;
      case 'mcast-port':
        daemon.port = this.#number(value, 1, 65535, 'mcast-port');
        return;
      case 'mcast-ttl':
        daemon.ttl = this.#number(value, 1, 255, 'mcast-ttl');
        return;
      case 'sync-maxlen':
        daemon.maxLength = this.#number(value, 1, LONGEST_SYNC_MESSAGE, 'sync-maxlen');
    }
  }

  #readRest(name: Command['name']): void {
    const rest = [...this.#reader.rest];
    if (name === 'set') {
      const [tcp, tcpFin, udp] = rest.splice(0, 3);
      if (tcp === undefined || tcpFin === undefined || udp === undefined) {
        this.#refuse('--set option requires 3 timeout values', 0);
      }
      this.#timeouts = {
        tcp: this.#time(tcp.word, 0, tcp.at),
        tcpFin: this.#time(tcpFin.word, 0, tcpFin.at),
        udp: this.#time(udp.word, 0, udp.at),
      };
    }
    const [unexpected] = rest;
    if (unexpected !== undefined) {
      this.#refuse(`unexpected argument ${unexpected.word}`, unexpected.at);
    }
    if (this.#schedulerFlags !== undefined && this.#schedulerFlags.text !== '') {
      this.#readSchedulerFlags(this.#schedulerFlags.text, this.#schedulerFlags.at);
    }
  }

  #number(text: string, least: number, most: number, what: string): number {
    const number = parseNumber(text);
    if (number === undefined || number < least || number > most) {
      this.#refuse(`illegal ${what} specified`);
    }
    return number;
  }

  #tunnelType(text: string): number {
    const type = TUNNELS.number(text);
    if (type === undefined) this.#refuse('illegal tunnel type specified');
    return type;
  }

  #time(text: string, least: number, at: number): number {
    const number = parseNumber(text);
    if (number === undefined || number < least || number > LONGEST_TIME) {
      this.#refuse(`invalid timeout value \`${text}' specified`, at);
    }
    return number;
  }

  #fwmark(text: string): number {
    const number = parseNumber(text);
    // What ipvsadm -S wrote: it prints marks above 2^31 as negative numbers.
    const mark = number !== undefined && number < 0 ? number + 2 ** 32 : number;
    if (mark === undefined || mark < (number === mark ? 1 : 2 ** 31) || mark >= 2 ** 32) {
      this.#refuse(`invalid fwmark value \`${text}' specified`);
    }
    return mark;
  }

  #netmask(text: string): number {
    if (this.#id.family === IPV6) {
      const length = parseInt(text, 10);
      if (!(length >= 1 && length <= 128)) this.#refuse('illegal ipv6 netmask specified');
      return length;
    }
    const mask = parseOldAddress(text) ?? this.#addressOf(text);
    if (mask === undefined) this.#refuse('illegal virtual server persistent mask specified');
    return integerOf(mask);
  }

  #addressOf(host: string): Address | undefined {
    const text = this.#names.address(host);
    return text === undefined ? undefined : parseAddress(text);
  }

  #readService(protocol: string, text: string): void {
    this.#id.protocol = PROTOCOLS.number(protocol) ?? 0;
    if (!this.#readEndpoint(text, this.#id, true)) {
      this.#refuse('illegal virtual server address[:port] specified');
    }
  }

  #readServer(text: string): void {
    // Reads on from the service as it is so far: without a port of its own, it is the service's.
    const { family, fwmark } = this.#id;
    // The names of a mark's ports are those of TCP.
    const protocol = fwmark === 0 ? this.#id.protocol : (PROTOCOLS.number('tcp') ?? 0);
    const endpoint: Endpoint = { family, protocol, address: undefined, port: -1 };
    if (!this.#readEndpoint(text, endpoint, false) || endpoint.address === undefined) {
      this.#refuse('illegal real server address[:port] specified');
    }
    if (endpoint.port >= 0) this.#writtenPort = endpoint.port;
    this.#destination = {
      address: endpoint.address,
      port: this.#writtenPort ?? this.#id.port,
    };
  }

  /** `address[:port]`; says whether it could be read. */
  #readEndpoint(text: string, endpoint: Endpoint, isService: boolean): boolean {
    if (/^\d*$/.test(text)) return false;
    let host = text;
    let port: string | undefined;
    if (text.startsWith('[')) {
      const end = text.indexOf(']');
      if (end < 0 || text[end + 1] !== ':') return false;
      host = text.slice(1, end);
      port = text.slice(end + 2);
    }
    const address = parseAddress(host);
    if (address?.family === IPV6) {
      endpoint.address = address;
      if (isService) this.#service.netmask = 128;
    } else {
      // In brackets too; what came behind them then counts for nothing.
      const colon = host.lastIndexOf(':');
      port = colon < 0 ? undefined : host.slice(colon + 1);
      host = colon < 0 ? host : host.slice(0, colon);
      endpoint.address = parseOldAddress(host) ?? this.#addressOf(host);
      if (endpoint.address === undefined) return false;
    }
    endpoint.family = endpoint.address.family;
    if (port === undefined) return true;
    const number = parseNumber(port);
    const known =
      number !== undefined && number >= 0 && number <= 65535
        ? number
        : this.#names.port(port, endpoint.protocol);
    if (known === undefined) return false;
    endpoint.port = known;
    return true;
  }

  #group(text: string): Address {
    const address = parseAddress(text);
    const family = text.includes(':') ? 6 : 4;
    const first = address?.bytes[0] ?? 0;
    const isMulticast = family === 6 ? first === 0xff : first >> 4 === 0xe;
    if (address?.family !== (family === 6 ? IPV6 : IPV4) || !isMulticast) {
      this.#refuse(`invalid IPv${family} mcast-group \`${text}'`);
    }
    return address;
  }

  #readSchedulerFlags(text: string, at: number): void {
    const scheduler = this.#service.scheduler || DEFAULT_SCHEDULER;
    const flags = text.split(',').filter((flag) => flag !== '');
    // ipvsadm reads what is not there and crashes.
    if (flags.length === 0) this.#refuse(`invalid scheduler flag \`${text}'`, at);
    for (const flag of flags) {
      const bit = schedulerFlagBit(flag);
      if (bit === undefined) this.#refuse(`invalid scheduler flag \`${flag}'`, at);
      if ((schedulerOfFlag(flag) ?? scheduler) !== scheduler) {
        this.#refuse(`incompatible scheduler flag \`${flag}'`, at);
      }
      this.#service.flags |= bit;
    }
  }

  #finishService(): void {
    const { fwmark, port, protocol } = this.#id;
    const { flags } = this.#service;
    if (fwmark === 0 && port === 0 && (flags & PERSISTENT) === 0) {
      this.#refuse('Zero port specified for non-persistent service', 0);
    }
    if ((flags & ONE_PACKET) !== 0 && fwmark === 0 && protocol !== PROTOCOLS.number('udp')) {
      this.#refuse('One-Packet Scheduling is only for UDP virtual services', 0);
    }
    this.#service.scheduler ||= DEFAULT_SCHEDULER;
  }

  #finishServer(): void {
    const { forwarding, tunnelType } = this.#server;
    const destination = this.#destination;
    if (destination === undefined) return; // it was checked that there is one
    if (this.#id.fwmark === 0 && forwarding !== NAT) {
      if (this.#writtenPort !== this.#id.port) this.#replacedPort = this.#writtenPort;
      destination.port = this.#id.port;
    }
    if (destination.address.family !== this.#id.family && forwarding !== TUN) {
      this.#refuse('Different address family is allowed only for tunneling servers', 0);
    }
    const options: readonly OptionName[] = ['tun-type', ...TUNNEL_OPTION_NAMES];
    if (forwarding !== TUN && options.some((name) => this.#options.has(name))) {
      this.#refuse('Tunnel options conflict with forward method', 0);
    }
    const type = TUNNELS.word(tunnelType);
    check(
      TUNNEL_RULES[tunnelType] ?? {},
      TUNNEL_OPTION_NAMES,
      this.#options,
      (option, kind, other) =>
        this.#refuse(sentence(option, kind, other, `'${type}' tunnel type`), 0),
    );
  }

  #checkListing(): void {
    const any = (...names: OptionName[]) => names.some((name) => this.#options.has(name));
    if (
      (any('connection', 'timeout', 'daemon') && any('stats', 'rate', 'thresholds')) ||
      (any('timeout', 'daemon') && any('persistent-conn'))
    ) {
      this.#refuse('options conflicts in the list command', 0);
    }
  }
}

interface Endpoint {
  family: number;
  readonly protocol: number;
  address: Address | undefined;
  port: number;
}

type Fault = 'missing' | 'illegal' | 'conflict';

/** Finds the first option that is missing, may not be there, or does not go with another one. */
function check(
  { needed = [], allowed = [], exclusive = [] }: Rules,
  names: readonly OptionName[],
  given: ReadonlySet<OptionName>,
  report: (option: OptionName, fault: Fault, other: OptionName | undefined) => never,
): void {
  let first: OptionName | undefined;
  for (const name of names) {
    if (!given.has(name)) {
      if (needed.includes(name)) report(name, 'missing', undefined);
    } else if (exclusive.includes(name)) {
      if (first !== undefined) report(name, 'conflict', first);
      first = name;
    } else if (!needed.includes(name) && !allowed.includes(name)) {
      report(name, 'illegal', undefined);
    }
  }
}

function sentence(
  option: OptionName,
  fault: Fault,
  other: OptionName | undefined,
  where: string,
): string {
  switch (fault) {
    case 'missing':
      return `You need to supply the '${option}' option for the ${where}`;
    case 'illegal':
      return `Illegal '${option}' option with the ${where}`;
    case 'conflict':
      return `The option '${option}' conflicts with the '${other}' option in the ${where}`;
  }
}

function cut(text: string, longest: number): string {
  return text.slice(0, longest);
}

/** As strtol reads all of a text. */
function parseNumber(text: string): number | undefined {
  return /^[ \t\n\v\f\r]*[+-]?\d+$/.test(text) ? Number(text) : undefined;
}

/** An IPv4 address as inet_aton takes it: of one to four parts, octal and hexadecimal too. */
function parseOldAddress(text: string): Address | undefined {
  const [, host = ''] = /^(\d[\da-fx.]*)(?:[ \t\n\v\f\r].*)?$/is.exec(text) ?? [];
  const parts = host.split('.');
  if (host === '' || parts.length > 4) return undefined;
  const numbers = parts.map(parsePart);
  const last = numbers.pop() ?? NaN;
  const room = 256 ** (4 - numbers.length);
  if (!numbers.every((part) => part <= 255) || !(last < room)) return undefined;
  const value = numbers.reduce((sum, part, index) => sum + part * 256 ** (3 - index), last);
  const bytes = [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  return { family: IPV4, bytes, text: bytes.join('.') };
}

function parsePart(text: string): number {
  if (/^0x[\da-f]+$/i.test(text)) return parseInt(text, 16);
  if (/^0[0-7]*$/.test(text)) return parseInt(text, 8);
  return /^[1-9]\d*$/.test(text) ? Number(text) : NaN;
}

function integerOf({ bytes }: Address): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}
