// The script of a plan, run by sh on a machine that is just the same, makes the same of it as `apply`.

import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { Cluster } from 'ipvs/cluster';
import { CASES } from '../fixtures/cluster-cases.js';
import { reference, withoutGateway } from '../fixtures/clusters.js';
import { freshFolder } from '../lab/folder.js';
import { difference, freshPlaces, loadModules } from '../lab/node-state.js';
import { share } from '../lab/share.js';
import { batch } from '../lab/topology.js';
import { dependOnAddresses, useOtherwise } from '../lab/used.js';

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
    for (const each of used ? [place, ...twins] : []) {
      await useOtherwise(each);
      dependOnAddresses(each);
    }
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

const ROUTES: readonly (readonly [title: string, routes: readonly string[]])[] = [
  [
    'what else a route has',
    [
      'default via 192.168.118.1 mtu lock 1400 initcwnd 20 rto_min 300ms congctl reno features ecn',
      'default via 2001:db8:118::1 pref high hoplimit 9 initrwnd 30',
    ],
  ],
  [
    'several next hops',
    [
      'default proto static src 192.168.118.11 nexthop via 192.168.118.1 weight 3 nexthop via 192.168.118.2',
      'default nexthop via 2001:db8:118::1 weight 2 nexthop via 2001:db8:118::2',
    ],
  ],
  [
    'a gateway that is taken to be on the link',
    [
      'default via 192.168.118.1 dev eth0 onlink quickack 1',
      'default via 2001:db8:118::1 metric 7',
    ],
  ],
];

for (const [title, routes] of ROUTES) {
  t.test(`${title} stays, and comes back`, async (t) => {
    const [place, twin] = await freshPlaces(t, 2);
    assert(place && twin);
    for (const { netns } of [place, twin]) {
      batch(netns, [
        'link set lo up',
        'link set eth0 up',
        'address add 192.168.118.11/24 dev eth0',
        'address add 2001:db8:118::11/64 dev eth0 nodad',
        ...routes.map((each) => `route add ${each}`),
      ]);
    }
    const before = await place.look();
    const journal = freshFolder(t);
    // The one asks for segments that leave room for the envelope, the other for no route at all.
    for (const description of [
      reference('tun', { ipv6: true }),
      withoutGateway(reference('dr', { ipv6: true })),
    ]) {
      const { mode = '' } = description;
      await using node = Cluster.from(description).node('rs1', { netns: place.netns, journal });
      const plan = await node.plan();
      t.equal(plan.changes.filter(({ kind }) => kind === 'route').length, 2, mode);
      await node.apply();
      const script = plan.toShell();
      t.same(run(twin.netns, ['sh'], script), { status: 0, stderr: '' }, script);
      t.same(difference(plain(await place.snapshot()), plain(await twin.snapshot())), [], mode);
    }
    const isRoute = (line: string): boolean => line.includes('"destination":"default"');
    t.same((await place.look()).filter(isRoute), before.filter(isRoute), 'as it was');
  });
}
