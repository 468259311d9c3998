// What restoring a file would change, in words: what is there beside what the file says.

import type { Snapshot } from '../types.js';
import { isRules, Target } from '../rules/target.js';
import type { PresentTable, TargetDestination, TargetService } from '../rules/target.js';
import { readRules } from '../rules/parse.js';
import type { RestoreResult, RestoredEntry } from '../rules/types.js';
import { destinationName, serviceName } from '../turns.js';
import {
  parseDestinationConfig,
  parseDestinationId,
  parseServiceConfig,
  parseServiceId,
} from '../validate.js';
import type { ChangeReport } from './change.js';
import {
  destinationConfigOf,
  destinationInWords,
  serviceConfigOf,
  serviceInWords,
} from './config.js';

/** A file that was found to be good. */
export interface WantedTable {
  readonly text: string;
  readonly file: string;
}

/** One report for each entry of the result, in the order of the table. */
export function reportsOf(
  result: RestoreResult,
  present: Snapshot,
  wanted: WantedTable,
): ChangeReport[] {
  const before = tableOf(present);
  const after = targetOf(wanted, result.mode === 'merge' ? before : new Map());
  const report = (action: ChangeReport['action']) => (entry: RestoredEntry) =>
    reportOf(action, entry, before, after.services);
  return [
    ...result.removed.map(report('remove')),
    ...result.updated.map(report('update')),
    ...result.added.map(report('add')),
  ];
}

function tableOf({ services }: Snapshot): PresentTable {
  const table = new Map<string, TargetService>();
  for (const service of services) {
    const { id, numbers } = parseServiceConfig(serviceConfigOf(service));
    const destinations = new Map<string, TargetDestination>();
    for (const each of service.destinations) {
      const destination = parseDestinationConfig(destinationConfigOf(each), id);
      destinations.set(destinationName(destination.id), destination);
    }
    table.set(serviceName(id), { id, numbers, destinations });
  }
  return table;
}

function targetOf({ text, file }: WantedTable, start: PresentTable): Target {
  if (isRules(text)) {
    const target = new Target(start);
    target.follow(readRules(text, file), file);
    return target;
  }
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  const { parse } = require('yaml') as typeof import('yaml');
  return Target.of(parse(text) as object, true).over(start);
}

function reportOf(
  action: ChangeReport['action'],
  { service, destination }: RestoredEntry,
  before: PresentTable,
  after: PresentTable,
): ChangeReport {
  const owner = parseServiceId(service);
  const find = (table: PresentTable) => {
    const found = table.get(serviceName(owner));
    if (destination === undefined) return found && serviceInWords(found.id, found.numbers);
    const name = destinationName(parseDestinationId(destination, owner));
    const own = found?.destinations.get(name);
    return own && destinationInWords(own.id, own.numbers);
  };
  const [old, now] = [find(before), find(after)];
  return {
    action,
    service,
    ...(destination && { destination }),
    ...(old && { before: old }),
    ...(now && { after: now }),
  };
}
