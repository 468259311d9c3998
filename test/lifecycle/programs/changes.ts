// The same as states.ts on a kernel with IPVS, in a network namespace that may be changed at will:
//
//   node --expose-gc dist-test/lifecycle/programs/changes.js NAME NAMESPACE

import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Ipvs } from 'ipvs';
import { collect, descriptors, measure, times } from './process.js';

interface Task {
  readonly state: string;
  readonly netns: string;
}

const service = (port: number) => ({ protocol: 'tcp', address: '192.0.2.1', port }) as const;
const destination = (n: number) =>
  ({ address: `127.1.${n >> 8}.${n & 255}`, forwarding: 'nat' }) as const;

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
    for (const n of numbers(12)) {
      const { worker, ended } = work({ state: 'never stops', netns });
      await once(worker, 'message');
      await times(n, nextTurn); // at another moment each time
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
};

const [, , name = '', space = ''] = process.argv;
const { state, netns } = isMainThread ? { state: name, netns: space } : (workerData as Task);
const program = (isMainThread ? inMain : inWorker)[state];
if (program === undefined) throw new Error(`there is no state '${state}'`);
void program(netns);
