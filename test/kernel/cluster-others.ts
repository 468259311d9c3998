// What somebody else changes between `apply` and `revert` is told and left alone, the rest put back.

import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { ClusterDescription } from 'ipvs/cluster';
import { reference, VIP, withoutGateway } from '../fixtures/clusters.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import type { Place } from '../lab/node-state.js';
import { batch } from '../lab/topology.js';
import { until } from '../lab/until.js';
import { useDown } from '../lab/used.js';

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
  t.same(kept.map(({ change }) => change.kind).sort(), [
    'address',
    'link-state',
    'route',
    'service',
    'sysctl',
  ]);
  t.match(
    kept.find(({ change }) => change.kind === 'address'),
    { reason: /the default route does not work without it/ },
  );
  t.equal(await machine.sysctl.get('net.ipv4.conf.all.send_redirects'), '7');
  t.match(await machine.ipvs.listDestinations(service), [destination]);
  t.equal(readdirSync(journal).length, 1, 'the journal stays');

  await machine.sysctl.set('net.ipv4.conf.all.send_redirects', 1);
  await machine.ipvs.removeDestination(service, destination);
  batch(netns, ['route delete default']);
  const again = await other.revert();
  t.same(
    again.kept.filter(({ change }) => change.kind !== 'route'),
    [],
  );
  t.same(difference(before, await place.snapshot()), []);
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
  await until('it is there', () => readlinkSync(`/proc/${sleeper.pid}/ns/net`) !== own);
  await using byProcess = cluster.node('rs1', { netns: { pid: sleeper.pid }, journal });
  t.equal((await byProcess.apply()).length, 0);
  t.ok((await byProcess.revert()).reverted.length > 0);
  t.same(difference(before, await place.snapshot()), []);
  t.same(readdirSync(journal), []);
});

function own(address: string): ClusterDescription {
  const { nodes, ...rest } = withoutGateway(reference('dr'));
  return { ...rest, nodes: { ...nodes, rs1: { role: 'real-server', interface: 'eth0', address } } };
}

t.test('the routes of an interface outlive its only address', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  const journal = freshFolder(t);
  batch(netns, [
    'link set eth0 up',
    'address add 192.168.118.11/25 dev eth0',
    'route add default via 192.168.118.1',
    'route add 10.9.0.0/16 dev eth0',
  ]);
  const before = await place.look();
  await using node = Cluster.from(own('192.168.118.11/24')).node('rs1', { netns, journal });
  await node.apply();
  const routes = (await place.look()).filter((line) => /"(default|10\.9\.0\.0\/16)"/.test(line));
  t.same(
    routes,
    before.filter((line) => /"(default|10\.9\.0\.0\/16)"/.test(line)),
  );
  t.same((await node.revert()).kept, []);
  t.same(difference(before, await place.look()), []);
});

t.test('a route by an interface without an address stays', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  const journal = freshFolder(t);
  batch(netns, ['link set eth0 up', 'route add default dev eth0 initcwnd 12']);
  const before = await place.look();
  await using node = Cluster.from(own('192.168.118.11/24')).node('rs1', { netns, journal });
  await node.apply();
  t.same((await node.revert()).kept, []);
  t.same(difference(before, await place.look()), []);
});

t.test('an address in the network of ours stays, with a route by it', async (t) => {
  for (const promote of [0, 1]) {
    const [place] = await freshPlaces(t, 1);
    assert(place);
    const { netns, machine } = place;
    await machine.sysctl.set('net.ipv4.conf.all.promote_secondaries', promote);
    const journal = freshFolder(t);
    batch(netns, ['link set eth0 up']);
    const before = await place.look();
    await using node = Cluster.from(own('192.168.118.11/24')).node('rs1', { netns, journal });
    await node.apply();
    batch(netns, [
      'address add 192.168.118.50/24 dev eth0',
      'route add 10.50.0.0/16 via 192.168.118.99 src 192.168.118.50',
    ]);
    t.same((await node.revert()).kept, []);
    const more = difference(before, await place.look());
    t.ok(more.some((line) => line.includes('"address":"192.168.118.50","prefix":24')));
    t.ok(more.some((line) => line.includes('"10.50.0.0/16"')));
    t.notOk(more.some((line) => line.includes('192.168.118.11')));
  }
});

t.test('an interface that others use by now stays up', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  useDown(place);
  const journal = freshFolder(t);
  const before = await place.look();
  await using node = Cluster.from(own('192.168.118.11/24')).node('rs1', { netns, journal });
  await node.apply();
  batch(netns, ['address add 2001:db8:118::99/64 dev eth0 nodad']);
  const { kept } = await node.revert();
  t.match(kept, [
    {
      change: { resource: { kind: 'link-state', name: 'eth0' } },
      reason: /somebody else uses it: it has the address 2001:db8:118::99/,
    },
  ]);
  t.ok((await machine(place)).up);
  batch(netns, ['address delete 2001:db8:118::99/64 dev eth0']);
  t.same((await node.revert()).kept, []);
  t.same(difference(before, await place.look()), []);
});

async function machine(place: Place): Promise<{ up: boolean }> {
  const link = await place.machine.network.getLink('eth0');
  assert(link);
  return link;
}
