// One program for each state in which a process may end or a resource may be left:
//
//   node dist-test/lifecycle/programs/states.js NAME
//
// They only read, so they may run on any kernel, with IPVS and without.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Ipvs, listServices } from 'ipvs';
import { collect, descriptors, measure, times } from './process.js';

const absent = { fwmark: 4_294_967_295, family: 'ipv6' } as const;

/** Asks something, and does not care what comes of it: 'settled'. */
async function ask(ipvs: Ipvs): Promise<string> {
  await ipvs.getService(absent).catch(() => undefined);
  return 'settled';
}

/** The same on the other socket. */
async function list(ipvs: Ipvs): Promise<string> {
  await ipvs.listServices().catch(() => undefined);
  return 'settled';
}

async function rejects(promise: Promise<unknown>): Promise<void> {
  const settled = await promise.then(
    () => 'resolved',
    () => 'rejected',
  );
  if (settled === 'resolved') throw new Error('it was to fail');
}

async function tell(result: Promise<object>): Promise<void> {
  console.log(JSON.stringify(await result));
}

async function openAndClose(): Promise<void> {
  const ipvs = await Ipvs.open();
  await ipvs.close();
}

async function openAskAndClose(): Promise<void> {
  const ipvs = await Ipvs.open();
  await Promise.all([ask(ipvs), list(ipvs), ipvs.close()]);
}

/** Runs a state of `inWorker` in a thread; its exit status. */
function work(state: string): { worker: Worker; ended: Promise<number> } {
  const worker = new Worker(__filename, { workerData: state });
  const ended = once(worker, 'exit').then(([status]) => status as number);
  return { worker, ended };
}

const inMain: Record<string, () => Promise<void>> = {
  async open() {
    await Ipvs.open();
    console.log('open');
  },

  async closed() {
    const ipvs = await Ipvs.open();
    await ask(ipvs);
    await ipvs.close();
    console.log('closed');
  },

  async idle() {
    const ipvs = await Ipvs.open();
    console.log(await ask(ipvs), await list(ipvs));
  },

  // The handle behind the functions, which nobody can close.
  async functions() {
    await listServices().catch(() => undefined);
    console.log('settled');
  },

  async 'in flight'() {
    const ipvs = await Ipvs.open();
    for (let i = 0; i < 300; i++) void ask(ipvs);
    void ask(ipvs).then(console.log);
    void list(ipvs).then(console.log);
  },

  async 'exit in flight'() {
    const ipvs = await Ipvs.open();
    for (let i = 0; i < 300; i++) void ask(ipvs);
    void list(ipvs);
    process.exit(7);
  },

  async 'exit in an answer'() {
    const ipvs = await Ipvs.open();
    for (let i = 0; i < 300; i++) void ask(ipvs);
    void list(ipvs);
    void ask(ipvs).then(() => process.exit(7));
  },

  async 'exit while opening'() {
    void Ipvs.open();
    await Promise.resolve();
    process.exit(7);
  },

  async 'throw in flight'() {
    const ipvs = await Ipvs.open();
    for (let i = 0; i < 300; i++) void ask(ipvs);
    void list(ipvs);
    setImmediate(() => {
      throw new Error('on purpose');
    });
  },

  'open and close': () => tell(measure(10_000, openAndClose)),

  'open, ask and close': () => tell(measure(10_000, openAskAndClose)),

  'open, ask and close at once': () => tell(measure(10_000, openAskAndClose, 20)),

  // Of what is not there, and of what is no namespace.
  'open in vain': () =>
    tell(
      measure(5_000, async () => {
        for (const netns of ['/nowhere', '/etc/passwd']) await rejects(Ipvs.open({ netns }));
      }),
    ),

  // Every way to the kernel.
  async traced() {
    const ipvs = await Ipvs.open();
    const attempts = [
      ask(ipvs),
      list(ipvs),
      listServices(),
      Ipvs.open({ netns: '/proc/self/ns/net' }),
    ];
    await Promise.allSettled(attempts);
    await Promise.all(Array.from({ length: 300 }, () => ask(ipvs)));
    await ipvs.close();
    console.log(process.pid);
  },

  async forgotten() {
    await openAskAndClose();
    await collect();
    const before = descriptors();
    await times(200, async () => {
      const ipvs = await Ipvs.open();
      await ask(ipvs);
      await list(ipvs);
    });
    const open = descriptors() - before;
    await collect();
    console.log(JSON.stringify({ open, left: descriptors() - before }));
  },

  // Collected while it still works: only the work itself holds it.
  async 'forgotten in flight'() {
    await openAskAndClose();
    const before = descriptors();
    const settled = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const ipvs = await Ipvs.open();
        const answers = Promise.all([ask(ipvs), list(ipvs)]);
        global.gc?.();
        return answers;
      }),
    );
    await collect();
    console.log(JSON.stringify({ settled: settled.length, left: descriptors() - before }));
  },

  async 'descriptors of workers'() {
    await openAskAndClose();
    await work('closes').ended;
    const before = descriptors();
    for (let i = 0; i < 10; i++) await work('leaves open').ended;
    console.log(JSON.stringify({ left: descriptors() - before }));
  },

  // Whoever comes first loads the file, and whoever goes last unloads it.
  async 'main before workers'() {
    await openAskAndClose();
    console.log(await work('closes').ended, await work('closes').ended);
    await openAskAndClose();
  },

  async 'workers before main'() {
    console.log(await work('closes').ended, await work('closes').ended);
    await openAskAndClose();
    console.log(await work('closes').ended);
    await openAskAndClose();
  },

  async 'loaded by a worker'() {
    await work('closes').ended;
    console.log(readFileSync('/proc/self/maps', 'latin1').includes('ipvs.node'));
  },

  async 'four workers'() {
    const workers = Array.from({ length: 4 }, () => work('closes').ended);
    await openAskAndClose();
    console.log((await Promise.all(workers)).join(' '));
    await openAskAndClose();
  },

  async 'worker exits in flight'() {
    const statuses = await Promise.all(
      Array.from({ length: 20 }, () => work('exits in flight').ended),
    );
    console.log(new Set(statuses));
  },

  async 'workers are terminated'() {
    for (let i = 0; i < 40; i++) {
      const { worker, ended } = work('never stops');
      await once(worker, 'message');
      // At another moment each time.
      for (let turns = 0; turns < i; turns++) await nextTurn();
      await worker.terminate();
      await ended;
    }
    await openAskAndClose();
    console.log('terminated');
  },

  // The process ends, and its workers are ended in the middle of their work.
  async 'exit with busy workers'() {
    const workers = Array.from({ length: 4 }, () => work('never stops').worker);
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    process.exit(7);
  },
};

const inWorker: Record<string, () => Promise<void>> = {
  async closes() {
    await times(20, openAskAndClose);
  },

  async 'leaves open'() {
    const ipvs = await Ipvs.open();
    await Promise.all([ask(ipvs), list(ipvs), listServices().catch(() => undefined)]);
  },

  async 'exits in flight'() {
    const ipvs = await Ipvs.open();
    for (let i = 0; i < 300; i++) void ask(ipvs);
    void list(ipvs);
    process.exit(7);
  },

  async 'never stops'() {
    const ipvs = await Ipvs.open();
    parentPort?.postMessage('busy');
    for (;;) await Promise.all([...Array.from({ length: 200 }, () => ask(ipvs)), list(ipvs)]);
  },
};

const states = isMainThread ? inMain : inWorker;
const state = isMainThread ? process.argv[2] : (workerData as string);
const program = states[state ?? ''];
if (program === undefined) throw new Error(`there is no state '${state}'`);
void program();
