// @ts-check
// The demo itself; scripts/demo starts it on a kernel with IPVS.

import { release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Ipvs } from 'ipvs';
import { REAL_SERVERS, VIP, bringUp, namespace, start, takeDown } from './cluster.mjs';
import * as screen from './screen.mjs';
import { shown } from './screen.mjs';

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

  const ipvs = await Ipvs.open({ netns: namespace('director') });
  try {
    await configure(ipvs);
    const client = await startPrograms();
    await roundRobin(client);
    const server = await persistence(ipvs, client);
    await drain(ipvs, client, server);
    await counters(ipvs);
  } finally {
    await ipvs.close();
  }
}

/** @param {Ipvs} ipvs */
async function configure(ipvs) {
  screen.heading('The director: a virtual service and its real servers');
  screen.code(`web = ${inspect(web)}`);
  await shown(() => ipvs.addService({ ...web, scheduler: 'rr' }));
  for (const server of REAL_SERVERS) {
    await shown(() => ipvs.addDestination(web, { address: server }), { server });
  }
  await screen.listing(ipvs);
}

/** @returns the client */
async function startPrograms() {
  const [client] = await Promise.all([
    start('client', 'client.mjs'),
    start('real-server-1', 'real-server.mjs', VIP, REAL_SERVERS[0]),
    start('real-server-2', 'real-server.mjs', VIP, REAL_SERVERS[1]),
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
  check(service.stats.outgoingPackets === 0, 'no answer took the way through the director');
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
