// The only place where numbers meet words. The numbers are those of include/uapi/linux/ip_vs.h.

import { IPV4, IPV6 } from './address.js';
import type {
  ConnectionRecord,
  DaemonRecord,
  DestinationRecord,
  InfoRecord,
  ServiceRecord,
} from './records.js';
import type {
  AddressFamily,
  Connection,
  Destination,
  Forwarding,
  Info,
  Protocol,
  SchedulerFlag,
  Service,
  ServiceKey,
  SyncDaemon,
  SyncRole,
  Tunnel,
} from './types.js';

/** Words for numbers, both ways. */
export class Vocabulary<Word extends string> {
  readonly words: readonly Word[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #words: readonly (Word | undefined)[]; // all numbers are small

  constructor(entries: Readonly<Record<Word, number>>) {
    this.words = Object.keys(entries) as Word[];
    this.#numbers = new Map(Object.entries(entries));
    const byNumber: Word[] = [];
    for (const word of this.words) byNumber[entries[word]] = word;
    this.#words = byNumber;
  }

  number(word: string): number | undefined {
    return this.#numbers.get(word);
  }

  /**
   * The kernel stores some numbers without looking at them, so somebody else's may have no word.
   * They come back as digits rather than fail the whole listing.
   */
  word(number: number): Word {
    return this.#words[number] ?? (String(number) as Word);
  }

  /** The same, for numbers that anybody may give a meaning. */
  wordOrNumber(number: number): Word | number {
    return this.#words[number] ?? number;
  }
}

export const FAMILIES = new Vocabulary<AddressFamily>({ ipv4: IPV4, ipv6: IPV6 });

export const PROTOCOLS = new Vocabulary<Protocol>({ tcp: 6, udp: 17, sctp: 132 });

export const FORWARDINGS = new Vocabulary<Forwarding>({
  nat: 0,
  local: 1,
  tun: 2,
  dr: 3,
  bypass: 4,
});
export const NAT = 0;
export const TUN = 2;

export const TUNNELS = new Vocabulary<Tunnel['type']>({ ipip: 0, gue: 1, gre: 2 });
export const GUE = 1;

export type Checksum = 'none' | 'csum' | 'remcsum';
export const CHECKSUMS = new Vocabulary<Checksum>({ none: 0, csum: 1, remcsum: 2 });

export const ROLES = new Vocabulary<SyncRole>({ master: 1, backup: 2 });

const ORIGINS = new Vocabulary<NonNullable<Connection['origin']>>({ local: 1, synchronised: 2 });

// IP_VS_SVC_F_*
export const PERSISTENT = 0x01;
export const ONE_PACKET = 0x04;
const SCHEDULER_BITS = [0x08, 0x10, 0x20] as const;
/** The bits of a service's flags that are ours to set: HASHED (0x02) is the kernel's. */
export const SETTABLE_FLAGS = 0x3d;
export const ALL_SCHEDULER_BITS = 0x38;

const SCHEDULER_FLAGS: Readonly<Record<SchedulerFlag, number>> = {
  'sh-fallback': SCHEDULER_BITS[0],
  'sh-port': SCHEDULER_BITS[1],
  'mh-fallback': SCHEDULER_BITS[0],
  'mh-port': SCHEDULER_BITS[1],
  'flag-1': SCHEDULER_BITS[0],
  'flag-2': SCHEDULER_BITS[1],
  'flag-3': SCHEDULER_BITS[2],
};
export const SCHEDULER_FLAG_WORDS = Object.keys(SCHEDULER_FLAGS) as SchedulerFlag[];

export function schedulerFlagBit(flag: string): number | undefined {
  return Object.hasOwn(SCHEDULER_FLAGS, flag) ? SCHEDULER_FLAGS[flag as SchedulerFlag] : undefined;
}

/** The scheduler that a flag is for, or undefined where it suits any. */
export function schedulerOfFlag(flag: string): string | undefined {
  return flag.startsWith('flag-') ? undefined : flag.slice(0, flag.indexOf('-'));
}

const FLAG_NAMES_OF: Readonly<Record<string, readonly SchedulerFlag[]>> = {
  sh: ['sh-fallback', 'sh-port', 'flag-3'],
  mh: ['mh-fallback', 'mh-port', 'flag-3'],
};
const ANY_FLAG_NAMES: readonly SchedulerFlag[] = ['flag-1', 'flag-2', 'flag-3'];

function schedulerFlags(scheduler: string, flags: number): SchedulerFlag[] {
  const names = FLAG_NAMES_OF[scheduler] ?? ANY_FLAG_NAMES;
  return names.filter((_, index) => (flags & (SCHEDULER_BITS[index] ?? 0)) !== 0);
}

export function dottedMask(mask: number): string {
  return `${mask >>> 24}.${(mask >>> 16) & 255}.${(mask >>> 8) & 255}.${mask & 255}`;
}

/** The words for a service's key. */
export function toServiceKey(
  id: Pick<ServiceRecord, 'family' | 'protocol' | 'address' | 'port' | 'fwmark'>,
): ServiceKey {
  const { family, protocol, address, port, fwmark } = id;
  return fwmark !== 0
    ? { fwmark, family: FAMILIES.word(family) }
    : { protocol: PROTOCOLS.word(protocol), address, port };
}

export function toService<Counter extends number | bigint>(
  record: ServiceRecord<Counter>,
): Service<Counter> {
  const { flags } = record;
  if ((flags & PERSISTENT) === 0 && record.engine === '') return toPlainService(record);
  return {
    ...(toServiceKey(record) as Service<Counter>),
    family: FAMILIES.word(record.family),
    scheduler: record.scheduler,
    schedulerFlags: schedulerFlags(record.scheduler, flags),
    ...((flags & PERSISTENT) !== 0 && {
      persistence: {
        timeout: record.timeout,
        netmask: record.family === IPV4 ? dottedMask(record.netmask) : record.netmask,
        ...(record.engine !== '' && { engine: record.engine }),
      },
    }),
    ...((flags & PERSISTENT) === 0 && record.engine !== '' && { engine: record.engine }),
    onePacket: (flags & ONE_PACKET) !== 0,
    stats: record.stats,
  };
}

// Without spreading anything: most of a hundred thousand services are like this.
function toPlainService<Counter extends number | bigint>(
  record: ServiceRecord<Counter>,
): Service<Counter> {
  const { fwmark, scheduler, stats } = record;
  const family = FAMILIES.word(record.family);
  const flags = schedulerFlags(scheduler, record.flags);
  const onePacket = (record.flags & ONE_PACKET) !== 0;
  return fwmark !== 0
    ? { fwmark, family, scheduler, schedulerFlags: flags, onePacket, stats }
    : {
        protocol: PROTOCOLS.word(record.protocol),
        address: record.address,
        port: record.port,
        family,
        scheduler,
        schedulerFlags: flags,
        onePacket,
        stats,
      };
}

function toTunnel(record: DestinationRecord<number | bigint>): Tunnel {
  const type = TUNNELS.word(record.tunnelType);
  const checksum = CHECKSUMS.word(record.tunnelFlags);
  switch (type) {
    case 'gue':
      return { type, port: record.tunnelPort, checksum };
    case 'gre':
      return { type, checksum: checksum as 'none' | 'csum' };
    default:
      return { type };
  }
}

// Without spreading anything: this is done for each of a hundred thousand real servers.
export function toDestination<Counter extends number | bigint>(
  record: DestinationRecord<Counter>,
): Destination<Counter> {
  const family = FAMILIES.word(record.family);
  const forwarding = FORWARDINGS.word(record.forwarding);
  if (record.forwarding === TUN) {
    return {
      address: record.address,
      port: record.port,
      family,
      forwarding,
      weight: record.weight,
      upperThreshold: record.upperThreshold,
      lowerThreshold: record.lowerThreshold,
      tunnel: toTunnel(record),
      activeConnections: record.activeConnections,
      inactiveConnections: record.inactiveConnections,
      persistentConnections: record.persistentConnections,
      stats: record.stats,
    };
  }
  return {
    address: record.address,
    port: record.port,
    family,
    forwarding,
    weight: record.weight,
    upperThreshold: record.upperThreshold,
    lowerThreshold: record.lowerThreshold,
    activeConnections: record.activeConnections,
    inactiveConnections: record.inactiveConnections,
    persistentConnections: record.persistentConnections,
    stats: record.stats,
  };
}

export function toSyncDaemon(record: DaemonRecord): SyncDaemon {
  return { ...record, role: ROLES.word(record.role) };
}

export function toInfo({ version, connectionTableSize }: InfoRecord): Info {
  const parts = [version >>> 16, (version >>> 8) & 255, version & 255];
  return { version: parts.join('.'), connectionTableSize };
}

export function toConnection(record: ConnectionRecord): Connection {
  const { protocol, fwmark, origin, engine } = record;
  return {
    kind: record.isTemplate !== 0 ? 'template' : 'connection',
    ...(protocol !== 0 && { protocol: PROTOCOLS.word(protocol) }),
    client: record.client,
    virtual: protocol === 0 ? { fwmark } : record.virtual,
    destination: record.destination,
    state: record.state,
    expires: record.expires,
    ...(origin !== 0 && { origin: ORIGINS.word(origin) }),
    ...(engine !== '' && { engine, engineData: record.engineData }),
  };
}
