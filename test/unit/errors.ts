// What an error says and carries. A wrong one sends its reader, or the program that catches it, to
// the wrong place.

import { inspect } from 'node:util';
import t from 'tap';
import { IpvsError } from 'ipvs';
import { errnoName, invalidType, invalidValue, outOfRange } from '#lib/errors';
import type { Subject } from '#lib/errors';
import { fieldsOf } from '../lab/failure.js';

// The constructor is internal, so its declaration is left out.
const Make = IpvsError as unknown as new (subject: Subject, verdict: object) => IpvsError;

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const service6 = { protocol: 'udp', address: '2001:db8::1', port: 53 } as const;
const destination = { address: '10.0.0.5', port: 8080 };
const verdict = { code: 'ESRCH', sentence: 'the service does not exist' };

t.test('the message says what was asked of what, what is wrong, and the code', (t) => {
  const messages: [Subject, string][] = [
    [{ command: 'list services' }, 'list services'],
    [{ command: 'remove service', service }, 'remove service tcp 10.0.0.1:80'],
    [{ command: 'get service', service: service6 }, 'get service udp [2001:db8::1]:53'],
    [
      { command: 'get service', service: { ...service, protocol: 'sctp', port: 0 } },
      'get service sctp 10.0.0.1:0',
    ],
    [
      { command: 'add service', service: { fwmark: 4294967295 } },
      'add service firewall mark 4294967295 (ipv4)',
    ],
    [
      { command: 'add service', service: { fwmark: 7, family: 'ipv6' } },
      'add service firewall mark 7 (ipv6)',
    ],
    [
      { command: 'add destination', service, destination },
      'add destination 10.0.0.5:8080 to tcp 10.0.0.1:80',
    ],
    [
      { command: 'remove destination', service, destination },
      'remove destination 10.0.0.5:8080 from tcp 10.0.0.1:80',
    ],
    [
      { command: 'update destination', service, destination },
      'update destination 10.0.0.5:8080 of tcp 10.0.0.1:80',
    ],
    [
      {
        command: 'ensure destination',
        service: service6,
        destination: { address: '2001:db8::5', port: 5353 },
      },
      'ensure destination [2001:db8::5]:5353 of udp [2001:db8::1]:53',
    ],
    [
      {
        command: 'get destination',
        service: { fwmark: 7 },
        destination: { address: '10.0.0.5', port: 0 },
      },
      'get destination 10.0.0.5:0 of firewall mark 7 (ipv4)',
    ],
  ];
  for (const [subject, text] of messages) {
    t.equal(new Make(subject, verdict).message, `${text}: the service does not exist (ESRCH)`);
  }
  t.end();
});

t.test('an error is an Error whose name and class say what it is', (t) => {
  const error = new Make({ command: 'list services' }, verdict);
  t.type(error, Error);
  t.type(error, IpvsError);
  t.equal(error.name, 'IpvsError');
  t.equal(String(error), 'IpvsError: list services: the service does not exist (ESRCH)');
  t.notOk(Object.hasOwn(error, 'name'), 'the name is on the prototype');
  t.ok(Object.hasOwn(IpvsError.prototype, 'name'));
  t.match(inspect(error), /^IpvsError: list services: .*\n +at .*errors\.(ts|js)/);
  t.end();
});

t.test('what does not apply is absent, and not merely undefined', (t) => {
  t.strictSame(Object.keys(new Make({ command: 'open' }, verdict)), ['code', 'command']);
  const bare = new Make(
    { command: 'open', service: undefined, destination: undefined },
    { ...verdict, hint: '', errno: 0, syscall: '', cause: undefined },
  );
  t.strictSame(Object.keys(bare), ['code', 'command']);
  t.notOk('cause' in bare);
  t.end();
});

t.test('what applies is there', (t) => {
  const cause = new Error('deeper');
  const error = new Make(
    { command: 'add destination', service, destination },
    { ...verdict, hint: 'look', errno: 3, syscall: 'sendmsg', cause },
  );
  t.strictSame(fieldsOf(error), {
    code: 'ESRCH',
    command: 'add destination',
    errno: -3,
    syscall: 'sendmsg',
    service,
    destination,
    hint: 'look',
    message: 'add destination 10.0.0.5:8080 to tcp 10.0.0.1:80: the service does not exist (ESRCH)',
  });
  t.equal(error.cause, cause);
  // Negative, as in Node.js, whichever way it comes.
  t.equal(new Make({ command: 'open' }, { ...verdict, errno: -3 }).errno, -3);
  t.end();
});

t.test('errno numbers have their usual names', (t) => {
  const names = { 1: 'EPERM', 2: 'ENOENT', 3: 'ESRCH', 11: 'EAGAIN', 17: 'EEXIST', 22: 'EINVAL' };
  for (const [number, name] of Object.entries(names)) t.equal(errnoName(Number(number)), name);
  t.match(errnoName(95), /^E(OPNOTSUPP|NOTSUP)$/);
  t.equal(errnoName(524), 'E524', 'one that libc has no name for');
  t.end();
});

t.test("the caller's mistakes are Node.js's own errors, with property and value", (t) => {
  const errors = [
    [
      invalidType('service.port', 'a number', '80'),
      TypeError,
      'ERR_INVALID_ARG_TYPE',
      "The property 'service.port' must be a number. Received '80'",
    ],
    [
      invalidValue('service.port', 'may be 0 only with persistence', 0),
      TypeError,
      'ERR_INVALID_ARG_VALUE',
      "The property 'service.port' may be 0 only with persistence. Received 0",
    ],
    [
      outOfRange('changes.weight', '>= 0 and <= 2147483647', -1),
      RangeError,
      'ERR_OUT_OF_RANGE',
      "The property 'changes.weight' is out of range. It must be >= 0 and <= 2147483647. Received -1",
    ],
  ] as const;
  for (const [error, Kind, code, message] of errors) {
    t.equal(Object.getPrototypeOf(error), Kind.prototype);
    t.strictSame(fieldsOf(error), { code, message });
  }
  // Values may be anything, and of any size.
  const received = (value: unknown) =>
    invalidType('x', 'a string', value).message.replace(/^.* must be a string\. /, '');
  t.equal(received(undefined), 'Received undefined');
  t.equal(received(null), 'Received null');
  t.equal(received({ a: { b: 1 } }), 'Received { a: [Object] }');
  t.equal(received(10n), 'Received 10n');
  t.ok(received('x'.repeat(100_000)).length < 300, 'a long value is cut');
  t.end();
});
