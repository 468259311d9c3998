// Tables that become objects. Where this fails, everybody else waits while a long list is read, or a
// record turns up under a service that is not its own.

import t from 'tap';
import type { Ipvs, Operation } from 'ipvs';
import type { DestinationRecord, ServiceRecord } from '#lib/records';
import { PORTION, readTable, tableOf } from '#lib/table';
import { fakeIpvs, packedTable } from '../fixtures/fake-addon.js';
import type { TableEntry } from '../fixtures/fake-addon.js';
import { FakeTable } from '../fixtures/fake-table.js';
import { noTraffic, unused } from '../lab/objects.js';

const MANY = 10 * PORTION;
// The first and the last turn may be seen or not.
const ENOUGH = 5;

const serviceAt = (port: number): ServiceRecord => ({
  family: 2,
  protocol: 6,
  address: '10.0.0.1',
  port,
  fwmark: 0,
  scheduler: 'rr',
  flags: 0,
  timeout: 0,
  netmask: 0xffffffff,
  engine: '',
  wideStats: 1,
  stats: noTraffic,
});

const addressOf = (n: number) => `10.1.${n >> 8}.${n & 255}`;

const destinationAt = (n: number): DestinationRecord => ({
  family: 2,
  address: addressOf(n),
  port: 80,
  forwarding: 3,
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: 0,
  tunnelPort: 0,
  tunnelFlags: 0,
  ...unused,
});

const entry = (port: number, destinations: number): TableEntry => [
  serviceAt(port),
  Array.from({ length: destinations }, (_, n) => destinationAt(n)),
];

/** How many turns of the event loop others had until it was done. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let timer = setImmediate(function count() {
    turns++;
    timer = setImmediate(count);
  });
  await work;
  clearImmediate(timer);
  return turns;
}

t.test('each destination is of its service, and what is not there is left out', async (t) => {
  const sizes = [0, 1, undefined, PORTION - 1, 3 * PORTION + 7, undefined, 0, 2];
  const table = packedTable(
    sizes.map((size, n) => (size === undefined ? undefined : entry(n, size))),
    false,
  );
  const seen: { index: number; port: number; addresses: string[] }[] = [];
  await readTable(tableOf(table, false), {
    service: ({ port }, index) => {
      seen.push({ index, port, addresses: [] });
    },
    destination: ({ address }) => {
      seen.at(-1)?.addresses.push(address);
    },
  });
  t.strictSame(
    seen,
    sizes.flatMap((size, n) =>
      size === undefined
        ? []
        : [{ index: n, port: n, addresses: Array.from({ length: size }, (_, m) => addressOf(m)) }],
    ),
  );
});

t.test('others have the thread in between, however the records are spread', async (t) => {
  const shapes = [
    [entry(1, MANY)],
    Array.from({ length: MANY }, (_, n) => entry(n, 0)),
    Array.from({ length: MANY }, () => undefined),
    Array.from({ length: 5 }, (_, n) => entry(n, MANY / 5)),
  ];
  for (const entries of shapes) {
    let inTurn = 0;
    let most = 0;
    const count = () => {
      most = Math.max(most, ++inTurn);
    };
    let timer = setImmediate(function turn() {
      inTurn = 0;
      timer = setImmediate(turn);
    });
    const read = readTable(tableOf(packedTable(entries, false), false), {
      service: count,
      destination: count,
    });
    const turns = await turnsOf(read);
    clearImmediate(timer);
    t.ok(turns > ENOUGH, `${turns} turns`);
    t.ok(most <= PORTION, `${most} records in one turn`);
  }
});

/** How many turns a method takes more where a service has many destinations than where it has one. */
async function moreTurns(method: (ipvs: Ipvs, count: number) => Promise<unknown>): Promise<number> {
  const turns: number[] = [];
  for (const count of [1, MANY]) {
    const { ipvs, commands, dumps } = fakeIpvs();
    new FakeTable().serve(commands, dumps);
    dumps.onTable = ({ finish }) => {
      setImmediate(() => {
        finish([entry(80, count)]);
      });
    };
    dumps.onDump = ({ finish }) => {
      setImmediate(() => {
        finish([]);
      });
    };
    // What the fake table does not know: the timeouts.
    const { onExchange } = commands;
    commands.onExchange = (exchange) => {
      if (exchange.rows[0]?.command !== 13) onExchange?.(exchange);
      else setImmediate(() => exchange.finish([{ tcp: 1, tcpFin: 1, udp: 1 }]));
    };
    turns.push(await turnsOf(method(ipvs, count)));
  }
  return (turns[1] ?? 0) - (turns[0] ?? 0);
}

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

t.test('snapshot() leaves the thread to others within one service', async (t) => {
  t.ok((await moreTurns((ipvs) => ipvs.snapshot())) > ENOUGH);
});

t.test('restore() leaves the thread to others within one service', async (t) => {
  const restore = (ipvs: Ipvs) => ipvs.restore('', { mode: 'merge', dryRun: true });
  t.ok((await moreTurns(restore)) > ENOUGH);
});

t.test('batch() leaves the thread to others within one service', async (t) => {
  const ensure = async (ipvs: Ipvs, count: number) => {
    const list = Array.from({ length: Math.min(count, 4096) }, (_, n): Operation => ({
      op: 'ensureDestination',
      service: web,
      destination: { address: addressOf(n) },
    }));
    await ipvs.batch([{ op: 'addService', service: web }, ...list]);
    return turnsOf(ipvs.batch(list));
  };
  t.ok((await moreTurns(ensure)) > ENOUGH);
});
