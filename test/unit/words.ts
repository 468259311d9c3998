// Words for numbers and back. A wrong number here sets another protocol, method or flag than the
// caller named, and a word that is missing makes a whole listing fail.

import t from 'tap';
import type { DestinationRecord, ServiceRecord } from '#lib/records';
import {
  CHECKSUMS,
  FAMILIES,
  FORWARDINGS,
  PROTOCOLS,
  SCHEDULER_FLAG_WORDS,
  TUNNELS,
  schedulerFlagBit,
  schedulerOfFlag,
  toDestination,
  toService,
  toServiceKey,
} from '#lib/words';
import { noTraffic } from '../lab/objects.js';

// include/uapi/linux/ip_vs.h, include/uapi/linux/in.h, include/linux/socket.h
const vocabularies = {
  families: [FAMILIES, { ipv4: 2, ipv6: 10 }],
  protocols: [PROTOCOLS, { tcp: 6, udp: 17, sctp: 132 }],
  forwardings: [FORWARDINGS, { nat: 0, local: 1, tun: 2, dr: 3, bypass: 4 }],
  tunnels: [TUNNELS, { ipip: 0, gue: 1, gre: 2 }],
  checksums: [CHECKSUMS, { none: 0, csum: 1, remcsum: 2 }],
} as const;

for (const [name, [vocabulary, entries]] of Object.entries(vocabularies)) {
  t.test(`${name} go from word to number and back`, (t) => {
    t.strictSame([...vocabulary.words].sort(), Object.keys(entries).sort());
    for (const [word, number] of Object.entries(entries)) {
      t.equal(vocabulary.number(word), number);
      t.equal(vocabulary.word(number), word);
    }
    t.end();
  });

  t.test(`${name} that have no word are digits, and no other word is one`, (t) => {
    for (const number of [5, 47, 255, 4294967295]) {
      t.equal(vocabulary.word(number), String(number));
    }
    for (const word of ['', 'TCP', '6', 'toString', '__proto__', 'constructor']) {
      t.equal(vocabulary.number(word), undefined, word);
    }
    t.end();
  });
}

t.test('scheduler flags are three bits under seven names', (t) => {
  const bits = {
    'sh-fallback': 0x08,
    'sh-port': 0x10,
    'mh-fallback': 0x08,
    'mh-port': 0x10,
    'flag-1': 0x08,
    'flag-2': 0x10,
    'flag-3': 0x20,
  };
  t.strictSame(
    Object.fromEntries(SCHEDULER_FLAG_WORDS.map((word) => [word, schedulerFlagBit(word)])),
    bits,
  );
  t.strictSame(SCHEDULER_FLAG_WORDS.map(schedulerOfFlag), [
    'sh',
    'sh',
    'mh',
    'mh',
    undefined,
    undefined,
    undefined,
  ]);
  for (const word of ['', 'sh', 'flag-4', 'toString']) t.equal(schedulerFlagBit(word), undefined);
  t.end();
});

const service: ServiceRecord = {
  family: 2,
  protocol: 6,
  address: '10.0.0.1',
  port: 80,
  fwmark: 0,
  scheduler: 'wlc',
  flags: 0,
  timeout: 0,
  netmask: 0xffffffff,
  engine: '',
  wideStats: 1,
  stats: noTraffic,
};

t.test('a service has its settings and nothing that means nothing', (t) => {
  t.strictSame(toService(service), {
    protocol: 'tcp',
    address: '10.0.0.1',
    port: 80,
    family: 'ipv4',
    scheduler: 'wlc',
    schedulerFlags: [],
    onePacket: false,
    stats: noTraffic,
  });
  // Timeout and netmask are there without persistence too, and the engine may be.
  t.notOk('persistence' in toService({ ...service, timeout: 360, engine: 'sip' }));
  t.end();
});

t.test('a mark has a family and no address', (t) => {
  const mark = { ...service, protocol: 0, address: '0.0.0.0', port: 0, fwmark: 4294967295 };
  t.strictSame(toServiceKey(mark), { fwmark: 4294967295, family: 'ipv4' });
  t.strictSame(toService({ ...mark, family: 10 }), {
    fwmark: 4294967295,
    family: 'ipv6',
    scheduler: 'wlc',
    schedulerFlags: [],
    onePacket: false,
    stats: noTraffic,
  });
  t.end();
});

t.test('persistence has a dotted mask over IPv4 and a prefix length over IPv6', (t) => {
  const persistent = { ...service, flags: 1, timeout: 300 };
  const masks: [number, string][] = [
    [0xffffffff, '255.255.255.255'],
    [0xffffff00, '255.255.255.0'],
    [0x80000000, '128.0.0.0'],
    [0x00ff00ff, '0.255.0.255'],
    [0, '0.0.0.0'],
  ];
  for (const [netmask, text] of masks) {
    t.strictSame(toService({ ...persistent, netmask }).persistence, {
      timeout: 300,
      netmask: text,
    });
  }
  t.strictSame(toService({ ...persistent, family: 10, netmask: 64, engine: 'sip' }).persistence, {
    timeout: 300,
    netmask: 64,
    engine: 'sip',
  });
  t.end();
});

t.test('flags have the names that they have for the scheduler', (t) => {
  const names = (scheduler: string, flags: number) =>
    toService({ ...service, scheduler, flags }).schedulerFlags;
  t.strictSame(names('sh', 0x38), ['sh-fallback', 'sh-port', 'flag-3']);
  t.strictSame(names('mh', 0x18), ['mh-fallback', 'mh-port']);
  t.strictSame(names('rr', 0x28), ['flag-1', 'flag-3']);
  t.strictSame(names('sh', 0x10), ['sh-port']);
  // Other bits are not scheduler flags: persistent, one-packet, and what the kernel may yet invent.
  t.strictSame(names('sh', 0xffffffc7), []);
  t.equal(toService({ ...service, flags: 4 }).onePacket, true);
  t.end();
});

const destination: DestinationRecord = {
  family: 10,
  address: '2001:db8::5',
  port: 80,
  forwarding: 0,
  weight: 1,
  upperThreshold: 9,
  lowerThreshold: 3,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
  activeConnections: 4,
  inactiveConnections: 5,
  persistentConnections: 6,
  stats: noTraffic,
};

t.test('a destination has a tunnel where it is tunnelled, and only then', (t) => {
  const plain = {
    address: '2001:db8::5',
    port: 80,
    family: 'ipv6',
    forwarding: 'nat',
    weight: 1,
    upperThreshold: 9,
    lowerThreshold: 3,
    activeConnections: 4,
    inactiveConnections: 5,
    persistentConnections: 6,
    stats: noTraffic,
  };
  t.strictSame(toDestination(destination), plain);
  // The kernel keeps a tunnel's settings with any method.
  const numbers = { ...destination, tunnelType: 1, tunnelPort: 6080, tunnelFlags: 2 };
  for (const [forwarding, word] of ['nat', 'local', 'tun', 'dr', 'bypass'].entries()) {
    t.strictSame(toDestination({ ...numbers, forwarding }), {
      ...plain,
      forwarding: word,
      ...(word === 'tun' && { tunnel: { type: 'gue', port: 6080, checksum: 'remcsum' } }),
    });
  }
  t.end();
});

t.test('each kind of tunnel has what it has', (t) => {
  const tunnel = (tunnelType: number, tunnelFlags: number) =>
    toDestination({ ...destination, forwarding: 2, tunnelType, tunnelPort: 7, tunnelFlags }).tunnel;
  t.strictSame(tunnel(0, 1), { type: 'ipip' });
  t.strictSame(tunnel(1, 0), { type: 'gue', port: 7, checksum: 'none' });
  t.strictSame(tunnel(1, 1), { type: 'gue', port: 7, checksum: 'csum' });
  t.strictSame(tunnel(1, 3), { type: 'gue', port: 7, checksum: '3' });
  t.strictSame(tunnel(2, 1), { type: 'gre', checksum: 'csum' });
  t.strictSame(tunnel(3, 0), { type: '3' });
  t.end();
});
