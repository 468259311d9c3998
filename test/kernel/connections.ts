// The table of connections, with real traffic: a client, a director and a real server in namespaces
// of their own. What ipvsadm lists is what it is compared with.
//
//   client 10.1.0.2, fd01::2 --- director (10.9.0.1, 10.9.0.2, 2001:db8::1) --- real 10.2.0.2, fd02::2

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { Ipvs } from 'ipvs';
import type { Connection, ConnectionsOptions, DestinationConfig, ServiceConfig } from 'ipvs';
import { freshIpvs, freshNamespace } from '../lab/namespace.js';
import { descriptors } from '../lab/own-process.js';

t.setTimeout(180_000);

const MARK = 4_000_000_000;
// The kernel takes letters of latin1 in a Call-ID, and drops a packet that has a space in it.
const CALL_ID = '843817637684230@998sdasdh09\u00e9';

// ---- a program in another namespace that talks when it is told to

interface Order {
  readonly kind: 'listen' | 'connect' | 'send';
  readonly address: string;
  readonly port: number;
  readonly from?: number;
  readonly payload?: string;
}

// Travels as source: it may use nothing from outside.
async function talk(): Promise<void> {
  const net = await import('node:net');
  const dgram = await import('node:dgram');
  const readline = await import('node:readline');
  const family = (address: string) => (address.includes(':') ? 'udp6' : 'udp4');
  const carryOut = ({ kind, address, port, from, payload = 'hello' }: Order) =>
    new Promise<void>((resolve, reject) => {
      if (kind === 'listen') {
        const socket = dgram.createSocket(family(address));
        socket.on('message', (text, peer) => {
          socket.send(text, peer.port, peer.address);
        });
        socket.bind(port, address, () => {
          net
            .createServer((connection) => connection.pipe(connection))
            .listen(port, address, resolve);
        });
      } else if (kind === 'connect') {
        const connection = net.connect({ host: address, port, localPort: from ?? 0 }, () => {
          connection.write(payload);
        });
        connection.on('error', reject);
        connection.on('data', () => {
          resolve();
        });
      } else {
        const socket = dgram.createSocket(family(address));
        socket.bind(from ?? 0, () => {
          socket.send(Buffer.from(payload, 'latin1'), port, address, (error) => {
            if (error) reject(error);
            else resolve();
          });
        });
      }
    });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await carryOut(JSON.parse(line) as Order).then(
      () => {
        console.log('done');
      },
      (error: unknown) => {
        console.log(String(error));
      },
    );
  }
  process.exit();
}

/** Starts it; the result makes it carry out orders, one after the other. */
function talker(t: tap.Test, netns: string): (...orders: Order[]) => Promise<void> {
  const args = ['netns', 'exec', netns, process.execPath, '-e', `(${String(talk)})()`];
  const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  t.teardown(async () => {
    child.stdin.end();
    await once(child, 'close');
  });
  return async (...orders) => {
    for (const order of orders) {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const { value } = (await answers.next()) as { value: unknown };
      if (value !== 'done') throw new Error(`${JSON.stringify(order)}: ${String(value)}`);
    }
  };
}

// ---- the cluster

function batch(netns: string, program: 'ip' | 'tc', commands: readonly string[]): void {
  const option = program === 'ip' ? '-batch' : '-b';
  execFileSync(program, ['-n', netns, option, '-'], { input: commands.join('\n') });
}

const tcp = { protocol: 'tcp', address: '10.9.0.1', port: 80 } as const;
const tcp6 = { protocol: 'tcp', address: '2001:db8::1', port: 80 } as const;
const udp = { protocol: 'udp', address: '10.9.0.1', port: 53 } as const;
const sctp = { protocol: 'sctp', address: '10.9.0.1', port: 80 } as const;
const sip = { protocol: 'udp', address: '10.9.0.1', port: 5060 } as const;
const anyPort = { protocol: 'udp', address: '10.9.0.2', port: 0 } as const;
const sticky = { protocol: 'udp', address: '10.9.0.1', port: 7001 } as const;
const sticky6 = { protocol: 'udp', address: '2001:db8::1', port: 7001 } as const;
const mixed = { protocol: 'udp', address: '2001:db8::1', port: 7002 } as const;
const mark = { fwmark: MARK } as const;
const mark6 = { fwmark: MARK, family: 'ipv6' } as const;

const table: [service: ServiceConfig, destination: DestinationConfig][] = [
  [tcp, { address: '10.2.0.2', port: 8080, forwarding: 'nat' }],
  [tcp6, { address: 'fd02::2', port: 8080, forwarding: 'nat' }],
  [udp, { address: '10.2.0.2', port: 8080, forwarding: 'nat' }],
  [sctp, { address: '10.2.0.2', port: 8080, forwarding: 'nat' }],
  [
    { ...sip, persistence: { engine: 'sip', timeout: 70 } },
    { address: '10.2.0.2', port: 8080, forwarding: 'nat' },
  ],
  [
    { ...anyPort, persistence: { timeout: 80, netmask: 24 } },
    { address: '10.2.0.2', forwarding: 'nat' },
  ],
  [
    { ...sticky, persistence: {} },
    { address: '10.2.0.2', port: 8080, forwarding: 'nat' },
  ],
  [
    { ...sticky6, persistence: { netmask: 64 } },
    { address: 'fd02::2', port: 8080, forwarding: 'nat' },
  ],
  [mixed, { address: '10.2.0.2', forwarding: 'tun' }],
  [
    { ...mark, persistence: {} },
    { address: '10.2.0.2', forwarding: 'nat' },
  ],
  [
    { ...mark6, persistence: {} },
    { address: 'fd02::2', forwarding: 'nat' },
  ],
];

async function openCluster(t: tap.Test) {
  const [client, real] = [freshNamespace(t), freshNamespace(t)];
  const { ipvs, netns: director, ipvsadm } = await freshIpvs(t);
  const orderClient = talker(t, client);
  const orderReal = talker(t, real);
  batch(director, 'ip', [
    `link add d0 type veth peer name c0 netns ${client}`,
    `link add d1 type veth peer name r0 netns ${real}`,
    ...['address add 10.1.0.1/24 dev d0', 'address add fd01::1/64 dev d0 nodad'],
    ...['address add 10.2.0.1/24 dev d1', 'address add fd02::1/64 dev d1 nodad'],
    ...['address add 10.9.0.1/32 dev lo', 'address add 10.9.0.2/32 dev lo'],
    'address add 2001:db8::1/128 dev lo nodad',
    ...['link set d0 up', 'link set d1 up'],
  ]);
  for (const [netns, device, side] of [
    [client, 'c0', 1],
    [real, 'r0', 2],
  ] as const) {
    batch(netns, 'ip', [
      `address add 10.${side}.0.2/24 dev ${device}`,
      `address add fd0${side}::2/64 dev ${device} nodad`,
      `link set ${device} up`,
      `route add default via 10.${side}.0.1`,
      `route add ::/0 via fd0${side}::1`,
    ]);
  }
  // What goes to port 5000 carries a mark.
  batch(director, 'tc', [
    'qdisc add dev d0 ingress',
    ...(['ip', 'ipv6'] as const).map(
      (protocol, index) =>
        `filter add dev d0 ingress pref ${index + 1} protocol ${protocol} ` +
        `flower ip_proto udp dst_port 5000 action skbedit mark ${MARK}`,
    ),
  ]);
  execFileSync('ip', [
    ...['netns', 'exec', director, 'sh', '-c'],
    'cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding',
  ]);
  await orderReal(
    { kind: 'listen', address: '10.2.0.2', port: 8080 },
    { kind: 'listen', address: 'fd02::2', port: 8080 },
  );
  for (const [service, destination] of table) {
    await ipvs.addService({ scheduler: 'rr', ...service });
    await ipvs.addDestination(service, destination);
  }
  return { ipvs, ipvsadm, client, director, real, orderClient };
}

async function all(ipvs: Ipvs, options?: ConnectionsOptions): Promise<Connection[]> {
  const entries: Connection[] = [];
  for await (const entry of ipvs.connections(options)) entries.push(entry);
  return entries;
}

/** Without what passes with time. */
function settled(entry: Connection): Connection {
  return { ...entry, expires: 0 };
}

function endpoint(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An entry as ipvsadm -Lnc prints it, without the time. */
function asIpvsadm({ protocol, state, client, virtual, destination }: Connection): string {
  // For ipvsadm a mark is an address, in an IPv6 template the first 32 bits of one.
  const target =
    'fwmark' in virtual
      ? endpoint(markAddress(virtual.fwmark, client.address.includes(':')), 0)
      : endpoint(virtual.address, virtual.port);
  const at = [client, destination].map(({ address, port }) => endpoint(address, port));
  return [protocol?.toUpperCase() ?? 'IP', state, at[0], target, at[1]].join(' ');
}

function markAddress(mark: number, v6: boolean): string {
  return v6
    ? `${(mark >>> 16).toString(16)}:${(mark & 0xffff).toString(16)}::`
    : [24, 16, 8, 0].map((shift) => (mark >>> shift) & 255).join('.');
}

t.test('connections and templates of real traffic', async (t) => {
  const cluster = await openCluster(t);
  const { ipvs, ipvsadm, client, real, orderClient } = cluster;

  // Another director is told of them over the link to the real server.
  const backup = await Ipvs.open({ netns: real });
  t.teardown(() => backup.close());
  await backup.startSyncDaemon({ role: 'backup', interface: 'r0', syncId: 5 });
  await ipvs.removeDestination(mixed, { address: '10.2.0.2' });
  await ipvs.startSyncDaemon({ role: 'master', interface: 'd1', syncId: 5 });

  await orderClient(
    { kind: 'connect', ...tcp, from: 40001 },
    { kind: 'connect', ...tcp6, from: 40002 },
    { kind: 'send', ...udp, from: 40003 },
    {
      kind: 'send',
      ...sip,
      from: 40004,
      payload: `INVITE sip:a@b SIP/2.0\r\nCall-ID: ${CALL_ID}\r\nContent-Length: 0\r\n\r\n`,
    },
    { kind: 'send', address: '10.9.0.2', port: 7000, from: 40005 },
    { kind: 'send', ...sticky, from: 40006 },
    { kind: 'send', ...sticky6, from: 40007 },
    { kind: 'send', address: '10.9.0.1', port: 5000, from: 40008 },
    { kind: 'send', address: '2001:db8::1', port: 5000, from: 40009 },
  );
  const from = (port: number) => ({ address: '10.1.0.2', port });
  const from6 = (port: number) => ({ address: 'fd01::2', port });
  const to = (port: number) => ({ address: '10.2.0.2', port });
  const to6 = (port: number) => ({ address: 'fd02::2', port });
  const at = ({ address, port }: { address: string; port: number }) => ({ address, port });
  const connection = { kind: 'connection', state: 'UDP', protocol: 'udp' } as const;
  const template = { kind: 'template', state: 'NONE', protocol: 'udp' } as const;
  const anyProtocol = { kind: 'template', state: 'NONE' } as const;
  const expected: Omit<Connection, 'expires'>[] = [
    {
      ...connection,
      ...{ protocol: 'tcp', state: 'ESTABLISHED' },
      ...{ client: from(40001), virtual: at(tcp), destination: to(8080) },
    },
    {
      ...connection,
      ...{ protocol: 'tcp', state: 'ESTABLISHED' },
      ...{ client: from6(40002), virtual: at(tcp6), destination: to6(8080) },
    },
    { ...connection, client: from(40003), virtual: at(udp), destination: to(8080) },
    {
      ...connection,
      ...{ client: from(40004), virtual: at(sip), destination: to(8080) },
    },
    {
      ...template,
      ...{ client: from(0), virtual: at(sip), destination: to(8080) },
      ...{ engine: 'sip', engineData: CALL_ID },
    },
    {
      ...connection,
      ...{ client: from(40005), virtual: { address: '10.9.0.2', port: 7000 } },
      destination: to(7000),
    },
    {
      ...template,
      ...{ client: { address: '10.1.0.0', port: 0 }, virtual: at(anyPort), destination: to(0) },
    },
    { ...connection, client: from(40006), virtual: at(sticky), destination: to(8080) },
    { ...template, client: from(0), virtual: at(sticky), destination: to(8080) },
    { ...connection, client: from6(40007), virtual: at(sticky6), destination: to6(8080) },
    {
      ...template,
      ...{ client: { address: 'fd01::', port: 0 }, virtual: at(sticky6), destination: to6(8080) },
    },
    {
      ...connection,
      ...{ client: from(40008), virtual: { address: '10.9.0.1', port: 5000 } },
      destination: to(5000),
    },
    { ...anyProtocol, client: from(0), virtual: { fwmark: MARK }, destination: to(0) },
    {
      ...connection,
      ...{ client: from6(40009), virtual: { address: '2001:db8::1', port: 5000 } },
      destination: to6(5000),
    },
    { ...anyProtocol, client: from6(0), virtual: { fwmark: MARK }, destination: to6(0) },
  ];
  const nameOf = ({
    kind,
    protocol,
    client: { address, port },
    virtual,
  }: (typeof expected)[number]) =>
    [kind, protocol, port, address, 'fwmark' in virtual ? 'mark' : virtual.port].join(' ');
  const byName = (a: (typeof expected)[number], b: (typeof expected)[number]) =>
    nameOf(a) < nameOf(b) ? -1 : 1;

  await t.test('are told field by field', async (t) => {
    const seen = (await all(ipvs)).map(settled);
    // A template is assured as soon as one of its connections has seen an answer.
    const unassured = seen.map((entry) =>
      entry.kind === 'template'
        ? { ...entry, state: entry.state.replace('ASSURED', 'NONE') }
        : entry,
    );
    t.same(
      unassured.sort(byName),
      expected.map((entry) => ({ ...entry, expires: 0 })).sort(byName),
    );
  });

  await t.test('are the ones that ipvsadm lists', async (t) => {
    const before = await all(ipvs);
    const lines = ipvsadm('-Lnc').split('\n').slice(2, -1);
    const theirs = lines.map((line) => {
      const [protocol, time = '', ...rest] = line.trim().split(/ +/);
      const [minutes = 0, seconds = 0] = time.split(':').map(Number);
      return { entry: [protocol, ...rest.slice(0, 4)].join(' '), expires: minutes * 60 + seconds };
    });
    const byEntry = (a: { entry: string }, b: { entry: string }) => (a.entry < b.entry ? -1 : 1);
    const sorted = (list: Awaited<ReturnType<typeof all>>) =>
      list.map((each) => ({ entry: asIpvsadm(each), expires: each.expires })).sort(byEntry);
    theirs.sort(byEntry);
    const [earlier, later] = [sorted(before), sorted(await all(ipvs))];
    for (const ours of [earlier, later]) {
      t.same(
        ours.map(({ entry }) => entry),
        theirs.map(({ entry }) => entry),
      );
    }
    for (const [index, { entry, expires }] of theirs.entries()) {
      const [most = NaN, least = NaN] = [earlier[index]?.expires, later[index]?.expires];
      t.ok(least - 1 <= expires && expires <= most + 1, `${entry}: ${most} to ${least} s`);
    }
  });

  await t.test('can be filtered by each side', async (t) => {
    const everything = await all(ipvs);
    const filters: [ConnectionsOptions, (entry: Connection) => boolean][] = [
      [{ protocol: 'tcp' }, (e) => e.protocol === 'tcp'],
      [{ protocol: 'udp' }, (e) => e.protocol === 'udp'],
      [{ client: '10.1.0.2' }, (e) => e.client.address === '10.1.0.2'],
      [{ client: 'FD01:0:0::2' }, (e) => e.client.address === 'fd01::2'],
      [{ client: { port: 40003 } }, (e) => e.client.port === 40003],
      [{ client: { port: 0 } }, (e) => e.kind === 'template'],
      [{ client: { address: '10.1.0.2', port: 40001 } }, (e) => e.client.port === 40001],
      [
        { virtual: '10.9.0.1' },
        ({ virtual }) => 'address' in virtual && virtual.address === '10.9.0.1',
      ],
      [
        { virtual: { address: '2001:db8::1', port: 80 } },
        ({ virtual }) =>
          'address' in virtual && virtual.address === '2001:db8::1' && virtual.port === 80,
      ],
      [{ virtual: { port: 5000 } }, ({ virtual }) => 'port' in virtual && virtual.port === 5000],
      [{ virtual: { fwmark: MARK } }, ({ virtual }) => 'fwmark' in virtual],
      [{ virtual: { fwmark: 1 } }, () => false],
      [{ destination: '10.2.0.2' }, (e) => e.destination.address === '10.2.0.2'],
      [{ destination: 'fd02::2' }, (e) => e.destination.address === 'fd02::2'],
      [{ destination: { port: 8080 } }, (e) => e.destination.port === 8080],
      [
        { protocol: 'udp', client: '10.1.0.2', destination: { address: '10.2.0.2', port: 8080 } },
        (e) =>
          e.protocol === 'udp' && e.client.address === '10.1.0.2' && e.destination.port === 8080,
      ],
    ];
    for (const [options, matches] of filters) {
      const found = (await all(ipvs, options)).map(settled).sort(byName);
      const wanted = everything.filter(matches).map(settled).sort(byName);
      t.same(found, wanted, `${JSON.stringify(options)}: ${found.length} entries`);
      const none = 'virtual' in options && (options.virtual as { fwmark?: number }).fwmark === 1;
      t.equal(wanted.length === 0, none);
    }
    for (const limit of [0, 1, 3, 1000]) {
      const found = await all(ipvs, { limit });
      t.equal(found.length, Math.min(limit, everything.length), `limit ${limit}`);
    }
  });

  await t.test('end early with a break or a signal, and leave no file open', async (t) => {
    const open = () => descriptors().filter((link) => link.includes('ip_vs_conn')).length;
    let during = 0;
    for await (const entry of ipvs.connections()) {
      t.ok(entry.client);
      during = open();
      break;
    }
    t.equal(during, 1, 'it is open meanwhile');
    t.equal(open(), 0);

    const reason = new Error('enough');
    const { signal } = new AbortController();
    t.equal((await all(ipvs, { signal })).length > 10, true);
    const control = new AbortController();
    let seen = 0;
    const reading = (async () => {
      for await (const entry of ipvs.connections({ signal: control.signal })) {
        seen++;
        if (entry.expires >= 0 && seen === 2) control.abort(reason);
      }
    })();
    await t.rejects(reading, { name: 'AbortError', code: 'ABORT_ERR', cause: reason });
    t.equal(seen, 2);
    t.equal(open(), 0);
    await t.rejects(all(ipvs, { signal: AbortSignal.abort(reason) }), { code: 'ABORT_ERR' });
  });

  await t.test('say where they were made, and a backup has them synchronised', async (t) => {
    const ours = await all(ipvs, { origin: true });
    t.ok(ours.length > 10);
    t.ok(
      ours.every(({ origin }) => origin === 'local'),
      'all of ours are local',
    );
    const [wanted] = ours.filter(({ client: { port } }) => port === 40001);
    let copies: Connection[] = [];
    // The master waits up to two seconds until it tells.
    for (let attempt = 0; attempt < 100 && copies.length === 0; attempt++) {
      copies = await all(backup, { origin: true, client: { port: 40001 } });
      await setTimeout(100);
    }
    const [copy] = copies;
    t.equal(copy?.origin, 'synchronised');
    t.same(
      copy && settled({ ...copy, origin: 'local' }),
      wanted && settled(wanted),
      'in all else the same',
    );
  });

  await t.test('of two families are told with both', async (t) => {
    await ipvs.stopSyncDaemon('master');
    await ipvs.addDestination(mixed, { address: '10.2.0.2', forwarding: 'tun' });
    await orderClient({ kind: 'send', ...mixed, from: 40011 });
    const [entry] = await all(ipvs, { client: { port: 40011 } });
    t.match(entry, {
      protocol: 'udp',
      client: from6(40011),
      virtual: at(mixed),
      destination: to(7002),
    });
  });

  // Last, because it is forgotten after a few seconds: nobody there talks SCTP.
  await t.test('of SCTP are told too', async (t) => {
    execFileSync('ip', [
      ...['netns', 'exec', client, 'perl', '-e'],
      'use Socket; socket(S, PF_INET, SOCK_STREAM, 132) or die $!; alarm 1;' +
        '$SIG{ALRM} = sub { exit }; bind(S, pack_sockaddr_in(40010, INADDR_ANY));' +
        'connect(S, pack_sockaddr_in(80, inet_aton("10.9.0.1")));',
    ]);
    const [entry, ...others] = await all(ipvs, { protocol: 'sctp' });
    t.same(others, []);
    t.match(entry, { kind: 'connection', client: from(40010), virtual: at(sctp) });
    t.match(entry?.state, /^INIT1$|^ABORTED$|^CLOSED$|^REJECTED$/);
  });

  t.same(await all(await Ipvs.open()), [], "the process's own namespace has none");
});

// ---- a crowd

// The kernel seeks from the start of its table at each read, so that a table of ten times the size
// takes a hundred times as long; test/unit/connection-table.ts reads a million lines.
const CROWD = 20_000;

// A backup takes what it is told: so many connections come at once that no traffic could make.
// Each message has the format of struct ip_vs_sync_mesg and ip_vs_sync_v4 (ip_vs_sync.c).
const TELL = `
  use Socket;
  socket(S, PF_INET, SOCK_DGRAM, 0) or die $!;
  setsockopt(S, 0, 32, inet_aton("127.0.0.1")) or die $!;
  my $to = pack_sockaddr_in(8848, inet_aton("224.0.0.81"));
  my ($vip, $rip) = (inet_aton("10.9.0.1"), inet_aton("10.2.0.2"));
  for (my $k = 0; $k < ${CROWD};) {
    my ($count, $body) = (0, "");
    for (; $count < 250 && $k < ${CROWD}; $count++, $k++) {
      $body .= pack("CCnNnnnnNNNa4a4", 0, 17, 36, 0, 0, 1024 + $k % 10000, 53, 5353, 0, 300,
        0x0a010000 + int($k / 10000), $vip, $rip);
    }
    send(S, pack("CCnCcS", 0, 0, 8 + length $body, $count, 1, 0) . $body, 0, $to) or die $!;
    select(undef, undef, undef, 0.005);
  }
`;

const clientOf = ({ client }: Connection): number =>
  Number(client.address.split('.')[3]) * 10_000 + client.port;

t.test(`${CROWD} connections are read in bounded memory`, async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const exec = ['netns', 'exec', netns];
  await ipvs.getInfo(); // so that the module is there
  execFileSync('ip', [...exec, 'sh', '-c', 'echo 64000000 >/proc/sys/net/ipv4/vs/sync_sock_size']);
  await ipvs.startSyncDaemon({ role: 'backup', interface: 'lo' });
  // It is UDP: what did not fit the queue is told again. What is known already stays as it is.
  let known = 0;
  for (let attempt = 0; attempt < 10 && known < CROWD; attempt++) {
    execFileSync('ip', [...exec, 'perl', '-e', TELL]);
    await setTimeout(200);
    // Told apart: an entry that comes while the table is read may shift another into view twice.
    known = new Set((await all(ipvs)).map(clientOf)).size;
  }
  await all(ipvs, { limit: 1000 }); // what is allocated once
  const before = process.memoryUsage().rss;
  let most = before;
  let count = 0;
  const clients = new Set<number>();
  const began = Date.now();
  // The daemon may still be busy with what it was told last, and the kernel resumes its table by
  // counting: an entry that moves under a reading is missing from it. A reader that loses one would
  // lose it each time.
  for (let attempt = 0; attempt < 5 && clients.size < CROWD; attempt++) {
    if (attempt > 0) await setTimeout(500);
    count = 0;
    clients.clear();
    for await (const connection of ipvs.connections()) {
      if (connection.protocol === 'udp' && connection.expires > 0) count++;
      clients.add(clientOf(connection));
      if (count % 1000 === 0) most = Math.max(most, process.memoryUsage().rss);
    }
  }
  const grown = (most - before) / 2 ** 20;
  t.comment(`${count} entries in ${Date.now() - began} ms, ${grown.toFixed(1)} MiB more`);
  t.equal(clients.size, CROWD);
  t.ok(grown < 32, `${grown.toFixed(1)} MiB`);
  await ipvs.stopSyncDaemon('backup');
});
