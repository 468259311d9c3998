// From what a caller writes to numbers, for all that is not a service or a destination.

import t from 'tap';
import {
  parseCallOptions,
  parseConnectionsOptions,
  parseDaemon,
  parseOpenOptions,
  parseReadOptions,
  parseRole,
  parseSnapshotOptions,
  parseTimeouts,
} from '#lib/options';

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

t.test('open: a namespace by name, path or process, and a timeout', (t) => {
  t.same(parseOpenOptions(undefined), { netns: undefined, timeout: 10_000 });
  t.same(parseOpenOptions({ netns: 'a', timeout: 1 }), { netns: '/run/netns/a', timeout: 1 });
  t.same(parseOpenOptions({ netns: './a' }).netns, './a');
  t.same(parseOpenOptions({ netns: '/proc/1/ns/net' }).netns, '/proc/1/ns/net');
  t.same(parseOpenOptions({ netns: { pid: 7 } }).netns, '/proc/7/ns/net');
  refuses(t, parseOpenOptions, [
    [null, TYPE, 'options'],
    [{ nets: 'a' }, VALUE, 'options.nets'],
    [{ netns: 7 }, TYPE, 'options.netns'],
    [{ netns: null }, TYPE, 'options.netns'],
    [{ netns: '' }, VALUE, 'options.netns'],
    [{ netns: '..' }, VALUE, 'options.netns'],
    [{ netns: 'a\0b' }, VALUE, 'options.netns'],
    [{ netns: { pid: 0 } }, RANGE, 'options.netns.pid'],
    [{ netns: { pid: '1' } }, TYPE, 'options.netns.pid'],
    [{ netns: { pdi: 1 } }, VALUE, 'options.netns.pdi'],
    [{ timeout: 0 }, RANGE, 'options.timeout'],
    [{ timeout: 2 ** 31 }, RANGE, 'options.timeout'],
    [{ timeout: 1.5 }, RANGE, 'options.timeout'],
    [{ timeout: Infinity }, RANGE, 'options.timeout'],
    [{ timeout: '5' }, TYPE, 'options.timeout'],
  ]);
  t.end();
});

t.test('calls and reads: a signal, bigint, settle', (t) => {
  const { signal } = new AbortController();
  t.same(parseCallOptions(undefined), { signal: undefined });
  t.equal(parseCallOptions({ signal }).signal, signal);
  t.same(parseReadOptions({}), { bigint: false, signal: undefined });
  t.same(parseReadOptions({ bigint: true }), { bigint: true, signal: undefined });
  t.match(parseSnapshotOptions(undefined), { bigint: false, settle: true });
  t.match(parseSnapshotOptions({ settle: false, bigint: true }), { bigint: true, settle: false });
  refuses(t, parseCallOptions, [
    [{ signal: {} }, TYPE, 'options.signal'],
    [{ signal: null }, TYPE, 'options.signal'],
    [{ bigint: true }, VALUE, 'options.bigint'],
    ['x', TYPE, 'options'],
  ]);
  refuses(t, parseReadOptions, [
    [{ bigint: 1 }, TYPE, 'options.bigint'],
    [{ settle: true }, VALUE, 'options.settle'],
  ]);
  refuses(t, parseSnapshotOptions, [[{ settle: 'yes' }, TYPE, 'options.settle']]);
  t.end();
});

t.test('timeouts: what is absent is 0, which the kernel takes for "as it is"', (t) => {
  t.same(parseTimeouts({}), { tcp: 0, tcpFin: 0, udp: 0 });
  t.same(parseTimeouts({ tcpFin: 2147483 }), { tcp: 0, tcpFin: 2147483, udp: 0 });
  refuses(t, parseTimeouts, [
    [undefined, TYPE, 'timeouts'],
    [{ tcp: 2147484 }, RANGE, 'timeouts.tcp'],
    [{ tcpFin: -1 }, RANGE, 'timeouts.tcpFin'],
    [{ udp: NaN }, RANGE, 'timeouts.udp'],
    [{ udp: 5n }, TYPE, 'timeouts.udp'],
    [{ sctp: 1 }, VALUE, 'timeouts.sctp'],
  ]);
  t.end();
});

t.test('sync daemons: what is left out is left to the kernel', (t) => {
  const nothing = { syncId: 0, maxLength: 0, group: undefined, port: 0, ttl: 0 };
  t.same(parseDaemon({ role: 'master', interface: 'eth0' }), {
    role: 1,
    interface: 'eth0',
    ...nothing,
  });
  const all = { syncId: 255, maxLength: 65535, port: 65535, ttl: 255 };
  const config = { role: 'backup', interface: 'a.b-c_d@0123456', group: 'ff02::1', ...all };
  t.match(parseDaemon(config), { role: 2, ...all, group: { family: 10, text: 'ff02::1' } });
  t.equal(parseRole('backup'), 2);
  const base = { role: 'master', interface: 'eth0' };
  refuses(t, parseDaemon, [
    [{ ...base, role: 'slave' }, VALUE, 'daemon.role'],
    [{ ...base, role: 'toString' }, VALUE, 'daemon.role'],
    [{ role: 'master' }, TYPE, 'daemon.interface'],
    [{ ...base, interface: '' }, VALUE, 'daemon.interface'],
    [{ ...base, interface: 'sixteen-letters-' }, VALUE, 'daemon.interface'],
    [{ ...base, interface: 'a/b' }, VALUE, 'daemon.interface'],
    [{ ...base, interface: 'a b' }, VALUE, 'daemon.interface'],
    [{ ...base, interface: 'caf\u00e9' }, VALUE, 'daemon.interface'],
    [{ ...base, interface: '..' }, VALUE, 'daemon.interface'],
    [{ ...base, syncId: 256 }, RANGE, 'daemon.syncId'],
    [{ ...base, syncId: -1 }, RANGE, 'daemon.syncId'],
    [{ ...base, maxLength: 0 }, RANGE, 'daemon.maxLength'],
    [{ ...base, maxLength: 65536 }, RANGE, 'daemon.maxLength'],
    [{ ...base, port: 0 }, RANGE, 'daemon.port'],
    [{ ...base, ttl: 256 }, RANGE, 'daemon.ttl'],
    [{ ...base, group: '10.0.0.1' }, VALUE, 'daemon.group'],
    [{ ...base, group: '223.255.255.255' }, VALUE, 'daemon.group'],
    [{ ...base, group: '240.0.0.0' }, VALUE, 'daemon.group'],
    [{ ...base, group: 'fe80::1' }, VALUE, 'daemon.group'],
    [{ ...base, group: 'ff02::1%eth0' }, VALUE, 'daemon.group'],
    [{ ...base, syncid: 1 }, VALUE, 'daemon.syncid'],
  ]);
  for (const group of ['224.0.0.0', '239.255.255.255', 'ff00::']) {
    t.equal(parseDaemon({ ...base, group }).group?.text, group);
  }
  t.end();
});

t.test('connections: filters by each side', (t) => {
  const anywhere = { family: 0, bytes: [], port: -1 };
  t.same(parseConnectionsOptions(undefined), {
    filter: {
      protocol: 0,
      fwmark: 0,
      client: anywhere,
      virtual: anywhere,
      destination: anywhere,
    },
    limit: Infinity,
    origin: false,
    signal: undefined,
  });
  const { filter, limit } = parseConnectionsOptions({
    protocol: 'sctp',
    client: '10.0.0.1',
    virtual: { port: 0 },
    destination: { address: '::1', port: 65535 },
    limit: 0,
  });
  t.equal(filter.protocol, 132);
  t.match(filter.client, { family: 2, bytes: [10, 0, 0, 1], port: -1 });
  t.same(filter.virtual, { ...anywhere, port: 0 }, 'port 0 is one, not any');
  t.match(filter.destination, { family: 10, port: 65535 });
  t.equal(limit, 0);
  t.equal(parseConnectionsOptions({ virtual: { fwmark: 2 ** 32 - 1 } }).filter.fwmark, 2 ** 32 - 1);
  refuses(t, parseConnectionsOptions, [
    [{ protocol: 'icmp' }, VALUE, 'options.protocol'],
    [{ client: 'localhost' }, VALUE, 'options.client'],
    [{ client: 7 }, TYPE, 'options.client'],
    [{ client: { host: 'x' } }, VALUE, 'options.client.host'],
    [{ client: { fwmark: 1 } }, VALUE, 'options.client.fwmark'],
    [{ client: 'fe80::1%eth0' }, VALUE, 'options.client'],
    [{ destination: { port: 65536 } }, RANGE, 'options.destination.port'],
    [{ destination: { address: '1.2.3' } }, VALUE, 'options.destination.address'],
    [{ virtual: { fwmark: 0 } }, RANGE, 'options.virtual.fwmark'],
    [{ virtual: { fwmark: 1, port: 2 } }, VALUE, 'options.virtual.port'],
    [{ limit: -1 }, RANGE, 'options.limit'],
    [{ limit: 2.5 }, RANGE, 'options.limit'],
    [{ origin: 'local' }, TYPE, 'options.origin'],
    [{ filter: {} }, VALUE, 'options.filter'],
  ]);
  t.end();
});
