// The queue in front of the kernel. Where it fails, a promise gets another one's answer or none at
// all, calls overtake each other, or a request is carried out that its caller has given up.

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { parseAddress } from '#lib/address';
import { Channels, CommandChannel, DumpChannel } from '#lib/channel';
import type { Table } from '#lib/table';
import { Fault, NativeFailure } from '#lib/native';
import { Command } from '#lib/records';
import type { DestinationId, DestinationRecord, Request, ServiceRecord } from '#lib/records';
import { Requests } from '#lib/requests';
import type { Records } from '#lib/rows';
import { serviceOfRow } from '#lib/rows';
import { parseServiceId } from '#lib/validate';
import { FakeChannel, refused, restOfAddon } from '../fixtures/fake-addon.js';
import { range } from '../fixtures/lists.js';
import { noTraffic, unused } from '../lab/objects.js';

const TIMEOUT = 1000;

/** A request that can be told from others by its port. */
function request(port: number): Request {
  const service = parseServiceId({ protocol: 'tcp', address: '10.0.0.1', port });
  return { command: Command.deleteService, service };
}

function makeCommands(): { fake: FakeChannel; channel: CommandChannel } {
  const fake = new FakeChannel();
  return { fake, channel: new CommandChannel(fake, TIMEOUT) };
}

const portsOf = ({ exchanges }: FakeChannel) =>
  exchanges.map(({ rows }) => rows.map(({ port }) => port));

/** A clock that stands still unless it is moved. */
function stopClock(t: Test): { advance: (milliseconds: number) => void } {
  const now = performance.now.bind(performance);
  let time = Math.floor(now()); // so that sums and differences are exact
  performance.now = () => time;
  t.teardown(() => {
    performance.now = now;
  });
  return { advance: (milliseconds) => (time += milliseconds) };
}

/** What has happened to promises so far. */
function watch(promises: readonly Promise<unknown>[]): unknown[] {
  const seen: unknown[] = promises.map(() => 'waiting');
  promises.forEach((promise, index) => {
    void promise.then((value) => (seen[index] = value));
  });
  return seen;
}

t.test('the first leaves at once, and what is asked meanwhile travels together', async (t) => {
  const { fake, channel } = makeCommands();
  const all = range(1, 2500).map((port) => channel.request(request(port)));
  t.strictSame(portsOf(fake), [[1]], 'one work item in flight');
  for (let index = 0; index < fake.exchanges.length; index++) {
    fake.exchanges[index]?.finish();
    t.ok(fake.exchanges.length <= index + 2, 'one at a time');
  }
  await Promise.all(all);
  t.strictSame(portsOf(fake), [[1], range(2, 1025), range(1026, 2049), range(2050, 2500)]);

  // Idle again: the next one does not wait either.
  void channel.request(request(2501));
  t.strictSame(portsOf(fake).at(-1), [2501]);
  fake.exchanges.at(-1)?.finish();
});

t.test('every request gets its own answer', async (t) => {
  const { fake, channel } = makeCommands();
  const all = range(1, 4).map((port) => channel.request(request(port)));
  const seen = watch(all);
  fake.exchanges[0]?.finish();
  await turn();
  t.strictSame(seen, [undefined, 'waiting', 'waiting', 'waiting']);
  const [first, second] = [refused(17), refused(3)];
  fake.exchanges[1]?.finish([first, undefined, second]);
  await Promise.all(all);
  t.strictSame(seen, [undefined, first, undefined, second]);
});

// The kernel works on the next batch while JavaScript settles the last one.
t.test('the next exchange starts before the last one is settled', async (t) => {
  const { fake, channel } = makeCommands();
  let exchanges = 0;
  const first = channel.request(request(1)).then(() => (exchanges = fake.exchanges.length));
  void channel.request(request(2));
  fake.exchanges[0]?.finish();
  await first;
  t.equal(exchanges, 2);
  fake.exchanges[1]?.finish();
});

// The buffer of rows is used again for each flight: what waits must not be written into it too early.
t.test('requests keep their contents while the queue grows and shrinks', async (t) => {
  const { fake, channel } = makeCommands();
  const all: Promise<unknown>[] = [];
  const sent = () => portsOf(fake).flat();
  let port = 0;
  for (const more of [1, 7, 8, 9, 200, 1, 0, 0, 500, 3]) {
    for (let i = 0; i < more; i++) all.push(channel.request(request(++port)));
    if (fake.busy) fake.exchanges.at(-1)?.finish();
  }
  while (fake.busy) fake.exchanges.at(-1)?.finish();
  await Promise.all(all);
  t.strictSame(sent(), range(1, port));
});

t.test('settled() waits for what was asked before it and not for later requests', async (t) => {
  const { fake, channel } = makeCommands();
  await channel.settled();
  const seen: unknown[] = [];
  const note = (what: unknown) => () => void seen.push(what);
  void channel.request(request(1)).then(note(1));
  void channel.settled().then(note('settled 1'));
  void channel.request(request(2)).then(note(2));
  void channel.settled().then(note('settled 2'));
  await turn();
  t.strictSame(seen, []);
  fake.exchanges[0]?.finish();
  void channel.request(request(3)).then(note(3));
  await turn();
  t.strictSame(seen, [1, 'settled 1']);
  fake.exchanges[1]?.finish();
  await turn();
  t.strictSame(seen, [1, 'settled 1', 2, 'settled 2']);
  fake.exchanges[2]?.finish();
});

t.test('what waited too long is not sent, and its promise settles', async (t) => {
  const clock = stopClock(t);
  const { fake, channel } = makeCommands();
  const early = range(1, 3).map((port) => channel.request(request(port)));
  const done = watch([channel.settled()]);
  clock.advance(600);
  const late = channel.request(request(4));
  clock.advance(400);
  fake.exchanges[0]?.finish();

  const notSent = new NativeFailure(Fault.notSent, 0, '', '');
  t.strictSame(await Promise.all(early), [undefined, notSent, notSent]);
  t.strictSame(portsOf(fake), [[1], [4]], 'the others go on');
  await turn();
  t.strictSame(done, [undefined], 'for settled() they are settled too');
  t.equal(fake.exchanges[0]?.milliseconds, 1000);
  t.equal(fake.exchanges[1]?.milliseconds, 600, 'what is left until the deadline');
  fake.exchanges[1]?.finish();
  t.equal(await late, undefined);
});

t.test('where all waited too long nothing is sent, and the queue is usable again', async (t) => {
  const clock = stopClock(t);
  const { fake, channel } = makeCommands();
  const all = range(1, 200).map((port) => channel.request(request(port)));
  clock.advance(5000);
  fake.exchanges[0]?.finish();
  const outcomes = await Promise.all(all);
  t.equal(outcomes.filter((outcome) => outcome instanceof NativeFailure).length, 199);
  t.equal(fake.busy, false);
  await channel.settled();

  const next = channel.request(request(201));
  t.strictSame(portsOf(fake), [[1], [201]], 'the right row behind those that were dropped');
  fake.exchanges[1]?.finish();
  t.equal(await next, undefined);
});

// Several that are late are taken from the front: the rows must be taken along.
t.test('the rows of those that are late go with them', async (t) => {
  const clock = stopClock(t);
  const { fake, channel } = makeCommands();
  const all = [channel.request(request(1))];
  for (const port of range(2, 400)) {
    clock.advance(5);
    all.push(channel.request(request(port)));
  }
  // 1995 ms have passed: those up to port 200 are late by now.
  fake.exchanges[0]?.finish();
  while (fake.busy) fake.exchanges.at(-1)?.finish();
  const outcomes = await Promise.all(all);
  const sent = portsOf(fake).flat();
  t.strictSame(sent, [1, ...range(201, 400)]);
  t.strictSame(
    outcomes.map((outcome) => outcome === undefined),
    range(1, 400).map((port) => sent.includes(port)),
  );
});

/** Many requests that travel by themselves. */
function many(first: number, last: number): Requests {
  const requests = new Requests();
  for (const port of range(first, last)) requests.add(request(port));
  return requests;
}

t.test('many that were asked at once travel alone, and in their place', async (t) => {
  const { fake, channel } = makeCommands();
  const settled: unknown[] = [];
  const note = (what: string) => (outcome: unknown) => void settled.push([what, outcome]);
  const all = [
    channel.request(request(1)).then(note('first')),
    channel.request(request(2)).then(note('second')),
    channel.bulk(many(10, 20)).then(note('many')),
    channel.bulk(many(30, 40)).then(note('more')),
    channel.request(request(3)).then(note('third')),
    channel.request(request(4)).then(note('fourth')),
  ];
  while (fake.busy) {
    fake.exchanges.at(-1)?.finish();
    await turn();
  }
  await Promise.all(all);
  t.strictSame(portsOf(fake), [[1], [2], range(10, 20), range(30, 40), [3, 4]]);
  const order = ['first', 'second', 'many', 'more', 'third', 'fourth'];
  t.strictSame(
    settled,
    order.map((what) => [what, undefined]),
  );
  const failed = channel.bulk(many(1, 3));
  const outcomes = [undefined, refused(1), undefined];
  fake.exchanges.at(-1)?.finish(outcomes);
  t.strictSame(await failed, outcomes, 'an outcome each');
});

// Nothing is in flight then, so nobody else would come by to send what waits behind.
t.test('many that waited too long are not sent, and keep nobody from going', async (t) => {
  const clock = stopClock(t);
  const { fake, channel } = makeCommands();
  const first = channel.request(request(1));
  const late = [channel.bulk(many(10, 20)), channel.bulk(many(30, 40))];
  clock.advance(900);
  const last = channel.request(request(2));
  clock.advance(200);
  fake.exchanges[0]?.finish();
  t.equal(await first, undefined);
  const notSent = new NativeFailure(Fault.notSent, 0, '', '');
  t.strictSame(await Promise.all(late), [notSent, notSent]);
  t.strictSame(portsOf(fake), [[1], [2]]);
  fake.exchanges[1]?.finish();
  t.equal(await last, undefined);
  await channel.settled();
});

/** A service that can be told from others by its port. */
const service = (port: number): ServiceRecord => ({
  family: 2,
  protocol: 6,
  address: '10.0.0.1',
  port,
  fwmark: 0,
  scheduler: 'wlc',
  flags: 0,
  timeout: 0,
  netmask: 0xffffffff,
  engine: '',
  wideStats: 1,
  stats: noTraffic,
});

const destination = (port: number): DestinationRecord => ({
  family: 10,
  address: '2001:db8::5',
  port,
  forwarding: 0,
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
  ...unused,
});

t.test('dumps run one after the other, each with the time that is left for it', async (t) => {
  const clock = stopClock(t);
  const fake = new FakeChannel();
  const channel = new DumpChannel(fake, TIMEOUT);
  const first = channel.services(false);
  const second = channel.services(false);
  await turn();
  t.equal(fake.dumps.length, 1);
  t.equal(fake.dumps[0]?.milliseconds, 1000);
  clock.advance(300);
  const failure = refused(1);
  fake.dumps[0]?.finish(failure);
  t.equal(await first, failure, 'a failure is the answer');
  await turn();
  t.equal(fake.dumps[1]?.milliseconds, 700);
  fake.dumps[1]?.finish(range(1, 3).map(service), 2);
  const records = (await second) as Records<ServiceRecord>;
  t.strictSame([records.length, records.chunks], [3, 2]);
  t.strictSame(records.take(2), [service(1), service(2)]);
  t.strictSame(records.take(2), [service(3)]);
  t.strictSame(records.take(2), []);
});

t.test('each kind of dump asks for its records, and makes them of what comes', async (t) => {
  const fake = new FakeChannel();
  const channel = new DumpChannel(fake, TIMEOUT);
  const id = parseServiceId({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
  const id6 = { address: parseAddress('2001:db8::5'), port: 8080 } as DestinationId;
  const daemon = {
    role: 1,
    interface: 'lo',
    syncId: 2,
    maxLength: 3,
    group: '::',
    port: 4,
    ttl: 5,
  };
  fake.onDump = ({ row: { command }, finish }) =>
    finish(command === 4 ? [service(1)] : command === 8 ? [destination(2)] : [daemon], 1);
  const taken = async (records: Promise<unknown>) => ((await records) as Records<unknown>).take(9);
  t.strictSame(await taken(channel.services(false)), [service(1)]);
  t.strictSame(await taken(channel.destinations(id, undefined, false)), [destination(2)]);
  await channel.destinations(id, id6, false);
  t.strictSame(await channel.daemons(), [daemon]);
  const key = { protocol: 6, port: 80, fwmark: 0, address: '0a000001' };
  const nobody = { family: 0, protocol: 0, port: 0, fwmark: 0, address: '' };
  t.strictSame(
    fake.dumps.map(({ row }) => row),
    [
      { command: 4, ...nobody },
      { command: 8, family: 2, ...key },
      {
        command: 8,
        family: 2,
        ...key,
        destinationFamily: 10,
        destinationPort: 8080,
        destinationAddress: '20010db8000000000000000000000005',
      },
      { command: 11, ...nobody },
    ],
  );
});

t.test('a dump that waited too long is not begun', async (t) => {
  const clock = stopClock(t);
  const fake = new FakeChannel();
  const channel = new DumpChannel(fake, TIMEOUT);
  const dumps = [channel.services(false), channel.services(false)];
  await turn();
  clock.advance(1000);
  const third = channel.services(false);
  fake.dumps[0]?.finish([]);
  await turn();
  t.strictSame(await dumps[1], new NativeFailure(Fault.notSent, 0, '', ''));
  t.equal(fake.dumps.length, 2, 'the third goes on');
  fake.dumps[1]?.finish([]);
  t.notOk((await third) instanceof NativeFailure);
});

t.test('the second socket of a handle is made where the first one is', async (t) => {
  const made: [FakeChannel, ...place: unknown[]][] = [];
  const failure: { at?: NativeFailure } = {};
  class Channel extends FakeChannel {
    constructor(...place: unknown[]) {
      super();
      made.push([this, ...place]);
    }
    override open(done: (failure: NativeFailure | undefined) => void): void {
      setImmediate(() => done(failure.at));
    }
  }
  const addon = { Channel, ...restOfAddon() };
  const channels = await Channels.open(addon, { netns: '/run/netns/blue' }, TIMEOUT);
  t.ok(channels instanceof Channels);
  t.strictSame(
    made.map(([, ...place]) => place),
    [
      ['/run/netns/blue', undefined, undefined],
      [made[0]?.[0], undefined, undefined],
    ],
  );
  if (channels instanceof Channels) channels.close();
  t.strictSame(
    made.map(([{ closed }]) => closed),
    [true, true],
  );

  // In a new namespace, and where a peer answers in place of the kernel: both sockets.
  for (const netns of [null, undefined]) {
    made.length = 0;
    await Channels.open(addon, { netns, peer: { protocol: 2, port: 77 } }, TIMEOUT);
    t.strictSame(
      made.map(([, ...place]) => place),
      [
        [netns, 2, 77],
        [made[0]?.[0], 2, 77],
      ],
    );
  }

  // Where it can't be opened nothing stays open.
  made.length = 0;
  failure.at = new NativeFailure(Fault.systemCall, 2, 'open', '');
  t.equal(await Channels.open(addon, { netns: '/run/netns/red' }, TIMEOUT), failure.at);
  t.strictSame(
    made.map(([{ closed }]) => closed),
    [true],
  );
});

t.test('a read has its record for an answer', async (t) => {
  const { fake, channel } = makeCommands();
  const answer = channel.request({ ...request(1), command: Command.getService });
  t.match(fake.exchanges[0]?.rows, [{ command: 4 }]);
  fake.exchanges[0]?.finish([service(1)]);
  t.strictSame(serviceOfRow((await answer) as Uint8Array, false), service(1));
});

/** A way to give a request up, and what it rejects with. */
function cancellation() {
  const controller = new AbortController();
  const told: boolean[] = [];
  const error = (sent: boolean) => {
    told.push(sent);
    return new Error(sent ? 'sent' : 'not sent');
  };
  return { controller, told, cancellation: { signal: controller.signal, error } };
}

t.test('what is given up while it waits is not sent, and keeps nobody from going', async (t) => {
  const { fake, channel } = makeCommands();
  const { controller, ...limits } = cancellation();
  const first = channel.request(request(1));
  const given = channel.request(request(2), limits);
  const last = channel.request(request(3));
  const settled = watch([channel.settled()]);
  controller.abort();
  await t.rejects(given, { message: 'not sent' });
  fake.exchanges[0]?.finish();
  t.equal(await first, undefined);
  t.strictSame(portsOf(fake), [[1], [3]]);
  fake.exchanges[1]?.finish();
  t.equal(await last, undefined);
  await turn();
  t.strictSame(settled, [undefined], 'nobody waits for it for ever');

  // Nor one whose signal was aborted before: it takes no place in the queue.
  await t.rejects(channel.request(request(4), limits), { message: 'not sent' });
  await channel.settled();
  t.equal(fake.exchanges.length, 2);
  t.strictSame(limits.told, [false, false]);
});

t.test('where all that waits is given up nothing is sent, and the queue goes on', async (t) => {
  const { fake, channel } = makeCommands();
  const { controller, ...limits } = cancellation();
  const first = channel.request(request(1));
  const given = range(2, 300).map((port) => channel.request(request(port), limits));
  const outcomes = Promise.allSettled(given);
  controller.abort();
  fake.exchanges[0]?.finish();
  await first;
  await channel.settled();
  t.ok((await outcomes).every(({ status }) => status === 'rejected'));
  t.equal(fake.busy, false);
  const next = channel.request(request(301));
  t.strictSame(portsOf(fake), [[1], [301]]);
  fake.exchanges[1]?.finish();
  t.equal(await next, undefined);
});

t.test('what was sent is given up too, and says that it was sent', async (t) => {
  const { fake, channel } = makeCommands();
  const { controller, ...limits } = cancellation();
  const given = channel.request(request(1), limits);
  const settled = watch([channel.settled()]);
  controller.abort();
  await t.rejects(given, { message: 'sent' });
  await turn();
  t.strictSame(settled, ['waiting'], 'its answer is still to come');
  fake.exchanges[0]?.finish();
  await turn();
  t.strictSame(settled, [undefined]);
  t.strictSame(limits.told, [true]);
});

t.test('a signal that is aborted after the answer changes nothing', async (t) => {
  const { fake, channel } = makeCommands();
  const { controller, ...limits } = cancellation();
  const command = channel.request(request(1), limits);
  fake.exchanges[0]?.finish();
  t.equal(await command, undefined);
  const other = new FakeChannel();
  other.onDump = ({ finish }) => finish([]);
  t.match(await new DumpChannel(other, TIMEOUT).services(false, limits), { length: 0 });
  controller.abort();
  await turn();
  t.strictSame(limits.told, []);
});

t.test('a request may have less time than the others', async (t) => {
  const clock = stopClock(t);
  const { fake, channel } = makeCommands();
  const deadline = performance.now() + 250;
  const all = [
    channel.request(request(1)),
    channel.request(request(2)),
    channel.request(request(3), { deadline }),
  ];
  const late = channel.request(request(4), { deadline: performance.now() + 50 });
  clock.advance(100);
  fake.exchanges[0]?.finish();
  t.strictSame(await late, new NativeFailure(Fault.notSent, 0, '', ''));
  t.strictSame(portsOf(fake), [[1], [2, 3]]);
  t.equal(fake.exchanges[1]?.milliseconds, 900, 'which is not taken from them');
  fake.exchanges[1]?.finish();
  await Promise.all(all);

  const other = new FakeChannel();
  other.onDump = ({ finish }) => finish([]);
  await new DumpChannel(other, TIMEOUT).services(false, { deadline });
  t.equal(other.dumps[0]?.milliseconds, 150);
});

// Catches a request that is told after a moment that all of its time has passed, or never.
t.test('of those that travel together each is over at its own time', async (t) => {
  const { fake, channel } = makeCommands();
  const alive = setInterval(() => undefined, 20); // the alarm's own timer does not
  t.teardown(() => {
    clearInterval(alive);
  });
  const first = channel.request(request(1));
  const deadline = performance.now() + 10_000;
  const long = channel.request(request(2), { deadline });
  const short = channel.request(request(3), { deadline: performance.now() + 50 });
  const seen = watch([long]);
  fake.exchanges[0]?.finish();
  await first;
  t.strictSame(portsOf(fake), [[1], [2, 3]]);
  t.ok((fake.exchanges[1]?.milliseconds ?? 0) > 5000);
  t.strictSame(await short, new NativeFailure(Fault.noAnswer, 0, '', ''));
  t.strictSame(seen, ['waiting']);
  const answer = refused(17);
  fake.exchanges[1]?.finish([answer, undefined]);
  t.equal(await long, answer);
  await channel.settled();
});

t.test('a dump that is given up is not begun, and its successor is', async (t) => {
  const fake = new FakeChannel();
  const channel = new DumpChannel(fake, TIMEOUT);
  const { controller, ...limits } = cancellation();
  const first = channel.services(false);
  const given = channel.services(false, limits);
  const last = channel.services(false);
  await turn();
  controller.abort();
  await t.rejects(given, { message: 'not sent' });
  await t.rejects(channel.services(false, limits), { message: 'not sent' });
  fake.dumps[0]?.finish([service(1)]);
  await first;
  await turn();
  t.equal(fake.dumps.length, 2);
  fake.dumps[1]?.finish([service(2)]);
  t.match(await last, { length: 1 });
  await channel.settled();
});

t.test('a whole table is read in turn with the dumps', async (t) => {
  const clock = stopClock(t);
  const fake = new FakeChannel();
  const channel = new DumpChannel(fake, TIMEOUT);
  const dump = channel.services(false);
  const tables = [channel.table(true, false), channel.table(false, true)];
  await turn();
  t.equal(fake.tables.length, 0, 'the dump comes first');
  clock.advance(400);
  fake.dumps[0]?.finish([]);
  await dump;
  await turn();
  t.match(fake.tables, [{ settle: true, milliseconds: 600 }]);
  const failure = refused(1);
  fake.tables[0]?.finish(failure);
  t.equal(await tables[0], failure);
  await turn();
  t.match(fake.tables[1], { settle: false });
  fake.tables[1]?.finish(
    [
      [service(1), []],
      [service(2), [destination(3), destination(4)]],
    ],
    false,
  );
  const table = (await tables[1]) as Table;
  t.equal(table.settled, false);
  t.strictSame([...table.counts], [0, 2]);
  const exact = Object.fromEntries(Object.keys(noTraffic).map((name) => [name, 0n]));
  t.strictSame(
    table.services.take(9),
    range(1, 2).map((port) => ({ ...service(port), stats: exact })),
  );
  t.strictSame(
    table.destinations.take(9),
    range(3, 4).map((port) => ({ ...destination(port), stats: exact })),
  );
});
