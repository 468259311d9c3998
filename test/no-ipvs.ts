// Kernels that have no IPVS and cannot load it: the other side of test/kernel. Catches "not there" or
// an empty table where nothing can be there at all, and a hint that helps nobody.

import { join } from 'node:path';
import t from 'tap';
import { Ipvs, listServices } from 'ipvs';
import { Cluster, Network } from 'ipvs/cluster';
import { reference } from './fixtures/clusters.js';
import { refusalOf } from './lab/failure.js';
import { freshFolder } from './lab/folder.js';

const INSIDE = 'inside';

function outside(): void {
  t.setTimeout(400_000);
  // What tap tells its own children (by NODE_OPTIONS, which it sets again where it is empty) would slow
  // down those in the guest, and make those without rights fail.
  for (const kernel of ['6.1', '6.12', '7.2']) {
    void t.spawn(
      'env',
      [
        '-u',
        'NODE_OPTIONS',
        'scripts/kernel-lab',
        '--kernel',
        kernel,
        '--no-ipvs',
        '--',
        'node',
        'dist-test/no-ipvs.js',
        INSIDE,
      ],
      { cwd: join(__dirname, '..'), timeout: 600_000, name: `Linux ${kernel} without IPVS` },
    );
  }
}

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const real = { address: '10.0.0.5' } as const;
const of = 'tcp 10.0.0.1:80';

function inside(): void {
  t.test('every operation is told that there is no IPVS, and what to do', async (t) => {
    // Opening succeeds: a program may start before the module is loaded.
    const ipvs = await Ipvs.open();
    t.teardown(() => ipvs.close());
    const calls: [message: string, () => Promise<unknown>][] = [
      ['list services', () => ipvs.listServices()],
      ['list services', () => listServices()],
      ['list services', () => ipvs.services()[Symbol.asyncIterator]().next()],
      [`get service ${of}`, () => ipvs.getService(service)],
      [`add service ${of}`, () => ipvs.addService(service)],
      [`update service ${of}`, () => ipvs.updateService(service, { scheduler: 'rr' })],
      [`replace service ${of}`, () => ipvs.replaceService(service)],
      [`ensure service ${of}`, () => ipvs.ensureService(service)],
      [`remove service ${of}`, () => ipvs.removeService(service)],
      [`list destinations ${of}`, () => ipvs.listDestinations(service)],
      [`get destination 10.0.0.5:80 of ${of}`, () => ipvs.getDestination(service, real)],
      [`add destination 10.0.0.5:80 to ${of}`, () => ipvs.addDestination(service, real)],
      [
        `update destination 10.0.0.5:80 of ${of}`,
        () => ipvs.updateDestination(service, real, { weight: 0 }),
      ],
      [`replace destination 10.0.0.5:80 of ${of}`, () => ipvs.replaceDestination(service, real)],
      [`ensure destination 10.0.0.5:80 of ${of}`, () => ipvs.ensureDestination(service, real)],
      [`remove destination 10.0.0.5:80 from ${of}`, () => ipvs.removeDestination(service, real)],
      ['take snapshot', () => ipvs.snapshot()],
      ['flush', () => ipvs.flush()],
      ['zero counters', () => ipvs.zero()],
      ['get information', () => ipvs.getInfo()],
      ['get timeouts', () => ipvs.getTimeouts()],
      ['set timeouts', () => ipvs.setTimeouts({ tcp: 1 })],
      ['get statistics', () => ipvs.getStats()],
      ['list connections', () => ipvs.connections()[Symbol.asyncIterator]().next()],
      ['start master sync daemon', () => ipvs.startSyncDaemon({ role: 'master', interface: 'lo' })],
      ['stop master sync daemon', () => ipvs.stopSyncDaemon('master')],
      ['list sync daemons', () => ipvs.listSyncDaemons()],
    ];
    for (const [message, call] of calls) {
      const error = await refusalOf(call());
      t.equal(
        error.message,
        `${message}: this kernel has no IPVS: the module ip_vs can't be loaded ` +
          '(ERR_IPVS_UNAVAILABLE)',
      );
      t.match(error, { code: 'ERR_IPVS_UNAVAILABLE', hint: /"modprobe ip_vs" on the host/ });
      t.equal(error.syscall, undefined);
    }
  });

  t.test('probe() tells the same instead of rejecting', async (t) => {
    const ipvs = await Ipvs.open();
    t.teardown(() => ipvs.close());
    t.match(await ipvs.probe(), {
      usable: false,
      problem: {
        code: 'ERR_IPVS_UNAVAILABLE',
        message: "this kernel has no IPVS: the module ip_vs can't be loaded",
        hint: /"modprobe ip_vs" on the host/,
      },
      info: undefined,
      schedulers: [],
      engines: [],
      sysctls: [],
    });
  });

  // One datagram full of requests: each has to be told.
  t.test('many at once are told each', async (t) => {
    const ipvs = await Ipvs.open();
    t.teardown(() => ipvs.close());
    const settled = await Promise.allSettled(
      Array.from({ length: 300 }, (_, port) => ipvs.removeService({ ...service, port })),
    );
    t.strictSame(
      new Set(settled.map((each) => each.status === 'rejected' && codeOf(each.reason))),
      new Set(['ERR_IPVS_UNAVAILABLE']),
    );
  });

  t.test(
    'a director is told before anything is changed; a real server needs no IPVS',
    async (t) => {
      await using network = await Network.open();
      await network.addLink({ name: 'eth0', kind: 'dummy', up: true });
      t.teardown(async () => {
        await using last = await Network.open();
        await last.removeLink('eth0');
      });
      const cluster = Cluster.from(reference('dr'));
      const journal = freshFolder(t);
      await using director = cluster.node('lb1', { journal });
      const codes = (await director.check()).map(({ code }) => code);
      t.ok(codes.includes('ipvs-unavailable'));
      const before = await network.addresses();
      await t.rejects(director.apply(), { code: 'ERR_IPVS_UNAVAILABLE' });
      t.same(await network.addresses(), before);
      await using server = cluster.node('rs1', { journal });
      await server.apply();
      const left = (await server.check()).map(({ code }) => code);
      t.same([...new Set(left)], ['no-listener']);
      await server.revert();
    },
  );

  t.test('what makes no sense is refused here too', async (t) => {
    const ipvs = await Ipvs.open();
    t.teardown(() => ipvs.close());
    await t.rejects(ipvs.addService({ ...service, port: 0 }), { code: 'ERR_INVALID_ARG_VALUE' });
  });
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

if (process.argv[2] === INSIDE) inside();
else outside();
