// The director as a whole: information, timeouts, counters, sync daemons. What ipvsadm prints about
// the same namespace is what it has to agree with.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { Ipvs } from 'ipvs';
import type { Stats, SyncDaemon, SyncDaemonConfig } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';
import { descriptors, untilThreadsAreHome } from '../lab/own-process.js';
import { until } from '../lab/until.js';

t.setTimeout(120_000);

const dns = { protocol: 'udp', address: '10.9.0.1', port: 53 } as const;
const ntp = { protocol: 'udp', address: '10.9.0.1', port: 123 } as const;

function run(netns: string, script: string): string {
  return execFileSync('ip', ['netns', 'exec', netns, 'bash', '-ec', script], { encoding: 'utf8' });
}

// ---- information and timeouts

t.test('information is what ipvsadm prints above its list', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  await ipvs.addService(dns);
  const [, version, size] = /version (\S+) \(size=(\d+)\)/.exec(ipvsadm('-Ln')) ?? [];
  t.same(await ipvs.getInfo(), { version, connectionTableSize: Number(size) });
});

t.test('timeouts are set one by one or all together, and ipvsadm reads the same', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const theirs = () => {
    const numbers = /: (\d+) (\d+) (\d+)/.exec(ipvsadm('-L', '--timeout')) ?? [];
    const [, tcp, tcpFin, udp] = numbers.map(Number);
    return { tcp, tcpFin, udp };
  };
  const changes = [
    [{}, { tcp: 900, tcpFin: 120, udp: 300 }],
    [{ tcp: 1 }, { tcp: 1, tcpFin: 120, udp: 300 }],
    [{ tcpFin: 2 }, { tcp: 1, tcpFin: 2, udp: 300 }],
    [{ udp: 3 }, { tcp: 1, tcpFin: 2, udp: 3 }],
    [
      { tcp: 0, tcpFin: 0, udp: 0 },
      { tcp: 1, tcpFin: 2, udp: 3 },
    ],
    [
      { tcp: 2147483, tcpFin: 2147482, udp: 2147481 },
      { tcp: 2147483, tcpFin: 2147482, udp: 2147481 },
    ],
  ] as const;
  for (const [change, expected] of changes) {
    await ipvs.setTimeouts(change);
    t.same(await ipvs.getTimeouts(), expected);
    t.same(theirs(), expected);
  }
  ipvsadm('--set', '31', '32', '33');
  t.same(await ipvs.getTimeouts(), { tcp: 31, tcpFin: 32, udp: 33 });
  for (const value of [-1, 2147484, 1.5, NaN]) {
    await t.rejects(ipvs.setTimeouts({ tcp: 5, udp: value }), { code: 'ERR_OUT_OF_RANGE' });
  }
  t.same(await ipvs.getTimeouts(), { tcp: 31, tcpFin: 32, udp: 33 }, 'a refused one sets nothing');
});

// ---- counters

// Two services on the director itself, with traffic: 5 clients of the first, 3 of the second.
async function withTraffic(t: tap.Test) {
  const lab = await freshIpvs(t);
  const { ipvs, netns } = lab;
  run(netns, 'ip address add 10.9.0.1/32 dev lo; ip address add 10.9.0.2/32 dev lo');
  for (const service of [dns, ntp]) {
    await ipvs.addService({ ...service, scheduler: 'rr' });
    await ipvs.addDestination(service, { address: '10.9.0.2', forwarding: 'nat' });
  }
  const send = () => {
    run(
      netns,
      'for i in 1 2 3 4 5; do echo hello >/dev/udp/10.9.0.1/53; done;' +
        'for i in 1 2 3; do echo hello >/dev/udp/10.9.0.1/123; done',
    );
  };
  send();
  await until('all is counted', async () => (await ipvs.getStats()).incomingPackets === 8);
  await until('each is counted', async () => (await counts(ipvs)).join() === '5,3');
  return { ...lab, send };
}

async function counts(ipvs: Ipvs): Promise<number[]> {
  const services = [await ipvs.getService(dns), await ipvs.getService(ntp)];
  return services.map((service) => service?.stats.incomingPackets ?? -1);
}

/** The five columns of ipvsadm --stats or --rate by the first word but one of their line. */
function columns(text: string): Record<string, number[]> {
  const lines = text.matchAll(/^(?:UDP| {2}->) +(\S+:\d+)((?: +\d+){5})/gm);
  return Object.fromEntries(
    Array.from(lines, ([, name = '', rest = '']) => [name, rest.trim().split(/ +/).map(Number)]),
  );
}

const countsOf = (s: Stats): number[] => [
  s.connections,
  s.incomingPackets,
  s.outgoingPackets,
  s.incomingBytes,
  s.outgoingBytes,
];
const ratesOf = (s: Stats): number[] => [
  s.connectionRate,
  s.incomingPacketRate,
  s.outgoingPacketRate,
  s.incomingByteRate,
  s.outgoingByteRate,
];

t.test('counters of the director, of services and destinations after traffic', async (t) => {
  const { ipvs, ipvsadm, netns, send } = await withTraffic(t);
  const theirs = columns(ipvsadm('-Ln', '--stats', '--exact'));
  const services = await ipvs.listServices();
  t.equal(services.length, 2);
  for (const service of services) {
    const { address, port } = service as typeof dns;
    const [destination] = await ipvs.listDestinations(service);
    t.same(countsOf(service.stats), theirs[`${address}:${port}`], `service of port ${port}`);
    t.same(destination && countsOf(destination.stats), theirs[`10.9.0.2:${port}`], 'destination');
  }

  const total = await ipvs.getStats();
  const sum = [0, 1, 2, 3, 4].map(
    (column) => (theirs['10.9.0.1:53']?.[column] ?? 0) + (theirs['10.9.0.1:123']?.[column] ?? 0),
  );
  t.same(countsOf(total), sum, "the totals are the sums of ipvsadm's services");
  t.equal(total.connections, 8);
  const perCpu = [0, 0, 0, 0, 0];
  for (const cpu of total.perCpu) {
    countsOf({ ...total, ...cpu }).forEach((count, column) => {
      perCpu[column] = (perCpu[column] ?? 0) + count;
    });
  }
  t.same(perCpu, sum, 'and those of the CPUs');
  t.same(
    total.perCpu.map(({ cpu }) => cpu),
    Array.from(readFileSync('/proc/cpuinfo', 'utf8').matchAll(/^processor/gm), (_, n) => n),
  );

  const exact = await ipvs.getStats({ bigint: true });
  t.equal(exact.incomingBytes, BigInt(total.incomingBytes));
  t.ok(
    [...Object.entries(exact), ...exact.perCpu.flatMap((cpu) => Object.entries(cpu))].every(
      ([name, value]) => name === 'perCpu' || name === 'cpu' || typeof value === 'bigint',
    ),
  );
  t.equal((await ipvs.getService(dns, { bigint: true }))?.stats.incomingPackets, 5n);

  // Rates sink all the time, so what both saw between two changes counts.
  let agreed = false;
  for (let attempt = 0; attempt < 10 && !agreed; attempt++) {
    send();
    await until(
      'there is a rate',
      async () => ((await ipvs.getService(dns))?.stats.incomingByteRate ?? 0) > 0,
    );
    const before = await ipvs.getService(dns);
    const read = columns(ipvsadm('-Ln', '--rate', '--exact'))['10.9.0.1:53'];
    const after = await ipvs.getService(dns);
    if (!before || !after || ratesOf(before.stats).join() !== ratesOf(after.stats).join()) continue;
    agreed = true;
    t.same(ratesOf(after.stats), read, 'rates');
  }
  t.ok(agreed, 'rates were compared');
  t.ok((await ipvs.getStats()).incomingByteRate > 0);

  const other = await freshIpvs(t);
  t.equal((await other.ipvs.getStats()).connections, 0, 'another namespace counts for itself');
  t.same(await other.ipvs.listServices(), []);
  t.not(netns, other.netns);
});

t.test('zero sets one service to zero with its destinations, or all and the totals', async (t) => {
  const { ipvs, send } = await withTraffic(t);
  await ipvs.zero(dns);
  t.same(await counts(ipvs), [0, 3], 'the other service keeps its counters');
  const of = async (key: typeof dns | typeof ntp) =>
    (await ipvs.listDestinations(key)).map(({ stats }) => stats.incomingPackets);
  t.same([await of(dns), await of(ntp)], [[0], [3]], 'and so do the destinations');
  t.equal((await ipvs.getStats()).incomingPackets, 8, 'and the totals');
  const idle = await ipvs.getService(dns);
  t.same(idle && countsOf(idle.stats), [0, 0, 0, 0, 0]);

  await ipvs.zero();
  t.same(await counts(ipvs), [0, 0]);
  t.same([await of(dns), await of(ntp)], [[0], [0]]);
  t.same(countsOf(await ipvs.getStats()), [0, 0, 0, 0, 0]);

  send();
  await until('each is counted', async () => (await counts(ipvs)).join() === '5,3');
  t.pass('they count on from zero');
});

t.test('flush removes all services of its own namespace', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const other = await freshIpvs(t);
  await other.ipvs.addService(dns);
  await ipvs.flush();
  await ipvs.addService(dns);
  await ipvs.addDestination(dns, { address: '10.0.0.5' });
  await ipvs.addService({ fwmark: 1, family: 'ipv6' });
  await ipvs.flush();
  t.same(await ipvs.listServices(), []);
  t.equal(ipvsadm('-Sn'), '');
  t.equal((await other.ipvs.listServices()).length, 1);
});

// ---- namespaces

t.test('the threads of the process stay where they are', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.addService(dns);
  await Promise.all([ipvs.getStats(), ipvs.snapshot(), ipvs.probe(), ipvs.listServices()]);
  for await (const entry of ipvs.connections()) t.fail('there is no connection', { entry });
  await untilThreadsAreHome();
  const own = await Ipvs.open();
  t.teardown(() => own.close());
  t.same(await own.listServices(), [], "the process's own table is another one");
});

t.test('a closed handle lets go of its namespace', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(dns);
  await ipvs.listServices();
  await ipvs.getStats();
  for await (const entry of ipvs.connections()) t.fail('there is no connection', { entry });
  t.ok(descriptorsOf(netns).length > 0, 'an open one holds it');
  await ipvs.close();
  t.same(descriptorsOf(netns), []);
});

function descriptorsOf(netns: string): string[] {
  return descriptors().filter((link) => link.includes(netns));
}

// ---- sync daemons

const IPVSADM_LINE =
  /^(master|backup) sync daemon \(mcast=(\S+), syncid=(\d+), maxlen=(\d+), group=(\S+), port=(\d+), ttl=(\d+)\)$/gm;

function daemonsIn(text: string): SyncDaemon[] {
  return Array.from(text.matchAll(IPVSADM_LINE), ([, role, name = '', ...rest]) => ({
    role: role as SyncDaemon['role'],
    interface: name,
    syncId: Number(rest[0]),
    maxLength: Number(rest[1]),
    group: rest[2] ?? '',
    port: Number(rest[3]),
    ttl: Number(rest[4]),
  }));
}

async function withInterface(t: tap.Test) {
  const lab = await freshIpvs(t);
  run(
    lab.netns,
    'ip link add dum0 type dummy; ip link set dum0 up;' +
      'ip address add 10.5.0.1/24 dev dum0; ip address add fd05::1/64 dev dum0 nodad',
  );
  return lab;
}

t.test('sync daemons: every attribute of both roles at once, IPv4 and IPv6', async (t) => {
  const { ipvs, ipvsadm, netns } = await withInterface(t);
  t.same(await ipvs.listSyncDaemons(), []);

  const defaults = { syncId: 0, maxLength: 1472, group: '224.0.0.81', port: 8848, ttl: 1 };
  await ipvs.startSyncDaemon({ role: 'backup', interface: 'dum0' });
  await ipvs.startSyncDaemon({ role: 'master', interface: 'dum0' });
  const started = await ipvs.listSyncDaemons();
  t.same(
    started,
    [
      { role: 'master', interface: 'dum0', ...defaults },
      { role: 'backup', interface: 'dum0', ...defaults },
    ],
    'the defaults',
  );
  t.same(daemonsIn(ipvsadm('-L', '--daemon')), started);
  await ipvs.stopSyncDaemon('master');
  t.same(daemonsIn(ipvsadm('-L', '--daemon')), started.slice(1), 'the other role goes on');
  await ipvs.stopSyncDaemon('backup');
  t.same(await ipvs.listSyncDaemons(), []);
  t.equal(ipvsadm('-L', '--daemon'), '');

  const configs: SyncDaemonConfig[] = [
    {
      role: 'master',
      interface: 'dum0',
      syncId: 255,
      maxLength: 1234,
      group: '239.1.2.3',
      port: 9000,
      ttl: 200,
    },
    {
      role: 'backup',
      interface: 'dum0',
      syncId: 1,
      maxLength: 2345,
      group: 'ff05::1:2',
      port: 258,
      ttl: 255,
    },
  ];
  for (const config of configs) await ipvs.startSyncDaemon(config);
  t.same(await ipvs.listSyncDaemons(), configs);
  t.same(daemonsIn(ipvsadm('-L', '--daemon')), configs);
  t.same((await ipvs.snapshot()).syncDaemons, configs);

  // The kernel's own sockets: where packets really go, whatever the attributes say.
  const sockets = run(netns, 'cat /proc/net/udp; cat /proc/net/udp6');
  t.match(sockets, / 0100050A:\w+ 030201EF:2328 /, 'the master sends to 239.1.2.3 port 9000');
  t.match(
    sockets,
    /: 000005FF000000000000000002000100:0102 /,
    'the backup listens at ff05::1:2 port 258',
  );
  for (const role of ['master', 'backup'] as const) await ipvs.stopSyncDaemon(role);
  t.same(await ipvs.listSyncDaemons(), []);
});

t.test('sync daemons that ipvsadm starts are listed as it does', async (t) => {
  const { ipvs, ipvsadm } = await withInterface(t);
  const options = ['--mcast-interface', 'dum0', '--mcast-group', '239.255.0.1'];
  ipvsadm('--start-daemon', 'master', ...options, '--syncid', '3', '--mcast-port', '4660');
  ipvsadm('--start-daemon', 'backup', ...options, '--mcast-ttl', '9', '--sync-maxlen', '1500');
  const theirs = daemonsIn(ipvsadm('-L', '--daemon'));
  t.equal(theirs.length, 2);
  t.same(await ipvs.listSyncDaemons(), theirs);
  t.match(theirs, [
    { role: 'master', syncId: 3, port: 4660, group: '239.255.0.1' },
    { role: 'backup', syncId: 0, ttl: 9, maxLength: 1500 },
  ]);
  for (const role of ['master', 'backup'] as const) await ipvs.stopSyncDaemon(role);
  t.equal(ipvsadm('-L', '--daemon'), '');
});

// A daemon that is stopped before it ran is stopped without an answer. Whoever waits for one hangs;
// whoever takes its absence for a failure lies.
t.test(
  'a sync daemon that is stopped right after its start is stopped, a hundred times',
  async (t) => {
    const outcomes: string[] = [];
    let unanswered = 0;
    const rounds = async (): Promise<void> => {
      const { ipvs, netns } = await withInterface(t);
      const impatient = await Ipvs.open({ netns, timeout: 600 });
      t.teardown(() => impatient.close());
      for (let round = 0; round < 25; round++) {
        const role = round % 2 === 0 ? 'master' : 'backup';
        await ipvs.startSyncDaemon({ role, interface: 'dum0', syncId: round });
        const began = performance.now();
        try {
          await impatient.stopSyncDaemon(role);
          outcomes.push('stopped');
        } catch (error) {
          outcomes.push(String(error));
        }
        if (performance.now() - began > 590) unanswered++;
        outcomes.push(...(await ipvs.listSyncDaemons()).map((running) => `runs: ${running.role}`));
      }
      await ipvs.startSyncDaemon({ role: 'master', interface: 'dum0', syncId: 200 });
      t.match(await ipvs.listSyncDaemons(), [{ role: 'master', syncId: 200 }], 'it starts again');
    };
    await Promise.all([rounds(), rounds(), rounds(), rounds()]);
    t.same(outcomes, new Array(100).fill('stopped'));
    t.comment(`${unanswered} of 100 took as long as if the kernel had not answered`);
  },
);
