// Which failure becomes which error. The kernel has few errnos for many reasons: a wrong reading
// here sends people to look for a module when a service is missing.

import t from 'tap';
import type { IpvsError, ServiceKey } from 'ipvs';
import { explainOpen } from '#lib/explain';
import { Fault, NativeFailure } from '#lib/native';
import type { Outcome } from '#lib/native';
import type { DaemonRecord } from '#lib/records';
import { refusalOf } from '../lab/failure.js';
import { fakeIpvs, refused } from '../fixtures/fake-addon.js';
import { UNPRIVILEGED, WITHOUT_MODULE, fakeFiles } from '../fixtures/fake-files.js';
import type { Row } from '../fixtures/packed.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const real = { address: '10.0.0.5' } as const;
const EINVAL = 22;
const ENOENT = 2;

/** What the calls of a handle reject with when every request is answered in this way. */
function answering(answer: (row: Row) => Outcome) {
  const { ipvs, commands, dumps } = fakeIpvs(1234);
  commands.onExchange = ({ rows, finish }) => setImmediate(() => finish(rows.map(answer)));
  dumps.onDump = ({ row, finish }) => {
    const outcome = answer(row);
    setImmediate(() => finish(outcome instanceof NativeFailure ? outcome : []));
  };
  return { ipvs, commands, dumps };
}

const failure = (fault: Fault, errno = 0, syscall = '', detail = '') =>
  new NativeFailure(fault, errno, syscall, detail);

async function errors(
  outcome: NativeFailure,
): Promise<Record<'write' | 'read' | 'list', IpvsError>> {
  const { ipvs } = answering(() => outcome);
  return {
    write: await refusalOf(ipvs.addDestination(service, real)),
    read: await refusalOf(ipvs.getService(service)),
    list: await refusalOf(ipvs.listServices()),
  };
}

t.test('each errno of the kernel has a sentence and keeps its name', async (t) => {
  fakeFiles(t, UNPRIVILEGED);
  const add = 'add destination 10.0.0.5:80 to tcp 10.0.0.1:80: ';
  for (const [errno, code, sentence, hint] of [
    [1, 'EPERM', 'this process lacks the capability CAP_NET_ADMIN (EPERM)', /setcap/],
    [3, 'ESRCH', 'the service does not exist', /listServices/],
    [17, 'EEXIST', 'the destination already exists', /ensureDestination/],
    [34, 'ERANGE', 'the weight or a threshold is out of range', undefined],
    [97, 'EAFNOSUPPORT', 'this kernel has no IPv6 for IPVS', /CONFIG_IP_VS_IPV6/],
    [92, 'ENOPROTOOPT', 'the kernel is just unloading its IPVS module', /try again/],
    [12, 'ENOMEM', 'the kernel has no memory left for it', undefined],
    [5, 'EIO', 'the kernel refused it', undefined],
  ] as const) {
    const { ipvs } = answering(() => refused(errno));
    const write = await refusalOf(ipvs.addDestination(service, real));
    t.ok(write.message.startsWith(add + sentence), write.message);
    t.match(write, { code, errno: -errno });
    t.match(write.hint, hint ?? undefined);
    // A read that fails is no "not there", except for the one errno that says so.
    const list = await refusalOf(ipvs.listServices());
    t.match(list, { code, errno: -errno, command: 'list services' });
    const read = ipvs.getService(service);
    if (code === 'ESRCH') t.equal(await read, undefined);
    else t.match(await refusalOf(read), { code, command: 'get service' });
  }
});

t.test('what the kernel says in words is passed on', async (t) => {
  const { write } = await errors(failure(Fault.refused, 5, '', 'Attribute failed'));
  t.match(write.message, 'the kernel refused it; the kernel says: Attribute failed (EIO)');
});

t.test('a system call that failed is named', async (t) => {
  for (const [errno, code, sentence] of [
    [93, 'EPROTONOSUPPORT', 'the kernel is just unloading its IPVS module'],
    [24, 'EMFILE', 'this process has too many open files'],
    [13, 'EACCES', 'the system call socket failed before anything was sent'],
  ] as const) {
    const { write, read, list } = await errors(failure(Fault.systemCall, errno, 'socket'));
    for (const error of [write, read, list]) {
      t.match(error, { code, errno: -errno, syscall: 'socket' });
      t.ok(error.message.endsWith(`: ${sentence} (${code})`), error.message);
    }
  }
});

t.test('a kernel without IPVS is ERR_IPVS_UNAVAILABLE', async (t) => {
  fakeFiles(t, WITHOUT_MODULE);
  const { write, read, list } = await errors(failure(Fault.unavailable, ENOENT));
  for (const error of [write, read, list]) {
    t.match(error, { code: 'ERR_IPVS_UNAVAILABLE', errno: -2, hint: /"modprobe ip_vs"/ });
    t.match(
      error.message,
      /: this kernel has no IPVS: the module ip_vs can't be loaded \(ERR_IPVS_UNAVAILABLE\)$/,
    );
  }
});

t.test('what was not sent in time changed nothing, and says so', async (t) => {
  const { write, read } = await errors(failure(Fault.notSent));
  for (const error of [write, read]) {
    t.equal(error.code, 'ERR_IPVS_TIMEOUT');
    t.notOk('errno' in error);
    t.match(error.message, 'could not be sent within 1234 ms; nothing was changed');
    t.match(error.hint, /options\.timeout/);
  }
});

// To repeat it blindly might do it twice: the two cases must differ by their code.
t.test('an answer that was lost leaves a change open, and a read only late', async (t) => {
  const { write, read, list } = await errors(failure(Fault.noAnswer));
  t.equal(write.code, 'ERR_IPVS_UNKNOWN_OUTCOME');
  t.match(write.message, 'it may have been carried out or not');
  t.match(write.hint, /read it back/);
  for (const error of [read, list]) {
    t.equal(error.code, 'ERR_IPVS_TIMEOUT');
    t.match(error.message, "the kernel's answer did not come within 1234 ms");
  }
});

t.test('an answer that does not decode is ERR_IPVS_PROTOCOL', async (t) => {
  const { read } = await errors(failure(Fault.malformed, 0, '', 'IPVS_SVC_ATTR_AF is missing'));
  t.equal(read.code, 'ERR_IPVS_PROTOCOL');
  t.match(read.message, 'does not decode: IPVS_SVC_ATTR_AF is missing (ERR_IPVS_PROTOCOL)');
  t.match(read.hint, /report/);
});

// ENOENT means the scheduler, the engine, or both. The kernel is asked once more, in a way that can
// change nothing: an IPv6 service with a prefix length of 0.
t.test('a missing scheduler and a missing engine are told apart', async (t) => {
  const sip = { ...service, scheduler: 'rr', persistence: { engine: 'sip' } };
  const asked = (probe: Outcome) =>
    answering((row) => (row.family === 10 ? probe : refused(ENOENT)));
  for (const [probe, code, sentence] of [
    [refused(EINVAL), 'ERR_IPVS_ENGINE', "this kernel has no persistence engine 'sip'"],
    [refused(ENOENT), 'ERR_IPVS_SCHEDULER', "this kernel has no scheduler 'rr'"],
    // No IPv6, for example: then it can't be told.
    [
      refused(97),
      'ERR_IPVS_ENGINE',
      "this kernel has no persistence engine 'sip', or no scheduler 'rr'",
    ],
    [
      failure(Fault.noAnswer),
      'ERR_IPVS_ENGINE',
      "this kernel has no persistence engine 'sip', or no scheduler 'rr'",
    ],
  ] as const) {
    const { ipvs, commands } = asked(probe);
    const error = await refusalOf(ipvs.addService(sip));
    t.equal(error.message, `add service tcp 10.0.0.1:80: ${sentence} (${code})`);
    t.match(error, { code, errno: -2 });
    const row = { command: 1, family: 10, protocol: 65535, port: 0, fwmark: 0, netmask: 0 };
    t.match(commands.exchanges[1]?.rows, [row]);
  }
  // Somebody has the very service that is asked about: then it is asked about another one.
  const taken = answering((row) =>
    row.family !== 10 ? refused(ENOENT) : row.protocol === 65535 ? refused(17) : refused(EINVAL),
  );
  t.equal((await refusalOf(taken.ipvs.addService(sip))).code, 'ERR_IPVS_ENGINE');
  t.match(taken.commands.exchanges[2]?.rows, [{ family: 10, protocol: 65534 }]);
  // Without an engine there is nothing to ask.
  const { ipvs, commands } = asked(undefined);
  const error = await refusalOf(ipvs.replaceService(service));
  t.equal(error.code, 'ERR_IPVS_SCHEDULER');
  t.match(error.hint, /ip_vs_wlc/);
  t.equal(commands.exchanges.length, 1);
});

const daemon = (role: number): DaemonRecord => ({
  role,
  interface: 'lo',
  syncId: 0,
  maxLength: 1472,
  group: '224.0.0.81',
  port: 8848,
  ttl: 1,
});

/** What adding a destination is told where the kernel answers EINVAL. */
async function unfit(
  address: string,
  to: ServiceKey,
  {
    routes = '',
    daemons = [],
  }: { routes?: string | undefined; daemons?: readonly DaemonRecord[] } = {},
): Promise<IpvsError> {
  const { ipvs, commands, dumps } = answering(() => refused(EINVAL));
  if (routes !== '') commands.files['/proc/thread-self/net/fib_trie'] = routes;
  dumps.onDump = ({ row, finish }) => {
    t.equal(row.command, 11, 'only the sync daemons are asked for');
    setImmediate(() => finish(daemons));
  };
  return refusalOf(ipvs.addDestination(to, { address, forwarding: 'tun' }));
}

const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.5
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
Local:
        |-- 127.255.255.255
           /32 link BROADCAST
`;
const service6 = { ...service, address: '2001:db8::1' } as const;
const anything = 'the kernel does not take the address as a real server here';

t.test('an address that is no real server is told why', async (t) => {
  const notUnicast = "a real server's address must be unicast, and this one is";
  for (const [address, to, routes, sentence, hint] of [
    ['0.0.0.0', service, trie, `${notUnicast} unspecified`, undefined],
    ['255.255.255.255', service, trie, `${notUnicast} the broadcast address`, undefined],
    ['239.1.2.3', service, trie, `${notUnicast} multicast`, undefined],
    ['::', service6, trie, `${notUnicast} unspecified`, undefined],
    ['ff02::1', service6, trie, `${notUnicast} multicast`, undefined],
    ['10.0.0.255', service, trie, `${notUnicast} a broadcast address`, undefined],
    ['127.255.255.255', service, trie, `${notUnicast} a broadcast address`, undefined],
    [
      'fe80::1',
      service6,
      trie,
      "a link-local address can't be a real server's, unless it is this host's own",
      undefined,
    ],
    ['febf::1', service6, trie, "a link-local address can't be a real server's", undefined],
    // Where nothing is wrong with the address, and where the table can't be read.
    ['fec0::1', service6, trie, anything, /scheduler must have room/],
    ['10.0.0.5', service, trie, anything, /unicast address, .*scheduler must have room/],
    ['10.0.0.25', service, trie, anything, /scheduler must have room/],
    ['10.0.0.5', service, undefined, anything, /scheduler must have room/],
  ] as const) {
    const error = await unfit(address, to, { routes });
    t.match(error, { code: 'EINVAL', errno: -22 });
    t.ok(error.message.includes(`: ${sentence}`), `${address}: ${error.message}`);
    t.match(error.hint, hint ?? undefined);
  }
});

t.test('a loopback that was never up is told', async (t) => {
  const { ipvs, commands } = answering(() => refused(EINVAL));
  commands.files['/proc/thread-self/net/fib_trie'] = '';
  const error = await refusalOf(ipvs.addDestination(service, real));
  t.match(error.message, "this network namespace's loopback was never up");
  t.equal(error.hint, 'ip link set lo up');
  // Only what is about a destination looks there.
  commands.paths.length = 0;
  const other = await refusalOf(ipvs.addService(service));
  t.match(other.message, 'the kernel does not take these settings');
  t.strictSame(commands.paths, []);
});

t.test('a sync daemon that keeps another address family away is told', async (t) => {
  const sentence = "a destination of another address family can't be there with a sync daemon";
  for (const [address, to] of [
    ['2001:db8::5', service],
    ['10.0.0.5', service6],
  ] as const) {
    const error = await unfit(address, to, { routes: trie, daemons: [daemon(1)] });
    t.ok(error.message.endsWith(`: ${sentence} (EINVAL)`), error.message);
    t.match(error.hint, /stopSyncDaemon\(\) first/);
    const without = await unfit(address, to, { routes: trie });
    t.ok(without.message.includes(`: ${anything} `), without.message);
  }
  // It is nobody's fault where the families are the same.
  const error = await unfit('10.0.0.5', service, { routes: trie, daemons: [daemon(1)] });
  t.ok(error.message.includes(`: ${anything} `), error.message);
});

t.test('sync daemons and timeouts have reasons of their own', async (t) => {
  const lo = { role: 'master', interface: 'lo' } as const;
  for (const [errno, code, sentence, hint] of [
    [17, 'EEXIST', 'it is already running', /stopSyncDaemon/],
    [3, 'ESRCH', 'it is not running', undefined],
    [19, 'ENODEV', 'there is no such network interface in this network namespace', undefined],
    [99, 'EADDRNOTAVAIL', 'the network interface has no address to send from', /family/],
    [22, 'EINVAL', 'the kernel does not take these settings', /another address family/],
  ] as const) {
    const { ipvs } = answering(() => refused(errno));
    const start = await refusalOf(ipvs.startSyncDaemon(lo));
    t.equal(start.message, `start master sync daemon: ${sentence} (${code})`);
    t.match(start.hint, hint ?? undefined);
    const stop = await refusalOf(ipvs.stopSyncDaemon('backup'));
    t.equal(stop.message, `stop backup sync daemon: ${sentence} (${code})`);
  }
  const { ipvs } = answering(() => refused(EINVAL));
  const error = await refusalOf(ipvs.setTimeouts({ tcp: 1 }));
  t.equal(error.message, 'set timeouts: a timeout is out of range (EINVAL)');
});

t.test('a handle that can not be opened says why', (t) => {
  const open = (errno: number, syscall: string) => {
    const {
      message,
      code,
      syscall: call,
      command,
      hint,
    } = explainOpen(failure(Fault.systemCall, errno, syscall), '/run/netns/blue');
    t.strictSame([call, command], [syscall, 'open']);
    return [message, code, hint !== undefined];
  };
  t.strictSame(open(2, 'open'), [
    'open: there is no network namespace /run/netns/blue (ENOENT)',
    'ENOENT',
    true,
  ]);
  t.strictSame(open(22, 'setns'), [
    'open: /run/netns/blue is not a network namespace (EINVAL)',
    'EINVAL',
    false,
  ]);
  t.strictSame(open(1, 'setns'), [
    'open: the network namespace /run/netns/blue may not be entered (EPERM)',
    'EPERM',
    true,
  ]);
  t.strictSame(open(13, 'open'), ['open: the system call open failed (EACCES)', 'EACCES', false]);
  t.end();
});
