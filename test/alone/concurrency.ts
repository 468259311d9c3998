// Eight writers and four readers, on one handle and on eight, while ipvsadm edits the same table:
// no deadlock, no wrong answer, no leak. Runs in a kernel of its own: test/concurrency.ts starts it.
//
//   node dist-test/alone/concurrency.js SECONDS

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import t from 'tap';
import { Ipvs } from 'ipvs';
import type { Destination, Service } from 'ipvs';
import { freshNamespace } from '../lab/namespace.js';

const SECONDS = Number(process.argv[2] ?? 30);
const WRITERS = 8;
const READERS = 4;
const SERVICES = 12; // of each writer
const PERMANENT = 100; // nobody touches these; with the others, more than a dump's chunk holds

// Half of the time for each of the two; anything that takes longer hangs.
t.setTimeout((SECONDS + 60) * 1000);

/** The same numbers on each run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Key = Readonly<{ protocol: 'tcp'; address: string; port: number }>;
type Model = Map<number, { scheduler: string; weights: Map<string, number> }>;
type Wrong = (what: string) => void;

const SCHEDULERS = ['rr', 'wrr', 'wlc'] as const;

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** Changes its own services, and checks every answer against what it knows of them. */
async function write(ipvs: Ipvs, index: number, until: number, wrong: Wrong): Promise<number> {
  const random = randomFrom(index + 1);
  const model: Model = new Map();
  const key = (n: number): Key => ({
    protocol: 'tcp',
    address: `10.0.${index}.1`,
    port: 1000 + n,
  });
  const expect = async (call: Promise<unknown>, expected: string, what: string): Promise<void> => {
    const code = await codeOf(call);
    if (code !== expected) wrong(`writer ${index}: ${what}: ${code}, not ${expected}`);
  };
  let calls = 0;
  while (performance.now() < until) {
    calls++;
    const n = random(SERVICES);
    const service = key(n);
    const own = model.get(n);
    const scheduler = SCHEDULERS[random(SCHEDULERS.length)] ?? 'rr';
    const address = `10.1.${index}.${random(5) + 1}`;
    const weight = random(100);
    const is = own?.weights.has(address);
    switch (random(9)) {
      case 0:
        await expect(ipvs.addService({ ...service, scheduler }), own ? 'EEXIST' : 'ok', 'add');
        if (!own) model.set(n, { scheduler, weights: new Map() });
        break;
      case 1:
        await expect(ipvs.removeService(service), own ? 'ok' : 'ESRCH', 'remove');
        model.delete(n);
        break;
      case 2:
        await expect(ipvs.updateService(service, { scheduler }), own ? 'ok' : 'ESRCH', 'update');
        if (own) own.scheduler = scheduler;
        break;
      case 3: {
        await expect(ipvs.ensureService({ ...service, scheduler }), 'ok', 'ensure');
        model.set(n, { scheduler, weights: own?.weights ?? new Map<string, number>() });
        break;
      }
      case 4:
        await expect(
          ipvs.addDestination(service, { address, weight }),
          own ? (is ? 'EEXIST' : 'ok') : 'ESRCH',
          'add destination',
        );
        if (own && !is) own.weights.set(address, weight);
        break;
      case 5:
        await expect(
          ipvs.updateDestination(service, { address }, { weight }),
          own ? (is ? 'ok' : 'ENOENT') : 'ESRCH',
          'update destination',
        );
        if (is) own?.weights.set(address, weight);
        break;
      case 6:
        await expect(
          ipvs.removeDestination(service, { address }),
          own ? (is ? 'ok' : 'ENOENT') : 'ESRCH',
          'remove destination',
        );
        own?.weights.delete(address);
        break;
      case 7: {
        const read = await ipvs.getService(service);
        if (read?.scheduler !== own?.scheduler) {
          wrong(`writer ${index}: reads ${read?.scheduler}, not ${own?.scheduler}`);
        }
        break;
      }
      default: {
        if (!own) break;
        // Together: what is asked first is done first.
        const [, list] = await Promise.all([
          ipvs.ensureDestination(service, { address, weight }),
          ipvs.listDestinations(service),
        ]);
        own.weights.set(address, weight);
        const told = list.map((one) => `${one.address} ${one.weight}`).join(', ');
        const known = [...own.weights]
          .sort(byAddress)
          .map((one) => one.join(' '))
          .join(', ');
        if (told !== known) wrong(`writer ${index}: lists ${told}, not ${known}`);
      }
    }
  }
  return calls;
}

const byAddress = ([a]: readonly [string, number], [b]: readonly [string, number]): number =>
  a < b ? -1 : 1;

const nameOf = (service: Service): string =>
  'fwmark' in service ? `mark ${service.fwmark}` : `${service.address}:${service.port}`;

/** Reads everything, and checks what holds whatever the others do. */
async function read(ipvs: Ipvs, index: number, until: number, wrong: Wrong): Promise<number> {
  const random = randomFrom(100 + index);
  const permanent = Array.from({ length: PERMANENT }, (_, i) => `10.8.0.1:${i + 1}`);
  const check = (what: string, services: readonly Service[], complete: boolean): void => {
    const names = services.map(nameOf);
    const unique = new Set(names);
    if (unique.size !== names.length) wrong(`reader ${index}: ${what} shows a service twice`);
    if (complete && !permanent.every((name) => unique.has(name))) {
      wrong(`reader ${index}: ${what} lacks a service that was there throughout`);
    }
    if (services.some(({ scheduler }) => scheduler === '')) wrong(`${what}: no scheduler`);
  };
  const checkDestinations = (what: string, list: readonly Destination[]): void => {
    const names = list.map(({ address, port }) => `${address}:${port}`);
    if (new Set(names).size !== names.length) wrong(`${what} shows a destination twice`);
  };
  let calls = 0;
  while (performance.now() < until) {
    calls++;
    switch (random(4)) {
      case 0: {
        const { services } = await ipvs.snapshot();
        check('a snapshot', services, true);
        for (const { destinations } of services) checkDestinations('a snapshot', destinations);
        break;
      }
      case 1:
        check('a list', await ipvs.listServices(), false);
        break;
      case 2: {
        const port = random(PERMANENT) + 1;
        const key = { protocol: 'tcp', address: '10.8.0.1', port } as const;
        const service = await ipvs.getService(key);
        if (service?.scheduler !== 'rr') wrong(`reader ${index}: ${port} is not there`);
        break;
      }
      default: {
        const port = random(PERMANENT) + 1;
        const key = { protocol: 'tcp', address: '10.8.0.1', port } as const;
        const list = await ipvs.listDestinations(key);
        if (list.length !== 1) wrong(`reader ${index}: ${port} has ${list.length} destinations`);
      }
    }
  }
  return calls;
}

/** ipvsadm, which edits the same table as fast as it can. */
async function editFrom(netns: string, until: number): Promise<void> {
  const edits = Array.from({ length: 20 }, (_, i) => i + 1)
    .flatMap((i) => [
      `-A -f ${i} -s rr`,
      `-a -f ${i} -r 10.7.0.${i} -m`,
      `-e -f ${i} -r 10.7.0.${i} -m -w 5`,
      `-D -f ${i}`,
      '',
    ])
    .join('\n');
  const program = spawn('ip', ['netns', 'exec', netns, 'ipvsadm', '-R'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(program, 'close');
  while (performance.now() < until) {
    if (!program.stdin.write(edits)) await once(program.stdin, 'drain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  program.stdin.end();
  await ended;
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

async function storm(t: Tap, handles: number): Promise<void> {
  const netns = freshNamespace(t);
  const before = openFiles();
  const opened = await Promise.all(Array.from({ length: handles }, () => Ipvs.open({ netns })));
  const handle = (index: number): Ipvs => {
    const ipvs = opened[index % handles];
    if (ipvs === undefined) throw new RangeError(String(index));
    return ipvs;
  };
  await Promise.all(
    Array.from({ length: PERMANENT }, async (_, i) => {
      const key = { protocol: 'tcp', address: '10.8.0.1', port: i + 1 } as const;
      await handle(0).addService({ ...key, scheduler: 'rr' });
      await handle(0).addDestination(key, { address: '10.8.1.1' });
    }),
  );

  const problems: string[] = [];
  const wrong: Wrong = (what) => {
    problems.push(what);
  };
  const memory: number[] = [];
  const sampling = setInterval(() => memory.push(process.memoryUsage.rss()), 250);
  const until = performance.now() + (SECONDS * 1000) / 2;
  const [counts] = await Promise.all([
    Promise.all([
      ...Array.from({ length: WRITERS }, (_, i) => write(handle(i), i, until, wrong)),
      ...Array.from({ length: READERS }, (_, i) => read(handle(i), i, until, wrong)),
    ]),
    editFrom(netns, until),
  ]);
  clearInterval(sampling);
  t.strictSame(problems.slice(0, 10), [], 'no wrong answer');
  t.ok(
    counts.every((calls) => calls > 0),
    `everybody got on: ${counts.join(' ')} calls`,
  );

  // The first samples are while everything is still being compiled.
  const early = Math.max(...memory.slice(0, Math.ceil(memory.length / 2)));
  const grown = (Math.max(...memory) - early) / 2 ** 20;
  t.ok(grown < 48, `memory grew by ${Math.round(grown)} MiB in the second half`);

  t.equal((await handle(0).snapshot()).settled, true, 'the table rests');
  await Promise.all(opened.map((ipvs) => ipvs.close()));
  t.equal(openFiles(), before, 'no file is left open');
}

type Tap = Parameters<typeof freshNamespace>[0] & {
  strictSame(found: unknown, wanted: unknown, name: string): unknown;
  equal(found: unknown, wanted: unknown, name: string): unknown;
  ok(found: unknown, name: string): unknown;
};

t.test('eight writers and four readers on one handle', (t) => storm(t, 1));
t.test('eight writers and four readers on eight handles', (t) => storm(t, 8));
