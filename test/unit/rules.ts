// ipvsadm's language, both ways. What ipvsadm itself makes of the same words is in
// test/kernel/adm-*.ts; here is what each line means, and where a mistake is said to be.

import fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { RulesError, formatRules, parseRules } from 'ipvs';
import type { ParsedRule, RuleOperation, TableConfig, TableService } from 'ipvs';
import { PortNames } from '#lib/rules/names';
import { tableServices } from '../fixtures/rule-tables.js';

const parsed = (text: string): RuleOperation => {
  const [rule, ...others] = parseRules(text);
  if (rule === undefined || others.length > 0) throw new Error('not one rule');
  return rule.operation;
};

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const plain = { scheduler: 'wlc', schedulerFlags: [], onePacket: false } as const;
const persistent = { timeout: 360, netmask: '255.255.255.255' };
const server = { forwarding: 'dr', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const;

/** Lines that mean the same. */
function means(t: Test, lines: readonly string[], operation: RuleOperation): void {
  for (const line of lines) t.strictSame(parsed(line), operation, line);
}

t.test('commands about services', (t) => {
  means(
    t,
    [
      '-A -t 10.0.0.1:80',
      'ipvsadm -A -t 10.0.0.1:80',
      '-At 10.0.0.1:80',
      '-A -t10.0.0.1:80',
      '-A -t=10.0.0.1:80',
      '--add-service --tcp-service 10.0.0.1:80',
      '--add-service --tcp-service=10.0.0.1:80 --scheduler wlc',
      '-A -t 10.1:80',
      '-A -t 0x0a000001:80',
      '-A -t 012.0.0.1:+80',
      '-A -t 10.0.0.1:http',
      '-A -t 10.0.0.1:80 -M 255.255.255.0',
      '\t-A  -t\t10.0.0.1:80 \r',
    ],
    { op: 'addService', service: { ...web, ...plain } },
  );
  means(t, ['-E -t 10.0.0.1:80 -s rr', '--edit-service -t 10.0.0.1:80 -s rr'], {
    op: 'replaceService',
    service: { ...web, ...plain, scheduler: 'rr' },
  });
  means(t, ['-D -t 10.0.0.1:80', '--delete-service -t 10.0.0.1:80'], {
    op: 'removeService',
    service: web,
  });
  means(t, ['-C', '--clear'], { op: 'flush' });
  means(t, ['-Z', '--zero'], { op: 'zero' });
  means(t, ['-Z -t 10.0.0.1:80'], { op: 'zero', service: web });
  means(t, ['-A -u [2001:DB8::1]:53 -o', '-A --udp-service [2001:db8:0::1]:domain --ops'], {
    op: 'addService',
    service: { protocol: 'udp', address: '2001:db8::1', port: 53, ...plain, onePacket: true },
  });
  means(t, ['-A --sctp-service 10.0.0.1:80'], {
    op: 'addService',
    service: { ...web, protocol: 'sctp', ...plain },
  });
  t.end();
});

t.test('marks are unsigned, also where ipvsadm saved them as negative numbers', (t) => {
  const mark = (fwmark: number, family: 'ipv4' | 'ipv6' = 'ipv4'): RuleOperation => ({
    op: 'addService',
    service: { fwmark, family, ...plain },
  });
  means(t, ['-A -f 5', '-A --fwmark-service=+5', '-A -f5'], mark(5));
  means(t, ['-A -f 5 -6', '-A -f 5 --ipv6'], mark(5, 'ipv6'));
  means(t, ['-A -f 4000000000', '-A -f -294967296'], mark(4000000000));
  means(t, ['-A -f 4294967295', '-A -f -1'], mark(4294967295));
  means(t, ['-A -f 2147483648', '-A -f -2147483648'], mark(2147483648));
  t.end();
});

t.test('persistence', (t) => {
  const service = (persistence: object): RuleOperation => ({
    op: 'addService',
    service: { ...web, ...plain, persistence },
  });
  means(t, ['-A -t 10.0.0.1:80 -p', '-A -p -t 10.0.0.1:80'], service(persistent));
  means(
    t,
    ['-A -t 10.0.0.1:80 -p 60', '-A -t 10.0.0.1:80 -p60', '-A -t 10.0.0.1:80 --persistent=60'],
    service({ ...persistent, timeout: 60 }),
  );
  means(
    t,
    ['-A -t 10.0.0.1:80 -p -M 255.255.255.0', '-A -M 255.255.255.0 -t 10.0.0.1:80 -p'],
    service({ ...persistent, netmask: '255.255.255.0' }),
  );
  means(
    t,
    ['-A -t 10.0.0.1:80 -p -M 24'],
    service({ ...persistent, netmask: '0.0.0.24' }), // an address, not a length
  );
  means(t, ['-A -t 10.0.0.1:80 -p --pe sip'], service({ ...persistent, engine: 'sip' }));
  means(t, ['-A -t [::1]:0 -p 2678400 -M 64', '-A -t ::1 -p 2678400 -M 64bits'], {
    op: 'addService',
    service: {
      protocol: 'tcp',
      address: '::1',
      port: 0,
      ...plain,
      persistence: { timeout: 2678400, netmask: 64 },
    },
  });
  t.match(parsed('-A -M 64 -t [::1]:80 -p'), { service: { persistence: { netmask: 128 } } });
  t.end();
});

t.test('flags of schedulers', (t) => {
  const flags = (scheduler: string, schedulerFlags: string[]) => ({
    service: { scheduler, schedulerFlags },
  });
  t.match(
    parsed('-A -t 10.0.0.1:80 -s sh -b sh-port,sh-fallback'),
    flags('sh', ['sh-fallback', 'sh-port']),
  );
  t.match(parsed('-A -t 10.0.0.1:80 -b mh-port -s mh'), flags('mh', ['mh-port']));
  t.match(parsed('-A -t 10.0.0.1:80 -b flag-3,,flag-1,'), flags('wlc', ['flag-1', 'flag-3']));
  t.match(parsed('-A -t 10.0.0.1:80 -s mh -b flag-2'), flags('mh', ['mh-port']));
  t.end();
});

t.test('commands about real servers', (t) => {
  const at = (destination: object): RuleOperation => ({
    op: 'addDestination',
    service: web,
    destination: { address: '10.0.0.5', port: 80, ...server, ...destination },
  });
  means(
    t,
    [
      '-a -t 10.0.0.1:80 -r 10.0.0.5',
      '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -g',
      '--add-server --tcp-service 10.0.0.1:80 --real-server 10.0.0.5:http --gatewaying',
      '-a -g -w 1 -r 10.0.0.5 -t 10.0.0.1:80',
    ],
    at({}),
  );
  means(t, ['-a -t 10.0.0.1:80 -r 10.0.0.5:8080 -m -w 2147483647'], {
    ...at({ port: 8080, forwarding: 'nat', weight: 2147483647 }),
  });
  means(t, ['-a -r 10.0.0.5 -t 10.0.0.1:80 -m'], at({ port: 0, forwarding: 'nat' }));
  means(t, ['-a -t 10.0.0.1:80 -r 10.0.0.5 -x 9 -y 3', '-at10.0.0.1:80 -r10.0.0.5 -x=9 -y3'], {
    ...at({ upperThreshold: 9, lowerThreshold: 3 }),
  });
  const tun = (tunnel: object) => at({ forwarding: 'tun', tunnel });
  means(
    t,
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -i', '-a -t 10.0.0.1:80 -r 10.0.0.5 --ipip --tun-type ipip'],
    tun({ type: 'ipip' }),
  );
  means(
    t,
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -i --tun-type gue --tun-port 6080 --tun-remcsum'],
    tun({ type: 'gue', port: 6080, checksum: 'remcsum' }),
  );
  means(
    t,
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -i --tun-type gre --tun-csum'],
    tun({ type: 'gre', checksum: 'csum' }),
  );
  means(t, ['-e -t 10.0.0.1:80 -r 10.0.0.5'], {
    op: 'replaceDestination',
    service: web,
    destination: { address: '10.0.0.5', port: 80, ...server },
  });
  means(t, ['-d -t 10.0.0.1:80 -r 10.0.0.5', '--delete-server -t 10.0.0.1:80 -r 10.0.0.5:80'], {
    op: 'removeDestination',
    service: web,
    destination: { address: '10.0.0.5', port: 80 },
  });
  t.match(parsed('-a -t 10.0.0.1:80 -r [2001:db8::5]:80 -i'), {
    destination: { address: '2001:db8::5', forwarding: 'tun' },
  });
  // A mark has no port that could be the real server's.
  t.match(parsed('-a -f 1 -r 10.0.0.5:8080 -g'), { destination: { port: 8080, forwarding: 'dr' } });
  t.match(parsed('-a -f 1 -r 10.0.0.5:http -m'), { destination: { port: 80 } });
  t.match(parsed('-a -f 1 -r 10.0.0.5'), { destination: { port: 0 } });
  t.end();
});

t.test('timeouts and sync daemons', (t) => {
  means(t, ['--set 900 120 300', '900 --set 120 300'], {
    op: 'setTimeouts',
    timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
  });
  means(t, ['--start-daemon master', '--start-daemon=master --mcast-interface eth0'], {
    op: 'startSyncDaemon',
    daemon: { role: 'master', interface: 'eth0', syncId: 0 },
  });
  means(
    t,
    [
      '--start-daemon backup --mcast-interface eth1 --syncid 7 --sync-maxlen 1400 ' +
        '--mcast-group FF02::1 --mcast-port 9000 --mcast-ttl 5',
    ],
    {
      op: 'startSyncDaemon',
      daemon: {
        role: 'backup',
        interface: 'eth1',
        syncId: 7,
        maxLength: 1400,
        group: 'ff02::1',
        port: 9000,
        ttl: 5,
      },
    },
  );
  means(t, ['--stop-daemon backup', '--stop-daemon=backup --syncid 3'], {
    op: 'stopSyncDaemon',
    role: 'backup',
  });
  t.end();
});

t.test('each line is a command; comments and empty lines are none', (t) => {
  const rules = parseRules('# saved\n\n-C\n  \t\n -Z\r\n#-D -f 1\n-C');
  t.strictSame(rules, [
    { line: 3, operation: { op: 'flush' } },
    { line: 5, operation: { op: 'zero' } },
    { line: 7, operation: { op: 'flush' } },
  ] satisfies ParsedRule[]);
  t.strictSame(parseRules(''), []);
  t.end();
});

t.test('a mistake is said with file, line and column', (t) => {
  const wrong: [line: string, column: number, reason: RegExp][] = [
    ['foo', 1, /does not start with a command/],
    ['--foo -t 10.0.0.1:80', 1, /does not start with a command/],
    ['-t 10.0.0.1:80 -A', 1, /does not start with a command/],
    ['-A -t 10.0.0.1:80 --foo', 19, /^--foo: unknown option/],
    ['-A --tcp 10.0.0.1:80', 4, /^--tcp: unknown option/],
    ['-A -t 10.0.0.1:80 -oq', 19, /^-oq: unknown option/],
    ['-A -t', 4, /^-t: missing argument/],
    ['-A -o=1 -u 10.0.0.1:80', 4, /^-o=1: option does not take an argument/],
    ['-A -t 10.0.0.1:80 -D', 19, /^invalid option `-D'/],
    ['-A -t 10.0.0.1:80 -s rr -s rr', 28, /^multiple 'scheduler' options specified/],
    ['-A -t 10.0.0.1:99999', 7, /^illegal virtual server address\[:port\] specified/],
    ['-A -t 10.0.0.256:80', 7, /^illegal virtual server address/],
    ['-A -t 80', 7, /^illegal virtual server address/],
    ['-A -t [::1]', 7, /^illegal virtual server address/],
    ['-A -t www.example:80', 7, /names of hosts are not looked up here/],
    ['-A -t 10.0.0.1', 1, /^Zero port specified for non-persistent service/],
    ['-A -t 10.0.0.1:80 -p 0', 22, /^invalid timeout value `0' specified/],
    ['-A -t 10.0.0.1:80 -p 2678401', 22, /^invalid timeout value/],
    ['-A -t 10.0.0.1:80 -p x', 22, /^invalid timeout value `x' specified/],
    ['-A -t 10.0.0.1:80 -M x', 22, /^illegal virtual server persistent mask/],
    ['-A -t [::1]:80 -M 129', 19, /^illegal ipv6 netmask/],
    ['-A -t 10.0.0.1:80 -o', 1, /^One-Packet Scheduling is only for UDP/],
    ['-A -t 10.0.0.1:80 -b sh-port', 22, /^incompatible scheduler flag `sh-port'/],
    ['-A -t 10.0.0.1:80 -b ,', 22, /^invalid scheduler flag `,'/],
    ['-A -t 10.0.0.1:80 -b flag-4', 22, /^invalid scheduler flag `flag-4'/],
    ['-A -t 10.0.0.1:80 -s $x', 1, /scheduler' may hold only letters/],
    ['-A -f 0', 7, /^invalid fwmark value `0' specified/],
    ['-A -f 4294967296', 7, /^invalid fwmark value/],
    ['-A -f -2147483649', 7, /^invalid fwmark value/],
    ['-A -f 0x10', 7, /^invalid fwmark value/],
    ['-A -6 -f 1', 4, /^-6 used before -f$/],
    ['-A', 1, /^You need to supply the 'service-address' option for the 'add-service' command/],
    ['-A -t 10.0.0.1:80 -r 10.0.0.5', 1, /^Illegal 'real-server' option with the 'add-service'/],
    ['-a -t 10.0.0.1:80', 1, /^You need to supply the 'real-server' option/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5:x', 22, /^illegal real server address/],
    ['-a -r 10.0.0.5:http -t 10.0.0.1:80', 7, /^illegal real server address/], // whose http?
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -w -1', 34, /^illegal weight specified/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -w=', 31, /^illegal weight specified/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -w 2147483648', 34, /^illegal weight specified/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -x 9 -y 10', 1, /lowerThreshold' must not exceed/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5:8080', 1, /port 8080 would become the service's, 80/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -m -i', 34, /^multiple 'forwarding-method' options/],
    ['-a -t 10.0.0.1:80 -r [::1]:80 -m', 1, /^Different address family is allowed only/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 --tun-csum', 1, /^Tunnel options conflict with forward/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -i --tun-type gue', 1, /need to supply the 'tun-port' opt/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -i --tun-csum', 1, /Illegal 'tun-csum' .* 'ipip' tunnel/],
    ['-a -t 10.0.0.1:80 -r 10.0.0.5 -i --tun-type l2', 45, /^illegal tunnel type/],
    ['--set 1 2', 1, /^--set option requires 3 timeout values/],
    ['--set 1 2 3 4', 13, /^unexpected argument 4/],
    ['--set 1 x 3', 9, /^invalid timeout value `x'/],
    ['--set 2147484 2 3', 1, /tcp' is out of range/],
    ['--start-daemon both', 16, /^illegal start-daemon parameter specified/],
    ['--stop-daemon both', 15, /^illegal start_daemon specified/],
    ['--start-daemon master --mcast-group 10.0.0.1', 37, /^invalid IPv4 mcast-group `10.0.0.1'/],
    ['--start-daemon master --syncid 256', 32, /^illegal syncid/],
    ['-C foo', 4, /^unexpected argument foo/],
    ['-L', 1, /'list' changes no table/],
    ['-S -n', 1, /'save' changes no table/],
    ['-R', 1, /'restore' changes no table/],
    ['-h', 1, /'help' changes no table/],
  ];
  for (const [line, column, reason] of wrong) {
    let error: unknown;
    try {
      parseRules(`-C\n${line}\n`, { file: 'old.rules' });
    } catch (thrown) {
      error = thrown;
    }
    t.match(error, { code: 'ERR_IPVS_RULES', file: 'old.rules', line: 2, column, reason }, line);
    t.ok(error instanceof RulesError && error.name === 'RulesError');
    t.match(String(error), `RulesError: old.rules:2:${column}: `);
  }
  t.throws(() => parseRules(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => parseRules('', { line: 1 } as never), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => parseRules('foo'), { message: /^rules:1:1: / });
  t.end();
});

t.test('names of ports are those of /etc/services, by protocol', (t) => {
  const names = new PortNames(
    '# comment\nhttp\t80/tcp  www # World Wide Web\nhttp 80/udp\nother 80/tcp\nhttp 81/tcp\nx 9/dccp\n',
  );
  t.equal(names.port('http', 6), 80);
  t.equal(names.port('www', 6), 80);
  t.equal(names.port('www', 17), undefined);
  t.equal(names.port('x', 33), undefined);
  t.equal(names.name(80, 6), 'http');
  t.equal(names.name(81, 17), undefined);
  t.end();
});

// ---- the other way

const warningsOf = (services: readonly TableService[], rest: Partial<TableConfig> = {}) =>
  formatRules({ services, ...rest }).warnings;

t.test('a table is written as ipvsadm -S -n writes it, with thresholds and unsigned marks', (t) => {
  const destinations = [
    { address: '10.0.0.5' },
    { address: '10.0.0.6', forwarding: 'nat', port: 8080, weight: 0, upperThreshold: 9 },
    { address: '10.0.0.7', forwarding: 'tun', upperThreshold: 9, lowerThreshold: 3 },
    { address: '2001:db8::5', forwarding: 'tun', tunnel: { type: 'gue', port: 6080 } },
    { address: '10.0.0.8', forwarding: 'tun', tunnel: { type: 'gre', checksum: 'csum' } },
  ] as const;
  const { text, warnings } = formatRules({
    services: [
      { ...web, destinations },
      {
        ...web,
        protocol: 'udp',
        address: '::1',
        scheduler: 'sh',
        schedulerFlags: ['sh-fallback', 'flag-3'],
        onePacket: true,
        persistence: { timeout: 60, netmask: 64, engine: 'sip' },
      },
      { ...web, protocol: 'sctp', persistence: { netmask: 24 } },
      { fwmark: 4294967295, destinations: [{ address: '10.0.0.5', port: 8080 }] },
      { fwmark: 1, family: 'ipv6', persistence: { netmask: 128 } },
    ],
  });
  t.strictSame(text.split('\n'), [
    '-A -t 10.0.0.1:80 -s wlc',
    '-a -t 10.0.0.1:80 -r 10.0.0.5:80 -g -w 1',
    '-a -t 10.0.0.1:80 -r 10.0.0.6:8080 -m -w 0 -x 9',
    '-a -t 10.0.0.1:80 -r 10.0.0.7:80 -i -w 1 --tun-type ipip -x 9 -y 3',
    '-a -t 10.0.0.1:80 -r [2001:db8::5]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum',
    '-a -t 10.0.0.1:80 -r 10.0.0.8:80 -i -w 1 --tun-type gre --tun-csum',
    '-A -u [::1]:80 -s sh -p 60 -M 64 --pe sip -o -b sh-fallback,flag-3',
    '-A --sctp-service 10.0.0.1:80 -s wlc -p 300 -M 255.255.255.0',
    '-A -f 4294967295 -s wlc',
    '-a -f 4294967295 -r 10.0.0.5:8080 -g -w 1',
    '-A -f 1 -6 -s wlc -p 300',
    '',
  ]);
  t.strictSame(warnings, []);
  t.throws(() => formatRules({} as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.end();
});

t.test('what the language cannot say is left out, or comes near, with a warning', (t) => {
  const one = (destination: object): TableService => ({
    ...web,
    destinations: [{ address: '10.0.0.5', ...destination }],
  });
  const cases: [TableService, text: string, warning: RegExp][] = [
    [{ ...web, protocol: '47' as never }, '', /not saved: its protocol is 47/],
    [{ ...web, port: 0 }, '', /not saved: its port is 0 without persistence/],
    [{ ...web, persistence: { timeout: 2678401 } }, '-p 2678400', /2678401 s is saved as 2678400/],
    [{ ...web, persistence: { timeout: 0 } }, '-p 1\n', /of 0 s is saved as 1 s/],
    [{ ...web, onePacket: true }, '-s wlc\n', /saved for UDP only/],
    [one({ forwarding: 'bypass' }), '-s wlc\n', /10\.0\.0\.5:80 .* not saved: .* bypass/],
    [one({ forwarding: 'local' }), ' -g ', /forwarding local is saved as -g/],
    [one({ port: 81 }), '-s wlc\n', /not saved: -g would replace its port/],
    [one({ weight: 65536 }), ' -w 65536\n', /weight above 65535/],
    [
      one({ forwarding: 'tun', tunnel: { type: 'gue', port: 1, checksum: '3' } }),
      '--tun-csum',
      /checksum 3 is saved as csum/,
    ],
    [
      one({ forwarding: 'tun', tunnel: { type: '9' } }),
      '--tun-type ipip',
      /type 9 is saved as ipip/,
    ],
  ];
  for (const [service, text, warning] of cases) {
    const formatted = formatRules({ services: [service] });
    t.ok(formatted.text.includes(text), formatted.text);
    t.match(formatted.warnings, [warning]);
    t.equal(formatted.warnings.length, 1);
    t.doesNotThrow(() => parseRules(formatted.text), 'what is written can be read');
  }
  t.strictSame(warningsOf([], { timeouts: { tcp: 900, tcpFin: 120, udp: 300 } }), []);
  t.match(warningsOf([], { timeouts: { tcp: 60 } }), [/ipvsadm --set 60 120 300/]);
  t.match(warningsOf([], { syncDaemons: [{ role: 'master', interface: 'eth0' }] }), [
    /the master sync daemon on eth0 is not saved/,
  ]);
  t.end();
});

t.test('what no table can hold is refused, by property and value', (t) => {
  const refuses = (service: object, message: RegExp, rest: object = {}) => {
    const table = { services: [{ ...web, ...service }], ...rest };
    t.throws(() => formatRules(table), { message, code: /^ERR_/ }, String(message));
  };
  const mark = { protocol: undefined, address: undefined, port: undefined };
  const one = (destination: object) => ({
    destinations: [{ address: '10.0.0.5', ...destination }],
  });
  const at = String.raw`'table\.services\[0\]\.`;
  const below = String.raw`${at}destinations\[0\]\.`;
  refuses({ scheduler: 'a b\n-C' }, new RegExp(`${at}scheduler' may hold only`));
  refuses({ ...mark, fwmark: -5 }, new RegExp(`${at}fwmark' is out of range.*-5`));
  refuses({ address: '10.0.0.1:80 -C' }, new RegExp(`${at}address'`));
  refuses({ protocol: 'icmp' }, new RegExp(`${at}protocol'`));
  refuses({ port: 80.5 }, new RegExp(`${at}port'`));
  refuses({ persistence: { timeout: -1 } }, new RegExp(`${at}persistence\\.timeout'`));
  refuses({ persistence: { netmask: 'x' } }, new RegExp(`${at}persistence\\.netmask'`));
  refuses({ persistence: { engine: 'a b' } }, new RegExp(`${at}persistence\\.engine'`));
  refuses({ engine: 'a b' }, new RegExp(`${at}engine'`));
  refuses({ schedulerFlags: ['x y'] }, new RegExp(`${at}schedulerFlags\\[0\\]'`));
  refuses({ onePacket: 1 }, new RegExp(`${at}onePacket'`));
  refuses({ weight: 1 }, new RegExp(`${at}weight' is not known`));
  refuses({ destinations: 1 }, new RegExp(`${at}destinations' must be an array`));
  refuses(one({ address: 'x' }), new RegExp(`${below}address'`));
  refuses(one({ weight: -1 }), new RegExp(`${below}weight'`));
  refuses(one({ forwarding: 'x' }), new RegExp(`${below}forwarding'`));
  refuses(one({ upperThreshold: '1 -C' }), new RegExp(`${below}upperThreshold'`));
  refuses(
    one({ forwarding: 'tun', tunnel: { type: 'gue' } }),
    new RegExp(`${below}tunnel\\.port'`),
  );
  refuses({}, /table\.timeouts\.tcp'/, { timeouts: { tcp: -1 } });
  refuses({}, /table\.syncDaemons\[0\]\.interface'/, {
    syncDaemons: [{ role: 'master', interface: 'a b' }],
  });
  refuses({}, /table\.more' is not known/, { more: 1 });
  t.end();
});

t.test('an engine without persistence is neither lost nor given a use', (t) => {
  const line = '-A -u 10.0.0.1:5060 -s wlc --pe sip';
  const key = { protocol: 'udp', address: '10.0.0.1', port: 5060 } as const;
  const service = { ...key, ...plain, engine: 'sip' };
  means(t, [line], { op: 'addService', service });
  t.strictSame(formatRules({ services: [service] }), {
    text: `${line}\n`,
    warnings: [],
  });
  t.throws(
    () => formatRules({ services: [{ ...web, engine: 'sip', persistence: {} }] }),
    /engine' has its place in table\.services\[0\]\.persistence/,
  );
  t.end();
});

// ---- both ways

t.test('what is written is read as it was', (t) => {
  fc.assert(
    fc.property(tableServices(4), (services) => {
      const { text, warnings } = formatRules({ services });
      const expected = services.flatMap(({ destinations = [], ...own }): RuleOperation[] => [
        { op: 'addService', service: own },
        ...destinations.map((each): RuleOperation => {
          const key =
            own.fwmark === undefined
              ? { protocol: own.protocol, address: own.address, port: own.port }
              : { fwmark: own.fwmark, family: own.family ?? 'ipv4' };
          return { op: 'addDestination', service: key, destination: each };
        }),
      ]);
      t.strictSame(
        parseRules(text).map(({ operation }) => operation),
        expected,
      );
      t.strictSame(warnings, []);
    }),
    { numRuns: 200 },
  );
  t.end();
});

t.test('no text makes it fail in another way than by a RulesError', (t) => {
  const word = fc.oneof(
    fc.constantFrom(
      '-A',
      '-a',
      '-E',
      '-t',
      '-f',
      '-r',
      '-p',
      '-M',
      '-6',
      '-b',
      '-w',
      '--set',
      '-m',
    ),
    fc.constantFrom('10.0.0.1:80', '[::1]:80', '1', '-1', 'sh', ',', '', '[', ']:', '=', '--', '-'),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      try {
        parseRules(words.join(' '));
      } catch (error) {
        if (!(error instanceof RulesError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
