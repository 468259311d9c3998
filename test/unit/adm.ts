// The drop-in where a real kernel hardly ever is: large counters, marks with connections, failures. What
// is expected here is what ipvsadm 1.31's formats make of such numbers.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { runAdm } from '#lib/cli/adm/run';
import { connectionLine } from '#lib/cli/adm/connections';
import { inNames, inNumbers } from '#lib/cli/adm/endpoint';
import { destinationLine, serviceLine } from '#lib/cli/adm/listing';
import { messageOf } from '#lib/cli/adm/messages';
import {
  KernelOrder,
  areDestinationsOrdered,
  areOrdered,
  sortDestinations,
  sortServices,
} from '#lib/cli/adm/order';
import { Channels } from '#lib/channel';
import { parseCommand } from '#lib/rules/command';
import { readRules } from '#lib/rules/parse';
import { Target } from '#lib/rules/target';
import { Fault, NativeFailure } from '#lib/native';
import { Command } from '#lib/records';
import type { ConnectionRecord, DestinationRecord, ServiceRecord } from '#lib/records';
import { DIFFERENCES } from '../fixtures/adm-differences.js';
import { Differences } from '../lab/adm-differences.js';
import { FakeChannel, refused, restOfAddon } from '../fixtures/fake-addon.js';
import type { Answer, FakeConnectionList, TableEntry } from '../fixtures/fake-addon.js';
import { noTraffic, unused } from '../lab/objects.js';

const differences = new Differences('unit');

const service: ServiceRecord<bigint | number> = {
  family: 2,
  protocol: 6,
  address: '10.0.0.1',
  port: 80,
  fwmark: 0,
  scheduler: 'rr',
  flags: 0,
  timeout: 0,
  netmask: 0xffffffff,
  engine: '',
  wideStats: 1,
  stats: noTraffic,
};

const destination: DestinationRecord<bigint | number> = {
  family: 2,
  address: '10.0.0.5',
  port: 80,
  forwarding: 0,
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
  ...unused,
};

// ---- lines

t.test('counters are abbreviated from 100 million on, and exact ones are not', async (t) => {
  const line = async (number: bigint, exact: boolean) => {
    const stats = { ...noTraffic, incomingBytes: number };
    const text = await serviceLine({ ...service, stats }, { view: 'stats', exact }, inNumbers);
    const same = await destinationLine(
      { ...destination, stats },
      6,
      { view: 'stats', exact },
      inNumbers,
    );
    t.equal(same.slice(33), text.slice(33), 'a real server counts alike');
    return text.slice(33 + 27, -10);
  };
  const cases: [bigint, string, string][] = [
    [0n, '        0', '        0'],
    [99_999_999n, ' 99999999', ' 99999999'],
    [100_000_000n, '  100000K', ' 100000000'],
    [999_999_999n, '  999999K', ' 999999999'],
    [1_000_000_000n, '    1000M', ' 1000000000'],
    [99_999_999_999n, '   99999M', ' 99999999999'],
    [100_000_000_000n, '     100G', ' 100000000000'],
    [99_999_999_999_999n, '   99999G', ' 99999999999999'],
    [100_000_000_000_000n, '     100T', ' 100000000000000'],
    [2n ** 64n - 1n, '18446744T', ' 18446744073709551615'],
  ];
  for (const [number, short, exact] of cases) {
    t.equal(await line(number, false), short);
    t.equal(await line(number, true), exact);
  }
});

t.test('rates of real servers have narrower columns than those of services', async (t) => {
  const stats = {
    ...noTraffic,
    connectionRate: 5_000_000_000n,
    incomingPacketRate: 123_456_789n,
    outgoingByteRate: 123_456_789n,
  };
  const layout = { view: 'rate', exact: false } as const;
  differences.meet('large counters');
  t.equal(
    await destinationLine({ ...destination, stats }, 6, layout, inNumbers),
    '  -> 10.0.0.5:80                  5000000000 123456789        0        0  123456K\n',
  );
  t.equal(
    await serviceLine({ ...service, stats }, layout, inNumbers),
    'TCP  10.0.0.1:80                     5000M  123456K        0        0  123456K\n',
  );
  t.end();
});

t.test('names are cut where ipvsadm cuts them', async (t) => {
  const name = 'a-name-that-is-longer-than-any-column-of-ipvsadm-and-longer-still.example';
  const names = inNames({
    address: () => Promise.resolve(undefined),
    host: () => Promise.resolve(name),
    port: () => undefined,
    service: () => 'http',
  });
  const layout = { view: 'plain', exact: false } as const;
  t.equal(await serviceLine(service, layout, names), `TCP  ${name.slice(0, 28)} rr\n`);
  const line = await destinationLine(destination, 6, layout, names);
  t.equal(line, `  -> ${name.slice(0, 28)} Masq    1      0          0         \n`);
  const six = { ...service, family: 10, address: '2001:db8::1', netmask: 128 };
  t.equal(await serviceLine(six, layout, names), `TCP  [${name.slice(0, 58)} rr\n`);
});

const connection: ConnectionRecord = {
  protocol: 6,
  isTemplate: 0,
  client: { address: '10.1.0.2', port: 40000 },
  virtual: { address: '10.0.0.1', port: 80 },
  destination: { address: '10.0.0.5', port: 8080 },
  fwmark: 0,
  state: 'ESTABLISHED',
  expires: 899,
  origin: 0,
  engine: '',
  engineData: '',
};

t.test('connections, their templates, and what an engine knows', async (t) => {
  const line = (changes: Partial<ConnectionRecord>, withEngine = false) =>
    connectionLine({ ...connection, ...changes }, withEngine, inNumbers);
  t.equal(
    await line({}),
    'TCP 14:59  ESTABLISHED 10.1.0.2:40000     10.0.0.1:80        10.0.0.5:8080\n',
  );
  t.match(await line({ expires: 6001 }), /^TCP 100:01 /);
  // The mark stands where the address would be.
  const mark = { protocol: 0, isTemplate: 1, fwmark: 4000000000, state: 'NONE' };
  const template = { ...mark, client: { address: '10.1.0.0', port: 0 } };
  const virtual = { address: '', port: 0 };
  t.equal(
    await line({ ...template, virtual }),
    'IP  14:59  NONE        10.1.0.0:0         238.107.40.0:0     10.0.0.5:8080\n',
  );
  const client = { address: 'fd01::', port: 0 };
  t.match(await line({ ...template, client, virtual }), /\[fd01::\]:0 +\[ee6b:2800::\]:0 /);
  const sip = { protocol: 17, state: 'UDP', engine: 'sip', engineData: 'a84b@host and more' };
  t.equal(
    await line(sip, true),
    'UDP 14:59  UDP         10.1.0.2:40000     10.0.0.1:80        10.0.0.5:8080    sip                a84b@host\n',
  );
  t.notMatch(await line(sip), 'sip');
  t.notMatch(await line({ ...sip, engineData: '' }, true), 'sip', 'without data it is left out');
  differences.meet('long connection lines');
  t.ok((await line({ ...sip, engineData: 'x'.repeat(255) }, true)).includes('x'.repeat(255)));
});

t.test('tunnels that nobody can name', async (t) => {
  const tun = { ...destination, forwarding: 2 };
  const layout = { view: 'tun-info', exact: false } as const;
  const line = async (changes: object) =>
    (await destinationLine({ ...tun, ...changes }, 6, layout, inNumbers)).slice(34, 56);
  t.equal(await line({}), 'Tunnel  ipip          ');
  t.equal(
    await line({ tunnelType: 1, tunnelPort: 6080, tunnelFlags: 2 }),
    'Tunnel  gue:6080:r+c  ',
  );
  t.equal(await line({ tunnelType: 2, tunnelFlags: 1 }), 'Tunnel  gre:+c        ');
  t.equal(await line({ tunnelType: 1, tunnelPort: 1, tunnelFlags: 3 }), 'Tunnel  gue:1:?3      ');
  t.equal(await line({ tunnelType: 9 }), 'Tunnel  n/a           ');
  t.equal(await line({ forwarding: 4 }), '(null)  n/a           ');
});

// ---- order

t.test('addresses more than 2^31 apart come the wrong way round', (t) => {
  const at = (address: string, port = 80) => ({ ...service, address, port });
  const order = (addresses: readonly string[]) =>
    sortServices(addresses.map((each) => at(each))).map((each) => each.address);
  t.strictSame(order(['10.0.0.1', '192.168.0.1']), ['192.168.0.1', '10.0.0.1']);
  t.strictSame(order(['10.0.0.2', '10.0.0.1', '9.255.0.0']), ['9.255.0.0', '10.0.0.1', '10.0.0.2']);
  // No order at all: it depends on what is compared with what.
  t.strictSame(order(['10.0.0.1', '100.0.0.1', '172.16.0.1']), [
    '10.0.0.1',
    '100.0.0.1',
    '172.16.0.1',
  ]);
  t.strictSame(order(['172.16.0.1', '10.0.0.1', '100.0.0.1']), [
    '172.16.0.1',
    '10.0.0.1',
    '100.0.0.1',
  ]);
  const marks = [4000000000, 1, 5].map((fwmark) => ({ ...service, fwmark }));
  t.strictSame(
    sortServices(marks).map((each) => each.fwmark),
    [4000000000, 1, 5],
  );
  const others = [
    { ...service, protocol: 17 },
    { ...service, family: 10, address: '::1' },
    { ...service, fwmark: 1 },
    { ...service, port: 8 },
    service,
  ];
  t.strictSame(
    sortServices(others).map((each) => others.indexOf(each)),
    [3, 4, 0, 1, 2],
  );
  t.end();
});

t.test('close together, they are sorted by number', (t) => {
  const record = fc.record({
    family: fc.constant(2),
    address: fc.integer({ min: 0, max: 255 }).map((n) => `10.0.0.${n}`),
    port: fc.integer({ min: 0, max: 65535 }),
  });
  const number = ({ address, port }: { address: string; port: number }) =>
    Number(address.slice(7)) * 65536 + port;
  fc.assert(
    fc.property(fc.array(record, { maxLength: 40 }), (records) => {
      const sorted = [...records].sort((a, b) => number(a) - number(b));
      t.strictSame(sortDestinations(records).map(number), sorted.map(number));
    }),
    { numRuns: 50 },
  );
  t.end();
});

t.test('it is told where the order depends on the one before', (t) => {
  const at = (address: string) => ({ ...service, address });
  const near = [at('10.0.0.1'), at('10.0.0.2'), at('127.0.0.1')];
  t.ok(areOrdered(near) && areDestinationsOrdered(near));
  const far = [...near, at('192.168.0.1')];
  t.notOk(areOrdered(far));
  t.notOk(areDestinationsOrdered(far));
  t.notOk(areOrdered([1, 4000000000].map((fwmark) => ({ ...service, fwmark }))));
  const six = { ...service, family: 10, address: '::1' };
  t.ok(areOrdered([service, six]), 'families of services are compared before their addresses');
  t.notOk(areDestinationsOrdered([service, six]));
  t.ok(areOrdered([]) && areDestinationsOrdered([]));
  t.end();
});

t.test("the kernel's file is read where its order counts, and missed aloud", async (t) => {
  const table: Fake = { entries: [[service, [destination]]] };
  const told = { status: 0, stderr: /^\/proc\/net\/ip_vs can't be read: the order is not/ };
  t.match(await run(['-Ln', '--nosort'], table), told);
  t.match(await run(['-Ln'], table), { status: 0, stderr: '' });
  t.match(await run(['-Sn'], table), { status: 0, stderr: '' });
  const far = [service, { ...service, address: '192.168.0.1' }];
  t.match(await run(['-Ln'], { entries: far.map((each) => [each, []]) }), told);
});

t.test("the kernel's own order is that of its file", (t) => {
  const order = new KernelOrder(`IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  0A000001:0035 wlc  ops
TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0050 wlc persistent 36000 80000000
  -> [2001:0db8:0000:0000:0000:0000:0000:00ab]:0050      Tunnel  1      0          0
  -> 0A000005:1F90      Masq    1      0          0
FWM  EE6B2800 wlc
FWM  00000001 wlc
FWM  00000001 wlc
TCP  0A000001:0050 rr
`);
  const six = { ...service, family: 10, address: '2001:db8::1' };
  const wanted = [
    { ...service, protocol: 17, port: 53 },
    six,
    { ...service, fwmark: 4000000000 },
    { ...service, fwmark: 1 },
    { ...service, fwmark: 1, family: 10 },
    service,
    { ...service, port: 9 }, // came later
  ];
  t.strictSame(order.services([...wanted].reverse()), wanted);
  const destinations = [
    { family: 10, address: '2001:db8::ab', port: 80 },
    { family: 2, address: '10.0.0.5', port: 8080 },
    { family: 2, address: '10.0.0.6', port: 1 },
  ];
  t.strictSame(order.destinations(six, [...destinations].reverse()), destinations);
  t.end();
});

// ---- failures

interface Fake {
  readonly answer?: (command: number) => Answer;
  /** What is listed; otherwise listings are refused. */
  readonly entries?: readonly TableEntry[];
  readonly onList?: (list: FakeConnectionList) => void;
}

/** Runs it against a kernel that answers as it is told. */
async function run(
  args: readonly string[],
  { answer, entries, onList }: Fake = {},
  program = 'ipvsadm',
) {
  class Channel extends FakeChannel {
    override onExchange = ({
      rows,
      finish,
    }: Parameters<NonNullable<FakeChannel['onExchange']>>[0]) => {
      setImmediate(() => {
        finish(
          rows.map(({ command }) => {
            const said = answer?.(command);
            const info = { version: 0x010201, connectionTableSize: 4096 };
            return said ?? (command === Command.getInfo ? info : undefined);
          }),
        );
      });
    };
    override onDump = ({ finish }: Parameters<NonNullable<FakeChannel['onDump']>>[0]) => {
      setImmediate(() => {
        finish([]);
      });
    };
    override onTable = ({ finish }: Parameters<NonNullable<FakeChannel['onTable']>>[0]) => {
      setImmediate(() => {
        finish(entries ?? refused(1));
      });
    };
  }
  const channels = Channels.unopened({ Channel, ...restOfAddon(onList) }, 10_000);
  let stdout = '';
  let stderr = '';
  const options = {
    channels, // for tests only, and so not among the types
    program,
    stdin: noInput(),
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  };
  const status = await runAdm(args, options);
  return { status, stdout, stderr };
}

// eslint-disable-next-line @typescript-eslint/require-await -- as a stream gives it
async function* noInput(): AsyncIterable<string> {
  yield '';
}

t.test('without IPVS, or without rights, it is said as ipvsadm says it', async (t) => {
  const hint = 'Are you sure that IP Virtual Server is built in the kernel or as module?\n';
  const failing = (failure: NativeFailure): Fake => ({ answer: () => failure });
  const none = failing(new NativeFailure(Fault.unavailable, 2, '', ''));
  const result = {
    status: 2,
    stdout: '',
    stderr: `Can't initialize ipvs: Protocol not available\n${hint}`,
  };
  for (const args of [['-L'], ['-h'], ['--foo'], []]) t.strictSame(await run(args, none), result);
  differences.meet('modprobe');
  t.strictSame(await run([], none, 'ipvsadm-restore'), result);
  differences.meet('restore without IPVS');
  t.strictSame(await run(['-L'], failing(refused(1))), {
    ...result,
    stderr: `Can't initialize ipvs: Permission denied (you must be root)\n${hint}`,
  });
});

t.test('failures of listings', async (t) => {
  const denied = { status: 1, stderr: 'Permission denied (you must be root)\n' };
  t.strictSame(await run(['-Ln']), {
    ...denied,
    stdout: 'IP Virtual Server version 1.2.1 (size=4096)\n',
  });
  t.strictSame(await run(['-Sn']), { ...denied, stdout: '' });
  t.strictSame(await run([]), {
    ...denied,
    stdout: 'IP Virtual Server version 1.2.1 (size=4096)\n',
  });
  const noTimeouts: Fake = { answer: (command) => (command === 13 ? refused(1) : undefined) };
  t.strictSame(await run(['-L', '--timeout'], noTimeouts), { status: 1, stdout: '', stderr: '' });
  const unreadable: Fake = {
    onList: (list) => {
      list.portions = [new NativeFailure(Fault.systemCall, 2, 'open', '')];
    },
  };
  t.strictSame(await run(['-Lnc'], unreadable), {
    status: 1,
    stdout: '',
    stderr: 'cannot open file /proc/net/ip_vs_conn\n',
  });
});

t.test('the program calls itself as ipvsadm does', async (t) => {
  differences.meet('own name');
  const tryHelp = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n";
  for (const program of ['ipvsadm', '/usr/sbin/ipvsadm']) {
    t.strictSame(await run(['foo'], {}, program), { status: 255, stdout: '', stderr: tryHelp });
  }
  t.match((await run(['-h'])).stdout, /^ipvsadm v1\.31 2019\/12\/24 .*\nUsage:\n {2}ipvsadm -A\|E/);
  t.match(await run(['-v']), { status: 0, stdout: /^ipvsadm v1\.31 .*\n$/ });
});

t.test('a stop that is not answered is looked after', async (t) => {
  differences.meet('unanswered stop');
  const silent = new NativeFailure(Fault.noAnswer, 0, '', '');
  const stop: Fake = { answer: (command) => (command === 10 ? silent : undefined) };
  t.strictSame(await run(['--stop-daemon', 'master'], stop), { status: 0, stdout: '', stderr: '' });
});

t.test('messages for what the kernel says', (t) => {
  t.equal(messageOf(refused(34), 'add-server'), 'Numerical result out of range');
  t.equal(messageOf(refused(95), 'add-server'), 'Operation not supported with IPv6');
  t.equal(messageOf(refused(2), 'add-server'), 'No such file or directory');
  t.equal(messageOf(refused(2), 'edit-server'), 'No such destination');
  t.equal(messageOf(refused(131), 'set'), 'Unknown error 131');
  t.equal(
    messageOf(new NativeFailure(Fault.noAnswer, 0, '', ''), 'set'),
    'the kernel did not answer',
  );
  t.end();
});

// ---- documentation

const documentation = (name: string) =>
  readFileSync(join(__dirname, '..', '..', 'docs', name), 'utf8');

t.test('docs/migrating-from-ipvsadm.md has commands that can be read, and all of them', (t) => {
  const text = documentation('migrating-from-ipvsadm.md');
  const commands = [...text.matchAll(/^\| `ipvsadm (-[^`]*)`/gm)].map(([, words = '']) => words);
  const names = new Set<string>();
  const options = new Set<string>();
  for (const words of commands) {
    const read = parseCommand(words.split(' '), {
      address: () => undefined,
      port: () => undefined,
    });
    names.add(read.name);
    for (const option of read.options) options.add(option);
  }
  const all =
    'add-service edit-service delete-service flush list add-server delete-server edit-server';
  const others = 'set start-daemon stop-daemon restore save zero';
  t.strictSame([...names].sort(), `${all} ${others}`.split(' ').sort());
  // Left out: --nosort, a tunnel's checksums, and what tunes a sync daemon.
  const ofServices = 'service-address scheduler persistent netmask ops pe sched-flags';
  const ofServers =
    'real-server forwarding-method weight u-threshold l-threshold tun-type tun-port';
  const ofListings =
    'numeric connection timeout daemon stats rate exact thresholds persistent-conn';
  const needed = `${ofServices} ${ofServers} ${ofListings} tun-info mcast-interface syncid`;
  t.strictSame([...options].sort(), needed.split(' ').sort());
  for (const start of ['-A -t', '-A -u', '-A --sctp-service', '-A -f', '-Z -t', '-e -t', '-L --']) {
    t.ok(
      commands.some((words) => words.startsWith(start)),
      start,
    );
  }
  for (const alone of ['-Z', '-C', '-R', '-A -f 80 -6']) t.ok(commands.includes(alone), alone);
  t.end();
});

t.test(
  'docs/migrating-from-ipvsadm.md names lines that restore refuses, and ipvsadm does not',
  (t) => {
    const [text = ''] = documentation('migrating-from-ipvsadm.md').split('\n## ');
    const items = text.split('\n- ').slice(1);
    const follow = (rules: string[]) => {
      const lines = ['-A -t 10.0.0.8:80', ...rules].join('\n');
      new Target(new Map()).follow(readRules(lines, 'rules'), 'rules');
    };
    const refusals = [/names of hosts/, /would become the service's/, /already/, /no such service/];
    t.equal(items.length, refusals.length);
    for (const [index, item] of items.entries()) {
      const rules = [...item.matchAll(/`(-[AaD] [^`]*)`/g)].map(([, rule = '']) => rule);
      t.throws(
        () => {
          follow(rules);
        },
        { code: 'ERR_IPVS_RULES', reason: refusals[index] },
      );
    }
    follow(['-D -t 10.0.0.8:80']);
    t.end();
  },
);

t.test('docs/ipvsadm.md shows the differences that the tests allow, and no others', (t) => {
  const [, section = ''] = documentation('ipvsadm.md').split('\n## What is different on purpose\n');
  const [text = ''] = section.split('\n## ');
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, -1).join(' | '));
  const [, , ...shown] = rows; // below the heading and its line
  const wanted = Object.values(DIFFERENCES).map(({ subject, ipvsadm, here, reason }) =>
    [subject, ipvsadm, here, reason].join(' | '),
  );
  t.strictSame(shown, wanted);
  differences.check(t);
  t.end();
});
