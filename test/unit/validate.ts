// From what a caller writes to numbers, or to an error. What slips through here goes to the kernel,
// which takes most of it in silence.

import t from 'tap';
import type { Test } from 'tap';
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
import {
  readDestinationChanges,
  readServiceChanges,
  makeDestinationSlot,
  parseDestinationChanges,
  parseDestinationConfig,
  parseDestinationId,
  parseServiceChanges,
  parseServiceConfig,
  parseServiceId,
} from '#lib/validate';

const tcp = { protocol: 'tcp', address: '10.0.0.1', port: 80 };
const tcp6 = { protocol: 'tcp', address: '2001:db8::1', port: 80 };
const udp = { protocol: 'udp', address: '10.0.0.1', port: 53 };

type Kind = 'TYPE' | 'VALUE' | 'RANGE';
const KINDS = {
  TYPE: [TypeError, 'ERR_INVALID_ARG_TYPE'],
  VALUE: [TypeError, 'ERR_INVALID_ARG_VALUE'],
  RANGE: [RangeError, 'ERR_OUT_OF_RANGE'],
} as const;

/** One wrong input: what is passed, which property is told, how it is wrong. */
type Wrong = [input: unknown, property: string, kind: Kind, message?: RegExp];

function refuses(t: Test, parse: (input: unknown) => unknown, table: readonly Wrong[]): void {
  for (const [input, property, kind, message = /./] of table) {
    const [Constructor, code] = KINDS[kind];
    let error: unknown;
    try {
      parse(input);
    } catch (thrown) {
      error = thrown;
    }
    t.match(error, { code, message }, property);
    t.equal(Object.getPrototypeOf(error ?? {}), Constructor.prototype);
    t.ok(String(error).includes(`: The property '${property}' `), String(error));
  }
}

/** What no number is: each is refused by its type, or by its range. */
function notIntegers(make: (value: unknown) => unknown, property: string): Wrong[] {
  return [
    ...['80', '', null, true, [], {}, 80n].map((value): Wrong => [make(value), property, 'TYPE']),
    ...[1.5, NaN, Infinity, -Infinity, -1].map((value): Wrong => [make(value), property, 'RANGE']),
  ];
}

t.test('a service is named by protocol, address and port', (t) => {
  for (const [protocol, number] of [
    ['tcp', 6],
    ['udp', 17],
    ['sctp', 132],
  ] as const) {
    t.strictSame(parseServiceId({ protocol, address: '10.0.0.1', port: 65535 }), {
      family: 2,
      protocol: number,
      address: { family: 2, bytes: [10, 0, 0, 1], text: '10.0.0.1' },
      port: 65535,
      fwmark: 0,
    });
  }
  t.match(parseServiceId({ ...tcp6, port: 0 }), { family: 10, port: 0, fwmark: 0 });
  // An undefined property is one that was left out.
  t.match(parseServiceId({ ...tcp, fwmark: undefined, family: undefined }), { port: 80 });
  t.match(parseServiceId({ ...tcp, family: 'ipv4' }), { family: 2 });
  t.end();
});

t.test('a service is named by a mark and its family', (t) => {
  for (const fwmark of [1, 2147483648, 4294967295]) {
    t.strictSame(parseServiceId({ fwmark }), {
      family: 2,
      protocol: 0,
      address: undefined,
      port: 0,
      fwmark,
    });
  }
  t.match(parseServiceId({ fwmark: 1, family: 'ipv6' }), { family: 10 });
  t.match(parseServiceId({ fwmark: 1, protocol: undefined, address: undefined }), { fwmark: 1 });
  t.end();
});

t.test('what names no service is refused', (t) => {
  refuses(t, parseServiceId, [
    [undefined, 'service', 'TYPE', /must be an object/],
    [null, 'service', 'TYPE'],
    ['10.0.0.1:80', 'service', 'TYPE'],
    [[tcp], 'service', 'TYPE'],
    [{}, 'service.protocol', 'TYPE', /must be a string. Received undefined/],
    [{ ...tcp, protocol: undefined }, 'service.protocol', 'TYPE'],
    [{ ...tcp, protocol: 6 }, 'service.protocol', 'TYPE'],
    [{ ...tcp, protocol: 'TCP' }, 'service.protocol', 'VALUE', /'tcp', 'udp', 'sctp'.* 'TCP'/],
    [{ ...tcp, protocol: 'toString' }, 'service.protocol', 'VALUE'],
    [{ ...tcp, address: undefined }, 'service.address', 'TYPE'],
    [{ ...tcp, address: 167772161 }, 'service.address', 'TYPE'],
    [{ ...tcp, address: '' }, 'service.address', 'VALUE', /IPv4 or IPv6 address/],
    [{ ...tcp, address: 'example.com' }, 'service.address', 'VALUE'],
    [{ ...tcp, address: '10.0.0.1:80' }, 'service.address', 'VALUE'],
    [{ ...tcp, address: '[::1]' }, 'service.address', 'VALUE'],
    [{ ...tcp, address: '10.0.0.01' }, 'service.address', 'VALUE'],
    [{ ...tcp, address: 'fe80::1%eth0' }, 'service.address', 'VALUE', /must not have a zone/],
    [{ ...tcp, family: 'ipv6' }, 'service.family', 'VALUE', /not that of service.address/],
    [{ ...tcp, family: 'inet' }, 'service.family', 'VALUE'],
    [{ ...tcp, port: undefined }, 'service.port', 'TYPE'],
    ...notIntegers((port) => ({ ...tcp, port }), 'service.port'),
    [{ ...tcp, port: 65536 }, 'service.port', 'RANGE', />= 0 and <= 65535. Received 65536/],
    [{ fwmark: 0 }, 'service.fwmark', 'RANGE', />= 1 and <= 4294967295. Received 0/],
    [{ fwmark: 4294967296 }, 'service.fwmark', 'RANGE'],
    ...notIntegers((fwmark) => ({ fwmark }), 'service.fwmark'),
    [{ fwmark: 1, family: 10 }, 'service.family', 'TYPE'],
    [{ fwmark: 1, family: 'ipv5' }, 'service.family', 'VALUE', /'ipv4', 'ipv6'/],
    [{ fwmark: 1, protocol: 'tcp' }, 'service.protocol', 'VALUE', /go with a firewall mark/],
    [{ fwmark: 1, address: '10.0.0.1' }, 'service.address', 'VALUE'],
    [{ fwmark: 1, port: 0 }, 'service.port', 'VALUE'],
    [{ ...tcp, protcol: 'tcp' }, 'service.protcol', 'VALUE', /only protocol, address, port/],
  ]);
  t.end();
});

const plain = { scheduler: 'wlc', flags: 0, timeout: 0, netmask: 0xffffffff, engine: '' };

t.test('a service has defaults for all that is left out', (t) => {
  t.strictSame(parseServiceConfig(tcp).numbers, plain);
  t.strictSame(parseServiceConfig(tcp6).numbers, { ...plain, netmask: 128 });
  t.strictSame(parseServiceConfig({ fwmark: 1 }).numbers, plain);
  t.strictSame(parseServiceConfig({ fwmark: 1, family: 'ipv6' }).numbers, {
    ...plain,
    netmask: 128,
  });
  t.strictSame(
    parseServiceConfig({
      ...tcp,
      scheduler: undefined,
      schedulerFlags: undefined,
      persistence: undefined,
      onePacket: undefined,
    }).numbers,
    plain,
  );
  t.end();
});

t.test('every setting of a service has its number', (t) => {
  const numbers = (settings: object, key: object = tcp) =>
    parseServiceConfig({ ...key, ...settings }).numbers;
  const persistent = { ...plain, flags: 1, timeout: 300 };
  t.strictSame(numbers({ scheduler: 'rr' }), { ...plain, scheduler: 'rr' });
  t.strictSame(numbers({ scheduler: 'a-name.of_15-ch' }), {
    ...plain,
    scheduler: 'a-name.of_15-ch',
  });
  t.strictSame(numbers({ persistence: {} }), persistent);
  t.strictSame(numbers({ persistence: { timeout: 1 } }), { ...persistent, timeout: 1 });
  t.strictSame(numbers({ persistence: { timeout: 4294967 } }).timeout, 4294967);
  t.strictSame(numbers({ persistence: { engine: 'sip' } }), { ...persistent, engine: 'sip' });
  t.strictSame(numbers({ persistence: {} }, tcp6), { ...persistent, netmask: 128 });
  t.strictSame(numbers({ port: 0, persistence: {} }), persistent, 'every port');
  t.strictSame(numbers({ onePacket: true }, udp), { ...plain, flags: 4 });
  t.strictSame(numbers({ onePacket: true }, { fwmark: 1 }), { ...plain, flags: 4 });
  t.strictSame(numbers({ onePacket: false }), plain);
  for (const [netmask, mask] of [
    ['255.255.255.0', 0xffffff00],
    ['0.0.0.0', 0],
    ['255.0.255.0', 0xff00ff00],
    [24, 0xffffff00],
    [0, 0],
    [1, 0x80000000],
    [31, 0xfffffffe],
    [32, 0xffffffff],
  ] as const) {
    t.strictSame(numbers({ persistence: { netmask } }), { ...persistent, netmask: mask });
  }
  for (const netmask of [1, 64, 128]) {
    t.strictSame(numbers({ persistence: { netmask } }, tcp6), { ...persistent, netmask });
  }
  for (const [scheduler, schedulerFlags, flags] of [
    ['sh', ['sh-fallback'], 0x08],
    ['sh', ['sh-port', 'sh-fallback'], 0x18],
    ['mh', ['mh-port'], 0x10],
    ['mh', ['mh-fallback', 'flag-3'], 0x28],
    ['rr', ['flag-1', 'flag-2', 'flag-3'], 0x38],
    ['sh', ['flag-2', 'sh-port', 'sh-port'], 0x10],
    ['sh', [], 0],
  ] as const) {
    t.strictSame(numbers({ scheduler, schedulerFlags }), { ...plain, scheduler, flags });
  }
  t.strictSame(
    numbers(
      {
        scheduler: 'mh',
        schedulerFlags: ['mh-port'],
        onePacket: true,
        persistence: { timeout: 60, netmask: 16, engine: 'sip' },
      },
      udp,
    ),
    { scheduler: 'mh', flags: 0x15, timeout: 60, netmask: 0xffff0000, engine: 'sip' },
  );
  t.end();
});

t.test('senseless settings of a service are refused', (t) => {
  const service = (settings: object, key: object = tcp) => ({ ...key, ...settings });
  refuses(t, parseServiceConfig, [
    [service({ port: 0 }), 'service.port', 'VALUE', /only with persistence. Received 0/],
    [service({ scheduler: 1 }), 'service.scheduler', 'TYPE'],
    [service({ scheduler: null }), 'service.scheduler', 'TYPE'],
    [service({ scheduler: '' }), 'service.scheduler', 'VALUE', /must not be empty/],
    [service({ scheduler: 'x'.repeat(16) }), 'service.scheduler', 'VALUE', /longer than 15/],
    [service({ scheduler: 'a b' }), 'service.scheduler', 'VALUE', /letters, digits/],
    [service({ scheduler: 'rr\0' }), 'service.scheduler', 'VALUE'],
    [service({ scheduler: 'rr\n' }), 'service.scheduler', 'VALUE'],
    [service({ scheduler: 'é' }), 'service.scheduler', 'VALUE'],
    [service({ schedulerFlags: 'sh-port' }), 'service.schedulerFlags', 'TYPE', /an array/],
    [service({ schedulerFlags: {} }), 'service.schedulerFlags', 'TYPE'],
    [service({ schedulerFlags: [8] }), 'service.schedulerFlags[0]', 'TYPE'],
    [service({ schedulerFlags: ['flag-1', ''] }), 'service.schedulerFlags[1]', 'VALUE', /flag-3/],
    [service({ schedulerFlags: ['toString'] }), 'service.schedulerFlags[0]', 'VALUE'],
    [
      service({ schedulerFlags: ['sh-port'] }),
      'service.schedulerFlags[0]',
      'VALUE',
      /for the scheduler 'sh', not 'wlc'/,
    ],
    [
      service({ scheduler: 'sh', schedulerFlags: ['sh-port', 'mh-port'] }),
      'service.schedulerFlags[1]',
      'VALUE',
    ],
    [service({ onePacket: 1 }), 'service.onePacket', 'TYPE'],
    [service({ onePacket: true }), 'service.onePacket', 'VALUE', /udp and firewall marks only/],
    [service({ onePacket: true, protocol: 'sctp' }), 'service.onePacket', 'VALUE'],
    [service({ persistence: true }), 'service.persistence', 'TYPE'],
    [service({ persistence: 300 }), 'service.persistence', 'TYPE'],
    [service({ persistence: null }), 'service.persistence', 'TYPE'],
    [service({ persistence: [] }), 'service.persistence', 'TYPE'],
    [
      service({ persistence: { time: 1 } }),
      'service.persistence.time',
      'VALUE',
      /timeout, netmask/,
    ],
    ...notIntegers(
      (timeout) => service({ persistence: { timeout } }),
      'service.persistence.timeout',
    ),
    [service({ persistence: { timeout: 0 } }), 'service.persistence.timeout', 'RANGE', />= 1 /],
    [service({ persistence: { timeout: 4294968 } }), 'service.persistence.timeout', 'RANGE'],
    [service({ persistence: { netmask: 33 } }), 'service.persistence.netmask', 'RANGE'],
    [service({ persistence: { netmask: -1 } }), 'service.persistence.netmask', 'RANGE'],
    [service({ persistence: { netmask: true } }), 'service.persistence.netmask', 'TYPE'],
    [service({ persistence: { netmask: '24' } }), 'service.persistence.netmask', 'VALUE'],
    [service({ persistence: { netmask: '/24' } }), 'service.persistence.netmask', 'VALUE'],
    [service({ persistence: { netmask: '255.255.0' } }), 'service.persistence.netmask', 'VALUE'],
    [service({ persistence: { netmask: 0 } }, tcp6), 'service.persistence.netmask', 'RANGE'],
    [service({ persistence: { netmask: 129 } }, tcp6), 'service.persistence.netmask', 'RANGE'],
    [service({ persistence: { netmask: '64' } }, tcp6), 'service.persistence.netmask', 'TYPE'],
    [service({ persistence: { netmask: 'ffff::' } }, tcp6), 'service.persistence.netmask', 'TYPE'],
    [service({ persistence: { engine: '' } }), 'service.persistence.engine', 'VALUE'],
    [service({ persistence: { engine: null } }), 'service.persistence.engine', 'TYPE'],
    [service({ persistence: { engine: 'x'.repeat(17) } }), 'service.persistence.engine', 'VALUE'],
    [service({ timeout: 300 }), 'service.timeout', 'VALUE', /not known here/],
  ]);
  t.end();
});

const rich = { scheduler: 'sh', flags: 0x3d, timeout: 60, netmask: 0xffffff00, engine: 'sip' };
const udpId = parseServiceId(udp);

t.test('changes to a service leave alone what they leave out', (t) => {
  const changed = (changes: object) => parseServiceChanges(changes, udpId, rich);
  const table: [changes: object, expected: object][] = [
    [{}, {}],
    [{ scheduler: 'mh' }, { scheduler: 'mh' }],
    [{ schedulerFlags: ['sh-port'] }, { flags: 0x15 }],
    [{ schedulerFlags: [] }, { flags: 0x05 }],
    [
      { scheduler: 'mh', schedulerFlags: ['mh-fallback'] },
      { scheduler: 'mh', flags: 0x0d },
    ],
    [{ onePacket: false }, { flags: 0x39 }],
    [{ onePacket: true }, {}],
    [{ persistence: {} }, {}],
    [{ persistence: { timeout: 7 } }, { timeout: 7 }],
    [{ persistence: { netmask: 32 } }, { netmask: 0xffffffff }],
    [{ persistence: { engine: 'x' } }, { engine: 'x' }],
    [{ persistence: { engine: null } }, { engine: '' }],
    [{ persistence: null }, { flags: 0x3c, timeout: 0, netmask: 0xffffffff, engine: '' }],
    [{ scheduler: undefined, persistence: undefined }, {}],
    [{ persistence: { timeout: undefined, engine: undefined } }, {}],
  ];
  for (const [changes, expected] of table) {
    t.strictSame(changed(changes), { ...rich, ...expected }, JSON.stringify(changes));
  }
  // Where there was none, persistence begins with the defaults.
  const idle = { ...rich, flags: 0x3c, timeout: 7, netmask: 0, engine: '' };
  t.strictSame(parseServiceChanges({ persistence: {} }, udpId, idle), {
    ...idle,
    flags: 0x3d,
    timeout: 300,
    netmask: 0xffffffff,
  });
  const mark6 = parseServiceId({ fwmark: 1, family: 'ipv6' });
  t.match(parseServiceChanges({ persistence: {} }, mark6, { ...idle, netmask: 0 }), {
    netmask: 128,
  });
  t.match(parseServiceChanges({ persistence: null }, mark6, rich), { netmask: 128 });
  t.end();
});

t.test('senseless changes to a service are refused before it is read', (t) => {
  const check = (key: object) => (changes: unknown) =>
    readServiceChanges(changes, parseServiceId(key));
  refuses(t, check(tcp), [
    [undefined, 'changes', 'TYPE'],
    [null, 'changes', 'TYPE'],
    [
      { port: 81 },
      'changes.port',
      'VALUE',
      /only scheduler, schedulerFlags, persistence, onePacket/,
    ],
    [{ scheduler: '' }, 'changes.scheduler', 'VALUE'],
    [{ schedulerFlags: ['flag-4'] }, 'changes.schedulerFlags[0]', 'VALUE'],
    [{ schedulerFlags: ['sh-port', 'mh-port'] }, 'changes.schedulerFlags[1]', 'VALUE'],
    [{ schedulerFlags: ['flag-1', 'sh-port', 'mh-port'] }, 'changes.schedulerFlags[2]', 'VALUE'],
    [{ scheduler: 'rr', schedulerFlags: ['sh-port'] }, 'changes.schedulerFlags[0]', 'VALUE'],
    [{ onePacket: true }, 'changes.onePacket', 'VALUE'],
    [{ persistence: true }, 'changes.persistence', 'TYPE'],
    [{ persistence: { timeout: 0 } }, 'changes.persistence.timeout', 'RANGE'],
    [{ persistence: { timeout: null } }, 'changes.persistence.timeout', 'TYPE'],
    [{ persistence: { netmask: null } }, 'changes.persistence.netmask', 'TYPE'],
  ]);
  refuses(t, check({ ...tcp, port: 0 }), [
    [{ persistence: null }, 'changes.persistence', 'VALUE', /must stay: the service has port 0/],
  ]);
  refuses(t, check(tcp6), [
    [{ persistence: { netmask: 0 } }, 'changes.persistence.netmask', 'RANGE'],
  ]);
  // These depend on what is there.
  for (const changes of [
    {},
    { schedulerFlags: ['sh-port'] },
    { schedulerFlags: ['flag-3', 'mh-port'] },
    { persistence: null },
    { persistence: { engine: null } },
  ]) {
    t.doesNotThrow(() => check(tcp)(changes), JSON.stringify(changes));
  }
  t.doesNotThrow(() => check({ fwmark: 1 })({ persistence: null }), 'a mark has no port');
  t.end();
});

const tcpId = parseServiceId(tcp);
const tcp6Id = parseServiceId(tcp6);
const markId = parseServiceId({ fwmark: 1 });

t.test('a destination is named by its address, and the port of its service or its own', (t) => {
  t.strictSame(parseDestinationId({ address: '10.0.0.5' }, tcpId), {
    address: { family: 2, bytes: [10, 0, 0, 5], text: '10.0.0.5' },
    port: 80,
  });
  t.match(parseDestinationId({ address: '10.0.0.5', port: 0 }, tcpId), { port: 0 });
  t.match(parseDestinationId({ address: '10.0.0.5' }, markId), { port: 0 });
  t.match(parseDestinationId({ address: '2001:db8::5', port: 65535 }, tcpId), {
    address: { family: 10 },
    port: 65535,
  });
  refuses(t, (input) => parseDestinationId(input, tcpId), [
    [undefined, 'destination', 'TYPE'],
    ['10.0.0.5', 'destination', 'TYPE'],
    [{}, 'destination.address', 'TYPE'],
    [{ address: 'real1' }, 'destination.address', 'VALUE'],
    [{ address: 'fe80::1%2' }, 'destination.address', 'VALUE', /zone/],
    ...notIntegers((port) => ({ address: '10.0.0.5', port }), 'destination.port'),
    [{ address: '10.0.0.5', port: 65536 }, 'destination.port', 'RANGE'],
    [{ address: '10.0.0.5', wieght: 1 }, 'destination.wieght', 'VALUE', /weight/],
  ]);
  t.end();
});

const dr = {
  forwarding: 3,
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
};
const real = { address: '10.0.0.5' };

t.test('every setting of a destination has its number, or its default', (t) => {
  const numbers = (settings: object, id = tcpId) =>
    parseDestinationConfig({ ...real, ...settings }, id).numbers;
  t.strictSame(numbers({}), dr);
  t.strictSame(
    numbers({
      port: undefined,
      forwarding: undefined,
      weight: undefined,
      upperThreshold: undefined,
      lowerThreshold: undefined,
      tunnel: undefined,
    }),
    dr,
  );
  for (const [forwarding, number] of Object.entries({
    nat: 0,
    local: 1,
    tun: 2,
    dr: 3,
    bypass: 4,
  })) {
    t.strictSame(numbers({ forwarding }), { ...dr, forwarding: number });
  }
  t.strictSame(numbers({ weight: 0 }), { ...dr, weight: 0 });
  t.strictSame(numbers({ weight: 2147483647 }), { ...dr, weight: 2147483647 });
  t.strictSame(numbers({ upperThreshold: 2147483647, lowerThreshold: 2147483647 }), {
    ...dr,
    upperThreshold: 2147483647,
    lowerThreshold: 2147483647,
  });
  t.match(numbers({ port: 8080, forwarding: 'nat' }), { forwarding: 0 }, 'nat maps ports');
  t.match(numbers({ port: 80, forwarding: 'nat' }, markId), { forwarding: 0 });
  t.match(numbers({}, markId), dr, 'a mark keeps the port that the client chose');
  const tun = { ...dr, forwarding: 2 };
  const tunnels: [tunnel: object, expected: object][] = [
    [{ type: 'ipip' }, {}],
    [
      { type: 'gue', port: 6080 },
      { tunnelType: 1, tunnelPort: 6080 },
    ],
    [
      { type: 'gue', port: 1, checksum: 'none' },
      { tunnelType: 1, tunnelPort: 1 },
    ],
    [
      { type: 'gue', port: 65535, checksum: 'csum' },
      { tunnelType: 1, tunnelPort: 65535, tunnelFlags: 1 },
    ],
    [
      { type: 'gue', port: 6080, checksum: 'remcsum' },
      { tunnelType: 1, tunnelPort: 6080, tunnelFlags: 2 },
    ],
    [{ type: 'gre' }, { tunnelType: 2 }],
    [
      { type: 'gre', checksum: 'csum' },
      { tunnelType: 2, tunnelFlags: 1 },
    ],
  ];
  for (const [tunnel, expected] of tunnels) {
    t.strictSame(numbers({ forwarding: 'tun', tunnel }), { ...tun, ...expected });
  }
  t.strictSame(numbers({ address: '2001:db8::5', forwarding: 'tun' }), tun, 'mixed families');
  t.strictSame(numbers({ forwarding: 'tun' }, tcp6Id), tun);
  t.end();
});

// A batch reads a hundred thousand into one: a limit of the one before must not stay.
t.test('what a destination is read into holds nothing of the one before', (t) => {
  const slot = makeDestinationSlot();
  const full = {
    address: '2001:db8::5',
    forwarding: 'tun',
    weight: 7,
    upperThreshold: 9,
    lowerThreshold: 3,
    tunnel: { type: 'gue', port: 6080, checksum: 'csum' },
  };
  for (const [input, service] of [
    [full, tcp6Id],
    [real, tcpId],
    [{ ...real, port: 8080, forwarding: 'nat' }, tcpId],
    [full, markId],
    [real, markId],
  ] as const) {
    t.equal(parseDestinationConfig(input, service, slot), slot);
    t.strictSame(slot, parseDestinationConfig(input, service));
  }
  t.equal(parseDestinationId({ address: '10.0.0.9', port: 1 }, tcpId, slot.id), slot.id);
  t.strictSame(parseDestinationId(real, tcpId, slot.id), parseDestinationId(real, tcpId));
  t.end();
});

t.test('senseless settings of a destination are refused', (t) => {
  const at = (settings: object) => ({ ...real, ...settings });
  const tun = (tunnel: unknown) => at({ forwarding: 'tun', tunnel });
  refuses(t, (input) => parseDestinationConfig(input, tcpId), [
    [at({ forwarding: 'masq' }), 'destination.forwarding', 'VALUE', /'nat', 'local', 'tun', 'dr'/],
    [at({ forwarding: 0 }), 'destination.forwarding', 'TYPE'],
    ...notIntegers((weight) => at({ weight }), 'destination.weight'),
    [at({ weight: 2147483648 }), 'destination.weight', 'RANGE', /<= 2147483647/],
    ...notIntegers((upperThreshold) => at({ upperThreshold }), 'destination.upperThreshold'),
    [at({ upperThreshold: 2147483648 }), 'destination.upperThreshold', 'RANGE'],
    ...notIntegers((lowerThreshold) => at({ lowerThreshold }), 'destination.lowerThreshold'),
    [
      at({ upperThreshold: 3, lowerThreshold: 4 }),
      'destination.lowerThreshold',
      'VALUE',
      /must not exceed destination.upperThreshold \(3\). Received 4/,
    ],
    [at({ lowerThreshold: 1 }), 'destination.lowerThreshold', 'VALUE'],
    [at({ port: 8080 }), 'destination.port', 'VALUE', /port 80: 'dr' can't change it, only 'nat'/],
    [at({ port: 0, forwarding: 'tun' }), 'destination.port', 'VALUE', /'tun' can't/],
    [at({ port: 81, forwarding: 'local' }), 'destination.port', 'VALUE'],
    [at({ port: 81, forwarding: 'bypass' }), 'destination.port', 'VALUE'],
    [at({ address: '2001:db8::5' }), 'destination.forwarding', 'VALUE', /must be 'tun'.* 'dr'/],
    [at({ address: '2001:db8::5', forwarding: 'nat' }), 'destination.forwarding', 'VALUE'],
    [at({ tunnel: { type: 'ipip' } }), 'destination.tunnel', 'VALUE', /goes with forwarding 'tun'/],
    [tun(null), 'destination.tunnel', 'TYPE'],
    [tun('gue'), 'destination.tunnel', 'TYPE'],
    [tun({}), 'destination.tunnel.type', 'TYPE'],
    [tun({ type: 'GUE', port: 6080 }), 'destination.tunnel.type', 'VALUE', /'ipip', 'gue', 'gre'/],
    [tun({ type: 'gue' }), 'destination.tunnel.port', 'TYPE'],
    ...notIntegers((port) => tun({ type: 'gue', port }), 'destination.tunnel.port'),
    [tun({ type: 'gue', port: 0 }), 'destination.tunnel.port', 'RANGE', />= 1 /],
    [tun({ type: 'gue', port: 65536 }), 'destination.tunnel.port', 'RANGE'],
    [tun({ type: 'gue', port: 1, checksum: true }), 'destination.tunnel.checksum', 'TYPE'],
    [tun({ type: 'gue', port: 1, checksum: 'crc' }), 'destination.tunnel.checksum', 'VALUE'],
    [tun({ type: 'gre', checksum: 'remcsum' }), 'destination.tunnel.checksum', 'VALUE', /for gre/],
    [tun({ type: 'gre', port: 1 }), 'destination.tunnel.port', 'VALUE', /only type, checksum/],
    [tun({ type: 'ipip', checksum: 'none' }), 'destination.tunnel.checksum', 'VALUE', /only type/],
    [tun({ type: 'ipip', ttl: 1 }), 'destination.tunnel.ttl', 'VALUE'],
  ]);
  refuses(t, (input) => parseDestinationConfig(input, markId), [
    [at({ port: 80 }), 'destination.port', 'VALUE', /must be the service's port 0/],
  ]);
  t.end();
});

const gue = {
  forwarding: 2,
  weight: 5,
  upperThreshold: 9,
  lowerThreshold: 3,
  tunnelType: 1,
  tunnelPort: 6080,
  tunnelFlags: 2,
};
const id = parseDestinationId(real, tcpId);

t.test('changes to a destination leave alone what they leave out', (t) => {
  const noTunnel = { tunnelType: 0, tunnelPort: 0, tunnelFlags: 0 };
  const table: [changes: object, expected: object][] = [
    [{}, {}],
    [{ weight: 0 }, { weight: 0 }],
    [{ weight: undefined, tunnel: undefined, forwarding: undefined }, {}],
    [{ upperThreshold: 3 }, { upperThreshold: 3 }],
    [{ lowerThreshold: 9 }, { lowerThreshold: 9 }],
    [
      { upperThreshold: 0, lowerThreshold: 0 },
      { upperThreshold: 0, lowerThreshold: 0 },
    ],
    [{ forwarding: 'tun' }, {}],
    [{ forwarding: 'nat' }, { forwarding: 0, ...noTunnel }],
    [{ forwarding: 'dr' }, { forwarding: 3, ...noTunnel }],
    [{ tunnel: { type: 'gue', port: 1 } }, { tunnelPort: 1 }],
    [{ tunnel: { type: 'gue', port: 1, checksum: 'none' } }, { tunnelPort: 1, tunnelFlags: 0 }],
    [{ tunnel: { type: 'gre' } }, { ...noTunnel, tunnelType: 2 }],
    [{ tunnel: { type: 'ipip' } }, noTunnel],
  ];
  for (const [changes, expected] of table) {
    t.strictSame(
      parseDestinationChanges(changes, tcpId, id, gue),
      { ...gue, ...expected },
      JSON.stringify(changes),
    );
  }
  // A destination that somebody else has made senseless can still be drained.
  const mapped = parseDestinationId({ ...real, port: 8080 }, tcpId);
  const upsideDown = { ...gue, upperThreshold: 1, lowerThreshold: 2 };
  t.strictSame(parseDestinationChanges({ weight: 0 }, tcpId, mapped, upsideDown), {
    ...upsideDown,
    weight: 0,
  });
  t.end();
});

t.test('changes that contradict what is there are refused', (t) => {
  const mapped = parseDestinationId({ ...real, port: 8080 }, tcpId);
  const other = parseDestinationId({ address: '2001:db8::5' }, tcpId);
  const nat = { ...gue, forwarding: 0, tunnelType: 0, tunnelPort: 0, tunnelFlags: 0 };
  refuses(t, (changes) => parseDestinationChanges(changes, tcpId, id, gue), [
    [{ lowerThreshold: 10 }, 'changes.lowerThreshold', 'VALUE', /upperThreshold \(9\)/],
    [{ upperThreshold: 2 }, 'changes.lowerThreshold', 'VALUE', /Received 3/],
  ]);
  refuses(t, (changes) => parseDestinationChanges(changes, tcpId, mapped, nat), [
    [{ forwarding: 'dr' }, 'changes.forwarding', 'VALUE', /packets from port 80 to 8080/],
    [{ tunnel: { type: 'ipip' } }, 'changes.tunnel', 'VALUE'],
  ]);
  refuses(t, (changes) => parseDestinationChanges(changes, tcpId, other, gue), [
    [{ forwarding: 'nat' }, 'changes.forwarding', 'VALUE', /another address family/],
  ]);
  t.end();
});

t.test('senseless changes to a destination are refused before it is read', (t) => {
  const check = (changes: unknown) => readDestinationChanges(changes, tcpId, id);
  refuses(t, check, [
    [undefined, 'changes', 'TYPE'],
    [{ address: '10.0.0.6' }, 'changes.address', 'VALUE', /only forwarding, weight/],
    [{ weight: -1 }, 'changes.weight', 'RANGE'],
    [{ upperThreshold: 2147483648 }, 'changes.upperThreshold', 'RANGE'],
    [{ upperThreshold: 1, lowerThreshold: 2 }, 'changes.lowerThreshold', 'VALUE'],
    [{ forwarding: 'masq' }, 'changes.forwarding', 'VALUE'],
    [{ forwarding: 'nat', tunnel: { type: 'ipip' } }, 'changes.tunnel', 'VALUE'],
    [{ tunnel: { type: 'gue' } }, 'changes.tunnel.port', 'TYPE'],
    [{ tunnel: { type: 'gre', checksum: 'remcsum' } }, 'changes.tunnel.checksum', 'VALUE'],
    [{ upperThreshold: null }, 'changes.upperThreshold', 'TYPE'],
    [{ lowerThreshold: null }, 'changes.lowerThreshold', 'TYPE'],
    [{ forwarding: null }, 'changes.forwarding', 'TYPE'],
  ]);
  refuses(t, (changes) => readDestinationChanges(changes, tcpId, { ...id, port: 81 }), [
    [{ tunnel: { type: 'gre' } }, 'changes.forwarding', 'VALUE', /can't be 'tun'/],
  ]);
  // These depend on what is there.
  for (const changes of [
    {},
    { lowerThreshold: 2147483647 },
    { upperThreshold: 0 },
    { tunnel: { type: 'gre' } },
    { forwarding: 'dr' },
  ]) {
    t.doesNotThrow(() => check(changes), JSON.stringify(changes));
  }
  t.end();
});

t.test('options of a read', (t) => {
  const { signal } = new AbortController();
  const plain = { bigint: false, signal: undefined };
  t.strictSame(parseReadOptions(undefined), plain);
  t.strictSame(parseReadOptions({}), plain);
  t.strictSame(parseReadOptions({ bigint: undefined, signal: undefined }), plain);
  t.strictSame(parseReadOptions({ bigint: false }), plain);
  t.strictSame(parseReadOptions({ bigint: true }), { ...plain, bigint: true });
  t.equal(parseReadOptions({ signal }).signal, signal);
  refuses(t, parseReadOptions, [
    [null, 'options', 'TYPE'],
    [true, 'options', 'TYPE'],
    [{ bigint: 1 }, 'options.bigint', 'TYPE'],
    [{ bigInt: true }, 'options.bigInt', 'VALUE', /only bigint, signal/],
    [{ signal: null }, 'options.signal', 'TYPE', /an AbortSignal/],
    [{ signal: {} }, 'options.signal', 'TYPE'],
    [{ signal: new AbortController() }, 'options.signal', 'TYPE'],
  ]);
  t.end();
});

t.test('options of a call', (t) => {
  const { signal } = new AbortController();
  t.strictSame(parseCallOptions(undefined), { signal: undefined });
  t.strictSame(parseCallOptions({}), { signal: undefined });
  t.equal(parseCallOptions({ signal }).signal, signal);
  refuses(t, parseCallOptions, [
    [null, 'options', 'TYPE'],
    [signal, 'options.aborted', 'VALUE', /only signal/],
    [{ signal: 'abort' }, 'options.signal', 'TYPE'],
    [{ bigint: true }, 'options.bigint', 'VALUE', /only signal/],
  ]);
  t.end();
});

t.test('options of a snapshot', (t) => {
  const plain = { bigint: false, settle: true, signal: undefined };
  t.strictSame(parseSnapshotOptions(undefined), plain);
  t.strictSame(parseSnapshotOptions({ settle: false, bigint: true }), {
    ...plain,
    settle: false,
    bigint: true,
  });
  refuses(t, parseSnapshotOptions, [
    [{ settle: 1 }, 'options.settle', 'TYPE'],
    [{ bigint: 0 }, 'options.bigint', 'TYPE'],
    [{ signal: 1 }, 'options.signal', 'TYPE'],
    [{ settled: true }, 'options.settled', 'VALUE', /only bigint, settle, signal/],
  ]);
  t.end();
});

t.test('timeouts', (t) => {
  t.strictSame(parseTimeouts({}), { tcp: 0, tcpFin: 0, udp: 0 });
  t.strictSame(parseTimeouts({ tcp: 1, tcpFin: 2147483, udp: undefined }), {
    tcp: 1,
    tcpFin: 2147483,
    udp: 0,
  });
  refuses(t, parseTimeouts, [
    [undefined, 'timeouts', 'TYPE'],
    [{ fin: 1 }, 'timeouts.fin', 'VALUE', /only tcp, tcpFin, udp/],
    ...['tcp', 'tcpFin', 'udp'].flatMap((name): Wrong[] => [
      [{ [name]: 2147484 }, `timeouts.${name}`, 'RANGE', />= 0 and <= 2147483/],
      ...notIntegers((seconds) => ({ [name]: seconds }), `timeouts.${name}`),
    ]),
  ]);
  t.end();
});

t.test('a sync daemon', (t) => {
  const lo = { role: 'master', interface: 'lo' };
  const plain = {
    role: 1,
    interface: 'lo',
    syncId: 0,
    maxLength: 0,
    group: undefined,
    port: 0,
    ttl: 0,
  };
  t.strictSame(parseDaemon(lo), plain);
  t.strictSame(parseDaemon({ ...lo, role: 'backup', syncId: 0 }), { ...plain, role: 2 });
  t.match(parseDaemon({ ...lo, syncId: 255, maxLength: 65535, port: 65535, ttl: 255 }), {
    syncId: 255,
    maxLength: 65535,
    port: 65535,
    ttl: 255,
  });
  for (const group of ['224.0.0.0', '239.255.255.255', 'ff02::81']) {
    t.equal(parseDaemon({ ...lo, group }).group?.text, group);
  }
  for (const name of ['x', 'interface-of-15', 'eth0.100', 'a@b', '...']) {
    t.equal(parseDaemon({ ...lo, interface: name }).interface, name);
  }
  refuses(t, parseDaemon, [
    [undefined, 'daemon', 'TYPE'],
    [{}, 'daemon.role', 'TYPE'],
    [{ ...lo, role: 'slave' }, 'daemon.role', 'VALUE', /'master', 'backup'/],
    [{ role: 'master' }, 'daemon.interface', 'TYPE'],
    ...['', '.', '..', 'a/b', 'a:b', 'a b', 'interface-of-016', 'ä', 'a\0'].map((name): Wrong => [
      { ...lo, interface: name },
      'daemon.interface',
      'VALUE',
      /1 to 15/,
    ]),
    [{ ...lo, syncId: 256 }, 'daemon.syncId', 'RANGE', />= 0 and <= 255/],
    [{ ...lo, maxLength: 0 }, 'daemon.maxLength', 'RANGE', />= 1 and <= 65535/],
    [{ ...lo, maxLength: 65536 }, 'daemon.maxLength', 'RANGE'],
    [{ ...lo, port: 0 }, 'daemon.port', 'RANGE', />= 1 and <= 65535/],
    [{ ...lo, port: 65536 }, 'daemon.port', 'RANGE'],
    [{ ...lo, ttl: 0 }, 'daemon.ttl', 'RANGE', />= 1 and <= 255/],
    [{ ...lo, ttl: 256 }, 'daemon.ttl', 'RANGE'],
    ...notIntegers((syncId) => ({ ...lo, syncId }), 'daemon.syncId'),
    [{ ...lo, group: 7 }, 'daemon.group', 'TYPE'],
    [{ ...lo, group: 'all' }, 'daemon.group', 'VALUE', /IPv4 or IPv6 address/],
    ...['223.255.255.255', '240.0.0.0', 'fe80::1'].map((group): Wrong => [
      { ...lo, group },
      'daemon.group',
      'VALUE',
      /multicast/,
    ]),
    [{ ...lo, id: 1 }, 'daemon.id', 'VALUE', /only role, interface, syncId/],
  ]);
  t.equal(parseRole('backup'), 2);
  refuses(t, parseRole, [
    [undefined, 'role', 'TYPE'],
    ['both', 'role', 'VALUE', /'master', 'backup'/],
  ]);
  t.end();
});

t.test('which connections are wanted', (t) => {
  const any = { family: 0, bytes: [], port: -1 };
  const all = { protocol: 0, fwmark: 0, client: any, virtual: any, destination: any };
  t.strictSame(parseConnectionsOptions(undefined), {
    filter: all,
    limit: Infinity,
    origin: false,
    signal: undefined,
  });
  const { filter, limit, origin } = parseConnectionsOptions({
    protocol: 'udp',
    client: '10.0.0.9',
    virtual: { address: '::1', port: 0 },
    destination: { port: 65535 },
    limit: 0,
    origin: true,
  });
  t.match(filter, {
    protocol: 17,
    fwmark: 0,
    client: { family: 2, bytes: [10, 0, 0, 9], port: -1 },
    virtual: { family: 10, port: 0 },
    destination: { family: 0, bytes: [], port: 65535 },
  });
  t.strictSame([limit, origin], [0, true]);
  t.strictSame(parseConnectionsOptions({ virtual: { fwmark: 4294967295 } }).filter, {
    ...all,
    fwmark: 4294967295,
  });
  refuses(t, parseConnectionsOptions, [
    [null, 'options', 'TYPE'],
    [{ state: 'NONE' }, 'options.state', 'VALUE', /only protocol, client, virtual/],
    [{ protocol: 'gre' }, 'options.protocol', 'VALUE'],
    [{ limit: -1 }, 'options.limit', 'RANGE'],
    ...notIntegers((limit) => ({ limit }), 'options.limit'),
    [{ origin: 1 }, 'options.origin', 'TYPE'],
    [{ signal: 1 }, 'options.signal', 'TYPE'],
    [{ virtual: { fwmark: 0 } }, 'options.virtual.fwmark', 'RANGE'],
    [{ virtual: { fwmark: 1, port: 80 } }, 'options.virtual.port', 'VALUE', /only fwmark/],
    ...['client', 'virtual', 'destination'].flatMap((side): Wrong[] => [
      [{ [side]: 'nobody' }, `options.${side}`, 'VALUE', /IPv4 or IPv6 address/],
      [{ [side]: 7 }, `options.${side}`, 'TYPE'],
      [{ [side]: null }, `options.${side}`, 'TYPE'],
      [{ [side]: { address: 'x' } }, `options.${side}.address`, 'VALUE'],
      [{ [side]: { port: 65536 } }, `options.${side}.port`, 'RANGE'],
      [{ [side]: { mark: 1 } }, `options.${side}.mark`, 'VALUE', /only address, port/],
    ]),
  ]);
  t.end();
});

t.test('options of a handle', (t) => {
  const path = (netns: unknown) => parseOpenOptions({ netns }).netns;
  t.strictSame(parseOpenOptions(undefined), { netns: undefined, timeout: 10_000 });
  t.strictSame(parseOpenOptions({}), { netns: undefined, timeout: 10_000 });
  t.equal(parseOpenOptions({ timeout: 1 }).timeout, 1);
  t.equal(parseOpenOptions({ timeout: 2147483647 }).timeout, 2147483647);
  t.equal(path('blue'), '/run/netns/blue');
  t.equal(path('..blue'), '/run/netns/..blue');
  t.equal(path('/proc/1/ns/net'), '/proc/1/ns/net');
  t.equal(path('./blue'), './blue', 'a relative path is one');
  t.equal(path({ pid: 4194304 }), '/proc/4194304/ns/net');
  refuses(t, parseOpenOptions, [
    [null, 'options', 'TYPE'],
    ['blue', 'options', 'TYPE'],
    [{ namespace: 'blue' }, 'options.namespace', 'VALUE', /only netns, timeout/],
    ...notIntegers((timeout) => ({ timeout }), 'options.timeout'),
    [{ timeout: 0 }, 'options.timeout', 'RANGE', />= 1 and <= 2147483647/],
    [{ timeout: 2147483648 }, 'options.timeout', 'RANGE'],
    [{ netns: '' }, 'options.netns', 'VALUE'],
    [{ netns: '.' }, 'options.netns', 'VALUE'],
    [{ netns: '..' }, 'options.netns', 'VALUE'],
    [{ netns: 'a\0b' }, 'options.netns', 'VALUE'],
    [{ netns: 7 }, 'options.netns', 'TYPE'],
    [{ netns: null }, 'options.netns', 'TYPE'],
    [{ netns: {} }, 'options.netns.pid', 'TYPE'],
    [{ netns: { pid: 0 } }, 'options.netns.pid', 'RANGE'],
    [{ netns: { pid: '1' } }, 'options.netns.pid', 'TYPE'],
    [{ netns: { pid: 1, name: 'x' } }, 'options.netns.name', 'VALUE'],
  ]);
  t.end();
});
