// The kernel may stop a sync daemon and never say so: netlink_rcv_skb answers everything but -EINTR.

import t from 'tap';
import { SHORT, butFor, facing } from './peer/peer.js';
import type { Script } from './peer/peer.js';
import { SLACK, errorOf, outcomeOf, web } from './peer/outcome.js';
import {
  DEL_DAEMON,
  ESRCH,
  GET_CONFIG,
  GET_DAEMON,
  NEW_SERVICE,
  ack,
  daemon,
  done,
} from './peer/wire.js';

const MASTER = 1;
const BACKUP = 2;

/** Daemons of these roles run, and stopping them gets no answer. */
const running = (...roles: readonly number[]): Script => {
  const list = butFor(GET_DAEMON, (request) => [
    ...roles.map((role) => daemon(request, role)),
    done(request),
  ]);
  return (requests) => list(requests.filter(({ command }) => command !== DEL_DAEMON));
};

t.test('a stop without an answer has succeeded where the daemon is gone', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: running() });
  const { error, milliseconds } = await outcomeOf(ipvs.stopSyncDaemon('master'));
  t.equal(error, undefined);
  t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  t.equal(peer.asked(DEL_DAEMON).length, 1, 'it was sent once');
  t.equal(peer.asked(GET_DAEMON).length, 1);
});

t.test('so it has where only the other one runs', async (t) => {
  const { ipvs } = await facing(t, { timeout: SHORT, script: running(BACKUP) });
  await ipvs.stopSyncDaemon('master');
});

t.test('where the daemon is still there its end is not certain, and it says so', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: running(MASTER, BACKUP) });
  const { error, milliseconds } = await outcomeOf(ipvs.stopSyncDaemon('master'));
  t.match(error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME', command: 'stop master sync daemon' });
  t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  t.equal(peer.asked(DEL_DAEMON).length, 1);
});

t.test('where nobody answers at all it is not certain either', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT, script: () => [] });
  const { error, milliseconds } = await outcomeOf(ipvs.stopSyncDaemon('backup'));
  t.match(error, { code: 'ERR_IPVS_UNKNOWN_OUTCOME', message: /carried out or not/ });
  t.ok(milliseconds < SHORT + SLACK, `it took ${milliseconds} ms`);
  peer.script = running(MASTER);
  t.equal((await ipvs.listSyncDaemons()).length, 1);
});

// One travels in front of it and one behind: neither waits for an answer that does not come.
t.test('what is changed around a stop without an answer is known', async (t) => {
  const { ipvs, peer } = await facing(t, { timeout: SHORT });
  await ipvs.getTimeouts();
  const together: number[][] = [];
  const list = running();
  peer.script = (requests) => {
    together.push(requests.map(({ command }) => command));
    return list(requests);
  };
  const outcomes = await Promise.all(
    [
      ipvs.getTimeouts(),
      ipvs.addService({ ...web(1), scheduler: 'rr' }),
      ipvs.addService({ ...web(2), scheduler: 'rr' }),
      ipvs.stopSyncDaemon('master'),
      ipvs.addService({ ...web(3), scheduler: 'rr' }),
    ].map((call) => outcomeOf<unknown>(call)),
  );
  t.strictSame(
    outcomes.map(({ error }) => error?.code),
    [undefined, undefined, undefined, undefined, undefined],
  );
  t.strictSame(together.slice(0, 2), [
    [GET_CONFIG],
    [NEW_SERVICE, NEW_SERVICE, DEL_DAEMON, NEW_SERVICE],
  ]);
});

t.test('an answer is believed without looking', async (t) => {
  const { ipvs, peer } = await facing(t);
  await ipvs.stopSyncDaemon('master');
  peer.script = butFor(DEL_DAEMON, (request) => [ack(request, ESRCH)]);
  t.match(await errorOf(ipvs.stopSyncDaemon('master')), { code: 'ESRCH', message: /not running/ });
  t.equal(peer.asked(GET_DAEMON).length, 0);
});
