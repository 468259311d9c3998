// Counters under real traffic: clients and real servers in one namespace, over VS/NAT. They catch a
// counter that is read from the wrong place, in 32 bits, or that stays behind the kernel's.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { Stats } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';

const dns = { protocol: 'udp', address: '10.0.0.1', port: 53 } as const;
const dns6 = { protocol: 'udp', address: '2001:db8::1', port: 53 } as const;
const http = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

async function startTraffic(t: Test, netns: string): Promise<void> {
  const addresses = ['10.0.0.1/32', '10.0.0.2/32', '2001:db8::1/128', '2001:db8::2/128'];
  execFileSync('ip', ['-n', netns, '-batch', '-'], {
    input: addresses.map((address) => `address add ${address} dev lo\n`).join(''),
  });
  const program = join(__dirname, '..', 'fixtures', 'traffic.js');
  const command = ['netns', 'exec', netns, process.execPath, program];
  const traffic = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(traffic, 'exit');
  t.teardown(async () => {
    traffic.stdin.end();
    await ended;
  });
  await Promise.race([
    once(traffic.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the traffic ended early'))),
  ]);
}

type Counters = Pick<
  Stats,
  'connections' | 'incomingPackets' | 'outgoingPackets' | 'incomingBytes' | 'outgoingBytes'
>;

const expected: Counters = {
  connections: 40,
  incomingPackets: 200,
  outgoingPackets: 400,
  incomingBytes: 200 * (20 + 8 + 1000),
  outgoingBytes: 400 * (20 + 8 + 300),
};
const expected6: Counters = {
  ...expected,
  incomingBytes: 200 * (40 + 8 + 1000),
  outgoingBytes: 400 * (40 + 8 + 300),
};

/** The numbers that ipvsadm prints for a service and its destination. */
function printed(text: string, service: string): number[][] {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.includes(` ${service} `));
  return lines
    .slice(first, first + 2)
    .map((line) => line.trim().split(/\s+/).slice(-5).map(Number));
}

function counted({ stats: s }: { stats: Stats }): number[] {
  return [s.connections, s.incomingPackets, s.outgoingPackets, s.incomingBytes, s.outgoingBytes];
}

function rated({ stats: s }: { stats: Stats }): number[] {
  return [
    s.connectionRate,
    s.incomingPacketRate,
    s.outgoingPacketRate,
    s.incomingByteRate,
    s.outgoingByteRate,
  ];
}

t.test('counters, rates and connections are those of the traffic', async (t) => {
  const { ipvs, netns, ipvsadm } = await freshIpvs(t);
  await ipvs.addService({ ...dns, scheduler: 'rr' });
  await ipvs.addService({ ...dns6, scheduler: 'rr' });
  await ipvs.addService({ ...http, persistence: {} });
  await ipvs.addDestination(dns, { address: '10.0.0.2', port: 5353, forwarding: 'nat' });
  await ipvs.addDestination(dns6, { address: '2001:db8::2', port: 5353, forwarding: 'nat' });
  await ipvs.addDestination(http, { address: '10.0.0.2', port: 8080, forwarding: 'nat' });
  const read = async () => {
    const services = await ipvs.listServices();
    const lists = await Promise.all(services.map((each) => ipvs.listDestinations(each)));
    return [...services, ...lists.flat()];
  };
  await startTraffic(t, netns);

  // The kernel's estimator brings the counters up to date every 2 seconds. Sorted: http, dns, dns6.
  let all = await read();
  for (let tries = 0; tries < 300 && all[2]?.stats.outgoingPackets !== 400; tries++) {
    await sleep(100);
    all = await read();
  }
  const [httpService, dnsService, dns6Service, httpServer, dnsServer, dns6Server] = all;
  t.match(dnsService?.stats, expected);
  t.match(dnsServer?.stats, expected);
  t.match(dns6Service?.stats, expected6);
  t.match(dns6Server?.stats, expected6);
  t.match(httpService?.stats, { connections: 3 });
  t.match(httpServer, {
    activeConnections: 3,
    inactiveConnections: 0,
    persistentConnections: 1,
    stats: { connections: 3 },
  });
  t.match(dnsServer, {
    activeConnections: 0,
    inactiveConnections: 40,
    persistentConnections: 0,
  });

  const stats = ipvsadm('-Ln', '--stats', '--exact');
  t.strictSame(printed(stats, '10.0.0.1:53'), [dnsService, dnsServer].map(countedOrNone));
  t.strictSame(printed(stats, '[2001:db8::1]:53'), [dns6Service, dns6Server].map(countedOrNone));
  t.strictSame(printed(stats, '10.0.0.1:80'), [httpService, httpServer].map(countedOrNone));

  // Rates fall from one moment to the next: they are the same where they are before and after.
  for (let tries = 0; ; tries++) {
    const before = (await read()).map(rated);
    const rates = ipvsadm('-Ln', '--rate', '--exact');
    const after = (await read()).map(rated);
    if (tries < 20 && JSON.stringify(before) !== JSON.stringify(after)) continue;
    t.strictSame(printed(rates, '10.0.0.1:53'), [after[1], after[4]]);
    t.strictSame(printed(rates, '[2001:db8::1]:53'), [after[2], after[5]]);
    t.equal(new Set(after[1]).size, 5, 'five different rates');
    break;
  }

  // 64 bits, as they are and as numbers.
  const [big] = await ipvs.listDestinations(dns, { bigint: true });
  t.strictSame(
    Object.entries(big?.stats ?? {}).slice(0, 5),
    Object.entries(expected).map(([name, value]) => [name, BigInt(value)]),
  );
  t.match((await ipvs.getService(dns6, { bigint: true }))?.stats, { incomingBytes: 209600n });

  // An update keeps connections and counters.
  await ipvs.updateDestination(http, { address: '10.0.0.2', port: 8080 }, { weight: 0 });
  await ipvs.updateService(dns, { scheduler: 'lc' });
  await ipvs.replaceDestination(dns, { address: '10.0.0.2', port: 5353, forwarding: 'nat' });
  t.match(await ipvs.listDestinations(http), [
    { weight: 0, activeConnections: 3, persistentConnections: 1, stats: { connections: 3 } },
  ]);
  t.match(await ipvs.getService(dns), { scheduler: 'lc', stats: expected });
  t.match(await ipvs.listDestinations(dns), [{ inactiveConnections: 40, stats: expected }]);
});

function countedOrNone(each: { stats: Stats } | undefined): number[] {
  return each === undefined ? [] : counted(each);
}
