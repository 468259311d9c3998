// What is planned for each role in each mode, said as a shell would do it.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import fc from 'fast-check';
import type { Tunnel } from 'ipvs';
import type { ClusterDescription, NodeDescription } from 'ipvs/cluster';
import { FakeMachine, freshState } from '../fixtures/fake-machine.js';
import { fakeNode } from '../fixtures/fake-node.js';
import { reference, withoutGateway } from '../fixtures/clusters.js';
import { quote } from '#lib/cluster/shell';
import type { Value } from '#lib/cluster/types';

async function linesOf(
  description: ClusterDescription,
  name: string,
  machine?: FakeMachine,
): Promise<string[]> {
  const { node } = fakeNode(description, name, '/nowhere', machine && { machine });
  const plan = await node.plan();
  return [...plan].map(({ shell }) => shell);
}

const UP = ['ip link set lo up', 'ip link set eth0 up'];
const ARP = ['all', 'lo'].flatMap((name) => [
  `sysctl -qw net.ipv4.conf.${name}.arp_ignore=1`,
  `sysctl -qw net.ipv4.conf.${name}.arp_announce=2`,
]);
const ROUTER = [
  'ip link set lo up',
  'ip link set eth1 up',
  'ip address add 192.168.118.1/24 dev eth1',
  'ip link set eth0 up',
  'ip address add 192.168.51.10/24 dev eth0',
  'sysctl -qw net.ipv4.ip_forward=1',
  'ip route replace 192.168.51.11/32 dev eth1',
  'ip neighbour add proxy 192.168.51.11 dev eth0',
];

function table(method: string): string[] {
  return [
    'ipvsadm -A -t 192.168.51.11:80 -s rr -p 300 -M 255.255.255.0',
    `ipvsadm -a -t 192.168.51.11:80 -r 192.168.118.11:80 ${method} -w 2 -x 0 -y 0`,
    `ipvsadm -a -t 192.168.51.11:80 -r 192.168.118.12:80 ${method} -w 1 -x 0 -y 0`,
    'ipvsadm -A -u 192.168.51.11:53 -s rr',
    `ipvsadm -a -u 192.168.51.11:53 -r 192.168.118.11:53 ${method} -w 2 -x 0 -y 0`,
    `ipvsadm -a -u 192.168.51.11:53 -r 192.168.118.12:53 ${method} -w 1 -x 0 -y 0`,
  ];
}

t.test('VS/DR', async (t) => {
  t.same(await linesOf(reference('dr'), 'gw'), ROUTER);
  t.same(await linesOf(reference('dr'), 'lb1'), [
    ...UP,
    'ip address add 192.168.118.10/24 dev eth0',
    'ip route replace default via 192.168.118.1',
    ...table('-g'),
    // Last: until then nobody answers for it.
    'ip address add 192.168.51.11/32 dev eth0',
  ]);
  t.same(await linesOf(reference('dr'), 'rs1'), [
    ...UP,
    'ip address add 192.168.118.11/24 dev eth0',
    'ip route replace default via 192.168.118.1',
    ...ARP,
    'ip address add 192.168.51.11/32 dev lo scope host',
  ]);
});

t.test('VS/NAT', async (t) => {
  t.same(await linesOf(reference('nat'), 'gw'), ROUTER);
  t.same(await linesOf(reference('nat'), 'lb1'), [
    ...UP,
    'ip address add 192.168.118.10/24 dev eth0',
    'ip route replace default via 192.168.118.1',
    'sysctl -qw net.ipv4.ip_forward=1',
    'sysctl -qw net.ipv4.conf.all.send_redirects=0',
    'sysctl -qw net.ipv4.conf.eth0.send_redirects=0',
    ...table('-m'),
    'ip address add 192.168.51.11/32 dev eth0',
  ]);
  t.same(await linesOf(reference('nat'), 'rs1'), [
    ...UP,
    'ip address add 192.168.118.11/24 dev eth0',
    'ip route replace default via 192.168.118.10',
  ]);
});

t.test('VS/TUN', async (t) => {
  const tunnelled = async (
    tunnel: Tunnel | undefined,
    device: string[],
    name: string,
    segment: number,
  ) => {
    const description = reference('tun', tunnel && { tunnel });
    t.same(await linesOf(description, 'rs1'), [
      ...device,
      ...UP,
      'ip address add 192.168.118.11/24 dev eth0',
      `ip link set ${name} up`,
      `ip route replace default via 192.168.118.1 advmss ${segment}`,
      ...ARP,
      `ip address add 192.168.51.11/32 dev ${name} scope host`,
    ]);
    return (await linesOf(description, 'lb1')).slice(4);
  };
  const ipip = ['ip link add ipvs-ipip type ipip local 192.168.118.11'];
  t.same(await tunnelled(undefined, ipip, 'ipvs-ipip', 1440), [
    ...table('-i --tun-type ipip'),
    'ip address add 192.168.51.11/32 dev eth0',
  ]);
  t.same(
    (
      await tunnelled(
        { type: 'gue', port: 6080 },
        [...ipip, 'ip fou add port 6080 gue'],
        'ipvs-ipip',
        1428,
      )
    ).slice(0, -1),
    table('-i --tun-type gue --tun-port 6080'),
  );
  t.same(
    (
      await tunnelled(
        { type: 'gre', checksum: 'csum' },
        ['ip link add ipvs-gre type gre local 192.168.118.11 csum'],
        'ipvs-gre',
        1432,
      )
    ).slice(0, -1),
    table('-i --tun-type gre --tun-csum'),
  );
});

t.test('the default route that packets take, whatever its metric', async (t) => {
  const tun = withoutGateway(reference('tun', { ipv6: true }));
  const routes = async (
    description: ClusterDescription,
    ...found: (readonly [key: string, value: Record<string, Value>])[]
  ) => {
    const machine = new FakeMachine();
    for (const [key, value] of found) machine.state[`route ${key}`] = value;
    const lines = await linesOf(description, 'rs1', machine);
    return lines.filter((line) => line.includes(' route '));
  };
  const dhcp = ['ipv4 254 default metric 100', { gateway: '192.168.118.1', metric: 100 }] as const;
  const worse = ['ipv4 254 default metric 200', { gateway: '192.168.118.2', metric: 200 }] as const;
  const six = ['ipv6 254 default metric 100', { gateway: 'fe80::1', metric: 100 }] as const;
  t.same(await routes(tun, worse, dhcp, six), [
    'ip route replace default via 192.168.118.1 metric 100 advmss 1440',
    'ip -6 route replace default via fe80::1 metric 100 advmss 1400',
  ]);
  t.same(await routes(tun, ['ipv4 254 default', { interface: 'eth0' }]), [
    'ip route replace default dev eth0 advmss 1440',
  ]);
  const nat = reference('nat', { ipv6: true });
  const right = { gateway: '192.168.118.10', metric: 100 };
  const by = (...hops: string[]) => ({ nextHops: hops.map((gateway) => ({ gateway })) });
  const back = 'ip route replace default via 192.168.118.10';
  const six6 = 'ip -6 route replace default via 2001:db8:118::10';
  t.same(await routes(nat, ['ipv4 254 default metric 100', right]), [six6]);
  t.same(await routes(nat, dhcp, six), [back, `${six6} metric 100`], 'ours is the one');
  t.same(await routes(nat, ['ipv4 254 default', by('192.168.118.10', '192.168.118.10')]), [six6]);
  t.same(await routes(nat, ['ipv4 254 default', by('192.168.118.10', '192.168.118.1')]), [
    back,
    six6,
  ]);
  const dr = reference('dr');
  t.same(await routes(dr, dhcp), []);
  t.same(await routes(dr, ['ipv4 254 default', by('192.168.118.2', '192.168.118.1')]), []);
});

t.test('IPv6', async (t) => {
  const six = async (mode: 'nat' | 'dr' | 'tun', name: string) =>
    (await linesOf(reference(mode, { ipv6: true }), name)).filter((line) =>
      /2001|ipv6|ip6/.test(line),
    );
  t.same(await six('dr', 'gw'), [
    'ip address add 2001:db8:118::1/64 dev eth1 nodad',
    'ip address add 2001:db8:51::10/64 dev eth0 nodad',
    'sysctl -qw net.ipv6.conf.all.forwarding=1',
    'ip -6 route replace 2001:db8:51::11/128 dev eth1',
    'sysctl -qw net.ipv6.conf.eth0.proxy_ndp=1',
    'ip neighbour add proxy 2001:db8:51::11 dev eth0',
  ]);
  t.same(await six('dr', 'rs1'), [
    'ip address add 2001:db8:118::11/64 dev eth0 nodad',
    'ip -6 route replace default via 2001:db8:118::1',
    'ip address add 2001:db8:51::11/128 dev lo nodad preferred_lft 0',
  ]);
  t.same(await six('nat', 'rs1'), [
    'ip address add 2001:db8:118::11/64 dev eth0 nodad',
    'ip -6 route replace default via 2001:db8:118::10',
  ]);
  const director = await six('nat', 'lb1');
  t.same(director.slice(0, 4), [
    'ip address add 2001:db8:118::10/64 dev eth0 nodad',
    'ip -6 route replace default via 2001:db8:118::1',
    'sysctl -qw net.ipv6.conf.all.forwarding=1',
    "ipvsadm -A -t '[2001:db8:51::11]:80' -s rr -p 300 -M 64",
  ]);
  t.equal(director.at(-1), 'ip address add 2001:db8:51::11/128 dev eth0 nodad preferred_lft 0');
  t.same(await six('tun', 'rs1'), [
    'ip link add ipvs-ip6tnl type ip6tnl mode any local 2001:db8:118::11',
    'ip address add 2001:db8:118::11/64 dev eth0 nodad',
    'ip link set ipvs-ip6tnl up',
    'ip -6 route replace default via 2001:db8:118::1 advmss 1400',
    'ip address add 2001:db8:51::11/128 dev lo nodad preferred_lft 0',
  ]);
});

t.test('a VIP of IPv6 through IPv4, where the real server has no IPv6', async (t) => {
  const description = reference('tun', { ipv6: true });
  const nodes: Record<string, NodeDescription> = { ...description.nodes };
  nodes.rs1 = { ...nodes.rs1, address: '192.168.118.11/24' } as NodeDescription;
  const lines = await linesOf({ ...description, nodes }, 'rs1');
  t.same(
    lines.filter((line) => line.startsWith('ip link add')),
    [
      'ip link add ipvs-ipip type ipip local 192.168.118.11',
      'ip link add ipvs-sit type sit local 192.168.118.11',
    ],
  );
  t.ok(
    (await linesOf({ ...description, nodes }, 'lb1')).includes(
      "ipvsadm -a -t '[2001:db8:51::11]:80' -r 192.168.118.11:80 -i --tun-type ipip -w 2 -x 0 -y 0",
    ),
  );
});

t.test(
  'a firewall mark has its rule and its table; the rule for nftables is only said',
  async (t) => {
    const description: ClusterDescription = {
      ...reference('dr'),
      services: [
        { fwmark: 7, ports: [80, '8000-8010'], scheduler: 'sh', persistence: { timeout: 60 } },
      ],
    };
    const { node } = fakeNode(description, 'lb1', '/nowhere');
    const plan = await node.plan();
    t.same(
      plan.changes.slice(4).map(({ shell }) => shell),
      [
        'ipvsadm -A -f 7 -s sh -p 60 -M 255.255.255.255',
        'ipvsadm -a -f 7 -r 192.168.118.11 -g -w 2 -x 0 -y 0',
        'ipvsadm -a -f 7 -r 192.168.118.12 -g -w 1 -x 0 -y 0',
        'ip route replace local default dev lo table 20000',
        'ip rule add priority 20000 fwmark 7 table 20000',
        'ip address add 192.168.51.11/32 dev eth0',
      ],
    );
    t.match(plan.manual, [
      { kind: 'mark', description: /Mark tcp packets to 192.168.51.11, ports 80/ },
    ]);
    t.equal(
      plan.manual[0]?.shell,
      [
        "nft -f - <<'END'",
        'add table ip ipvs_marks',
        'add chain ip ipvs_marks mark_7_tcp_192.168.51.11 { type filter hook prerouting priority mangle; policy accept; }',
        'flush chain ip ipvs_marks mark_7_tcp_192.168.51.11',
        'add rule ip ipvs_marks mark_7_tcp_192.168.51.11 ip daddr 192.168.51.11 tcp dport 80 meta mark set 7 comment "ipvs tcp 192.168.51.11 80 mark 7"',
        'add rule ip ipvs_marks mark_7_tcp_192.168.51.11 ip daddr 192.168.51.11 tcp dport 8000-8010 meta mark set 7 comment "ipvs tcp 192.168.51.11 8000-8010 mark 7"',
        'END',
      ].join('\n'),
    );
  },
);

t.test('what a tunnel device lets in is set where it would not be so by itself', async (t) => {
  const planned = async (all: string, start: string): Promise<string[]> => {
    const machine = new FakeMachine();
    machine.state['sysctl net.ipv4.conf.all.rp_filter'] = all;
    machine.state['sysctl net.ipv4.conf.default.rp_filter'] = start;
    const { node } = fakeNode(reference('tun'), 'rs1', t.testdir(), { machine });
    const plan = await node.plan();
    await node.apply();
    t.same((await node.plan()).length, 0, 'and that is all');
    await node.revert();
    return [...plan].map(({ shell }) => shell).filter((line) => line.includes('rp_filter'));
  };
  const set = ['sysctl -qw net.ipv4.conf.ipvs-ipip.rp_filter=2'];
  t.same(await planned('0', '0'), []);
  t.same(await planned('0', '2'), []);
  t.same(await planned('2', '1'), [], 'the larger of the two counts');
  t.same(await planned('1', '2'), []);
  t.same(await planned('1', '0'), set);
  t.same(await planned('0', '1'), set);
  t.same(await planned('1', '1'), set);
});

t.test('what serves only as long as it is ours is not counted on', async (t) => {
  const journal = t.testdir();
  const machine = new FakeMachine();
  const quiet = { ...reference('dr'), arp: 'interface' } as const;
  await fakeNode(reference('dr'), 'rs1', journal, { machine }).node.apply();
  const { node } = fakeNode(quiet, 'rs1', journal, { machine });
  t.same(
    [...(await node.apply())].map(({ shell }) => shell).filter((line) => line.includes('eth0')),
    ['sysctl -qw net.ipv4.conf.eth0.arp_ignore=1', 'sysctl -qw net.ipv4.conf.eth0.arp_announce=2'],
  );
  t.same((await node.plan()).length, 0);
});

t.test('where the kernel can mark packets, that is a change like the others', async (t) => {
  const description: ClusterDescription = {
    ...reference('dr', { ipv6: true }),
    services: [{ fwmark: 7, ports: [80, '8000-8010'], persistence: { timeout: 60 } }],
  };
  const folder = t.testdir();
  const { node, machine } = fakeNode(description, 'lb1', folder);
  machine.marks.add('ipv4');
  t.match(
    (await node.plan()).manual,
    [{ kind: 'mark', resource: { address: '2001:db8:51::11' } }],
    'it may have nf_tables for one family only',
  );
  machine.marks.add('ipv6');
  const plan = await node.plan();
  t.same(plan.manual, []);
  t.match(
    plan.changes.filter(({ kind }) => kind === 'mark'),
    [
      {
        resource: { address: '192.168.51.11', fwmark: 7 },
        before: null,
        after: { ports: ['80', '8000-8010'] },
      },
      { resource: { address: '2001:db8:51::11', family: 'ipv6' } },
    ],
  );
  await node.apply();
  t.equal((await node.plan()).isEmpty, true);
  machine.state['mark 192.168.51.11 tcp 7'] = { ports: ['80'] };
  t.match(
    (await node.plan()).changes.map(({ kind, before, after }) => ({ kind, before, after })),
    [
      { kind: 'mark', before: { ports: ['80'] }, after: null },
      { kind: 'mark', before: null, after: { ports: ['80', '8000-8010'] } },
    ],
    'ports that differ are mended',
  );
  machine.state['mark 192.168.51.11 tcp 7'] = { ports: ['80', '8000-8010'] };
  const { node: plain } = fakeNode(reference('dr', { ipv6: true }), 'lb1', folder, { machine });
  t.match(
    (await plain.plan()).changes.find(({ kind, resource }) => {
      return kind === 'mark' && 'family' in resource && resource.family === 'ipv6';
    })?.shell,
    [
      "nft 'flush chain ip6 ipvs_marks mark_7_tcp_2001_db8_51__11; delete chain ip6 ipvs_marks mark_7_tcp_2001_db8_51__11'",
      'test "$(nft list table ip6 ipvs_marks | wc -l)" -gt 2 || nft delete table ip6 ipvs_marks',
    ].join('\n'),
    'what is no longer described goes',
  );
  const { kept } = await node.revert();
  t.same(kept, []);
  t.equal(machine.state['mark 2001:db8:51::11 tcp 7'] ?? null, null);
});

t.test('a director that is a real server too', async (t) => {
  const description = reference('dr');
  const nodes: Record<string, NodeDescription> = {
    lb1: { role: ['director', 'real-server'], interface: 'eth0', address: '192.168.118.10' },
  };
  const alone = await linesOf({ ...description, nodes }, 'lb1');
  t.same(alone.slice(2, 4), [
    'ip route replace default via 192.168.118.1',
    'ipvsadm -A -t 192.168.51.11:80 -s rr -p 300 -M 255.255.255.0',
  ]);
  t.equal(alone.at(-1), 'ip address add 192.168.51.11/32 dev eth0');
  const pair: ClusterDescription = {
    ...description,
    sync: { syncId: 5 },
    nodes: { ...nodes, lb2: { ...nodes.lb1, address: '192.168.118.20' } as NodeDescription },
  };
  const master = await linesOf(pair, 'lb1');
  t.notOk(master.includes('ip address add 192.168.51.11/32 dev lo scope host'));
  t.same(master.slice(-2), [
    'ip address add 192.168.51.11/32 dev eth0',
    'ipvsadm --start-daemon master --mcast-interface eth0 --syncid 5 --mcast-group 224.0.0.81 --mcast-port 8848 --mcast-ttl 1',
  ]);
  const backup = await linesOf(pair, 'lb2');
  t.same(
    backup.filter((line) => /arp_|192.168.51.11\/32|backup/.test(line)),
    [
      ...ARP,
      'ip address add 192.168.51.11/32 dev lo scope host',
      'sysctl -qw net.ipv4.vs.backup_only=1',
      'ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 5 --mcast-group 224.0.0.81 --mcast-port 8848 --mcast-ttl 1',
    ],
  );
  const { node } = fakeNode(pair, 'lb2', '/nowhere', { state: 'master' });
  t.ok([...(await node.plan())].some(({ shell }) => shell.endsWith('192.168.51.11/32 dev eth0')));
});

t.test('the profile of a director is off unless asked for, and knows the kernel', async (t) => {
  const vs = async (description: ClusterDescription, release: string) => {
    const machine = new FakeMachine();
    machine.release = release;
    machine.state['sysctl net.ipv4.vs.conn_reuse_mode'] = '2';
    return (await linesOf(description, 'lb1', machine)).filter((line) => line.includes('.vs.'));
  };
  const asked: ClusterDescription = { ...reference('dr'), sysctl: { profile: 'director' } };
  t.same(await vs(reference('dr'), '6.1.0'), []);
  t.same(await vs(asked, '6.1.0'), [
    'sysctl -qw net.ipv4.vs.expire_nodest_conn=1',
    'sysctl -qw net.ipv4.vs.expire_quiescent_template=1',
    'sysctl -qw net.ipv4.vs.conn_reuse_mode=1',
  ]);
  t.same((await vs(asked, '5.8.18')).slice(2), ['sysctl -qw net.ipv4.vs.conn_reuse_mode=0']);
  const translated = await vs({ ...reference('nat'), sysctl: { profile: 'director' } }, '6.1.0');
  t.same(translated.slice(3), ['sysctl -qw net.ipv4.vs.conntrack=1']);
  const failover = await vs({ ...asked, sync: {} }, '6.1.0');
  t.same(failover.slice(3), ['sysctl -qw net.ipv4.vs.sloppy_tcp=1']);
  const own = await vs(
    { ...asked, sysctl: { ...asked.sysctl, settings: { 'net.ipv4.vs.conn_reuse_mode': 0 } } },
    '6.1.0',
  );
  t.ok(own.includes('sysctl -qw net.ipv4.vs.conn_reuse_mode=0'), 'what is asked for by name wins');
  t.equal(own.length, 3);
});

t.test('what serves as well is left alone', async (t) => {
  const state = freshState();
  Object.assign(state, {
    'link-state lo': { up: true },
    'link-state eth0': { up: true },
    'sysctl net.ipv4.conf.all.arp_ignore': '2',
    'address eth0 192.168.118.11': { prefix: 24, scope: 'global', label: 'eth0:1' },
    'route ipv4 254 default': { gateway: '192.168.118.1', interface: 'eth0', protocol: 'static' },
  });
  const lines = await linesOf(reference('dr'), 'rs1', new FakeMachine(state));
  t.same(lines, [...ARP.slice(1), 'ip address add 192.168.51.11/32 dev lo scope host']);
  const quiet = { ...reference('dr'), arp: 'interface' as const };
  t.same((await linesOf(quiet, 'rs1', new FakeMachine(state))).slice(0, -1), [
    'sysctl -qw net.ipv4.conf.eth0.arp_announce=2',
  ]);
});

t.test('an address with the wrong scope is made anew', async (t) => {
  const state = { ...freshState(), 'address lo 192.168.51.11': { prefix: 32, scope: 'global' } };
  const lines = await linesOf(reference('dr'), 'rs1', new FakeMachine(state));
  t.same(lines.slice(-2), [
    'ip address delete 192.168.51.11/32 dev lo',
    'ip address add 192.168.51.11/32 dev lo scope host',
  ]);
});

t.test('an interface that is not there is told', async (t) => {
  const { node } = fakeNode(reference('dr'), 'gw', '/nowhere', { machine: new FakeMachine() });
  await t.rejects(node.plan(), {
    code: 'ENODEV',
    path: 'nodes.gw.interface',
    hint: 'here are: lo, eth0',
  });
  for (const [change, path] of [
    [{ vip: { address: '192.168.51.11', interface: 'ipvs0' } }, 'vip[0].interface'],
    [{ sync: { interface: 'eth7' } }, 'sync.interface'],
  ] as const) {
    const other = { ...reference('dr'), ...change };
    await t.rejects(fakeNode(other, 'lb1', '/nowhere').node.apply(), { code: 'ENODEV', path });
    t.ok((await fakeNode(other, 'rs1', '/nowhere').node.plan()).length > 0, 'only for directors');
  }
});

t.test('a plan is iterable, prints itself and says why', async (t) => {
  const { node } = fakeNode(reference('nat'), 'rs1', '/nowhere');
  const plan = await node.plan();
  t.equal(plan.length, 4);
  t.equal(plan.isEmpty, false);
  t.same([...plan], plan.changes);
  t.equal(
    String(plan),
    'Set lo up.\nSet eth0 up.\nAdd the address 192.168.118.11/24 to eth0.\n' +
      'Add the default route via 192.168.118.10.\n',
  );
  t.match(plan.changes.at(-1), {
    kind: 'route',
    before: null,
    after: { gateway: '192.168.118.10' },
    reason: /answers must pass the director/,
  });
  t.match(plan.toShell(), /^#!\/bin\/sh\n# The node rs1\.\nset -e\n/);
});

const CHARACTERS = Array.from(`ab'"\\$ \`*!&;\n-/#~é`);

t.test('every word comes back from a shell as it was', (t) => {
  const words = fc.sample(fc.string({ unit: fc.constantFrom(...CHARACTERS) }), 200);
  const script = `printf '%s\\0' ${words.map(quote).join(' ')}`;
  t.same(execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1), words);
  t.end();
});
