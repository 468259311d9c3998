// What a check finds: nothing on a healthy node, and each fault that is planted, which its mend ends.

import t from 'tap';
import type { ClusterDescription, NodeDescription } from 'ipvs/cluster';
import type { Survey } from '#lib/cluster/check';
import { parseListeners } from '#lib/network/listeners';
import type { Value } from '#lib/cluster/types';
import { FakeMachine, freshState } from '../fixtures/fake-machine.js';
import { fakeNode, interfacesOf } from '../fixtures/fake-node.js';
import { reference } from '../fixtures/clusters.js';

const folder = t.testdir();
let folders = 0;

/** A node that was set up, with programs that listen. */
async function healthy(description: ClusterDescription, name: string, more: object = {}) {
  const machine = new FakeMachine(freshState(interfacesOf(name)));
  machine.marks.add('ipv4');
  machine.state['sysctl net.ipv4.vs.pmtu_disc'] = '1';
  machine.listeners = [
    { protocol: 'tcp', address: '::', port: 80 },
    { protocol: 'udp', address: '::', port: 53 },
  ];
  const { node } = fakeNode(description, name, `${folder}/${++folders}`, { machine, ...more });
  await node.apply();
  return { node, machine };
}

const pair = (description: ClusterDescription): ClusterDescription => {
  const nodes: Record<string, NodeDescription> = { ...description.nodes };
  nodes.lb2 = { role: 'director', interface: 'eth0', address: '192.168.118.20', state: 'backup' };
  return { ...description, nodes, sync: { syncId: 3 } };
};

const dr = reference('dr', { ipv6: true });
const nat = reference('nat', { ipv6: true });
const tun = reference('tun', { ipv6: true });
const gue = reference('tun', { tunnel: { type: 'gue', port: 6080 } });
const mark: ClusterDescription = { ...reference('dr'), services: [{ fwmark: 9, ports: [80] }] };
const snat: ClusterDescription = {
  ...reference('nat'),
  services: [{ protocol: 'tcp', port: 80, snat: true }],
};
const failover = pair(reference('dr'));
const profile: ClusterDescription = { ...dr, sysctl: { profile: 'director' } };

t.test('a healthy node has no findings', async (t) => {
  for (const description of [dr, nat, tun, gue, mark, snat, failover, profile]) {
    for (const name of Object.keys(description.nodes)) {
      const { node } = await healthy(description, name);
      t.same(await node.check(), [], `${description.mode ?? ''} ${name}`);
    }
  }
});

t.test('a gateway that packets take is one, whatever its metric', async (t) => {
  for (const route of [
    { gateway: '192.168.118.10', metric: 100 },
    { nextHops: [{ gateway: '192.168.118.10' }, { gateway: '192.168.118.10' }], metric: 100 },
  ]) {
    const { node, machine } = await healthy(nat, 'rs1');
    machine.state['route ipv4 254 default'] = null;
    machine.state['route ipv4 254 default metric 100'] = route;
    machine.state['route ipv4 254 default metric 200'] = { gateway: '10.0.0.1', metric: 200 };
    t.same(await node.check(), []);
  }
});

const set = (name: string, value: string) => ({ [`sysctl net.ipv4.${name}`]: value });
const VIP4 = '192.168.51.11';

type Planted = [
  title: string,
  description: ClusterDescription,
  node: string,
  fault: Record<string, Value>,
  codes: string | string[],
  explanation?: RegExp,
];

const PLANTED: Planted[] = [
  ['no VIP at the director', dr, 'lb1', { [`address eth0 ${VIP4}`]: null }, 'vip-missing'],
  ['no VIP at the real server', dr, 'rs1', { [`address lo ${VIP4}`]: null }, 'vip-missing'],
  ['no VIP on the tunnel', tun, 'rs1', { [`address ipvs-ipip ${VIP4}`]: null }, 'vip-missing'],
  ['no IPv6 VIP', dr, 'rs1', { 'address lo 2001:db8:51::11': null }, 'vip-missing'],
  ['scope', dr, 'rs1', { [`address lo ${VIP4}`]: { prefix: 32, scope: 'global' } }, 'vip-scope'],
  [
    'prefix',
    dr,
    'rs1',
    { [`address lo ${VIP4}`]: { prefix: 24, scope: 'host' } },
    'vip-scope',
    /whole network/,
  ],
  [
    'a VIP on the LAN',
    dr,
    'rs1',
    { [`address eth0 ${VIP4}`]: { prefix: 32, scope: 'global' } },
    'vip-advertised',
  ],
  [
    'arp_ignore',
    dr,
    'rs1',
    set('conf.all.arp_ignore', '0'),
    'arp-ignore',
    /larger of all: 0 and eth0: 0/,
  ],
  [
    'too large an arp_ignore',
    dr,
    'rs1',
    set('conf.eth0.arp_ignore', '8'),
    'arp-ignore',
    /is 8 on eth0/,
  ],
  ['arp_announce', dr, 'rs1', set('conf.all.arp_announce', '1'), 'arp-announce'],
  ['rp_filter', tun, 'rs1', set('conf.ipvs-ipip.rp_filter', '1'), 'rp-filter'],
  [
    'another way out',
    dr,
    'rs1',
    {
      ...set('conf.eth0.rp_filter', '1'),
      'route ipv4 254 default': { gateway: '192.168.118.1', interface: 'eth1' },
    },
    'rp-filter',
    /answers leave by eth1/,
  ],
  ['ip_forward', nat, 'lb1', set('ip_forward', '0'), 'ip-forward'],
  ['ip_forward at the router', dr, 'gw', set('ip_forward', '0'), 'ip-forward'],
  ['IPv6 forwarding', nat, 'lb1', { 'sysctl net.ipv6.conf.all.forwarding': '0' }, 'ip-forward'],
  ['send_redirects', nat, 'lb1', set('conf.eth0.send_redirects', '1'), 'send-redirects'],
  [
    'both',
    nat,
    'lb1',
    { ...set('conf.eth0.send_redirects', '1'), ...set('conf.all.send_redirects', '1') },
    'send-redirects',
  ],
  [
    'gateway',
    nat,
    'rs1',
    { 'route ipv4 254 default': { gateway: '192.168.118.1' } },
    'default-gateway',
    /is 192.168.118.1, it has to be 192.168.118.10/,
  ],
  [
    'gateway of a route with a metric',
    nat,
    'rs1',
    {
      'route ipv4 254 default': null,
      'route ipv4 254 default metric 100': { gateway: '192.168.118.1', metric: 100 },
    },
    'default-gateway',
    /The default gateway is 192.168.118.1, it has to be 192.168.118.10/,
  ],
  ['no gateway', nat, 'rs1', { 'route ipv4 254 default': null }, 'default-gateway'],
  ['tunnel down', tun, 'rs1', { 'link-state ipvs-ipip': { up: false } }, 'tunnel-down'],
  [
    'no tunnel',
    tun,
    'rs1',
    { 'link ipvs-ip6tnl': null, 'link-state ipvs-ip6tnl': null },
    'tunnel-missing',
  ],
  [
    'another tunnel',
    tun,
    'rs1',
    { 'link ipvs-ipip': { type: 'ipip', local: '10.0.0.9' } },
    'tunnel-differs',
  ],
  ['no GUE port', gue, 'rs1', { 'fou-port ipv4 6080': null }, 'tunnel-port'],
  [
    'MSS',
    tun,
    'rs1',
    { 'route ipv4 254 default': { gateway: '192.168.118.1', advertisedMss: 1460 } },
    'mss',
    /segments of 1460, 1440 fit/,
  ],
  ['MTU', tun, 'lb1', set('vs.pmtu_disc', '0'), 'mtu'],
  ['conntrack', snat, 'lb1', set('vs.conntrack', '0'), 'conntrack'],
  ['expire_nodest_conn', profile, 'lb1', set('vs.expire_nodest_conn', '0'), 'expire-nodest-conn'],
  ['another setting', profile, 'lb1', set('vs.conn_reuse_mode', '0'), 'sysctl'],
  [
    'two directors',
    failover,
    'lb2',
    { [`address eth0 ${VIP4}`]: { prefix: 32, scope: 'global' } },
    'two-directors',
  ],
  ['the loopback down', dr, 'rs1', { 'link-state lo': { up: false } }, 'link-down'],
  ['an own address', dr, 'rs1', { 'address eth0 192.168.118.11': null }, 'address-missing'],
  ['a route', dr, 'gw', { [`route ipv4 254 ${VIP4}/32`]: null }, 'route-missing'],
  ['a proxy entry', dr, 'gw', { [`proxy eth0 ${VIP4}`]: null }, 'proxy-missing'],
  ['no proxy_ndp', dr, 'gw', { 'sysctl net.ipv6.conf.eth0.proxy_ndp': '0' }, 'proxy-missing'],
  ['a rule', mark, 'lb1', { 'rule ipv4 20000 9 20000': null }, 'mark-route'],
  ['a table', mark, 'lb1', { 'route ipv4 20000 default': null }, 'mark-route'],
  ['the rule that marks', mark, 'lb1', { [`mark ${VIP4} tcp 9`]: null }, 'mark-missing'],
  [
    'a rule that marks something else',
    mark,
    'lb1',
    { [`mark ${VIP4} tcp 9`]: { ports: ['81'] } },
    'mark-missing',
    /mark 9 is given to other ports than tcp packets to 192.168.51.11, ports 80: \["81"\]/,
  ],
  [
    'a service',
    dr,
    'lb1',
    {
      [`destination udp ${VIP4} 53 192.168.118.11 53`]: null,
      [`destination udp ${VIP4} 53 192.168.118.12 53`]: null,
      [`service udp ${VIP4} 53`]: null,
    },
    'service-missing',
  ],
  [
    'a scheduler',
    dr,
    'lb1',
    {
      [`service udp ${VIP4} 53`]: {
        scheduler: 'wlc',
        schedulerFlags: [],
        onePacket: false,
        persistence: null,
      },
    },
    'service-differs',
  ],
  [
    'a method',
    dr,
    'lb1',
    { [`destination udp ${VIP4} 53 192.168.118.11 53`]: { forwarding: 'nat', weight: 2 } },
    'destination-differs',
  ],
  ['a sync daemon', failover, 'lb1', { 'sync-daemon master': null }, 'sync-daemon'],
];

for (const [title, description, name, fault, codes, explanation = /\.$/] of PLANTED) {
  t.test(`${title} is found and mended`, async (t) => {
    const { node, machine } = await healthy(description, name);
    const before = machine.snapshot();
    Object.assign(machine.state, fault);
    const findings = await node.check();
    t.same(
      findings.map(({ code }) => code),
      [codes].flat(),
    );
    t.match(findings[0]?.explanation, explanation);
    const planted = machine.snapshot();
    for (const finding of findings) {
      t.ok(finding.mend, `${finding.code} can be mended`);
      await finding.mend?.apply();
    }
    t.same(await node.check(), []);
    t.notSame(planted, before);
    await node.apply();
    t.same(await node.check(), [], 'and applying does not undo the mend');
  });
}

t.test('a weight that somebody has changed is told, but no fault', async (t) => {
  const { node, machine } = await healthy(dr, 'lb1');
  machine.state[`destination udp ${VIP4} 53 192.168.118.11 53`] = {
    forwarding: 'dr',
    weight: 0,
    upperThreshold: 0,
    lowerThreshold: 0,
  };
  t.match(await node.check(), [{ severity: 'info', code: 'destination-differs' }]);
});

t.test(
  'another one that answers for what a director has is told, and a backup has nothing',
  async (t) => {
    const [master, backup] = [await healthy(failover, 'lb1'), await healthy(failover, 'lb2')];
    const claimant = { interface: 'eth0', address: VIP4, linkAddress: '02:00:00:00:00:07' };
    for (const { machine } of [master, backup]) machine.claimants = [claimant];
    const findings = await master.node.check();
    t.match(findings, [
      { severity: 'error', code: 'two-directors', subject: VIP4, explanation: /02:00:00:00:00:07/ },
    ]);
    t.equal(findings[0]?.mend, undefined, 'which of them is to have it, nobody here can know');
    t.same(await backup.node.check(), []);
  },
);

t.test('what works as well is no fault', async (t) => {
  const cases: [ClusterDescription, string, Record<string, Value>][] = [
    [dr, 'rs1', { ...set('conf.all.arp_ignore', '0'), ...set('conf.eth0.arp_ignore', '1') }],
    [dr, 'rs1', { ...set('conf.lo.arp_ignore', '0'), ...set('conf.lo.arp_announce', '0') }],
    [dr, 'rs1', { ...set('conf.eth0.rp_filter', '1') }],
    [tun, 'rs1', { ...set('conf.all.rp_filter', '1'), ...set('conf.ipvs-ipip.rp_filter', '2') }],
    [tun, 'rs1', { ...set('conf.ipvs-ipip.rp_filter', '0') }],
    [
      tun,
      'rs1',
      {
        ...set('conf.ipvs-ipip.rp_filter', '0'),
        [`address ipvs-ipip ${VIP4}`]: null,
        [`address lo ${VIP4}`]: { prefix: 32, scope: 'host' },
      },
    ],
    [
      dr,
      'lb1',
      {
        [`address eth0 ${VIP4}`]: null,
        [`address ipvs0 ${VIP4}`]: { prefix: 32, scope: 'global' },
      },
    ],
    [dr, 'lb1', { [`address eth0 ${VIP4}`]: { prefix: 24, scope: 'global' } }],
  ];
  for (const [description, name, changes] of cases) {
    const { node, machine } = await healthy(description, name);
    Object.assign(machine.state, changes);
    t.same(await node.check(), [], JSON.stringify(changes));
  }
});

t.test('a mend is taken back by a revert, and by nothing else', async (t) => {
  const { node, machine } = await healthy(failover, 'lb2');
  const stray = { prefix: 32, scope: 'global', noDad: false, deprecated: false, label: null };
  machine.state[`address eth0 ${VIP4}`] = stray;
  const [finding] = await node.check();
  t.match(finding, { code: 'two-directors', severity: 'error', subject: VIP4 });
  t.match([...((await finding?.mend?.apply()) ?? [])], [{ kind: 'address', after: null }]);
  t.equal((await node.apply()).length, 0);
  t.equal(machine.snapshot()[`address eth0 ${VIP4}`] ?? null, null);
  await node.revert();
  t.same(machine.snapshot()[`address eth0 ${VIP4}`], stray);
});

t.test('what a mend has put back is taken away as if it had never been missing', async (t) => {
  const { node, machine } = await healthy(reference('dr'), 'rs1');
  const place = `${folder}/${folders}`;
  machine.state[`address lo ${VIP4}`] = null;
  const [finding] = await node.check();
  if (finding) await node.mend(finding);
  t.ok(machine.snapshot()[`address lo ${VIP4}`]);
  await fakeNode(reference('tun'), 'rs1', place, { machine }).node.apply();
  t.notOk(machine.snapshot()[`address lo ${VIP4}`]);
  t.equal((await node.mend({ ...finding, mend: undefined } as never)).length, 0);
});

t.test('a program that does not listen is told', async (t) => {
  const { node, machine } = await healthy(dr, 'rs1');
  const at = async (...addresses: string[]) => {
    machine.listeners = ['192.168.51.11', '2001:db8:51::11', ...addresses].flatMap((address) => [
      { protocol: 'udp', address, port: 53 },
    ]);
    machine.listeners.push(
      ...addresses.map((address) => ({ protocol: 'tcp' as const, address, port: 80 })),
    );
    return (await node.check()).map(({ code, subject }) => `${code} ${subject}`);
  };
  const four = 'no-listener tcp 192.168.51.11 port 80';
  const six = 'no-listener tcp 2001:db8:51::11 port 80';
  t.same(await at(), [four, six]);
  t.same(await at('::'), []);
  t.same(await at('0.0.0.0'), [six]);
  for (const each of machine.listeners) Object.assign(each, { address: '::', ipv6Only: true });
  t.match(await node.check(), [{ subject: 'tcp 192.168.51.11 port 80' }, {}], 'IPv6 alone');
  t.same(await at('192.168.51.11', '2001:db8:51::11'), []);
  t.same(await at('192.168.118.11'), [four, six], 'the address of the machine is not enough');
  const other = await healthy(nat, 'rs1');
  other.machine.listeners = [];
  t.match(await other.node.check(), [
    { severity: 'warning', subject: 'tcp 192.168.118.11 port 80' },
    { subject: 'tcp 2001:db8:118::11 port 80' },
    {},
    {},
  ]);
});

t.test('what keeps the node from being changed is told', async (t) => {
  const obstacle = async (obstacles: Partial<Survey>, name = 'lb1') => {
    const { node, machine } = await healthy(dr, name);
    machine.obstacles = obstacles;
    return node.check();
  };
  const ipvs = { code: 'ERR_IPVS_UNAVAILABLE', sentence: 'no IPVS' };
  t.match(await obstacle({ ipvs: { ...ipvs, code: 'EPERM' } }), [{ code: 'rights' }]);
  const rights = { sentence: 'no rights', hint: 'get some' };
  t.match(await obstacle({ rights }), [
    { severity: 'error', code: 'rights', explanation: 'no rights; get some.' },
  ]);
  t.match(await obstacle({ ipvs }), [
    { severity: 'error', code: 'ipvs-unavailable', explanation: 'no IPVS.' },
  ]);
  t.same(await obstacle({ ipvs }, 'rs1'), [], 'only directors need it');
  t.match(await obstacle({ readOnly: 'net.ipv4.ip_forward' }), [
    {
      severity: 'warning',
      code: 'proc-sys-read-only',
      explanation: /--sysctl net.ipv4.ip_forward=/,
    },
  ]);
});

t.test('sockets are read from /proc', (t) => {
  const head = '  sl  local_address rem_address   st\n';
  const tcp = `${head}   0: 0100007F:0016 00000000:0000 0A 0\n   1: 0B33A8C0:0050 0A33A8C0:C001 01 0\n`;
  t.same(parseListeners('tcp', tcp), [{ protocol: 'tcp', address: '127.0.0.1', port: 22 }]);
  const six =
    `${head}   0: 00000000000000000000000000000000:0050 0:0 0A\n` +
    '   1: 0000000000000000FFFF00000B33A8C0:0051 0:0 0A\n' +
    '   2: B80D01205100000000000000110000 00:0 0A\n';
  t.same(parseListeners('tcp', six), [
    { protocol: 'tcp', address: '::', port: 80 },
    { protocol: 'tcp', address: '192.168.51.11', port: 81 },
  ]);
  t.same(parseListeners('udp', `${head} 12: 00000000:0035 00000000:0000 07 0\n`), [
    { protocol: 'udp', address: '0.0.0.0', port: 53 },
  ]);
  t.same(parseListeners('udp', ''), []);
  t.end();
});
