// ipvs save, ipvs restore, ipvs diff

import { formatRules } from '../../rules/index.js';
import type { RestoreResult, TableConfig } from '../../rules/index.js';
import type { Snapshot } from '../../types.js';
import { destinationConfigOf, serviceConfigOf } from '../config.js';
import type { Context } from '../context.js';
import { Exit, usageError } from '../failure.js';
import { STANDARD, readText, writeText } from '../files.js';
import { diffLines, restoreSummary } from '../render/diff.js';
import { reportsOf, wantedTable } from '../wanted.js';
import type { WantedTable } from '../wanted.js';

type Format = 'rules' | 'json' | 'yaml';

export interface SaveFlags {
  readonly format?: Format;
}

export interface RestoreFlags {
  readonly merge?: boolean;
  readonly dryRun?: boolean;
}

/** Writes the table to a file, whole or not at all, or to standard output. */
export async function save(
  context: Context,
  file: string | undefined,
  flags: SaveFlags,
): Promise<number> {
  const format = formatOf(context, file, flags);
  const ipvs = await context.ipvs();
  const snapshot = await ipvs.snapshot();
  const { text, warnings } = written(tableOf(snapshot), format);
  if (!snapshot.settled) warnings.push('others changed the table while it was read');
  for (const warning of warnings) context.warn(warning);
  if (file === undefined || OUTPUTS.has(file)) await context.write(text);
  else await writeText(file, text);
  return Exit.done;
}

// Opened by its name it would be another file, which begins at its start again.
const OUTPUTS: ReadonlySet<string> = new Set([STANDARD, '/dev/stdout']);

function formatOf(context: Context, file: string | undefined, { format }: SaveFlags): Format {
  if (context.json) {
    if (format !== undefined && format !== 'json') {
      throw usageError(`--json and --format ${format} exclude each other`);
    }
    return 'json';
  }
  if (format !== undefined) return format;
  if (file?.endsWith('.json') === true) return 'json';
  return /\.ya?ml$/.test(file ?? '') ? 'yaml' : 'rules';
}

function tableOf({ services, timeouts, syncDaemons }: Snapshot): TableConfig {
  return {
    services: services.map((service) => ({
      ...serviceConfigOf(service),
      destinations: service.destinations.map(destinationConfigOf),
    })),
    timeouts,
    syncDaemons,
  };
}

function written(table: TableConfig, format: Format): { text: string; warnings: string[] } {
  if (format === 'rules') {
    const { text, warnings } = formatRules(table);
    return { text, warnings: [...warnings] };
  }
  if (format === 'json') return { text: `${JSON.stringify(table, null, 2)}\n`, warnings: [] };
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  const { stringify } = require('yaml') as typeof import('yaml');
  return { text: stringify(table, { aliasDuplicateObjects: false }), warnings: [] };
}

/** Brings the table to be as a file says, by what differs. */
export async function restore(
  context: Context,
  file: string | undefined,
  flags: RestoreFlags,
): Promise<number> {
  const wanted = await read(context, file);
  if (flags.merge !== true) refuseEmpty(wanted);
  const dryRun = flags.dryRun === true;
  const { before, result } = await bring(context, wanted, flags.merge === true, dryRun);
  if (context.json) {
    await context.printJson(result);
    return Exit.done;
  }
  if (before !== undefined) {
    await context.print(
      diffLines(reportsOf(result, before, wanted), result, before, context.style),
    );
  }
  await context.print([restoreSummary(result)]);
  return Exit.done;
}

/** What restoring a file would change; the exit status says whether anything. */
export async function diff(
  context: Context,
  file: string | undefined,
  { merge = false }: RestoreFlags,
): Promise<number> {
  const wanted = await read(context, file);
  if (!merge) refuseEmpty(wanted);
  const { before, result } = await bring(context, wanted, merge, true);
  const reports = before === undefined ? [] : reportsOf(result, before, wanted);
  const { timeouts, startedDaemons, stoppedDaemons, zeroed } = result;
  const others = [...Object.keys(timeouts), ...startedDaemons, ...stoppedDaemons];
  const different = reports.length + others.length + zeroed.length > 0;
  if (context.json) {
    const changes = { changes: reports, timeouts, startedDaemons, stoppedDaemons, zeroed };
    await context.printJson({ different, ...changes });
  } else if (before !== undefined) {
    await context.print(diffLines(reports, result, before, context.style));
  }
  return different ? Exit.no : Exit.done;
}

interface Brought {
  readonly result: RestoreResult;
  /** What was there, where nothing was changed. */
  readonly before?: Snapshot;
}

async function bring(
  context: Context,
  { text, file, document }: WantedTable,
  merge: boolean,
  dryRun: boolean,
): Promise<Brought> {
  const ipvs = await context.ipvs();
  const progress = context.progress();
  progress.show(`comparing ${file} with the table`);
  try {
    const mode = merge ? 'merge' : 'replace';
    const before = dryRun ? { before: await ipvs.snapshot() } : {};
    // What is no object either is refused by its text.
    const value = document?.value ?? text;
    const source = typeof value === 'object' ? (value as TableConfig) : text;
    return { ...before, result: await ipvs.restore(source, { mode, dryRun, file }) };
  } catch (error) {
    throw document === undefined ? error : document.placed(error);
  } finally {
    progress.end();
  }
}

async function read(context: Context, file: string | undefined): Promise<WantedTable> {
  if (file !== undefined && file !== STANDARD) return wantedTable(await readText(file), file);
  const { stdin } = context.io;
  if (file === undefined && stdin.isTTY === true) {
    throw usageError('no file is given', 'name one, or "-" for standard input');
  }
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return wantedTable(Buffer.concat(chunks).toString('utf8'), 'standard input');
}

// What went wrong before it got here would remove everything: curl … | ipvs restore
function refuseEmpty({ text, file }: WantedTable): void {
  if (/^[ \t]*[^#\s]/m.test(text)) return;
  throw usageError(`${file} is empty`, '"ipvs clear" removes everything');
}
