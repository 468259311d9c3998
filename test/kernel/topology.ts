// The cluster that the tests of the cluster helper start from: its cables carry what they should, and
// nothing else is set up yet. Whatever breaks here, breaks all of those.

import t from 'tap';
import { FAR, FAR6, VIP, VIP6, addressOf, makeTopology } from '../lab/topology.js';
import { Traffic } from '../lab/traffic.js';

t.setTimeout(300_000);
const traffic = new Traffic(t);

const FAMILIES = [
  { family: 'ipv4', vip: VIP, any: '0.0.0.0', far: FAR[0] },
  { family: 'ipv6', vip: VIP6, any: '::', far: FAR6 },
] as const;

t.test('a client reaches a node of the LAN once the router forwards, and no VIP', async (t) => {
  const nodes = await makeTopology(t, traffic);
  const asked = FAMILIES.flatMap(({ family, any, far }) =>
    (['tcp', 'udp'] as const).map((protocol) => ({
      listener: { netns: nodes.rs2, name: 'rs2', protocol, address: any, port: 7 },
      question: { netns: nodes.client, protocol, address: addressOf('rs2', family), port: 7 },
      far,
    })),
  );
  for (const { listener } of asked) await traffic.serve(listener);
  const [first] = asked;
  t.same(first && (await traffic.ask({ ...first.question, timeout: 0.2 })), ['ETIMEDOUT']);

  await traffic.writeSysctls(nodes.gw, {
    'net/ipv4/ip_forward': 1,
    'net/ipv6/conf/all/forwarding': 1,
  });
  for (const { question, far } of asked) {
    t.same(await traffic.ask({ ...question, count: 3 }), ['rs2', 'rs2', 'rs2']);
    t.same(await traffic.ask({ ...question, source: far }), ['rs2'], `from ${far}`);
  }

  const question = { ...asked[0]?.question, hold: 'held' } as (typeof asked)[0]['question'];
  t.same(await traffic.ask(question), ['rs2']);
  t.equal(await traffic.again('held'), 'rs2');
  for (const direction of ['get', 'put'] as const) {
    const transfer = { netns: nodes.client, address: addressOf('rs2'), port: 7, direction };
    t.same(await traffic.transfer({ ...transfer, bytes: 100_000 }), { bytes: 100_000 });
  }

  for (const { vip } of FAMILIES) {
    const nobody = { netns: nodes.client, protocol: 'tcp', address: vip, port: 7 } as const;
    t.match(await traffic.ask({ ...nobody, timeout: 0.2 }), [/^(ETIMEDOUT|EHOSTUNREACH)$/]);
  }
});

t.test('who answers for an address is seen on the wire', async (t) => {
  const nodes = await makeTopology(t, traffic, { directors: 2 });
  await traffic.writeSysctls(nodes.gw, {
    'net/ipv4/ip_forward': 1,
    'net/ipv6/conf/all/forwarding': 1,
  });
  const seen = await traffic.watch(nodes.gw, 'eth1');
  for (const family of ['ipv4', 'ipv6'] as const) {
    const address = addressOf('lb2', family);
    const question = { netns: nodes.client, protocol: 'tcp', address, port: 7 } as const;
    t.same(await traffic.ask(question), ['ECONNREFUSED'], 'nobody listens there');
  }
  const answers = (await seen()).filter(
    ({ kind }) => kind === 'arp-reply' || kind === 'advertisement',
  );
  // Once each, unless the router has asked twice.
  const told = answers
    .filter(({ outgoing }) => !outgoing)
    .map(({ kind, sender, target }) => `${kind} ${kind === 'arp-reply' ? sender : target}`);
  t.same(
    [...new Set(told)],
    [`arp-reply ${addressOf('lb2')}`, `advertisement ${addressOf('lb2', 'ipv6')}`],
  );
});
