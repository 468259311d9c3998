// What probe() says about a kernel, against what is really there; and that it leaves nothing behind.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { Ipvs } from 'ipvs';
import type { Capabilities } from 'ipvs';
import { IPV6 } from '#lib/address';
import { Command } from '#lib/records';
import { failureOf } from '../lab/failure.js';
import { freshIpvs } from '../lab/namespace.js';
import { descriptors } from '../lab/own-process.js';
import { sendRaw } from '../lab/records.js';

t.setTimeout(120_000);

const root = join(__dirname, '..', '..');

/** The names behind `prefix` of the modules that belong to the running kernel. */
function installed(prefix: string): string[] {
  // Where modprobe looks: its options say so where the modules are not at their usual place.
  const [, base = ''] = /-d "?([^" ]+)/.exec(process.env.MODPROBE_OPTIONS ?? '') ?? [];
  const folder = `${base}/lib/modules/${release()}/kernel/net/netfilter/ipvs`;
  return readdirSync(folder)
    .map((file) => file.replace(/\.ko.*$/, ''))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .sort();
}

// Modules that are neither schedulers nor engines.
const OTHERS = ['ftp', 'pe_sip'];

t.test('tells of a kernel what is really there', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const found = await ipvs.probe();
  t.match(found, {
    usable: true,
    info: await ipvs.getInfo(),
    ipv6: true,
    tunnels: true,
    stats64: true,
    sysctlsWritable: true,
  });
  t.notOk('problem' in found);
  const schedulers = installed('ip_vs_').filter((name) => !OTHERS.includes(name));
  t.ok(schedulers.length >= 12, schedulers.join(' '));
  // A scheduler that is built in, or one that the list does not know, shows as a difference.
  t.same(found.schedulers, schedulers);
  t.same(found.engines, installed('ip_vs_pe_'));
  const list = execFileSync('ip', ['netns', 'exec', netns, 'ls', '/proc/sys/net/ipv4/vs']);
  t.same(found.sysctls, list.toString().trim().split('\n').sort());
  t.ok(found.sysctls.length > 20);
});

t.test('leaves no service and no namespace behind', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  await ipvs.addService({ ...service, scheduler: 'rr' });
  await ipvs.addDestination(service, { address: '10.0.0.5' });
  const before = await ipvs.snapshot();
  await Promise.all([ipvs.probe(), ipvs.probe(), ipvs.probe()]);
  t.same(await ipvs.snapshot(), before);

  const spaces = (): number => {
    const text = execFileSync('lsns', ['--type', 'net', '--noheadings', '--output', 'NS']);
    return text.toString().trim().split('\n').length;
  };
  const [open, namespaces] = [descriptors().length, spaces()];
  for (let round = 0; round < 10; round++) await ipvs.probe();
  await setTimeout(50);
  t.equal(descriptors().length, open, 'no descriptor');
  t.equal(spaces(), namespaces, 'no namespace');
  // A namespace that nobody shows is still there as long as something holds it: its services keep
  // the module of their scheduler in use.
  const uses = () =>
    Number(/^ip_vs_rr \d+ (\d+)/m.exec(readFileSync('/proc/modules', 'utf8'))?.[1]);
  t.equal(uses(), 1, "only the test's own service uses its scheduler");
});

// ---- where it can't be used

// Travels as source: it may use nothing from outside.
async function tell(uid: number | undefined): Promise<void> {
  const { loadAddon } = await import('#lib/load');
  const { Ipvs: Handle } = await import('ipvs');
  loadAddon(); // its files may be root's
  if (uid !== undefined) {
    process.setgroups?.([]);
    process.setgid?.(uid);
    process.setuid?.(uid);
  }
  const ipvs = await Handle.open();
  console.log(JSON.stringify(await ipvs.probe()));
  await ipvs.close();
}

function probeFrom(command: readonly string[], uid?: number): Capabilities {
  const args = [...command, process.execPath, '-e', `(${String(tell)})(${uid})`];
  return JSON.parse(execFileSync('env', args, { cwd: root, encoding: 'utf8' })) as Capabilities;
}

t.test('says that the capability is missing', (t) => {
  const found = probeFrom([], 65534);
  t.match(found, {
    usable: false,
    problem: {
      code: 'EPERM',
      message: 'this process lacks the capability CAP_NET_ADMIN',
      hint: /setcap cap_net_admin/,
    },
    schedulers: [],
    engines: [],
    sysctlsWritable: false,
  });
  t.ok(found.sysctls.length > 20, 'their names may be read');
  for (const name of ['info', 'ipv6', 'tunnels', 'stats64']) t.notOk(name in found, name);
  t.end();
});

t.test('says that a user namespace is in the way', (t) => {
  for (const option of ['-Un', '-Urn']) {
    const found = probeFrom(['unshare', option]);
    t.match(found, {
      usable: false,
      problem: {
        code: 'EPERM',
        message: 'this process is in a user namespace of its own, and IPVS takes the initial one',
        hint: /privileged container/,
      },
    });
  }
  t.end();
});

t.test('says that sysctls are read-only where they are mounted so', (t) => {
  const script =
    'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"';
  const found = probeFrom(['unshare', '--mount', 'sh', '-c', script, 'sh']);
  t.match(found, { usable: true, sysctlsWritable: false, ipv6: true, tunnels: true });
  t.ok(found.sysctls.length > 20);
  t.end();
});

t.test('works on a handle of the process itself, and ends', async (t) => {
  const own = await Ipvs.open();
  const found = await own.probe();
  t.equal(found.usable, true);
  await own.close();
  await t.rejects(own.probe(), { code: 'ERR_IPVS_CLOSED' });
  t.notOk((await (await freshIpvs(t)).ipvs.listServices()).length);
});

// Catches a question that is put about a service which somebody has: its answer is that it is there.
t.test('schedulers are known, whichever services are there', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService({ fwmark: 4294967295, family: 'ipv6' });
  const any = { family: IPV6, bytes: new Array<number>(16).fill(0), text: '::' };
  await sendRaw(netns, {
    command: Command.newService,
    service: { family: IPV6, protocol: 65535, address: any, port: 0, fwmark: 0 },
    serviceNumbers: { scheduler: 'rr', flags: 0, timeout: 0, netmask: 128, engine: '' },
  });
  const { schedulers, engines } = await ipvs.probe();
  t.ok(schedulers.includes('wlc') && !schedulers.includes('nosuch'), schedulers.join(' '));
  t.strictSame(engines, ['sip']);
  const rules = '-A -f 1\n-A -f 2 -s nosuch\n';
  t.match(await failureOf(ipvs.restore(rules)), { code: 'ERR_IPVS_RULES', line: 2 });
  const service = { fwmark: 3, scheduler: 'nosuch', persistence: { engine: 'sip' } };
  t.match(await failureOf(ipvs.addService(service)), { code: 'ERR_IPVS_SCHEDULER' });
  t.equal((await ipvs.listServices()).length, 2);
});
