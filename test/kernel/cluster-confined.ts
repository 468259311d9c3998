// Where a node can't be set up to the end, this is said before anything is changed: in a container with
// a read-only /proc/sys, without rights, without the interface.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { Look } from '../fixtures/cluster-confined.js';
import { reference } from '../fixtures/clusters.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';

const PROGRAM = join(__dirname, '..', 'fixtures', 'cluster-confined.js');

// As container runtimes start a program: of the rights, those for the network, which containers may be
// given; and with settings that can only be looked at.
const CONFINE = `
mount -o bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
exec setpriv --bounding-set=-all,+net_admin,+net_raw,+setuid,+setgid \\
  --inh-caps=-all,+net_admin,+net_raw,+setuid,+setgid "$@"
`;

interface Outcome {
  done?: number;
  code?: string;
  message?: string;
  hint?: string;
}

t.before(loadModules);

const description = reference('dr', { ipv6: true });

t.test('a container with a read-only /proc/sys', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const journal = freshFolder(t);
  mkdirSync(join(journal, 'own'));
  for (const folder of [journal, join(journal, 'own')]) chmodSync(folder, 0o777);
  const attempt = (): { confined: Outcome; unprivileged: Outcome; looks: Look[] } => {
    const program = [process.execPath, PROGRAM, journal, 'rs1', JSON.stringify(description)];
    const container = ['unshare', '--mount', 'sh', '-ec', CONFINE, 'sh', ...program];
    const { status, stdout, stderr } = spawnSync(
      'ip',
      ['netns', 'exec', place.netns, ...container],
      {
        encoding: 'utf8',
      },
    );
    assert(status === 0, stderr);
    return JSON.parse(stdout) as ReturnType<typeof attempt>;
  };

  const before = await place.snapshot();
  const { confined, unprivileged } = attempt();
  t.match(confined, { code: 'EROFS', message: /^apply rs1: \/proc\/sys is read-only here, / });
  const asked = [...(confined.hint ?? '').matchAll(/--sysctl (\S+)=(\S+?),? /g)];
  t.not(asked.length, 0, 'it says what to pass to the runtime');
  t.match(unprivileged, { code: 'EPERM', message: /^apply rs1: / });
  t.ok(unprivileged.hint);
  t.same(difference(before, await place.snapshot()), [], 'nothing was changed');
  t.same(readdirSync(journal), ['own'], 'nothing was noted');

  // What the runtime does where it is told so.
  for (const [, name = '', value = ''] of asked) await place.machine.sysctl.set(name, value);
  const again = attempt();
  t.equal(again.confined.code, undefined);
  t.ok(again.confined.done);
  t.equal(again.unprivileged.done, 0, 'there is nothing left to do, which takes no rights');

  // The journal is root's, and the folder is /run/ipvs as it is made.
  chmodSync(journal, 0o711);
  const { looks } = attempt();
  t.match(looks[0], { plan: 1, findings: ['rights'] }, 'a real server has its plan');
  t.match(looks[1], { plan: 'EPERM', findings: ['rights'] }, 'the table of IPVS takes rights');
});

t.test('an interface that is not there', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  const journal = freshFolder(t);
  const before = await place.look();
  const { gw, rs1 } = description.nodes;
  assert(gw && rs1);
  const nodes = {
    ...description.nodes,
    gw: { ...gw, clients: 'wan0' },
    rs1: { ...rs1, interface: 'lan0' },
  };
  const sync = { interface: 'sync0' };
  const cluster = Cluster.from({ ...description, nodes, sync });
  for (const [name, path, missing] of [
    ['rs1', 'nodes.rs1.interface', 'lan0'],
    ['gw', 'nodes.gw.clients', 'wan0'],
    ['lb1', 'sync.interface', 'sync0'],
  ] as const) {
    await using node = cluster.node(name, { netns, journal });
    const failure = { code: 'ENODEV', path, message: new RegExp(missing), hint: /eth0, eth1/ };
    await t.rejects(node.plan(), failure);
    await t.rejects(node.apply(), failure);
  }
  t.same(difference(before, await place.look()), []);
  t.same(readdirSync(journal), []);
});
