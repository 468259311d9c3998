// Kernel settings as files of /proc/sys, in a network namespace of their own.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { Sysctl } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshNetwork, openSysctl } from '../lab/network.js';

t.test('a setting is read and set in its namespace and in no other', async (t) => {
  const { netns } = await freshNetwork(t);
  const sysctl = await openSysctl(t, netns);
  const file = '/proc/sys/net/ipv4/conf/all/arp_ignore';
  const here = readFileSync(file, 'utf8');
  t.equal(await sysctl.get('net.ipv4.conf.all.arp_ignore'), '0');
  await sysctl.set('net.ipv4.conf.all.arp_ignore', 3);
  t.equal(await sysctl.get('net/ipv4/conf/all/arp_ignore'), '3');
  await sysctl.set('net.ipv4.conf.all.arp_ignore', '2');
  t.equal(await sysctl.get('net.ipv4.conf.all.arp_ignore'), '2');
  await sysctl.set('net.ipv4.ip_forward', true);
  t.equal(await sysctl.get('net.ipv4.ip_forward'), '1');
  await sysctl.set('net.ipv4.ip_forward', false);
  t.equal(await sysctl.get('net.ipv4.ip_forward'), '0');
  await sysctl.set('net.ipv4.ip_local_port_range', '20000 30001');
  t.equal(await sysctl.get('net.ipv4.ip_local_port_range'), '20000\t30001', 'as the kernel has it');
  // Kernels differ in how much of the line they say that they have taken.
  await sysctl.set('net.ipv6.conf.lo.forwarding', 1);
  t.equal(await sysctl.get('net.ipv6.conf.lo.forwarding'), '1');
  t.equal(readFileSync(file, 'utf8'), here);
});

t.test('calls are carried out in their order', async (t) => {
  const { netns } = await freshNetwork(t);
  const sysctl = await openSysctl(t, netns);
  const name = 'net.ipv4.conf.all.arp_announce';
  const read: Promise<string | undefined>[] = [];
  for (let i = 0; i < 50; i++) {
    void sysctl.set(name, i % 3);
    read.push(sysctl.get(name));
  }
  t.strictSame(
    await Promise.all(read),
    Array.from({ length: 50 }, (_, i) => String(i % 3)),
  );
});

t.test('an interface with a dot in its name has its settings', async (t) => {
  const { network, netns, ip } = await freshNetwork(t);
  ip('link add name a.1 type veth peer name b');
  const sysctl = await openSysctl(t, netns);
  await sysctl.set('net/ipv4/conf/a.1/arp_ignore', 1);
  t.equal(await sysctl.get('net.ipv4.conf.a/1.arp_ignore'), '1');
  t.equal(await sysctl.get('net/ipv4/conf/a.1/arp_ignore'), '1');
  t.equal(await sysctl.get('net/ipv4/conf/b/arp_ignore'), '0');
  t.equal(await sysctl.get('net.ipv4.conf.a.1.arp_ignore'), undefined);
  const list = await sysctl.list('net/ipv4/conf/a.1');
  t.match(
    list.find(({ name }) => name.endsWith('arp_ignore')),
    { name: 'net/ipv4/conf/a.1/arp_ignore', value: '1' },
  );
  for (const { name, value } of list) t.equal(await sysctl.get(name), value, name);
  await network.removeLink('a.1');
  t.strictSame(await sysctl.list('net/ipv4/conf/a.1'), []);
});

t.test('a list has all that can be read', async (t) => {
  const { netns } = await freshNetwork(t);
  const sysctl = await openSysctl(t, netns);
  const told = execFileSync(
    'ip',
    ['netns', 'exec', netns, 'sysctl', '-a', '-r', '^net\\.ipv4\\.'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const theirs = told
    .trim()
    .split('\n')
    .map((line) => line.replace(/ =.*$/, ''));
  const ours = (await sysctl.list('net.ipv4')).map(({ name }) => name);
  t.ok(ours.length > 100);
  t.strictSame(
    theirs.filter((name) => !ours.includes(name)),
    [],
    'nothing is missing',
  );
  t.strictSame(await sysctl.list('net.ipv4.ip_forward'), [
    { name: 'net.ipv4.ip_forward', value: '0' },
  ]);
  t.strictSame(await sysctl.list('no.such.thing'), []);
});

t.test('what is not there, and what the kernel does not take', async (t) => {
  const { netns } = await freshNetwork(t);
  const sysctl = await openSysctl(t, netns);
  t.equal(await sysctl.get('net.ipv4.no_such_thing'), undefined);
  t.equal(await sysctl.isWritable('net.ipv4.no_such_thing'), false);
  t.equal(await sysctl.isWritable('net.ipv4'), false);
  t.equal(await sysctl.isWritable('net.ipv4.ip_forward'), true);
  t.match(await failureOf(sysctl.set('net.ipv4.no_such_thing', 1)), {
    name: 'NetworkError',
    code: 'ENOENT',
    errno: -2,
    syscall: 'open',
    command: 'set sysctl',
    subject: 'net.ipv4.no_such_thing',
  });
  t.match(await failureOf(sysctl.set('net.ipv4.conf.all.arp_ignore', 'nine')), {
    code: 'EINVAL',
    syscall: 'write',
  });
  t.match(await failureOf(sysctl.get('net.ipv4')), { code: 'EISDIR', message: /folder/ });
  t.match(await failureOf(sysctl.set('net.ipv4', 1)), { code: 'EISDIR' });
  t.match(await failureOf(Sysctl.open({ netns: 'no-such-namespace' })), {
    name: 'NetworkError',
    code: 'ENOENT',
    message: /^open: there is no network namespace/,
  });
});
