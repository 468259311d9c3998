// Applying a plan and taking it back, on a machine without a kernel: what fails or dies at whichever
// step is put back to the last value.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import fc from 'fast-check';
import type { ClusterDescription, ClusterError, ClusterNode, Plan } from 'ipvs/cluster';
import { Journal } from '#lib/cluster/journal';
import type { Header, Line } from '#lib/cluster/journal';
import { lock } from '#lib/cluster/lock';
import type { Value } from '#lib/cluster/types';
import { FakeMachine, freshState } from '../fixtures/fake-machine.js';
import { fakeNode, interfacesOf } from '../fixtures/fake-node.js';
import { reference } from '../fixtures/clusters.js';

const CASES: readonly [name: string, description: ClusterDescription][] = [
  ...(['dr', 'nat', 'tun'] as const).map((mode): [string, ClusterDescription] => [
    mode,
    { ...reference(mode, { ipv6: true }), sysctl: { profile: 'director' }, sync: { syncId: 1 } },
  ]),
  ['gue', reference('tun', { tunnel: { type: 'gue', port: 6080 } })],
  ['gre', reference('tun', { tunnel: { type: 'gre' } })],
  ['mark', { ...reference('dr'), services: [{ fwmark: 9, ports: [80] }] }],
];

const folder = t.testdir();
let folders = 0;

/** Not there yet: the first journal makes it. */
function freshFolder(): string {
  return `${folder}/${++folders}`;
}

const NODES = ['gw', 'lb1', 'rs1'];

/** What is there before differs from what the kernel has by itself. */
function usedState(name: string): Record<string, Value> {
  return {
    ...freshState(interfacesOf(name)),
    'link-state eth0': { up: true },
    'sysctl net.ipv4.conf.all.accept_redirects': '0',
    'sysctl net.ipv4.conf.eth0.forwarding': '1',
    'address eth0 192.168.118.77': { prefix: 24, scope: 'global', secondary: false },
    'route ipv4 254 default': {
      type: 'unicast',
      gateway: '192.168.118.99',
      interface: 'eth0',
      metric: 0,
      onLink: true,
    },
    'address lo 192.168.51.11': {
      prefix: 32,
      scope: 'global',
      noDad: false,
      deprecated: false,
      label: 'lo:1',
    },
    'service tcp 192.168.51.11 80': { scheduler: 'wlc', schedulerFlags: [], onePacket: false },
    'destination tcp 192.168.51.11 80 192.168.118.12 80': { forwarding: 'nat', weight: 7 },
  };
}

function eachCase(
  t: Test,
  work: (
    t: Test,
    description: ClusterDescription,
    name: string,
    state: Record<string, Value>,
  ) => Promise<void>,
  { usedOnly = false } = {},
): void {
  for (const [title, description] of CASES) {
    for (const name of NODES) {
      if (usedOnly && name === 'gw' && title !== 'dr') continue; // a router is always the same
      for (const used of usedOnly ? [true] : [false, true]) {
        const state = used ? usedState(name) : freshState(interfacesOf(name));
        t.test(`${title} ${name} ${used ? 'used' : 'fresh'}`, (t) =>
          work(t, description, name, state),
        );
      }
    }
  }
}

const filesIn = (folder: string): string[] => readdirSync(folder);

t.test('applied twice, it changes nothing; reverted, all is as before', (t) => {
  eachCase(t, async (t, description, name, state) => {
    const journal = freshFolder();
    const { node, machine } = fakeNode(description, name, journal, {
      machine: new FakeMachine(state),
    });
    const before = machine.snapshot();
    const plan = await node.plan();
    t.ok(plan.length > 2);
    t.same(machine.snapshot(), before, 'planning changes nothing');
    const done = await node.apply();
    t.same(
      [...done].map(({ shell }) => shell),
      [...plan].map(({ shell }) => shell),
    );
    t.equal(filesIn(journal).length, 1);
    t.equal(statSync(`${journal}/${filesIn(journal)[0]}`).mode & 0o777, 0o600);
    const after = machine.snapshot();
    const { writes } = machine;
    t.equal((await node.plan()).isEmpty, true);
    t.equal((await node.apply()).length, 0);
    t.equal(machine.writes, writes);
    t.same(machine.snapshot(), after);

    // By another process.
    const other = fakeNode(description, name, journal, { machine }).node;
    const foreseen = await other.revert({ dryRun: true });
    t.same(machine.snapshot(), after, 'a dry run changes nothing');
    t.equal(machine.writes, writes);
    t.equal(filesIn(journal).length, 1);
    const { reverted, kept } = await other.revert();
    t.same({ reverted, kept }, foreseen, 'and says just what is done');
    t.same(kept, []);
    t.same(machine.snapshot(), before);
    t.same(filesIn(journal), [], 'the journal is gone');
    t.match(await other.revert(), { reverted: [], kept: [] });
    await node.close();
    await t.rejects(node.plan(), { code: 'ERR_IPVS_CLOSED' });
  });
  t.end();
});

t.test('a failure at any step is told, and what was done is taken back', (t) => {
  eachCase(
    t,
    async (t, description, name, state) => {
      const dry = fakeNode(description, name, freshFolder(), { machine: new FakeMachine(state) });
      await dry.node.apply();
      const total = dry.machine.writes;
      for (let write = 0; write < total; write++) {
        for (const made of [false, true]) {
          const journal = freshFolder();
          const machine = new FakeMachine(state, { failAt: { write, made } });
          const { node } = fakeNode(description, name, journal, { machine });
          const before = machine.snapshot();
          const error = await node.apply().then(
            () => undefined,
            (reason: unknown) => reason as ClusterError,
          );
          if (error?.code !== 'EIO' || error.done?.length !== write || !error.failed) {
            t.fail(`step ${write}`, { error });
          }
          const { kept } = await fakeNode(description, name, journal, { machine }).node.revert();
          t.same(kept, []);
          if (!t.same(machine.snapshot(), before, `step ${write}, made: ${made}`)) return;
        }
      }
    },
    { usedOnly: true },
  );
  t.end();
});

t.test('a revert that fails at any step is repeated', (t) => {
  eachCase(
    t,
    async (t, description, name, state) => {
      const dry = fakeNode(description, name, freshFolder(), { machine: new FakeMachine(state) });
      await dry.node.apply();
      const applied = dry.machine.writes;
      await dry.node.revert();
      const total = dry.machine.writes;
      for (let write = applied; write < total; write++) {
        for (const made of [write % 2 === 0]) {
          const journal = freshFolder();
          const machine = new FakeMachine(state, { failAt: { write, made } });
          const { node } = fakeNode(description, name, journal, { machine });
          const before = machine.snapshot();
          await node.apply();
          await t.rejects(node.revert(), { code: 'EIO' });
          const { kept } = await fakeNode(description, name, journal, { machine }).node.revert();
          t.same(kept, []);
          if (!t.same(machine.snapshot(), before, `step ${write}, made: ${made}`)) return;
          t.same(filesIn(journal), []);
        }
      }
    },
    { usedOnly: true },
  );
  t.end();
});

t.test('what was applied in part is completed', async (t) => {
  const description = reference('tun', { ipv6: true });
  for (let write = 0; write < 12; write++) {
    const journal = freshFolder();
    const machine = new FakeMachine(freshState(), { failAt: { write, made: write % 2 === 0 } });
    const { node } = fakeNode(description, 'rs1', journal, { machine });
    const before = machine.snapshot();
    await t.rejects(node.apply(), { code: 'EIO' });
    await node.apply();
    t.equal((await node.plan()).isEmpty, true);
    await node.revert();
    t.same(machine.snapshot(), before);
  }
});

t.test('what the description no longer has is taken back, and nothing of others', async (t) => {
  const one = { services: [{ protocol: 'tcp', port: 443 } as const] };
  const descriptions = [
    reference('dr', { ipv6: true }),
    { ...reference('tun'), ...one },
    reference('nat', { ipv6: true }),
    reference('dr'),
    { ...reference('nat'), ...one },
  ];
  for (const name of ['rs1', 'lb1']) {
    const journal = freshFolder();
    const machine = new FakeMachine(usedState(name));
    const before = machine.snapshot();
    for (const description of descriptions) {
      await fakeNode(description, name, journal, { machine }).node.apply();
      const fresh = new FakeMachine(usedState(name));
      await fakeNode(description, name, freshFolder(), { machine: fresh }).node.apply();
      const title = `${description.mode ?? ''} on ${name} is as if it had been the first`;
      // What the kernel changes along with ip_forward it does not change back by itself.
      const settled = (each: FakeMachine) =>
        Object.entries(each.snapshot()).filter(([key]) => !/forwarding|redirects/.test(key));
      t.same(settled(machine), settled(fresh), title);
    }
    const [first] = descriptions;
    if (first) await fakeNode(first, name, journal, { machine }).node.revert();
    t.same(machine.snapshot(), before);
  }
});

t.test('a real server gets another address: its tunnel is made anew', async (t) => {
  const description = reference('tun', { ipv6: true });
  const moved: ClusterDescription = {
    ...description,
    nodes: {
      ...description.nodes,
      rs1: {
        role: 'real-server',
        interface: 'eth0',
        address: ['192.168.118.77/24', 'fd00::77/64'],
      },
    },
  };
  const journal = freshFolder();
  const machine = new FakeMachine();
  const before = machine.snapshot();
  await fakeNode(description, 'rs1', journal, { machine }).node.apply();
  const { node } = fakeNode(moved, 'rs1', journal, { machine });
  await node.apply();
  t.equal((await node.plan()).isEmpty, true);
  const fresh = new FakeMachine();
  await fakeNode(moved, 'rs1', freshFolder(), { machine: fresh }).node.apply();
  t.same(machine.snapshot(), fresh.snapshot());
  await node.revert();
  t.same(machine.snapshot(), before);
});

t.test('a director changes its state', async (t) => {
  const journal = freshFolder();
  const description: ClusterDescription = {
    ...reference('dr'),
    sync: { syncId: 1 },
    nodes: {
      ...reference('dr').nodes,
      lb1: { role: ['director', 'real-server'], interface: 'eth0', address: '192.168.118.10' },
      lb2: { role: 'director', interface: 'eth0', address: '192.168.118.20' },
    },
  };
  const machine = new FakeMachine();
  const before = machine.snapshot();
  const become = (state: 'master' | 'backup') =>
    fakeNode(description, 'lb1', journal, { machine, state }).node.apply();
  await become('backup');
  t.same(machine.announced, []);
  const master: Plan = await become('master');
  t.same(machine.announced, ['192.168.51.11 on eth0']);
  t.same(
    [...master].map(({ shell }) => shell.split(' ').slice(0, 3).join(' ')),
    [
      'ipvsadm --stop-daemon backup',
      'ip address delete',
      'ip address add',
      'ipvsadm --start-daemon master',
    ],
  );
  await become('master');
  t.equal(machine.announced.length, 1, 'only what is new is announced');
  await become('backup');
  t.ok(machine.snapshot()['address lo 192.168.51.11']);
  t.notOk(machine.snapshot()['address eth0 192.168.51.11']);
  await fakeNode(description, 'lb1', journal, { machine }).node.announce();
  t.equal(machine.announced.length, 2);
  await fakeNode(description, 'lb1', journal, { machine }).node.revert();
  t.same(machine.snapshot(), before);
});

t.test('what was taken back is theirs who make it again', async (t) => {
  const journal = freshFolder();
  const machine = new FakeMachine();
  const [service443, conntrack] = [
    'service tcp 192.168.51.11 443',
    'sysctl net.ipv4.vs.conntrack',
  ] as const;
  const before = machine.snapshot();
  const describedBy = (ports: readonly number[], settings: Record<string, number>) => ({
    ...reference('dr'),
    services: ports.map((port) => ({ protocol: 'tcp', port }) as const),
    sysctl: { settings },
  });
  const more = describedBy([80, 443], { 'net.ipv4.vs.conntrack': 1 });
  await fakeNode(more, 'lb1', journal, { machine }).node.apply();
  const service = machine.state[service443] ?? null;
  const { node } = fakeNode(describedBy([80], {}), 'lb1', journal, { machine });
  await node.apply();
  t.equal(machine.state[service443] ?? null, null);
  t.equal(machine.state[conntrack], '0');

  // The same that apply() had there.
  const theirs = { [service443]: service, [conntrack]: '1' };
  Object.assign(machine.state, theirs);
  t.same([...(await node.plan())], []);
  t.same((await node.revert()).kept, [], 'nothing of ours was changed');
  t.same(machine.snapshot(), { ...before, ...theirs });
  t.same(filesIn(journal), []);
});

t.test('what a mend removed does not come back when a director steps back', async (t) => {
  const stray = 'address eth0 192.168.51.11';
  const description: ClusterDescription = {
    ...reference('dr'),
    sync: { syncId: 1 },
    nodes: {
      ...reference('dr').nodes,
      lb2: { role: 'director', interface: 'eth0', address: '192.168.118.20' },
    },
  };
  for (const prefix of [32, 24]) {
    const journal = freshFolder();
    const machine = new FakeMachine();
    const flags = { noDad: false, deprecated: false, label: null };
    machine.state[stray] = { prefix, scope: 'global', ...flags };
    const before = machine.snapshot();
    const as = (state: 'master' | 'backup') =>
      fakeNode(description, 'lb2', journal, { machine, state }).node;
    await as('backup').apply();
    for (const finding of await as('backup').check()) await finding.mend?.apply();
    t.equal(machine.state[stray] ?? null, null, 'it is mended');
    t.same([...(await as('backup').plan())], [], 'a mend is not taken back');
    await as('master').apply();
    t.ok(machine.state[stray]);
    await as('backup').apply();
    t.equal(machine.state[stray] ?? null, null, 'one has it, not two');
    await as('backup').revert();
    t.same(machine.snapshot(), before);
  }
});

t.test(
  'on no way from one description to another does a real server answer for the VIP',
  async (t) => {
    const descriptions = (['dr', 'tun'] as const).flatMap((mode) =>
      (['all', 'interface'] as const).map((arp): ClusterDescription => ({
        ...reference(mode),
        arp,
      })),
    );
    const settings = ['all', 'lo', 'eth0'].map((name) => `sysctl net.ipv4.conf.${name}.arp_ignore`);
    const set = (value: string) => Object.fromEntries(settings.map((name) => [name, value]));
    const pairs = descriptions.flatMap((first, from) =>
      descriptions.map((second, to) => ({ first, second, title: `${from} to ${to}` })),
    );
    // Where it is right already, what is mended later comes last in the journal.
    for (const already of ['0', '1']) {
      for (const { first, second, title } of pairs) {
        const journal = freshFolder();
        const machine = new FakeMachine({ ...freshState(), ...set(already) });
        const { state } = machine;
        let steps = 0;
        let noisy = 0;
        const watch = (): void => {
          steps++;
          const isThere = ['lo', 'eth0', 'ipvs-ipip'].some(
            (name) => (state[`address ${name} 192.168.51.11`] ?? null) !== null,
          );
          const ignores = ['all', 'eth0'].map(
            (name) => state[`sysctl net.ipv4.conf.${name}.arp_ignore`],
          );
          if (isThere && !ignores.includes('1')) noisy++;
        };
        machine.faults = { onWrite: watch };
        await fakeNode(first, 'rs1', journal, { machine }).node.apply();
        const { node } = fakeNode(second, 'rs1', journal, { machine });
        await node.apply();
        machine.faults = {};
        // Somebody sets them back, and it is mended.
        Object.assign(state, set('0'));
        for (const finding of await node.check()) await finding.mend?.apply();
        machine.faults = { onWrite: watch };
        await node.revert();
        t.ok(steps > 10, title);
        t.equal(noisy, 0, `${title}, arp_ignore ${already} before`);
      }
    }
  },
);

t.test('a takeover that was not announced is announced by the next apply', async (t) => {
  const journal = freshFolder();
  const vip = '192.168.51.11 on eth0';
  const { node, machine } = fakeNode(reference('dr'), 'lb1', journal);
  const before = machine.snapshot();
  machine.silent = 'forbidden';
  await t.rejects(node.apply(), { code: 'EPERM' });
  t.same(machine.snapshot(), before, 'nothing was changed');

  machine.silent = 'failing';
  const error = await node.apply().catch((reason: unknown) => reason as ClusterError);
  t.match(error, {
    name: 'ClusterError',
    code: 'ENETDOWN',
    message: /^apply lb1: all is changed, and the neighbours were not told: it is down/,
    hint: /again/,
  });
  t.ok(((error as ClusterError).done?.length ?? 0) > 2);
  t.equal((await node.plan()).length, 0);
  machine.silent = 'forbidden';
  await t.rejects(node.apply(), { code: 'EPERM' });
  machine.silent = undefined;
  t.equal((await node.apply()).length, 0);
  t.same(machine.announced, [vip]);
  await node.apply();
  t.same(machine.announced, [vip], 'once');

  // One who is killed between the two.
  await node.revert();
  const died = new Promise((resolve) => {
    machine.announce = () => new Promise(() => resolve(undefined));
  });
  const other = freshFolder();
  void fakeNode(reference('dr'), 'lb1', other, { machine }).node.apply();
  await died;
  machine.announce = FakeMachine.prototype.announce.bind(machine);
  unlinkSync(`${other}/${filesIn(other).find((name) => name.endsWith('.lock')) ?? ''}`);
  const next = fakeNode(reference('dr'), 'lb1', other, { machine }).node;
  t.equal((await next.apply()).length, 0);
  t.same(machine.announced, [vip, vip]);
});

t.test('what somebody else has changed meanwhile is told and left alone', async (t) => {
  const journal = freshFolder();
  const { node, machine } = fakeNode(reference('nat'), 'lb1', journal);
  const before = machine.snapshot();
  await node.apply();
  const weight = 'destination tcp 192.168.51.11 80 192.168.118.11 80';
  const foreign: Record<string, Value> = {
    'sysctl net.ipv4.conf.eth0.send_redirects': '1',
    'sysctl net.ipv4.conf.lo.forwarding': '0',
    [weight]: { forwarding: 'nat', weight: 0, upperThreshold: 0, lowerThreshold: 0 },
    'destination udp 192.168.51.11 53 192.168.118.99 53': { forwarding: 'nat', weight: 1 },
    'address eth0 192.168.51.11': null,
  };
  Object.assign(machine.state, foreign);
  const foreseen = await node.revert({ dryRun: true });
  const { reverted, kept } = await node.revert();
  t.same({ reverted, kept }, foreseen);
  t.same(
    kept.map(({ change }) => change.kind),
    ['service', 'destination', 'service'],
    'what is as before is not told',
  );
  t.match(kept[0], {
    reason: '1 real servers are left',
    change: { resource: { kind: 'service' } },
  });
  t.match(kept[1], { current: { weight: 0 }, reason: /somebody else has changed it to/ });
  const after = machine.snapshot();
  for (const [key, value] of Object.entries(after)) {
    if (/192.168.51.11/.test(key)) continue;
    t.same(value, before[key] ?? null, key);
  }
  t.same(
    Object.keys(after).filter((key) => /192.168.51.11/.test(key)),
    [
      weight,
      'destination udp 192.168.51.11 53 192.168.118.99 53',
      'service tcp 192.168.51.11 80',
      'service udp 192.168.51.11 53',
    ],
  );
  t.equal(filesIn(journal).length, 1, 'the journal stays, for another try');
  delete machine.state['destination udp 192.168.51.11 53 192.168.118.99 53'];
  Object.assign(machine.state, { [weight]: null });
  t.same((await node.revert()).kept.length, 0);
  t.same(machine.snapshot(), before);
});

t.test('a setting is the same by each of its names', async (t) => {
  const names = [
    'net.ipv4.ip_forward',
    'net/ipv4/ip_forward',
    'net.ipv4.conf.all.forwarding',
    'net/ipv4/conf/all/forwarding',
    'net/ipv6/conf/all/forwarding',
  ];
  for (const name of names) {
    const machine = new FakeMachine();
    machine.state['sysctl net.ipv4.conf.eth0.forwarding'] = '1';
    machine.state['sysctl net.ipv6.conf.eth0.forwarding'] = '1';
    const before = machine.snapshot();
    const description: ClusterDescription = {
      ...reference('dr'),
      sysctl: { settings: { [name]: 1 } },
    };
    const { node } = fakeNode(description, 'lb1', freshFolder(), { machine });
    await node.apply();
    const family = name.includes('ipv6') ? 'ipv6' : 'ipv4';
    t.equal(machine.state[`sysctl net.${family}.conf.lo.forwarding`], '1', name);
    t.same((await node.revert()).kept, []);
    t.same(machine.snapshot(), before, name);
  }
});

t.test('a setting that others put back before us is not touched', async (t) => {
  const machine = new FakeMachine();
  const { node } = fakeNode(reference('nat'), 'lb1', freshFolder(), { machine });
  await node.apply();
  machine.state['sysctl net.ipv4.ip_forward'] = '7';
  const { kept } = await node.revert();
  t.match(kept, [{ change: { before: '7', after: '7' }, current: '7' }]);
  t.equal(machine.state['sysctl net.ipv4.ip_forward'], '7');
});

t.test('what was put back is nobody else but theirs who change it afterwards', async (t) => {
  const journal = freshFolder();
  const { node, machine } = fakeNode(reference('nat'), 'lb1', journal);
  const before = machine.snapshot();
  await node.apply();
  const theirs = { prefix: 24, scope: 'global' };
  Object.assign(machine.state, {
    'address eth0 192.168.51.11': theirs,
    'sysctl net.ipv4.ip_forward': '7',
  });
  const address = { change: { kind: 'address' } };
  t.match((await node.revert()).kept, [address, { current: '7' }]);
  t.equal(machine.state['sysctl net.ipv4.conf.eth0.forwarding'], '0');

  // The same values that apply() had set, and what the kernel changed with them.
  Object.assign(machine.state, {
    'sysctl net.ipv4.conf.eth0.forwarding': '1',
    'sysctl net.ipv4.conf.all.send_redirects': '0',
  });
  const { writes } = machine;
  const again = await fakeNode(reference('nat'), 'lb1', journal, { machine }).node.revert();
  t.match(again, { reverted: [], kept: [address, { current: '7' }] });
  t.equal(machine.writes, writes);

  // What is applied again is taken back again.
  await node.apply();
  t.equal(machine.state['sysctl net.ipv4.conf.all.send_redirects'], '0');
  Object.assign(machine.state, {
    'address eth0 192.168.51.11': null,
    'sysctl net.ipv4.ip_forward': '0',
  });
  t.same((await node.revert()).kept, []);
  t.same(machine.snapshot(), {
    ...before,
    'sysctl net.ipv4.conf.eth0.forwarding': '1',
    'sysctl net.ipv4.conf.all.send_redirects': '0',
  });
  t.same(filesIn(journal), []);
});

t.test('what was put right again goes back to what was there at first', async (t) => {
  const { node, machine } = fakeNode(reference('dr'), 'rs1', freshFolder());
  const before = machine.snapshot();
  await node.apply();
  const vip = machine.state['address lo 192.168.51.11'];
  machine.state['address lo 192.168.51.11'] = { prefix: 24, scope: 'global' };
  machine.state['sysctl net.ipv4.conf.all.arp_ignore'] = '0';
  t.equal((await node.apply()).length, 2);
  t.same(machine.state['address lo 192.168.51.11'], vip);
  t.same((await node.revert()).kept, []);
  t.same(machine.snapshot(), before);
});

t.test('an abort ends it between two changes', async (t) => {
  const controller = new AbortController();
  const { node, machine } = fakeNode(reference('dr'), 'rs1', freshFolder());
  const before = machine.snapshot();
  const seen: string[] = [];
  await t.rejects(
    node.apply({
      signal: controller.signal,
      onProgress: ({ done, total, change }) => {
        seen.push(`${done}/${total} ${change.kind}`);
        if (done === 3) controller.abort(new Error('enough'));
      },
    }),
    { code: 'ABORT_ERR', cause: { message: 'enough' }, done: { length: 3 } },
  );
  t.same(seen, ['1/9 link-state', '2/9 link-state', '3/9 address']);
  await t.rejects(node.revert({ signal: controller.signal }), { code: 'ABORT_ERR' });
  await node.revert();
  t.same(machine.snapshot(), before);
  t.throws(() => node.apply({ signal: 3 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => node.apply({ onprogress: 3 } as never), { code: 'ERR_INVALID_ARG_VALUE' });
});

t.test('a change that the kernel takes and does not make is told', async (t) => {
  const machine = new FakeMachine();
  machine.faults.onWrite = (_, { resource, before }) => {
    if (resource.kind !== 'sysctl') return;
    queueMicrotask(() => {
      machine.state['sysctl net.ipv4.conf.all.arp_ignore'] = before;
    });
  };
  const { node } = fakeNode(reference('dr'), 'rs1', freshFolder(), { machine });
  await t.rejects(node.apply(), {
    code: 'ERR_IPVS_NOT_TAKEN',
    failed: { resource: { name: 'net.ipv4.conf.all.arp_ignore' } },
    message: /^apply rs1: Set net.ipv4.conf.all.arp_ignore to 1 \(it is 0\)\. .*has something else/,
  });
});

t.test('a route that this library could not make is not replaced', async (t) => {
  const machine = new FakeMachine();
  machine.state['route ipv4 254 default'] = { type: 77, gateway: '10.0.0.1' };
  const { node } = fakeNode(reference('dr'), 'rs1', freshFolder(), { machine });
  await t.rejects(node.apply(), { code: 'ERR_IPVS_NOT_RESTORABLE', failed: { kind: 'route' } });
  t.equal(machine.writes, 0);
});

t.test('one at a time, whatever the file of the lock says', async (t) => {
  const journal = freshFolder();
  const { node, machine } = fakeNode(reference('dr'), 'rs1', journal);
  const others = [1, 2, 3].map(() => fakeNode(reference('dr'), 'rs1', journal, { machine }).node);
  const [other, another, third] = others as [ClusterNode, ClusterNode, ClusterNode];
  let lockFile = '';
  const outcomes: Promise<unknown>[] = [];
  machine.write = async (writes) => {
    if (machine.writes === 2) {
      lockFile = `${journal}/${filesIn(journal).find((name) => name.endsWith('.lock')) ?? ''}`;
      t.equal(readFileSync(lockFile, 'utf8'), `${process.pid}\n`);
      outcomes.push(other.apply(), another.revert(), third.plan());
      await Promise.allSettled(outcomes);
      // As from another PID namespace, or as it is before its holder has said who that is.
      for (const [text, who] of [
        ['999999\n', 'the process 999999'],
        ['', 'another process'],
      ] as const) {
        writeFileSync(lockFile, text);
        const message = `apply rs1: ${who} is changing this node (ERR_IPVS_LOCKED)`;
        await t.rejects(other.apply(), { code: 'ERR_IPVS_LOCKED', message });
      }
    }
    return FakeMachine.prototype.write.call(machine, writes);
  };
  await node.apply();
  const [apply, revert, plan] = await Promise.allSettled(outcomes);
  t.match(apply, { reason: { code: 'ERR_IPVS_LOCKED', message: new RegExp(`${process.pid}`) } });
  t.match(revert, { reason: { code: 'ERR_IPVS_LOCKED' } });
  t.match(plan, { status: 'fulfilled' });
  t.same(
    filesIn(journal).filter((name) => name.includes('.lock')),
    [],
  );
  // What somebody who died has left behind, whoever is called that today.
  writeFileSync(lockFile, `${process.pid}\n`);
  t.equal((await other.apply()).length, 0);
  t.notOk(filesIn(journal).some((name) => name.includes('.lock')));
});

t.test('a lock goes with the process that has it, and with nothing else', async (t) => {
  const path = `${t.testdir()}/folder/x.lock`;
  const program =
    // Kept: an open file that nobody knows any more is closed by the garbage collection.
    `require(process.argv[1]).lock(process.argv[2], 'apply x').then((unlock) => ` +
    `{ console.log('locked'); setInterval(() => unlock, 1000); })`;
  const holder = spawn(
    process.execPath,
    ['-e', program, require.resolve('#lib/cluster/lock'), path],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');
  await t.rejects(lock(path, 'apply x'), {
    code: 'ERR_IPVS_LOCKED',
    message: new RegExp(`the process ${holder.pid} is changing`),
  });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const unlock = await lock(path, 'apply x');
  unlinkSync(path);
  await unlock();
  t.same(filesIn(dirname(path)), []);
});

t.test('a turn is waited for, and what was overtaken meanwhile does nothing', async (t) => {
  const journal = freshFolder();
  const { node, machine } = fakeNode(reference('dr'), 'rs1', journal);
  const others = [1, 2, 3, 4].map(
    () => fakeNode(reference('dr'), 'rs1', journal, { machine }).node,
  );
  const [late, overtaken, aborted, reverts] = others as [
    ClusterNode,
    ClusterNode,
    ClusterNode,
    ClusterNode,
  ];
  const before = machine.snapshot();
  const controller = new AbortController();
  const waiting: Promise<unknown>[] = [];
  let asked = 0;
  machine.write = async (writes) => {
    if (machine.writes === 2) {
      await t.rejects(late.apply({ wait: 20 }), { code: 'ERR_IPVS_LOCKED', hint: /"wait"/ });
      const end = aborted.apply({ wait: 60_000, signal: controller.signal });
      controller.abort(new Error('enough'));
      await t.rejects(end, { code: 'ABORT_ERR', cause: { message: 'enough' }, done: [] });
      waiting.push(
        late.apply({ wait: 60_000 }),
        overtaken.apply({ wait: 60_000, when: () => Promise.resolve(++asked < 0) }),
        overtaken.revert({ wait: 60_000, when: () => ++asked < 0 }),
      );
    }
    return FakeMachine.prototype.write.call(machine, writes);
  };
  t.equal((await node.apply()).length, 9);
  t.match(await Promise.all(waiting), [{ length: 0 }, { length: 0 }, { reverted: [], kept: [] }]);
  t.equal(asked, 2);
  t.equal((await node.plan()).length, 0, 'nothing was taken back');
  t.equal((await reverts.revert({ wait: 1, when: () => true })).kept.length, 0);
  t.same(machine.snapshot(), before);
  const notAFunction = { code: 'ERR_INVALID_ARG_TYPE' };
  t.throws(() => node.apply({ when: true as never }), notAFunction);
  t.throws(() => node.revert({ wait: -1 }), { code: 'ERR_OUT_OF_RANGE' });
});

t.test('many who try at a time get it one after the other', async (t) => {
  const path = `${t.testdir()}/x.lock`;
  let inside = 0;
  let times = 0;
  const visit = async (): Promise<void> => {
    for (;;) {
      const unlock = await lock(path, 'apply x').catch(() => undefined);
      if (unlock === undefined) continue;
      if (++inside !== 1) t.fail('two at a time');
      times++;
      await turn();
      inside--;
      return unlock();
    }
  };
  await Promise.all(Array.from({ length: 20 }, visit));
  t.equal(times, 20);
});

t.test('calls of one node wait for each other', async (t) => {
  const { node, machine } = fakeNode(reference('dr'), 'rs1', freshFolder());
  const before = machine.snapshot();
  const [first, second, , plan] = await Promise.all([
    node.apply(),
    node.apply(),
    node.revert(),
    node.plan(),
  ]);
  t.same([first.length, second.length, plan.length], [9, 0, 9]);
  t.same(machine.snapshot(), before);
});

// ---- the journal

const HEADER: Header = { journal: 1, node: 'x', namespace: '4:5 boot' };

function lines(count: number): Line[] {
  return Array.from({ length: count }, (_, index) => ({
    line: 'change',
    resource: { kind: 'sysctl', name: `net.ipv4.x${index}` },
    before: 'ä"\n',
    after: String(index),
  }));
}

type Handle = Awaited<ReturnType<typeof open>>;

async function anyFileHandle(): Promise<{ FileHandle: { prototype: Handle } }> {
  const file = await open('/dev/null');
  await file.close();
  return { FileHandle: file.constructor as unknown as { prototype: Handle } };
}

t.test('a journal that was cut at any byte is read up to its last whole line', async (t) => {
  const file = `${t.testdir()}/x.journal`;
  const writer = await Journal.read(file, HEADER);
  await writer.append(lines(3));
  await writer.close();
  const whole = readFileSync(file);
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length));
    const journal = await Journal.read(file, HEADER);
    const ends = whole.subarray(0, length).filter((byte) => byte === 10).length;
    if (journal.chains.size !== Math.max(0, ends - 1)) t.fail(`${length} bytes`);
    await journal.append(lines(4).slice(3));
    await journal.close();
    const again = await Journal.read(file, HEADER);
    if (again.chains.size !== Math.max(0, ends - 1) + 1) t.fail(`${length} bytes, and on`);
  }
  t.pass(`${whole.length} places`);
});

t.test('a line that could not be written to its end is cut off', async (t) => {
  const file = `${t.testdir()}/x.journal`;
  const writer = await Journal.read(file, HEADER);
  const [first, second, third] = lines(3) as [Line, Line, Line];
  await writer.append([first]);
  // As where the disk is full.
  const { FileHandle } = await anyFileHandle();
  const appendFile = mock.method(FileHandle.prototype, 'appendFile', async function (this: Handle) {
    await this.write('{"line":"chan');
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  });
  await t.rejects(writer.append([second]), { code: 'ERR_IPVS_JOURNAL', message: /no space/ });
  await writer.mention({ line: 'reverted', resource: second.resource });
  appendFile.mock.restore();
  await writer.append([third]);
  await writer.close();
  t.same(
    [...(await Journal.read(file, HEADER)).chains.values()].map(({ resource }) => resource),
    [first.resource, third.resource],
  );
});

t.test('a journal of another namespace, node or format is not taken for ours', async (t) => {
  const file = `${t.testdir()}/x.journal`;
  const writer = await Journal.read(file, HEADER);
  await writer.append(lines(1));
  await writer.close();
  for (const other of [{ namespace: '4:5 later' }, { node: 'y' }]) {
    t.equal((await Journal.read(file, { ...HEADER, ...other })).chains.size, 0);
  }
  t.equal((await Journal.read(file, HEADER)).chains.size, 1);
  const text = readFileSync(file, 'utf8');
  const later = await Journal.read(file, { ...HEADER, namespace: '4:5 later' });
  await later.remove();
  t.equal(readFileSync(file, 'utf8'), text, 'it is not taken away');
  await later.append(lines(2));
  await later.close();
  t.equal(readFileSync(`${file}.stale-4:5-boot-x`, 'utf8'), text, 'it is set aside');
  t.equal((await Journal.read(file, { ...HEADER, namespace: '4:5 later' })).chains.size, 2);
  writeFileSync(file, '{"journal":2,"node":"x","namespace":"4:5 boot"}\n');
  await t.rejects(Journal.read(file, HEADER), { code: 'ERR_IPVS_JOURNAL', message: /format is 2/ });
  writeFileSync(file, `${JSON.stringify(HEADER)}\nnonsense\n`);
  await t.rejects(Journal.read(file, HEADER), { code: 'ERR_IPVS_JOURNAL' });
  truncateSync(file);
  t.equal((await Journal.read(file, HEADER)).chains.size, 0);
});

t.test('a folder that can not be written to is told before anything is changed', async (t) => {
  const file = t.testdir({ file: '' });
  const { node, machine } = fakeNode(reference('dr'), 'rs1', `${file}/file/folder`);
  await t.rejects(node.apply(), { code: 'ERR_IPVS_JOURNAL', hint: /option "journal"/ });
  t.equal(machine.writes, 0);
});

/** As somebody to whom files of mode 0 say no. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

t.test("who may not see another's journal is shown a plan, and told of the rights", async (t) => {
  const journal = freshFolder();
  const description: ClusterDescription = {
    ...reference('dr'),
    services: [{ fwmark: 9, ports: [80] }],
  };
  const { node, machine } = fakeNode(description, 'lb1', journal);
  await node.apply();
  chmodSync(journal, 0);
  machine.privileged = false;
  machine.state['sysctl net.ipv4.ip_forward'] = '0';
  await asOrdinaryUser(async () => {
    const plan = await node.plan();
    t.match(plan.manual, [{ kind: 'mark' }]);
    t.match(plan.warnings, [/may not read the journal .*lb1\.journal/]);
    t.equal((await node.check()).filter(({ severity }) => severity === 'error').length, 0);
    for (const command of ['apply', 'revert'] as const) {
      const done: Promise<unknown> = node[command]();
      await t.rejects(done, { code: 'EPERM' }, command);
    }
    machine.privileged = true;
    for (const command of ['apply', 'revert'] as const) {
      const done: Promise<unknown> = node[command]();
      await t.rejects(done, { code: 'ERR_IPVS_JOURNAL', hint: /"journal"/ }, command);
    }
  });
  chmodSync(journal, 0o700);
  t.same((await node.plan()).warnings, []);
});

t.test('nothing to do takes no rights', async (t) => {
  const journal = freshFolder();
  const { node, machine } = fakeNode(reference('dr'), 'rs1', journal);
  machine.privileged = false;
  await t.rejects(node.apply(), { code: 'EPERM' });
  t.equal(machine.writes, 0);
  t.match(await node.revert(), { reverted: [], kept: [] });
  t.same(filesIn(journal), [], 'nothing was noted');
  machine.privileged = true;
  await node.apply();
  machine.privileged = false;
  t.equal((await node.apply()).length, 0);
  await t.rejects(node.revert(), { code: 'EPERM' });
});

t.test('whatever was there, and however often it is applied, all is put back', async () => {
  const description = fc.constantFrom(...CASES.map(([, each]) => each));
  const existing = fc.subarray(Object.entries(usedState('rs1')));
  await fc.assert(
    fc.asyncProperty(
      fc.array(description, { minLength: 1, maxLength: 4 }),
      existing,
      fc.constantFrom('lb1', 'rs1'),
      fc.nat(40),
      async (descriptions, present, name, write) => {
        const journal = freshFolder();
        const machine = new FakeMachine({
          ...freshState(),
          ...Object.fromEntries(present.filter(([key]) => !key.startsWith('destination'))),
          // Without it there would be no route by it.
          'link-state eth0': { up: true },
        });
        const before = machine.snapshot();
        machine.faults.failAt = { write, made: write % 2 === 0 };
        for (const each of descriptions) {
          await fakeNode(each, name, journal, { machine })
            .node.apply()
            .catch(() => undefined);
        }
        const [first] = descriptions;
        machine.faults = {};
        if (first) await fakeNode(first, name, journal, { machine }).node.revert();
        return isDeepStrictEqual(machine.snapshot(), before);
      },
    ),
    { numRuns: 60 },
  );
});
