// The commands on a real kernel, in this process: what they do to the table, what they say, and their
// exit status. They catch a word that is read as something else, and a report that is not true.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { Ipvs } from 'ipvs';
import { IPV4, parseAddress } from '#lib/address';
import { run } from '#lib/cli/run';
import { Sysctl } from '#lib/network/sysctl';
import { Command } from '#lib/records';
import { ONE_PACKET } from '#lib/words';
import { FakeTerminal } from '../fixtures/terminal.js';
import type { TerminalOptions } from '../fixtures/terminal.js';
import { freshFolder } from '../lab/folder.js';
import { freshIpvs } from '../lab/namespace.js';
import { sendRaw } from '../lab/records.js';

interface Ran {
  status: number;
  out: string[];
  err: string[];
}

interface Lab {
  ipvs: Ipvs;
  netns: string;
  /** What `ipvs` with these words does in the test's namespace. */
  cli: (line: string, options?: TerminalOptions & { input?: string }) => Promise<Ran>;
  json: (line: string) => Promise<unknown>;
}

async function lab(t: Test): Promise<Lab> {
  const { ipvs, netns } = await freshIpvs(t);
  const cli = cliIn(netns);
  const json = async (line: string) => {
    const { out } = await cli(`${line} --json`);
    return JSON.parse(out.join('\n')) as unknown;
  };
  return { ipvs, netns, cli, json };
}

function cliIn(netns: string): Lab['cli'] {
  return async (line, { input, ...options } = {}) => {
    const terminal = new FakeTerminal(options);
    terminal.stdin.end(input);
    const status = await run(['--netns', netns, ...line.split(' ')], terminal);
    const lines = (text: string) => text.split('\n').filter((each) => each !== '');
    return { status, out: lines(terminal.stdout.text), err: lines(terminal.stderr.text) };
  };
}

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

t.test('add, set, remove', async (t) => {
  const { ipvs, cli } = await lab(t);
  t.same(await cli('add service tcp 10.0.0.1:80 -s wrr -p 10m --netmask 24'), {
    status: 0,
    out: ['added tcp 10.0.0.1:80: scheduler wrr, persistent 10m per /24'],
    err: [],
  });
  t.match(await ipvs.getService(web), {
    scheduler: 'wrr',
    persistence: { timeout: 600, netmask: '255.255.255.0' },
  });
  t.same(await cli('add service tcp 10.0.0.1:80'), {
    status: 3,
    out: [],
    err: [
      'ipvs: add service tcp 10.0.0.1:80: the service already exists (EEXIST)',
      'hint: with --ensure, "ipvs add service" adds or updates, whichever is needed',
    ],
  });
  t.same((await cli('add service tcp 10.0.0.1:80 --ensure')).out, [
    'changed tcp 10.0.0.1:80: scheduler wrr → wlc, persistent 10m per /24 → none',
  ]);
  t.same((await cli('add service tcp 10.0.0.1:80 --ensure')).out, ['unchanged tcp 10.0.0.1:80']);

  t.same((await cli('add server tcp 10.0.0.1:80 10.0.0.5 10.0.0.6:8080 --nat -w 3 -x 9')).out, [
    'added server 10.0.0.5:80 to tcp 10.0.0.1:80: method nat, weight 3, upper threshold 9',
    'added server 10.0.0.6:8080 to tcp 10.0.0.1:80: method nat, weight 3, upper threshold 9',
  ]);
  t.same((await cli('set server tcp 10.0.0.1:80 10.0.0.5 --weight 0')).out, [
    'changed server 10.0.0.5:80 of tcp 10.0.0.1:80: weight 3 → 0; 0 connections left (0 active)',
  ]);
  t.match(await ipvs.listDestinations(web), [
    { weight: 0, forwarding: 'nat', upperThreshold: 9 },
    { weight: 3, port: 8080 },
  ]);
  const partly = await cli('add server tcp 10.0.0.1:80 10.0.0.7 10.0.0.5 --nat');
  t.equal(partly.status, 3, 'what fails decides the status');
  t.match(partly.out, ['added server 10.0.0.7:80'], 'and what worked is told');
  const both = await cli('add server tcp 10.0.0.1:80 10.0.0.7 10.0.0.5 --nat --json');
  t.equal(both.status, 3);
  t.match(JSON.parse(both.out.join('')), { changes: [{ error: {} }, { error: {} }] });
  const told = both.err.map((line) => JSON.parse(line) as unknown);
  t.match(told, [{ error: { code: 'EEXIST', destination: { address: '10.0.0.7' } } }, {}]);
  t.equal(told.length, 2, 'each failure has its line');

  t.same((await cli('set service tcp 10.0.0.1:80 -s rr')).out, [
    'changed tcp 10.0.0.1:80: scheduler wlc → rr',
  ]);
  t.match(await cli('set service tcp 10.0.0.1:80 -s nosuch'), { status: 6, out: [] });
  t.match(await cli('set service tcp 10.0.0.9:80 -s rr'), {
    status: 4,
    err: [/ESRCH/, /"ipvs list"/],
  });
  t.match(await cli('remove server tcp 10.0.0.1:80 10.0.0.9'), {
    status: 4,
    err: [/ENOENT/, /hint/],
  });
  t.match(await cli('remove server tcp 10.0.0.1:80 10.0.0.9 --missing-ok'), { status: 0, err: [] });
  t.match(await cli('rm server tcp 10.0.0.1:80 10.0.0.5 10.0.0.6:8080'), { status: 0 });
  t.match(await cli('add server tcp 10.0.0.1:80 10.0.0.8:81'), {
    status: 2,
    err: [/^ipvs: the server's port must be the service's port 80/],
  });
  t.equal((await ipvs.listDestinations(web)).length, 1);

  t.equal((await cli('clear')).status, 2, 'not without --yes');
  t.equal((await ipvs.listServices()).length, 1);
  t.same((await cli('clear -y')).out, ['removed 1 service, 1 server']);
  t.same(await ipvs.listServices(), []);
});

t.test('every setting has its words', async (t) => {
  const { ipvs, cli } = await lab(t);
  await cli('add service mark6 4294967295 -s mh --flags mh-port,mh-fallback');
  await cli('add service udp [2001:db8::1]:5060 -o -p 1h --netmask 64 --engine sip -s rr');
  await cli('add service sctp 10.0.0.1:any -p');
  t.match(await ipvs.listServices(), [
    { protocol: 'sctp', port: 0, persistence: { timeout: 300 } },
    {
      protocol: 'udp',
      address: '2001:db8::1',
      onePacket: true,
      persistence: { timeout: 3600, netmask: 64, engine: 'sip' },
    },
    { fwmark: 4294967295, family: 'ipv6', schedulerFlags: ['mh-fallback', 'mh-port'] },
  ]);
  await cli('set service sctp 10.0.0.1:any -p 10m');
  await cli('set service sctp 10.0.0.1:any -p');
  t.match((await ipvs.listServices())[0], { persistence: { timeout: 600 } }, 'the present time');
  await cli('set service udp [2001:db8::1]:5060 --no-engine --no-one-packet');
  await cli('set service mark6 4294967295 --flags none');
  t.match(await ipvs.listServices(), [
    {},
    { onePacket: false, persistence: { timeout: 3600, netmask: 64, engine: undefined } },
    { schedulerFlags: [] },
  ]);
  await cli('set service udp [2001:db8::1]:5060 --no-persistent');
  t.equal((await ipvs.listServices())[1]?.persistence, undefined);

  await cli('add service tcp 10.0.0.1:80');
  await cli(
    'add server tcp 10.0.0.1:80 10.0.0.2 --tun --tunnel gue --tunnel-port 6080 --tunnel-checksum csum',
  );
  await cli('add server tcp 10.0.0.1:80 10.0.0.3 --local');
  await cli('add server tcp 10.0.0.1:80 10.0.0.4 --bypass -x 100 -y 50');
  await cli('add server tcp 10.0.0.1:80 10.0.0.5 --dr');
  await cli('set server tcp 10.0.0.1:80 10.0.0.5 --tun --tunnel gre');
  t.match(await ipvs.listDestinations(web), [
    { forwarding: 'tun', tunnel: { type: 'gue', port: 6080, checksum: 'csum' } },
    { forwarding: 'local' },
    { forwarding: 'bypass', upperThreshold: 100, lowerThreshold: 50 },
    { forwarding: 'tun', tunnel: { type: 'gre', checksum: 'none' } },
  ]);
});

t.test('--dry-run says what the same command then does, and changes nothing', async (t) => {
  const { ipvs, cli } = await lab(t);
  await ipvs.addService({ ...web, scheduler: 'wrr', persistence: {} });
  await ipvs.addDestination(web, { address: '10.0.0.5', weight: 3, upperThreshold: 10 });
  const lines = [
    'add service mark 7 -s sh --flags sh-port',
    'add service tcp 10.0.0.1:80',
    'add service tcp 10.0.0.1:80 --ensure',
    'set service tcp 10.0.0.1:80 -p 60 -s rr',
    'set service tcp 10.0.0.1:80 -o',
    'set service tcp 10.0.0.2:80 -s rr',
    'add server tcp 10.0.0.1:80 10.0.0.6 10.0.0.5 -w 9',
    'add server tcp 10.0.0.1:80 10.0.0.5 --nat --ensure',
    'add server tcp 10.0.0.2:80 10.0.0.5',
    'set server tcp 10.0.0.1:80 10.0.0.5 -y 5 --tun',
    'set server tcp 10.0.0.1:80 10.0.0.5 -y 50',
    'set server tcp 10.0.0.1:80 10.0.0.9 -w 0',
    'remove server tcp 10.0.0.1:80 10.0.0.5',
    'remove server tcp 10.0.0.1:80 10.0.0.5',
    'remove server tcp 10.0.0.1:80 10.0.0.5 --missing-ok',
    'remove service tcp 10.0.0.1:80',
    'remove service tcp 10.0.0.1:80',
  ];
  const DONE: Record<string, string> = {
    'would add': 'added',
    'would change': 'changed',
    'would remove': 'removed',
    'would leave unchanged': 'unchanged',
  };
  const done = (line: string) =>
    line.replace(/^would (add|change|remove|leave unchanged)/, (all) => DONE[all] ?? all);
  for (const line of lines) {
    const before = await ipvs.snapshot();
    const foreseen = await cli(`${line} --dry-run`);
    t.same(await ipvs.snapshot(), before, line);
    const real = await cli(line);
    t.same(
      { ...foreseen, out: foreseen.out.map(done), err: first(foreseen) },
      { ...real, err: first(real) },
      line,
    );
  }
});

// Hints may differ: the kernel was asked in one case only.
function first({ err }: Ran): string[] {
  return err.filter((line) => !line.startsWith('hint:'));
}

t.test('list', async (t) => {
  const { ipvs, cli, json } = await lab(t);
  t.same(await cli('list'), { status: 0, out: [], err: [] });
  t.same(await json('list'), { services: [] });
  t.match((await cli('list', { columns: 80 })).err, [/No virtual services here/]);
  await ipvs.addService({ ...web, scheduler: 'wrr' });
  await ipvs.addService({ fwmark: 7 });
  await ipvs.addDestination(web, { address: '10.0.0.5', weight: 0 });
  const table = [
    'SERVICE / SERVER  METHOD  WEIGHT  ACTIVE  INACTIVE',
    'tcp 10.0.0.1:80   wrr',
    '  10.0.0.5:80     dr           0       0         0  no new connections',
    'mark 7            wlc     no servers',
  ];
  t.same(await cli('list'), { status: 0, out: table, err: [] });
  const seen = await cli('list', { columns: 80 });
  t.match(seen.err, [/2 services, 1 server/]);
  t.match(seen.out[0], '\x1b[2m', 'titles are dim');
  t.same((await cli('list tcp 10.0.0.1:80')).out, table.slice(0, 3));
  t.same((await cli('list mark')).out, [
    'SERVICE / SERVER  METHOD  WEIGHT  ACTIVE  INACTIVE',
    table[3],
  ]);
  t.match(await cli('list tcp 10.0.0.9:80'), { status: 4, out: [], err: [/ESRCH/] });
  const { services } = await ipvs.snapshot();
  t.same(await json('list'), { services });
});

t.test('the rest of the looks', async (t) => {
  const { netns, ipvs, cli, json } = await lab(t);
  await ipvs.addService(web);
  t.match((await cli('stats')).out, [
    /^SERVICE \/ SERVER +CONNS/,
    /^all +0/,
    /^tcp 10.0.0.1:80 +0/,
  ]);
  t.match(await json('stats'), { total: { connections: 0 }, services: [{ ...web, stats: {} }] });
  t.match(await cli('zero'), { status: 0, out: ['zeroed all counters'] });
  t.match(await cli('zero -n'), { status: 0, out: ['would zero all counters'] });
  t.match(await cli('zero tcp 10.0.0.1:80 -n'), { status: 0, out: [/^would zero .*10.0.0.1:80$/] });
  const [foreseen, real] = [
    await cli('zero tcp 10.0.0.9:80 --dry-run'),
    await cli('zero tcp 10.0.0.9:80'),
  ];
  t.equal(real.status, 4);
  t.same({ ...foreseen, err: first(foreseen) }, { ...real, err: first(real) });
  t.same(await json('connections'), { connections: [] });
  t.same(await cli('connections'), { status: 0, out: [], err: [] });
  t.same((await cli('timeouts')).out, ['tcp      15m', 'tcp-fin  2m', 'udp      5m']);
  t.same((await cli('timeouts --tcp 10m --dry-run')).out[0], 'tcp      15m → 10m (not changed)');
  t.match(await ipvs.getTimeouts(), { tcp: 900 });
  t.same((await cli('timeouts --tcp 10m --udp 30')).out, [
    'tcp      15m → 10m',
    'tcp-fin  2m',
    'udp      5m → 30s',
  ]);
  t.match(await ipvs.getTimeouts(), { tcp: 600, tcpFin: 120, udp: 30 });
  t.match(await cli('probe'), { status: 0, out: [/^usable +yes/] });
  t.match(await json('probe'), { usable: true });
  const doctor = await cli('doctor');
  t.equal(doctor.status, 0);
  t.match(doctor.out.join('\n'), /✓ IPVS 1\.2\.1 in Linux/);
  t.match(await json('doctor'), { healthy: true, findings: [{ level: 'note' }] });
  // In that namespace, not in this process's.
  t.match(doctor.out.join('\n'), 'expire_nodest_conn=1 ends them');
  const sysctl = await Sysctl.open({ netns });
  t.teardown(() => sysctl.close());
  await sysctl.set('net.ipv4.vs.expire_nodest_conn', 1);
  t.notMatch((await cli('doctor')).out.join('\n'), 'expire_nodest_conn');
});

t.test('sync daemons', async (t) => {
  const { ipvs, cli, json } = await lab(t);
  t.same(await json('daemon'), { syncDaemons: [] });
  t.match(await cli('daemon stop backup'), { status: 4 });
  t.match(await cli('daemon stop backup --dry-run'), { status: 4 });
  t.match(await cli('daemon start backup nosuch0'), { status: 4 });
  t.same((await cli('daemon start backup lo --sync-id 7 --dry-run')).out, [
    'would start the backup sync daemon on lo, sync id 7',
  ]);
  t.same(await ipvs.listSyncDaemons(), []);
  t.match(await cli('daemon start backup lo --sync-id 7'), { status: 0, err: [] });
  t.match(await ipvs.listSyncDaemons(), [{ role: 'backup', interface: 'lo', syncId: 7 }]);
  t.match((await cli('daemon')).out[1], /^backup +lo +7 +224\.0\.0\.81:8848/);
  t.match(await cli('daemon start backup lo'), { status: 3 });
  t.match(await cli('daemon start backup lo --dry-run'), { status: 3 });
  t.match(await cli('daemon stop backup'), { status: 0 });
  t.same(await ipvs.listSyncDaemons(), []);
});

t.test('save, diff, restore', async (t) => {
  const { ipvs, cli, json } = await lab(t);
  const folder = freshFolder(t);
  await ipvs.addService({ ...web, scheduler: 'wrr', persistence: { timeout: 60 } });
  await ipvs.addDestination(web, { address: '10.0.0.5', weight: 3, upperThreshold: 10 });
  await ipvs.addService({ fwmark: 4000000000, family: 'ipv6' });
  await ipvs.setTimeouts({ tcp: 600 });
  const saved = await ipvs.snapshot();
  for (const name of ['table.json', 'table.yaml', 'table.rules']) {
    const file = join(folder, name);
    const { status, out, err } = await cli(`save ${file}`);
    t.same({ status, out }, { status: 0, out: [] }, name);
    t.equal(err.length, name.endsWith('.rules') ? 1 : 0, 'rules can not say timeouts, and say so');
    t.same(await cli(`diff ${file}`), { status: 0, out: [], err: [] }, `${name}: no difference`);

    await ipvs.flush();
    await ipvs.addService({ protocol: 'udp', address: '10.0.0.1', port: 53 });
    await ipvs.addService({ ...web, scheduler: 'rr', persistence: { timeout: 60 } });
    const diff = await cli(`diff ${file}`);
    t.equal(diff.status, 1);
    t.same(diff.out, [
      '- udp 10.0.0.1:53',
      '~ tcp 10.0.0.1:80: scheduler rr → wrr',
      '+ server 10.0.0.5:80 to tcp 10.0.0.1:80: method dr, weight 3, upper threshold 10',
      '+ mark6 4000000000: scheduler wlc',
    ]);
    t.match(await json(`diff ${file}`), {
      different: true,
      changes: [
        { action: 'remove' },
        { action: 'update', before: { scheduler: 'rr' }, after: { scheduler: 'wrr' } },
      ],
    });
    t.same((await cli(`restore ${file} --dry-run`)).out, [
      ...diff.out,
      'would be: 2 added, 1 changed, 1 removed, 0 unchanged',
    ]);
    t.equal((await ipvs.listServices()).length, 2, 'a dry run changes nothing');
    t.same(
      (await cli(`restore ${file} --merge --dry-run`)).out.at(-1),
      'would be: 2 added, 1 changed, 0 removed, 1 unchanged',
    );
    const again = await cli('restore', { input: readFileSync(file, 'utf8') });
    t.same(again, { status: 0, out: ['2 added, 1 changed, 1 removed, 0 unchanged'], err: [] });
    t.same((await ipvs.snapshot()).services, saved.services, name);
  }

  // What is there already, and counters that start again.
  const zeroes = (await cli('save --format rules')).out.join('\n');
  const some = { input: `${zeroes}\n-Z -t 10.0.0.1:80\n-Z -t 10.0.0.1:80\n` };
  t.match(await cli('diff', some), { status: 1, out: ['~ counters of tcp 10.0.0.1:80: to zero'] });
  const foreseen = await cli('restore -n', some);
  t.same(foreseen.out, [
    '~ counters of tcp 10.0.0.1:80: to zero',
    'would be: 0 added, 0 changed, 0 removed, 3 unchanged, counters of 1 service zeroed',
  ]);
  const all = { input: `${zeroes}\n-Z\n` };
  t.match(await cli('diff', all), { status: 1, out: ['~ all counters: to zero'] });
  t.match(JSON.parse((await cli('diff --json', all)).out.join('')), {
    different: true,
    changes: [],
    zeroed: 'all',
  });
  t.match((await cli('restore', all)).out, [/3 unchanged, all counters zeroed$/]);

  const file = join(folder, 'wrong');
  const wrong: [text: string, status: number, message: RegExp][] = [
    ['-A -t 10.0.0.9:80\n-A -t 10.0.0.9:80 -s\n', 2, /wrong:2:\d+: /],
    [
      '{ "services": [{ "protocol": "tcp", "address": "x", "port": 1 }] }',
      2,
      /wrong:1:48: The property 'services\[0\]\.address'/,
    ],
    ['services: [', 2, /wrong:1:/],
    ['services:\n  - *web\n', 2, /wrong:2:5: Unresolved alias/],
    ['"-A -t 10.0.0.9:80"', 2, /wrong:1:1: The property 'table' must be an object/],
    ['~', 2, /wrong:1:1: The property 'table' must be an object/],
    ['# nothing\n\n', 2, /wrong is empty/],
    ['-A -t 10.0.0.9:80 -s nosuch\n', 2, /wrong:1:1: .*nosuch/],
  ];
  for (const [text, status, message] of wrong) {
    writeFileSync(file, text);
    const ran = await cli(`restore ${file}`);
    t.match(ran, { status, out: [] }, text);
    t.match(ran.err[0], message);
  }
  t.match(await cli(`restore ${folder}/nosuch`), { status: 4, err: [/can't be read/] });
  for (const command of ['restore', 'diff']) {
    const empty = { status: 2, out: [], err: [/is empty/, /hint.*clear/] };
    t.match(await cli(command, { input: '' }), empty, command);
  }
  t.match(await cli('restore', { columns: 80 }), { status: 2, err: [/no file is given/, /hint/] });
  t.same((await ipvs.snapshot()).services, saved.services, 'nothing was changed');
  t.match(await cli(`save ${folder}/nosuch/file`), { status: 4 });
});

// ipvsadm and the kernel take what the library refuses: it is there all the same.
t.test('diff and dry runs on a table that the library would not make', async (t) => {
  const { netns, ipvs, ipvsadm, restore } = await freshIpvs(t);
  const folder = freshFolder(t);
  const cli = cliIn(netns);
  restore('-A -f 1\n-a -f 1 -r 10.0.0.5:8080\n-a -f 1 -r 10.0.0.6:8081 -i\n');
  const file = join(folder, 'rules');
  writeFileSync(file, ipvsadm('-Sn'));
  // Services that nobody can make with ipvsadm 1.31 either.
  const serviceNumbers = { scheduler: 'wlc', timeout: 0, netmask: 0xffffffff, engine: '' };
  for (const [protocol, port, flags] of [
    [6, 0, 0],
    [6, 80, ONE_PACKET],
    [47, 80, 0],
  ] as const) {
    const service = { family: IPV4, protocol, address: parseAddress('10.0.0.1'), port, fwmark: 0 };
    const numbers = { serviceNumbers: { ...serviceNumbers, flags } };
    await sendRaw(netns, { command: Command.newService, service, ...numbers });
  }
  const before = await ipvs.snapshot();
  t.equal(before.services.length, 4);
  t.match(await cli(`diff ${file} --merge`), { status: 0, out: [], err: [] });
  const diff = await cli(`diff ${file}`);
  t.match(diff, { status: 1, err: [] });
  t.same(diff.out.sort(), ['- 47 10.0.0.1:80', '- tcp 10.0.0.1:80', '- tcp 10.0.0.1:any']);
  t.match(await cli(`restore ${file} --dry-run`), {
    status: 0,
    out: [/^- /, /^- /, /^- /, 'would be: 0 added, 0 changed, 3 removed, 3 unchanged'],
  });
  const lines = [
    'set server mark 1 10.0.0.5:8080 -w 0',
    'set server mark 1 10.0.0.6:8081 -x 5',
    'set service tcp 10.0.0.1:80 -s rr',
    'set service tcp 10.0.0.1:any -s rr',
    'remove server mark 1 10.0.0.5:8080',
  ];
  for (const line of lines) {
    const foreseen = await cli(`${line} --dry-run`);
    t.match(foreseen, { status: 0, err: [] }, line);
    t.match(
      (await cli(line)).out,
      [foreseen.out[0]?.replace(/^would (chang|remov)e/, '$1ed')],
      line,
    );
  }
});

t.test('drain waits for connections to end, and says what is left', async (t) => {
  const { ipvs, cli, json } = await lab(t);
  await ipvs.addService(web);
  await ipvs.addDestination(web, { address: '10.0.0.5' });
  for (const line of ['tcp 10.0.0.1:80 10.0.0.9', 'tcp 10.0.0.9:80 10.0.0.5']) {
    const [foreseen, real] = [await cli(`drain ${line} -n`), await cli(`drain ${line}`)];
    t.equal(real.status, 4);
    t.same({ ...foreseen, err: first(foreseen) }, { ...real, err: first(real) });
  }
  t.same((await cli('drain tcp 10.0.0.1:80 10.0.0.5 --dry-run')).out, [
    'would drain server 10.0.0.5:80 of tcp 10.0.0.1:80; 0 connections left',
  ]);
  t.match(await json('drain tcp 10.0.0.1:80 10.0.0.5 --remove --dry-run'), {
    dryRun: true,
    destination: { address: '10.0.0.5', port: 80 },
    removed: true,
  });
  t.match(await ipvs.listDestinations(web), [{ weight: 1 }], 'nothing was changed');
  t.same(await cli('drain tcp 10.0.0.1:80 10.0.0.5'), {
    status: 0,
    out: ['drained server 10.0.0.5:80 of tcp 10.0.0.1:80'],
    err: [],
  });
  t.match(await ipvs.listDestinations(web), [{ weight: 0 }]);
  t.same((await cli('drain tcp 10.0.0.1:80 10.0.0.5 --remove')).out, [
    'drained server 10.0.0.5:80 of tcp 10.0.0.1:80, and removed',
  ]);
  t.same(await ipvs.listDestinations(web), []);
});

t.test('adm is ipvsadm, and so is a link of that name', async (t) => {
  const { ipvs, netns, ipvsadm } = await freshIpvs(t);
  await ipvs.addService(web);
  await ipvs.addDestination(web, { address: '10.0.0.5' });
  const written = async (argv: readonly string[], name?: string) => {
    const terminal = new FakeTerminal();
    const status = await run(argv, terminal, name);
    return { status, out: terminal.stdout.text, err: terminal.stderr.text };
  };
  const listing = { status: 0, out: ipvsadm('-Ln'), err: '' };
  t.same(await written(['adm', '--netns', netns, '-Ln']), listing);
  t.same(await written(['--netns', netns, '--no-color', 'adm', '-Ln']), listing);
  t.same(await written(['--netns', netns, '-Ln'], 'ipvsadm'), listing);
  t.same(await written(['--netns', netns, '-n'], 'ipvsadm-save'), {
    ...listing,
    out: ipvsadm('-Sn'),
  });
  t.match(await written(['adm', '--netns', netns, '-A', '-t', '10.0.0.1:80']), {
    status: 255,
    out: '',
    err: 'Service already exists\n',
  });
});

// `ipvs list` alone is carried out without the tree of commands, with it where there is more to read.
t.test('list is the same with and without the tree of commands', async (t) => {
  for (const words of [['list'], ['list', '--json'], ['list', '--no-color']]) {
    for (const options of [{}, { columns: 80 }]) {
      const [quick, whole] = [new FakeTerminal(options), new FakeTerminal(options)];
      t.equal(await run(words, quick), 0);
      t.equal(await run([...words, '--deadline', '10s'], whole), 0);
      t.equal(quick.stdout.text, whole.stdout.text);
      t.equal(quick.stderr.text, whole.stderr.text);
    }
  }
});
