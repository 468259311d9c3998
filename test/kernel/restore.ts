// A table brought to be as a source says, on the real kernel.

import assert from 'node:assert';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import type { Test } from 'tap';
import { formatRules } from 'ipvs';
import type { Ipvs, Snapshot, TableConfig } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';
import { failureOf } from '../lab/failure.js';

t.setTimeout(120_000);

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const mail = { protocol: 'tcp', address: '10.0.0.1', port: 25 } as const;
const mark = { fwmark: 4000000000, family: 'ipv4' } as const;

/** An empty list matches every list. */
const NONE = { length: 0 };

const RULES = `
-A -t 10.0.0.1:80 -s rr -p 60
-a -t 10.0.0.1:80 -r 10.0.0.5 -w 2 -x 9 -y 3
-a -t 10.0.0.1:80 -r 10.0.0.6:8080 -m
-A -f 4000000000 -s sh -b sh-port
-a -f 4000000000 -r 10.0.0.5:8080 -g
`;

// What ipvsadm takes and the kernel keeps: an engine without persistence.
const ENGINE = '-A -u 10.0.0.1:5060 -s wlc --pe sip\n';

/** What is configured, without what was counted. */
async function configured(ipvs: Ipvs): Promise<Snapshot> {
  const snapshot = await ipvs.snapshot();
  const text = JSON.stringify(snapshot, (key, value: unknown) =>
    ['stats', 'settled'].includes(key) || key.endsWith('Connections') ? undefined : value,
  );
  return JSON.parse(text) as Snapshot;
}

t.test('rules replace a table by what differs', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.restore(`${RULES}-A -t 10.0.0.1:25\n-a -t 10.0.0.1:25 -r 10.0.0.5 -m\n`);
  const other =
    '-A -t 10.0.0.1:80 -s wrr -p 60\n-a -t 10.0.0.1:80 -r 10.0.0.5 -w 2 -x 9 -y 3\n' +
    '-a -t 10.0.0.1:80 -r 10.0.0.7\n-A -f 4000000000 -s sh -b sh-port\n' +
    '-a -f 4000000000 -r 10.0.0.5:8080 -g -w 5\n';
  const expected = {
    mode: 'replace',
    added: [{ service: web, destination: { address: '10.0.0.7', port: 80 } }],
    updated: [
      { service: web },
      { service: mark, destination: { address: '10.0.0.5', port: 8080 } },
    ],
    unchanged: 2,
    startedDaemons: NONE,
    stoppedDaemons: NONE,
  };
  // In the order in which the kernel's table has them.
  const gone = [
    { service: mail },
    { service: web, destination: { address: '10.0.0.6', port: 8080 } },
  ];
  const before = await configured(ipvs);
  const dry = await ipvs.restore(other, { dryRun: true });
  t.match(dry, { ...expected, dryRun: true, removed: gone });
  t.strictSame(await configured(ipvs), before, 'a dry run changes nothing');
  const result = await ipvs.restore(other);
  t.match(result, { ...expected, dryRun: false, removed: gone });
  t.strictSame(result.timeouts, {});
  t.match(await ipvs.restore(other), { added: NONE, updated: NONE, removed: NONE, unchanged: 5 });
  const services = await ipvs.listServices();
  t.strictSame(
    services.map((each) => each.scheduler),
    ['wrr', 'sh'],
  );
  t.match(await ipvs.listDestinations(mark), [{ address: '10.0.0.5', port: 8080, weight: 5 }]);
});

t.test('merged, what the source does not name stays', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.restore(RULES);
  const result = await ipvs.restore(
    '-A -t 10.0.0.1:25\n-A -t 10.0.0.1:80 -s rr -p 90\n-e -t 10.0.0.1:80 -r 10.0.0.5\n' +
      '-d -t 10.0.0.1:80 -r 10.0.0.6:8080\n',
    { mode: 'merge' },
  );
  t.match(result, {
    mode: 'merge',
    added: [{ service: mail }],
    removed: [{ service: web, destination: { address: '10.0.0.6', port: 8080 } }],
  });
  t.equal(result.updated.length, 2);
  t.match(await ipvs.getService(web), { persistence: { timeout: 90 } });
  t.match(await ipvs.listDestinations(web), [{ weight: 1, upperThreshold: 0 }]);
  t.match(await ipvs.getService(mark), { scheduler: 'sh' });
  const services = [{ ...web, scheduler: 'lc', destinations: [{ address: '10.0.0.9' }] }];
  t.match(await ipvs.restore({ services }, { mode: 'merge' }), {
    added: [{ service: web, destination: { address: '10.0.0.9' } }],
    updated: [{ service: web }],
    removed: NONE,
  });
  t.equal((await ipvs.listDestinations(web)).length, 2);
});

t.test('a snapshot restores everything, as an object, JSON or YAML', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.restore(RULES);
  await ipvs.setTimeouts({ tcp: 60, udp: 70 });
  const daemon = { role: 'backup', interface: 'lo', syncId: 7, port: 9000 } as const;
  await ipvs.startSyncDaemon(daemon);
  const full = await ipvs.snapshot();
  const saved = await configured(ipvs);
  const yaml = `# saved\nservices: ${JSON.stringify(full.services)}
timeouts: { tcp: 60, tcpFin: 120, udp: 70 }
syncDaemons:
  - { role: backup, interface: lo, syncId: 7, port: 9000 }
`;
  const { warnings } = formatRules(full);
  t.equal(warnings.length, 2, 'rules say nothing of timeouts and daemons, and say so');
  for (const source of [full, JSON.stringify(full), JSON.stringify(full, null, 2), yaml]) {
    await ipvs.flush();
    await ipvs.setTimeouts({ tcp: 900, udp: 300 });
    await ipvs.stopSyncDaemon('backup');
    await ipvs.startSyncDaemon({ role: 'backup', interface: 'lo', syncId: 8 });
    t.match(await ipvs.restore(source), {
      timeouts: { tcp: 60, udp: 70 },
      startedDaemons: ['backup'],
      stoppedDaemons: ['backup'],
    });
    t.strictSame(await configured(ipvs), saved);
    t.match(await ipvs.restore(source), { added: NONE, timeouts: {}, startedDaemons: NONE });
  }
  // Without a word about daemons they go on, with an empty list they end.
  await ipvs.restore({ services: full.services });
  t.strictSame(await configured(ipvs), saved);
  await ipvs.restore({ services: [], syncDaemons: [] }, { mode: 'merge' });
  t.strictSame(await configured(ipvs), saved, netns);
  t.match(await ipvs.restore({ services: [], syncDaemons: [] }), { stoppedDaemons: ['backup'] });
  t.strictSame(await ipvs.listSyncDaemons(), []);
});

t.test('an engine without persistence comes back', async (t) => {
  const { ipvs, restore } = await freshIpvs(t);
  restore(ENGINE);
  const saved = await configured(ipvs);
  t.match(saved.services, [{ engine: 'sip' }]);
  t.strictSame(formatRules(saved), { text: ENGINE, warnings: [] });
  for (const source of [ENGINE, saved]) {
    await ipvs.flush();
    await ipvs.restore(source);
    t.strictSame(await configured(ipvs), saved);
    t.match(await ipvs.restore(source), { unchanged: 1 });
  }
  t.equal(await ipvs.ensureService(saved.services[0] ?? web), 'unchanged');
});

t.test('an abort before the first change leaves all as it was', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.restore(RULES);
  const before = await configured(ipvs);
  const late = new AbortController();
  const calls = [
    ipvs.restore('', { signal: AbortSignal.abort() }),
    ipvs.restore('', { signal: late.signal }),
  ];
  late.abort();
  for (const call of calls) t.match(await failureOf(call), { code: 'ABORT_ERR' });
  t.strictSame(await configured(ipvs), before);
});

t.test('timeouts, daemons and counters among rules', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const rules = '--set 60 0 70\n--start-daemon backup --mcast-interface lo --syncid 3\n-Z\n-C\n';
  t.match(await ipvs.restore(rules), {
    timeouts: { tcp: 60, udp: 70 },
    startedDaemons: ['backup'],
    zeroed: 'all',
  });
  t.match(await ipvs.getTimeouts(), { tcp: 60, tcpFin: 120, udp: 70 });
  t.match(await ipvs.listSyncDaemons(), [{ role: 'backup', syncId: 3 }]);
  t.match(await ipvs.restore('--stop-daemon backup\n'), {
    stoppedDaemons: ['backup'],
    zeroed: NONE,
  });
  t.strictSame(await ipvs.listSyncDaemons(), []);
  const some = '-A -f 1\n-A -f 2\n-Z -f 1\n-Z -f 2\n-Z -f 1\n-D -f 2\n';
  t.strictSame((await ipvs.restore(some, { dryRun: true })).zeroed, [
    { fwmark: 1, family: 'ipv4' },
  ]);
});

/** A table of so many services with three real servers each. */
function manyRules(count: number, weight: number, first = 0): string {
  const lines: string[] = [];
  for (let n = first; n < first + count; n++) {
    const name = `-t 10.1.${n >> 8}.${n & 255}:80`;
    lines.push(`-A ${name} -s rr`);
    for (const host of [1, 2, 3]) lines.push(`-a ${name} -r 10.2.0.${host} -m -w ${weight}`);
  }
  return `${lines.join('\n')}\n`;
}

t.test('a mistake in the last line of 4,000 changes nothing', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.restore(RULES);
  const before = await configured(ipvs);
  const many = manyRules(1000, 1);
  const refuses = async (last: string, reason: RegExp, column = 1) => {
    const error = await failureOf(ipvs.restore(`${many}${last}\n`, { file: 'new.rules' }));
    t.match(error, { code: 'ERR_IPVS_RULES', file: 'new.rules', line: 4001, column }, last);
    t.match(error.message, reason, last);
    t.strictSame(await configured(ipvs), before, 'nothing was changed');
  };
  await refuses('-a -t 10.1.0.0:80 -r 10.2.0.4 -w x', /illegal weight/, 34);
  await refuses('-A -t 10.1.0.0:80', /there already, since line 1 /);
  await refuses('-a -t 10.1.0.0:80 -r 10.2.0.1', /there already, since line 2 /);
  await refuses('-a -t 10.1.0.0:81 -r 10.2.0.1', /no such service at this line/);
  await refuses('-d -t 10.1.0.0:80 -r 10.2.0.9', /no such real server at this line/);
  await refuses('-A -t 10.1.0.0:81 -s nosuch', /this kernel has no scheduler 'nosuch'/);
  const table = { services: [{ ...web, scheduler: 'nosuch' }] };
  t.match(await failureOf(ipvs.restore(table)), { code: 'ERR_IPVS_SCHEDULER' });
  t.strictSame(await configured(ipvs), before, 'nothing was changed');
});

// Catches what would only be refused once the table is another one.
t.test('a bad line is found before anything changes, whatever is bad about it', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.restore(RULES);
  const before = await configured(ipvs);
  const refuses = async (lines: string, code: string, reason: RegExp, source?: unknown) => {
    const error = await failureOf(ipvs.restore((source ?? `-A -f 1\n${lines}\n`) as string));
    t.match(error, { code }, lines);
    t.match(error.message, reason, lines);
    t.strictSame(await configured(ipvs), before, 'nothing was changed');
  };
  const rules = (line: string, reason: RegExp) => refuses(line, 'ERR_IPVS_RULES', reason);
  await rules(
    '-a -f 1 -r 224.0.0.1 -m',
    /^rules:2:1: .* must be unicast, and this one is multicast/,
  );
  await rules('-a -f 1 -r 0.0.0.0 -m', /must be unicast, and this one is unspecified/);
  await rules('-a -f 1 -r 255.255.255.255 -m', /this one is the broadcast address/);
  await rules(
    '-a -f 1 -r fe80::1 -i',
    /^rules:2:1: .* link-local address can't be a real server's/,
  );
  await rules('-Z -t 10.0.0.1:81', /^rules:2:1: there is no such service at this line/);
  await rules('-D -f 1\n-Z -f 1', /^rules:3:1: there is no such service at this line/);
  await rules(
    '--start-daemon master --mcast-interface nosuch',
    /^rules:2:1: .*no such network interface in this network namespace/,
  );
  await rules(
    '-a -f 1 -r 2001:db8::5 -i\n--start-daemon backup --mcast-interface lo',
    /^rules:2:1: .* another address family can't be there with a sync daemon/,
  );
  const object = (destination: object, syncDaemons: object[] = []) => ({
    services: [{ fwmark: 1, destinations: [{ forwarding: 'tun', ...destination }] }],
    syncDaemons,
  });
  const place = /table\.services\[0\]\.destinations\[0\]\.address' must be unicast/;
  await refuses('multicast', 'ERR_INVALID_ARG_VALUE', place, object({ address: '224.0.0.1' }));
  await refuses(
    'link-local',
    'EINVAL',
    /^add|restore .*link-local/,
    object({ address: 'fe80::1' }),
  );
  const daemon = { role: 'master', interface: 'nosuch' };
  await refuses(
    'interface',
    'ENODEV',
    /no such network/,
    object({ address: '10.0.0.5' }, [daemon]),
  );
  const mixed = object({ address: '2001:db8::5' }, [{ ...daemon, interface: 'lo' }]);
  await refuses('mixed', 'EINVAL', /another address family/, mixed);

  // An address of the host's own, another name of an interface, and counters of what goes later.
  execFileSync('ip', ['-n', netns, 'address', 'add', 'fe80::1/64', 'dev', 'lo', 'nodad']);
  execFileSync('ip', ['-n', netns, 'link', 'property', 'add', 'dev', 'lo', 'altname', 'loopback']);
  await ipvs.restore('-A -f 1\n-A -f 2 -6\n-a -f 2 -6 -r fe80::1 -m\n-Z -f 1\n-D -f 1\n');
  await ipvs.restore('--start-daemon backup --mcast-interface loopback\n', { mode: 'merge' });
  t.match(await ipvs.listServices(), [{ fwmark: 2 }]);
  t.equal((await ipvs.listSyncDaemons()).length, 1);
});

// Catches a daemon that is stopped at the start, and stays so when something is refused.
t.test('a restore that fails leaves the sync daemons as they were', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const old = { role: 'backup', interface: 'lo', syncId: 1 } as const;
  await ipvs.startSyncDaemon(old);
  const before = await ipvs.listSyncDaemons();
  const broadcast = { address: '127.255.255.255', port: 80, forwarding: 'nat' } as const;
  const services = [{ fwmark: 1, destinations: [broadcast] }];
  const fails = async (source: TableConfig, code: string) => {
    t.match(await failureOf(ipvs.restore(source)), { code, name: 'IpvsError' });
    t.strictSame(await ipvs.listSyncDaemons(), before);
  };
  await fails({ services, syncDaemons: [{ ...old, syncId: 2 }] }, 'EINVAL');
  await fails({ services, syncDaemons: [] }, 'EINVAL');
  // The new one can't start: its interface has no address of the group's family.
  execFileSync('ip', ['-n', netns, 'link', 'add', 'dum0', 'type', 'dummy']);
  const unable = { ...old, role: 'master', interface: 'dum0', group: 'ff02::81' } as const;
  await ipvs.startSyncDaemon({ ...old, role: 'master', group: '224.0.0.82', ttl: 3 });
  const both = await ipvs.listSyncDaemons();
  const error = await failureOf(ipvs.restore({ services: [], syncDaemons: [old, unable] }));
  t.match(error, { name: 'IpvsError', code: 'ENETUNREACH' });
  t.strictSame(await ipvs.listSyncDaemons(), both, 'the old one runs again');
  await ipvs.stopSyncDaemon('master');

  // Destinations of another family exclude it, so that it has to go first.
  const six = { address: '2001:db8::5', forwarding: 'tun' } as const;
  const mixed = { fwmark: 2, destinations: [six] } as const;
  await ipvs.restore({ services: [], syncDaemons: [old] });
  await ipvs.restore({ services: [mixed], syncDaemons: [] });
  t.strictSame(await ipvs.listSyncDaemons(), []);
  await ipvs.restore({ services: [], syncDaemons: [old] });
  t.strictSame(await ipvs.listSyncDaemons(), before);
  await fails({ services: [{ ...mixed, fwmark: 1, destinations: [broadcast] }, mixed] }, 'EINVAL');
});

t.test('what the kernel refuses is told, and nothing is removed then', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await ipvs.restore(RULES);
  const error = await failureOf(
    ipvs.restore('-A -t 10.0.0.1:25\n-a -t 10.0.0.1:25 -r 127.255.255.255 -m\n'),
  );
  t.match(error, { name: 'IpvsError', code: 'EINVAL', command: 'restore' });
  t.match(error.message, /1 of 2 changes were refused; the first: add destination 127\.255/);
  const services = await ipvs.listServices();
  t.equal(services.length, 3, 'what was there is there');
});

t.test('what makes no sense in an object is named by its place', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const refuses = async (source: unknown, message: RegExp, options?: unknown) => {
    const error = await failureOf(ipvs.restore(source as never, options as never));
    t.match(error.message, message);
  };
  const list = (...destinations: object[]) => ({ services: [{ ...web, destinations }] });
  await refuses(1, /'source' must be a string or an object/);
  await refuses({}, /'table\.services' must be an array/);
  await refuses({ services: [], more: 1 }, /'table\.more' is not known/);
  await refuses({ services: [web, web] }, /'table\.services\[1\]' is there twice/);
  await refuses({ services: [{ ...web, port: 0 }] }, /'table\.services\[0\]\.port'/);
  const twice = [{ address: '10.0.0.5' }, { address: '10.0.0.5', port: 80 }];
  await refuses(list(...twice), /'table\.services\[0\]\.destinations\[1\]' is there twice/);
  await refuses(list({ address: '10.0.0.5', weight: -1 }), /destinations\[0\]\.weight'/);
  await refuses(list({ address: '10.0.0.5', port: 81 }), /destinations\[0\]\.port' must be/);
  await refuses({ services: [], timeouts: { tcp: -1 } }, /'table\.timeouts\.tcp'/);
  await refuses({ services: [], syncDaemons: [{}] }, /'table\.syncDaemons\[0\]\.role'/);
  await refuses('services: [}', /^rules:1:12: /);
  const file = 'table.yaml';
  const placed = async (text: string, place: object, reason: RegExp) => {
    const error = await failureOf(ipvs.restore(text, { file }));
    t.match(error, { code: 'ERR_IPVS_RULES', file, ...place, reason }, text);
  };
  const port = 'services:\n  - { protocol: tcp, address: 10.0.0.1, port: 99999 }';
  await placed(
    port,
    { line: 2, column: 47 },
    /^The property 'services\[0\]\.port' is out of range/,
  );
  const weight = JSON.stringify(list({ address: '10.0.0.5', weight: -1 }), null, 1);
  await placed(weight, { line: 10, column: 16 }, /'services\[0\]\.destinations\[0\]\.weight'/);
  await placed('{"services":[],"timeouts":{"tcp":-1}}', { line: 1, column: 34 }, /'timeouts\.tcp'/);
  await placed('services: [*web]', { line: 1, column: 12 }, /Unresolved alias/);
  await refuses('', /'options\.mode' must be one of 'replace', 'merge'/, { mode: 'add' });
  await refuses('', /'options\.dryRun' must be a boolean/, { dryRun: 1 });
  await refuses('', /'options\.more'/, { more: 1 });
});

// Catches a restore that clears first, or removes before it adds. A half of the services is there all the
// time with another weight each round, the other half goes and others come. `ipvs list` is a reader too, by both
// of its ways. Not ipvsadm: it takes what the kernel gives, which passes over services where others go in the middle of a listing.
t.test(
  'while half of 1,000 services is replaced, no listing lacks one of the others',
  async (t) => {
    const { ipvs, netns } = await freshIpvs(t);
    const rules = (round: number) =>
      manyRules(KEPT, round) + manyRules(500, 1, round % 2 === 0 ? KEPT : 1000);
    await ipvs.restore(rules(0));
    const listings = await listWhile(t, netns, async (count) => {
      for (let round = 1; round <= 8 || (round <= 100 && count() < 4); round++) {
        await ipvs.restore(rules(round));
      }
    });
    t.equal(new Set(listings.map(({ how }) => how)).size, 4, `${listings.length} listings`);
    for (const { how, services, lacking } of listings) {
      if (lacking > 0) t.fail(`${how} of ${services} services lacks ${lacking}`);
    }
  },
);

const KEPT = 500;

interface Listing {
  readonly how: string;
  readonly services: number;
  readonly lacking: number;
}

/** Another process lists the table over and over; `work` may ask how often it has by now. */
async function listWhile(
  t: Test,
  netns: string,
  work: (count: () => number) => Promise<void>,
): Promise<readonly Listing[]> {
  const program = `
    const { Ipvs } = require(${JSON.stringify(require.resolve('ipvs'))});
    const { run } = require(${JSON.stringify(require.resolve('#lib/cli/run'))});
    async function cli(...words) {
      let text = '';
      const stdout = { write: (portion) => ((text += portion), true) };
      await run([...words, '--json'], { stdout, stderr: process.stderr, env: {} });
      return JSON.parse(text).services;
    }
    (async () => {
      const ipvs = await Ipvs.open();
      const readers = Object.entries({
        listServices: () => ipvs.listServices(),
        snapshot: async () => (await ipvs.snapshot()).services,
        'ipvs list': () => cli('list'),
        'ipvs list tcp': () => cli('list', 'tcp'),
      });
      let over = false;
      process.stdin.on('end', () => (over = true)).resume();
      console.log('begun');
      for (let n = 0; !over; n++) {
        const [how, read] = readers[n % readers.length];
        const services = await read();
        const seen = new Set(services.map((each) => each.address + ' ' + each.port));
        let lacking = 0;
        for (let n = 0; n < ${KEPT}; n++) {
          if (!seen.has('10.1.' + (n >> 8) + '.' + (n & 255) + ' 80')) lacking++;
        }
        console.log(JSON.stringify({ how, services: services.length, lacking }));
      }
      await ipvs.close();
    })();`;
  // Inside: without words, 'ipvs list' goes its quick way, which is of its own namespace.
  const words = ['netns', 'exec', netns, process.execPath, '-e', program];
  const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill());
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child.stdout, 'data');
  const lines = () => output.trim().split('\n').slice(1);
  await work(() => lines().length);
  child.stdin.end();
  const [status] = (await once(child, 'close')) as [number];
  assert.equal(status, 0);
  return lines().map((line) => JSON.parse(line) as Listing);
}
