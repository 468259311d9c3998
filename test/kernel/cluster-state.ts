// What a cluster's node was like before `apply` is what it is like after `revert`, for every role and
// mode: on a machine with nothing, and on one where everything is configured otherwise.

import assert from 'node:assert';
import { readdirSync } from 'node:fs';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { Change } from 'ipvs/cluster';
import { CASES } from '../fixtures/cluster-cases.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import { dependOnAddresses, useDown, useOtherwise } from '../lab/used.js';

const shells = (changes: Iterable<Change>): string[] => [...changes].map(({ shell }) => shell);

t.before(loadModules);

for (const used of [false, true]) {
  t.test(used ? 'a machine that is in use' : 'a machine with nothing but addresses', async (t) => {
    const [place] = await freshPlaces(t, 1);
    assert(place);
    if (used) {
      await useOtherwise(place);
      dependOnAddresses(place);
    } else {
      useDown(place);
    }
    const { netns } = place;
    const journal = freshFolder(t);
    const before = await place.snapshot();
    const look = await place.look();
    for (const { title, description, nodes } of CASES) {
      const cluster = Cluster.from(description);
      for (const name of nodes) {
        // What one leaves behind would be taken for what was there before the next.
        if (!t.passing()) break;
        await t.test(`${title}: ${name}`, async (t) => {
          await using node = cluster.node(name, { netns, journal });
          const plan = await node.plan();
          t.not(plan.length, 0);
          t.same(difference(look, await place.look()), [], 'a plan changes nothing');
          t.same(shells(await node.apply()), shells(plan), 'what was planned is done');
          t.same(shells(await node.plan()), [], 'nothing is left to do');

          const after = await place.look();
          t.not(difference(look, after).length, 0);
          await using other = cluster.node(name, { netns, journal });
          t.same(shells(await other.apply()), [], 'twice is once');
          t.same(difference(after, await place.look()), []);

          t.same((await other.revert()).kept, []);
          t.same(difference(before, await place.snapshot()), [], 'all is as before');
          t.same(readdirSync(journal), []);
        });
      }
    }
  });
}
