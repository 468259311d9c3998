// The rows in which requests cross into C++, and the objects that come back. Where the two sides
// disagree about a single column, a weight becomes a port.

import t from 'tap';
import { loadAddon } from '#lib/load';
import { FACTORIES, Fault, NativeFailure } from '#lib/native';
import { parseDaemon, parseTimeouts } from '#lib/options';
import { Command } from '#lib/records';
import type { Request } from '#lib/records';
import { ROW_BYTES, Rows, isOurLayout } from '#lib/rows';
import { parseDestinationConfig, parseServiceConfig, parseServiceId } from '#lib/validate';
import { noTraffic } from '../lab/objects.js';

// The columns as native/addon/request.h declares them: name, and how long a text or an address is.
const COLUMNS: [name: string, bytes?: number][] = [
  ['command'],
  ['family'],
  ['protocol'],
  ['address', 16],
  ['port'],
  ['fwmark'],
  ['flags'],
  ['flagsMask'],
  ['timeout'],
  ['netmask'],
  ['scheduler', 16],
  ['engine', 20],
  ['destinationFamily'],
  ['destinationAddress', 16],
  ['destinationPort'],
  ['forwarding'],
  ['weight'],
  ['upperThreshold'],
  ['lowerThreshold'],
  ['tunnelType'],
  ['tunnelPort'],
  ['tunnelFlags'],
  ['bigint'],
  ['timeoutTcp'],
  ['timeoutTcpFin'],
  ['timeoutUdp'],
  ['daemonRole'],
  ['daemonInterface', 16],
  ['daemonSyncId'],
  ['daemonMaxLength'],
  ['daemonGroupFamily'],
  ['daemonGroup', 16],
  ['daemonPort'],
  ['daemonTtl'],
];

const rowOf = (request: Request): Uint8Array => new Rows(1).of([request]);

/** A row as C++ reads it: by the offsets that the addon itself tells. */
function read(row: Uint8Array): Record<string, number | string | undefined> {
  const { requestLayout } = loadAddon();
  const words = (offset: number) => new Uint32Array(row.slice(offset, offset + 4).buffer)[0];
  const columns: Record<string, number | string | undefined> = {};
  for (const [column, [name, length]] of COLUMNS.entries()) {
    const offset = requestLayout[column] ?? NaN;
    const bytes = Buffer.from(row.subarray(offset, offset + (length ?? 4)));
    if (length === undefined) columns[name] = words(offset);
    else columns[name] = /address|group/i.test(name) ? bytes.toString('hex') : textOf(bytes);
  }
  return columns;
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  if (end < 0) throw new Error('a text without an end');
  if (bytes.subarray(end).some((byte) => byte !== 0)) throw new Error('something behind its end');
  return bytes.toString('latin1', 0, end);
}

const empty = {
  command: 0,
  family: 0,
  protocol: 0,
  address: '0'.repeat(32),
  port: 0,
  fwmark: 0,
  flags: 0,
  flagsMask: 0,
  timeout: 0,
  netmask: 0,
  scheduler: '',
  engine: '',
  destinationFamily: 0,
  destinationAddress: '0'.repeat(32),
  destinationPort: 0,
  forwarding: 0,
  weight: 0,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
  bigint: 0,
  timeoutTcp: 0,
  timeoutTcpFin: 0,
  timeoutUdp: 0,
  daemonRole: 0,
  daemonInterface: '',
  daemonSyncId: 0,
  daemonMaxLength: 0,
  daemonGroupFamily: 0,
  daemonGroup: '0'.repeat(32),
  daemonPort: 0,
  daemonTtl: 0,
};

t.test('both sides agree on the columns', (t) => {
  const { requestLayout } = loadAddon();
  t.equal(requestLayout.length, COLUMNS.length + 1);
  t.equal(requestLayout.at(-1), ROW_BYTES);
  const ends = COLUMNS.map(([, length = 4], column) => (requestLayout[column] ?? NaN) + length);
  t.strictSame([...requestLayout.subarray(1)], ends, 'without gaps');
  t.equal(isOurLayout(requestLayout), true);
  t.end();
});

// An addon of another version lies around after an update that did not build.
t.test('an addon with other columns is not understood', (t) => {
  const { requestLayout } = loadAddon();
  t.equal(isOurLayout(requestLayout.slice()), true);
  t.equal(isOurLayout(new Uint32Array()), false);
  t.equal(isOurLayout(requestLayout.slice(0, -1)), false);
  t.equal(isOurLayout(Uint32Array.from([...requestLayout, ROW_BYTES + 4])), false);
  for (let column = 0; column < requestLayout.length; column++) {
    const other = requestLayout.slice();
    other[column] = (other[column] ?? 0) + 4;
    t.equal(isOurLayout(other), false, `column ${column}`);
  }
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

t.test('a row holds all of a service', (t) => {
  const { id, numbers } = parseServiceConfig(udp6);
  const request: Request = { command: Command.newService, service: id, serviceNumbers: numbers };
  const row = rowOf(request);
  t.equal(row.length, ROW_BYTES);
  t.strictSame(read(row), {
    ...empty,
    command: 1,
    family: 10,
    protocol: 17,
    address: '20010db8000000000000000000000001',
    port: 65535,
    flags: 0x2d,
    flagsMask: 0x3d,
    timeout: 4294967,
    netmask: 64,
    scheduler: 'scheduler-of-15',
    engine: 'engine-of-16-cha',
  });
  t.end();
});

t.test('a row holds a mark, and a mask with its highest bit', (t) => {
  const { id, numbers } = parseServiceConfig({ fwmark: 4294967295, persistence: { netmask: 1 } });
  t.strictSame(read(rowOf({ command: Command.setService, service: id, serviceNumbers: numbers })), {
    ...empty,
    command: 2,
    family: 2,
    fwmark: 4294967295,
    flags: 1,
    flagsMask: 0x3d,
    timeout: 300,
    netmask: 0x80000000,
    scheduler: 'wlc',
  });
  t.end();
});

t.test('a row holds all of a destination and the key of its service', (t) => {
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
  const request: Request = {
    command: Command.newDestination,
    service,
    destination: id,
    destinationNumbers: numbers,
  };
  t.strictSame(read(rowOf(request)), {
    ...empty,
    command: 5,
    family: 2,
    protocol: 132,
    address: '0a000001' + '0'.repeat(24),
    port: 80,
    destinationFamily: 10,
    destinationAddress: '20010db800000000000000000000ffff',
    destinationPort: 80,
    forwarding: 2,
    weight: 2147483647,
    upperThreshold: 9,
    lowerThreshold: 3,
    tunnelType: 1,
    tunnelPort: 6080,
    tunnelFlags: 2,
  });
  t.end();
});

t.test('a row holds nothing but what is asked', (t) => {
  t.strictSame(read(rowOf({ command: Command.getService })), { ...empty, command: 4 });
  t.strictSame(read(rowOf({ command: Command.getDestination, bigint: true })), {
    ...empty,
    command: 8,
    bigint: 1,
  });
  t.strictSame(
    Object.values(Command),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17],
    'the numbers of include/uapi/linux/ip_vs.h',
  );
  t.end();
});

t.test('a row holds timeouts', (t) => {
  const timeouts = parseTimeouts({ tcp: 2147483, tcpFin: 120, udp: 1 });
  t.strictSame(read(rowOf({ command: Command.setTimeouts, timeouts })), {
    ...empty,
    command: 12,
    timeoutTcp: 2147483,
    timeoutTcpFin: 120,
    timeoutUdp: 1,
  });
  t.strictSame(
    read(rowOf({ command: Command.setTimeouts, timeouts: parseTimeouts({ tcpFin: 7 }) })),
    { ...empty, command: 12, timeoutTcpFin: 7 },
    'and 0 for those that stay',
  );
  t.end();
});

t.test('a row holds all of a sync daemon', (t) => {
  const master = parseDaemon({
    role: 'master',
    interface: 'interface-of-15',
    syncId: 255,
    maxLength: 65535,
    group: 'ff02::81',
    port: 8849,
    ttl: 254,
  });
  t.strictSame(read(rowOf({ command: Command.newDaemon, daemon: master })), {
    ...empty,
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
  const backup = parseDaemon({ role: 'backup', interface: 'lo', group: '239.1.2.3' });
  t.strictSame(read(rowOf({ command: Command.deleteDaemon, daemon: backup })), {
    ...empty,
    command: 10,
    daemonRole: 2,
    daemonInterface: 'lo',
    daemonGroupFamily: 2,
    daemonGroup: 'ef010203' + '0'.repeat(24),
  });
  const plain = parseDaemon({ role: 'backup', interface: 'lo' });
  t.strictSame(
    read(rowOf({ command: Command.newDaemon, daemon: plain })),
    { ...empty, command: 9, daemonRole: 2, daemonInterface: 'lo' },
    'no group where the kernel is to choose',
  );
  t.end();
});

// The buffer is used again: what a longer request left there must not shine through.
t.test('a row does not hold what was in its place before', (t) => {
  const rows = new Rows(2);
  const { id, numbers } = parseServiceConfig(udp6);
  const long: Request = {
    command: Command.newService,
    service: id,
    serviceNumbers: numbers,
    timeouts: parseTimeouts({ tcp: 1, tcpFin: 2, udp: 3 }),
    daemon: parseDaemon({ role: 'master', interface: 'interface-of-15', group: 'ff02::81' }),
    bigint: true,
  };
  for (let round = 0; round < 3; round++) {
    const filled = rows.of([long, long]);
    for (const at of [0, ROW_BYTES]) {
      t.match(read(filled.subarray(at, at + ROW_BYTES)), {
        scheduler: 'scheduler-of-15',
        timeoutUdp: 3,
        daemonInterface: 'interface-of-15',
        bigint: 1,
      });
    }
    const short = rows.of([{ command: Command.getService }, { command: Command.flush }]);
    t.strictSame(read(short.subarray(0, ROW_BYTES)), { ...empty, command: 4 });
    t.strictSame(read(short.subarray(ROW_BYTES)), { ...empty, command: 17 });
  }
  t.end();
});

t.test('rows stand one behind the other in order, as many as there is room for', (t) => {
  const most = 128;
  const rows = new Rows(most);
  const service = (port: number) => parseServiceId({ protocol: 'tcp', address: '::1', port });
  let port = 0;
  for (const count of [1, 7, 8, 9, 127, 128, 1, 128, 0, 3]) {
    const ports = Array.from({ length: count }, () => ++port);
    const taken = rows.of(
      ports.map((each) => ({ command: Command.deleteService, service: service(each) })),
    );
    t.ok(taken.length >= count * ROW_BYTES, 'native code refuses a shorter buffer');
    t.strictSame(
      ports.map((_, i) => read(taken.slice(i * ROW_BYTES, (i + 1) * ROW_BYTES)).port),
      ports,
    );
  }
  t.end();
});

const counters = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
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

t.test('values become objects by their positions', (t) => {
  t.strictSame(
    FACTORIES.service(2, 6, '10.0.0.1', 80, 7, 'wlc', 0x3d, 300, 0xffffff00, 'sip', 1, ...counters),
    {
      family: 2,
      protocol: 6,
      address: '10.0.0.1',
      port: 80,
      fwmark: 7,
      scheduler: 'wlc',
      flags: 0x3d,
      timeout: 300,
      netmask: 0xffffff00,
      engine: 'sip',
      wideStats: 1,
      stats,
    },
  );
  t.strictSame(
    FACTORIES.destination(10, '::1', 80, 2, 1, 9, 3, 1, 6080, 2, 4, 5, 6, 1, ...counters),
    {
      family: 10,
      address: '::1',
      port: 80,
      forwarding: 2,
      weight: 1,
      upperThreshold: 9,
      lowerThreshold: 3,
      tunnelType: 1,
      tunnelPort: 6080,
      tunnelFlags: 2,
      activeConnections: 4,
      inactiveConnections: 5,
      persistentConnections: 6,
      stats,
    },
  );
  t.strictSame(Object.keys(stats), Object.keys(noTraffic));
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
