// What the kernel would take in silence and what nobody can mean is refused before anything is sent:
// with an error that names the property and the value, by every method that could send it. Where a
// check is missing, a service is there afterwards that drops everything.

import t from 'tap';
import type { Test } from 'tap';
import type {
  DestinationChanges,
  DestinationConfig,
  Ipvs,
  ServiceChanges,
  ServiceConfig,
} from 'ipvs';
import { fakeIpvs } from '../fixtures/fake-addon.js';
import { senselessDestinations, senselessServices } from '../fixtures/senseless.js';
import type { Senseless } from '../fixtures/senseless.js';
import { failureOf } from '../lab/failure.js';

async function isRefused(
  t: Test,
  senseless: Senseless,
  path: string,
  call: (ipvs: Ipvs) => Promise<unknown>,
): Promise<void> {
  const { ipvs, commands, dumps } = fakeIpvs();
  const { property, value, code = 'ERR_INVALID_ARG_VALUE' } = senseless;
  const error = await failureOf(call(ipvs));
  t.equal(error.code, code);
  t.type(error, code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError);
  t.ok(error.message.startsWith(`The property '${path}.${property}' `), error.message);
  t.ok(error.message.endsWith(`. Received ${value}`), error.message);
  t.strictSame([commands.exchanges, dumps.dumps, dumps.tables], [[], [], []], 'nothing is sent');
  t.strictSame(commands.paths, [], 'nothing is read');
}

for (const senseless of senselessServices) {
  t.test(`${senseless.name} is refused before it is sent`, async (t) => {
    const config = senseless.config as ServiceConfig;
    await isRefused(t, senseless, 'service', (ipvs) => ipvs.addService(config));
    await isRefused(t, senseless, 'service', (ipvs) => ipvs.replaceService(config));
    await isRefused(t, senseless, 'service', (ipvs) => ipvs.ensureService(config));
    if (senseless.changes === undefined) return;
    const changes = senseless.changes as ServiceChanges;
    await isRefused(t, senseless, 'changes', (ipvs) => ipvs.updateService(config, changes));
  });
}

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

for (const senseless of senselessDestinations) {
  t.test(`${senseless.name} is refused before it is sent`, async (t) => {
    const config = senseless.config as DestinationConfig;
    const at = 'destination';
    await isRefused(t, senseless, at, (ipvs) => ipvs.addDestination(service, config));
    await isRefused(t, senseless, at, (ipvs) => ipvs.replaceDestination(service, config));
    await isRefused(t, senseless, at, (ipvs) => ipvs.ensureDestination(service, config));
    if (senseless.changes === undefined) return;
    const changes = senseless.changes as DestinationChanges;
    await isRefused(t, senseless, 'changes', (ipvs) =>
      ipvs.updateDestination(service, config, changes),
    );
  });
}

// A misspelt option that is passed over in silence is a setting that nobody gets.
t.test('unknown keys are refused by name, wherever they stand', async (t) => {
  const { ipvs, commands, dumps } = fakeIpvs();
  const real = { address: '10.0.0.5' };
  const misspelt = { ...service, schedular: 'rr' };
  const bigInt = { bigInt: true } as object;
  // Those that take a signal and nothing else.
  const changing: [name: string, (ipvs: Ipvs, options: object) => Promise<unknown>][] = [
    ['addService', (ipvs, options) => ipvs.addService(service, options)],
    ['updateService', (ipvs, options) => ipvs.updateService(service, {}, options)],
    ['replaceService', (ipvs, options) => ipvs.replaceService(service, options)],
    ['ensureService', (ipvs, options) => ipvs.ensureService(service, options)],
    ['removeService', (ipvs, options) => ipvs.removeService(service, options)],
    ['addDestination', (ipvs, options) => ipvs.addDestination(service, real, options)],
    ['updateDestination', (ipvs, options) => ipvs.updateDestination(service, real, {}, options)],
    ['replaceDestination', (ipvs, options) => ipvs.replaceDestination(service, real, options)],
    ['ensureDestination', (ipvs, options) => ipvs.ensureDestination(service, real, options)],
    ['removeDestination', (ipvs, options) => ipvs.removeDestination(service, real, options)],
    ['flush', (ipvs, options) => ipvs.flush(options)],
    ['zero', (ipvs, options) => ipvs.zero(service, options)],
    ['getInfo', (ipvs, options) => ipvs.getInfo(options)],
    ['getTimeouts', (ipvs, options) => ipvs.getTimeouts(options)],
    ['setTimeouts', (ipvs, options) => ipvs.setTimeouts({}, options)],
    [
      'startSyncDaemon',
      (ipvs, options) => ipvs.startSyncDaemon({ role: 'master', interface: 'lo' }, options),
    ],
    ['stopSyncDaemon', (ipvs, options) => ipvs.stopSyncDaemon('master', options)],
    ['listSyncDaemons', (ipvs, options) => ipvs.listSyncDaemons(options)],
    ['probe', (ipvs, options) => ipvs.probe(options)],
  ];
  const calls: [property: string, () => Promise<unknown>][] = [
    ['service.schedular', () => ipvs.addService(misspelt)],
    ['service.schedular', () => ipvs.replaceService(misspelt)],
    ['service.schedular', () => ipvs.ensureService(misspelt)],
    ['service.schedular', () => ipvs.removeService(misspelt)],
    ['service.schedular', () => ipvs.getService(misspelt)],
    ['service.schedular', () => ipvs.listDestinations(misspelt)],
    ['changes.schedular', () => ipvs.updateService(service, { schedular: 'rr' } as object)],
    ['changes.port', () => ipvs.updateService(service, { port: 81 } as object)],
    [
      'service.persistence.seconds',
      () => ipvs.addService({ ...service, persistence: { seconds: 1 } as object }),
    ],
    [
      'changes.persistence.mask',
      () => ipvs.updateService(service, { persistence: { mask: 1 } as object }),
    ],
    ['destination.wieght', () => ipvs.addDestination(service, { ...real, wieght: 2 } as never)],
    ['destination.wieght', () => ipvs.ensureDestination(service, { ...real, wieght: 2 } as never)],
    ['destination.wieght', () => ipvs.getDestination(service, { ...real, wieght: 2 } as never)],
    ['changes.wieght', () => ipvs.updateDestination(service, real, { wieght: 2 } as object)],
    ['changes.address', () => ipvs.updateDestination(service, real, real as object)],
    [
      'destination.tunnel.ttl',
      () =>
        ipvs.addDestination(service, {
          ...real,
          forwarding: 'tun',
          tunnel: { type: 'ipip', ttl: 4 } as never,
        }),
    ],
    // Of another kind of tunnel: it would be dropped in silence.
    [
      'destination.tunnel.port',
      () =>
        ipvs.addDestination(service, {
          ...real,
          forwarding: 'tun',
          tunnel: { type: 'gre', port: 6080 } as never,
        }),
    ],
    ['options.bigInt', () => ipvs.getService(service, bigInt)],
    ['options.bigInt', () => ipvs.listServices(bigInt)],
    ['options.bigInt', () => ipvs.getDestination(service, real, bigInt)],
    ['options.bigInt', () => ipvs.listDestinations(service, bigInt)],
    ['options.bigInt', () => first(ipvs.services(bigInt))],
    ['options.bigInt', () => first(ipvs.destinations(service, bigInt))],
    ['options.bigInt', () => ipvs.getStats(bigInt)],
    ['options.bigInt', () => ipvs.snapshot(bigInt)],
    ['options.bigInt', () => first(ipvs.connections(bigInt))],
    ['options.client.prot', () => first(ipvs.connections({ client: { prot: 1 } as object }))],
    ['service.schedular', () => ipvs.zero(misspelt)],
    ['timeouts.tcpfin', () => ipvs.setTimeouts({ tcpfin: 1 } as object)],
    [
      'daemon.iface',
      () => ipvs.startSyncDaemon({ role: 'master', interface: 'lo', iface: 'lo' } as never),
    ],
    ...changing.map(([, call]): [string, () => Promise<unknown>] => [
      'options.bigInt',
      () => call(ipvs, bigInt),
    ]),
  ];
  for (const [property, call] of calls) {
    const error = await failureOf(call());
    t.match(error, { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' });
    t.ok(
      error.message.startsWith(`The property '${property}' is not known here, only `),
      error.message,
    );
  }
  t.strictSame([commands.exchanges, dumps.dumps, dumps.tables], [[], [], []], 'nothing is sent');
  t.strictSame(commands.paths, [], 'nothing is read');
});

async function first(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source) return;
}
