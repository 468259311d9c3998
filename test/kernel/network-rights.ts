// Who may not change the network, and where settings are read-only.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { freshNetwork } from '../lab/network.js';

const program = join(__dirname, '..', 'fixtures', 'network-rights.js');
type Outcomes = Record<string, Record<string, unknown>>;

function run(netns: string, script: string): Outcomes {
  const command = ['netns', 'exec', netns, 'sh', '-ec', script, process.execPath, program];
  return JSON.parse(execFileSync('ip', command, { encoding: 'utf8' })) as Outcomes;
}

t.test('an ordinary user reads, and is told EPERM for the rest', async (t) => {
  const { netns, ip } = await freshNetwork(t);
  ip('link add name eth9 type veth peer name other', 'link set eth9 up');
  const outcomes = run(netns, 'exec "$0" "$1" ordinary');
  t.strictSame(outcomes.links, { value: true });
  for (const name of ['addLink', 'addAddress', 'removeRule']) {
    t.match(outcomes[name], {
      name: 'NetworkError',
      code: 'EPERM',
      errno: -1,
      message: /this process lacks the capability CAP_NET_ADMIN \(EPERM\)$/,
      hint: /setcap/,
    });
  }
  t.strictSame(outcomes.canMark, { value: false });
  t.match(outcomes.announce, { code: 'EPERM', syscall: 'socket', message: /CAP_NET_RAW/ });
  t.strictSame(outcomes.get, { value: '0' });
  t.strictSame(outcomes.isWritable, { value: false });
  t.match(outcomes.set, { code: 'EACCES', syscall: 'open', command: 'set sysctl' });
  t.strictSame(outcomes.list, { value: true });
});

t.test('a read-only /proc/sys is told, with what to do about it', async (t) => {
  const { netns } = await freshNetwork(t);
  const outcomes = run(
    netns,
    'mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys; exec "$0" "$1" root',
  );
  t.strictSame(outcomes.addLink, {}, 'everything else works');
  t.strictSame(outcomes.get, { value: '0' });
  t.strictSame(outcomes.isWritable, { value: false });
  t.match(outcomes.set, {
    name: 'NetworkError',
    code: 'EROFS',
    errno: -30,
    syscall: 'open',
    subject: 'net.ipv4.ip_forward',
    message: /\/proc\/sys is read-only here/,
    hint: /--sysctl .* --privileged/,
  });
});
