// ipvs cluster plan, apply, check, revert

import { Cluster } from '../../cluster/index.js';
import type { Change, ClusterNode, Finding } from '../../cluster/index.js';
import type { Context } from '../context.js';
import { Exit, usageError } from '../failure.js';
import { clusterFindingLines, keptLines, planLines } from '../render/cluster.js';
import { countOf } from '../render/numbers.js';

export interface ClusterFlags {
  readonly file?: string;
  readonly node?: string;
  readonly state?: 'master' | 'backup';
  readonly journal?: string;
}

/** Which machine this is, where the description does not leave it open. */
async function withNode(
  context: Context,
  { file, node: name, state, journal }: ClusterFlags,
  work: (node: ClusterNode) => Promise<number>,
): Promise<number> {
  if (file === undefined) throw usageError('which cluster? name its description with --file');
  const cluster = await Cluster.load(file);
  if (name === undefined) {
    throw usageError(
      'which of its nodes is this machine? name it with --node',
      `${file} has ${cluster.nodes.join(', ')}`,
    );
  }
  const node = cluster.node(name, {
    ...context.openOptions,
    ...(state !== undefined && { state }),
    ...(journal !== undefined && { journal }),
  });
  try {
    return await work(node);
  } finally {
    await node.close();
  }
}

export interface PlanFlags extends ClusterFlags {
  readonly shell?: boolean;
}

/** Says what would change; the exit status says whether anything. */
export function plan(context: Context, flags: PlanFlags): Promise<number> {
  return withNode(context, flags, async (node) => {
    const planned = await node.plan();
    const { changes, manual, warnings } = planned;
    for (const each of warnings) context.warn(each);
    if (flags.shell === true) {
      await context.write(planned.toShell());
    } else if (context.json) {
      await context.printJson({ node: node.name, changes, manual });
    } else {
      await context.print(planLines(changes, manual, context.style, context.width));
      context.remark(
        changes.length === 0
          ? `${node.name} is as described.`
          : `${countOf(changes.length, 'change')}; "ipvs cluster apply" makes them`,
      );
    }
    return changes.length === 0 ? Exit.done : Exit.no;
  });
}

export interface ApplyFlags extends ClusterFlags {
  readonly dryRun?: boolean;
}

export function apply(context: Context, flags: ApplyFlags): Promise<number> {
  if (flags.dryRun === true) return plan(context, flags).then((status) => done(status));
  return withNode(context, flags, async (node) => {
    const progress = context.progress();
    const onProgress = ({ done, total, change }: { done: number; total: number; change: Change }) =>
      progress.show(`${done} of ${total}: ${change.description}`);
    try {
      const { changes, manual } = await node.apply({ onProgress }).finally(() => progress.end());
      if (context.json) {
        await context.printJson({ node: node.name, changes, manual });
      } else {
        await context.print(planLines(changes, manual, context.style, context.width));
        await context.print([`${countOf(changes.length, 'change')} made on ${node.name}`]);
      }
      return Exit.done;
    } catch (error) {
      await tellDone(context, error);
      throw error;
    }
  });
}

// A dry run that finds something to do has done what it should.
function done(status: number): number {
  return status === Exit.no ? Exit.done : status;
}

/** What was changed before a failure is there now. */
async function tellDone(context: Context, error: unknown): Promise<void> {
  const { done } = error as { done?: readonly Change[] };
  if (context.json || done === undefined || done.length === 0) return;
  await context.print(planLines(done, [], context.style, context.width));
  context.warn(`these were changed before it failed; "ipvs cluster revert" takes them back`);
}

export interface CheckFlags extends ClusterFlags {
  readonly mend?: boolean;
  readonly dryRun?: boolean;
}

/** Says what is wrong; the exit status says whether something is that was not mended. */
export function check(
  context: Context,
  { mend = false, dryRun = false, ...flags }: CheckFlags,
): Promise<number> {
  if (dryRun && !mend) {
    throw usageError('--dry-run goes with --mend: without it, check changes nothing');
  }
  return withNode(context, flags, async (node) => {
    const findings = await node.check();
    const mended: Change[] = [];
    if (mend && dryRun) mended.push(...changesOf(findings));
    else if (mend) for (const each of findings) mended.push(...(await node.mend(each)));
    const left = mend && !dryRun ? await node.check() : findings;
    const healthy = left.every(({ severity }) => severity === 'info');
    if (context.json) {
      await context.printJson({ node: node.name, dryRun, healthy, findings: left, mended });
    } else {
      const { style, width } = context;
      await context.print([
        ...(dryRun ? [style.bold(`would make ${countOf(mended.length, 'change')}:`)] : []),
        ...planLines(mended, [], style, width),
        ...clusterFindingLines(left, style, width),
      ]);
      if (left.length === 0) context.remark(`Nothing is wrong with ${node.name}.`);
    }
    return healthy ? Exit.done : Exit.no;
  });
}

// What mends one thing may mend another.
function changesOf(findings: readonly Finding[]): Iterable<Change> {
  const changes = findings.flatMap(({ mend }) => mend?.changes ?? []);
  return new Map(changes.map((change) => [change.shell, change])).values();
}

export interface RevertFlags extends ClusterFlags {
  readonly dryRun?: boolean;
}

/** Takes back what was applied. */
export function revert(
  context: Context,
  { dryRun = false, ...flags }: RevertFlags,
): Promise<number> {
  return withNode(context, flags, async (node) => {
    const { reverted, kept } = await node.revert({ dryRun });
    if (context.json) {
      await context.printJson({ node: node.name, dryRun, reverted, kept });
    } else {
      await context.print([
        ...planLines(reverted, [], context.style, context.width),
        ...keptLines(kept, context.style, context.width),
        dryRun
          ? `would make ${countOf(reverted.length, 'change')} on ${node.name}`
          : `${countOf(reverted.length, 'change')} made on ${node.name}`,
      ]);
    }
    return kept.length === 0 ? Exit.done : Exit.no;
  });
}
