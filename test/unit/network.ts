// The handle on the network without a kernel: what it asks for, in which order, and what it makes of
// the answers.

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { NetworkError } from 'ipvs';
import { Fault, NativeFailure } from '#lib/native';
import { FACTORIES } from '#lib/network/native';
import { failureOf, fieldsOf } from '../lab/failure.js';
import { fakeNetwork, fakeSysctl } from '../fixtures/fake-network.js';

const refused = (errno: number, detail = '') => new NativeFailure(Fault.refused, errno, '', detail);

const dummy = { name: 'd0', kind: 'dummy' } as const;

t.test('one at a time, in the order of the calls', async (t) => {
  const { native, network } = fakeNetwork();
  const done: string[] = [];
  const calls = [
    network.addLink(dummy).then(() => done.push('link')),
    network.links().then(() => done.push('links')),
    network.addAddress({ interface: 'd0', address: '10.0.0.1' }).then(() => done.push('address')),
  ];
  await turn();
  t.strictSame(
    native.asked.map(({ what }) => what),
    ['apply'],
  );
  native.asked[0]?.finish();
  await turn();
  native.asked[1]?.finish([]);
  await turn();
  native.asked[2]?.finish();
  await Promise.all(calls);
  t.strictSame(
    native.asked.map(({ what }) => what),
    ['apply', 'list', 'apply'],
  );
  t.strictSame(done, ['link', 'links', 'address']);
  t.match(native.asked[0]?.parts, [1, 1, { name: 'd0', kind: 'dummy' }, Number]);
});

t.test('what is wrong is refused before anything is asked', async (t) => {
  const { native, network } = fakeNetwork();
  const wrong = network.addLink({ name: 'd0', kind: 'dumy' } as never);
  t.match(await failureOf(wrong), { code: 'ERR_INVALID_ARG_VALUE', message: /'link.kind'/ });
  t.match(await failureOf(network.routes({ tabel: 1 } as never)), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
  t.equal(native.asked.length, 0);
});

t.test('an error says what was asked, of what, and what the kernel says', async (t) => {
  const { native, network } = fakeNetwork();
  native.onAsk = ({ fail }) => {
    fail(refused(17, 'Address already assigned'));
  };
  const error = await failureOf(network.addAddress({ interface: 'd0', address: '10.0.0.1' }));
  t.ok(error instanceof NetworkError);
  t.strictSame(fieldsOf(error), {
    code: 'EEXIST',
    command: 'add address',
    errno: -17,
    subject: '10.0.0.1/32 on d0',
    message:
      'add address 10.0.0.1/32 on d0: the interface has it already; ' +
      'the kernel says: Address already assigned (EEXIST)',
  });
});

t.test('how it ended is told by the code', async (t) => {
  const { native, network } = fakeNetwork();
  const failure = (fault: Fault, errno = 0, detail = '') =>
    new NativeFailure(fault, errno, fault === Fault.systemCall ? 'socket' : '', detail);
  const ends = async (found: NativeFailure, call: () => Promise<unknown>): Promise<string> => {
    native.onAsk = ({ fail }) => {
      fail(found);
    };
    return (await failureOf(call())).code ?? '';
  };
  const add = () => network.addLink(dummy);
  const list = () => network.links();
  t.equal(await ends(failure(Fault.notSent), add), 'ERR_IPVS_TIMEOUT');
  t.equal(await ends(failure(Fault.noAnswer), add), 'ERR_IPVS_UNKNOWN_OUTCOME');
  t.equal(await ends(failure(Fault.noAnswer), list), 'ERR_IPVS_TIMEOUT');
  t.equal(await ends(failure(Fault.malformed, 0, 'IFLA_MTU'), list), 'ERR_IPVS_PROTOCOL');
  t.equal(await ends(failure(Fault.systemCall, 24), list), 'EMFILE');
  t.equal(
    await ends(failure(Fault.unavailable, 2), () => network.fouPorts()),
    'ERR_IPVS_UNAVAILABLE',
  );
  t.equal(await ends(refused(95), () => network.removeLink('lo')), 'EOPNOTSUPP');
  t.equal(await ends(refused(99999), add), 'E99999');
  const gone = { destination: '10.0.0.0/8' };
  for (const errno of [2, 3]) {
    t.equal(await ends(refused(errno), () => network.removeRoute(gone)), 'ESRCH');
  }
  const port = { port: 1, type: 'gue' } as const;
  t.equal(await ends(refused(22), () => network.removeFouPort(port)), 'ENOENT');
});

t.test('only what is not there is undefined', async (t) => {
  const { native, network } = fakeNetwork();
  native.onAsk = ({ fail }) => {
    fail(refused(19));
  };
  t.equal(await network.getLink('d0'), undefined);
  native.onAsk = ({ fail }) => {
    fail(refused(1));
  };
  t.match(await failureOf(network.getLink('d0')), { command: 'get link', subject: 'd0' });
});

t.test('what is late ends, and what waits behind it too', async (t) => {
  // Deadlines keep no program alive.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => {
    clearInterval(alive);
  });
  const { native, network } = fakeNetwork(200);
  const [first, second, third] = [network.addLink(dummy), network.links(), network.addLink(dummy)];
  t.match(await failureOf(first), { code: 'ERR_IPVS_UNKNOWN_OUTCOME' });
  t.match(await failureOf(second), { code: 'ERR_IPVS_TIMEOUT' });
  t.match(await failureOf(third), { code: 'ERR_IPVS_TIMEOUT', message: /nothing was changed/ });
  t.equal(native.asked.length, 1, 'the others never were asked');
  // close() waits for what the kernel still has.
  let closed = false;
  const closing = network.close().then(() => (closed = true));
  await turn();
  await turn();
  t.equal(closed, false);
  t.equal(native.closed, false);
  native.asked[0]?.finish();
  await closing;
  t.equal(native.closed, true);
  t.equal(native.asked.length, 1);
  t.match(await failureOf(network.links()), { name: 'NetworkError', code: 'ERR_IPVS_CLOSED' });
});

t.test('an announcement is so many times so many', async (t) => {
  const times = async (more: object): Promise<unknown[]> => {
    const { native, network } = fakeNetwork();
    native.onAsk = ({ what, finish }) => {
      setImmediate(() => {
        finish(what === 'readFile' ? '1\n' : undefined);
      });
    };
    await network.announce({ interface: 'x', addresses: ['10.0.0.1'], ...more });
    return native.asked.map(({ what, parts }) => [what, ...parts.slice(2, 4)]);
  };
  t.strictSame(await times({ repeatAfter: 0 }), [['announce', 5, false]]);
  t.strictSame(await times({ count: 2, interval: 1, repeatAfter: 0 }), [
    ['announce', 1, false],
    ['announce', 1, false],
  ]);
  t.strictSame(await times({ count: 3, repeatAfter: 1 }), [
    ['announce', 3, false],
    ['announce', 3, false],
  ]);
  t.strictSame(await times({ addresses: [] }), []);
  t.match(await times({ addresses: ['fd00::1'], repeatAfter: 0 }), [
    ['readFile'],
    ['announce', 5, true],
  ]);
});

t.test('numbers that nobody has given a word are numbers', async (t) => {
  const { native, network } = fakeNetwork();
  const answer = (record: unknown) => {
    native.onAsk = ({ finish }) => {
      finish([record]);
    };
  };
  const { route, rule, neighbour, address, link, nextHop } = FACTORIES;
  const hop = nextHop('', '', 2, 0);
  answer(
    route(2, '10.0.0.0', 8, 7, 77, 66, 55, 0, '', '', '', -1, 0, 0, [hop], 8, 9, true, '08001e00'),
  );
  t.strictSame(await network.routes(), [
    {
      destination: '10.0.0.0/8',
      family: 'ipv4',
      table: 7,
      type: 77,
      scope: 66,
      protocol: 55,
      nextHops: [{ weight: 2 }],
      tos: 8,
      expires: 9,
      from: true,
      other: '08001e00',
    },
  ]);
  answer(rule(10, 99, 0, 0, 5, -1, 0, '', 0, '', 0, '', '', false));
  t.strictSame(await network.rules(), [{ family: 'ipv6', priority: 5, action: 99 }]);
  answer(neighbour('x', 2, '10.0.0.5', '', 3, 0));
  t.match(await network.neighbours(), [{ state: 3, proxy: false }]);
  answer(address('x', 2, '10.0.0.1', 32, 9, 0x69, '', '', '', 0, 5, '05000b0003000000'));
  t.strictSame(await network.addresses(), [
    {
      interface: 'x',
      address: '10.0.0.1',
      prefix: 32,
      family: 'ipv4',
      scope: 9,
      noPrefixRoute: false,
      noDad: false,
      permanent: false,
      tentative: true,
      deprecated: true,
      dadFailed: true,
      preferredLifetime: 0,
      validLifetime: 5,
      secondary: true,
      other: '05000b0003000000',
    },
  ]);
  native.onAsk = ({ what, parts, finish }) => {
    finish(what === 'canMark' && parts[0] === 10);
  };
  t.equal(await network.canMark('ipv6'), true);
  t.equal(await network.canMark('ipv4'), false);
  await t.rejects(network.canMark('ipv5' as 'ipv6'), { code: 'ERR_INVALID_ARG_VALUE' });
  const { markRule } = FACTORIES;
  native.onAsk = ({ finish }) => {
    finish([
      markRule(2, 'ipvs tcp 10.0.0.1 80 mark 1'),
      markRule(2, 'ipvs tcp 10.0.0.1 mark 2'),
      markRule(2, 'ipvs tcp 10.0.0.1 90-99 mark 1'),
      markRule(10, 'ipvs udp fd00::/16 mark 1'),
      // Nothing that this library would have noted.
      ...[
        '',
        'ipvs',
        'ipvs tcp 10.0.0.1 80 mark 1 and more',
        'ipvs tcp 10.0.0.1 80-80 mark 1',
        'ipvs tcp 10.0.0.1 90-80 mark 1',
        'ipvs tcp 10.0.0.1 080 mark 1',
        'ipvs tcp 10.0.0.1/32 80 mark 1',
        'ipvs tcp 10.0.0.300 80 mark 1',
        'ipvs tcp fd00::1 80 mark 1',
        'ipvs tcp 10.0.0.1 80 mark 0',
        'ipvs tcp 10.0.0.1 80 mark 4294967296',
        'ipvs icmp 10.0.0.1 80 mark 1',
      ].map((note) => markRule(2, note)),
    ]);
  };
  t.strictSame(await network.marks(), [
    {
      family: 'ipv4',
      address: '10.0.0.1',
      protocol: 'tcp',
      ports: [80, { from: 90, to: 99 }],
      mark: 1,
    },
    { family: 'ipv4', address: '10.0.0.1', protocol: 'tcp', mark: 2 },
    { family: 'ipv6', address: 'fd00::/16', protocol: 'udp', mark: 1 },
  ]);
  // What the kernels of the lab can't make: GUE behind a tunnel's end.
  answer(
    link(
      7,
      't',
      'gre',
      0xc1,
      1400,
      '0a:00:00:01',
      2,
      '10.0.0.1',
      '0.0.0.0',
      64,
      0,
      1,
      0,
      2,
      1,
      7,
      6080,
    ),
  );
  t.strictSame(await network.links(), [
    {
      index: 7,
      name: 't',
      kind: 'gre',
      up: true,
      running: true,
      arp: false,
      mtu: 1400,
      loopback: false,
      tunnel: {
        local: '10.0.0.1',
        ttl: 64,
        checksum: true,
        encapsulation: { type: 'gue', sourcePort: 7, destinationPort: 6080, checksum: true },
      },
    },
  ]);
});

t.test('settings: what fails, and what is just not there', async (t) => {
  const { native, sysctl } = fakeSysctl();
  const fails = (errno: number, syscall = 'open') => {
    native.onAsk = ({ fail }) => {
      fail(new NativeFailure(Fault.systemCall, errno, syscall, ''));
    };
  };
  fails(2);
  t.equal(await sysctl.get('a.b'), undefined);
  t.strictSame(await sysctl.list('a.b'), []);
  t.equal(await sysctl.isWritable('a.b'), false);
  t.match(await failureOf(sysctl.set('a.b', 1)), { code: 'ENOENT', subject: 'a.b' });
  fails(30);
  t.equal(await sysctl.isWritable('a.b'), false);
  t.match(await failureOf(sysctl.set('a.b', 1)), { code: 'EROFS', hint: /--sysctl/ });
  fails(13);
  t.match(await failureOf(sysctl.get('a.b')), { code: 'EACCES', command: 'get sysctl' });
  fails(24);
  t.match(await failureOf(sysctl.isWritable('a.b')), { code: 'EMFILE' });
  native.onAsk = ({ what, parts, finish }) => {
    t.strictSame([what, ...parts], ['writeFile', '/proc/sys/a/b', '1\n']);
    finish();
  };
  await sysctl.set('a.b', true);
  native.onAsk = ({ finish }) => {
    finish(['/proc/sys/a/b', 'x\n', '/proc/sys/a/c.d', '\n']);
  };
  t.strictSame(await sysctl.list(), [
    { name: 'a.b', value: 'x' },
    { name: 'a/c.d', value: '' },
  ]);
});
