// @ts-check
// A web client: gets the address that it is told to get, and tells what came.

import { once } from 'node:events';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';

const TIMEOUT = 3000;

/** @param {string} url */
async function visit(url) {
  // No agent: every request makes a connection of its own, and those are what IPVS distributes.
  const request = get(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT) });
  const closed = once(request, 'close');
  const answer = once(request, 'response').then(([response]) => text(response));
  const [server] = await Promise.all([answer, closed]);
  return { server };
}

process.on('message', async (/** @type {string} */ url) => {
  const outcome = await visit(url).catch((error) => ({
    error: error.name === 'AbortError' ? `no answer within ${TIMEOUT / 1000} s` : error.message,
  }));
  process.send?.(outcome);
});

process.send?.('ready');
