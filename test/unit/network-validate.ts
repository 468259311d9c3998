// From what a caller writes to the network's numbers. Where it fails, nonsense reaches the kernel, or
// the kernel is asked for something else than was written.

import t from 'tap';
import {
  parseAddressConfig,
  parseAddressKey,
  parseAnnouncement,
  parseFilter,
  parseFouPort,
  parseLinkChanges,
  parseLinkConfig,
  parseLinkName,
  parseMarkRule,
  parseNeighbour,
  parseRoute,
  parseRule,
  parseSettingName,
  parseSettingValue,
  settingName,
} from '#lib/network/validate';

const TYPE = 'ERR_INVALID_ARG_TYPE';
const VALUE = 'ERR_INVALID_ARG_VALUE';
const RANGE = 'ERR_OUT_OF_RANGE';

type Refusal = readonly [value: unknown, code: string, property: string];

function refuses(t: tap.Test, parse: (value: unknown) => unknown, refusals: readonly Refusal[]) {
  for (const [value, code, property] of refusals) {
    let told: unknown;
    try {
      parse(value);
    } catch (error) {
      told = error;
    }
    const { code: given, message } = (told ?? {}) as { code?: string; message?: string };
    t.equal(given, code, `${property}: ${message}`);
    t.match(message, `'${property}'`);
  }
}

/** What `each` becomes, without what is not there. */
const numbers = (parsed: { readonly numbers: object }): object =>
  Object.fromEntries(Object.entries(parsed.numbers).filter(([, value]) => value !== undefined));

t.test('a link: a dummy, or a tunnel with what ip would send', (t) => {
  t.strictSame(numbers(parseLinkConfig({ name: 'd', kind: 'dummy' })), {
    name: 'd',
    kind: 'dummy',
    flags: 0,
    flagsMask: 0,
    mtu: 0,
    lower: '',
  });
  const ipip = { name: 't', kind: 'ipip', local: '10.0.0.1', up: true, interface: 'eth0' };
  t.match(numbers(parseLinkConfig(ipip)), {
    flags: 1,
    flagsMask: 1,
    lower: 'eth0',
    local: [10, 0, 0, 1],
    ttl: 0,
    pathMtu: true,
    checksum: false,
    external: false,
  });
  t.match(numbers(parseLinkConfig({ name: 't', kind: 'ip6gre', checksum: true })), {
    ttl: 64,
    encapsulationLimit: 4,
    checksum: true,
  });
  const at = (more: object) => ({ name: 't', kind: 'gre', ...more });
  refuses(t, parseLinkConfig, [
    [null, TYPE, 'link'],
    [{ kind: 'dummy' }, TYPE, 'link.name'],
    [{ name: 'a/b', kind: 'dummy' }, VALUE, 'link.name'],
    [{ name: 'sixteen-letters!', kind: 'dummy' }, VALUE, 'link.name'],
    [{ name: 'd' }, TYPE, 'link.kind'],
    [{ name: 'd', kind: 'bridge' }, VALUE, 'link.kind'],
    [{ name: 'd', kind: 'dummy', local: '10.0.0.1' }, VALUE, 'link.local'],
    [{ name: 'd', kind: 'dummy', mtu: 67 }, RANGE, 'link.mtu'],
    [{ name: 'd', kind: 'dummy', remot: '10.0.0.1' }, VALUE, 'link.remot'],
    [at({ local: 'fd00::1' }), VALUE, 'link.local'],
    [{ name: 't', kind: 'ip6tnl', remote: '10.0.0.1' }, VALUE, 'link.remote'],
    [at({ local: 'fe80::1%eth0' }), VALUE, 'link.local'],
    [at({ ttl: 256 }), RANGE, 'link.ttl'],
    [at({ external: true, remote: '10.0.0.1' }), VALUE, 'link.remote'],
    [{ name: 't', kind: 'ipip', checksum: true }, VALUE, 'link.checksum'],
    [at({ up: 1 }), TYPE, 'link.up'],
  ]);
  refuses(t, parseLinkName, [
    ['', VALUE, 'name'],
    [7, TYPE, 'name'],
  ]);
  t.end();
});

t.test('changes of a link touch what they name', (t) => {
  const changes = (value: unknown) => numbers(parseLinkChanges('x', value));
  t.match(changes({}), { flags: 0, flagsMask: 0, mtu: 0 });
  t.match(changes({ up: true }), { flags: 1, flagsMask: 1 });
  t.match(changes({ up: false }), { flags: 0, flagsMask: 1 });
  t.match(changes({ arp: true }), { flags: 0, flagsMask: 0x80 });
  t.match(changes({ arp: false, up: true, mtu: 1400 }), {
    flags: 0x81,
    flagsMask: 0x81,
    mtu: 1400,
  });
  refuses(t, (value) => parseLinkChanges('x', value), [
    [undefined, TYPE, 'changes'],
    [{ up: 'yes' }, TYPE, 'changes.up'],
    [{ name: 'y' }, VALUE, 'changes.name'],
  ]);
  t.end();
});

t.test('an address has a prefix, a scope and flags', (t) => {
  const { subject } = parseAddressConfig({ interface: 'lo', address: 'FD00:0::1' });
  t.equal(subject, 'fd00::1/128 on lo');
  t.strictSame(numbers(parseAddressConfig({ interface: 'lo', address: '10.0.0.1' })), {
    interface: 'lo',
    address: [10, 0, 0, 1],
    prefix: 32,
    scope: 0,
    flags: 0,
  });
  t.match(numbers(parseAddressConfig({ interface: 'lo', address: '127.0.0.2' })), { scope: 254 });
  t.match(numbers(parseAddressConfig({ interface: 'lo', address: '::1' })), { scope: 254 });
  t.match(
    numbers(
      parseAddressConfig({
        interface: 'lo',
        address: 'fd00::1',
        noDad: true,
        noPrefixRoute: true,
        preferredLifetime: 0,
        scope: 'link',
      }),
    ),
    { flags: 0x202, preferredLifetime: 0, scope: 253 },
  );
  const at = (more: object) => ({ interface: 'lo', address: '10.0.0.1', ...more });
  const at6 = (more: object) => ({ interface: 'lo', address: 'fd00::1', ...more });
  refuses(t, parseAddressConfig, [
    [{ interface: 'lo' }, TYPE, 'address.address'],
    [{ address: '10.0.0.1' }, TYPE, 'address.interface'],
    [at({ address: '10.0.0.1/24' }), VALUE, 'address.address'],
    [at({ address: 'fe80::1%lo' }), VALUE, 'address.address'],
    [at({ prefix: 33 }), RANGE, 'address.prefix'],
    [at6({ prefix: 129 }), RANGE, 'address.prefix'],
    [at({ scope: 'galaxy' }), VALUE, 'address.scope'],
    [at({ scope: 256 }), RANGE, 'address.scope'],
    [at({ scope: true }), TYPE, 'address.scope'],
    [at({ label: 'eth0' }), VALUE, 'address.label'],
    [at({ label: 'lo:much-too-long-a-label' }), VALUE, 'address.label'],
    [at6({ label: 'lo' }), VALUE, 'address.label'],
    [at6({ broadcast: '10.0.0.255' }), VALUE, 'address.broadcast'],
    [at({ broadcast: 'fd00::1' }), VALUE, 'address.broadcast'],
    [at({ noDad: true }), VALUE, 'address.noDad'],
    [at({ preferredLifetime: -1 }), RANGE, 'address.preferredLifetime'],
    [at({ lifetime: 1 }), VALUE, 'address.lifetime'],
    [at({ validLifetime: 0 }), RANGE, 'address.validLifetime'],
    [at({ peer: 'fd00::2' }), VALUE, 'address.peer'],
    [at({ other: '0g' }), VALUE, 'address.other'],
    [at({ other: '080009004d0000' }), VALUE, 'address.other'],
  ]);
  refuses(t, parseAddressKey, [[at({ scope: 'link' }), VALUE, 'address.scope']]);
  t.end();
});

t.test('a route has what ip would give it', (t) => {
  const route = (value: object) => numbers(parseRoute(value));
  const plain = { table: 254, type: 1, protocol: 3, flags: 0 };
  t.match(route({ destination: '10.0.0.0/8', interface: 'x' }), {
    ...plain,
    scope: 253,
    prefix: 8,
  });
  t.match(route({ destination: '10.0.0.1', gateway: '10.9.0.1' }), {
    ...plain,
    scope: 0,
    prefix: 32,
  });
  t.match(route({ destination: 'fd00::/16', interface: 'x' }), { ...plain, scope: 0, family: 10 });
  t.match(route({ destination: 'default', gateway: 'fd00::1' }), { family: 10, prefix: 0 });
  t.match(route({ destination: '10.0.0.1', type: 'local', interface: 'lo' }), {
    table: 255,
    type: 2,
    scope: 254,
  });
  t.match(route({ destination: '10.0.0.0/8', type: 'blackhole' }), { type: 6, scope: 0 });
  t.match(route({ destination: 'default', gateway: '10.0.0.1', onLink: true, protocol: 99 }), {
    flags: 4,
    protocol: 99,
  });
  t.match(numbers(parseRoute({ destination: '10.0.0.0/8' }, true)), {
    type: 0,
    scope: 255,
    protocol: 0,
    table: 254,
  });
  t.equal(
    parseRoute({ destination: 'default', gateway: '10.0.0.1', interface: 'x', table: 5 }).subject,
    'default via 10.0.0.1 dev x table 5',
  );
  const to = (more: object) => ({ destination: '10.0.0.0/8', interface: 'x', ...more });
  refuses(t, parseRoute, [
    [{ interface: 'x' }, TYPE, 'route.destination'],
    [to({ destination: '10.0.0.1/8' }), VALUE, 'route.destination'],
    [to({ destination: '10.0.0.0/33' }), VALUE, 'route.destination'],
    [to({ destination: '10.0.0.0/08' }), VALUE, 'route.destination'],
    [to({ destination: '10.0.0.0/8/8' }), VALUE, 'route.destination'],
    [to({ destination: 'everywhere' }), VALUE, 'route.destination'],
    [{ destination: 'default', interface: 'x' }, VALUE, 'route.family'],
    [to({ family: 'ipv6' }), VALUE, 'route.family'],
    [{ destination: '10.0.0.0/8' }, VALUE, 'route.interface'],
    [to({ table: 0 }), RANGE, 'route.table'],
    [to({ type: 'nat' }), VALUE, 'route.type'],
    [to({ tos: 256 }), RANGE, 'route.tos'],
    [to({ expires: 0 }), RANGE, 'route.expires'],
    [to({ other: 'x' }), VALUE, 'route.other'],
    [to({ source: 'fd00::1' }), VALUE, 'route.source'],
    [{ destination: 'fd00::/16', gateway: '10.0.0.1' }, VALUE, 'route.gateway'],
    [to({ metric: -1 }), RANGE, 'route.metric'],
    [to({ advertisedMss: 65536 }), RANGE, 'route.advertisedMss'],
    [to({ protocol: 'rip' }), VALUE, 'route.protocol'],
    [to({ nextHops: [] }), VALUE, 'route.nextHops'],
  ]);
  t.end();
});

t.test('a rule looks up a table', (t) => {
  t.strictSame(numbers(parseRule({ fwmark: 1, table: 100 })), {
    family: 2,
    action: 1,
    table: 100,
    mark: 1,
    markMask: 2 ** 32 - 1,
  });
  t.match(numbers(parseRule({ fwmark: 1, fwmask: 15, table: 1, priority: 0, family: 'ipv6' })), {
    family: 10,
    markMask: 15,
    priority: 0,
  });
  t.equal(
    parseRule({ source: '10.0.0.0/8', fwmark: 1, table: 100, priority: 5 }).subject,
    '5: from 10.0.0.0/8 fwmark 1 lookup 100 (ipv4)',
  );
  refuses(t, parseRule, [
    [{ fwmark: 1 }, TYPE, 'rule.table'],
    [{ table: 0 }, RANGE, 'rule.table'],
    [{ table: 1, fwmark: 2 ** 32 }, RANGE, 'rule.fwmark'],
    [{ table: 1, fwmask: 1 }, VALUE, 'rule.fwmask'],
    [{ table: 1, source: 'fd00::/16' }, VALUE, 'rule.source'],
    [{ table: 1, family: 'ipv6', destination: '10.0.0.0/8' }, VALUE, 'rule.destination'],
    [{ table: 1, family: 'inet' }, VALUE, 'rule.family'],
    [{ table: 1, priority: -1 }, RANGE, 'rule.priority'],
    [{ table: 1, iif: 'lo' }, VALUE, 'rule.iif'],
  ]);
  t.end();
});

t.test('a neighbour has a MAC unless it is a proxy entry', (t) => {
  const at = (more: object) => ({ interface: 'x', address: '10.0.0.5', ...more });
  t.strictSame(numbers(parseNeighbour(at({ linkAddress: '2:0:0:0:0:FF' }))), {
    interface: 'x',
    address: [10, 0, 0, 5],
    state: 0x80,
    proxy: false,
    linkAddress: [2, 0, 0, 0, 0, 255],
  });
  t.match(numbers(parseNeighbour(at({ proxy: true }))), { proxy: true });
  refuses(t, parseNeighbour, [
    [at({}), VALUE, 'neighbour.linkAddress'],
    [at({ linkAddress: '02:00:00:00:00' }), VALUE, 'neighbour.linkAddress'],
    [at({ linkAddress: '02:00:00:00:00:01', state: 'failed' }), VALUE, 'neighbour.state'],
    [at({ linkAddress: '02:00:00:00:00:01', state: 'dead' }), VALUE, 'neighbour.state'],
    [{ interface: 'x', proxy: true }, TYPE, 'neighbour.address'],
  ]);
  refuses(t, (value) => parseNeighbour(value, true), [
    [at({ linkAddress: '02:00:00:00:00:01' }), VALUE, 'neighbour.linkAddress'],
  ]);
  t.end();
});

t.test('a port of FOU says what is inside, one of GUE does not', (t) => {
  t.strictSame(numbers(parseFouPort({ port: 5555, type: 'fou', protocol: 4 })), {
    port: 5555,
    family: 2,
    type: 1,
    protocol: 4,
  });
  t.match(numbers(parseFouPort({ port: 1, type: 'gue', family: 'ipv6' })), { family: 10, type: 2 });
  refuses(t, parseFouPort, [
    [{ port: 0, type: 'gue' }, RANGE, 'port.port'],
    [{ port: 1 }, TYPE, 'port.type'],
    [{ port: 1, type: 'udp' }, VALUE, 'port.type'],
    [{ port: 1, type: 'fou' }, VALUE, 'port.protocol'],
    [{ port: 1, type: 'gue', protocol: 4 }, VALUE, 'port.protocol'],
  ]);
  t.end();
});

t.test('a mark is for an address, a protocol and ports', (t) => {
  const rule = { address: '10.0.0.0/8', protocol: 'udp', mark: 7 } as const;
  t.strictSame(numbers(parseMarkRule({ ...rule, ports: [53, { from: 60, to: 70 }] })), {
    address: [10, 0, 0, 0],
    prefix: 8,
    protocol: 17,
    mark: 7,
    notes: ['ipvs udp 10.0.0.0/8 53 mark 7', 'ipvs udp 10.0.0.0/8 60-70 mark 7'],
    chain: 'mark_7_udp_10.0.0.0/8',
    ports: [53, 53, 60, 70],
  });
  t.match(numbers(parseMarkRule(rule)), {
    ports: [0, 0],
    notes: ['ipvs udp 10.0.0.0/8 mark 7'],
  });
  t.match(numbers(parseMarkRule({ ...rule, address: 'FD00:0::1', ports: [53] })), {
    notes: ['ipvs udp fd00::1 53 mark 7'],
    chain: 'mark_7_udp_fd00__1',
  });
  t.equal(parseMarkRule({ ...rule, ports: [53] }).subject, 'udp 10.0.0.0/8 ports 53 (mark 7)');
  t.equal(parseMarkRule(rule).subject, 'udp 10.0.0.0/8 (mark 7)');
  const many = Array.from({ length: 1200 }, (_, index) => index + 1);
  t.equal(
    parseMarkRule({ ...rule, ports: many }).subject,
    'udp 10.0.0.0/8 ports 1, 2, 3, 4, 5, 6, 7, 8 and 1192 more (mark 7)',
  );
  refuses(t, parseMarkRule, [
    [{ ...rule, mark: 0 }, RANGE, 'rule.mark'],
    [{ ...rule, mark: 2 ** 32 }, RANGE, 'rule.mark'],
    [{ ...rule, protocol: 'icmp' }, VALUE, 'rule.protocol'],
    [{ ...rule, family: 'ipv6' }, VALUE, 'rule.family'],
    [{ ...rule, address: '10.0.0.1/8' }, VALUE, 'rule.address'],
    [{ ...rule, ports: 53 }, TYPE, 'rule.ports'],
    [{ ...rule, ports: [] }, VALUE, 'rule.ports'],
    [{ ...rule, ports: [0] }, RANGE, 'rule.ports[0]'],
    [{ ...rule, ports: [53, { from: 9, to: 8 }] }, RANGE, 'rule.ports[1].to'],
    [{ ...rule, ports: [53, 53] }, VALUE, 'rule.ports'],
  ]);
  t.end();
});

t.test('an announcement is what keepalived makes of one', (t) => {
  t.match(parseAnnouncement({ interface: 'x', addresses: ['10.0.0.1', 'FD00:0::1'] }), {
    interface: 'x',
    addresses: [{ bytes: [10, 0, 0, 1] }, { family: 10 }],
    count: 5,
    interval: 0,
    repeatAfter: 5000,
    subject: '10.0.0.1, fd00::1 on x',
  });
  const at = (more: object) => ({ interface: 'x', addresses: ['10.0.0.1'], ...more });
  refuses(t, parseAnnouncement, [
    [at({ addresses: '10.0.0.1' }), TYPE, 'announcement.addresses'],
    [at({ addresses: ['10.0.0.1', 7] }), TYPE, 'announcement.addresses[1]'],
    [at({ count: 0 }), RANGE, 'announcement.count'],
    [at({ interval: -1 }), RANGE, 'announcement.interval'],
    [at({ repeatAfter: 0.5 }), RANGE, 'announcement.repeatAfter'],
    [at({ signal: 7 }), TYPE, 'announcement.signal'],
  ]);
  t.end();
});

t.test('a listing is narrowed down', (t) => {
  const known = ['interface', 'family', 'table'];
  t.strictSame(parseFilter(undefined, known), { family: 0, interface: undefined, table: 0 });
  t.match(parseFilter({ family: 'ipv6', interface: 'x', table: 7 }, known), {
    family: 10,
    interface: 'x',
    table: 7,
  });
  refuses(t, (value) => parseFilter(value, known), [
    [null, TYPE, 'filter'],
    [{ famly: 'ipv4' }, VALUE, 'filter.famly'],
    [{ family: 4 }, TYPE, 'filter.family'],
    [{ table: 0 }, RANGE, 'filter.table'],
  ]);
  t.end();
});

t.test('the name of a setting is a file and nothing beyond', (t) => {
  for (const [name, file] of [
    ['net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward'],
    ['net/ipv4/conf/a.1/arp_ignore', '/proc/sys/net/ipv4/conf/a.1/arp_ignore'],
    ['net.ipv4.conf.a/1.arp_ignore', '/proc/sys/net/ipv4/conf/a.1/arp_ignore'],
    ['kernel', '/proc/sys/kernel'],
  ] as const) {
    t.equal(parseSettingName(name), file);
    t.equal(parseSettingName(settingName(file)), file, 'and back');
  }
  t.equal(settingName('/proc/sys/net/ipv4/conf/a.1/arp_ignore'), 'net/ipv4/conf/a.1/arp_ignore');
  t.equal(settingName('/proc/sys/net/ipv4/ip_forward'), 'net.ipv4.ip_forward');
  refuses(t, parseSettingName, [
    ['', VALUE, 'name'],
    ['../../etc/passwd', VALUE, 'name'],
    ['net/../../etc/passwd', VALUE, 'name'],
    ['net.//.x', VALUE, 'name'],
    ['net..ipv4', VALUE, 'name'],
    ['/proc/sys/net', VALUE, 'name'],
    ['net.ipv4.', VALUE, 'name'],
    ['net.a\0b', VALUE, 'name'],
    [7, TYPE, 'name'],
  ]);
  t.end();
});

t.test('a value is a text', (t) => {
  t.equal(parseSettingValue('1 2'), '1 2');
  t.equal(parseSettingValue(-1), '-1');
  t.equal(parseSettingValue(true), '1');
  t.equal(parseSettingValue(false), '0');
  refuses(t, parseSettingValue, [
    [undefined, TYPE, 'value'],
    [{}, TYPE, 'value'],
    [1.5, RANGE, 'value'],
    [NaN, RANGE, 'value'],
    ['a\0b', VALUE, 'value'],
  ]);
  t.end();
});
