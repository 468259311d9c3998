// @ts-check
// The reference topology: each node is a network namespace, made with `ip`. What is on them is the
// cluster helper's affair.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { ClusterDescription, NodeDescription } from 'ipvs/cluster' */

export const VIP = '192.168.51.11';
export const REAL_SERVERS = ['192.168.118.11', '192.168.118.12'];

const MODES = /** @type {const} */ (['nat', 'dr', 'tun']);

/** What was asked for. */
export const mode = MODES.find((each) => each === process.argv[2]) ?? 'dr';

const WAYS = {
  nat: [
    '',
    ' answer   real server → director',
    '          → router → client',
    '          (masquerading)',
  ],
  dr: [
    '',
    ' answer   real server → router',
    '          → client: direct routing,',
    '          past the director',
  ],
  tun: [
    '',
    ' answer   real server → router',
    '          → client: past the director,',
    '          which sends it in a tunnel',
  ],
};

/** @param {number} line */
const way = (line) => (WAYS[mode][line] ?? '').padEnd(42);

// Real servers have the virtual address too, but where the director rewrites it.
const own = { nat: '            ', dr: 'VIP (lo)    ', tun: 'VIP (tunnel)' }[mode];

export const DRAWING = `\
┌ client ────────┐   ┌ router ────────┐     ┌ director ──────────────┐
│ 192.168.51.100 ├───┤ 192.168.51.10  │   ┌─┤ 192.168.118.10         │
└────────────────┘   │ 192.168.118.1  ├───┤ │ VIP 192.168.51.11      │
                     └────────────────┘   │ └────────────────────────┘
                                          │ ┌ real server 1 ─────────┐
 request  client → router                 ├─┤ 192.168.118.11         │
          → director → real server        │ │ ${own}           │
                                          │ └────────────────────────┘
${way(1)}│ ┌ real server 2 ─────────┐
${way(2)}└─┤ 192.168.118.12         │
${way(3)}  │ ${own}           │
                                            └────────────────────────┘`;

/**
 * All that the helper has to be told.
 * @type {ClusterDescription}
 */
export const description = {
  mode,
  vip: VIP,
  gateway: '192.168.118.1',
  services: [{ protocol: 'tcp', port: 80, scheduler: 'rr' }],
  nodes: {
    router: {
      role: 'router',
      interface: 'eth1',
      address: '192.168.118.1/24',
      clients: { interface: 'eth0', address: '192.168.51.10/24' },
    },
    'real-server-1': realServer(REAL_SERVERS[0]),
    'real-server-2': realServer(REAL_SERVERS[1]),
    director: { role: 'director', interface: 'eth0', address: '192.168.118.10/24' },
  },
};

/**
 * @param {string} address
 * @returns {NodeDescription}
 */
function realServer(address) {
  return { role: 'real-server', interface: 'eth0', address: `${address}/24` };
}

// The client is no node of the cluster.
const CLIENT = [
  'link set lo up',
  'link set eth0 up',
  'addr add 192.168.51.100/24 dev eth0',
  'route add default via 192.168.51.10',
];

const LINKS = [
  `link add eth0 netns ${namespace('client')} type veth peer name eth0 netns ${namespace('router')}`,
  'link add lan type bridge',
  'link set lan up',
  ...plug('router', 'eth1'),
  ...plug('director', 'eth0'),
  ...plug('real-server-1', 'eth0'),
  ...plug('real-server-2', 'eth0'),
];

/**
 * Connects a node's interface to the switch.
 * @param {string} node
 * @param {string} device
 */
function plug(node, device) {
  return [
    `link add ${node} type veth peer name ${device} netns ${namespace(node)}`,
    `link set ${node} master lan up`,
  ];
}

/** @type {ChildProcess[]} */
const programs = [];

/** @param {string} node */
export function namespace(node) {
  return `demo-${process.pid}-${node}`;
}

/** Machines and cables, and nothing on them. */
export function bringUp() {
  batch(
    ['-batch', '-'],
    ['switch', 'client', ...Object.keys(description.nodes)].map(
      (node) => `netns add ${namespace(node)}`,
    ),
  );
  batch(['-n', namespace('switch'), '-batch', '-'], LINKS);
  batch(['-n', namespace('client'), '-batch', '-'], CLIENT);
}

/** Whatever there is of it. */
export function takeDown() {
  for (const program of programs) program.kill('SIGKILL');
  const present = readdirSync('/run/netns').filter((name) => name.startsWith(namespace('')));
  batch(
    ['-batch', '-'],
    present.map((name) => `netns delete ${name}`),
  );
}

/**
 * Many commands in one process: starting processes is what takes time.
 * @param {string[]} args
 * @param {string[]} commands
 */
function batch(args, commands) {
  execFileSync('ip', args, { input: commands.join('\n'), stdio: 'pipe' });
}

/**
 * Starts one of the programs next to this file on a node, and waits until it is ready.
 * @param {string} node
 * @param {string} program
 * @param {string[]} args
 * @returns a function that sends the program a message and gives its answer
 */
export async function start(node, program, ...args) {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn('ip', ['netns', 'exec', namespace(node), process.execPath, file, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  programs.push(child);
  const ended = once(child, 'exit').then(([status]) => {
    throw new Error(`${program} on ${node} has ended with exit status ${status}`);
  });
  ended.catch(() => {}); // unless somebody waits for an answer
  const answer = async () => (await Promise.race([once(child, 'message'), ended]))[0];
  await answer();
  return (/** @type {string} */ message) => {
    child.send(message);
    return answer();
  };
}
