// Changes one after the other: what was there, what became of it, and what is there now.

import type { Ipvs } from '../ipvs.js';
import type {
  Destination,
  DestinationConfig,
  DestinationKey,
  Outcome,
  Service,
  ServiceConfig,
  ServiceKey,
} from '../types.js';
import { destinationConfigOf, keyOf, serviceConfigOf } from './config.js';
import type { Context } from './context.js';
import { Exit, statusOf, tell } from './failure.js';
import type { Told } from './failure.js';
import { lazy } from './lazy.js';
import type { Change, Found } from './predict.js';
import { changeLine } from './render/change.js';

/** What became of one change; its shape with --json. */
export interface ChangeReport {
  readonly action: 'add' | 'update' | 'remove' | 'none';
  readonly service: ServiceKey;
  readonly destination?: DestinationKey;
  /** Absent where it was not there. */
  readonly before?: ServiceConfig | DestinationConfig;
  /** Absent where it is not there any more. */
  readonly after?: ServiceConfig | DestinationConfig;
  /** Of a server that is there: how many connections it has. */
  readonly connections?: ConnectionCounts;
  /** Why it was not done; then `action` is 'none'. */
  readonly error?: Told;
}

export interface ConnectionCounts {
  readonly active: number;
  readonly inactive: number;
  readonly persistent: number;
}

/** A change, and whether nothing to do is a failure. */
export interface ChangeOptions {
  readonly dryRun: boolean;
  readonly missingOk?: boolean;
}

/** What is there of the thing that a change is about. */
interface View {
  readonly service: Service | undefined;
  readonly destination: Destination | undefined;
}

/** Carries changes out, or with `dryRun` says what they would do; resolves to the exit status. */
export async function carryOut(
  context: Context,
  changes: readonly Change[],
  { dryRun, missingOk = false }: ChangeOptions,
): Promise<number> {
  if (dryRun) lazy.predict().check(changes);
  const ipvs = await context.ipvs();
  const before = await look(ipvs, changes);
  const wanted = changes.map((change, index) => ({ change, before: before[index] ?? NOTHING }));
  const reports = dryRun
    ? wanted.map(({ change, before }) => foresee(change, before, missingOk))
    : await perform(ipvs, wanted, missingOk);
  const errors = reports.flatMap(({ failure }) => failure ?? []);
  const told = reports.map(({ report }) => report);
  if (context.json) await context.printJson({ dryRun, changes: told });
  else {
    const done = told.filter(({ error }) => error === undefined);
    await context.print(done.map((each) => changeLine(each, dryRun, context.style)));
  }
  for (const error of errors) context.fail(error);
  return errors.length === 0 ? Exit.done : statusOf(errors[0]);
}

const NOTHING: View = { service: undefined, destination: undefined };

interface Judged {
  readonly report: ChangeReport;
  readonly failure?: unknown;
}

async function look(ipvs: Ipvs, changes: readonly Change[]): Promise<View[]> {
  return Promise.all(
    changes.map(async (change) => {
      const [service, destination] = await Promise.all([
        ipvs.getService(change.service),
        'destination' in change
          ? ipvs.getDestination(change.service, change.destination)
          : undefined,
      ]);
      return { service, destination };
    }),
  );
}

interface Wanted {
  readonly change: Change;
  readonly before: View;
}

async function perform(
  ipvs: Ipvs,
  wanted: readonly Wanted[],
  missingOk: boolean,
): Promise<Judged[]> {
  const outcomes = await ipvs.batch(wanted.map(({ change }) => change));
  const after = await look(
    ipvs,
    wanted.map(({ change }) => change),
  );
  return wanted.map(({ change, before }, index) => {
    const failure: Outcome = outcomes[index];
    if (failure !== undefined && !(missingOk && isMissing(failure))) {
      return failed(change, before, failure);
    }
    return {
      report: reportOf(
        change,
        foundOf(before),
        foundOf(after[index] ?? NOTHING),
        after[index]?.destination,
      ),
    };
  });
}

function foresee(change: Change, before: View, missingOk: boolean): Judged {
  const found = foundOf(before);
  try {
    const after = lazy.predict().predict(change, found);
    const then =
      'destination' in change
        ? { service: found.service, destination: after as DestinationConfig | undefined }
        : { service: after as ServiceConfig | undefined, destination: undefined };
    return { report: reportOf(change, found, then, before.destination) };
  } catch (error) {
    if (missingOk && isMissing(error)) return { report: reportOf(change, found, found, undefined) };
    return failed(change, before, error);
  }
}

function isMissing(error: unknown): boolean {
  return statusOf(error) === Exit.missing;
}

function failed(change: Change, before: View, failure: unknown): Judged {
  const found = foundOf(before);
  return {
    report: { ...reportOf(change, found, found, undefined), error: tell(failure) },
    failure,
  };
}

function foundOf({ service, destination }: View): Found {
  return {
    service: service && serviceConfigOf(service),
    destination: destination && destinationConfigOf(destination),
  };
}

function reportOf(
  change: Change,
  before: Found,
  after: Found,
  server: Destination | undefined,
): ChangeReport {
  const about = 'destination' in change ? 'destination' : 'service';
  const [old, now] = [before[about], after[about]];
  const destination = 'destination' in change ? destinationKey(change, before, after) : undefined;
  return {
    action: actionOf(old, now),
    service: keyOf(change.service),
    ...(destination && { destination }),
    ...(old && { before: old }),
    ...(now && { after: now }),
    ...(about === 'destination' &&
      now &&
      server && {
        connections: {
          active: server.activeConnections,
          inactive: server.inactiveConnections,
          persistent: server.persistentConnections,
        },
      }),
  };
}

// With the port that it has, also where the user left it to the service.
function destinationKey(
  change: Change & { readonly destination: DestinationKey },
  before: Found,
  after: Found,
): DestinationKey {
  const { address, port } = after.destination ?? before.destination ?? change.destination;
  return { address, ...(port !== undefined && { port }) };
}

function actionOf(before: unknown, after: unknown): ChangeReport['action'] {
  if (before === undefined) return after === undefined ? 'none' : 'add';
  if (after === undefined) return 'remove';
  return JSON.stringify(before) === JSON.stringify(after) ? 'none' : 'update';
}
