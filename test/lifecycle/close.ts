// What close() promises. Works on any kernel: whether there is IPVS, its answers come in order.

import t from 'tap';
import { Ipvs } from 'ipvs';

const service = { fwmark: 4_294_967_295, family: 'ipv6' } as const;
const destination = { address: '2001:db8::1' };
const closed = { name: 'IpvsError', code: 'ERR_IPVS_CLOSED' };

type Call = (ipvs: Ipvs) => Promise<unknown>;

const first = (source: AsyncIterable<unknown>) => source[Symbol.asyncIterator]().next();

// Every method, so that a new one is not forgotten here.
const calls: Record<Exclude<keyof Ipvs, 'close' | typeof Symbol.asyncDispose>, Call> = {
  addService: (ipvs) => ipvs.addService(service),
  updateService: (ipvs) => ipvs.updateService(service, {}),
  replaceService: (ipvs) => ipvs.replaceService(service),
  ensureService: (ipvs) => ipvs.ensureService(service),
  removeService: (ipvs) => ipvs.removeService(service),
  getService: (ipvs) => ipvs.getService(service),
  listServices: (ipvs) => ipvs.listServices(),
  services: (ipvs) => first(ipvs.services()),
  addDestination: (ipvs) => ipvs.addDestination(service, destination),
  updateDestination: (ipvs) => ipvs.updateDestination(service, destination, {}),
  replaceDestination: (ipvs) => ipvs.replaceDestination(service, destination),
  ensureDestination: (ipvs) => ipvs.ensureDestination(service, destination),
  removeDestination: (ipvs) => ipvs.removeDestination(service, destination),
  getDestination: (ipvs) => ipvs.getDestination(service, destination),
  listDestinations: (ipvs) => ipvs.listDestinations(service),
  destinations: (ipvs) => first(ipvs.destinations(service)),
  snapshot: (ipvs) => ipvs.snapshot(),
  batch: (ipvs) => ipvs.batch([{ op: 'removeService', service }]),
  restore: (ipvs) => ipvs.restore(''),
  flush: (ipvs) => ipvs.flush(),
  zero: (ipvs) => ipvs.zero(service),
  getInfo: (ipvs) => ipvs.getInfo(),
  getTimeouts: (ipvs) => ipvs.getTimeouts(),
  setTimeouts: (ipvs) => ipvs.setTimeouts({}),
  getStats: (ipvs) => ipvs.getStats(),
  connections: (ipvs) => first(ipvs.connections()),
  startSyncDaemon: (ipvs) => ipvs.startSyncDaemon({ role: 'master', interface: 'lo' }),
  stopSyncDaemon: (ipvs) => ipvs.stopSyncDaemon('master'),
  listSyncDaemons: (ipvs) => ipvs.listSyncDaemons(),
  probe: (ipvs) => ipvs.probe(),
};

// Catches a method that still talks to the kernel, or never settles.
t.test('after close() every operation is refused', async (t) => {
  const ipvs = await Ipvs.open();
  await ipvs.close();
  for (const [name, call] of Object.entries(calls)) await t.rejects(call(ipvs), closed, name);
});

// Catches a close() that overtakes what was asked before it: in the kernel, or on its way to the caller.
t.test('close() waits for what is in flight', async (t) => {
  const ipvs = await Ipvs.open();
  const order: string[] = [];
  const note = (what: string) => () => {
    order.push(what);
  };
  const reads = [
    ...Array.from({ length: 300 }, () => ipvs.getService(service)),
    ipvs.listServices(),
    ipvs.getDestination(service, destination),
    ipvs.updateService(service, {}),
    ipvs.getTimeouts(),
    ipvs.getStats(),
    ipvs.snapshot(),
    ipvs.listSyncDaemons(),
    ipvs.probe(),
    first(ipvs.connections()),
  ];
  const all = reads.map((read) => read.then(note('settled'), note('settled')));
  await Promise.all([ipvs.close().then(note('closed')), ...all]);
  t.strictSame(order, [...reads.map(() => 'settled'), 'closed']);
});

t.test('what is asked while close() waits is refused', async (t) => {
  const ipvs = await Ipvs.open();
  const asked = ipvs.getService(service).catch(() => undefined);
  const closing = ipvs.close();
  await t.rejects(ipvs.getService(service), closed);
  await Promise.all([asked, closing]);
});

t.test('close() may be repeated, also while it waits', async (t) => {
  const ipvs = await Ipvs.open();
  const asked = ipvs.getService(service).catch(() => undefined);
  await t.resolves(Promise.all([ipvs.close(), ipvs.close()]));
  await t.resolves(ipvs.close());
  await asked;
});

t.test('a handle closes at the end of its block', async (t) => {
  let used;
  {
    await using ipvs = await Ipvs.open();
    used = ipvs;
  }
  await t.rejects(used.listServices(), closed);
});

// Catches state that handles share.
t.test('closing one handle leaves the others alone', async (t) => {
  const [one, other] = await Promise.all([Ipvs.open(), Ipvs.open()]);
  await one.close();
  const outcome = await other.getService(service).catch((error: unknown) => error);
  t.notMatch(outcome ?? {}, closed);
  await other.close();
});
