// Routes and rules on the real kernel.

import t from 'tap';
import type { RouteConfig, RuleConfig } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import type { Test } from '../lab/namespace.js';
import { freshNetwork } from '../lab/network.js';
import type { FreshNetwork, Told } from '../lab/network.js';
import { batch } from '../lab/topology.js';
import { until } from '../lab/until.js';

/** A fresh namespace with a link that has a network of each family on it. */
async function connectedNetwork(t: Test): Promise<FreshNetwork> {
  const fresh = await freshNetwork(t);
  const { network } = fresh;
  await network.addLink({ name: 'dum0', kind: 'dummy', up: true });
  await network.setLink('dum0', { arp: true });
  await network.addAddress({ interface: 'dum0', address: '10.0.0.1', prefix: 24 });
  await network.addAddress({ interface: 'dum0', address: 'fd00::1', prefix: 64, noDad: true });
  // The kernel makes the routes to the addresses of IPv6 in the background: not in the middle of a test.
  const settled = async (): Promise<boolean> => {
    const local = await network.routes({ family: 'ipv6', table: 255 });
    return ['fd00::1', 'fe80::'].every((start) =>
      local.some(({ destination }) => destination.startsWith(start)),
    );
  };
  await until('there are routes to the own addresses', settled);
  return fresh;
}

const ROWS: readonly (readonly [config: RouteConfig, reads: object])[] = [
  [
    { destination: '10.5.0.0/16', interface: 'dum0' },
    { table: 254, type: 'unicast', scope: 'link', protocol: 'boot', interface: 'dum0' },
  ],
  [
    { destination: 'default', gateway: '10.0.0.2' },
    { scope: 'global', gateway: '10.0.0.2', interface: 'dum0' },
  ],
  [
    {
      destination: '10.6.0.1',
      gateway: '10.0.0.3',
      source: '10.0.0.1',
      protocol: 'static',
      metric: 7,
    },
    { destination: '10.6.0.1/32', source: '10.0.0.1', protocol: 'static', metric: 7 },
  ],
  [
    { destination: '10.7.0.0/16', gateway: '10.0.0.2', mtu: 1400, advertisedMss: 1360, table: 100 },
    { mtu: 1400, advertisedMss: 1360, table: 100 },
  ],
  [
    {
      destination: '10.8.0.0/16',
      gateway: '192.0.2.1',
      interface: 'dum0',
      onLink: true,
      table: 70000,
    },
    { gateway: '192.0.2.1', onLink: true, table: 70000 },
  ],
  [
    { destination: 'default', family: 'ipv4', type: 'local', interface: 'lo', table: 101 },
    { family: 'ipv4', type: 'local', scope: 'host', interface: 'lo', table: 101 },
  ],
  [
    { destination: '10.9.0.0/16', type: 'local', interface: 'lo', protocol: 200 },
    { type: 'local', table: 255, protocol: 200 },
  ],
  [{ destination: '10.10.0.0/16', type: 'blackhole' }, { type: 'blackhole' }],
  [{ destination: '10.11.0.0/16', type: 'unreachable' }, { type: 'unreachable' }],
  [{ destination: '10.12.0.0/16', type: 'prohibit' }, { type: 'prohibit' }],
  [
    { destination: '10.13.0.0/16', gateway: 'fd00::5', interface: 'dum0' },
    { gateway: 'fd00::5', family: 'ipv4' },
  ],
  [
    { destination: 'fd05::/16', interface: 'dum0' },
    { destination: 'fd05::/16', family: 'ipv6', metric: 1024, interface: 'dum0' },
  ],
  [
    { destination: 'default', gateway: 'fd00::2', source: 'fd00::1' },
    { family: 'ipv6', gateway: 'fd00::2', source: 'fd00::1' },
  ],
  [
    {
      destination: 'fd07::1',
      gateway: 'fd00::2',
      metric: 5,
      mtu: 1400,
      advertisedMss: 1340,
      table: 100,
    },
    { destination: 'fd07::1/128', metric: 5, mtu: 1400, advertisedMss: 1340, table: 100 },
  ],
  [
    { destination: 'default', family: 'ipv6', type: 'local', interface: 'lo', table: 101 },
    { family: 'ipv6', type: 'local', interface: 'lo', table: 101 },
  ],
  [{ destination: 'fd08::/16', type: 'blackhole' }, { type: 'blackhole' }],
  [{ destination: 'fd09::/16', type: 'unreachable' }, { type: 'unreachable' }],
];

t.test('a route is added with all that it has, is there once, and is removed', async (t) => {
  const { network, ip4, ip6 } = await connectedNetwork(t);
  const before = await network.routes();
  for (const [config] of ROWS) await network.addRoute(config);
  const routes = await network.routes();
  t.equal(routes.length, before.length + ROWS.length);
  for (const [config, reads] of ROWS) {
    const wanted = { destination: config.destination, ...reads };
    t.equal(routes.filter((each) => fits(each, wanted)).length, 1, JSON.stringify(wanted));
  }
  const [ipv4 = []] = ip4('route show table all');
  const [ipv6 = []] = ip6('route show table all');
  t.strictSame(
    routes.map(summary).sort(),
    [
      ...ipv4.map((each) => fromIp(each, 'ipv4')),
      ...ipv6.map((each) => fromIp(each, 'ipv6')),
    ].sort(),
    'what ip tells',
  );
  for (const [config] of ROWS) {
    t.match(await failureOf(network.addRoute(config)), { code: 'EEXIST', command: 'add route' });
  }
  for (const [config] of ROWS) await network.removeRoute(config);
  t.strictSame(await network.routes(), before, 'all is as before');
  for (const [config] of ROWS) {
    t.match(await failureOf(network.removeRoute(config)), { code: 'ESRCH' }, config.destination);
  }
});

function fits(route: object, wanted: object): boolean {
  const has = route as Record<string, unknown>;
  return Object.entries(wanted).every(([name, value]) => has[name] === value);
}

const NUMBERS: Readonly<Record<string, number>> = { main: 254, local: 255, default: 253 };

function line(parts: readonly unknown[]): string {
  return parts.map((part) => (part ?? '-') as string).join(' ');
}

function summary(route: object): string {
  const {
    destination,
    family,
    table,
    type,
    scope,
    protocol,
    interface: name,
    gateway,
    source,
    metric,
  } = route as Record<string, unknown>;
  return line([family, table, type, destination, scope, protocol, name, gateway, source, metric]);
}

// ip leaves a prefix of the full length out, and calls the interface of an IPv6 blackhole "lo".
function fromIp(told: Told, family: string): string {
  const table = (told.table ?? 'main') as string;
  const to = String(told.dst);
  const whole = family === 'ipv4' ? '/32' : '/128';
  const via = told.via as { host: string } | undefined;
  return line([
    family,
    NUMBERS[table] ?? table,
    told.type,
    to === 'default' || to.includes('/') ? to : `${to}${whole}`,
    told.scope,
    told.protocol,
    told.dev,
    told.gateway ?? via?.host,
    told.prefsrc,
    told.metric === 0 ? undefined : told.metric,
  ]);
}

// What this library has no words for.
const FOREIGN: readonly string[] = [
  'route add default via 10.0.0.2 initcwnd 20 initrwnd 30 quickack 1 window 1000 rto_min 300ms',
  'route add 10.5.0.0/16 via 10.0.0.2 mtu lock 1400 advmss 1300 hoplimit 9 src 10.0.0.1',
  'route add 10.6.0.0/16 tos 0x10 via 10.0.0.2',
  'route add 10.7.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3',
  'route add throw 10.8.0.0/16',
  'nexthop add id 7 via 10.0.0.7 dev dum0',
  'nexthop add id 8 via 10.0.0.8 dev dum0',
  'nexthop add id 9 group 7/8,5',
  'route add 10.9.0.0/16 nhid 7 mtu 1333',
  'route add 10.10.0.0/16 nhid 9',
  'route add default via fd00::2 proto ra expires 1000 pref high',
  'route add fd05::/16 via fd00::2 initcwnd 7 hoplimit 9',
  'route add fd06::/16 nexthop via fd00::2 nexthop via fd00::3 weight 4',
];

t.test('a route with what has no words here is put back as it was', async (t) => {
  const { network, netns, ip4, ip6 } = await connectedNetwork(t);
  const before = await network.routes();
  batch(netns, FOREIGN);
  const told = (): string => JSON.stringify([ip4('route show'), ip6('route show')]);
  const text = told().replaceAll(/"expires":\d+/g, '"expires":0');
  const known = new Set(before.map((each) => JSON.stringify(each)));
  const foreign = (await network.routes()).filter((each) => !known.has(JSON.stringify(each)));
  const routes = FOREIGN.filter((each) => each.includes('route add'));
  t.equal(foreign.length, routes.length);
  for (const route of foreign) {
    const untold = route.family === 'ipv4' ? ['nextHops'] : ['nextHops', 'scope'];
    const config = Object.fromEntries(
      Object.entries(route).filter(([name]) => !untold.includes(name)),
    ) as unknown as RouteConfig;
    await network.removeRoute(config);
    await network.addRoute(config);
    await network.replaceRoute(config);
  }
  t.equal(told().replaceAll(/"expires":\d+/g, '"expires":0'), text);
  const again = await network.routes({ family: 'ipv6', table: 254 });
  const [{ expires = 0 } = {}] = again.filter(({ protocol }) => protocol === 'ra');
  t.ok(expires > 0 && expires <= 1001, `${expires} s`);
});

t.test('a table is read alone, and one that is not there is empty', async (t) => {
  const { network } = await connectedNetwork(t);
  await network.addRoute({ destination: '10.5.0.0/16', interface: 'dum0', table: 100 });
  await network.addRoute({ destination: 'fd05::/16', interface: 'dum0', table: 100 });
  await network.addRoute({ destination: '10.6.0.0/16', interface: 'dum0', table: 70000 });
  const there = async (filter: { family?: 'ipv4' | 'ipv6'; table?: number }) =>
    (await network.routes(filter)).map(({ destination }) => destination);
  t.strictSame(await there({ table: 100 }), ['10.5.0.0/16', 'fd05::/16']);
  t.strictSame(await there({ table: 100, family: 'ipv6' }), ['fd05::/16']);
  t.strictSame(await there({ table: 70000 }), ['10.6.0.0/16']);
  t.strictSame(await there({ table: 4000000000 }), []);
  t.match(new Set(await there({ family: 'ipv4' })), new Set(['10.0.0.0/24', '10.6.0.0/16']));
});

t.test('a route is replaced, and several next hops are read', async (t) => {
  const { network, ip, ip6 } = await connectedNetwork(t);
  await network.replaceRoute({ destination: '10.5.0.0/16', gateway: '10.0.0.2' });
  await network.replaceRoute({ destination: '10.5.0.0/16', gateway: '10.0.0.3', mtu: 1300 });
  await network.replaceRoute({ destination: 'fd05::/16', gateway: 'fd00::2' });
  await network.replaceRoute({ destination: 'fd05::/16', gateway: 'fd00::3' });
  ip6('route add fd06::/16 nexthop via fd00::4 nexthop via fd00::5 weight 2');
  ip('route add 10.6.0.0/16 nexthop via 10.0.0.4 weight 3 nexthop via 10.0.0.5 dev dum0');
  const routes = await network.routes({ table: 254 });
  const to = (destination: string) => routes.filter((each) => each.destination === destination);
  t.match(to('10.5.0.0/16'), [{ gateway: '10.0.0.3', mtu: 1300 }]);
  t.match(to('fd05::/16'), [{ gateway: 'fd00::3' }]);
  t.equal(to('10.5.0.0/16').length, 1);
  const hops = (destination: string) => to(destination)[0]?.nextHops;
  t.strictSame(hops('10.6.0.0/16'), [
    { interface: 'dum0', gateway: '10.0.0.4', weight: 3 },
    { interface: 'dum0', gateway: '10.0.0.5', weight: 1 },
  ]);
  t.strictSame(hops('fd06::/16'), [
    { interface: 'dum0', gateway: 'fd00::4', weight: 1 },
    { interface: 'dum0', gateway: 'fd00::5', weight: 2 },
  ]);
});

t.test('what the kernel noted while it used a route is none', async (t) => {
  const { network, ip, ip6 } = await connectedNetwork(t);
  // Looking at the way to an address through a route with an MTU leaves a clone behind.
  await network.addRoute({ destination: 'fd05::/16', gateway: 'fd00::2', mtu: 1300 });
  const before = await network.routes();
  ip6('route get fd05::1');
  ip('route get 10.0.0.77');
  t.strictSame(await network.routes(), before);
});

t.test('what the kernel refuses of a route is told with its reason', async (t) => {
  const { network } = await connectedNetwork(t);
  const away = await failureOf(
    network.addRoute({ destination: '10.5.0.0/16', gateway: '192.0.2.1' }),
  );
  t.match(away, {
    name: 'NetworkError',
    code: 'ENETUNREACH',
    subject: '10.5.0.0/16 via 192.0.2.1',
    hint: /onLink/,
    message: /the kernel says: Nexthop has invalid gateway/,
  });
  t.match(await failureOf(network.addRoute({ destination: '10.5.0.0/16', interface: 'none' })), {
    code: 'ENODEV',
  });
  await network.setLink('dum0', { up: false });
  t.match(await failureOf(network.addRoute({ destination: '10.5.0.0/16', interface: 'dum0' })), {
    code: 'ENETDOWN',
    message: /the interface is down/,
  });
});

const RULES: readonly (readonly [config: RuleConfig, reads: object])[] = [
  [
    { fwmark: 1, table: 100 },
    { fwmark: 1, table: 100, action: 'table' },
  ],
  [
    { fwmark: 4294967295, fwmask: 255, table: 70000, priority: 100 },
    { fwmark: 4294967295, fwmask: 255, table: 70000, priority: 100 },
  ],
  [
    { source: '10.0.0.0/8', destination: '10.1.0.1', table: 101, priority: 200 },
    { source: '10.0.0.0/8', destination: '10.1.0.1/32', table: 101 },
  ],
  [
    { family: 'ipv6', fwmark: 1, table: 100 },
    { family: 'ipv6', fwmark: 1, table: 100 },
  ],
  [
    { family: 'ipv6', source: 'fd00::/16', table: 101, priority: 300 },
    { family: 'ipv6', source: 'fd00::/16', priority: 300 },
  ],
];

t.test('a rule is added, is there once, and is removed', async (t) => {
  const { network, ip } = await freshNetwork(t);
  const before = await network.rules();
  t.match(before, [
    { family: 'ipv4', priority: 0, table: 255 },
    { family: 'ipv4', priority: 32766, table: 254 },
    { family: 'ipv4', priority: 32767, table: 253 },
    { family: 'ipv6', priority: 0, table: 255 },
    { family: 'ipv6', priority: 32766, table: 254 },
  ]);
  for (const [config] of RULES) await network.addRule(config);
  const rules = await network.rules();
  for (const [, reads] of RULES) {
    t.equal(
      rules.filter((each) => fits(each, { family: 'ipv4', ...reads })).length,
      1,
      JSON.stringify(reads),
    );
  }
  t.equal(rules.length, before.length + RULES.length);
  const [told = []] = ip('rule show');
  t.match(
    told.map(({ priority, fwmark, fwmask }) => ({ priority, fwmark, fwmask })),
    rules
      .filter(({ family }) => family === 'ipv4')
      .map(({ priority, fwmark, fwmask }) => ({
        priority,
        fwmark: fwmark && `0x${fwmark.toString(16)}`,
        fwmask: fwmask && `0x${fwmask.toString(16)}`,
      })),
  );
  // Without a priority the same one is another, in front of it.
  for (const [config] of RULES.filter(([{ priority }]) => priority !== undefined)) {
    t.match(await failureOf(network.addRule(config)), { code: 'EEXIST', command: 'add rule' });
  }
  t.strictSame(
    (await network.rules({ family: 'ipv6' })).map(({ family }) => family),
    ['ipv6', 'ipv6', 'ipv6', 'ipv6'],
  );
  for (const [config] of RULES) await network.removeRule(config);
  t.strictSame(await network.rules(), before);
  for (const [config] of RULES) {
    t.match(await failureOf(network.removeRule(config)), {
      code: 'ENOENT',
      message: /there is no such rule/,
    });
  }
});

t.test('rules that somebody else made are read', async (t) => {
  const { network, ip } = await freshNetwork(t);
  ip(
    'rule add iif lo blackhole priority 10',
    'rule add not from 10.0.0.0/8 lookup 5 priority 11',
    'rule add oif lo prohibit priority 12',
    'rule add goto 12 priority 9',
    'rule add fwmark 1 table 100 priority 20 suppress_prefixlength 0',
    'rule add fwmark 1 table 100 priority 21 ipproto tcp dport 80',
    'rule add fwmark 1 table 100 priority 22',
  );
  t.match(await network.rules({ family: 'ipv4' }), [
    { priority: 0 },
    { priority: 9, action: 'goto' },
    { priority: 10, inputInterface: 'lo', action: 'blackhole' },
    { priority: 11, source: '10.0.0.0/8', inverted: true, action: 'table', table: 5 },
    { priority: 12, outputInterface: 'lo', action: 'prohibit' },
    { priority: 20, fwmark: 1, table: 100, otherConditions: true },
    { priority: 21, fwmark: 1, table: 100, otherConditions: true },
    { priority: 22, fwmark: 1, table: 100, otherConditions: undefined },
    { priority: 32766 },
    { priority: 32767 },
  ]);
});
