// The script of a plan, run by sh on a machine that is just the same, makes the same of it as `apply`.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import { CASES } from '../fixtures/cluster-cases.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import { share } from '../lab/share.js';
import { useOtherwise } from '../lab/used.js';

/** What a program says in a namespace, and how it ends. */
function run(netns: string, program: string[], input: string): { status: number; stderr: string } {
  const { error, status, stderr } = spawnSync('ip', ['netns', 'exec', netns, ...program], {
    input,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { status: status ?? -1, stderr };
}

// The lab's kernels have nf_tables without the families ip and ip6: that these lines make what the
// library makes is seen where they have (network-marks.ts).
const NFT = /^nft -f - <<'END'\n([^]*?)^END\n/gm;

/** Without what is of the kernel's own choice: a new device's number and its link-local address. */
function plain(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.includes('"ipvs-')
      ? line.replace(/"index":\d+/, '"index":0').replace(/fe80::[\da-f:]+/, 'fe80::')
      : line,
  );
}

t.before(loadModules);

for (const used of [false, true]) {
  t.test(used ? 'a machine that is in use' : 'a machine with nothing', async (t) => {
    const cases = CASES.flatMap(({ nodes, ...rest }) => nodes.map((name) => ({ ...rest, name })));
    const chosen = share(cases);
    const [place, ...twins] = await freshPlaces(t, 1 + chosen.length);
    assert(place);
    if (used) for (const each of [place, ...twins]) await useOtherwise(each);
    const journal = freshFolder(t);
    for (const [index, { title, description, name }] of chosen.entries()) {
      await t.test(`${title}: ${name}`, async (t) => {
        const twin = twins[index];
        assert(twin);
        await using node = Cluster.from(description).node(name, { netns: place.netns, journal });
        const plan = await node.plan();
        await node.apply();
        const made = await place.snapshot();
        await node.revert();

        const script = plan.toShell();
        const said = run(twin.netns, ['sh'], script.replaceAll(NFT, ''));
        t.same(said, { status: 0, stderr: '' }, script);
        t.same(difference(plain(made), plain(await twin.snapshot())), []);

        const rules = [...script.matchAll(NFT)].map(([, text = '']) => text);
        const marks = plan.changes.filter(({ kind }) => kind === 'mark');
        t.equal(rules.length, plan.manual.length + marks.length);
        if (rules.length === 0) return;
        const { stderr } = run(twin.netns, ['nft', '-f', '-'], rules.join(''));
        const errors = stderr.split('\n').filter((line) => /error/i.test(line));
        t.same(
          errors.filter((line) => !/Operation not supported|No such file/.test(line)),
          [],
          'nft understands its part',
        );
      });
    }
  });
}
