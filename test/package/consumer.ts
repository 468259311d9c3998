// A user's program, only ever compiled: test/package.ts does so against the packed tarball under every
// module setting. What must not compile is marked, so that it fails here once it does compile.

import { Ipvs, IpvsError, RulesError } from 'ipvs';
import * as ipvs from 'ipvs';
import type {
  AddressFamily,
  AddressServiceKey,
  Destination,
  DestinationChanges,
  DestinationConfig,
  DestinationKey,
  Ensured,
  FormattedRules,
  Forwarding,
  IpvsErrorCode,
  MarkServiceKey,
  OpenOptions,
  ParsedRule,
  Persistence,
  PersistenceChanges,
  Protocol,
  ReadOptions,
  RestoreResult,
  SchedulerFlag,
  Service,
  ServiceChanges,
  ServiceConfig,
  ServiceKey,
  Stats,
  TableConfig,
  Tunnel,
} from 'ipvs';

// Two functions are of one type only where their conditions are the same: any is not number.
/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/* eslint-enable @typescript-eslint/no-unnecessary-type-parameters */

// exactly<number>()(value) compiles where the value's type is number, neither wider nor narrower.
declare function exactly<Expected>(): <Actual>(
  value: Actual,
  ...same: Same<Actual, Expected> extends true ? [] : [never]
) => Actual;

const web: AddressServiceKey = { protocol: 'tcp', address: '192.0.2.1', port: 80 };
const mark: MarkServiceKey = { fwmark: 80, family: 'ipv6' };

export async function handles(statics: keyof typeof Ipvs): Promise<void> {
  exactly<'open' | 'prototype'>()(statics); // nothing internal
  const everything: OpenOptions = { netns: 'director', timeout: 1000 };
  await using opened = await Ipvs.open(everything);
  exactly<Ipvs>()(opened);
  exactly<Promise<void>>()(opened.close());
  exactly<Promise<void>>()(opened[Symbol.asyncDispose]());
  await Ipvs.open();
  await Ipvs.open({});
  await Ipvs.open({ netns: { pid: 1 } });
  await Ipvs.open({ netns: '/run/netns/director' });

  // @ts-expect-error a handle comes from open()
  new Ipvs();
  // @ts-expect-error a number is not a namespace
  await Ipvs.open({ netns: 1 });
  // @ts-expect-error left out and undefined are two things here
  await Ipvs.open({ netns: undefined });
  // @ts-expect-error there is no such option
  await Ipvs.open({ timeoutMs: 1 });
}

export async function services(): Promise<void> {
  const flags: readonly SchedulerFlag[] = ['sh-fallback', 'sh-port'];
  const persistence: Persistence = { timeout: 300, netmask: '255.255.255.0', engine: 'sip' };
  const config: ServiceConfig = { ...web, scheduler: 'sh', schedulerFlags: flags, persistence };
  const marked: ServiceConfig = { fwmark: 1, onePacket: true, persistence: { netmask: 24 } };

  exactly<Promise<void>>()(ipvs.addService(config));
  exactly<Promise<void>>()(ipvs.replaceService(marked));
  exactly<Promise<Ensured>>()(ipvs.ensureService(config));
  exactly<'added' | 'updated' | 'unchanged'>()(await ipvs.ensureService(config));
  exactly<Promise<void>>()(ipvs.removeService(mark));
  exactly<Service | undefined>()(await ipvs.getService(web));
  exactly<Service[]>()(await ipvs.listServices());
  for await (const service of ipvs.services()) exactly<Service>()(service);

  const changes: ServiceChanges = { scheduler: 'rr', persistence: { engine: null } };
  exactly<Promise<void>>()(ipvs.updateService(web, changes));
  const persistenceChanges: PersistenceChanges = { timeout: 60 };
  await ipvs.updateService(web, { persistence: persistenceChanges });
  await ipvs.updateService(web, { persistence: null, schedulerFlags: [] });

  // @ts-expect-error an address or a mark, not both
  await ipvs.addService({ ...web, fwmark: 1 });
  // @ts-expect-error an address or a mark, not both
  await ipvs.removeService({ fwmark: 1, port: 80 });
  // @ts-expect-error a key needs its port
  await ipvs.addService({ protocol: 'tcp', address: '192.0.2.1' });
  // @ts-expect-error ICMP has no ports to balance
  await ipvs.addService({ ...web, protocol: 'icmp' });
  // @ts-expect-error there is no such flag
  await ipvs.addService({ ...web, schedulerFlags: ['sh-ports'] });
  // @ts-expect-error a number of seconds
  await ipvs.addService({ ...web, persistence: { timeout: '300' } });
  // @ts-expect-error null ends persistence that is there; a new service leaves it out
  await ipvs.addService({ ...web, persistence: null });
  // @ts-expect-error undefined is not a scheduler
  await ipvs.addService({ ...web, scheduler: undefined });
  // @ts-expect-error the key is not among what can change
  await ipvs.updateService(web, { port: 81 });
  // @ts-expect-error which service?
  await ipvs.getService();
}

export async function destinations(): Promise<void> {
  const key: DestinationKey = { address: '198.51.100.1' };
  const gue: Tunnel = { type: 'gue', port: 6080, checksum: 'remcsum' };
  const config: DestinationConfig = {
    ...key,
    port: 8080,
    forwarding: 'tun',
    weight: 2,
    upperThreshold: 9,
    lowerThreshold: 3,
    tunnel: gue,
  };
  const changes: DestinationChanges = { weight: 0 };

  exactly<Promise<void>>()(ipvs.addDestination(web, config));
  exactly<Promise<void>>()(ipvs.updateDestination(web, key, changes));
  exactly<Promise<void>>()(ipvs.replaceDestination(web, config));
  exactly<Promise<Ensured>>()(ipvs.ensureDestination(web, config));
  exactly<Promise<void>>()(ipvs.removeDestination(web, key));
  exactly<Destination | undefined>()(await ipvs.getDestination(web, key));
  exactly<Destination[]>()(await ipvs.listDestinations(web));
  for await (const one of ipvs.destinations(mark)) exactly<Destination>()(one);
  await ipvs.addDestination(web, { ...key, tunnel: { type: 'ipip' } });
  await ipvs.addDestination(web, { ...key, tunnel: { type: 'gre', checksum: 'csum' } });

  // @ts-expect-error where does the real server decapsulate?
  await ipvs.addDestination(web, { ...key, tunnel: { type: 'gue' } });
  // @ts-expect-error GRE knows no remote checksum
  await ipvs.addDestination(web, { ...key, tunnel: { type: 'gre', checksum: 'remcsum' } });
  // @ts-expect-error IPIP has no port
  await ipvs.addDestination(web, { ...key, tunnel: { type: 'ipip', port: 6080 } });
  // @ts-expect-error there is no such method
  await ipvs.addDestination(web, { ...key, forwarding: 'masq' });
  // @ts-expect-error which real server?
  await ipvs.addDestination(web, { port: 80 });
  // @ts-expect-error the key is not among what can change
  await ipvs.updateDestination(web, key, { address: '198.51.100.2' });
}

// Counters are bigints for who asks for them.
export async function counters(): Promise<void> {
  const handle = await Ipvs.open();
  const service = await handle.getService(web);
  const exact = await handle.getService(web, { bigint: true });
  exactly<Stats | undefined>()(service?.stats);
  exactly<Stats<bigint> | undefined>()(exact?.stats);
  exactly<number | undefined>()(service?.stats.incomingBytes);
  exactly<bigint | undefined>()(exact?.stats.incomingBytes);
  exactly<Service<bigint>[]>()(await handle.listServices({ bigint: true }));
  exactly<Service[]>()(await handle.listServices({ bigint: false }));
  exactly<Service[]>()(await handle.listServices({}));
  exactly<Destination<bigint>[]>()(await handle.listDestinations(web, { bigint: true }));
  exactly<Destination<bigint> | undefined>()(
    await handle.getDestination(web, { address: '198.51.100.1' }, { bigint: true }),
  );
  for await (const one of handle.services({ bigint: true })) exactly<Service<bigint>>()(one);
  for await (const one of handle.destinations(web, { bigint: true })) {
    exactly<Destination<bigint>>()(one);
  }

  const options: ReadOptions = { bigint: true };
  await handle.listServices(options);
  // @ts-expect-error a flag is no number
  await handle.listServices({ bigint: 1 });
  // @ts-expect-error counters are read, never set
  await handle.addService({ ...web, stats: service?.stats });
}

// What was read may be passed wherever a key or a config is asked for.
export async function roundTrip(): Promise<void> {
  for (const service of await ipvs.listServices()) {
    const key: ServiceKey = service;
    await ipvs.getService(service);
    await ipvs.ensureService(service);
    for (const destination of await ipvs.listDestinations(key)) {
      await ipvs.ensureDestination(service, destination);
      await ipvs.removeDestination(service, destination);
    }
  }
  for (const service of await ipvs.listServices({ bigint: true })) await ipvs.getService(service);
}

// What it reads is told apart by what is in it.
export function describe(service: Service, destination: Destination): string {
  exactly<AddressFamily>()(service.family);
  exactly<Forwarding>()(destination.forwarding);
  exactly<number>()(destination.activeConnections);
  exactly<number | undefined>()(service.persistence?.timeout);
  exactly<string | number | undefined>()(service.persistence?.netmask);
  // @ts-expect-error what was read is not for changing
  service.scheduler = 'rr';
  const at =
    'fwmark' in service
      ? `mark ${exactly<number>()(service.fwmark)}`
      : `${exactly<Protocol>()(service.protocol)} ${service.address}:${service.port}`;
  const { tunnel } = destination;
  const port = tunnel?.type === 'gue' ? exactly<number>()(tunnel.port) : undefined;
  return `${at} ${port}`;
}
// @ts-expect-error a mark has no port
export type PortOfAnyService = Service['port'];

export async function failures(): Promise<string | undefined> {
  try {
    await ipvs.listServices();
    return undefined;
  } catch (error) {
    if (!(error instanceof IpvsError)) throw error;
    exactly<string>()(error.code);
    exactly<string>()(error.command);
    exactly<number | undefined>()(error.errno);
    exactly<string | undefined>()(error.syscall);
    exactly<ServiceKey | undefined>()(error.service);
    exactly<DestinationKey | undefined>()(error.destination);
    exactly<string | undefined>()(error.hint);
    const code: IpvsErrorCode = 'ERR_IPVS_UNAVAILABLE';
    return error.code === code ? error.hint : error.message;
  }
}

export async function rules(text: string): Promise<readonly string[]> {
  const snapshot = await ipvs.snapshot();
  const result = await ipvs.restore(snapshot, { mode: 'merge', dryRun: true });
  exactly<RestoreResult>()(result);
  exactly<Promise<RestoreResult>>()(ipvs.restore(text, { file: 'rules' }));
  const table: TableConfig = { services: [{ ...web, destinations: [{ address: '192.0.2.5' }] }] };
  await ipvs.restore(table);
  await ipvs.restore(await ipvs.snapshot({ bigint: true }));
  exactly<FormattedRules>()(ipvs.formatRules(snapshot));
  try {
    exactly<ParsedRule[]>()(ipvs.parseRules(text, { file: 'rules' }));
  } catch (error) {
    if (!(error instanceof RulesError)) throw error;
    exactly<number>()(error.line);
    exactly<'ERR_IPVS_RULES'>()(error.code);
  }
  // @ts-expect-error there is no such mode
  await ipvs.restore(text, { mode: 'add' });
  // @ts-expect-error a table has services
  await ipvs.restore({});
  return ipvs.formatRules(table).warnings;
}
