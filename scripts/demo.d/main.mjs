// @ts-check
// The demo itself; scripts/demo starts it on a kernel with IPVS.

import { mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ipvs } from 'ipvs';
import { Cluster } from 'ipvs/cluster';
import {
  REAL_SERVERS,
  VIP,
  bringUp,
  description,
  mode,
  namespace,
  start,
  takeDown,
} from './cluster.mjs';
import * as screen from './screen.mjs';
import { shown } from './screen.mjs';

/** @import { ClusterNode } from 'ipvs/cluster' */

/** @typedef {Awaited<ReturnType<typeof start>>} Program */

const REQUESTS = 8;
const DEADLINE = 15_000;

const web = /** @type {const} */ ({ protocol: 'tcp', address: VIP, port: 80 });

/** How many requests each real server has answered so far. */
const answered = new Map(REAL_SERVERS.map((server) => [server, 0]));

async function main() {
  screen.title('Load balancing in the kernel, from Node.js', `Linux ${release()}`);
  bringUp();
  screen.drawing();

  const nodes = openNodes();
  const ipvs = await Ipvs.open({ netns: namespace('director') });
  try {
    await configure(nodes);
    await screen.listing(ipvs);
    const client = await startPrograms();
    await roundRobin(client);
    const server = await persistence(ipvs, client);
    await drain(ipvs, client, server);
    await counters(ipvs);
    await takeBack(nodes, ipvs, server);
  } finally {
    await ipvs.close();
    for (const node of nodes) await node.close();
  }
}

/** @returns the nodes of the cluster, each in its namespace */
function openNodes() {
  const cluster = Cluster.from(description);
  const journal = mkdtempSync(join(tmpdir(), 'ipvs-demo-'));
  process.on('exit', () => rmSync(journal, { recursive: true, force: true }));
  return cluster.nodes.map((name) => cluster.node(name, { netns: namespace(name), journal }));
}

/** @param {ClusterNode[]} nodes */
async function configure(nodes) {
  screen.heading('The cluster: one description, and each machine does its part');
  screen.code(`cluster = Cluster.from({ mode: '${mode}', vip: '${VIP}', … })`);
  for (const node of nodes) {
    screen.code(`await cluster.node('${node.name}').apply()`);
    for (const { description } of await node.apply()) screen.step(description);
  }
  const plans = await Promise.all(nodes.map((node) => node.plan()));
  check(
    plans.every(({ isEmpty }) => isEmpty),
    'nothing is left to do',
  );
}

/**
 * @param {ClusterNode[]} nodes
 * @param {Ipvs} ipvs
 * @param {string} server
 */
async function takeBack(nodes, ipvs, server) {
  screen.heading('Taking it back: every machine as it was before');
  // What others have changed would be left alone, and the weight was not the helper's doing.
  await shown(() => ipvs.updateDestination(web, { address: server }, { weight: 1 }), { server });
  for (const node of nodes) {
    screen.code(`await cluster.node('${node.name}').revert()`);
    const { reverted, kept } = await node.revert();
    screen.step(`${reverted.length} changes were taken back.`);
    check(kept.length === 0, 'nothing was left behind');
  }
}

/** @returns the client */
async function startPrograms() {
  const [client] = await Promise.all([
    start('client', 'client.mjs'),
    ...REAL_SERVERS.map((server, index) =>
      start(`real-server-${index + 1}`, 'real-server.mjs', mode === 'nat' ? server : VIP, server),
    ),
  ]);
  return client;
}

/** @param {Program} client */
async function roundRobin(client) {
  screen.heading('Round robin: every connection goes to the next real server');
  const servers = await request(client);
  check(
    servers.every((server, index) => server !== servers[index - 1]),
    'the real servers took turns',
  );
}

/**
 * @param {Ipvs} ipvs
 * @param {Program} client
 * @returns the real server that the client stays with
 */
async function persistence(ipvs, client) {
  screen.heading('Persistence: a client stays with its real server');
  await shown(() => ipvs.updateService(web, { persistence: {} }));
  await screen.listing(ipvs);
  const servers = await request(client);
  check(new Set(servers).size === 1, 'one real server answered every request');
  return servers[0];
}

/**
 * @param {Ipvs} ipvs
 * @param {Program} client
 * @param {string} server
 */
async function drain(ipvs, client, server) {
  screen.heading('Draining: at weight 0, a real server gets no new clients');
  await shown(() => ipvs.updateDestination(web, { address: server }, { weight: 0 }), { server });
  await screen.listing(ipvs);
  const before = await request(client);
  check(
    before.every((answer) => answer === server),
    'it keeps the client that persistence ties to it',
  );
  screen.print();
  await shown(() => ipvs.updateService(web, { persistence: null }));
  screen.print();
  const after = await request(client);
  check(!after.includes(server), 'without persistence, that client goes elsewhere');
}

/** @param {Ipvs} ipvs */
async function counters(ipvs) {
  screen.heading('Counters: what the director has seen');
  const { service, destinations } = await settledCounters(ipvs);
  screen.counters(service, destinations, answered);
  check(
    destinations.every(({ address, stats }) => stats.connections === answered.get(address)),
    'every connection is counted, at the real server that answered',
  );
  if (mode === 'nat') {
    check(service.stats.outgoingPackets > 0, 'answers took the way through the director');
  } else {
    check(service.stats.outgoingPackets === 0, 'no answer took the way through the director');
  }
}

/**
 * The kernel moves its counters every two seconds, and not all of them at once.
 * @param {Ipvs} ipvs
 */
async function settledCounters(ipvs) {
  const deadline = Date.now() + DEADLINE;
  for (;;) {
    const [service] = await ipvs.listServices();
    const destinations = await ipvs.listDestinations(web);
    const settled =
      service.stats.connections === sum([...answered.values()]) &&
      service.stats.incomingPackets === sum(destinations.map(({ stats }) => stats.incomingPackets));
    if (settled || Date.now() > deadline) return { service, destinations };
    await sleep(100);
  }
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * Makes the client send requests, one after the other, and shows who answered them.
 * @param {Program} client
 */
async function request(client) {
  /** @type {string[]} */
  const servers = [];
  try {
    while (servers.length < REQUESTS) {
      const { server, error } = await client(`http://${VIP}/`);
      if (error) throw new Error(`request ${servers.length + 1}: ${error}`);
      servers.push(server);
      answered.set(server, (answered.get(server) ?? 0) + 1);
    }
  } finally {
    screen.lanes(servers);
  }
  return servers;
}

/**
 * @param {boolean} holds
 * @param {string} claim
 */
function check(holds, claim) {
  if (!holds) throw new Error(`it is not so that ${claim}`);
  screen.ok(claim);
}

try {
  await main();
  screen.print();
  screen.print('All is as it should be.');
} catch (error) {
  const { message, hint } = /** @type {Error & { hint?: string }} */ (error);
  screen.failed(message, ...(hint ? [hint] : []));
  process.exitCode = 1;
} finally {
  takeDown();
}
