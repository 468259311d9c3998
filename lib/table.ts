// A table of services with their destinations, as a look at it came back.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NativeTable } from './native.js';
import type {
  Counter,
  DestinationId,
  DestinationRecord,
  ServiceId,
  ServiceRecord,
} from './records.js';
import { Records } from './rows.js';

/** So many records become objects before others get the thread. */
export const PORTION = 2000;

/** The destinations of the n-th service are the next counts[n] ones. */
export interface Table {
  readonly services: Records<ServiceRecord<Counter>>;
  readonly destinations: Records<DestinationRecord<Counter>>;
  readonly counts: Uint32Array;
  readonly settled: boolean;
}

/** A service, and those of its destinations that are wanted too. */
export interface WantedService {
  readonly service: ServiceId;
  readonly destinations: readonly DestinationId[];
}

/** In a table's counts: the service is not there. */
export const ABSENT = 2 ** 32 - 1;

export function tableOf({ services, destinations, ...rest }: NativeTable, bigint: boolean): Table {
  return {
    ...rest,
    services: Records.services(services, bigint),
    destinations: Records.destinations(destinations, bigint),
  };
}

/** What is made of a table. A record is valid only until the method returns. */
export interface TableReader {
  /** One that is there; `index` counts those that are not, too. */
  service(record: ServiceRecord<Counter>, index: number): void;
  /** One of the service before. */
  destination(record: DestinationRecord<Counter>): void;
}

/** Reads a table to its end, in portions: a single service may have a hundred thousand destinations. */
export async function readTable(
  { services, destinations, counts }: Table,
  reader: TableReader,
): Promise<void> {
  const readDestination = (record: DestinationRecord<Counter>): void => {
    reader.destination(record);
  };
  let room = PORTION;
  for (const [index, count] of counts.entries()) {
    if (room === 0) room = await roomOfNextTurn();
    services.visit(1, (record) => {
      if (count !== ABSENT) reader.service(record, index);
    });
    room--;
    for (let rest = count === ABSENT ? 0 : count; rest > 0;) {
      if (room === 0) room = await roomOfNextTurn();
      const portion = Math.min(rest, room);
      destinations.visit(portion, readDestination);
      rest -= portion;
      room -= portion;
    }
  }
}

async function roomOfNextTurn(): Promise<number> {
  await nextTurn();
  return PORTION;
}
