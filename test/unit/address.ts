import t from 'tap';
import { notUnicast, parseAddress } from '#lib/address';

// A wrong byte here configures another machine than the one that was meant.

const bytesOf = (text: string) => parseAddress(text)?.bytes;

t.test('IPv4 becomes its four bytes', (t) => {
  t.strictSame(bytesOf('192.168.51.11'), [192, 168, 51, 11]);
  t.strictSame(bytesOf('0.0.0.0'), [0, 0, 0, 0]);
  t.equal(parseAddress('10.0.0.1')?.family, 2);
  t.end();
});

t.test('IPv6 becomes its sixteen bytes, wherever "::" stands', (t) => {
  const zeros = (count: number) => new Array<number>(count).fill(0);
  t.strictSame(bytesOf('::'), zeros(16));
  t.strictSame(bytesOf('::1'), [...zeros(15), 1]);
  t.strictSame(bytesOf('2001:db8::'), [0x20, 0x01, 0x0d, 0xb8, ...zeros(12)]);
  t.strictSame(bytesOf('2001:DB8::a:1'), [0x20, 0x01, 0x0d, 0xb8, ...zeros(9), 0x0a, 0, 1]);
  t.strictSame(bytesOf('1:2:3:4:5:6:7:8'), [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]);
  t.strictSame(bytesOf('::ffff:10.1.2.3'), [...zeros(10), 255, 255, 10, 1, 2, 3]);
  t.strictSame(bytesOf('64:ff9b::1.2.3.4'), [0, 0x64, 0xff, 0x9b, ...zeros(8), 1, 2, 3, 4]);
  t.equal(parseAddress('::1')?.family, 10);
  t.end();
});

t.test('what is not an address is not guessed at', (t) => {
  for (const text of [
    '',
    '10.1',
    '10.0.0.256',
    '010.0.0.1',
    'localhost',
    '1::2::3',
    ':::',
    'fe80::1%eth0',
    '10.0.0.1/24',
    ' 10.0.0.1',
  ]) {
    t.equal(parseAddress(text), undefined, text);
  }
  t.end();
});

t.test('addresses that no real server can have are told apart', (t) => {
  const verdict = (text: string) => {
    const address = parseAddress(text);
    return address && notUnicast(address);
  };
  t.equal(verdict('0.0.0.0'), 'unspecified');
  t.equal(verdict('::'), 'unspecified');
  t.equal(verdict('255.255.255.255'), 'the broadcast address');
  t.equal(verdict('224.0.0.1'), 'multicast');
  t.equal(verdict('239.255.0.1'), 'multicast');
  t.equal(verdict('ff02::1'), 'multicast');
  t.equal(verdict('223.255.255.255'), undefined);
  t.equal(verdict('2001:db8::1'), undefined);
  t.end();
});
