// Where a node can't be set up to the end, this is said before anything is changed: in a container with
// a read-only /proc/sys, without rights, without the interface.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { ClusterDescription } from 'ipvs/cluster';
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

const dr = reference('dr', { ipv6: true });

interface Confined {
  title: string;
  name: string;
  description: ClusterDescription;
  /** What the machine's settings are beforehand. */
  settings?: Readonly<Record<string, number>>;
  /** What the runtime is to be told in any case. */
  asked: readonly string[];
}

const CASES: readonly Confined[] = [
  { title: 'VS/DR', name: 'rs1', description: dr, asked: ['net.ipv4.conf.all.arp_ignore=1'] },
  {
    title: 'VS/NAT',
    name: 'lb1',
    description: reference('nat', { ipv6: true }),
    asked: ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.send_redirects=0'],
  },
  {
    title: 'VS/TUN',
    name: 'rs1',
    description: reference('tun', { ipv6: true }),
    asked: ['net.ipv4.conf.all.arp_ignore=1'],
  },
  {
    title: 'VS/TUN where a new interface checks the way back',
    name: 'rs1',
    description: reference('tun', { ipv6: true }),
    settings: { 'net.ipv4.conf.default.rp_filter': 1 },
    asked: ['net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.default.rp_filter=2'],
  },
];

for (const { title, name, description, settings = {}, asked } of CASES) {
  t.test(`a container with a read-only /proc/sys, ${title}`, async (t) => {
    const [place] = await freshPlaces(t, 1);
    assert(place);
    for (const [each, value] of Object.entries(settings))
      await place.machine.sysctl.set(each, value);
    const journal = freshFolder(t);
    for (const folder of ['own', 'root']) mkdirSync(join(journal, folder));
    for (const folder of [journal, join(journal, 'own')]) chmodSync(folder, 0o777);
    chmodSync(join(journal, 'root'), 0o700);
    const attempt = (): Record<'confined' | 'unprivileged' | 'elsewhere', Outcome> & {
      looks: Look[];
    } => {
      const program = [process.execPath, PROGRAM, journal, name, JSON.stringify(description)];
      const container = ['unshare', '--mount', 'sh', '-ec', CONFINE, 'sh', ...program];
      const { status, stdout, stderr } = spawnSync(
        'ip',
        ['netns', 'exec', place.netns, ...container],
        { encoding: 'utf8' },
      );
      assert(status === 0, stderr);
      return JSON.parse(stdout) as ReturnType<typeof attempt>;
    };

    const before = await place.snapshot();
    const { confined, unprivileged, elsewhere } = attempt();
    t.match(confined, {
      code: 'EROFS',
      message: new RegExp(`^apply ${name}: /proc/sys is read-only here, `),
    });
    const options = [...(confined.hint ?? '').matchAll(/--sysctl (\S+)=(\S+?),? /g)];
    const said = options.map(([, each = '', value = '']) => `${each}=${value}`);
    for (const each of asked) t.ok(said.includes(each), `it says to pass ${each}`);
    for (const outcome of [unprivileged, elsewhere]) {
      t.match(outcome, { code: 'EPERM', message: new RegExp(`^apply ${name}: `), hint: /root/ });
    }
    t.same(difference(before, await place.snapshot()), [], 'nothing was changed');
    t.same(readdirSync(journal), ['own', 'root'], 'nothing was noted');

    // What the runtime does where it is told so.
    for (const [, each = '', value = ''] of options) await place.machine.sysctl.set(each, value);
    const again = attempt();
    t.equal(again.confined.message, undefined);
    t.ok(again.confined.done);
    if (name === 'rs1') {
      t.equal(again.unprivileged.done, 0, 'there is nothing left to do, which takes no rights');
    } else {
      t.equal(again.unprivileged.code, 'EPERM', 'the table of IPVS takes rights');
    }
    if (description !== dr) return;

    // The journal is root's, and the folder is /run/ipvs as it is made.
    chmodSync(journal, 0o711);
    const { looks } = attempt();
    t.match(looks[0], { plan: 1, findings: ['rights'] }, 'a real server has its plan');
    t.match(looks[1], { plan: 'EPERM', findings: ['rights'] }, 'the table of IPVS takes rights');
  });
}

t.test('an interface that is not there', async (t) => {
  const [place] = await freshPlaces(t, 1);
  assert(place);
  const { netns } = place;
  const journal = freshFolder(t);
  const before = await place.look();
  const { gw, rs1 } = dr.nodes;
  assert(gw && rs1);
  const nodes = {
    ...dr.nodes,
    gw: { ...gw, clients: 'wan0' },
    rs1: { ...rs1, interface: 'lan0' },
  };
  const sync = { interface: 'sync0' };
  const cluster = Cluster.from({ ...dr, nodes, sync });
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
