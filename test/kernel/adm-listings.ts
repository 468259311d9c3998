// The drop-in beside the real ipvsadm 1.31: what each lists and saves of the same table, to the byte.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { release } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { FORWARDINGS } from '#lib/words';
import { parseDestinationId, parseServiceId } from '#lib/validate';
import { Command } from '#lib/records';
import type { Ipvs, ServiceKey } from 'ipvs';
import { tableServices } from '../fixtures/rule-tables.js';
import { Differences } from '../lab/adm-differences.js';
import { RealIpvsadm, ours } from '../lab/adm.js';
import type { Result } from '../lab/adm.js';
import { freshIpvs } from '../lab/namespace.js';
import { sendRaw, tableOf } from '../lab/records.js';
import { until } from '../lab/until.js';

t.setTimeout(600_000);

const SEED = 20261123;
const TABLES = release().startsWith('6.12') ? 10 : 2;

// ---- generated tables

const VIEWS = ['--stats', '--rate', '--thresholds', '--persistent-conn', '--tun-info'];
const OF_ALL: readonly (readonly string[])[] = [
  [],
  ['-L'],
  ['-l', '-n'],
  ['-Ln', '--nosort'],
  ['--list', '--numeric', '--sort', '--exact'],
  ['-Ln', '--stats', '--exact', '--rate'],
  ['-Ln', '--rate', '-X'],
  ['-Ln', '--tun-info', '--nosort', '--thresholds'],
  ...VIEWS.map((view) => ['-Ln', view]),
  ['-Lnc'],
  ['-L', '--timeout'],
  ['-L', '--daemon'],
];

const differences = new Differences('adm-listings');

function argumentsOf(key: ServiceKey): string[] {
  if (key.fwmark !== undefined) {
    return ['-f', String(key.fwmark), ...(key.family === 'ipv6' ? ['-6'] : [])];
  }
  const { protocol, address, port } = key;
  const host = address.includes(':') ? `[${address}]` : address;
  const option = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }[protocol];
  return [option, `${host}:${port}`];
}

/**
 * What both print of the same table. From Linux 7 on the kernel moves it to another size by itself, and
 * into another order: where it did so in between they are asked again.
 */
async function sameListing(
  t: Test,
  ipvsadm: RealIpvsadm,
  netns: string,
  args: readonly string[],
): Promise<[theirs: Result, own: Result]> {
  let before = await ipvsadm.run({ args });
  for (;;) {
    const own = await ours(netns, { args });
    const converted = { ...own, stdout: differences.asIpvsadm(own.stdout) };
    if (!isDeepStrictEqual(converted, before)) {
      const after = await ipvsadm.run({ args });
      if (!isDeepStrictEqual(after, before)) {
        before = after;
        continue;
      }
    }
    t.strictSame(converted, before, `ipvsadm ${args.join(' ')}`);
    return [before, own];
  }
}

t.test('made-up tables are listed and saved alike', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const other = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  const ipvsadmThere = new RealIpvsadm(t, other.netns);
  let listings = 0;
  for (const services of fc.sample(tableServices(9, 3), { numRuns: TABLES, seed: SEED })) {
    await ipvs.restore({ services });
    const ofOne = services.slice(0, 3).flatMap((service) => {
      const which = argumentsOf(service);
      return [
        ['-L', ...which],
        ['-Ln', ...which, '--stats'],
        ['-Ln', ...which, '--nosort', '--persistent-conn'],
      ];
    });
    for (const args of [...OF_ALL, ...ofOne]) {
      listings++;
      await sameListing(t, ipvsadm, netns, args);
    }
    await roundTrip(t, { ipvs, netns, ipvsadm }, { ...other, ipvsadm: ipvsadmThere });
  }
  t.comment(`${listings} listings`);
});

interface Side {
  readonly ipvs: Ipvs;
  readonly netns: string;
  readonly ipvsadm: RealIpvsadm;
}

/**
 * Of one program in two namespaces, in any order: ipvsadm's depends on what the kernel's is, where addresses are far apart, and that is
 * another one in each namespace.
 */
function linesOf(result: Result): unknown {
  return { ...result, stdout: result.stdout.split('\n').sort() };
}

/** What ipvsadm saved, made such that it can be restored: with the third flag of sh and mh. */
function withThirdFlag(text: string, saved: string): string {
  const lines = saved.split('\n').filter((line) => line.includes('flag-3'));
  const bySaved = new Map(lines.map((line) => [differences.asIpvsadm(line), line]));
  return text
    .split('\n')
    .map((line) => bySaved.get(line) ?? line)
    .join('\n');
}

/** Saved by each and restored by the other, the table is the same, and is saved as the same again. */
async function roundTrip(t: Test, one: Side, other: Side): Promise<void> {
  const save = { args: ['-Sn'] };
  const { ipvsadm, netns } = one;
  await sameListing(t, ipvsadm, netns, ['-S']);
  const [theirs, saved] = await sameListing(t, ipvsadm, netns, save.args);
  const table = await tableOf(one.netns);

  // Saved here, restored by ipvsadm.
  const restored = await other.ipvsadm.run({ args: [], input: saved.stdout }, 'ipvsadm-restore');
  t.strictSame(restored, { status: 0, stdout: '', stderr: '' }, 'ipvsadm-restore takes it');
  t.strictSame(await tableOf(other.netns), table, 'nothing is lost on the way');
  t.strictSame(linesOf(await ours(other.netns, save)), linesOf(saved), 'saved as the same again');

  // Saved by ipvsadm, without thresholds, restored here.
  const usable = withThirdFlag(theirs.stdout, saved.stdout);
  await other.ipvs.restore(usable);
  const again = await other.ipvsadm.run(save);
  t.strictSame(linesOf(again), linesOf(theirs), 'and the other way round, with negative marks');
  await other.ipvs.flush();
  const program = 'ipvsadm-restore';
  const input = `# saved\n${usable}`;
  const back = await ours(other.netns, { args: [], input }, { program });
  t.strictSame(back, { status: 0, stdout: '', stderr: '' });
  t.strictSame(linesOf(await other.ipvsadm.run(save)), linesOf(theirs));
}

// ---- names

t.test('names of hosts and ports', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  await ipvs.restore(`
-A -t 127.0.0.1:80
-a -t 127.0.0.1:80 -r 10.0.0.5:443 -m
-a -t 127.0.0.1:80 -r 127.0.0.1:12345 -m
-A -u 127.0.0.1:53
-A -u [::1]:53
-a -u [::1]:53 -r [::1]:53 -m
-A --sctp-service 127.0.0.1:80
-A -f 1
-a -f 1 -r 127.0.0.1:80 -m
-A -t 127.0.0.1:0 -p
`);
  for (const args of [
    [],
    ['-L', '--stats'],
    ['-S'],
    ['-L', '-t', 'localhost:http'],
    ['-L', '-f', '1'],
  ]) {
    await sameListing(t, ipvsadm, netns, args);
  }
  for (const args of [
    ['-D', '-t', 'localhost:http'],
    ['-A', '-t', 'localhost:https', '-M', 'localhost'],
  ]) {
    const theirs = await ipvsadm.run({ args });
    await ipvs.restore(args[0] === '-D' ? '-A -t 127.0.0.1:80' : '-D -t 127.0.0.1:443', {
      mode: 'merge',
    });
    t.strictSame(await ours(netns, { args }), theirs);
  }
});

// ---- what only netlink can make

t.test('what ipvsadm can list but not say', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  await ipvs.addService({ ...web, scheduler: 'sh', schedulerFlags: ['sh-port', 'flag-3'] });
  await ipvs.addDestination(web, { address: '10.0.0.5', forwarding: 'local' });
  await ipvs.addService({ ...web, port: 81, scheduler: 'mh', schedulerFlags: ['flag-3'] });
  await ipvs.addService({ ...web, port: 82, persistence: { timeout: 4000000 } });
  await sameListing(t, ipvsadm, netns, ['-Ln']);
  await sameListing(t, ipvsadm, netns, ['-Ln', '--tun-info']);
  const [theirs, own] = await saved(ipvsadm, netns);
  t.match(theirs.stdout, '-s sh -b sh-port\n', 'ipvsadm loses a flag');
  t.match(theirs.stdout, '-s mh -b \n', 'and writes what can not be restored');
  t.match(own.stdout, '-A -t 10.0.0.1:80 -s sh -b sh-port,flag-3\n');
  t.match(own.stdout, '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -g -w 1\n');
  t.match(own.stdout, '-A -t 10.0.0.1:81 -s mh -b flag-3\n');
  t.match(own.stdout, '-A -t 10.0.0.1:82 -s wlc -p 2678400\n');
  t.equal(own.stderr, '');
  differences.meet('unsayable settings');
  t.match(theirs.stdout, '-A -t 10.0.0.1:82 -s wlc -p 4000000\n');
  t.match(theirs.stdout, '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -g -w 1\n', 'as ours');
  const asOurs = theirs.stdout.replace('-p 4000000\n', '-p 2678400\n');
  t.equal(differences.asIpvsadm(own.stdout), asOurs, 'all else is the same');

  await ipvs.addDestination(web, { address: '10.0.0.6', forwarding: 'bypass' });
  const service = parseServiceId(web);
  await sendRaw(netns, {
    command: Command.newDestination,
    service,
    destination: parseDestinationId({ address: '10.0.0.7', port: 8080 }, service),
    destinationNumbers: {
      forwarding: FORWARDINGS.number('dr') ?? 0,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnelType: 0,
      tunnelPort: 0,
      tunnelFlags: 0,
    },
  });
  await sendRaw(netns, {
    command: Command.newService,
    service: { ...service, port: 0 },
    serviceNumbers: { scheduler: 'rr', flags: 0, timeout: 0, netmask: 0xffffffff, engine: '' },
  });
  await sendRaw(netns, {
    command: Command.newService,
    service: { ...service, protocol: 47 },
    serviceNumbers: { scheduler: 'rr', flags: 0, timeout: 0, netmask: 0xffffffff, engine: 'sip' },
  });
  for (const args of [['-Ln'], ['-Ln', '--stats'], ['-Ln', '--thresholds']]) {
    await sameListing(t, ipvsadm, netns, args);
  }
  const [theirsNow, ownNow] = await saved(ipvsadm, netns);
  t.match(theirsNow.stdout, '-r 10.0.0.6:80 (null) -w 1\n');
  t.match(theirsNow.stdout, '-r 10.0.0.7:8080 -g -w 1\n', 'which -R takes for another port');
  for (const lost of ['10.0.0.6', '10.0.0.7', '--xxx', ':0 ', '47']) {
    t.notOk(ownNow.stdout.includes(lost), lost);
  }
  differences.meet('unsayable entries');
  t.equal(ownNow.status, 0);
  t.equal(ownNow.stderr.trim().split('\n').length, 4, ownNow.stderr);
  t.match(ownNow.stderr, 'destination 10.0.0.6:80 of -t 10.0.0.1:80 is not saved');
  const strict = await ours(netns, { args: ['--strict', '-Sn'] });
  t.equal(strict.status, 1, 'where it has to be whole, it fails');
});

async function saved(ipvsadm: RealIpvsadm, netns: string): Promise<[Result, Result]> {
  return [await ipvsadm.run({ args: ['-Sn'] }), await ours(netns, { args: ['-Sn'] })];
}

t.test('ipvsadm-save takes its arguments as the script does', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  await ipvs.restore('-A -t 10.0.0.1:80');
  for (const args of [[], ['-n'], ['-x'], ['-n', '--numeric'], ['foo'], ['foo', '-n']]) {
    const theirs = await ipvsadm.run({ args }, 'ipvsadm-save');
    t.strictSame(await ours(netns, { args }, { program: 'ipvsadm-save' }), theirs, args.join(' '));
  }
  for (const input of [
    '-A -t 10.0.0.1:80\n#-A -t\n  -A -f 1',
    '',
    '-A -t 10.0.0.1:80 --foo\n-A -f 1\n',
  ]) {
    const theirs = await ipvsadm.run({ args: ['-x'], input }, 'ipvsadm-restore');
    const table = await tableOf(netns);
    const own = await ours(netns, { args: ['-x'], input }, { program: 'ipvsadm-restore' });
    t.strictSame(own, theirs, input);
    t.strictSame(await tableOf(netns), table);
  }
});

// ---- traffic

const ADDRESSES = ['10.0.0.1/32', '10.0.0.2/32', '2001:db8::1/128', '2001:db8::2/128'];

/** A program in the namespace that says when it is ready, and ends with its standard input. */
async function startProgram(t: Test, netns: string, ...args: string[]): Promise<void> {
  const command = ['netns', 'exec', netns, process.execPath, ...args];
  const program = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(program, 'exit');
  t.teardown(async () => {
    program.stdin.end();
    await ended;
  });
  await Promise.race([
    once(program.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the program ended early'))),
  ]);
}

// More than 100 million bytes, and a client that persistence knows by its Call-ID. Travels as source.
const FLOOD = `
  const dgram = require('node:dgram');
  const send = (socket, data, port) =>
    new Promise((resolve) => socket.send(data, port, '10.0.0.1', resolve));
  (async () => {
    const sink = dgram.createSocket('udp4').bind(9, '10.0.0.2');
    const phone = dgram.createSocket('udp4').bind(5060, '10.0.0.2');
    const client = dgram.createSocket('udp4');
    const data = Buffer.alloc(65000);
    for (let n = 0; n < 2400; n++) await send(client, data, 9);
    const call = 'INVITE sip:a@b SIP/2.0\\r\\nCall-ID: 843817637684230@998sdasdh09\\r\\n\\r\\n';
    await send(client, Buffer.from(call), 5060);
    console.log('ready');
    process.stdin.resume().on('end', () => process.exit());
  })();
`;

/** What does not depend on the second in which it is asked. */
function withoutTimes(text: string): string {
  return text.replace(/^(\w+ +)\d\d+:\d\d /gm, '$1mm:ss ');
}

/** Asks ipvsadm before and after: only what stayed the same can be compared. */
async function sameWhileSteady(
  t: Test,
  ipvsadm: RealIpvsadm,
  netns: string,
  args: readonly string[],
): Promise<string> {
  let before = await ipvsadm.run({ args });
  for (;;) {
    const own = await ours(netns, { args });
    const after = await ipvsadm.run({ args });
    if (withoutTimes(before.stdout) === withoutTimes(after.stdout)) {
      const steady = { ...after, stdout: withoutTimes(after.stdout) };
      t.strictSame({ ...own, stdout: withoutTimes(own.stdout) }, steady, args.join(' '));
      return own.stdout;
    }
    before = after;
  }
}

t.test('connections and large counters', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  const input = ADDRESSES.map((address) => `address add ${address} dev lo\n`).join('');
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input });
  await ipvs.restore(`
-A -u 10.0.0.1:53 -s rr
-a -u 10.0.0.1:53 -r 10.0.0.2:5353 -m
-A -u [2001:db8::1]:53 -s rr -p 300 -M 64
-a -u [2001:db8::1]:53 -r [2001:db8::2]:5353 -m
-A -t 10.0.0.1:80 -s rr -p
-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -x 100 -y 50
-A -u 10.0.0.1:9 -s rr
-a -u 10.0.0.1:9 -r 10.0.0.2 -m
-A -u 10.0.0.1:5060 -s rr -p --pe sip
-a -u 10.0.0.1:5060 -r 10.0.0.2 -m
`);
  await startProgram(t, netns, join(__dirname, '..', 'fixtures', 'traffic.js'));
  await startProgram(t, netns, '-e', FLOOD);
  // The kernel adds up every 2 seconds.
  const flooded = { protocol: 'udp', address: '10.0.0.1', port: 9 } as const;
  await until('enough has come for five digits and a letter', async () => {
    const { stats } = (await ipvs.getService(flooded)) ?? {};
    return (stats?.incomingBytes ?? 0) > 101_000_000;
  });
  const same = (...args: string[]) => sameWhileSteady(t, ipvsadm, netns, args);
  const connections = await same('-Lnc');
  t.ok(connections.split('\n').length > 80, 'there are connections');
  t.match(connections, /^TCP .* NONE|ASSURED/m, 'and templates');
  t.match(await same('-Lnc', '--persistent-conn'), / sip +843817637684230@998sdasdh09$/m);
  await same('-Lc');
  for (const view of ['--stats', '--thresholds', '--persistent-conn', '--tun-info', '-6'].slice(
    0,
    4,
  )) {
    await same('-Ln', view);
  }
  t.match(await same('-Ln', '--stats'), /^UDP {2}10\.0\.0\.1:9 .*\dK +\d+$/m, 'abbreviated');
  t.match(await same('-Ln', '--stats', '--exact'), / \d{9}\b/, 'in full');
  await same('-Ln', '--rate');
  await same('-Ln', '-t', '10.0.0.1:80', '--stats');
  // Zeroed here, ipvsadm sees it, too.
  t.strictSame(await ours(netns, { args: ['-Z', '-u', '10.0.0.1:9'] }), {
    status: 0,
    stdout: '',
    stderr: '',
  });
  t.notMatch(await same('-Ln', '--stats', '--exact'), / \d{9}\b/);
});

// ---- daemons and timeouts

t.test('sync daemons and timeouts', async (t) => {
  const real = await freshIpvs(t);
  const mine = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, real.netns);
  const calls = [
    ['--set', '60', '0', '70'],
    ['-L', '--timeout'],
    ['--stop-daemon', 'master'],
    ['--start-daemon', 'master', '--mcast-interface', 'lo', '--syncid', '7', '--mcast-ttl', '3'],
    ['--start-daemon', 'master', '--mcast-interface', 'lo'],
    ['-L', '--daemon'],
    ['--start-daemon=backup', '--mcast-interface=lo', '--mcast-group=ff02::81', '--mcast-port=9'],
    ['-L', '--daemon', '-n', '--exact'],
    ['--set', '2678400', '1', '1'],
    ['-L', '--timeout'],
  ];
  for (const args of calls) {
    const theirs = await ipvsadm.run({ args });
    t.strictSame(await ours(mine.netns, { args }), theirs, args.join(' '));
  }
  // Stopped by ours alone: of a daemon that hardly ran, the kernel leaves ipvsadm without an answer.
  for (const { netns, ipvs } of [real, mine]) {
    for (const role of ['master', 'backup']) {
      const stopped = await ours(netns, { args: ['--stop-daemon', role] });
      t.strictSame(stopped, { status: 0, stdout: '', stderr: '' });
    }
    t.strictSame(await ipvs.listSyncDaemons(), []);
  }
});

t.test('each difference was met', (t) => {
  differences.check(t);
  t.end();
});
