// Who has no CAP_NET_ADMIN. They catch a read that takes "not permitted" for "not there", and an
// error that does not say which right is missing where.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { freshNamespace } from '../lab/namespace.js';

const program = join(__dirname, '..', 'fixtures', 'unprivileged.js');
type Outcomes = Record<string, Record<string, unknown>>;

t.test('an ordinary user is told EPERM by every operation, reads included', (t) => {
  const netns = freshNamespace(t);
  const output = execFileSync(process.execPath, [program, netns], { encoding: 'utf8' });
  const { openNamespace, batch, ...outcomes } = JSON.parse(output) as Outcomes;
  const service = 'tcp 10.0.0.1:80';
  const destination = '10.0.0.5:80';
  const commands: Record<string, string> = {
    add: `add service ${service}`,
    get: `get service ${service}`,
    list: 'list services',
    listDestinations: `list destinations ${service}`,
    getDestination: `get destination ${destination} of ${service}`,
    update: `update service ${service}`,
    ensure: `ensure service ${service}`,
    remove: `remove service ${service}`,
    addDestination: `add destination ${destination} to ${service}`,
    updateDestination: `update destination ${destination} of ${service}`,
    removeDestination: `remove destination ${destination} from ${service}`,
    snapshot: 'take snapshot',
    flush: 'flush',
    zero: 'zero counters',
    zeroOne: `zero counters ${service}`,
    getInfo: 'get information',
    getTimeouts: 'get timeouts',
    setTimeouts: 'set timeouts',
    startSyncDaemon: 'start master sync daemon',
    stopSyncDaemon: 'stop backup sync daemon',
    listSyncDaemons: 'list sync daemons',
    addWithOldHandle: `add service ${service}`,
    listWithOldHandle: 'list services',
    addFunction: `add service ${service}`,
    listFunction: 'list services',
  };
  t.strictSame(Object.keys(outcomes), Object.keys(commands));
  for (const [name, outcome] of Object.entries(outcomes)) {
    t.match(outcome, { name: 'IpvsError', code: 'EPERM', errno: -1 }, name);
    t.equal(
      outcome.message,
      `${commands[name]}: this process lacks the capability CAP_NET_ADMIN (EPERM)`,
    );
    t.match(
      outcome.hint,
      /run it as root, or give it the capability: setcap .* container, .* unit/,
    );
    t.equal(outcome.syscall, undefined, 'the kernel answered');
  }
  const [add, update, removeDestination, ensureDestination] = [
    outcomes.add,
    outcomes.update,
    outcomes.removeDestination,
    {
      ...outcomes.updateDestination,
      command: 'ensure destination',
      message: /^ensure dest.*CAP_NET_ADMIN/,
    },
  ];
  t.match(batch?.value, [add, update, removeDestination, ensureDestination], 'each of a batch');
  t.strictSame(openNamespace, {
    name: 'IpvsError',
    command: 'open',
    code: 'EPERM',
    errno: -1,
    syscall: 'setns',
    message: `open: the network namespace /run/netns/${netns} may not be entered (EPERM)`,
    hint: 'it takes CAP_SYS_ADMIN, here and in the user namespace that owns it',
  });
  t.end();
});

// Rootless containers: root, with every capability, but in a user namespace of its own.
t.test('root in a user namespace is told that', (t) => {
  const code = `require('ipvs').listServices().then(console.log, (error) => {
    const { code, message, hint } = error;
    console.log(JSON.stringify({ code, message, hint, uid: process.getuid() }));
  });`;
  const command = ['--user', '--map-root-user', '--net', process.execPath, '-e', code];
  const output = execFileSync('unshare', command, { encoding: 'utf8', cwd: __dirname });
  t.match(JSON.parse(output), {
    code: 'EPERM',
    uid: 0,
    message:
      'list services: this process is in a user namespace of its own, ' +
      'and IPVS takes the initial one (EPERM)',
    hint: /rootless containers/,
  });
  t.end();
});
