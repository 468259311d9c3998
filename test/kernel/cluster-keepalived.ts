// keepalived moves the virtual address, and calls examples/failover/notify.mjs: a director that falls
// silent is replaced, and connections go on.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { Ipvs } from 'ipvs';
import { Cluster, Network } from 'ipvs/cluster';
import { listenEverywhere } from '../lab/cluster.js';
import { freshFolder } from '../lab/folder.js';
import { FAR, VIP, makeTopology } from '../lab/topology.js';
import { Traffic } from '../lab/traffic.js';
import { until } from '../lab/until.js';

t.setTimeout(300_000);
const traffic = new Traffic(t);

const EXAMPLE = join(__dirname, '..', '..', 'examples', 'failover');

/** The example's configuration for one director, quicker than an operator would want it. */
function configuration(name: string, priority: number): string {
  const quick = (text: string, from: RegExp, to: string): string => {
    if (!from.test(text)) throw new Error(`the example has no ${from.source}`);
    return text.replace(from, to);
  };
  let text = readFileSync(join(EXAMPLE, 'keepalived.conf'), 'utf8');
  text = quick(text, /advert_int .*/, 'version 3\n    advert_int 0.5');
  text = quick(text, /priority .*/, `priority ${priority}`);
  const notify = `notify "${process.execPath} ${join(EXAMPLE, 'notify.mjs')} ${name}"`;
  return quick(text, /notify ".*/, notify);
}

function startKeepalived(
  t: Test,
  {
    netns,
    name,
    priority,
    folder,
  }: Record<'netns' | 'name' | 'folder', string> & { priority: number },
): void {
  const file = (ending: string): string => join(folder, `${name}.${ending}`);
  writeFileSync(file('conf'), configuration(name, priority));
  const options = ['--dont-fork', '--log-console', '--vrrp', '--use-file', file('conf')];
  const pids = ['--pid', file('pid'), '--vrrp_pid', file('vrrp.pid')];
  const args = ['netns', 'exec', netns, 'keepalived', ...options, ...pids];
  const keepalived = spawn('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [keepalived.stdout, keepalived.stderr]) {
    stream.on('data', (data) => {
      said += String(data);
    });
  }
  const ended = once(keepalived, 'exit');
  t.teardown(async () => {
    keepalived.kill('SIGTERM');
    await ended;
    if (!t.passing()) t.comment(said);
  });
}

t.test('the director that keepalived chooses is the one', async (t) => {
  const nodes = await makeTopology(t, traffic, { directors: 2 });
  await listenEverywhere(traffic, nodes, ['rs1', 'rs2'], [['tcp', 80]]);
  const cluster = await Cluster.load(join(EXAMPLE, 'cluster.yaml'));
  const folder = freshFolder(t);
  for (const name of ['gw', 'rs1', 'rs2'] as const) {
    await using node = cluster.node(name, { netns: nodes[name], journal: folder });
    await node.apply();
  }
  await using first = await Ipvs.open({ netns: nodes.lb1 });
  await using second = await Ipvs.open({ netns: nodes.lb2 });
  const isA = async (ipvs: Ipvs, role: string): Promise<boolean> => {
    const roles = (await ipvs.listSyncDaemons()).map((each) => each.role);
    return roles.length === 1 && roles[0] === role && (await ipvs.listServices()).length === 1;
  };

  startKeepalived(t, { netns: nodes.lb1, name: 'lb1', priority: 100, folder });
  startKeepalived(t, { netns: nodes.lb2, name: 'lb2', priority: 50, folder });
  await until('the first is the master', () => isA(first, 'master'));
  await until('the second is the standby', () => isA(second, 'backup'));
  const question = { netns: nodes.client, protocol: 'tcp', address: VIP, port: 80 } as const;
  const [server = ''] = await traffic.ask({ ...question, source: FAR[0], hold: 'held' });
  t.match(server, /^rs/);
  await until('the second has heard of the connection', async () => {
    // Not every packet is a reason to tell it (sync_threshold).
    await traffic.again('held');
    for await (const { kind, state } of second.connections()) {
      if (kind === 'connection' && state === 'ESTABLISHED') return true;
    }
    return false;
  });

  await using network = await Network.open({ netns: nodes.lb1 });
  await network.setLink('eth0', { up: false });
  // The address is there before notify.mjs has had its say. TCP asks again ever more rarely.
  const during = await traffic.again('held', 60);
  t.equal(during, server, 'the connection goes on during the takeover');
  await until('the second is the master', () => isA(second, 'master'));
  t.equal(await traffic.again('held'), server, 'the connection goes on');
  t.match(await traffic.ask({ ...question, source: FAR[2] }), [/^rs/], 'new ones are made');
  await using director = cluster.node('lb2', { netns: nodes.lb2, state: 'master' });
  t.same(await director.check(), []);
});

t.test('of several changes in short order the last one counts', async (t) => {
  const nodes = await makeTopology(t, traffic, { directors: 2 });
  await using ipvs = await Ipvs.open({ netns: nodes.lb1 });
  for (const last of ['MASTER', 'BACKUP', 'STOP']) {
    const states = ['MASTER', 'BACKUP', 'MASTER', 'FAULT', 'BACKUP', last];
    const codes = states.map(async (state) => {
      const args = ['netns', 'exec', nodes.lb1, process.execPath, join(EXAMPLE, 'notify.mjs')];
      const program = spawn('ip', [...args, 'lb1', 'INSTANCE', 'web', state, '100'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const [code] = (await once(program, 'exit')) as [number];
      return code;
    });
    t.same(await Promise.all(codes), [0, 0, 0, 0, 0, 0], `${last}: none fails`);
    const roles = (await ipvs.listSyncDaemons()).map(({ role }) => role);
    t.same(
      roles,
      last === 'STOP' ? [] : [last.toLowerCase()],
      `${last}: it is what it became last`,
    );
  }
});
