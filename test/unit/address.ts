import { execFileSync } from 'node:child_process';
import { isIP } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { IPV4, IPV6, formatAddress, notUnicast, parseAddress } from '#lib/address';

// A wrong byte here configures another machine than the one that was meant.

const bytesOf = (text: string) => parseAddress(text)?.bytes;
const zeros = (count: number) => new Array<number>(count).fill(0);

t.test('IPv4 becomes its four bytes', (t) => {
  t.strictSame(bytesOf('192.168.51.11'), [192, 168, 51, 11]);
  t.strictSame(bytesOf('0.0.0.0'), [0, 0, 0, 0]);
  t.equal(parseAddress('10.0.0.1')?.family, 2);
  t.end();
});

t.test('IPv6 becomes its sixteen bytes, wherever "::" stands', (t) => {
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

const format = (family: number, bytes: readonly number[]) =>
  formatAddress(family, Uint8Array.from(bytes), 0);

t.test('bytes become the text that inet_ntop writes', (t) => {
  for (const text of [
    '::',
    '::1',
    '::ffff',
    '::0.1.0.0',
    '::0.1.0.2',
    '::1.2.3.4',
    '::ffff:0.0.0.0',
    '::ffff:10.0.0.1',
    '::ffff:255.255.255.255',
    '::ffff:0:a00:1',
    '::fffe:a00:1',
    '0:1::',
    '1::',
    '1::8',
    '1:0:0:4::8',
    '1::4:0:0:8',
    '1:2:3:4:5:6:7:8',
    '0:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7:0',
    '1:0:3:0:5:0:7:0',
    '1:2:3:4:5:6::',
    '::3:4:5:6:7:8',
    '2001:db8::a:1',
    'ff02::81',
    'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ]) {
    t.equal(format(IPV6, bytesOf(text) ?? []), text);
  }
  for (const text of ['0.0.0.0', '10.0.0.1', '255.255.255.255']) {
    t.equal(format(IPV4, bytesOf(text) ?? []), text);
  }
  // What stands around it in a row is not part of it.
  const around = Uint8Array.from([255, 255, 10, 0, 0, 1, 255, 255]);
  t.equal(formatAddress(IPV4, around, 2), '10.0.0.1');
  t.equal(formatAddress(IPV6, Uint8Array.from([255, ...zeros(15), 1, 255]), 1), '::1');
  t.end();
});

const PYTHON = `
import socket, sys
for line in sys.stdin:
    address = bytes.fromhex(line)
    print(socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address))
`;

t.test('whatever the bytes, the text is that of inet_ntop, and is read as these bytes', (t) => {
  const byte = fc.integer({ min: 0, max: 255 });
  // Zeros in runs of every length and at every place, and what looks like an address of IPv4.
  const group = fc.constantFrom(0, 0, 0, 0, 0xffff, 0xffff, 1, 0xa00, 0x1234);
  const groups = fc
    .array(group, { minLength: 8, maxLength: 8 })
    .map((all) => all.flatMap((each) => [each >> 8, each & 255]));
  const tail = fc
    .tuple(fc.constantFrom(0, 0xffff, 1), fc.array(byte, { minLength: 4, maxLength: 4 }))
    .map(([group, rest]) => [...zeros(10), group >> 8, group & 255, ...rest]);
  const any = fc.array(byte, { minLength: 16, maxLength: 16 });
  const four = fc.array(byte, { minLength: 4, maxLength: 4 });
  const addresses = fc.sample(fc.oneof(groups, tail, any, four), 20_000);
  const input = addresses.map((each) => `${Buffer.from(each).toString('hex')}\n`).join('');
  const texts = execFileSync('python3', ['-c', PYTHON], { input, encoding: 'utf8' }).split('\n');
  const wrong = addresses.flatMap((bytes, index) => {
    const text = format(bytes.length === 4 ? IPV4 : IPV6, bytes);
    const same = text === texts[index] && isIP(text) !== 0;
    return same && bytesOf(text)?.join() === bytes.join()
      ? []
      : [[bytes.join(), text, texts[index]]];
  });
  t.strictSame(wrong.slice(0, 3), []);
  t.equal(texts.length, addresses.length + 1);
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
