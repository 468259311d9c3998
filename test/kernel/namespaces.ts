// Where a handle works: in the network namespace that it was opened for, whatever thread carries its
// calls out. They catch a socket that is made in the wrong namespace, and a thread that stays in one.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import type { Test } from 'tap';
import { Ipvs } from 'ipvs';
import { fieldsOf, refusalOf } from '../lab/failure.js';
import { freshNamespace, ipvsadm, openIpvs } from '../lab/namespace.js';
import { untilThreadsAreHome } from '../lab/own-process.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

/** A process that lives in another network namespace, a nameless one if it has no name. */
async function inhabitant(
  t: Test,
  netns?: string,
): Promise<{ pid: number; end: () => Promise<void> }> {
  // It says so when it is there: until then it is still in the namespace of its parent.
  const live = ['sh', '-c', 'echo here; exec sleep 1000'];
  const child =
    netns === undefined
      ? spawn('unshare', ['--net', ...live], { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('ip', ['netns', 'exec', netns, ...live], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const end = async () => {
    child.kill();
    await ended;
  };
  t.teardown(end);
  await once(child.stdout, 'data');
  if (child.pid === undefined) throw new Error('the inhabitant has no pid');
  return { pid: child.pid, end };
}

async function worksIn(t: Test, ipvs: Ipvs, netns: string): Promise<void> {
  await ipvs.addService({ ...service, scheduler: 'rr' });
  t.equal(ipvsadm(netns, ['-Sn']), '-A -t 10.0.0.1:80 -s rr\n');
  t.match(await ipvs.listServices(), [service]);
  await ipvs.removeService(service);
}

t.test('a namespace is named, or given by path or by a process that lives in it', async (t) => {
  const netns = freshNamespace(t);
  const elsewhere = await openIpvs(t, { netns: freshNamespace(t) });
  const own = await openIpvs(t, {});
  const { pid } = await inhabitant(t, netns);
  for (const each of [netns, `/run/netns/${netns}`, `/var/run/../../run/netns/${netns}`, { pid }]) {
    await worksIn(t, await openIpvs(t, { netns: each }), netns);
    t.strictSame(await elsewhere.listServices(), [], 'nothing elsewhere');
    t.strictSame(await own.listServices(), [], 'nothing at home');
  }
  await untilThreadsAreHome();
});

t.test('tables of two namespaces are two tables', async (t) => {
  const handles = await Promise.all(
    [freshNamespace(t), freshNamespace(t)].map((netns) => openIpvs(t, { netns })),
  );
  // At the same time, from the same pool of threads.
  await Promise.all(
    handles.map((ipvs, index) =>
      Promise.all(
        Array.from({ length: 50 }, (_, number) =>
          ipvs.addService({ ...service, port: 1000 * (index + 1) + number }),
        ),
      ),
    ),
  );
  for (const [index, ipvs] of handles.entries()) {
    const ports = (await ipvs.listServices()).map((each) => ('port' in each ? each.port : 0));
    t.strictSame(
      ports,
      Array.from({ length: 50 }, (_, number) => 1000 * (index + 1) + number),
    );
  }
});

// A socket that is made anew, or a second one, would be of another namespace then.
t.test('a handle keeps its namespace when nobody else has it any more', async (t) => {
  const { pid, end } = await inhabitant(t);
  const ipvs = await openIpvs(t, { netns: { pid } });
  await end();
  await ipvs.addService(service);
  t.match(await ipvs.listServices(), [service], 'the first read opens its socket only now');
});

t.test('a namespace that is not there is ENOENT', async (t) => {
  const hint = 'ip netns list shows their names';
  for (const [netns, path] of [
    ['no-such-namespace', '/run/netns/no-such-namespace'],
    ['/no/such/path', '/no/such/path'],
    [{ pid: 2147483647 }, '/proc/2147483647/ns/net'],
  ] as const) {
    const error = await refusalOf(Ipvs.open({ netns }));
    t.strictSame(fieldsOf(error), {
      command: 'open',
      code: 'ENOENT',
      errno: -2,
      syscall: 'open',
      hint,
      message: `open: there is no network namespace ${path} (ENOENT)`,
    });
  }
  await untilThreadsAreHome();
});

t.test('a file that is no network namespace is EINVAL', async (t) => {
  for (const netns of ['/proc/self/status', '/proc/self/ns/mnt', '/etc/hosts']) {
    const error = await refusalOf(Ipvs.open({ netns }));
    t.match(error, { command: 'open', code: 'EINVAL', errno: -22, syscall: 'setns' });
    t.equal(error.message, `open: ${netns} is not a network namespace (EINVAL)`);
  }
});
