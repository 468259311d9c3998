// What restoring a file would change, in words: what is there beside what the file says.

import type { Snapshot } from '../types.js';
import { TableDocument } from '../rules/document.js';
import { isRules, Target } from '../rules/target.js';
import type { PresentTable, TargetDestination, TargetService } from '../rules/target.js';
import { readRules } from '../rules/parse.js';
import type { RestoreResult, RestoredEntry } from '../rules/types.js';
import { destinationName, serviceName } from '../turns.js';
import type { ChangeReport } from './change.js';
import {
  destinationConfigOf,
  destinationInNumbers,
  destinationInWords,
  idOfKey,
  idOfServer,
  serviceConfigOf,
  serviceInNumbers,
  serviceInWords,
} from './config.js';

/** What a file says, read once: parsing YAML takes its time. */
export interface WantedTable {
  readonly text: string;
  readonly file: string;
  /** Where it is not rules. */
  readonly document?: TableDocument;
}

/** Throws a RulesError where it is neither rules nor JSON nor YAML. */
export function wantedTable(text: string, file: string): WantedTable {
  return isRules(text) ? { text, file } : { text, file, document: new TableDocument(text, file) };
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

// Not by what checks configurations: the kernel holds what the library would refuse to put there.
function tableOf({ services }: Snapshot): PresentTable {
  const table = new Map<string, TargetService>();
  for (const service of services) {
    const { id, numbers } = serviceInNumbers(serviceConfigOf(service));
    const destinations = new Map<string, TargetDestination>();
    for (const each of service.destinations) {
      const destination = destinationInNumbers(destinationConfigOf(each));
      destinations.set(destinationName(destination.id), destination);
    }
    table.set(serviceName(id), { id, numbers, destinations });
  }
  return table;
}

function targetOf({ text, file, document }: WantedTable, start: PresentTable): Target {
  if (document !== undefined) return Target.of(document.value, true).over(start);
  const target = new Target(start);
  target.follow(readRules(text, file), file);
  return target;
}

function reportOf(
  action: ChangeReport['action'],
  { service, destination }: RestoredEntry,
  before: PresentTable,
  after: PresentTable,
): ChangeReport {
  const find = (table: PresentTable) => {
    const found = table.get(serviceName(idOfKey(service)));
    if (destination === undefined) return found && serviceInWords(found.id, found.numbers);
    const own = found?.destinations.get(destinationName(idOfServer(destination)));
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
