// A cluster's description: what is read from it, and how its mistakes are told.

import t from 'tap';
import { Cluster, ClusterError } from 'ipvs/cluster';
import { parseDescription } from '#lib/cluster/description';
import { reference } from '../fixtures/clusters.js';

type Wrong = [change: object, path: string, code: string, message: RegExp];

const VALUE = 'ERR_INVALID_ARG_VALUE';
const TYPE = 'ERR_INVALID_ARG_TYPE';
const RANGE = 'ERR_OUT_OF_RANGE';

function nodes(changes: Record<string, object | undefined>): object {
  const { nodes: present } = reference('dr');
  const merged: Record<string, object> = { ...present };
  for (const [name, change] of Object.entries(changes)) {
    if (change === undefined) Reflect.deleteProperty(merged, name);
    else merged[name] = { ...present[name], ...change };
  }
  return { nodes: merged };
}

const web = { protocol: 'tcp', port: 80 };
const services = (...list: object[]) => ({ services: list });

const WRONG: Wrong[] = [
  [{ mod: 'dr' }, 'mod', VALUE, /did you mean 'mode'\?/],
  [{ colour: 1 }, 'colour', VALUE, /only mode, vip, services/],
  [{ mode: 'drr' }, 'mode', VALUE, /did you mean 'dr'\?/],
  [{ mode: undefined }, 'services[0].mode', VALUE, /'nat', 'dr', 'tun', here or for all/],
  [{ vip: undefined }, 'vip', TYPE, /a string/],
  [{ vip: [] }, 'vip', VALUE, /empty/],
  [{ vip: '192.168.51.11/24' }, 'vip', VALUE, /prefix length/],
  [{ vip: ['192.168.51.11', 'x'] }, 'vip[1]', VALUE, /IPv4 or IPv6/],
  [{ vip: ['10.0.0.1', '10.0.0.1'] }, 'vip[1]', VALUE, /twice/],
  [{ vip: { address: '10.0.0.1', interface: 'a/b' } }, 'vip.interface', VALUE, /interface's name/],
  [{ gateway: ['10.0.0.1', '10.0.0.2'] }, 'gateway', VALUE, /one IPv4 address/],
  [{ arp: 'none' }, 'arp', VALUE, /'all', 'interface'/],
  [{ tunnel: { type: 'gue' } }, 'tunnel.port', TYPE, /a number/],
  [{ tunnel: { type: 'gue', port: 0 } }, 'tunnel.port', RANGE, />= 1/],
  [{ tunnel: { type: 'ipip', port: 1 } }, 'tunnel.port', VALUE, /gue only/],
  [{ tunnel: { type: 'gre', checksum: 'remcsum' } }, 'tunnel.checksum', VALUE, /gre/],
  [{ sync: { syncId: 256 } }, 'sync.syncId', RANGE, /255/],
  [{ sync: { group: '10.0.0.1' } }, 'sync.group', VALUE, /multicast/],
  [{ sync: { id: 3 } }, 'sync.id', VALUE, /only syncId/],
  [{ sysctl: { profile: 'fast' } }, 'sysctl.profile', VALUE, /'director'/],
  [{ sysctl: { settings: { 'kernel.panic': 1 } } }, 'sysctl.settings.kernel.panic', VALUE, /net\./],
  [services({ port: 80 }), 'services[0].protocol', TYPE, /a string/],
  [services({ ...web, port: 70000 }), 'services[0].port', RANGE, /65535/],
  [services({ ...web, port: 0 }), 'services[0].port', VALUE, /persistence/],
  [services(web, web), 'services[1]', VALUE, /once more/],
  [services({ ...web, vip: '10.9.9.9' }), 'services[0].vip', VALUE, /one of the cluster's/],
  [services({ ...web, realPort: 8080 }), 'services[0].realPort', VALUE, /only mode 'nat'/],
  [
    { mode: 'nat', ...services({ ...web, port: 0, persistence: {}, realPort: 8080 }) },
    'services[0].realPort',
    VALUE,
    /each stays as it is/,
  ],
  [services({ ...web, tunnel: { type: 'ipip' } }), 'services[0].tunnel', VALUE, /mode 'tun'/],
  [services({ ...web, snat: true }), 'services[0].snat', VALUE, /mode 'nat'/],
  [services({ ...web, scheduler: 'a b' }), 'services[0].scheduler', VALUE, /letters/],
  [
    services({ ...web, schedulerFlags: ['sh-port'] }),
    'services[0].schedulerFlags[0]',
    VALUE,
    /scheduler 'sh'/,
  ],
  [
    services({ ...web, persistence: { netmask: 33 } }),
    'services[0].persistence.netmask',
    RANGE,
    /32/,
  ],
  [services({ ...web, realServers: ['rs3'] }), 'services[0].realServers[0]', VALUE, /mean 'rs1'/],
  [services({ ...web, realServers: ['lb1'] }), 'services[0].realServers[0]', VALUE, /'rs1', 'rs2'/],
  [services({ fwmark: 0, ports: [80] }), 'services[0].fwmark', RANGE, />= 1/],
  [services({ fwmark: 1, ports: ['9-5'] }), 'services[0].ports[0]', VALUE, /range/],
  [services({ fwmark: 1, port: 80 }), 'services[0].port', VALUE, /'ports'/],
  [services({ fwmark: 1, ports: [] }), 'services[0].ports', VALUE, /must not be empty/],
  [services({ fwmark: 1 }), 'services[0].ports', TYPE, /array/],
  [services({ fwmark: 1, ports: [80, 80] }), 'services[0].ports[1]', VALUE, /is in 80 already/],
  [services({ fwmark: 1, ports: [80, '79-81'] }), 'services[0].ports[1]', VALUE, /in 80 already/],
  [services({ fwmark: 1, ports: ['79-81', 80] }), 'services[0].ports[1]', VALUE, /in 79-81/],
  [
    services({ fwmark: 1, ports: [80], protocol: ['tcp', 'tcp'] }),
    'services[0].protocol[1]',
    VALUE,
    /twice/,
  ],
  [services({ fwmark: 1, ports: [80], protocol: [] }), 'services[0].protocol', VALUE, /empty/],
  [services({ ...web, protocol: ['tcp'] }), 'services[0].protocol', TYPE, /string/],
  [
    services({ fwmark: 1, ports: [80] }, { fwmark: 1, ports: [53], protocol: 'udp' }),
    'services[1].fwmark',
    VALUE,
    /is that of services\[0\] too: a mark is one service, which may have several protocols/,
  ],
  [
    services({ fwmark: 1, ports: ['80-90'] }, { fwmark: 2, protocol: ['udp', 'tcp'], ports: [85] }),
    'services[1].ports',
    VALUE,
    /must not be those of services\[0\] too: tcp to 192.168.51.11 gets one mark/,
  ],
  [services({ ...web, ports: [80] }), 'services[0].ports', VALUE, /'fwmark'/],
  [nodes({ rs1: { role: 'realserver' } }), 'nodes.rs1.role', VALUE, /did you mean 'real-server'/],
  [nodes({ rs1: { role: ['real-server', 'x'] } }), 'nodes.rs1.role[1]', VALUE, /must be one of/],
  [nodes({ rs1: { adress: '1.2.3.4' } }), 'nodes.rs1.adress', VALUE, /mean 'address'/],
  [nodes({ rs1: { address: '1.2.3' } }), 'nodes.rs1.address', VALUE, /IPv4 or IPv6/],
  [nodes({ rs1: { address: undefined } }), 'nodes.rs1.address', VALUE, /services\[0\]/],
  [nodes({ rs1: { address: '192.168.118.12/24' } }), 'nodes.rs2.address', VALUE, /nodes\.rs1/],
  [nodes({ rs1: { address: '192.168.51.11/24' } }), 'nodes.rs1.address', VALUE, /that of vip/],
  [nodes({ rs1: { interface: undefined } }), 'nodes.rs1.interface', TYPE, /a string/],
  [nodes({ rs1: { weight: -1 } }), 'nodes.rs1.weight', RANGE, />= 0/],
  [nodes({ rs1: { lowerThreshold: 1 } }), 'nodes.rs1.lowerThreshold', RANGE, /<= 0/],
  [nodes({ lb1: { weight: 1 } }), 'nodes.lb1.weight', VALUE, /for a real-server only/],
  [nodes({ rs1: { state: 'backup' } }), 'nodes.rs1.state', VALUE, /for a director only/],
  [nodes({ rs1: { clients: 'eth1' } }), 'nodes.rs1.clients', VALUE, /director or router/],
  [nodes({ gw: { clients: undefined } }), 'nodes.gw.clients', VALUE, /two sides/],
  [nodes({ gw: { clients: 'eth1' } }), 'nodes.gw.clients', VALUE, /another interface/],
  [nodes({ lb1: undefined }), 'nodes', VALUE, /'director'/],
  [
    nodes({ lb2: { role: 'director', interface: 'eth0', state: 'master' } }),
    'nodes.lb2.state',
    VALUE,
    /one director/,
  ],
  [{ mode: 'nat', ...nodes({ lb1: { address: undefined } }) }, 'nodes.lb1.address', VALUE, /NAT/],
  [
    { mode: 'nat', ...nodes({ lb2: { role: 'director', interface: 'eth0' } }) },
    'natGateway',
    VALUE,
    /several directors/,
  ],
  [{ vip: '0.0.0.0' }, 'vip', VALUE, /no address/],
  [{ vip: '127.0.0.1' }, 'vip', VALUE, /loopback/],
  [{ vip: '224.0.0.18' }, 'vip', VALUE, /multicast/],
  [{ vip: '255.255.255.255' }, 'vip', VALUE, /everybody/],
  [{ vip: ['192.168.51.11', '::'] }, 'vip[1]', VALUE, /no address/],
  [{ vip: '::1' }, 'vip', VALUE, /loopback/],
  [{ vip: { address: 'ff02::1' } }, 'vip.address', VALUE, /multicast/],
  [{ vip: '192.168.118.255' }, 'vip', VALUE, /broadcast/],
  [{ vip: ['192.168.51.11', '192.168.118.0'] }, 'vip[1]', VALUE, /the network itself/],
  [nodes({ rs1: { address: '192.168.118.0/24' } }), 'nodes.rs1.address', VALUE, /network itself/],
  [nodes({ rs1: { address: '192.168.118.255/24' } }), 'nodes.rs1.address', VALUE, /broadcast/],
  [nodes({ rs1: { address: '192.168.118.127/25' } }), 'nodes.rs1.address', VALUE, /broadcast/],
  [nodes({ rs1: { address: '127.0.0.1' } }), 'nodes.rs1.address', VALUE, /loopback/],
  [nodes({ rs1: { interface: 'lo' } }), 'nodes.rs1.interface', VALUE, /other nodes/],
  [nodes({ gw: { clients: 'lo' } }), 'nodes.gw.clients', VALUE, /other nodes/],
  [{ gateway: '192.168.51.11' }, 'gateway', VALUE, /virtual address/],
  [{ gateway: '192.168.118.11' }, 'gateway', VALUE, /an address of rs1/],
  [nodes({ rs1: { gateway: '192.168.51.11' } }), 'nodes.rs1.gateway', VALUE, /virtual address/],
  [nodes({ gw: { gateway: '192.168.51.10' } }), 'nodes.gw.gateway', VALUE, /an address of gw/],
  [
    {
      mode: 'tun',
      tunnel: { type: 'gre' },
      ...services(web, { ...web, port: 81, tunnel: { type: 'gre', checksum: 'csum' } }),
    },
    'services[1].tunnel.checksum',
    VALUE,
    /services\[0\]: rs1 /,
  ],
  [{ nodes: { 'a b': {} } }, 'nodes.a b', VALUE, /letters/],
  [{ nodes: [] }, 'nodes', TYPE, /an object/],
];

t.test('what looks like a mistake and is none', (t) => {
  const right: object[] = [
    { vip: '10.0.0.0' },
    nodes({ rs1: { address: '192.168.118.200/31' } }),
    nodes({ rs1: { address: '192.168.118.255/23' } }),
    {
      mode: 'tun',
      ...services(
        { ...web, tunnel: { type: 'gre' }, realServers: ['rs1'] },
        {
          ...web,
          port: 81,
          tunnel: { type: 'gre', checksum: 'csum' },
          realServers: ['rs2'],
        },
      ),
    },
    {
      mode: 'tun',
      ...services(
        { ...web, tunnel: { type: 'gre' } },
        { ...web, port: 81, tunnel: { type: 'ipip' } },
      ),
    },
  ];
  for (const change of right) Cluster.from({ ...reference('dr'), ...change });
  t.end();
});

t.test('every mistake is told with its place in the description', (t) => {
  for (const [change, path, code, message] of WRONG) {
    const description = { ...reference('dr'), ...change };
    let error: unknown;
    try {
      Cluster.from(description);
    } catch (thrown) {
      error = thrown;
    }
    t.match(error, { code, path, message }, path);
    t.ok(String(error).includes(`The property '${path}' `), String(error));
  }
  for (const senseless of [null, 3, []]) {
    t.throws(() => Cluster.from(senseless as never), { code: TYPE, path: 'description' });
  }
  t.end();
});

const YAML = `# the reference
mode: dr
vip: 192.168.51.11
services:
  - { protocol: tcp, port: 80, scheduler: rr, persistence: { timeout: 300, netmask: 24 } }
nodes:
  lb1: { role: director, interface: eth0, address: 192.168.118.10 }
  rs1.example: { role: real-server, interface: eth0, address: 192.168.118.11, weight: 1 }
  rs2: { role: real-server, interface: eth0, address: 192.168.118.12 }
  gw: { role: router, interface: eth1, clients: eth0 }
`;

function yamlError(text: string): ClusterError {
  try {
    Cluster.from(text);
  } catch (error) {
    if (error instanceof ClusterError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

t.test('YAML is read, and its mistakes have a line and a column', (t) => {
  t.same(Cluster.from(YAML).nodes, ['lb1', 'rs1.example', 'rs2', 'gw']);
  const place = (from: string, to: string) => {
    const { code, path, line, column } = yamlError(YAML.replace(from, to));
    t.equal(code, 'ERR_IPVS_DESCRIPTION');
    return [path, line, column];
  };
  t.same(place('192.168.118.11', '192.168.118'), ['nodes.rs1.example.address', 8, 63]);
  t.same(place('weight: 1', 'wieght: 1'), ['nodes.rs1.example.wieght', 8, 87]);
  t.same(place('port: 80', 'port: 99999'), ['services[0].port', 5, 28]);
  t.same(place('netmask: 24', 'netmask: 99'), ['services[0].persistence.netmask', 5, 85]);
  t.same(place('interface: eth1, ', ''), ['nodes.gw.interface', 10, 7]);
  t.same(place('mode: dr\n', 'mode: drr\n'), ['mode', 2, 7]);
  const broken = yamlError('mode: dr\nvip: [1, 2\n');
  t.match(broken, { code: 'ERR_IPVS_DESCRIPTION', command: 'load description' });
  t.match(broken.message, /^load description: it is not YAML: .*in line \d, column \d/);
  const alias = yamlError('mode: dr\nnodes: { lb1: *lb }\n');
  t.match(alias, { code: 'ERR_IPVS_DESCRIPTION', line: 2, column: 15 });
  t.match(alias.message, /it is not YAML: Unresolved alias .*, in line 2, column 15/);
  const json = yamlError('{\n "mode": "drr" }');
  t.same([json.path, json.line, json.column], ['mode', 2, 10]);
  t.match(yamlError('').message, /an object/);
  t.end();
});

t.test('a file is read likewise', async (t) => {
  const folder = t.testdir({ 'cluster.yaml': YAML, 'wrong.yaml': 'mode: drr\n' });
  t.equal((await Cluster.load(`${folder}/cluster.yaml`)).nodes.length, 4);
  await t.rejects(Cluster.load(`${folder}/wrong.yaml`), {
    code: 'ERR_IPVS_DESCRIPTION',
    message: new RegExp(`^load ${folder}/wrong.yaml: .*in line 1, column 7`),
  });
  await t.rejects(Cluster.load(`${folder}/none.yaml`), { code: 'ENOENT' });
});

t.test('a service is made for each virtual address, a mark for each family', (t) => {
  const model = parseDescription({
    ...reference('dr', { ipv6: true }),
    services: [
      { protocol: 'tcp', port: 80, persistence: { netmask: 24, netmask6: 64 } },
      { fwmark: 5, ports: [80, '8000-8080'], mode: 'tun' },
      { protocol: 'udp', port: 53, vip: '2001:db8:51:0::11', realServers: ['rs2'] },
    ],
  });
  t.match(
    model.services.map(({ config, mode, vips, realServers }) => ({
      config,
      mode,
      vips,
      realServers,
    })),
    [
      {
        config: { protocol: 'tcp', address: '192.168.51.11', persistence: { netmask: 24 } },
        mode: 'dr',
        realServers: ['rs1', 'rs2'],
      },
      { config: { protocol: 'tcp', address: '2001:db8:51::11', persistence: { netmask: 64 } } },
      { config: { fwmark: 5, family: 'ipv4' }, mode: 'tun', vips: ['192.168.51.11'] },
      { config: { fwmark: 5, family: 'ipv6' }, vips: ['2001:db8:51::11'] },
      { config: { protocol: 'udp', address: '2001:db8:51::11' }, realServers: ['rs2'] },
    ],
  );
  t.end();
});

t.test('the ports of a mark are read as the kernel tells them', (t) => {
  const { services: read } = parseDescription({
    ...reference('dr'),
    services: [
      { fwmark: 5, protocol: ['tcp', 'udp'], ports: ['8000-8010', 443, '80-80'] },
      { fwmark: 6, ports: [444], protocol: 'udp' },
    ],
  });
  t.match(read, [
    { protocols: ['tcp', 'udp'], ports: ['80', '443', '8000-8010'] },
    { protocols: ['udp'], ports: ['444'] },
  ]);
  t.end();
});

t.test('a node is asked for by name', (t) => {
  const cluster = Cluster.from(reference('dr'));
  t.equal(cluster.node('rs1').name, 'rs1');
  t.throws(() => cluster.node('rs3'), {
    code: 'ERR_IPVS_NO_SUCH_NODE',
    hint: 'did you mean rs1?',
  });
  for (const [options, path] of [
    [{ nets: 'x' }, 'options.nets'],
    [{ netns: 3 }, 'options.netns'],
    [{ journal: '' }, 'options.journal'],
    [{ timeout: 0 }, 'options.timeout'],
    [{ state: 'master' }, 'options.state'],
  ] as const) {
    t.throws(() => cluster.node('rs1', options as never), { message: new RegExp(path) });
  }
  t.throws(() => cluster.node('lb1', { state: 'x' as never }), { code: VALUE });
  t.end();
});
