// Handles on the network and on settings that are forgotten, or whose thread ends under them.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Network } from 'ipvs';
import { freshNetwork, openNetwork } from '../lab/network.js';

const library = require.resolve('ipvs');

/** A program that uses both without an end, and tells once that it does. */
const busy = (netns: string, tell: string): string => `
  const { Network, Sysctl } = require(${JSON.stringify(library)});
  (async () => {
    const place = { netns: ${JSON.stringify(netns)} };
    const network = await Network.open(place);
    const sysctl = await Sysctl.open(place);
    for (let i = 0; ; i++) {
      await Promise.all([network.routes(), network.links(), sysctl.list('net.ipv4.conf')]);
      if (i === 0) ${tell};
    }
  })();`;

t.test('a worker may end while the kernel works for it', async (t) => {
  const { network, netns } = await freshNetwork(t);
  const before = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < 5; round++) {
    const program = busy(netns, `require('node:worker_threads').parentPort.postMessage('busy')`);
    const worker = new Worker(program, { eval: true });
    await once(worker, 'message');
    await worker.terminate();
  }
  t.match(await network.links(), [{ name: 'lo' }], 'other handles go on');
  t.ok(readdirSync('/proc/self/fd').length <= before + 1, 'no descriptor is left');
});

t.test('a process ends with handles open, and in the middle of work', async (t) => {
  const { netns } = await freshNetwork(t);
  const run = (program: string): string =>
    execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  const open = `
    const { Network, Sysctl } = require(${JSON.stringify(library)});
    (async () => {
      const network = await Network.open({ netns: ${JSON.stringify(netns)} });
      const sysctl = await Sysctl.open({ netns: ${JSON.stringify(netns)} });
      console.log((await network.links()).length, await sysctl.get('net.ipv4.ip_forward'));
    })();`;
  t.match(run(open), /^\d+ 0\n$/, 'an open handle keeps no process alive');
  t.equal(run(busy(netns, `process.exit(console.log('busy'))`)), 'busy\n');
});

t.test('close() waits for what was asked, and may be repeated', async (t) => {
  const { network, netns } = await freshNetwork(t);
  const other = await openNetwork(t, netns);
  const done: string[] = [];
  const calls = Array.from({ length: 20 }, (_, i) =>
    other.addLink({ name: `d${i}`, kind: 'dummy' }).then(() => done.push(`d${i}`)),
  );
  await Promise.all([other.close(), other.close()]);
  t.equal(done.length, 20);
  await Promise.all(calls);
  t.equal((await network.links()).filter(({ kind }) => kind === 'dummy').length, 20);
});

t.test('a hundred handles leave nothing behind', async (t) => {
  const { netns } = await freshNetwork(t);
  const count = () => readdirSync('/proc/self/fd').length;
  const use = async () => {
    const network = await Network.open({ netns });
    await Promise.all([network.links(), network.fouPorts(), network.rules()]);
    await network.close();
  };
  await use();
  const before = count();
  for (let i = 0; i < 100; i++) await use();
  t.ok(count() <= before, `${count()} descriptors, ${before} before`);
});
