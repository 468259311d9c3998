// Plain changes of many calls, which travel together and are kept as nothing but what is sent. Where
// this fails, a caller hears of somebody else's failure, a change is sent that was written over, or a
// call ends before its time.

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { DestinationConfig, Ipvs, ServiceConfig } from 'ipvs';
import { Fault, NativeFailure } from '#lib/native';
import { OperationReader } from '#lib/operations';
import { Requests } from '#lib/requests';
import { fakeIpvs, refused } from '../fixtures/fake-addon.js';
import { failureOf, refusalOf } from '../lab/failure.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const real = (port: number): DestinationConfig => ({
  address: '10.0.0.5',
  port,
  forwarding: 'nat',
});
const [ENOENT, EEXIST, EINVAL] = [2, 17, 22];

const add = (ipvs: Ipvs, first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) =>
    ipvs.addDestination(service, real(first + index)),
  );

const portsOf = ({ exchanges }: ReturnType<typeof fakeIpvs>['commands']) =>
  exchanges.map(({ rows }) => rows.map((row) => row.destinationPort));

/** A clock that stands still unless it is moved, and counts how often it is looked at. */
function stopClock(t: Test): { looks: number; time: number } {
  const now = performance.now.bind(performance);
  const clock = { looks: 0, time: Math.floor(now()) };
  performance.now = () => {
    clock.looks++;
    return clock.time;
  };
  t.teardown(() => {
    performance.now = now;
  });
  return clock;
}

t.test('what was written is read back', (t) => {
  const services: ServiceConfig[] = [
    { ...service, scheduler: 'mh', schedulerFlags: ['mh-port'] },
    { protocol: 'udp', address: '2001:db8::1', port: 65535, onePacket: true },
    { fwmark: 2 ** 32 - 1, family: 'ipv6', persistence: { timeout: 77, netmask: 64 } },
    { ...service, port: 0, persistence: { netmask: '255.255.0.0', engine: 'sip' } },
  ];
  const destinations: DestinationConfig[] = [
    { address: '10.0.0.9', forwarding: 'tun', tunnel: { type: 'gue', port: 6080 } },
    { address: '2001:db8::9', forwarding: 'tun', weight: 2 ** 31 - 1 },
    { address: '10.0.0.8', forwarding: 'tun', weight: 0, upperThreshold: 9, lowerThreshold: 3 },
    {
      address: '10.0.0.8',
      forwarding: 'tun',
      upperThreshold: 5,
      tunnel: { type: 'gre', checksum: 'csum' },
    },
  ];
  const requests = new Requests();
  const reader = new OperationReader();
  const written: unknown[] = [];
  const write = (operation: unknown) => {
    const step = reader.read(operation);
    if ('merge' in step) throw new Error('not a plain change');
    requests.add(step);
    written.push(structuredClone(step));
  };
  for (const each of services) {
    write({ op: 'addService', service: each });
    write({ op: 'replaceService', service: each });
    for (const destination of destinations) {
      write({ op: 'addDestination', service: each, destination });
      write({ op: 'replaceDestination', service: each, destination });
      write({ op: 'removeDestination', service: each, destination });
    }
    write({ op: 'zero', service: each });
    write({ op: 'removeService', service: each });
  }
  t.strictSame([...requests.changes()], written);
  t.equal(written.length, 4 * (4 + 3 * 4));
  t.end();
});

t.test('the first leaves at once, the others together, a thousand at most', async (t) => {
  stopClock(t); // on a busy machine they take longer than one gathering is open
  const { ipvs, commands } = fakeIpvs();
  const all = Promise.all(add(ipvs, 1, 2000));
  t.strictSame(
    portsOf(commands).map((ports) => ports.length),
    [1],
  );
  commands.exchanges[0]?.finish();
  t.equal(commands.exchanges[1]?.rows.length, 1024);
  commands.exchanges[1]?.finish();
  commands.exchanges[2]?.finish();
  await all;
  t.strictSame(
    portsOf(commands).flat(),
    Array.from({ length: 2000 }, (_, index) => index + 1),
    'in the order of the calls',
  );
});

t.test('what is not a plain change keeps its place between those that are', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  commands.onExchange = ({ finish }) => setImmediate(finish);
  const { signal } = new AbortController();
  await Promise.all([
    ...add(ipvs, 1, 3),
    ipvs.addDestination(service, real(4), { signal }),
    ...add(ipvs, 5, 6),
    ipvs.setTimeouts({ tcp: 1 }).then(() => undefined),
    ...add(ipvs, 7, 8),
  ]);
  t.strictSame(
    portsOf(commands)
      .flat()
      .map((port) => port ?? 'timeouts'),
    [1, 2, 3, 4, 5, 6, 'timeouts', 7, 8],
  );
});

t.test('a failure is that of its own call, and says which one', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const first = ipvs.addDestination(service, real(1));
  const fine = add(ipvs, 2, 4);
  const there = refusalOf(ipvs.addDestination(service, real(5)));
  const gone = refusalOf(ipvs.removeDestination(service, { address: '2001:DB8::5', port: 6 }));
  const alike = add(ipvs, 7, 9);
  commands.exchanges[0]?.finish();
  commands.exchanges[1]?.finish([
    ...new Array<undefined>(3),
    refused(EEXIST),
    refused(ENOENT),
    ...new Array<undefined>(3),
  ]);
  await Promise.all([first, ...fine, ...alike]);
  t.match(await there, {
    code: 'EEXIST',
    command: 'add destination',
    service,
    destination: { address: '10.0.0.5', port: 5 },
  });
  t.match(await gone, {
    code: 'ENOENT',
    command: 'remove destination',
    destination: { address: '2001:db8::5', port: 6 },
  });
});

// Each would read all routes of the network namespace on the thread pool, or ask the kernel to load a
// module.
t.test('what explains many failures is looked at once, and told in several turns', async (t) => {
  stopClock(t); // so that they travel together, however slow the machine is
  const { ipvs, commands } = fakeIpvs();
  const routes = '/proc/thread-self/net/fib_trie';
  commands.files[routes] = '|-- 10.0.0.5\n /32 link BROADCAST\n';
  commands.onExchange = ({ rows, finish }) =>
    setImmediate(() =>
      finish(
        rows.map(({ command, family }) =>
          refused(command === 5 || family === 10 ? EINVAL : ENOENT),
        ),
      ),
    );
  const sip = { scheduler: 'rr', persistence: { engine: 'sip' } };
  const first = failureOf(ipvs.removeService(service));
  let inTurn = 0;
  let most = 0;
  let timer = setImmediate(function turn() {
    inTurn = 0;
    timer = setImmediate(turn);
  });
  const told = [
    ...add(ipvs, 1, 400),
    ...Array.from({ length: 400 }, (_, n) => ipvs.addService({ ...service, ...sip, port: n + 1 })),
  ].map(async (call) => {
    const error = await refusalOf(call);
    most = Math.max(most, ++inTurn);
    return error;
  });
  await first;
  const errors = await Promise.all(told);
  clearImmediate(timer);
  t.strictSame(
    new Set(
      errors.map(({ code, message }) => `${code} ${message.includes('a broadcast address')}`),
    ),
    new Set(['EINVAL true', 'ERR_IPVS_ENGINE false']),
  );
  t.strictSame(commands.paths, [routes]);
  t.equal(commands.exchanges.length, 3, 'one probe of the scheduler');
  t.ok(most <= 64, `${most} in one turn`);
});

t.test('each kind of change is called by its name', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  commands.onExchange = ({ rows, finish }) =>
    setImmediate(() => finish(rows.map(() => refused(EEXIST))));
  const calls: [string, Promise<unknown>][] = [
    ['add service', ipvs.addService(service)],
    ['replace service', ipvs.replaceService(service)],
    ['remove service', ipvs.removeService(service)],
    ['zero counters', ipvs.zero(service)],
    ['add destination', ipvs.addDestination(service, real(1))],
    ['replace destination', ipvs.replaceDestination(service, real(1))],
    ['remove destination', ipvs.removeDestination(service, real(1))],
  ];
  const refusals = await Promise.all(calls.map(([, call]) => refusalOf(call)));
  t.match(
    refusals,
    calls.map(([command]) => ({ command, code: 'EEXIST' })),
  );
});

t.test('the stack of an error has the caller in it', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  commands.onExchange = ({ rows, finish }) =>
    setImmediate(() => finish(rows.map(() => refused(EEXIST))));
  async function whoeverCalls(): Promise<void> {
    await ipvs.addDestination(service, real(1));
  }
  const error = await failureOf(whoeverCalls());
  t.match(error.stack, /whoeverCalls/);
});

t.test('what was passed may be changed at once, also where the call has to wait', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const key = { ...service, port: 80 };
  const destination = { ...real(1), weight: 1 };
  const spoil = () => {
    key.port = 1;
    Object.assign(destination, { port: 9999, weight: 77, address: '10.9.9.9' });
  };
  const first = ipvs.addDestination(key, destination);
  const second = ipvs.addDestination(key, { ...destination, port: 2 });
  spoil();
  Object.assign(key, { port: 80 });
  commands.exchanges[0]?.finish();
  commands.exchanges[1]?.finish();
  await Promise.all([first, second]);

  // An update has the turn of the service: what comes later waits for it, and others are read after.
  const update = ipvs.updateDestination(service, real(1), { weight: 5 });
  const later = { ...real(3), weight: 3, upperThreshold: 0 };
  const waits = ipvs.addDestination(key, later);
  const after = ipvs.addDestination(key, { ...real(4), weight: 4 });
  Object.assign(later, { port: 9999, weight: 77, address: '10.9.9.9' });
  commands.onExchange = ({ finish }) => setImmediate(finish);
  await turn();
  dumps.dumps[0]?.finish([]);
  await failureOf(update);
  await Promise.all([waits, after]);
  t.match(
    commands.exchanges
      .flatMap(({ rows }) => rows)
      .filter(({ command }) => command === 5)
      .map(({ port, destinationPort, destinationAddress, weight }) => ({
        port,
        destinationPort,
        destinationAddress,
        weight,
      })),
    [
      { port: 80, destinationPort: 1, destinationAddress: '0a000005', weight: 1 },
      { port: 80, destinationPort: 2, destinationAddress: '0a000005', weight: 1 },
      { port: 80, destinationPort: 3, destinationAddress: '0a000005', weight: 3 },
      { port: 80, destinationPort: 4, destinationAddress: '0a000005', weight: 4 },
    ],
  );
});

t.test('a call that comes later has a deadline of its own', async (t) => {
  const clock = stopClock(t);
  const { ipvs, commands } = fakeIpvs(1000);
  const first = ipvs.addDestination(service, real(1));
  const second = ipvs.addDestination(service, real(2));
  clock.time += 40;
  const third = ipvs.addDestination(service, real(3));
  await turn();
  clock.time += 9;
  const fourth = ipvs.addDestination(service, real(4));
  await turn();
  clock.time += 600;
  const fifth = ipvs.addDestination(service, real(5));
  clock.time += 350;
  commands.exchanges[0]?.finish();
  t.strictSame(portsOf(commands), [[1], [2, 3, 4, 5]], 'still in time, as the last of them was');
  t.equal(commands.exchanges[1]?.milliseconds, 1649 - 999, 'the time of the last');
  commands.exchanges[1]?.finish();
  await Promise.all([first, second, third, fourth, fifth]);

  const [sent, late] = add(ipvs, 6, 7);
  clock.time += 500;
  const inTime = ipvs.addDestination(service, real(8));
  clock.time += 500;
  commands.exchanges[2]?.finish();
  t.strictSame(portsOf(commands).slice(2), [[6], [8]]);
  commands.exchanges[3]?.finish();
  await Promise.all([sent, inTime]);
  t.match(await refusalOf(late ?? inTime), { code: 'ERR_IPVS_TIMEOUT', destination: { port: 7 } });
});

t.test('a call is not late because those before it took the caller long', async (t) => {
  const clock = stopClock(t);
  const { ipvs, commands } = fakeIpvs(300);
  const work = (port: number) => {
    clock.time += 15;
    return ipvs.addDestination(service, real(port));
  };
  // They take twice as long as any of them may.
  const calls = Array.from({ length: 40 }, (_, index) => work(index + 1));
  commands.onExchange = ({ finish }) => setImmediate(finish);
  commands.exchanges[0]?.finish();
  await Promise.all(calls.slice(4));
  t.equal(portsOf(commands).flat().at(-1), 40);
  await Promise.allSettled(calls);
});

t.test('some that fly with others are told apart by their places', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const { signal } = new AbortController();
  const port = (each: Promise<unknown>) =>
    each.then(
      () => 'added',
      (error: unknown) => (error as { destination: { port: number } }).destination.port,
    );
  const calls = [
    ...add(ipvs, 1, 3),
    ipvs.addDestination(service, real(4), { signal }),
    ...add(ipvs, 5, 6),
  ].map(port);
  commands.exchanges[0]?.finish();
  t.strictSame(portsOf(commands), [[1], [2, 3, 4, 5, 6]]);
  commands.exchanges[1]?.finish([
    undefined,
    refused(EEXIST),
    refused(EEXIST),
    undefined,
    refused(EEXIST),
  ]);
  t.strictSame(await Promise.all(calls), ['added', 'added', 3, 4, 'added', 6]);
});

t.test('the clock is not looked at for each of many', async (t) => {
  const clock = stopClock(t);
  const { ipvs, commands } = fakeIpvs();
  commands.onExchange = ({ finish }) => setImmediate(finish);
  const all = Promise.all(add(ipvs, 1, 1000));
  t.ok(clock.looks < 1000 / 32, `${clock.looks} times`);
  await all;
});

t.test('when it is too late all of them hear of it, and nothing is written over', async (t) => {
  const { ipvs, commands } = fakeIpvs(200);
  // As native code would that is at work.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  const all = add(ipvs, 1, 3).map((call) => failureOf(call));
  const errors = await Promise.all(all);
  t.match(errors, [
    { code: 'ERR_IPVS_UNKNOWN_OUTCOME', destination: { port: 1 } },
    { code: 'ERR_IPVS_TIMEOUT', destination: { port: 2 } },
    { code: 'ERR_IPVS_TIMEOUT', destination: { port: 3 } },
  ]);
  // Native code still has the first: its buffer must be left alone.
  const next = [ipvs.addDestination(service, real(4)), ipvs.addDestination(service, real(5))];
  t.strictSame(portsOf(commands), [[1]]);
  commands.onExchange = ({ finish }) => finish();
  commands.exchanges[0]?.finish();
  await Promise.all(next);
  t.strictSame(portsOf(commands), [[1], [4, 5]], 'what nobody waits for is not sent');
});

t.test('one failure of all is that of each', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const lost = new NativeFailure(Fault.noAnswer, 105, '', '');
  commands.onExchange = ({ rows, finish }) => setImmediate(() => finish(rows.map(() => lost)));
  const errors = await Promise.all(add(ipvs, 1, 5).map((call) => refusalOf(call)));
  for (const { code } of errors) t.equal(code, 'ERR_IPVS_UNKNOWN_OUTCOME');
  t.strictSame(
    errors.map(({ destination }) => destination?.port),
    [1, 2, 3, 4, 5],
  );
});

t.test('close() waits for all of them, and for what a failure meant', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const order: string[] = [];
  const calls = add(ipvs, 1, 3).map((call, index) =>
    call.then(
      () => order.push(`added ${index + 1}`),
      (error: unknown) => order.push(`${(error as { code: string }).code} ${index + 1}`),
    ),
  );
  const closed = ipvs.close().then(() => order.push('closed'));
  commands.exchanges[0]?.finish([refused(EEXIST)]);
  commands.exchanges[1]?.finish();
  await Promise.all([...calls, closed]);
  t.equal(order.at(-1), 'closed');
  t.strictSame(order.slice(0, 3).sort(), ['EEXIST 1', 'added 2', 'added 3']);
  t.match(await refusalOf(ipvs.addDestination(service, real(1))), { code: 'ERR_IPVS_CLOSED' });
});

t.test('what makes no sense disturbs nobody', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const first = add(ipvs, 1, 2);
  const wrong = [
    ipvs.addDestination(service, { ...real(3), weight: -1 }),
    ipvs.addDestination(service, real(3), { signal: 1 } as never),
    ipvs.addDestination({ ...service, protocol: 'icmp' } as never, real(3)),
  ];
  const last = add(ipvs, 4, 4);
  t.strictSame(
    (await Promise.all(wrong.map((call) => failureOf(call)))).map(({ code }) => code),
    ['ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'],
  );
  commands.exchanges[0]?.finish();
  commands.exchanges[1]?.finish();
  await Promise.all([...first, ...last]);
  t.strictSame(portsOf(commands), [[1], [2, 4]]);
});
