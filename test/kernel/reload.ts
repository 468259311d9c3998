// The module goes away and comes back under an open handle: the family has another number then, and
// whoever opened the handle need not know.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { Ipvs } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';
import { until } from '../lab/until.js';

t.setTimeout(120_000);

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const LOADER = '/proc/sys/kernel/modprobe';

const isLoaded = (): boolean => /^ip_vs /m.test(readFileSync('/proc/modules', 'utf8'));

/** All of its modules; namespaces of earlier tests may need a moment to let go of them. */
async function unload(): Promise<void> {
  await until('its modules are unloaded', () => {
    if (!isLoaded()) return true;
    const modules = readFileSync('/proc/modules', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
      .filter((name) => name.startsWith('ip_vs'));
    const { status } = spawnSync('modprobe', ['-r', ...modules], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return status === 0;
  });
}

const all = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
};

const USES: Readonly<Record<string, (ipvs: Ipvs) => Promise<unknown>>> = {
  'a change': (ipvs) => ipvs.addService({ ...web, scheduler: 'rr' }),
  'a batch of changes': (ipvs) =>
    Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        ipvs.addService({ ...web, port: 1 + i, scheduler: 'rr' }),
      ),
    ),
  'a read': (ipvs) => ipvs.getService(web),
  'a list': (ipvs) => ipvs.listServices(),
  'a snapshot': (ipvs) => ipvs.snapshot(),
  'an ensure method': (ipvs) => ipvs.ensureService({ ...web, scheduler: 'rr' }),
  'the connections': (ipvs) => all(ipvs.connections()),
  'the counters': (ipvs) => ipvs.getStats(),
  'the timeouts': (ipvs) => ipvs.getTimeouts(),
  'the sync daemons': (ipvs) => ipvs.listSyncDaemons(),
};

// Not on a machine of somebody's own.
const inGuest = readFileSync('/proc/cpuinfo', 'utf8').includes('User Mode Linux');
const options = inGuest ? {} : { skip: 'unloads modules, so only in a kernel of the lab' };

t.test('an open handle goes on after the module was loaded anew, with', options, async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  for (const [name, use] of Object.entries(USES)) {
    await t.test(name, async (t) => {
      await ipvs.addService({ ...web, port: 9999, scheduler: 'rr' });
      await ipvs.listServices();
      await ipvs.flush();
      await unload();
      await use(ipvs);
      t.ok(isLoaded());
      const expected =
        name === 'a batch of changes'
          ? 200
          : name.endsWith('change') || name === 'an ensure method'
            ? 1
            : 0;
      t.equal((await ipvs.listServices()).length, expected);
      t.equal(ipvsadm('-Sn').split('\n').length - 1, expected);
      await ipvs.flush();
    });
  }
});

t.test(
  'while the module cannot be loaded, every call says so; afterwards all work',
  options,
  async (t) => {
    const { ipvs } = await freshIpvs(t);
    await ipvs.addService({ ...web, scheduler: 'rr' });
    await ipvs.listServices();
    await ipvs.flush();
    await unload();
    const loader = readFileSync(LOADER, 'utf8');
    t.teardown(() => {
      writeFileSync(LOADER, loader);
    });
    writeFileSync(LOADER, '/bin/false');
    for (const [name, use] of Object.entries(USES)) {
      await t.rejects(
        use(ipvs),
        { code: 'ERR_IPVS_UNAVAILABLE', message: /ip_vs can't be loaded/, hint: /modprobe ip_vs/ },
        name,
      );
    }
    const { usable, problem } = await ipvs.probe();
    t.equal(usable, false);
    t.equal(problem?.code, 'ERR_IPVS_UNAVAILABLE');

    writeFileSync(LOADER, loader);
    for (const [name, use] of Object.entries(USES)) {
      await use(ipvs);
      await ipvs.flush();
      t.pass(name);
    }
  },
);
