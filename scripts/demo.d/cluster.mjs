// @ts-check
// The reference topology of VS/DR, made with `ip`: each node is a network namespace.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @import { ChildProcess } from 'node:child_process' */

export const VIP = '192.168.51.11';
export const REAL_SERVERS = ['192.168.118.11', '192.168.118.12'];

export const DRAWING = `\
┌ client ────────┐   ┌ router ────────┐     ┌ director ──────────────┐
│ 192.168.51.100 ├───┤ 192.168.51.10  │   ┌─┤ 192.168.118.10         │
└────────────────┘   │ 192.168.118.1  ├───┤ │ VIP 192.168.51.11      │
                     └────────────────┘   │ └────────────────────────┘
                                          │ ┌ real server 1 ─────────┐
 request  client → router                 ├─┤ 192.168.118.11         │
          → director → real server        │ │ VIP 192.168.51.11 (lo) │
                                          │ └────────────────────────┘
 answer   real server → router            │ ┌ real server 2 ─────────┐
          → client: direct routing,       └─┤ 192.168.118.12         │
          past the director                 │ VIP 192.168.51.11 (lo) │
                                            └────────────────────────┘`;

/**
 * How a node is set up: first sysctls of net.ipv4, then commands for `ip`.
 * @typedef {{ sysctls: string[], commands: string[] }} Setup
 */

/** @type {Record<string, Setup>} */
const NODES = {
  client: {
    sysctls: [],
    commands: ['addr add 192.168.51.100/24 dev eth0', 'route add default via 192.168.51.10'],
  },
  // The virtual address is in the client's network, but behind the router, which therefore answers
  // for it there.
  router: {
    sysctls: ['ip_forward=1', 'conf.all.forwarding=1', 'conf.eth0.proxy_arp=1'],
    commands: [
      'link set eth1 up',
      'addr add 192.168.51.10/24 dev eth0',
      'addr add 192.168.118.1/24 dev eth1',
      `route add ${VIP} dev eth1`,
    ],
  },
  director: {
    sysctls: ['ip_forward=1'],
    commands: [
      'addr add 192.168.118.10/24 dev eth0',
      `addr add ${VIP}/32 dev eth0`,
      'route add default via 192.168.118.1',
    ],
  },
  'real-server-1': realServer(REAL_SERVERS[0]),
  'real-server-2': realServer(REAL_SERVERS[1]),
};

/**
 * A real server has the virtual address too, but must never answer ARP requests for it: it is told
 * so before it gets the address.
 * @param {string} address
 * @returns {Setup}
 */
function realServer(address) {
  return {
    sysctls: ['lo', 'all'].flatMap((device) => [
      `conf.${device}.arp_ignore=1`,
      `conf.${device}.arp_announce=2`,
    ]),
    commands: [
      `addr add ${address}/24 dev eth0`,
      `addr add ${VIP}/32 dev lo`,
      'route add default via 192.168.118.1',
    ],
  };
}

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

export function bringUp() {
  batch(
    ['-batch', '-'],
    ['switch', ...Object.keys(NODES)].map((node) => `netns add ${namespace(node)}`),
  );
  batch(['-n', namespace('switch'), '-batch', '-'], LINKS);
  for (const [node, { sysctls, commands }] of Object.entries(NODES)) {
    const script = [...sysctls.map(write), 'exec ip -batch -'].join('\n');
    batch(
      ['netns', 'exec', namespace(node), 'sh', '-ec', script],
      ['link set lo up', 'link set eth0 up', ...commands],
    );
  }
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

/** @param {string} sysctl */
function write(sysctl) {
  const [name, value] = sysctl.split('=');
  return `echo ${value} >/proc/sys/net/ipv4/${name.replaceAll('.', '/')}`;
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
