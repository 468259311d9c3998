// The handle above a kernel that answers as a test wants: what is sent, when, and in which order.
// Races that a real kernel shows once in a thousand runs are made here at will.

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Ipvs } from 'ipvs';
import type { ConnectionsOptions } from 'ipvs';
import { FACTORIES, NativeFailure } from '#lib/native';
import { fakeIpvs, refused } from '../fixtures/fake-addon.js';
import type { Answer, Dumped, FakeConnectionList } from '../fixtures/fake-addon.js';
import { failureOf, refusalOf } from '../lab/failure.js';
import { noTraffic } from '../lab/objects.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const real = { address: '10.0.0.5' } as const;
const [ENOENT, ESRCH, EEXIST] = [2, 3, 17];

const serviceRecord = {
  family: 2,
  protocol: 6,
  address: '10.0.0.1',
  port: 80,
  fwmark: 0,
  scheduler: 'wlc',
  flags: 0,
  timeout: 0,
  netmask: 0xffffffff,
  engine: '',
  wideStats: 1,
  stats: noTraffic,
};
const destinationRecord = {
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
  activeConnections: 0,
  inactiveConnections: 0,
  persistentConnections: 0,
  stats: noTraffic,
};

/** A handle whose kernel gives these answers one after the other, and a log of what it was asked. */
function scripted(answers: (Answer | Dumped)[]) {
  const { ipvs, commands, dumps } = fakeIpvs();
  const log: string[] = [];
  const names = ['', 'newService', 'setService', 'deleteService', 'getService', 'newDestination'];
  names.push('setDestination', 'deleteDestination', 'getDestination');
  const answer = (command: number) => {
    log.push(names[command] ?? '');
    if (answers.length === 0) throw new Error(`nobody expects ${log.join(', ')}`);
    return answers.shift();
  };
  commands.onExchange = ({ rows, finish }) => {
    const outcomes = rows.map(({ command }) => answer(command) as Answer);
    setImmediate(() => finish(outcomes));
  };
  dumps.onDump = ({ row, finish }) => {
    const items = answer(row.command) as Dumped | NativeFailure;
    setImmediate(() => finish(items));
  };
  return { ipvs, log };
}

t.test('an update holds its turn between its read and its write', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const update = ipvs.updateDestination(service, real, { weight: 7 });
  const remove = ipvs.removeDestination(service, real);
  const elsewhere = ipvs.removeService({ ...service, port: 81 });
  await turn();
  t.equal(dumps.dumps.length, 1, 'it reads');
  t.match(commands.exchanges, [{ rows: [{ command: 3, port: 81 }] }], 'others go on');
  commands.exchanges[0]?.finish();
  await elsewhere;

  dumps.dumps[0]?.finish([{ ...destinationRecord, weight: 5 }]);
  await turn();
  t.match(commands.exchanges[1]?.rows, [{ command: 6, weight: 7 }], 'it writes');
  t.equal(commands.exchanges.length, 2, 'and the removal waits');
  commands.exchanges[1]?.finish();
  await update;
  await turn();
  t.match(commands.exchanges[2]?.rows, [{ command: 7 }]);
  commands.exchanges[2]?.finish();
  await remove;
});

t.test('a read waits for the changes that were asked for before it', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const added = ipvs.addDestination(service, real);
  const lists = [ipvs.listServices(), ipvs.listDestinations(service)];
  const one = ipvs.getDestination(service, real);
  await turn();
  t.equal(dumps.dumps.length, 0);
  dumps.onDump = ({ row, finish }) =>
    setImmediate(() => finish(row.command === 4 ? [serviceRecord] : [destinationRecord]));
  commands.exchanges[0]?.finish();
  await added;
  t.match(await Promise.all([...lists, one]), [[service], [real], real]);
});

t.test('a list of all services waits for updates too', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const update = ipvs.updateService(service, { scheduler: 'rr' });
  const list = ipvs.listServices();
  await turn();
  commands.exchanges[0]?.finish([serviceRecord]);
  await turn();
  t.strictSame(dumps.dumps, [], 'it has read, and not written');
  commands.exchanges[1]?.finish();
  await update;
  await turn();
  dumps.dumps[0]?.finish([serviceRecord]);
  t.match(await list, [service]);
});

t.test('an update of what is not there writes nothing', async (t) => {
  for (const [answers, log, code] of [
    [[refused(ESRCH)], ['getService'], 'ESRCH'],
    [[refused(1)], ['getService'], 'EPERM'],
  ] as const) {
    const scene = scripted([...answers]);
    t.match(await refusalOf(scene.ipvs.updateService(service, { scheduler: 'rr' })), { code });
    t.strictSame(scene.log, log);
  }
  for (const [answers, log, code] of [
    [[[], serviceRecord], ['getDestination', 'getService'], 'ENOENT'],
    [[[], refused(ESRCH)], ['getDestination', 'getService'], 'ESRCH'],
    [[refused(1)], ['getDestination'], 'EPERM'],
  ] as const) {
    const scene = scripted([...answers]);
    t.match(await refusalOf(scene.ipvs.updateDestination(service, real, { weight: 0 })), { code });
    t.strictSame(scene.log, log);
  }
});

t.test('ensuring starts again where somebody was faster', async (t) => {
  const other = { ...serviceRecord, scheduler: 'rr' };
  const scenes: [answers: (Answer | Dumped)[], log: string[], outcome: string][] = [
    [[refused(ESRCH), undefined], ['getService', 'newService'], 'added'],
    [[other, undefined], ['getService', 'setService'], 'updated'],
    [[serviceRecord], ['getService'], 'unchanged'],
    // Somebody else added it meanwhile, as it is wanted or otherwise.
    [
      [refused(ESRCH), refused(EEXIST), serviceRecord],
      ['getService', 'newService', 'getService'],
      'unchanged',
    ],
    [
      [refused(ESRCH), refused(EEXIST), other, undefined],
      ['getService', 'newService', 'getService', 'setService'],
      'updated',
    ],
    // Somebody else removed it meanwhile.
    [
      [other, refused(ESRCH), refused(ESRCH), undefined],
      ['getService', 'setService', 'getService', 'newService'],
      'added',
    ],
  ];
  for (const [answers, log, outcome] of scenes) {
    const scene = scripted(answers);
    t.equal(await scene.ipvs.ensureService(service), outcome);
    t.strictSame(scene.log, log);
  }
  // Not for ever, and not for another reason.
  const unlucky = scripted(Array.from({ length: 5 }, () => [other, refused(ESRCH)]).flat());
  t.match(await refusalOf(unlucky.ipvs.ensureService(service)), { code: 'ESRCH' });
  const refusing = scripted([refused(ESRCH), refused(1)]);
  t.match(await refusalOf(refusing.ipvs.ensureService(service)), { code: 'EPERM' });
});

t.test('ensuring a destination starts again too, while its service is there', async (t) => {
  const nat = { ...real, forwarding: 'nat' } as const;
  const other = { ...destinationRecord, weight: 9 };
  const scenes: [answers: (Answer | Dumped)[], log: string[], outcome: string][] = [
    [[[], undefined], ['getDestination', 'newDestination'], 'added'],
    [[[other], undefined], ['getDestination', 'setDestination'], 'updated'],
    [[[destinationRecord]], ['getDestination'], 'unchanged'],
    [
      [[], refused(EEXIST), [other], undefined],
      ['getDestination', 'newDestination', 'getDestination', 'setDestination'],
      'updated',
    ],
    [
      [[other], refused(ENOENT), [], undefined],
      ['getDestination', 'setDestination', 'getDestination', 'newDestination'],
      'added',
    ],
  ];
  for (const [answers, log, outcome] of scenes) {
    const scene = scripted(answers);
    t.equal(await scene.ipvs.ensureDestination(service, nat), outcome);
    t.strictSame(scene.log, log);
  }
  const gone = scripted([[other], refused(ESRCH)]);
  t.match(await refusalOf(gone.ipvs.ensureDestination(service, nat)), { code: 'ESRCH' });
});

// The kernel lists nothing for a service that is not there, and the rest of nothing for one that
// goes away while it is being listed.
t.test('an empty or a long list of destinations is believed after a second look', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const outcomes: Answer[] = [];
  commands.onExchange = ({ finish }) => finish([outcomes.shift()]);
  for (const [items, chunks, asks, there] of [
    [[destinationRecord], 1, false, true],
    [[], 1, true, true],
    [[], 1, true, false],
    [[destinationRecord], 2, true, true],
    [[destinationRecord], 2, true, false],
  ] as const) {
    commands.exchanges.length = 0;
    outcomes.push(there ? serviceRecord : refused(ESRCH));
    dumps.onDump = ({ finish }) => setImmediate(() => finish([...items], chunks));
    const listed = await ipvs.listDestinations(service).catch((error: unknown) => error);
    t.match(listed, there ? items.map(() => real) : { code: 'ESRCH' });
    t.equal(commands.exchanges.length, asks ? 1 : 0);
    outcomes.length = 0;
  }
});

t.test('counters are what they are asked to be, and exact', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const exact = { ...noTraffic, connections: 2n ** 63n + 1n, outgoingByteRate: 3n };
  const near = { ...noTraffic, connections: 2 ** 63, outgoingByteRate: 3 };
  const items = {
    service: { ...serviceRecord, stats: exact },
    destination: { ...destinationRecord, stats: exact },
  };
  commands.onExchange = ({ rows, finish }) =>
    finish([rows[0]?.command === 13 ? { tcp: 1, tcpFin: 2, udp: 3 } : items.service]);
  dumps.onDump = ({ row: { command }, finish }) =>
    finish(command === 4 ? [items.service] : command === 8 ? [items.destination] : []);
  dumps.onTable = ({ finish }) => finish([[items.service, [items.destination]]]);
  for (const bigint of [false, true]) {
    const { services } = await ipvs.snapshot({ bigint });
    const all = [
      await ipvs.getService(service, { bigint }),
      ...(await ipvs.listServices({ bigint })),
      await ipvs.getDestination(service, real, { bigint }),
      ...(await ipvs.listDestinations(service, { bigint })),
      ...services,
      ...services.flatMap(({ destinations }) => destinations),
    ];
    t.equal(all.length, 6);
    for (const each of all) {
      t.strictSame(
        [each?.stats.connections, each?.stats.outgoingByteRate, typeof each?.stats.incomingBytes],
        bigint ? [exact.connections, 3n, 'bigint'] : [near.connections, 3, 'number'],
      );
    }
  }
});

t.test('reading one destination asks for that one', async (t) => {
  const { ipvs, dumps } = fakeIpvs();
  dumps.onDump = ({ finish }) => finish([]);
  t.equal(await ipvs.getDestination(service, { address: '2001:db8::5', port: 7 }), undefined);
  t.match(dumps.dumps, [
    { row: { command: 8, family: 2, port: 80, destinationFamily: 10, destinationPort: 7 } },
  ]);
});

// A call that throws where its caller expects a promise escapes every catch behind it.
t.test('a mistake in an argument is a rejection, never an exception', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const calls = ipvs as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  for (const name of [
    'addService',
    'updateService',
    'replaceService',
    'ensureService',
    'removeService',
    'getService',
    'addDestination',
    'updateDestination',
    'replaceDestination',
    'ensureDestination',
    'removeDestination',
    'getDestination',
    'listDestinations',
    'batch',
    'restore',
    'setTimeouts',
    'startSyncDaemon',
    'stopSyncDaemon',
  ]) {
    let promise: Promise<unknown> | undefined;
    t.doesNotThrow(() => (promise = calls[name]?.call(ipvs)), name);
    t.match(await failureOf(promise ?? Promise.resolve()), { code: 'ERR_INVALID_ARG_TYPE' }, name);
  }
  // Options come last, and null is none.
  const withOptions: Record<string, unknown[]> = {
    addService: [service],
    updateService: [service, {}],
    replaceService: [service],
    ensureService: [service],
    removeService: [service],
    getService: [service],
    listServices: [],
    addDestination: [service, real],
    updateDestination: [service, real, {}],
    replaceDestination: [service, real],
    ensureDestination: [service, real],
    removeDestination: [service, real],
    getDestination: [service, real],
    listDestinations: [service],
    snapshot: [],
    batch: [[]],
    restore: [''],
    flush: [],
    zero: [service],
    getInfo: [],
    getTimeouts: [],
    setTimeouts: [{}],
    getStats: [],
    startSyncDaemon: [{ role: 'master', interface: 'lo' }],
    stopSyncDaemon: ['master'],
    listSyncDaemons: [],
    probe: [],
  };
  const iterations = ['services', 'destinations', 'connections'];
  t.strictSame(
    [...Object.keys(withOptions), ...iterations, 'close', 'constructor'].sort(),
    Object.getOwnPropertyNames(Ipvs.prototype).sort(),
    'none is forgotten',
  );
  for (const [name, given] of Object.entries(withOptions)) {
    let promise: Promise<unknown> | undefined;
    t.doesNotThrow(() => (promise = calls[name]?.call(ipvs, ...given, null)), name);
    const error = await failureOf(promise ?? Promise.resolve());
    t.match(error, { code: 'ERR_INVALID_ARG_TYPE', message: "The property 'options'" }, name);
  }
  t.strictSame([commands.exchanges, dumps.dumps], [[], []]);
});

// A list of 10,000 that becomes objects in one go would stop the event loop for it.
t.test(
  'a long list becomes objects in portions, with turns of the event loop between',
  async (t) => {
    const { ipvs, dumps } = fakeIpvs();
    const records = Array.from({ length: 1201 }, (_, port) => ({ ...serviceRecord, port }));
    const portions: number[] = [];
    dumps.onDump = ({ finish }) => finish(records);
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    for await (const each of ipvs.services()) {
      if ('port' in each && each.port % 500 === 0) portions.push(turns);
    }
    running = false;
    t.equal(portions.length, 3);
    t.equal(new Set(portions).size, 3, 'each portion in a turn of its own');
  },
);

const aborted = (sent: boolean) => ({ name: 'AbortError', code: 'ABORT_ERR', sent });

t.test('a call whose signal is aborted already sends nothing', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const signal = AbortSignal.abort(new Error('no more'));
  const options = { signal };
  for (const call of [
    ipvs.addService(service, options),
    ipvs.updateService(service, {}, options),
    ipvs.getService(service, options),
    ipvs.listServices(options),
    ipvs.listDestinations(service, options),
    ipvs.snapshot(options),
    ipvs.batch([{ op: 'removeService', service }], options),
    ipvs.flush(options),
    ipvs.getInfo(options),
    ipvs.getStats(options),
    ipvs.listSyncDaemons(options),
    ipvs.probe(options),
    ipvs.connections(options)[Symbol.asyncIterator]().next(),
    ipvs.services(options)[Symbol.asyncIterator]().next(),
  ]) {
    t.match(await failureOf(call), { ...aborted(false), cause: { message: 'no more' } });
  }
  t.strictSame([commands.exchanges, commands.paths, dumps.dumps, dumps.tables], [[], [], [], []]);
  await ipvs.close();
});

t.test('an update that is given up while it waits for its turn does nothing', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const controller = new AbortController();
  const first = ipvs.updateService(service, { scheduler: 'rr' });
  const given = ipvs.updateService(service, { scheduler: 'lc' }, { signal: controller.signal });
  const last = ipvs.removeService(service);
  controller.abort();
  t.match(await failureOf(given), aborted(false));
  t.equal(commands.exchanges.length, 1, 'the first still reads');
  commands.exchanges[0]?.finish([serviceRecord]);
  await turn();
  t.match(commands.exchanges[1]?.rows, [{ command: 2 }]);
  t.equal(commands.exchanges.length, 2, 'and is not overtaken');
  commands.exchanges[1]?.finish();
  await first;
  await turn();
  t.match(commands.exchanges[2]?.rows, [{ command: 3 }]);
  commands.exchanges[2]?.finish();
  await last;
});

t.test('a change that is given up on its way says so, and close() waits for it', async (t) => {
  const { ipvs, commands } = fakeIpvs();
  const controller = new AbortController();
  const change = ipvs.addService(service, { signal: controller.signal });
  const read = ipvs.getService(service, { signal: controller.signal });
  controller.abort();
  t.match(await failureOf(change), aborted(true));
  t.match(await failureOf(read), aborted(false));
  let closed = false;
  const closing = ipvs.close().then(() => (closed = true));
  await turn();
  t.equal(closed, false);
  t.equal(commands.closed, false, 'it is carried out');
  commands.exchanges[0]?.finish();
  await closing;
  t.equal(commands.closed, true);
});

t.test(
  'what concerns all services waits for those that hold a turn, and is waited for',
  async (t) => {
    const { ipvs, commands } = fakeIpvs();
    const update = ipvs.updateService(service, { scheduler: 'rr' });
    const flush = ipvs.flush();
    const add = ipvs.addService({ ...service, port: 81 });
    commands.exchanges[0]?.finish([serviceRecord]);
    await turn();
    t.match(commands.exchanges[1]?.rows, [{ command: 2 }]);
    t.equal(commands.exchanges[1]?.rows.length, 1);
    commands.exchanges[1]?.finish();
    await update;
    await turn();
    t.match(commands.exchanges[2]?.rows, [{ command: 17 }]);
    commands.exchanges[2]?.finish();
    await flush;
    await turn();
    t.match(commands.exchanges[3]?.rows, [{ command: 1, port: 81 }]);
    commands.exchanges[3]?.finish();
    await add;
  },
);

// A list is complete only when its last portion is made, and it must not be cut off before.
t.test('close() waits until a list has become objects', async (t) => {
  const { ipvs, dumps } = fakeIpvs();
  const records = Array.from({ length: 2001 }, (_, port) => ({ ...serviceRecord, port }));
  dumps.onDump = ({ finish }) => setImmediate(() => finish(records));
  const order: string[] = [];
  const listing = ipvs.listServices().then(({ length }) => order.push(`listed ${length}`));
  await Promise.all([ipvs.close().then(() => order.push('closed')), listing]);
  t.strictSame(order, ['listed 2001', 'closed']);
});

t.test('a snapshot puts destinations with their services', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const daemon = { role: 2, interface: 'lo', syncId: 1, maxLength: 9, group: '224.0.0.81' };
  const timeouts = { tcp: 1, tcpFin: 2, udp: 3 };
  commands.onExchange = ({ rows, finish }) => {
    t.match(rows, [{ command: 13 }]);
    setImmediate(() => finish([timeouts]));
  };
  dumps.onDump = ({ row, finish }) => {
    t.equal(row.command, 11);
    setImmediate(() => finish([{ ...daemon, port: 8848, ttl: 1 }]));
  };
  const other = { ...destinationRecord, address: '10.0.0.6' };
  dumps.onTable = ({ finish }) =>
    setImmediate(() =>
      finish(
        [
          [{ ...serviceRecord, port: 1 }, []],
          [{ ...serviceRecord, port: 2 }, [destinationRecord, other]],
          [{ ...serviceRecord, port: 3 }, [other]],
        ],
        false,
      ),
    );
  const snapshot = await ipvs.snapshot({ settle: false, bigint: true });
  t.match(dumps.tables, [{ settle: false }]);
  t.match(snapshot, {
    settled: false,
    timeouts,
    syncDaemons: [{ ...daemon, role: 'backup', port: 8848, ttl: 1 }],
  });
  t.strictSame(
    snapshot.services.map((each) => [
      'port' in each && each.port,
      each.destinations.map(({ address }) => address),
    ]),
    [
      [1, []],
      [2, ['10.0.0.5', '10.0.0.6']],
      [3, ['10.0.0.6']],
    ],
  );
});

t.test('connections are read in portions, and the list is closed at its end', async (t) => {
  const lists: FakeConnectionList[] = [];
  const connection = FACTORIES.connection(
    ...([6, 0, '10.0.0.9', 1, '10.0.0.1', 80, '10.0.0.5', 80, 0, 'NONE', 5, 0, '', ''] as const),
  );
  const { ipvs } = fakeIpvs(10_000, (list) => {
    lists.push(list);
    list.portions = [[connection, connection], [], [connection]];
  });
  const read = async (options?: ConnectionsOptions, most = Infinity) => {
    let count = 0;
    for await (const each of ipvs.connections(options)) {
      t.match(each, { kind: 'connection', protocol: 'tcp', state: 'NONE', expires: 5 });
      if (++count === most) break;
    }
    return count;
  };
  t.equal(await read(), 3, 'a portion without entries is no end');
  t.match(lists[0], {
    path: /ip_vs_conn$/,
    hasOrigin: false,
    reads: [500, 500, 500],
    closed: true,
  });
  t.equal(await read({ limit: 2, origin: true, protocol: 'udp' }), 2);
  t.match(lists[1], { path: /ip_vs_conn_sync$/, hasOrigin: true, reads: [2], closed: true });
  t.match(lists[1]?.filter, { protocol: 17 });
  t.equal(await read({ limit: 0 }), 0);
  t.match(lists[2], { reads: [], closed: true });
  t.equal(await read({}, 1), 1);
  t.match(lists[3], { reads: [500], closed: true }, 'also where nobody goes on');
});
