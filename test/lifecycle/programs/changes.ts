// The same as states.ts on a kernel with IPVS, in a network namespace that may be changed at will:
//
//   node --expose-gc dist-test/lifecycle/programs/changes.js NAME NAMESPACE

import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Ipvs } from 'ipvs';
import type { Operation } from 'ipvs';
import { collect, descriptors, measure, times } from './process.js';

interface Task {
  readonly state: string;
  readonly netns: string;
}

const service = (port: number) => ({ protocol: 'tcp', address: '192.0.2.1', port }) as const;
const destination = (n: number) =>
  ({ address: `127.1.${n >> 8}.${n & 255}`, forwarding: 'nat' }) as const;

const add = (n: number): Operation => ({
  op: 'addDestination',
  service: service(80),
  destination: destination(n),
});
const remove = (n: number): Operation => ({ ...add(n), op: 'removeDestination' }) as Operation;

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

async function openAskAndClose(netns: string): Promise<void> {
  const ipvs = await Ipvs.open({ netns });
  await Promise.all([ipvs.getService(service(1)), ipvs.listServices(), ipvs.close()]);
}

function work(task: Task): { worker: Worker; ended: Promise<unknown[]> } {
  const worker = new Worker(__filename, { workerData: task });
  return { worker, ended: once(worker, 'exit') };
}

const inMain: Record<string, (netns: string) => Promise<void>> = {
  // Nobody waits for any of it.
  async 'change and end'(netns) {
    const ipvs = await Ipvs.open({ netns });
    void ipvs.addService(service(80));
    for (const n of numbers(300)) void ipvs.addDestination(service(80), destination(n));
    void ipvs.listDestinations(service(80)).then(({ length }) => console.log(length));
  },

  async 'exit in flight'(netns) {
    const ipvs = await Ipvs.open({ netns });
    void ipvs.listDestinations(service(80));
    for (const n of numbers(300)) void ipvs.removeDestination(service(80), destination(n));
    void ipvs.listDestinations(service(80));
    setImmediate(() => process.exit(7));
  },

  // In three portions, and nobody waits for any of them.
  async 'batch and end'(netns) {
    const ipvs = await Ipvs.open({ netns });
    void ipvs.addService(service(80));
    void ipvs.batch(numbers(9000).map(add));
  },

  async 'exit in a batch'(netns) {
    const ipvs = await Ipvs.open({ netns });
    void ipvs.batch(numbers(9000).map(remove), { onProgress: () => process.exit(7) });
  },

  async batches(netns) {
    const ipvs = await Ipvs.open({ netns });
    await ipvs.addService(service(80));
    const ensure = { ...add(1), op: 'ensureDestination' } as Operation;
    const list = [...numbers(500).map(add), ensure, ...numbers(500).map(remove), remove(1), ensure];
    const both = async () => {
      const outcomes = await ipvs.batch(list);
      const failed = outcomes.filter((outcome) => outcome !== undefined);
      if (failed.length !== 1) throw failed[0] ?? new Error('one was to fail');
      await ipvs.batch([remove(1)]);
    };
    console.log(JSON.stringify(await measure(200, both)));
  },

  async 'open and close'(netns) {
    console.log(JSON.stringify(await measure(200, () => openAskAndClose(netns))));
  },

  async forgotten(netns) {
    await openAskAndClose(netns);
    await collect();
    const before = descriptors();
    await times(30, async () => (await Ipvs.open({ netns })).listServices());
    await collect();
    console.log(descriptors() - before);
  },

  async 'four workers'(netns) {
    const ended = numbers(4).map((n) => work({ state: 'adds', netns: `${netns}-${n}` }).ended);
    console.log((await Promise.all(ended)).join(' '));
  },

  async 'workers are terminated'(netns) {
    for (const n of numbers(24)) {
      const state = n % 2 === 0 ? 'never stops' : 'batches without end';
      const { worker, ended } = work({ state, netns });
      await once(worker, 'message');
      await times(n >> 1, nextTurn); // at another moment each time
      await worker.terminate();
      await ended;
    }
    const ipvs = await Ipvs.open({ netns });
    console.log((await ipvs.listDestinations(service(80))).length);
  },

  // How long the event loop stood still at worst, in milliseconds, while the kernel worked.
  async 'many changes'(netns) {
    const ipvs = await Ipvs.open({ netns });
    await ipvs.addService(service(80));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    for (const n of numbers(100)) {
      await Promise.all(
        numbers(100).map((m) => ipvs.addDestination(service(80), destination(n * 100 + m))),
      );
    }
    delay.disable();
    const { length } = await ipvs.listDestinations(service(80));
    console.log(JSON.stringify({ length, longest: delay.max / 1e6, mean: delay.mean / 1e6 }));
  },
};

const inWorker: Record<string, (netns: string) => Promise<void>> = {
  async adds(netns) {
    const ipvs = await Ipvs.open({ netns });
    await ipvs.addService(service(80));
    await Promise.all(numbers(200).map((n) => ipvs.addDestination(service(80), destination(n))));
    const { length } = await ipvs.listDestinations(service(80));
    if (length !== 200) throw new Error(`there are ${length} destinations`);
  },

  async 'never stops'(netns) {
    const ipvs = await Ipvs.open({ netns });
    parentPort?.postMessage('busy');
    for (;;) {
      await Promise.all([
        ...numbers(200).map((n) => ipvs.replaceDestination(service(80), destination(n))),
        ipvs.listDestinations(service(80)),
        ipvs.listServices(),
      ]);
    }
  },

  async 'batches without end'(netns) {
    const ipvs = await Ipvs.open({ netns });
    parentPort?.postMessage('busy');
    const list = numbers(200).flatMap((n): Operation[] => [
      { op: 'replaceDestination', service: service(80), destination: destination(n) },
      { op: 'ensureDestination', service: service(80), destination: destination(n) },
      { op: 'addService', service: service(80) }, // it is there already
    ]);
    for (;;) await ipvs.batch(list);
  },
};

const [, , name = '', space = ''] = process.argv;
const { state, netns } = isMainThread ? { state: name, netns: space } : (workerData as Task);
const program = (isMainThread ? inMain : inWorker)[state];
if (program === undefined) throw new Error(`there is no state '${state}'`);
void program(netns);
