// What crosses into C++ in packed form, and what comes back. Where the two sides disagree about a
// single column, a weight becomes a port.

import t from 'tap';
import { loadAddon } from '#lib/load';
import { FACTORIES, Fault, NativeFailure } from '#lib/native';
import { parseDaemon, parseTimeouts } from '#lib/options';
import { Command } from '#lib/records';
import type { DestinationRecord, Request, ServiceRecord } from '#lib/records';
import { Requests, readsOurRequests } from '#lib/requests';
import { Records, serviceOfRow, writesOurRows } from '#lib/rows';
import { parseDestinationConfig, parseServiceConfig, parseServiceId } from '#lib/validate';
import { recordsOf } from '../fixtures/fake-addon.js';
import {
  PARTS,
  ROWS,
  destinationRow,
  layoutOf,
  readRequests,
  serviceRow,
} from '../fixtures/packed.js';
import type { Row } from '../fixtures/packed.js';
import { noTraffic } from '../lab/objects.js';

function pack(...all: Request[]): Uint8Array {
  const requests = new Requests();
  for (const request of all) requests.add(request);
  if (requests.count !== all.length) throw new Error('that is not how many there are');
  return requests.bytes;
}

/** The only request of a buffer as native code reads it. */
function read(request: Request): Row {
  const [row, ...more] = readRequests(pack(request));
  if (row === undefined || more.length > 0) throw new Error('not one request');
  return row;
}

const nobody = { family: 0, protocol: 0, port: 0, fwmark: 0, address: '' };

t.test('both sides agree on the columns', (t) => {
  const { requestLayout, rowLayout } = loadAddon();
  t.strictSame([...requestLayout], PARTS.flatMap(layoutOf));
  t.strictSame([...rowLayout], ROWS.flatMap(layoutOf));
  t.equal(readsOurRequests(requestLayout), true);
  t.equal(writesOurRows(rowLayout), true);
  // A row is read as 64-bit counters too.
  for (const columns of ROWS) {
    const starts = layoutOf(columns);
    t.strictSame(
      [starts.at(-2), starts.at(-1)].map((at) => (at ?? 1) % 8),
      [0, 0],
    );
  }
  t.end();
});

// An addon of another version lies around after an update that did not build.
t.test('an addon with other columns is not understood', (t) => {
  const { requestLayout, rowLayout } = loadAddon();
  for (const [layout, fits] of [
    [requestLayout, readsOurRequests],
    [rowLayout, writesOurRows],
  ] as const) {
    t.equal(fits(layout.slice()), true);
    t.equal(fits(new Uint32Array()), false);
    t.equal(fits(layout.slice(0, -1)), false);
    t.equal(fits(Uint32Array.from([...layout, (layout.at(-1) ?? 0) + 4])), false);
    for (let column = 0; column < layout.length; column++) {
      for (const step of [4, -4, 1]) {
        const other = layout.slice();
        other[column] = (other[column] ?? 0) + step;
        t.equal(fits(other), false, `column ${column}`);
      }
    }
  }
  t.equal(readsOurRequests(rowLayout), false);
  t.equal(writesOurRows(requestLayout), false);
  t.end();
});

const udp6 = {
  protocol: 'udp',
  address: '2001:db8::1',
  port: 65535,
  scheduler: 'scheduler-of-15',
  schedulerFlags: ['flag-1', 'flag-3'],
  persistence: { timeout: 4294967, netmask: 64, engine: 'engine-of-16-cha' },
  onePacket: true,
};

t.test('a request brings all of a service', (t) => {
  const { id, numbers } = parseServiceConfig(udp6);
  const request: Request = { command: Command.newService, service: id, serviceNumbers: numbers };
  t.strictSame(read(request), {
    command: 1,
    family: 10,
    protocol: 17,
    address: '20010db8000000000000000000000001',
    port: 65535,
    fwmark: 0,
    flags: 0x2d,
    flagsMask: 0x3d,
    timeout: 4294967,
    netmask: 64,
    scheduler: 'scheduler-of-15',
    engine: 'engine-of-16-cha',
  });
  t.end();
});

t.test('a request brings a mark, and a mask with its highest bit', (t) => {
  const { id, numbers } = parseServiceConfig({ fwmark: 4294967295, persistence: { netmask: 1 } });
  t.strictSame(read({ command: Command.setService, service: id, serviceNumbers: numbers }), {
    ...nobody,
    command: 2,
    family: 2,
    fwmark: 4294967295,
    flags: 1,
    flagsMask: 0x3d,
    timeout: 300,
    netmask: 0x80000000,
    scheduler: 'wlc',
    engine: '',
  });
  t.end();
});

t.test('a request brings all of a destination and the key of its service', (t) => {
  const service = parseServiceId({ protocol: 'sctp', address: '10.0.0.1', port: 80 });
  const { id, numbers } = parseDestinationConfig(
    {
      address: '2001:db8::ffff',
      forwarding: 'tun',
      weight: 2147483647,
      upperThreshold: 9,
      lowerThreshold: 3,
      tunnel: { type: 'gue', port: 6080, checksum: 'remcsum' },
    },
    service,
  );
  const key = {
    family: 2,
    protocol: 132,
    address: '0a000001',
    port: 80,
    fwmark: 0,
    destinationFamily: 10,
    destinationAddress: '20010db800000000000000000000ffff',
    destinationPort: 80,
  };
  t.strictSame(
    read({
      command: Command.newDestination,
      service,
      destination: id,
      destinationNumbers: numbers,
    }),
    {
      ...key,
      command: 5,
      forwarding: 2,
      weight: 2147483647,
      upperThreshold: 9,
      lowerThreshold: 3,
      tunnelType: 1,
      tunnelPort: 6080,
      tunnelFlags: 2,
    },
  );
  t.strictSame(read({ command: Command.deleteDestination, service, destination: id }), {
    ...key,
    command: 7,
  });
  t.end();
});

// Most destinations have neither limits nor a tunnel: what is zero does not cross.
t.test('limits and a tunnel cross only where there are some', (t) => {
  const service = parseServiceId({ fwmark: 7 });
  const plain = parseDestinationConfig({ address: '10.0.0.5', weight: 3 }, service).numbers;
  const none = {
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 0,
    tunnelPort: 0,
    tunnelFlags: 0,
  };
  const key = {
    command: 5,
    family: 2,
    protocol: 0,
    port: 0,
    fwmark: 7,
    address: '',
    destinationFamily: 2,
    destinationPort: 0,
    destinationAddress: '0a000005',
    forwarding: 3,
    weight: 3,
  };
  const limits = { upperThreshold: 0, lowerThreshold: 0 };
  const tunnel = { tunnelType: 0, tunnelPort: 0, tunnelFlags: 0 };
  for (const [numbers, parts] of [
    [none, {}],
    [
      { ...none, upperThreshold: 1 },
      { ...limits, upperThreshold: 1 },
    ],
    [
      { ...none, lowerThreshold: 1 },
      { ...limits, lowerThreshold: 1 },
    ],
    [
      { ...none, tunnelType: 1 },
      { ...tunnel, tunnelType: 1 },
    ],
    [
      { ...none, tunnelPort: 1 },
      { ...tunnel, tunnelPort: 1 },
    ],
    [
      { ...none, tunnelFlags: 1 },
      { ...tunnel, tunnelFlags: 1 },
    ],
    [
      { ...none, upperThreshold: 4294967295, tunnelType: 255 },
      { ...limits, ...tunnel, upperThreshold: 4294967295, tunnelType: 255 },
    ],
  ] as const) {
    const request: Request = {
      command: Command.newDestination,
      service,
      destination: parseDestinationConfig({ address: '10.0.0.5' }, service).id,
      destinationNumbers: { ...plain, ...numbers },
    };
    t.strictSame(readRequests(pack(request), true), [{ ...key, ...parts }]);
    t.strictSame(read(request), { ...key, ...numbers }, 'for native code they are zero');
  }
  t.end();
});

t.test('a request brings nothing but what is asked, and the key of no service', (t) => {
  t.strictSame(read({ command: Command.getService }), { command: 4, ...nobody });
  t.strictSame(read({ command: Command.flush }), { command: 17, ...nobody });
  t.strictSame(
    Object.values(Command),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17],
    'the numbers of include/uapi/linux/ip_vs.h',
  );
  t.end();
});

t.test('a request brings timeouts', (t) => {
  const timeouts = parseTimeouts({ tcp: 2147483, tcpFin: 120, udp: 1 });
  t.strictSame(read({ command: Command.setTimeouts, timeouts }), {
    ...nobody,
    command: 12,
    timeoutTcp: 2147483,
    timeoutTcpFin: 120,
    timeoutUdp: 1,
  });
  t.strictSame(
    read({ command: Command.setTimeouts, timeouts: parseTimeouts({ tcpFin: 7 }) }),
    { ...nobody, command: 12, timeoutTcp: 0, timeoutTcpFin: 7, timeoutUdp: 0 },
    'and 0 for those that stay',
  );
  t.end();
});

t.test('a request brings all of a sync daemon', (t) => {
  const master = parseDaemon({
    role: 'master',
    interface: 'interface-of-15',
    syncId: 255,
    maxLength: 65535,
    group: 'ff02::81',
    port: 8849,
    ttl: 254,
  });
  t.strictSame(read({ command: Command.newDaemon, daemon: master }), {
    ...nobody,
    command: 9,
    daemonRole: 1,
    daemonInterface: 'interface-of-15',
    daemonSyncId: 255,
    daemonMaxLength: 65535,
    daemonGroupFamily: 10,
    daemonGroup: 'ff020000000000000000000000000081',
    daemonPort: 8849,
    daemonTtl: 254,
  });
  const empty = { ...nobody, daemonSyncId: 0, daemonMaxLength: 0, daemonPort: 0, daemonTtl: 0 };
  const backup = parseDaemon({ role: 'backup', interface: 'lo', group: '239.1.2.3' });
  t.strictSame(read({ command: Command.deleteDaemon, daemon: backup }), {
    ...empty,
    command: 10,
    daemonRole: 2,
    daemonInterface: 'lo',
    daemonGroupFamily: 2,
    daemonGroup: 'ef010203',
  });
  const plain = parseDaemon({ role: 'backup', interface: 'lo' });
  t.strictSame(
    read({ command: Command.newDaemon, daemon: plain }),
    {
      ...empty,
      command: 9,
      daemonRole: 2,
      daemonInterface: 'lo',
      daemonGroupFamily: 0,
      daemonGroup: '',
    },
    'no group where the kernel is to choose',
  );
  t.end();
});

// One key too few, and a destination is added to the service of somebody else.
t.test('the key of a service stands once for the requests that follow it', (t) => {
  const service = parseServiceId({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
  const equal = parseServiceId({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
  const other = parseServiceId({ protocol: 'tcp', address: '10.0.0.2', port: 80 });
  const flush = { command: Command.flush };
  const ask = (id: typeof service) => ({ command: Command.getService, service: id });
  const packed = pack(
    ...[ask(service), ask(service), ask(other), ask(service), ask(equal)],
    ...[flush, flush, ask(equal), flush, ask(service)],
  );
  const [first, second] = ['0a000001', '0a000002'];
  t.strictSame(
    readRequests(packed).map(({ address }) => address),
    [first, first, second, first, first, nobody.address, nobody.address, first].concat([
      nobody.address,
      first,
    ]),
  );
  t.strictSame(
    readRequests(packed, true).map(({ address }) => address !== undefined),
    [true, false, true, true, true, true, true, true, true, true],
  );

  // The next buffer starts anew: native code has forgotten the last one.
  const requests = new Requests();
  for (let round = 0; round < 2; round++) {
    requests.clear();
    requests.add(ask(service));
    t.strictSame(readRequests(requests.bytes, true), [
      { command: 4, family: 2, protocol: 6, port: 80, fwmark: 0, address: first },
    ]);
  }
  t.end();
});

// The buffer is used again: what a longer request left there must not shine through.
t.test('a request does not hold what was in its place before', (t) => {
  const requests = new Requests();
  const { id, numbers } = parseServiceConfig(udp6);
  const { id: destination, numbers: destinationNumbers } = parseDestinationConfig(
    { address: '2001:db8::ffff', forwarding: 'tun' },
    id,
  );
  const long: Request = {
    command: Command.newService,
    service: id,
    serviceNumbers: numbers,
    destination,
    destinationNumbers,
    timeouts: parseTimeouts({ tcp: 1, tcpFin: 2, udp: 3 }),
    daemon: parseDaemon({ role: 'master', interface: 'interface-of-15', group: 'ff02::81' }),
  };
  const ones = new Requests();
  for (let i = 0; i < 200; i++) ones.add(long);
  const short = parseServiceConfig({ protocol: 'tcp', address: '1.1.1.1', port: 1 });
  const real = parseDestinationConfig({ address: '2.2.2.2' }, short.id);
  const rest: Request[] = [
    { command: Command.newService, service: short.id, serviceNumbers: short.numbers },
    {
      command: Command.newDaemon,
      daemon: parseDaemon({ role: 'backup', interface: 'l', group: '239.1.1.1' }),
    },
    { command: Command.getService },
    { command: Command.newDestination, service: short.id, destination: real.id },
    { command: Command.flush },
  ];
  const fresh = pack(...rest);
  for (let round = 0; round < 3; round++) {
    requests.clear();
    for (let i = 0; i < 200; i++) requests.add(long);
    t.strictSame(requests.bytes, ones.bytes);
    requests.clear();
    for (const request of rest) requests.add(request);
    t.strictSame(requests.bytes, fresh);
    t.equal(requests.count, rest.length);
  }
  t.end();
});

t.test('requests stand one behind the other in order, however many', (t) => {
  const requests = new Requests();
  const service = (port: number) => parseServiceId({ protocol: 'tcp', address: '::1', port });
  let port = 0;
  for (const count of [1, 7, 8, 9, 127, 128, 1, 128, 0, 3, 1000, 2]) {
    const ports = Array.from({ length: count }, () => ++port);
    requests.clear();
    for (const each of ports) {
      requests.add({ command: Command.deleteService, service: service(each) });
    }
    t.equal(requests.count, count);
    t.strictSame(
      readRequests(requests.bytes).map((row) => row.port),
      ports,
    );
  }
  t.end();
});

// Different in every place, and at the edges of what a column holds.
const stats = {
  connections: 1,
  incomingPackets: 2,
  outgoingPackets: 3,
  incomingBytes: 4,
  outgoingBytes: 5,
  connectionRate: 6,
  incomingPacketRate: 7,
  outgoingPacketRate: 8,
  incomingByteRate: 9,
  outgoingByteRate: 10,
};
const serviceRecord: ServiceRecord = {
  family: 2,
  protocol: 6,
  address: '10.0.0.1',
  port: 80,
  fwmark: 4294967295,
  scheduler: 'scheduler-of-15',
  flags: 0x3d,
  timeout: 300,
  netmask: 0xffffff00,
  engine: 'engine-of-16-cha',
  wideStats: 1,
  stats,
};
const destinationRecord: DestinationRecord = {
  family: 10,
  address: '2001:db8::1',
  port: 80,
  forwarding: 2,
  weight: 2147483647,
  upperThreshold: 9,
  lowerThreshold: 3,
  tunnelType: 1,
  tunnelPort: 6080,
  tunnelFlags: 2,
  activeConnections: 4,
  inactiveConnections: 5,
  persistentConnections: 4294967295,
  stats,
};

t.test('a row becomes a record', (t) => {
  const services = [
    serviceRecord,
    { ...serviceRecord, family: 10, address: '::1', scheduler: '', engine: '', wideStats: 0 },
  ];
  const destinations = [
    destinationRecord,
    { ...destinationRecord, family: 2, address: '255.255.255.255', stats: noTraffic },
  ];
  const records = Records.services(recordsOf(services.map(serviceRow), 3), false);
  t.strictSame([records.length, records.chunks], [2, 3]);
  t.strictSame(records.take(9), services);
  t.strictSame(
    Records.destinations(recordsOf(destinations.map(destinationRow), 1), false).take(9),
    destinations,
  );
  for (const each of services) t.strictSame(serviceOfRow(serviceRow(each), false), each);
  t.strictSame(Object.keys(stats), Object.keys(noTraffic));
  t.end();
});

// A counter of bytes passes 2^32 in a minute and 2^53 in a month.
t.test('counters are exact as bigints, and as near as numbers get', (t) => {
  for (const counter of [0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 64n - 1n]) {
    for (const name of Object.keys(stats)) {
      const exact = { ...stats, [name]: counter };
      const service = serviceRow({ ...serviceRecord, stats: exact });
      const destination = () =>
        recordsOf([destinationRow({ ...destinationRecord, stats: exact })], 1);
      const bigints = Object.fromEntries(
        Object.entries(exact).map(([each, value]) => [each, BigInt(value)]),
      );
      const numbers = { ...stats, [name]: Number(counter) };
      t.strictSame(serviceOfRow(service, false).stats, numbers);
      t.strictSame(serviceOfRow(service, true).stats, bigints);
      t.strictSame(Records.destinations(destination(), false).take(1)[0]?.stats, numbers);
      t.strictSame(Records.destinations(destination(), true).take(1)[0]?.stats, bigints);
    }
  }
  t.end();
});

// Rows cross in portions, and are taken in others.
t.test('records are taken in any portions, each once and in order', (t) => {
  for (const length of [0, 1, 511, 512, 513, 1024, 1300]) {
    const services = Array.from({ length }, (_, port) => ({ ...serviceRecord, port }));
    for (const most of [1, 100, 512, 600, 5000]) {
      const native = recordsOf(services.map(serviceRow), 1);
      const buffers: number[] = [];
      const records = Records.services(
        {
          ...native,
          take: (buffer) => {
            buffers.push(buffer.length);
            return native.take(buffer);
          },
        },
        false,
      );
      const ports: number[] = [];
      for (;;) {
        const portion = records.take(most);
        if (portion.length === 0) break;
        t.ok(portion.length === most || ports.length + portion.length === length, 'no gaps');
        ports.push(...portion.map(({ port }) => port));
      }
      t.strictSame(ports, [...services.keys()], `${length} in portions of ${most}`);
      t.ok(
        buffers.every((bytes) => bytes <= 512 * serviceRow(serviceRecord).length),
        'never all of a long list',
      );
      t.strictSame(records.take(1), [], 'the end stays the end');
    }
  }
  t.end();
});

// One object serves for all: what is kept of it must be a copy.
t.test('records are converted one by one, and taken ones are not each other', (t) => {
  const ports = [1, 2, 3];
  const records = () =>
    Records.services(
      recordsOf(
        ports.map((port) => serviceRow({ ...serviceRecord, port })),
        1,
      ),
      false,
    );
  const seen = new Set<ServiceRecord<number | bigint>>();
  const converted = records().map(2, (record) => {
    seen.add(record);
    return record.port;
  });
  t.strictSame(converted, [1, 2]);
  t.equal(seen.size, 1, 'no object for each');
  t.strictSame(
    records().take(3),
    ports.map((port) => ({ ...serviceRecord, port })),
  );
  t.end();
});

t.test('values become objects by their positions', (t) => {
  t.strictSame(FACTORIES.daemon(1, 'eth0', 7, 1472, '224.0.0.81', 8848, 3), {
    role: 1,
    interface: 'eth0',
    syncId: 7,
    maxLength: 1472,
    group: '224.0.0.81',
    port: 8848,
    ttl: 3,
  });
  t.strictSame(FACTORIES.timeouts(900, 120, 300), { tcp: 900, tcpFin: 120, udp: 300 });
  t.strictSame(FACTORIES.info(0x10201, 4096), { version: 0x10201, connectionTableSize: 4096 });
  t.strictSame(
    FACTORIES.connection(6, 1, '10.0.0.9', 1, '10.0.0.1', 2, '::5', 3, 4, 'UDP', 5, 2, 'sip', 'x'),
    {
      protocol: 6,
      isTemplate: 1,
      client: { address: '10.0.0.9', port: 1 },
      virtual: { address: '10.0.0.1', port: 2 },
      destination: { address: '::5', port: 3 },
      fwmark: 4,
      state: 'UDP',
      expires: 5,
      origin: 2,
      engine: 'sip',
      engineData: 'x',
    },
  );
  const failure = FACTORIES.failure(Fault.systemCall, 2, 'open', 'why');
  t.type(failure, NativeFailure);
  t.strictSame(Object.fromEntries(Object.entries(failure)), {
    fault: 2,
    errno: 2,
    syscall: 'open',
    detail: 'why',
  });
  t.end();
});
