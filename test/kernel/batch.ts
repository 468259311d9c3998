// batch() on the real kernel: the table is afterwards what single calls would have made of it, and
// each outcome tells what the table shows.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { AbortError } from 'ipvs';
import type { DestinationConfig, Ipvs, Operation, Outcome, ServiceConfig, Snapshot } from 'ipvs';
import { range } from '../fixtures/lists.js';
import { failureOf, fieldsOf } from '../lab/failure.js';
import { freshIpvs, openIpvs } from '../lab/namespace.js';
import { tableOf } from '../lab/records.js';

t.setTimeout(300_000);

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

const codesOf = (outcomes: readonly Outcome[]) => outcomes.map((each) => each?.code);
const failed = (outcomes: readonly Outcome[]) =>
  outcomes.flatMap((each, at) => (each ? [[at, each.message]] : []));

/** The own method of an operation. */
function single(ipvs: Ipvs, operation: Operation): Promise<unknown> {
  switch (operation.op) {
    case 'updateService':
      return ipvs.updateService(operation.service, operation.changes);
    case 'updateDestination':
      return ipvs.updateDestination(operation.service, operation.destination, operation.changes);
    case 'addDestination':
    case 'replaceDestination':
    case 'ensureDestination':
      return ipvs[operation.op](operation.service, operation.destination);
    case 'removeDestination':
      return ipvs.removeDestination(operation.service, operation.destination);
    case 'removeService':
    case 'zero':
      return ipvs[operation.op](operation.service);
    default:
      return ipvs[operation.op](operation.service);
  }
}

type Table = [service: ServiceConfig, ...destinations: DestinationConfig[]][];

const addsOf = (table: Table): Operation[] =>
  table.flatMap(([service, ...destinations]) => [
    { op: 'addService', service },
    ...destinations.map((destination): Operation => ({
      op: 'addDestination',
      service,
      destination,
    })),
  ]);

const tun = { forwarding: 'tun' } as const;
const mark = { fwmark: 7 } as const;

// All kinds. Neighbours differ in what crosses, so that nothing of one may stay for the next.
const everything: Table = [
  [
    { ...web, scheduler: 'wrr', persistence: { timeout: 60, netmask: 24 } },
    { address: '10.0.1.1', upperThreshold: 9, lowerThreshold: 3, weight: 2147483647 },
    { address: '10.0.1.2' },
    { address: '2001:db8::1', ...tun, tunnel: { type: 'gue', port: 6080, checksum: 'remcsum' } },
    { address: '10.0.1.3', port: 8080, forwarding: 'nat', weight: 0 },
    { address: '10.0.1.4', ...tun, tunnel: { type: 'gre', checksum: 'csum' }, upperThreshold: 5 },
    { address: '10.0.1.5', ...tun },
    { address: '127.0.0.1', forwarding: 'local' },
    { address: '10.0.1.6', forwarding: 'bypass' },
  ],
  [
    { protocol: 'udp', address: '2001:db8::53', port: 53, onePacket: true, scheduler: 'rr' },
    { address: '2001:db8::2', port: 5353, forwarding: 'nat' },
    { address: '10.0.1.2', ...tun, tunnel: { type: 'ipip' }, lowerThreshold: 0 },
    { address: '10.0.1.7', ...tun, tunnel: { type: 'gue', port: 65535 } },
  ],
  [
    {
      protocol: 'sctp',
      address: '10.0.0.1',
      port: 80,
      scheduler: 'sh',
      schedulerFlags: ['sh-port'],
    },
    { address: '10.0.1.1' },
  ],
  [
    {
      protocol: 'udp',
      address: '10.0.0.1',
      port: 5060,
      scheduler: 'mh',
      schedulerFlags: ['mh-fallback', 'mh-port'],
      persistence: { timeout: 4294967, engine: 'sip' },
    },
    { address: '10.0.1.1', weight: 3 },
  ],
  [
    { fwmark: 4294967295 },
    { address: '10.0.1.1' },
    { address: '10.0.1.1', port: 1, forwarding: 'nat' },
  ],
  [
    { fwmark: 4294967295, family: 'ipv6', persistence: { netmask: 64 } },
    { address: '2001:db8::3', weight: 7 },
    { address: '10.0.1.1', ...tun },
  ],
  [{ fwmark: 1 }],
  [
    { protocol: 'tcp', address: '2001:db8::1', port: 0, persistence: { timeout: 1, netmask: 128 } },
    { address: '2001:db8::4', weight: 2 },
  ],
  [{ ...web, port: 65535 }, { address: '10.0.1.1' }],
];

t.test('a table of all kinds is what single calls make of it', async (t) => {
  const batched = await freshIpvs(t);
  const alone = await freshIpvs(t);
  const adds = addsOf(everything);
  const key = { fwmark: 4294967295, family: 'ipv6' } as const;
  const changes: Operation[] = [
    { op: 'replaceService', service: web },
    { op: 'updateService', service: key, changes: { scheduler: 'lc' } },
    { op: 'updateService', service: key, changes: { persistence: { timeout: 7 } } },
    { op: 'ensureService', service: { fwmark: 1, scheduler: 'nq' } },
    { op: 'ensureService', service: { fwmark: 2 } },
    { op: 'ensureDestination', service: { fwmark: 2 }, destination: { address: '10.0.1.1' } },
    {
      op: 'updateDestination',
      service: web,
      destination: { address: '10.0.1.4' },
      changes: { weight: 0 },
    },
    {
      op: 'updateDestination',
      service: web,
      destination: { address: '2001:DB8:0::1' },
      changes: { tunnel: { type: 'gue', port: 1 }, upperThreshold: 4 },
    },
    { op: 'replaceDestination', service: web, destination: { address: '10.0.1.1' } },
    { op: 'removeDestination', service: web, destination: { address: '10.0.1.3', port: 8080 } },
    { op: 'zero', service: web },
    { op: 'removeService', service: { protocol: 'sctp', address: '10.0.0.1', port: 80 } },
  ];
  for (const list of [adds, changes]) {
    t.strictSame(failed(await batched.ipvs.batch(list)), []);
    for (const operation of list) await single(alone.ipvs, operation);
    const rules = batched.ipvsadm('-Sn');
    t.equal(rules, alone.ipvsadm('-Sn'), 'as ipvsadm saves it');
    const numbers = await tableOf(batched.netns);
    t.strictSame(numbers, await tableOf(alone.netns), 'every number in the kernel');
    if (list === adds) {
      t.equal(numbers.length, everything.length);
      t.equal(rules.split('\n').length - 1, adds.length);
    }
  }
  // And back: what is read can be written.
  const { services } = await batched.ipvs.snapshot();
  const again: Operation[] = services.flatMap(({ destinations, ...service }) => [
    { op: 'ensureService', service },
    ...destinations.map((destination): Operation => ({
      op: 'ensureDestination',
      service,
      destination,
    })),
  ]);
  const before = await tableOf(batched.netns);
  t.strictSame(failed(await batched.ipvs.batch(again)), []);
  t.strictSame(await tableOf(batched.netns), before);
  const copy = await freshIpvs(t);
  t.strictSame(failed(await copy.ipvs.batch(again)), []);
  t.equal(copy.ipvsadm('-Sn'), batched.ipvsadm('-Sn'));
});

// ---- many

const SERVICES = 1000;
const EACH = 10;
const service = (n: number) =>
  ({ protocol: 'tcp', address: `10.${n >> 8}.${n & 255}.1`, port: 80 }) as const;
const real = (n: number) => ({ address: `192.168.1.${n}` });

/** The weights of all destinations, by service and number; undefined where something is missing. */
function weightsOf({ services }: Snapshot): number[][] | undefined {
  const expected = range(1, SERVICES).map((n) => service(n).address);
  const found = services.map((each) => ('address' in each ? each.address : ''));
  if ([...found].sort().join() !== expected.sort().join()) return undefined;
  return services.map(({ destinations }) => destinations.map(({ weight }) => weight));
}

t.test('11,000 adds, their updates and their removal are all done', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const pairs = range(1, SERVICES).flatMap((n) => range(1, EACH).map((m) => [n, m] as const));
  const progress: number[] = [];
  const adds = addsOf(
    range(1, SERVICES).map((n) => [
      { ...service(n), scheduler: 'rr' },
      ...range(1, EACH).map((m) => ({ ...real(m), weight: m })),
    ]),
  );
  t.strictSame(
    failed(await ipvs.batch(adds, { onProgress: ({ done }) => progress.push(done) })),
    [],
  );
  t.strictSame(progress, [4096, 8192, 11_000]);
  t.strictSame(
    weightsOf(await ipvs.snapshot()),
    range(1, SERVICES).map(() => range(1, EACH)),
  );
  t.equal(ipvsadm('-Sn').split('\n').length - 1, 11_000);

  const update = ([n, m]: readonly [number, number]): Operation => ({
    op: 'updateDestination',
    service: service(n),
    destination: real(m),
    changes: { weight: 100 + m },
  });
  t.strictSame(failed(await ipvs.batch(pairs.map(update))), []);
  t.strictSame(
    weightsOf(await ipvs.snapshot()),
    range(1, SERVICES).map(() => range(101, 100 + EACH)),
  );
  const replace = ([n, m]: readonly [number, number]): Operation => ({
    op: 'replaceDestination',
    service: service(n),
    destination: { ...real(m), weight: 200 + m },
  });
  t.strictSame(failed(await ipvs.batch(pairs.map(replace).reverse())), []);
  t.strictSame(
    weightsOf(await ipvs.snapshot()),
    range(1, SERVICES).map(() => range(201, 200 + EACH)),
  );

  const remove = ([n, m]: readonly [number, number]): Operation => ({
    op: 'removeDestination',
    service: service(n),
    destination: real(m),
  });
  t.strictSame(failed(await ipvs.batch(pairs.map(remove))), []);
  t.strictSame(
    weightsOf(await ipvs.snapshot()),
    range(1, SERVICES).map(() => []),
  );
  t.strictSame(
    failed(
      await ipvs.batch(
        range(1, SERVICES).map((n) => ({ op: 'removeService', service: service(n) })),
      ),
    ),
    [],
  );
  t.equal(ipvsadm('-Sn'), '');
});

// Native code picks them out of what the kernel lists, which comes in no useful order.
t.test('one destination of many is looked at, in each of several services', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const services = [
    service(1),
    { protocol: 'udp', address: '2001:db8::1', port: 53 },
    mark,
  ] as const;
  const reals = (n: number) => ({
    address: n % 2 === 0 ? `10.0.2.${n}` : `2001:db8::2:${n}`,
    ...tun,
  });
  const adds = addsOf(services.map((each) => [each, ...range(1, 250).map(reals)]));
  t.strictSame(failed(await ipvs.batch(adds)), []);
  const weigh = (at: number, n: number): Operation => ({
    op: 'updateDestination',
    service: services[at] ?? mark,
    destination: { address: reals(n).address },
    changes: { weight: 1000 + n },
  });
  const chosen = [
    [0, 250],
    [1, 7],
    [0, 1],
    [2, 100],
    [0, 2],
    [1, 251],
  ] as const;
  const outcomes = await ipvs.batch(chosen.map(([at, n]) => weigh(at, n)));
  t.strictSame(codesOf(outcomes), [...new Array<undefined>(5).fill(undefined), 'ENOENT']);
  t.strictSame(
    (await tableOf(netns))
      .flatMap(({ destinations }) => destinations.filter(({ weight }) => weight !== 1))
      .map(({ weight }) => weight)
      .sort((a, b) => a - b),
    [1001, 1002, 1007, 1100, 1250],
  );
});

// As most programs write it. A service that the kernel refuses is not there for its destinations.
t.test('services are ensured with their destinations, each behind its own', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const inOrder = (weight: number, scheduler: (n: number) => string) =>
    range(1, SERVICES).flatMap((n): Operation[] => [
      { op: 'ensureService', service: { ...service(n), scheduler: scheduler(n) } },
      ...range(1, EACH).map((m): Operation => ({
        op: 'ensureDestination',
        service: service(n),
        destination: { ...real(m), weight },
      })),
    ]);
  const first = await ipvs.batch(inOrder(5, (n) => (n % 100 === 0 ? 'no-such' : 'rr')));
  t.strictSame(
    codesOf(first),
    range(1, SERVICES).flatMap((n) =>
      n % 100 === 0
        ? ['ERR_IPVS_SCHEDULER', ...new Array<string>(EACH).fill('ESRCH')]
        : new Array<undefined>(1 + EACH).fill(undefined),
    ),
  );
  t.equal(ipvsadm('-Sn').split('\n').length - 1, 990 * (1 + EACH));
  t.strictSame(failed(await ipvs.batch(inOrder(6, () => 'wrr'))), []);
  const again = await ipvs.snapshot();
  t.strictSame(new Set(again.services.map(({ scheduler }) => scheduler)), new Set(['wrr']));
  t.strictSame(
    weightsOf(again),
    range(1, SERVICES).map(() => new Array<number>(EACH).fill(6)),
  );
});

// The answers to all are errors: the queue of answers must hold them, or they are read back.
t.test('11,000 that are refused are told so one by one', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const adds = addsOf(range(1, SERVICES).map((n) => [service(n), ...range(1, EACH).map(real)]));
  await ipvs.batch(adds);
  const before = ipvsadm('-Sn');
  const outcomes = await ipvs.batch(adds);
  t.strictSame(
    codesOf(outcomes).filter((code) => code !== 'EEXIST'),
    [],
  );
  t.equal(outcomes.length, adds.length);
  for (const at of [0, 4095, 4096, 10_999]) {
    t.match(outcomes[at], { code: 'EEXIST', service: service(Math.floor(at / 11) + 1) });
  }
  t.equal(ipvsadm('-Sn'), before);
});

t.test('an abort leaves what it says that it leaves', async (t) => {
  const { ipvs } = await freshIpvs(t);
  const controller = new AbortController();
  const adds = addsOf(range(1, SERVICES).map((n) => [service(n), ...range(1, EACH).map(real)]));
  const error = await failureOf(
    ipvs.batch(adds, {
      signal: controller.signal,
      onProgress: () => {
        controller.abort();
      },
    }),
  );
  t.match(error, { name: 'AbortError', sent: true });
  const outcomes = error instanceof AbortError ? (error.outcomes ?? []) : [];
  t.strictSame(failed(outcomes), []);
  const { services } = await ipvs.snapshot();
  const there = services.length + services.flatMap(({ destinations }) => destinations).length;
  t.equal(there, outcomes.length);
  t.equal(there, 4096);
});

// ---- what is refused in the middle

t.test('each refusal is where it belongs, and all others are done', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const mark = (fwmark: number) => ({ fwmark });
  const added = (n: number): Operation => ({ op: 'addService', service: mark(n) });
  const dest = (op: 'addDestination' | 'replaceDestination', n: number, address: string) =>
    ({ op, service: mark(n), destination: { address } }) as Operation;
  const list: [operation: Operation, code?: string, message?: RegExp][] = [
    [added(1)],
    [added(1), 'EEXIST', /the service already exists/],
    [dest('addDestination', 1, '10.0.1.1')],
    [dest('addDestination', 1, '10.0.1.1'), 'EEXIST', /the destination already exists/],
    [dest('addDestination', 99, '10.0.1.1'), 'ESRCH', /the service does not exist/],
    [dest('replaceDestination', 1, '10.0.1.9'), 'ENOENT', /no such destination/],
    [added(2)],
    [
      { op: 'addService', service: { ...mark(3), scheduler: 'no-such' } },
      'ERR_IPVS_SCHEDULER',
      /no scheduler 'no-such'/,
    ],
    [
      { op: 'addService', service: { ...mark(3), persistence: { engine: 'no-such' } } },
      'ERR_IPVS_ENGINE',
      /no persistence engine 'no-such'/,
    ],
    [dest('addDestination', 2, '224.0.0.1'), 'EINVAL', /must be unicast/],
    [dest('addDestination', 2, '10.0.1.2')],
    [{ op: 'removeService', service: mark(99) }, 'ESRCH'],
    [{ op: 'zero', service: mark(99) }, 'ESRCH'],
    [{ op: 'updateService', service: mark(99), changes: { scheduler: 'rr' } }, 'ESRCH'],
    [
      { op: 'updateService', service: mark(2), changes: { scheduler: 'no-such' } },
      'ERR_IPVS_SCHEDULER',
    ],
    [{ op: 'ensureService', service: { ...mark(4), scheduler: 'no-such' } }, 'ERR_IPVS_SCHEDULER'],
    [{ op: 'ensureDestination', service: mark(99), destination: { address: '10.0.1.1' } }, 'ESRCH'],
    [
      { op: 'ensureDestination', service: mark(2), destination: { address: '224.0.0.1' } },
      'EINVAL',
    ],
    [
      {
        op: 'updateDestination',
        service: mark(2),
        destination: { address: '10.0.1.9' },
        changes: { weight: 1 },
      },
      'ENOENT',
    ],
    [
      {
        op: 'updateDestination',
        service: mark(2),
        destination: { address: '10.0.1.2' },
        changes: { lowerThreshold: 1 },
      },
      'ERR_INVALID_ARG_VALUE',
      /lowerThreshold/,
    ],
    [
      {
        op: 'updateDestination',
        service: mark(2),
        destination: { address: '10.0.1.2' },
        changes: { weight: 9 },
      },
    ],
    [{ op: 'removeDestination', service: mark(1), destination: { address: '10.0.1.9' } }, 'ENOENT'],
    [{ op: 'removeDestination', service: mark(1), destination: { address: '10.0.1.1' } }],
    [added(5)],
  ];
  // Far apart too, so that they come in several datagrams and portions.
  const filler = range(1000, 7000).map(added);
  const operations = [
    ...list.slice(0, 10).map(([operation]) => operation),
    ...filler,
    ...list.slice(10).map(([operation]) => operation),
  ];
  const outcomes = await ipvs.batch(operations);
  const ours = [...outcomes.slice(0, 10), ...outcomes.slice(10 + filler.length)];
  t.strictSame(
    ours.map((outcome, at) => [at, outcome?.code]),
    list.map(([, code], at) => [at, code]),
  );
  t.strictSame(failed(outcomes.slice(10, 10 + filler.length)), []);
  const table = await tableOf(netns);
  t.equal(table.length, 3 + filler.length);
  t.match(
    table.filter(({ service: { fwmark } }) => fwmark < 1000),
    [
      { service: { fwmark: 1 }, destinations: [] },
      { service: { fwmark: 2 }, destinations: [{ address: '10.0.1.2', weight: 9 }] },
      { service: { fwmark: 5 }, destinations: [] },
    ],
  );

  // And each is the error of its own method, in a table that is the same again.
  const alone = await freshIpvs(t);
  for (const [at, [operation, code, message = /./]] of list.entries()) {
    const error = await single(alone.ipvs, operation).then(
      () => undefined,
      (failure: unknown) => failure as Error,
    );
    const outcome = ours[at];
    if (code === undefined || outcome === undefined || error === undefined) {
      t.strictSame([outcome, error], [undefined, undefined], `operation ${at}`);
      continue;
    }
    t.match(outcome.message, message);
    if (code === 'ERR_INVALID_ARG_VALUE') t.equal((outcome.cause as Error).message, error.message);
    else t.strictSame(fieldsOf(outcome), fieldsOf(error), `operation ${at}`);
  }
});

// ---- others at the same table

t.test('two handles and ipvsadm work at one table, and nobody is told wrong', async (t) => {
  const { ipvs: one, netns } = await freshIpvs(t);
  const two = await openIpvs(t, { netns });
  const mark = (fwmark: number) => ({ fwmark });
  const own = (handle: number) =>
    range(1, 1500).flatMap((n): Operation[] => [
      { op: 'addService', service: mark(handle * 10_000 + n) },
      {
        op: 'addDestination',
        service: mark(handle * 10_000 + n),
        destination: { address: '10.0.1.1', weight: handle },
      },
      // Both want it; the first gets it.
      { op: 'addService', service: mark(30_000 + n) },
      { op: 'removeService', service: mark(40_000 + (n % 50)) },
    ]);
  const merges = (handle: number) =>
    range(1, 300).flatMap((n): Operation[] => [
      {
        op: 'ensureService',
        service: { ...mark(50_000 + n), scheduler: handle === 1 ? 'rr' : 'lc' },
      },
      {
        op: 'ensureDestination',
        service: mark(50_000 + n),
        destination: { address: '10.0.1.1', weight: handle },
      },
      {
        op: 'updateDestination',
        service: mark(handle * 10_000 + n),
        destination: { address: '10.0.1.1' },
        changes: { weight: 100 + handle },
      },
    ]);
  // What others do meanwhile, to keys of their own and to those that both remove.
  const rules = range(1, 200).map((n) =>
    [`-A -f ${60_000 + n}`, `-a -f ${60_000 + n} -r 10.0.1.1`, `-A -f ${41_000 + n}`].join('\n'),
  );
  const edit = async (): Promise<void> => {
    const program = spawn('ip', ['netns', 'exec', netns, 'ipvsadm', '-R'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const ended = once(program, 'close');
    program.stdin.end(`${rules.join('\n')}\n`);
    t.strictSame(await ended, [0, null]);
  };
  const run = async (handle: number, ipvs: Ipvs) => {
    const operations = [...own(handle), ...merges(handle)];
    return { operations, outcomes: await ipvs.batch(operations) };
  };
  const [first, second] = await Promise.all([run(1, one), run(2, two), edit()]);

  const table = new Map(
    (await tableOf(netns)).map((entry) => [entry.service.fwmark, entry] as const),
  );
  for (const [handle, { operations, outcomes }] of [
    [1, first],
    [2, second],
  ] as const) {
    const wrong = operations.flatMap((operation, at) => {
      const { fwmark = 0 } = operation.service;
      const code = outcomes[at]?.code;
      const group = Math.floor(fwmark / 10_000);
      const fine =
        group === 3
          ? code === undefined || code === 'EEXIST'
          : group === 4
            ? code === 'ESRCH'
            : code === undefined;
      return fine ? [] : [[operation, code]];
    });
    t.strictSame(wrong, []);
    for (const n of range(1, 1500)) {
      const weight = n <= 300 ? 100 + handle : handle;
      const entry = table.get(handle * 10_000 + n);
      if (entry?.destinations.length !== 1 || entry.destinations[0]?.weight !== weight) {
        t.fail(`${handle * 10_000 + n} is not what was done`);
      }
    }
  }
  const winners = range(1, 1500).map((n) => {
    const at = (n - 1) * 4 + 2;
    return [first, second].filter(({ outcomes }) => outcomes[at] === undefined).length;
  });
  t.strictSame(new Set(winners), new Set([1]), 'what both wanted one of them got');
  t.ok(range(1, 1500).every((n) => table.has(30_000 + n)));
  for (const n of range(1, 300)) {
    const entry = table.get(50_000 + n);
    if (!/^(rr|lc)$/.test(entry?.service.scheduler ?? '') || entry?.destinations.length !== 1) {
      t.fail(`${50_000 + n} is neither's`);
    }
  }
  t.ok(range(1, 200).every((n) => table.get(60_000 + n)?.destinations.length === 1));
  t.equal(table.size, 2 * 1500 + 1500 + 300 + 2 * 200);
});
