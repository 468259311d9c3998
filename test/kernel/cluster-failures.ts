// An `apply` that fails, by the kernel's own refusal for each kind of change and at every single change:
// it says at which, and `revert` takes back what was done.

import assert from 'node:assert';
import { readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { ClusterDescription, ClusterError } from 'ipvs/cluster';
import { keyOf } from '#lib/cluster/resources';
import { CASES, nodesOf } from '../fixtures/cluster-cases.js';
import { reference } from '../fixtures/clusters.js';
import { nodeOn } from '../fixtures/fake-node.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import type { Place } from '../lab/node-state.js';
import { dealer } from '../lab/share.js';
import { Obstacle } from '../lab/obstacle.js';
import { batch } from '../lab/topology.js';
import { dependOnAddresses, useDown, useOtherwise } from '../lab/used.js';

t.before(loadModules);

for (const used of [false, true]) {
  const machineOf = used ? 'a machine that is in use' : 'a machine with nothing but addresses';
  t.test(`a change that is refused, wherever it is, on ${machineOf}`, async (t) => {
    const [place] = await freshPlaces(t, 1);
    assert(place);
    if (used) {
      await useOtherwise(place);
      dependOnAddresses(place);
    } else {
      useDown(place);
    }
    const { netns, machine } = place;
    const journal = freshFolder(t);
    const [settings, look] = [await place.settings(), await place.look()];
    const isOurs = dealer();
    for (const { title, description, name } of nodesOf(CASES, used)) {
      const plan = await nodeOn(machine, description, name, { netns, journal }).node.plan();
      const total = plan.length;
      const planned = [...plan].map(({ resource }) => keyOf(resource));
      const wrong: unknown[] = [];
      for (const at of [...planned.keys()].filter(isOurs)) {
        if (wrong.length > 0) break;
        const obstacle = new Obstacle(machine, { at, how: 'fails' });
        const { node } = nodeOn(obstacle, description, name, { netns, journal });
        const error = (await node.apply().catch((reason: unknown) => reason)) as ClusterError;
        const { code, done, failed, message } = error;
        const keys = done?.map(({ resource }) => keyOf(resource)) ?? [];
        const next = failed && keyOf(failed.resource);
        // On a machine in use, changes that are not of the plan put back what went along with others.
        const isNext = next === planned[keys.length] || (used && message.includes('went along'));
        const isTold = isDeepStrictEqual(keys, planned.slice(0, keys.length)) && isNext;
        if (code !== 'EIO' || !isTold || (!used && keys.length !== at)) {
          wrong.push({ at, code, done, failed });
        }
        const { kept } = await nodeOn(machine, description, name, { netns, journal }).node.revert();
        const left = difference(look, await place.look());
        if (kept.length > 0 || left.length > 0) wrong.push({ at, kept, left });
      }
      t.same(wrong, [], `${title}: ${name}, ${total} changes`);
    }
    t.same(difference(settings, await place.settings()), []);
    t.same(readdirSync(journal), []);
  });
}

const dr = reference('dr', { ipv6: true });
const tun = reference('tun', { ipv6: true });

interface Refusal {
  kind: string;
  code: string;
  description: ClusterDescription;
  name: string;
  /** What makes the kernel refuse it; before the beginning. */
  obstruct?: (place: Place) => Promise<void> | void;
}

function changed(name: string, changes: object, description = dr): ClusterDescription {
  const { nodes } = description;
  const own = nodes[name];
  assert(own);
  return { ...description, nodes: { ...nodes, [name]: { ...own, ...changes } } };
}

const REFUSALS: readonly Refusal[] = [
  {
    kind: 'sysctl',
    code: 'EINVAL',
    description: changed('rs1', { sysctl: { 'net.ipv4.conf.eth0.route_localnet': 'often' } }),
    name: 'rs1',
  },
  {
    kind: 'link',
    code: 'EEXIST',
    description: tun,
    name: 'rs1',
    obstruct: ({ netns }) => {
      batch(netns, ['link add other type ipip local 192.168.118.11']);
    },
  },
  {
    kind: 'address',
    code: 'EACCES',
    description: dr,
    name: 'lb1',
    obstruct: ({ machine }) => machine.sysctl.set('net.ipv6.conf.eth0.disable_ipv6', 1),
  },
  {
    kind: 'route',
    code: 'ENETUNREACH',
    description: { ...dr, gateway: '10.99.0.1' },
    name: 'lb1',
  },
  {
    kind: 'fou-port',
    code: 'EADDRINUSE',
    description: reference('tun', { tunnel: { type: 'gue', port: 8848 } }),
    name: 'rs1',
    // The backup daemon listens at its port.
    obstruct: async ({ netns, machine }) => {
      batch(netns, ['link set lo up', 'link set eth0 up', 'address add 10.0.0.1/24 dev eth0']);
      await machine.ipvs.startSyncDaemon({ role: 'backup', interface: 'eth0' });
    },
  },
  {
    kind: 'service',
    code: 'ERR_IPVS_SCHEDULER',
    description: { ...dr, services: [{ protocol: 'tcp', port: 80, scheduler: 'none-such' }] },
    name: 'lb1',
  },
  {
    kind: 'destination',
    code: 'EINVAL',
    // The broadcast address of the director's network.
    description: changed('rs2', { address: '192.168.118.255' }, reference('dr')),
    name: 'lb1',
  },
];

for (const { kind, code, description, name, obstruct } of REFUSALS) {
  t.test(`${kind}: ${code}`, async (t) => {
    const [place] = await freshPlaces(t, 1);
    assert(place);
    await obstruct?.(place);
    const { netns } = place;
    const journal = freshFolder(t);
    const before = await place.look();
    await using node = Cluster.from(description).node(name, { netns, journal });
    const plan = await node.plan();
    const error = (await node.apply().catch((reason: unknown) => reason)) as ClusterError;
    t.match(error, { code, failed: { kind } }, error.message);
    t.ok(error.done && error.done.length < plan.length);
    t.same((await node.revert()).kept, []);
    t.same(difference(before, await place.look()), []);
    t.same(readdirSync(journal), []);
  });
}

t.test('an interface that goes while it is set up', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  const journal = freshFolder(t);
  const before = await place.look();
  await using node = Cluster.from(dr).node('gw', { netns, journal });
  const failure = await node
    .apply({
      onProgress: ({ change }) => {
        if (change.shell === 'ip link set eth1 up') batch(netns, ['link delete eth0']);
      },
    })
    .catch((reason: unknown) => reason);
  t.match(failure, { code: 'ENODEV' });
  await using other = Cluster.from(dr).node('gw', { netns, journal });
  t.same((await other.revert()).kept, [], 'what is gone with it needs no putting back');
  t.same(
    difference(before, await place.look()).filter((line) => !line.includes('"eth0"')),
    [],
  );
  t.same(readdirSync(journal), []);
});
