// The drop-in beside the real ipvsadm 1.31: command lines that are made up, right and wrong ones, each
// carried out by both in namespaces of their own. Output, messages and exit status have to be the same,
// and so has the table after each group.

import { release } from 'node:os';
import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { DIFFERENCES } from '../fixtures/adm-differences.js';
import type { DifferenceName } from '../fixtures/adm-differences.js';
import { RealIpvsadm, ours } from '../lab/adm.js';
import type { Call, Result } from '../lab/adm.js';
import { freshIpvs } from '../lab/namespace.js';
import { tableOf } from '../lab/records.js';

t.setTimeout(600_000);

const SEED = 20261123;
// All of them on one kernel: starting a program takes most of the time.
const GROUPS = release().startsWith('6.12') ? 44 : 4;
const GROUP = 40;

// ---- command lines

type Words = readonly string[];

/** An option in one of the ways in which it may be written. */
function written(short: string, long: string, ...values: string[]): fc.Arbitrary<Words> {
  return fc
    .tuple(fc.constantFrom(...values), fc.integer({ min: 0, max: 4 }))
    .map(([value, way]) => {
      switch (way) {
        case 0:
          return [`--${long}=${value}`];
        case 1:
          return [`--${long}`, value];
        case 2:
          return short === '' ? [`--${long}`, value] : [`-${short}${value}`];
        case 3:
          return short === '' ? [`--${long}=${value}`] : [`-${short}=${value}`];
        default:
          return short === '' ? [`--${long}`, value] : [`-${short}`, value];
      }
    });
}

const flag = (...ways: string[]): fc.Arbitrary<Words> =>
  fc.constantFrom(...ways).map((way) => [way]);

const rightService = fc.oneof(
  written('t', 'tcp-service', '10.0.0.1:80', '10.0.0.1:81', '10.0.0.2:http', '[2001:db8::1]:80'),
  written('u', 'udp-service', '10.0.0.1:53', '10.0.0.1:domain', '[2001:DB8::1]:53'),
  written('', 'sctp-service', '10.0.0.1:80', '[2001:db8::1]:99'),
  written('f', 'fwmark-service', '1', '2', '+3', '3000000000'),
  fc.constantFrom('1', '2', '4294967295').map((mark) => ['-f', mark, '-6']),
);
const service = fc.oneof(
  { arbitrary: rightService, weight: 8 },
  {
    arbitrary: fc.oneof(
      written(
        't',
        'tcp-service',
        '10.0.0.3:0',
        '10.0.0.3',
        '2001:db8::2',
        '10.1:80',
        '0x0a000001:80',
      ),
      written(
        't',
        'tcp-service',
        '[10.0.0.1]:80',
        '[::1]',
        '[::1]:',
        '80',
        '',
        ':80',
        '10.0.0.1:nosuch',
      ),
      written(
        't',
        'tcp-service',
        '10.0.0.1:65536',
        '10.0.0.1:-1',
        '10.0.0.256:80',
        '10.0.0.1:80:80',
      ),
      written('t', 'tcp-service', 'host.invalid:80', '09.0.0.1:80', '10.0.0.1 :80', '1.2.3.4.5:80'),
      written(
        'f',
        'fwmark-service',
        '0',
        '4294967296',
        'x',
        '',
        '1x',
        '0x1',
        '99999999999999999999',
      ),
      fc.constant(['-6', '-f', '1']),
    ),
    weight: 1,
  },
);

/** Mostly the first. */
const mostly = (right: fc.Arbitrary<Words>, wrong: fc.Arbitrary<Words>): fc.Arbitrary<Words> =>
  fc.oneof({ arbitrary: right, weight: 9 }, { arbitrary: wrong, weight: 1 });

const rightServiceOption = fc.oneof(
  written('s', 'scheduler', 'rr', 'wrr', 'wlc', 'lc', 'sh', 'mh', 'dh', 'sed', ''),
  flag('-p', '--persistent'),
  written('p', 'persistent', '60', '1', '2678400'),
  written('M', 'netmask', '255.255.255.0', '64', '128', '0.0.0.0', '24bits'),
  written('b', 'sched-flags', 'flag-1', 'flag-1,flag-3', 'flag-2,,flag-1,', ''),
  fc.constantFrom('sh-port', 'sh-fallback,sh-port').map((flags) => ['-s', 'sh', '-b', flags]),
  written('', 'pe', 'sip', ''),
);

const serviceOption = mostly(
  rightServiceOption,
  fc.oneof(
    written('s', 'scheduler', 'nosuch', 'averyveryverylongname'),
    written('p', 'persistent', '2678401', '0', 'x', ''),
    written('M', 'netmask', '129', '0', 'x.invalid'),
    written('b', 'sched-flags', 'sh-port', 'mh-port', 'flag-4', 'mh-fallback'),
    written('', 'pe', 'nosuch'),
    flag('-o', '--ops'),
  ),
);

const rightServer = written(
  'r',
  'real-server',
  '10.0.0.5',
  '10.0.0.5:80',
  '10.0.0.5:8080',
  '10.0.0.6',
  '10.0.0.7:0',
  '[2001:db8::5]:80',
  '2001:db8::6',
);

const server = fc.oneof(
  { arbitrary: rightServer, weight: 8 },
  {
    arbitrary: written(
      'r',
      'real-server',
      '10.0.0.6:http',
      '0.0.0.0',
      '224.0.0.1:80',
      '127.255.255.255',
      '[ff02::1]:80',
      '5',
      '10.0.0.5:x',
      'host.invalid',
      '[10.0.0.5]:80',
    ),
    weight: 1,
  },
);

const rightServerOption = fc.oneof(
  flag('-g', '--gatewaying', '-m', '--masquerading', '-i', '--ipip'),
  flag('-m', '-i'),
  written('w', 'weight', '0', '1', '5', '65535', '65536', '2147483647', ' 7'),
  written('x', 'u-threshold', '0', '9', '2147483646'),
  fc.constantFrom('0', '3', '9').map((limit) => ['-x', '9', '-y', limit]),
  fc
    .constantFrom('nocsum', 'csum', 'remcsum')
    .map((sum) => ['-i', '--tun-type=gue', '--tun-port=6080', `--tun-${sum}`]),
  fc.constantFrom('nocsum', 'csum').map((sum) => ['-i', '--tun-type', 'gre', `--tun-${sum}`]),
);

const serverOption = mostly(
  rightServerOption,
  fc.oneof(
    written('w', 'weight', '2147483648', '-1', 'x'),
    written('x', 'u-threshold', '2147483648', 'x'),
    written('y', 'l-threshold', '3', '10', '-1'),
    written('', 'tun-type', 'ipip', 'gue', 'gre', 'l2tp'),
    written('', 'tun-port', '6080', '0', '65535', 'x'),
    flag('--tun-nocsum', '--tun-csum', '--tun-remcsum'),
  ),
);

const listOption = fc.oneof(
  flag('-n', '--numeric', '-c', '--connection', '--timeout', '--daemon', '--stats', '--rate'),
  flag('--thresholds', '--persistent-conn', '--tun-info', '--sort', '--exact', '-X'),
);

const daemonOption = fc.oneof(
  written('', 'mcast-interface', 'lo', 'nosuch', '', 'averyverylonginterface'),
  written('', 'syncid', '0', '255', '256', 'x'),
  written('', 'mcast-group', '224.0.0.81', '10.0.0.1', 'ff02::81', '::1', 'x', '224.0.0.081'),
  written('', 'mcast-port', '8848', '0', '65536'),
  written('', 'mcast-ttl', '1', '255', '0', '256'),
  written('', 'sync-maxlen', '1400', '0', '65507', '65508'),
);

const stray = fc.oneof(
  flag('foo', '-', '--', '-q', '--foo', '--tcp', '-A', '-D', '-h', '-L=n', '--numeric=1', '-np'),
  flag(
    '-Ln',
    '-n=',
    '',
    '-t',
    '-w',
    '--weight',
    '-6',
    '--ipv6',
    '--nosort',
    '1',
    '-5',
    '--version',
  ),
);

const shuffled = (parts: fc.Arbitrary<Words[]>): fc.Arbitrary<Words> =>
  parts.chain((all) =>
    fc.shuffledSubarray(all, { minLength: all.length }).map((words) => words.flat()),
  );

/** A command with what belongs to it, now and then something that does not. */
function command(
  name: fc.Arbitrary<Words>,
  needed: readonly fc.Arbitrary<Words>[],
  optional: fc.Arbitrary<Words>,
  most: number,
): fc.Arbitrary<Words> {
  const others = fc.oneof(serviceOption, serverOption, listOption, daemonOption, service, server);
  const parts = fc
    .tuple(
      fc.tuple(...needed),
      fc.array(optional, { maxLength: most }),
      fc.oneof(
        { arbitrary: fc.constant<Words[]>([]), weight: 18 },
        { arbitrary: fc.array(others, { minLength: 1, maxLength: 1 }), weight: 1 },
        { arbitrary: fc.array(stray, { minLength: 1, maxLength: 1 }), weight: 1 },
      ),
    )
    .map(([first, second, third]) => [...first, ...second, ...third]);
  // Mostly in the usual order.
  const rest = fc.oneof(
    { arbitrary: parts.map((all) => all.flat()), weight: 3 },
    { arbitrary: shuffled(parts), weight: 1 },
  );
  return fc.tuple(name, rest).map(([start, end]) => [...start, ...end]);
}

const set = fc
  .array(fc.constantFrom('0', '60', '900', '2678400', '2678401', 'x', '-1'), {
    minLength: 2,
    maxLength: 4,
  })
  .map((times) => ['--set', ...times]);

const commandLine: fc.Arbitrary<Words> = fc.oneof(
  {
    arbitrary: command(flag('-A', '--add-service'), [service], serviceOption, 2),
    weight: 8,
  },
  { arbitrary: command(flag('-A'), [rightService], fc.constant<Words>([]), 0), weight: 4 },
  { arbitrary: command(flag('-E', '--edit-service'), [service], serviceOption, 2), weight: 5 },
  { arbitrary: command(flag('-D', '--delete-service'), [service], serviceOption, 0), weight: 1 },
  {
    arbitrary: command(flag('-a', '--add-server'), [rightService, server], serverOption, 2),
    weight: 12,
  },
  {
    arbitrary: command(flag('-e', '--edit-server'), [rightService, server], serverOption, 2),
    weight: 6,
  },
  {
    arbitrary: command(flag('-d', '--delete-server'), [rightService, server], serverOption, 0),
    weight: 2,
  },
  { arbitrary: command(flag('-L', '--list', '-l', '-Ln'), [], listOption, 3), weight: 4 },
  { arbitrary: command(flag('-Ln'), [service], listOption, 2), weight: 3 },
  { arbitrary: command(flag('-Z', '--zero'), [], service, 1), weight: 2 },
  { arbitrary: command(flag('-S', '--save', '-Sn'), [], flag('-n'), 1), weight: 1 },
  { arbitrary: set, weight: 2 },
  {
    arbitrary: command(
      flag('--start-daemon', '--stop-daemon', '--start-daemon=both'),
      [flag('nosuch', '-x')],
      daemonOption,
      1,
    ),
    weight: 1,
  },
  {
    // An interface that is not there: what starts a daemon is in adm-live.ts.
    arbitrary: command(
      flag('--start-daemon=master', '--start-daemon=backup'),
      [fc.constant(['--mcast-interface', 'nosuch'])],
      daemonOption.filter((words) => !words.join(' ').includes('interface')),
      3,
    ),
    weight: 2,
  },
  {
    arbitrary: command(flag('--stop-daemon=master', '--stop-daemon=backup'), [], daemonOption, 1),
    weight: 1,
  },
  { arbitrary: command(flag('-h', '-v', '-C', '-R', '--help'), [], stray, 1), weight: 1 },
  { arbitrary: fc.array(stray, { maxLength: 2 }).map((words) => words.flat()), weight: 1 },
);

// Services that are there at the start of each group, so that more than a few commands meet one.
const START: Call = {
  args: ['-R'],
  input: `-A -t 10.0.0.1:80
-A -t 10.0.0.2:80 -p
-A -u 10.0.0.1:53 -s sh -b sh-port
-A --sctp-service 10.0.0.1:80
-A -t [2001:db8::1]:80 -p 60 -M 64
-A -f 1 -s rr
-A -f 1 -6
-A -f 3000000000
`,
};

const rightLine: fc.Arbitrary<Words> = fc.oneof(
  command(flag('-A', '-E'), [rightService], rightServiceOption, 2),
  command(flag('-A', '-E'), [fc.constantFrom(['-f', '2'], ['-u', '[::1]:53'])], flag('-o'), 1),
  command(flag('-a', '-e'), [rightService, rightServer], rightServerOption, 2),
  command(flag('-a'), [rightService, rightServer], fc.constant(['-m']), 1),
  command(flag('-d'), [rightService, rightServer], fc.constant<Words>([]), 0),
  command(flag('-D', '-Z'), [rightService], fc.constant<Words>([]), 0),
  flag('-Sn', '-Ln'),
);

// ---- what may be different

const seen = new Set<DifferenceName>();

function note(name: DifferenceName): true {
  seen.add(name);
  return true;
}

/** Output as ipvsadm has it, with marks unsigned; columns stay where they are. */
function withUnsignedMarks(text: string): string {
  const signed = /^(FWM {2}|-[Aa] -f )(-\d+)((?: IPv6)? {2,})?/gm;
  return text.replace(signed, (all, start: string, mark: string, gap = '') => {
    note('unsigned mark');
    const name = `${start}${Number(mark) + 2 ** 32}`;
    const end = gap as string;
    return end === '' ? name : `${name}${end.trimEnd()}`.padEnd(all.length);
  });
}

/** Our output, without what ipvsadm does not save. */
function withoutThresholds(text: string): string {
  return text.replace(/^(-a .*?)( -x \d+)?( -y \d+)?$/gm, (all, start: string) => {
    if (all !== start) note('saved thresholds');
    return start;
  });
}

function isSame(theirs: Result, own: Result): boolean {
  if (theirs.status === 139 && own.status === 2) return note('empty flags');
  return (
    theirs.status === own.status &&
    theirs.stderr === own.stderr &&
    withUnsignedMarks(theirs.stdout) === withoutThresholds(own.stdout)
  );
}

// ---- the comparison

async function compare(t: Test, groups: readonly (readonly Call[])[]): Promise<number> {
  const real = await freshIpvs(t);
  const mine = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, real.netns);
  let accepted = 0;
  let compared = 0;
  for (const group of groups) {
    await Promise.all([real.ipvs.flush(), mine.ipvs.flush()]);
    for (const call of [START, ...group]) {
      const theirs = await ipvsadm.run(call);
      const own = await ours(mine.netns, call);
      compared++;
      if (theirs.status === 0) accepted++;
      if (!isSame(theirs, own)) t.fail(`ipvsadm ${call.args.join(' ')}`, { theirs, own });
    }
    const tables = await Promise.all([tableOf(real.netns), tableOf(mine.netns)]);
    const timeouts = await Promise.all([real.ipvs.getTimeouts(), mine.ipvs.getTimeouts()]);
    const commands = group.map(({ args }) => args.join(' '));
    t.strictSame(tables[1], tables[0], 'the same table', { commands });
    t.strictSame(timeouts[1], timeouts[0]);
  }
  t.comment(`${compared} command lines, ${accepted} of them accepted by ipvsadm`);
  return accepted / compared;
}

t.test('made-up command lines', async (t) => {
  const lines = fc.sample(commandLine, { numRuns: GROUPS * GROUP, seed: SEED });
  const calls = lines.map((args): Call => ({ args }));
  const groups = Array.from({ length: GROUPS }, (_, n) => calls.slice(n * GROUP, (n + 1) * GROUP));
  const accepted = await compare(t, groups);
  t.ok(accepted > 0.2 && accepted < 0.8, `both kinds are there: ${accepted}`);
});

t.test('lines of standard input', async (t) => {
  const line = commandLine.map((words) => words.filter((word) => word !== '').join(' '));
  const text = fc.array(
    fc.oneof(
      { arbitrary: rightLine.map((words) => words.join(' ')), weight: 36 },
      { arbitrary: line, weight: 3 },
      { arbitrary: line.map((words) => `ipvsadm ${words}`), weight: 2 },
      {
        arbitrary: fc.constantFrom('', '  \t', ' \r', 'ipvsadm', '-R', '# -A -t 10.0.0.1:80'),
        weight: 1,
      },
    ),
    { minLength: 1, maxLength: 30 },
  );
  const inputs = fc.sample(text, { numRuns: GROUPS * 4, seed: SEED });
  const calls = inputs.map((lines): Call => ({ args: ['-R'], input: lines.join('\n') }));
  const groups = Array.from({ length: GROUPS }, (_, n) => calls.slice(n * 4, (n + 1) * 4));
  await compare(t, groups);
});

t.test('what is different on purpose is so', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const ipvsadm = new RealIpvsadm(t, netns);
  const both = async (call: Call) => [await ipvsadm.run(call), await ours(netns, call)] as const;

  const [crash, refused] = await both({ args: ['-A', '-t', '10.0.0.1:80', '-b', ','] });
  t.match(crash, { status: 139 });
  t.match(refused, { status: 2, stderr: /invalid scheduler flag/ });

  const [notTaken, taken] = await both({ args: ['-A', '-f', '-294967296'] });
  t.match(notTaken, { status: 2, stderr: /invalid fwmark value `-294967296'/ });
  t.match(taken, { status: 0, stderr: '' });
  t.match(await ipvs.listServices(), [{ fwmark: 4000000000 }]);

  const [dropped, done] = await both({ args: ['-R'], input: '-A -t 10.0.0.9:80  ' });
  t.match(dropped, { status: 0 });
  t.match(done, { status: 0 });
  t.ok(await ipvs.getService({ protocol: 'tcp', address: '10.0.0.9', port: 80 }), 'ours did it');
  t.ok(Object.keys(DIFFERENCES).length > seen.size, 'the others are in adm-listings.ts');
});
