// ipvsadm as the second opinion: tables that are made up, written by one side and read by the other,
// in both directions. What ipvsadm itself gets wrong is listed below by name (QUIRKS): a table has it
// all the same, and what is expected of ipvsadm is then what ipvsadm really does.

import assert from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import type {
  DestinationConfig,
  Forwarding,
  Ipvs,
  ServiceConfig,
  SchedulerFlag,
  Tunnel,
} from 'ipvs';
import { freshIpvs, ipvsadm } from '../lab/namespace.js';

t.setTimeout(120_000);

const SEED = 20261122;
const TABLES = 20;

// ---- the model: a table in neither side's words

interface ModelService {
  readonly key:
    | { readonly kind: 'mark'; readonly mark: number; readonly v6: boolean }
    | {
        readonly kind: 'tcp' | 'udp' | 'sctp';
        readonly v6: boolean;
        readonly host: number;
        readonly port: number;
      };
  readonly scheduler: string;
  /** Bits 1, 2 and 4: the scheduler's three flags. */
  readonly flags: number;
  readonly onePacket: boolean;
  readonly persistent: number | undefined;
  /** Prefix length. */
  readonly prefix: number;
  readonly sip: boolean;
  readonly destinations: readonly ModelDestination[];
}

interface ModelDestination {
  readonly v6: boolean;
  readonly host: number;
  readonly port: number;
  readonly forwarding: Forwarding;
  readonly weight: number;
  readonly upper: number;
  readonly lower: number;
  readonly tunnel: { readonly type: 'ipip' | 'gue' | 'gre'; readonly port: number; checksum: Sum };
}

type Sum = 'none' | 'csum' | 'remcsum';
type Table = readonly ModelService[];

// Where ipvsadm can't say, or misreads, what the kernel has.
const QUIRKS = {
  'marks above 2^31 are printed as negative numbers, and not taken back': 0,
  'thresholds are not saved by -S': 0,
  'local destinations are saved as -g': 0,
  'bypass destinations are printed as (null), and there is no option to add one': 0,
  'the third flag of sh and mh is printed as nothing, behind -b': 0,
  'a persistence timeout above 31 days is refused by -p': 0,
} satisfies Record<string, number>;

function quirk(name: keyof typeof QUIRKS): void {
  QUIRKS[name]++;
}

const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'sed',
  'nq',
  'fo',
  'ovf',
];

const portOf = fc.oneof(
  fc.constantFrom(1, 53, 80, 255, 256, 443, 32767, 32768, 65535),
  fc.integer({ min: 1, max: 65535 }),
);

const weights = fc.oneof(
  fc.constantFrom(0, 1, 65535, 65536, 2 ** 31 - 1),
  fc.integer({ min: 0, max: 65535 }),
);

const limits = fc.oneof(
  fc.constant([0, 0] as const),
  fc
    .tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([upper, share]) => [upper, Math.floor(upper * share)] as const),
);

function destinationsOf(
  service: Omit<ModelService, 'destinations'>,
): fc.Arbitrary<ModelDestination> {
  const { key } = service;
  const servicePort = key.kind === 'mark' ? 0 : key.port;
  return fc
    .record({
      otherFamily: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      host: fc.integer({ min: 1, max: 4000 }),
      port: portOf,
      forwarding: fc.constantFrom<Forwarding>('nat', 'nat', 'dr', 'tun', 'tun', 'local', 'bypass'),
      weight: weights,
      limits,
      tunnel: fc.record({
        type: fc.constantFrom('ipip' as const, 'gue' as const, 'gre' as const),
        port: portOf,
        checksum: fc.constantFrom<Sum>('none', 'csum', 'remcsum'),
      }),
    })
    .map(({ otherFamily, host, port, forwarding, weight, limits: [upper, lower], tunnel }) => {
      const { type } = tunnel;
      const checksum: Sum =
        type === 'ipip'
          ? 'none'
          : type === 'gre' && tunnel.checksum === 'remcsum'
            ? 'csum'
            : tunnel.checksum;
      return {
        v6: key.v6 !== otherFamily,
        host,
        port: !otherFamily && forwarding === 'nat' && servicePort !== 0 ? port : servicePort,
        forwarding: otherFamily ? 'tun' : forwarding,
        weight,
        upper,
        lower,
        tunnel: { type, port: tunnel.port, checksum },
      };
    });
}

const services: fc.Arbitrary<ModelService> = fc
  .record({
    kind: fc.constantFrom('mark' as const, 'tcp' as const, 'udp' as const, 'sctp' as const),
    mark: fc.oneof(
      fc.constantFrom(1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      fc.integer({ min: 1, max: 1000 }),
    ),
    v6: fc.boolean(),
    host: fc.integer({ min: 1, max: 4000 }),
    port: fc.oneof({ weight: 8, arbitrary: portOf }, { weight: 1, arbitrary: fc.constant(0) }),
    scheduler: fc.constantFrom(...SCHEDULERS),
    flags: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 7 })),
    onePacket: fc.boolean(),
    persistent: fc.option(
      fc.oneof(
        fc.constantFrom(1, 300, 2678400, 2678401, 4294967),
        fc.integer({ min: 1, max: 86400 }),
      ),
      { nil: undefined },
    ),
    prefix: fc.integer({ min: 1, max: 128 }),
    sip: fc.boolean(),
  })
  .chain(({ kind, mark, host, port, v6, ...rest }) => {
    const key =
      kind === 'mark' ? ({ kind, mark, v6 } as const) : ({ kind, v6, host, port } as const);
    const mustPersist = key.kind !== 'mark' && key.port === 0;
    const persistent = rest.persistent ?? (mustPersist ? 300 : undefined);
    const service = {
      ...rest,
      key,
      persistent,
      prefix:
        persistent === undefined
          ? v6
            ? 128
            : 32
          : v6
            ? rest.prefix
            : ((rest.prefix - 1) % 32) + 1,
      sip: rest.sip && persistent !== undefined && kind === 'udp',
      onePacket: rest.onePacket && kind === 'udp',
    };
    return fc
      .uniqueArray(destinationsOf(service), {
        maxLength: 8,
        selector: ({ v6: six, host: number, port: own }) => `${six} ${number} ${own}`,
      })
      .map((destinations) => ({ ...service, destinations }));
  });

const tables: fc.Arbitrary<Table> = fc.uniqueArray(services, {
  minLength: 1,
  maxLength: 40,
  size: 'max',
  selector: ({ key }) =>
    key.kind === 'mark' ? `${key.v6} ${key.mark}` : `${key.kind} ${key.v6} ${key.host} ${key.port}`,
});

// ---- in the library's words

function vip(v6: boolean, host: number): string {
  return v6 ? `2001:db8::${host.toString(16)}` : `10.1.${host >> 8}.${host & 255}`;
}

function rip(v6: boolean, host: number): string {
  return v6 ? `fd00:0:0:1::${host.toString(16)}` : `10.2.${host >> 8}.${host & 255}`;
}

function flagsOf({ scheduler, flags }: ModelService): SchedulerFlag[] {
  const names: SchedulerFlag[] =
    scheduler === 'sh' || scheduler === 'mh'
      ? [`${scheduler}-fallback`, `${scheduler}-port`, 'flag-3']
      : ['flag-1', 'flag-2', 'flag-3'];
  return names.filter((_, bit) => (flags & (1 << bit)) !== 0);
}

function maskText(prefix: number): string {
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.');
}

function toConfig(service: ModelService): ServiceConfig {
  const { key, scheduler, onePacket, persistent, prefix, sip } = service;
  const settings = {
    scheduler,
    schedulerFlags: flagsOf(service),
    onePacket,
    ...(persistent !== undefined && {
      persistence: {
        timeout: persistent,
        netmask: key.v6 ? prefix : maskText(prefix),
        ...(sip && { engine: 'sip' }),
      },
    }),
  };
  return key.kind === 'mark'
    ? { fwmark: key.mark, family: key.v6 ? 'ipv6' : 'ipv4', ...settings }
    : { protocol: key.kind, address: vip(key.v6, key.host), port: key.port, ...settings };
}

function toDestination(destination: ModelDestination): DestinationConfig {
  const { v6, host, port, forwarding, weight, upper, lower, tunnel } = destination;
  const { type, port: tunnelPort, checksum } = tunnel;
  let encapsulation: Tunnel = { type: 'ipip' };
  if (type === 'gue') encapsulation = { type, port: tunnelPort, checksum };
  if (type === 'gre') encapsulation = { type, checksum: checksum === 'csum' ? 'csum' : 'none' };
  return {
    address: rip(v6, host),
    port,
    forwarding,
    weight,
    upperThreshold: upper,
    lowerThreshold: lower,
    ...(forwarding === 'tun' && { tunnel: encapsulation }),
  };
}

// ---- in ipvsadm's words

function atPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `printed`: as ipvsadm prints the mark, which it does not take back. */
function keyText({ key }: ModelService, printed: boolean): string {
  if (key.kind === 'mark') {
    return `-f ${printed ? key.mark | 0 : key.mark}${key.v6 ? ' -6' : ''}`;
  }
  const option = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }[key.kind];
  return `${option} ${atPort(vip(key.v6, key.host), key.port)}`;
}

function serviceRule(service: ModelService, printed: boolean): string {
  const { key, scheduler, flags, onePacket, persistent, prefix, sip } = service;
  let rule = `-A ${keyText(service, printed)} -s ${scheduler}`;
  if (persistent !== undefined) {
    rule += ` -p ${persistent}`;
    const whole = key.v6 ? 128 : 32;
    if (prefix !== whole) rule += ` -M ${key.v6 ? prefix : maskText(prefix)}`;
    if (sip) rule += ' --pe sip';
  }
  if (onePacket) rule += ' -o';
  if (flags !== 0) {
    const nameless = printed && (scheduler === 'sh' || scheduler === 'mh') ? 'flag-3' : '';
    rule += ` -b ${flagsOf(service)
      .filter((name) => name !== nameless)
      .join(',')}`;
  }
  return rule;
}

const CHECKSUMS: Record<Sum, string> = {
  none: ' --tun-nocsum',
  csum: ' --tun-csum',
  remcsum: ' --tun-remcsum',
};

const METHODS: Record<Forwarding, string> = {
  nat: '-m',
  dr: '-g',
  tun: '-i',
  local: '-g',
  bypass: '(null)',
};

function destinationRule(
  service: ModelService,
  destination: ModelDestination,
  printed: boolean,
): string {
  const { v6, host, port, forwarding, weight, upper, lower, tunnel } = destination;
  const to = atPort(rip(v6, host), port);
  let rule = `-a ${keyText(service, printed)} -r ${to} ${METHODS[forwarding]} -w ${weight}`;
  if (forwarding === 'tun') {
    rule += ` --tun-type ${tunnel.type}`;
    if (tunnel.type === 'gue') rule += ` --tun-port ${tunnel.port}`;
    if (tunnel.type !== 'ipip') rule += CHECKSUMS[tunnel.checksum];
  }
  if (!printed && upper !== 0) rule += ` -x ${upper}`;
  if (!printed && lower !== 0) rule += ` -y ${lower}`;
  return rule;
}

/** What ipvsadm -Sn prints for a table, sorted. */
function saved(table: Table): string[] {
  return table
    .flatMap((service) => [
      serviceRule(service, true),
      ...service.destinations.map((each) => destinationRule(service, each, true)),
    ])
    .map((line) => line.trim())
    .sort();
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/ +/g, ' '))
    .filter((line) => line !== '')
    .sort();
}

/** Thresholds by service and destination, from ipvsadm -Ln --thresholds. */
function thresholds(text: string): string[] {
  let owner = '';
  const found: string[] = [];
  for (const line of text.split('\n').slice(3)) {
    const [first, name = '', upper = '', lower = ''] = line.trim().split(/ +/);
    if (first === '->') found.push(`${owner} ${name} ${upper} ${lower}`);
    else owner = `${first} ${name}`;
  }
  return found.sort();
}

function expectedThresholds(table: Table): string[] {
  return table
    .flatMap((service) => {
      const { key } = service;
      const owner =
        key.kind === 'mark'
          ? `FWM ${key.mark | 0}`
          : `${key.kind.toUpperCase()} ${atPort(vip(key.v6, key.host), key.port)}`;
      return service.destinations.map(
        ({ v6, host, port, upper, lower }) =>
          `${owner} ${atPort(rip(v6, host), port)} ${upper} ${lower}`,
      );
    })
    .sort();
}

// ---- what the kernel has, as the library reads it, without what was only observed

async function read(ipvs: Ipvs): Promise<unknown[]> {
  const { services: all } = await ipvs.snapshot();
  return all.map((service) => ({
    ...without(service, ['stats']),
    destinations: service.destinations.map((each) => without(each, OBSERVED)),
  }));
}

const OBSERVED = ['stats', 'activeConnections', 'inactiveConnections', 'persistentConnections'];

function without(record: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}

function expected(table: Table): unknown[] {
  return table.map((service) => ({
    ...toConfig(service),
    family: service.key.v6 ? 'ipv6' : 'ipv4',
    destinations: service.destinations.map((each) => ({
      ...toDestination(each),
      family: each.v6 ? 'ipv6' : 'ipv4',
    })),
  }));
}

// Both sides sort; the model does not know how.
function sorted(list: readonly unknown[]): unknown[] {
  const byKey = (a: unknown, b: unknown): number => (keyOf(a) < keyOf(b) ? -1 : 1);
  return list
    .map((each) => {
      const { destinations = [], ...service } = each as { destinations?: unknown[] };
      return { ...service, destinations: [...destinations].sort(byKey) };
    })
    .sort(byKey);
}

function keyOf(value: unknown): string {
  const { protocol, address, port, fwmark, family } = value as Record<string, unknown>;
  return [protocol, address, port, fwmark, family].map(String).join(' ');
}

// ---- the two directions

/** Runs `check` on every table; a failure is made smaller, and printed with its seed. */
async function forTables(
  t: tap.Test,
  seed: number,
  check: (table: Table) => Promise<void>,
): Promise<void> {
  let services = 0;
  let rules = 0;
  const property = fc.asyncProperty(tables, async (table) => {
    services += table.length;
    rules += table.reduce((sum, { destinations }) => sum + 1 + destinations.length, 0);
    await check(table);
  });
  await fc.assert(property, { seed, numRuns: TABLES, interruptAfterTimeLimit: 60_000 });
  t.comment(`${TABLES} tables, ${services} services, ${rules} rules, seed ${seed}`);
  t.pass('they agree on every table');
}

t.test('what we write, ipvsadm reads as the same', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await forTables(t, SEED, async (table) => {
    noteQuirks(table);
    await ipvs.flush();
    await Promise.all(
      table.flatMap((service) => {
        const config = toConfig(service);
        return [
          ipvs.addService(config),
          ...service.destinations.map((each) => ipvs.addDestination(config, toDestination(each))),
        ];
      }),
    );
    const [rules = '', list = ''] = execFileSync(
      'ip',
      ['netns', 'exec', netns, 'sh', '-c', 'ipvsadm -Sn; echo ---; ipvsadm -Ln --thresholds'],
      { encoding: 'utf8' },
    ).split('---\n');
    assert.deepStrictEqual(lines(rules), saved(table));
    assert.deepStrictEqual(thresholds(list), expectedThresholds(table));
    assert.deepStrictEqual(sorted(await read(ipvs)), sorted(expected(table)), 'as we read it');
  });
});

function noteQuirks(table: Table): void {
  for (const { key, scheduler, flags, destinations } of table) {
    if (flags >= 4 && (scheduler === 'sh' || scheduler === 'mh')) {
      quirk('the third flag of sh and mh is printed as nothing, behind -b');
    }
    if (key.kind === 'mark' && key.mark >= 2 ** 31) {
      quirk('marks above 2^31 are printed as negative numbers, and not taken back');
    }
    for (const { forwarding, upper } of destinations) {
      if (upper !== 0) quirk('thresholds are not saved by -S');
      if (forwarding === 'local') quirk('local destinations are saved as -g');
      if (forwarding === 'bypass') {
        quirk('bypass destinations are printed as (null), and there is no option to add one');
      }
    }
  }
}

t.test('what ipvsadm writes, we read as the same', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await forTables(t, SEED + 1, async (generated) => {
    const table = generated.map(sayable);
    const rules = table.flatMap((service) => [
      serviceRule(service, false),
      ...service.destinations.map((each) => destinationRule(service, each, false)),
    ]);
    await ipvs.flush();
    ipvsadm(netns, ['-R'], `${rules.join('\n')}\n`);
    assert.deepStrictEqual(sorted(await read(ipvs)), sorted(expected(table)));
  });
});

// The nearest to a service that ipvsadm has words for.
function sayable(service: ModelService): ModelService {
  let { persistent } = service;
  if (persistent !== undefined && persistent > 2678400) {
    quirk('a persistence timeout above 31 days is refused by -p');
    persistent = 2678400;
  }
  return {
    ...service,
    persistent,
    destinations: service.destinations.map((destination) => {
      let { forwarding } = destination;
      if (forwarding === 'local' || forwarding === 'bypass') {
        if (forwarding === 'bypass') {
          quirk('bypass destinations are printed as (null), and there is no option to add one');
        }
        forwarding = 'dr';
      }
      return { ...destination, forwarding };
    }),
  };
}

// ---- what ipvsadm gets wrong, so that a version that does not is noticed

t.test('ipvsadm refuses what it can not say, or what it printed itself', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const refusals: [rule: string, reason: RegExp][] = [
    ['-A -f -294967296', /invalid fwmark value/],
    ['-A -t 10.0.0.1:81 -p 2678401', /timeout value/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5:80 (null) -w 1', /unexpected argument/],
  ];
  await ipvs.addService({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
  for (const [rule, reason] of refusals) {
    const command = ['netns', 'exec', netns, 'ipvsadm', ...rule.split(' ')];
    const { status, stderr } = spawnSync('ip', command, { encoding: 'utf8' });
    t.equal(status, 2, rule);
    t.match(stderr, reason);
  }
});

t.test('everything that ipvsadm gets wrong was in a table', (t) => {
  for (const [name, times] of Object.entries(QUIRKS)) t.ok(times > 0, `${name}: ${times} times`);
  t.end();
});
