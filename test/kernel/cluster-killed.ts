// `kill -9` at each change of an `apply`: another process takes back what was done, or completes it.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import type { ClusterDescription } from 'ipvs/cluster';
import { mayDisturb } from '#lib/cluster/disturbed';
import { CASES, nodesOf } from '../fixtures/cluster-cases.js';
import type { Job } from '../fixtures/cluster-killed.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import type { Place } from '../lab/node-state.js';
import { share } from '../lab/share.js';
import { dependOnAddresses, useDown, useOtherwise } from '../lab/used.js';

const PROGRAM = join(__dirname, '..', 'fixtures', 'cluster-killed.js');

// So many die with one process: starting it is what takes the time.
const PLACES = 16;

// A busy machine takes its time.
t.setTimeout(600_000);
t.before(loadModules);

/** Each change, not made and made; and told, where that leaves another line in the journal. */
async function jobsOf(place: Place, name: string, description: ClusterDescription): Promise<Job[]> {
  const { netns } = place;
  await using node = Cluster.from(description).node(name, { netns });
  return [...(await node.plan())].flatMap((change, at): Job[] => {
    const job = { netns, description, name, at };
    return [
      { ...job, how: 'stops before' },
      { ...job, how: 'stops after' },
      ...(mayDisturb(change) ? [{ ...job, how: 'stops later' } as const] : []),
    ];
  });
}

for (const used of [false, true]) {
  t.test(used ? 'a machine that is in use' : 'a machine with nothing but addresses', async (t) => {
    const places = await freshPlaces(t, PLACES);
    for (const each of places) {
      if (used) {
        await useOtherwise(each);
        dependOnAddresses(each);
      } else useDown(each);
    }
    const [first] = places;
    assert(first);
    const journal = freshFolder(t);
    // The settings are those of all: it takes a while to read them.
    const settings = await first.settings();
    const looks = await Promise.all(places.map((each) => each.look()));
    const all: Job[] = [];
    for (const { name, description } of nodesOf(CASES, used)) {
      all.push(...(await jobsOf(first, name, description)));
    }
    const jobs = share(all);
    t.ok(jobs.length > PLACES);
    while (jobs.length > 0 && t.passing()) {
      const now = jobs
        .splice(0, PLACES)
        .map((job, index) => ({ ...job, netns: places[index]?.netns ?? '' }));
      const { signal } = spawnSync(process.execPath, [PROGRAM, journal, JSON.stringify(now)], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      t.equal(signal, 'SIGKILL');
      for (const [index, { netns, name, description, at, how }] of now.entries()) {
        const title = `${name}, ${how} change ${at}`;
        await using node = Cluster.from(description).node(name, { netns, journal });
        // Each change has both of its sides, and each of the two another end.
        if ((at % 2 === 0) === (how === 'stops before')) {
          await node.apply();
          t.equal((await node.plan()).length, 0, `${title}: it is completed`);
        }
        t.same((await node.revert()).kept, [], title);
        const place = places[index];
        assert(place);
        t.same(difference(looks[index] ?? [], await place.look()), [], title);
      }
    }
    t.same(readdirSync(journal), []);
    for (const place of places) t.same(difference(settings, await place.settings()), []);
  });
}
