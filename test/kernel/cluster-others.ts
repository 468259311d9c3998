// What somebody else changes between `apply` and `revert` is told and left alone, the rest put back.

import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import { reference, VIP } from '../fixtures/clusters.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import { batch } from '../lab/topology.js';

t.before(loadModules);

t.test('what others have changed stays', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns, machine } = place;
  const journal = freshFolder(t);
  const cluster = Cluster.from(reference('nat', { ipv6: true }));
  const before = await place.snapshot();
  {
    await using node = cluster.node('lb1', { netns, journal });
    await node.apply();
  }

  const service = { protocol: 'tcp', address: VIP, port: 80 } as const;
  const destination = { address: '192.168.118.99' };
  await machine.sysctl.set('net.ipv4.conf.eth0.send_redirects', 1);
  await machine.sysctl.set('net.ipv4.conf.all.send_redirects', 7);
  await machine.ipvs.addDestination(service, { ...destination, forwarding: 'nat' });
  batch(netns, ['route replace default via 192.168.118.77']);

  await using other = cluster.node('lb1', { netns, journal });
  const { kept } = await other.revert();
  t.same(kept.map(({ change }) => change.kind).sort(), ['route', 'service', 'sysctl']);
  t.equal(await machine.sysctl.get('net.ipv4.conf.all.send_redirects'), '7');
  t.match(await machine.ipvs.listDestinations(service), [destination]);
  t.equal(readdirSync(journal).length, 1, 'the journal stays');

  await machine.sysctl.set('net.ipv4.conf.all.send_redirects', 1);
  await machine.ipvs.removeDestination(service, destination);
  t.same(
    (await other.revert()).kept.filter(({ change }) => change.kind !== 'route'),
    [],
  );
  t.same(
    difference(before, await place.snapshot()).filter((line) => !line.includes('"default"')),
    [],
  );
});

t.test('a namespace is the same by whichever path it is reached', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  const journal = freshFolder(t);
  const cluster = Cluster.from(reference('dr'));
  const before = await place.snapshot();
  await using byName = cluster.node('rs1', { netns, journal });
  t.ok((await byName.apply()).length > 0);
  const sleeper = spawn('ip', ['netns', 'exec', netns, 'sleep', '1000'], { stdio: 'ignore' });
  t.teardown(() => sleeper.kill());
  assert(sleeper.pid !== undefined);
  const own = readlinkSync('/proc/self/ns/net');
  while (readlinkSync(`/proc/${sleeper.pid}/ns/net`) === own) await sleep(10);
  await using byProcess = cluster.node('rs1', { netns: { pid: sleeper.pid }, journal });
  t.equal((await byProcess.apply()).length, 0);
  t.ok((await byProcess.revert()).reverted.length > 0);
  t.same(difference(before, await place.snapshot()), []);
  t.same(readdirSync(journal), []);
});
