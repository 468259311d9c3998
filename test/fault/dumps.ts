// A table that changes while it is read comes out torn: the kernel resumes a dump by counting. What
// is shown has everything once, and says whether it is one view.

import t from 'tap';
import { SHORT, answersTo, facing } from './peer/peer.js';
import type { Script } from './peer/peer.js';
import { SLACK, WEB, errorOf, outcomeOf } from './peer/outcome.js';
import { ownSockets, reopened } from './peer/sockets.js';
import {
  ESRCH,
  GET_DEST,
  GET_SERVICE,
  ack,
  destination,
  done,
  isDump,
  service,
  valueOf,
} from './peer/wire.js';
import type { Request, WireDestination, WireService } from './peer/wire.js';

/** Chunks of a dump: a datagram each. */
type Chunks<T> = readonly (readonly T[])[];

interface Table {
  services(): Chunks<WireService>;
  destinations(port: number): Chunks<WireDestination>;
  /** Whether a service is there when it is asked for by name. */
  has(port: number): boolean;
}

const portOf = (request: Request): number => valueOf(request.attributes, 1, 4)?.readUInt16BE() ?? 0;

const tableScript =
  (table: Table): Script =>
  (requests) =>
    requests.flatMap((request) => {
      if (request.command === GET_DEST) {
        const chunks = table.destinations(portOf(request));
        return [
          ...chunks.map((chunk) => Buffer.concat(chunk.map((one) => destination(request, one)))),
          done(request),
        ];
      }
      if (request.command !== GET_SERVICE) return answersTo(request);
      if (!isDump(request)) {
        const port = portOf(request);
        return table.has(port) ? [service(request, { port }), ack(request)] : [ack(request, ESRCH)];
      }
      const chunks = table.services();
      return [
        ...chunks.map((chunk) => Buffer.concat(chunk.map((one) => service(request, one)))),
        done(request),
      ];
    });

const ports = (...numbers: readonly number[]): WireService[] => numbers.map((port) => ({ port }));
const portsOf = (list: readonly object[]): unknown[] =>
  list.map((one) => (one as { port?: number }).port);

/** The last of the views stays. */
const oneAfterTheOther = <T>(...views: readonly T[]): (() => T) => {
  let at = 0;
  return () => views[Math.min(at++, views.length - 1)] as T;
};

t.test('what a dump brings twice is listed once, and sorted', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = tableScript({
    services: () => [ports(3, 1, 2), ports(2, 3, 4)],
    destinations: () => [ports(9, 8), ports(8, 9, 7)],
    has: () => true,
  });
  t.strictSame(portsOf(await ipvs.listServices()), [1, 2, 3, 4]);
  t.strictSame(portsOf(await ipvs.listDestinations(WEB)), [7, 8, 9]);
  const { services, settled } = await ipvs.snapshot();
  t.strictSame(portsOf(services), [1, 2, 3, 4]);
  for (const { destinations } of services) t.strictSame(portsOf(destinations), [7, 8, 9]);
  t.ok(settled);
});

t.test('a quiet table is settled, and read no more often than it takes', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = tableScript({
    services: () => [ports(1, 2)],
    destinations: (port) => [ports(port)],
    has: () => true,
  });
  const { services, settled } = await ipvs.snapshot();
  t.strictSame(portsOf(services), [1, 2]);
  t.ok(settled);
  t.equal(peer.asked(GET_SERVICE).length, 2);
  t.equal(peer.asked(GET_DEST).length, 2);

  // In several chunks: two lists of services have to agree, and two of each service's destinations.
  peer.script = tableScript({
    services: () => [ports(1), ports(2)],
    destinations: (port) => [ports(port), ports(9)],
    has: () => true,
  });
  t.ok((await ipvs.snapshot()).settled);
  t.equal(peer.asked(GET_SERVICE).length, 2 + 2);
  t.equal(peer.asked(GET_DEST).length, 2 + 2 * 2);
});

t.test('a snapshot is repeated until two views agree', async (t) => {
  const { ipvs, peer } = await facing(t);
  const services = oneAfterTheOther<Chunks<WireService>>(
    [ports(1, 2), ports(3)],
    [ports(1, 2), ports(3, 4)],
    [ports(1, 2), ports(4)],
    [ports(1, 2), ports(4, 5)],
  );
  peer.script = tableScript({
    services,
    destinations: (port) => [ports(port)],
    has: () => true,
  });
  const snapshot = await ipvs.snapshot();
  t.strictSame(portsOf(snapshot.services), [1, 2, 4, 5]);
  t.ok(snapshot.settled);
  for (const one of snapshot.services) {
    t.strictSame(portsOf(one.destinations), 'port' in one ? [one.port] : []);
  }
});

t.test('a table that never rests is read within a bound, and called unsettled', async (t) => {
  const { ipvs, peer } = await facing(t);
  let last = 100;
  peer.script = tableScript({
    services: () => [ports(1, 2), ports(3, ++last)],
    destinations: () => [ports(1)],
    has: (port) => port <= 3 || port === last,
  });
  const { services, settled } = await ipvs.snapshot();
  t.notOk(settled);
  t.strictSame(portsOf(services), [1, 2, 3, last]);
  const dumps = peer.asked(GET_SERVICE).filter(isDump).length;
  t.ok(dumps < 100, `${dumps} dumps`);
});

t.test('destinations that never rest make a snapshot unsettled, within a bound', async (t) => {
  const { ipvs, peer } = await facing(t);
  let weight = 0;
  peer.script = tableScript({
    services: () => [ports(1)],
    destinations: () => [[{ port: 1, weight: ++weight }], [{ port: 2 }]],
    has: () => true,
  });
  const { services, settled } = await ipvs.snapshot();
  t.notOk(settled);
  t.strictSame(portsOf(services[0]?.destinations ?? []), [1, 2]);
  t.ok(weight < 50, `${weight} dumps`);
});

t.test('a service that a torn dump leaves out is not lost', async (t) => {
  const { ipvs, peer } = await facing(t);
  // One of the first three is always missing, a different one each time; all are there throughout.
  let turn = 0;
  peer.script = tableScript({
    services: () => {
      turn++;
      return [ports(...[1, 2, 3].filter((port) => port !== (turn % 3) + 1)), ports(4, 100 + turn)];
    },
    destinations: (port) => [ports(port)],
    has: (port) => port <= 4,
  });
  const { services, settled } = await ipvs.snapshot();
  t.notOk(settled);
  t.strictSame(portsOf(services).slice(0, 4), [1, 2, 3, 4]);
  for (const one of services) t.ok(one.destinations.length > 0);
});

t.test('a service that disappears meanwhile is left out, not thrown', async (t) => {
  const { ipvs, peer } = await facing(t);
  let gone = false;
  peer.script = tableScript({
    services: () => [ports(1, ...(gone ? [] : [2]), 3)],
    destinations: (port) => {
      if (port === 2) gone = true;
      return port === 2 ? [] : [ports(port)];
    },
    has: (port) => port !== 2 || !gone,
  });
  const { services, settled } = await ipvs.snapshot();
  t.strictSame(portsOf(services), [1, 3]);
  t.ok(settled);
});

t.test('a snapshot that need not settle is one pass', async (t) => {
  const { ipvs, peer } = await facing(t);
  peer.script = tableScript({
    services: () => [ports(1, 2), ports(3)],
    destinations: (port) => [ports(port)],
    has: () => true,
  });
  const { services, settled } = await ipvs.snapshot({ settle: false });
  t.strictSame(portsOf(services), [1, 2, 3]);
  t.notOk(settled);
  t.equal(peer.asked(GET_SERVICE).length, 1);
  t.equal(peer.asked(GET_DEST).length, 3);
});

t.test('an empty list of destinations is told from a service that is not there', async (t) => {
  const { ipvs, peer } = await facing(t);
  let there = true;
  peer.script = tableScript({
    services: () => [],
    destinations: () => [],
    has: () => there,
  });
  t.strictSame(await ipvs.listDestinations(WEB), []);
  there = false;
  t.match(await errorOf(ipvs.listDestinations(WEB)), { code: 'ESRCH', service: WEB });
  t.equal(await ipvs.getDestination(WEB, { address: '10.0.1.1' }), undefined);
});

t.test('a service that goes away while its destinations are read is not there', async (t) => {
  const { ipvs, peer } = await facing(t);
  // The rest of the list is cut off without a word.
  peer.script = tableScript({
    services: () => [],
    destinations: () => [ports(1, 2), ports(3)],
    has: () => false,
  });
  t.match(await errorOf(ipvs.listDestinations(WEB)), { code: 'ESRCH' });
});

t.test('a dump that stops in the middle is not a list', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  await ipvs.listServices();
  const sockets = ownSockets();
  peer.script = (requests) =>
    requests.flatMap((request) => (isDump(request) ? answersTo(request).slice(0, 1) : []));
  const lists = [ipvs.listServices(), ipvs.listDestinations(WEB), ipvs.snapshot()];
  const outcomes = await Promise.all(lists.map((call) => outcomeOf<unknown>(call)));
  for (const { error, milliseconds } of outcomes) {
    t.equal(error?.code, 'ERR_IPVS_TIMEOUT');
    t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  }
  // The kernel would refuse another dump on that socket: it is a new one.
  peer.script = (requests) => requests.flatMap(answersTo);
  t.equal((await ipvs.listServices()).length, 1);
  t.ok(reopened(sockets, ownSockets()));
});
