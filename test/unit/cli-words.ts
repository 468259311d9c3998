// The words that people type for services, servers, numbers and times. What is misread here changes
// another service than the one that was meant.

import fc from 'fast-check';
import t from 'tap';
import { formatDuration, shortNumber } from '#lib/cli/render/numbers';
import {
  parseDuration,
  parseEndpoint,
  parseNetmask,
  parseNumber,
  parseServer,
  parseService,
  serviceWords,
} from '#lib/cli/words';
import type { ServiceKey } from 'ipvs';

const port = fc.integer({ min: 0, max: 65535 });
const address = fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', '::ffff:10.0.0.1'));
const key: fc.Arbitrary<ServiceKey> = fc.oneof(
  fc.record({ protocol: fc.constantFrom('tcp', 'udp', 'sctp'), address, port }),
  fc.record({
    fwmark: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    family: fc.constantFrom('ipv4', 'ipv6'),
  }),
);

t.test('the words for a service are read as that service', (t) => {
  fc.assert(
    fc.property(key, (service) => {
      const [kind = '', name = '', ...more] = serviceWords(service).split(' ');
      return more.length === 0 && t.same(parseService(kind, name), service);
    }),
  );
  t.end();
});

t.test('services', (t) => {
  const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 };
  t.same(parseService('tcp', '10.0.0.1:80'), web);
  t.same(parseService('tcp', '10.0.0.1:any'), { ...web, port: 0 });
  t.same(parseService('udp', '[2001:db8::1]:53'), {
    protocol: 'udp',
    address: '2001:db8::1',
    port: 53,
  });
  t.same(parseService('mark', '0xffffffff'), { fwmark: 4294967295, family: 'ipv4' });
  t.same(parseService('mark6', '80'), { fwmark: 80, family: 'ipv6' });
  const wrong = [
    ['tcp', '10.0.0.1'],
    ['tcp', ':80'],
    ['tcp', '2001:db8::1:80'],
    ['tcp', '10.0.0.1:'],
    ['tcp', '10.0.0.1:65536'],
    ['tcp', '10.0.0.1:http'],
    ['tcp', '10.0.0.1:80:90'],
    ['tcp', '[2001:db8::1:53'],
    ['tcp', '10.0.0.1:-1'],
    ['icmp', '10.0.0.1:80'],
    ['mark', '0'],
    ['mark', '4294967296'],
    ['mark', '1e3'],
    ['mark', '-1'],
  ] as const;
  for (const [kind, name] of wrong) {
    t.throws(() => parseService(kind, name), { code: 'ERR_USAGE' }, `${kind} ${name}`);
  }
  t.end();
});

t.test('servers and endpoints', (t) => {
  t.same(parseServer('10.0.0.5'), { address: '10.0.0.5' });
  t.same(parseServer('10.0.0.5:8080'), { address: '10.0.0.5', port: 8080 });
  t.same(parseServer('2001:db8::5'), { address: '2001:db8::5' });
  t.same(parseServer('[2001:db8::5]'), { address: '2001:db8::5' });
  t.same(parseServer('[2001:db8::5]:8080'), { address: '2001:db8::5', port: 8080 });
  t.same(parseEndpoint(':80', 'x'), { port: 80 });
  t.throws(() => parseServer(':80'), { code: 'ERR_USAGE' });
  t.throws(() => parseServer(''), { code: 'ERR_USAGE' });
  t.end();
});

t.test('numbers, masks and times', (t) => {
  t.equal(parseNumber('2147483648', '--weight'), 2147483648);
  for (const text of ['', '-1', '1.5', '1e3', '0x10', ' 1', '1 ', 'x']) {
    t.throws(() => parseNumber(text, '--weight'), { code: 'ERR_USAGE', message: /--weight/ }, text);
  }
  t.equal(parseNetmask('24'), 24);
  t.equal(parseNetmask('255.255.255.0'), '255.255.255.0');
  t.equal(parseDuration('90', 'x'), 90);
  t.equal(parseDuration('1h30m', 'x'), 5400);
  t.equal(parseDuration('2d', 'x'), 172800);
  for (const text of ['', '5x', 'm', '5 m', '1.5h', '-5s', '5ms']) {
    t.throws(() => parseDuration(text, '--within'), { code: 'ERR_USAGE' }, text);
  }
  fc.assert(
    fc.property(fc.nat(), (seconds) => parseDuration(formatDuration(seconds), 'x') === seconds),
  );
  t.end();
});

t.test('long numbers are shortened to what counts', (t) => {
  const numbers: [number, string][] = [
    [0, '0'],
    [999, '999'],
    [1000, '1.0k'],
    [9949, '9.9k'],
    [9950, '10k'],
    [999_499, '999k'],
    [999_500, '1.0M'],
    [1_000_000_000_000, '1.0T'],
    [2 ** 64, '18E'],
  ];
  for (const [number, text] of numbers) t.equal(shortNumber(number), text);
  fc.assert(fc.property(fc.double({ min: 0, max: 1e20 }), (n) => shortNumber(n).length <= 5));
  t.end();
});
