// Addresses on the real kernel, with every flag that they have.

import t from 'tap';
import type { AddressConfig, InterfaceAddress, Network } from 'ipvs';
import { failureOf } from '../lab/failure.js';
import { freshNetwork } from '../lab/network.js';
import type { Told } from '../lab/network.js';

const plain = {
  interface: 'dum0',
  scope: 'global',
  noPrefixRoute: false,
  noDad: false,
  permanent: true,
  tentative: false,
  deprecated: false,
  dadFailed: false,
};

/** What is to be added, and how it reads. */
const ROWS: readonly (readonly [AddressConfig, object])[] = [
  [
    { interface: 'dum0', address: '10.0.0.1' },
    { prefix: 32, family: 'ipv4', label: 'dum0' },
  ],
  [
    { interface: 'dum0', address: '10.1.0.1', prefix: 24, broadcast: '10.1.0.255' },
    { prefix: 24, broadcast: '10.1.0.255' },
  ],
  [
    { interface: 'dum0', address: '10.2.0.1', prefix: 24, noPrefixRoute: true, label: 'dum0:vip' },
    { noPrefixRoute: true, label: 'dum0:vip' },
  ],
  [{ interface: 'dum0', address: '10.3.0.1', scope: 'host' }, { scope: 'host' }],
  [{ interface: 'dum0', address: '10.3.0.2', scope: 'link' }, { scope: 'link' }],
  [{ interface: 'dum0', address: '10.3.0.3', scope: 77 }, { scope: 77 }],
  [{ interface: 'dum0', address: '10.4.0.1', preferredLifetime: 0 }, { deprecated: true }],
  [
    { interface: 'dum0', address: 'fd00:0::1', noDad: true },
    { address: 'fd00::1', prefix: 128, family: 'ipv6', noDad: true },
  ],
  [
    { interface: 'dum0', address: 'fd00:1::1', prefix: 64, noPrefixRoute: true, noDad: true },
    { address: 'fd00:1::1', prefix: 64, noPrefixRoute: true, noDad: true },
  ],
  [
    { interface: 'dum0', address: 'fd00:2::1', preferredLifetime: 0, noDad: true },
    { preferredLifetime: 0, deprecated: true, noDad: true },
  ],
  [
    { interface: 'lo', address: '127.0.0.2' },
    { interface: 'lo', label: 'lo', scope: 'host' },
  ],
];

/** Adds an interface that an address can be given to. */
async function dummy(network: Network): Promise<void> {
  await network.addLink({ name: 'dum0', kind: 'dummy', up: true });
}

// What ip says in our words.
function fromIp(name: string, told: Told): object {
  const seconds = (value: unknown) => (value === 4294967295 ? undefined : value);
  return {
    interface: name,
    address: told.local,
    prefix: told.prefixlen,
    family: told.family === 'inet' ? 'ipv4' : 'ipv6',
    scope: /^\d+$/.test(String(told.scope)) ? Number(told.scope) : told.scope,
    label: told.label,
    noPrefixRoute: told.noprefixroute ?? false,
    noDad: told.nodad ?? false,
    permanent: told.dynamic === undefined,
    tentative: told.tentative ?? false,
    deprecated: told.deprecated ?? false,
    dadFailed: told.dadfailed ?? false,
    preferredLifetime: seconds(told.preferred_life_time),
    validLifetime: seconds(told.valid_life_time),
    peer: told.address,
    broadcast: told.broadcast,
    secondary: told.secondary,
  };
}

const withoutAbsent = (object: object): object =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

t.test('an address is added with all that it has, and reads so here and by ip', async (t) => {
  const { network, ip } = await freshNetwork(t);
  await dummy(network);
  for (const [config] of ROWS) await network.addAddress(config);
  const addresses = await network.addresses();
  for (const [config, reads] of ROWS) {
    const { address } = { address: config.address, ...reads };
    const found = addresses.find((each) => each.address === address);
    t.match(found, { ...plain, ...reads, address }, config.address);
  }
  const told = (ip('address show')[0] ?? []).flatMap((link) =>
    (link.addr_info as Told[]).map((each) => withoutAbsent(fromIp(link.ifname as string, each))),
  );
  t.strictSame(
    // Where the kernel says who has made an address, ip says it in words.
    sorted(addresses.map((each) => ({ ...each, other: undefined })).map(withoutAbsent)),
    sorted(told as InterfaceAddress[]),
    'all of them, and nothing else',
  );
});

const sorted = (addresses: readonly object[]): object[] =>
  [...addresses].sort((a, b) => key(a).localeCompare(key(b)));
const key = (address: object): string => JSON.stringify(Object.entries(address).sort());

t.test('what ip adds reads as it is', async (t) => {
  const { network, ip } = await freshNetwork(t);
  ip(
    'link add name va type veth peer name vb',
    'link set va up',
    'link set vb up',
    'address add 10.0.0.1 peer 10.0.0.2/24 dev va',
    'address add fd00::1 peer fd00::2/64 dev va nodad',
    'address add 10.9.0.1/24 brd + dev vb valid_lft 1000 preferred_lft 500',
    'address add 10.9.0.2/24 dev vb',
  );
  const addresses = await network.addresses({ interface: 'va' });
  t.match(
    addresses.find(({ family }) => family === 'ipv4'),
    {
      address: '10.0.0.1',
      prefix: 24,
      peer: '10.0.0.2',
    },
  );
  t.match(
    addresses.find(({ address }) => address === 'fd00::1'),
    {
      prefix: 64,
      peer: 'fd00::2',
      noDad: true,
    },
  );
  const ipv4 = await network.addresses({ interface: 'vb', family: 'ipv4' });
  t.match(ipv4, [
    { address: '10.9.0.1', permanent: false, broadcast: '10.9.0.255' },
    { address: '10.9.0.2', permanent: true },
  ]);
  const [first] = ipv4;
  if (first?.preferredLifetime === undefined) throw new Error('a lifetime is told');
  t.ok(first.preferredLifetime > 400 && first.preferredLifetime <= 500);
  t.ok((first.validLifetime ?? 0) > 900 && (first.validLifetime ?? 0) <= 1000);
  t.match(await network.addresses({ interface: 'none' }), []);
  t.match(
    (await network.addresses({ family: 'ipv6' })).filter(({ family }) => family !== 'ipv6'),
    [],
  );
});

t.test('an address with all that it may have is put back as it was', async (t) => {
  const { network, ip } = await freshNetwork(t);
  ip(
    'link add name va type veth peer name vb',
    'link set vb up',
    'address add 10.9.0.1/24 brd + dev va metric 77 valid_lft 1000 preferred_lft 500',
    'address add 10.8.0.1/24 dev va label va:x',
    'address add 10.8.0.2/24 dev va',
    'address add 10.0.0.1 peer 10.0.0.2/24 dev va',
    'address add fd00::1 peer fd00::2/64 dev va nodad',
    'address add fd01::1/64 dev va mngtmpaddr metric 99',
    'address add fd02::1/64 dev va home noprefixroute valid_lft 1000 preferred_lft 0',
  );
  const told = async () =>
    [ip('address show dev va')[0]?.[0]?.addr_info, await network.addresses({ interface: 'va' })]
      .map((each) => JSON.stringify(each))
      .map((each) => each.replaceAll(/((?:L|_l)ife(?:_t|T)ime":)(?!0|4294967295)\d+/g, '$1…'));
  const before = await told();
  const all = await network.addresses({ interface: 'va' });
  t.strictSame(
    all.filter(({ secondary }) => secondary).map(({ address }) => address),
    ['10.8.0.2'],
  );
  t.equal(all.length, 7);
  for (const { interface: name, address, prefix, peer } of [...all].reverse()) {
    await network.removeAddress({ interface: name, address, prefix, ...(peer && { peer }) });
  }
  t.strictSame(await network.addresses({ interface: 'va' }), []);
  // The kernel puts the last of IPv6 in front.
  const again = [
    ...all.filter(({ family }) => family === 'ipv4'),
    ...all.filter(({ family }) => family === 'ipv6').reverse(),
  ];
  for (const each of again) {
    const { interface: name, address, prefix, scope, label, noPrefixRoute, noDad } = each;
    const { preferredLifetime, validLifetime, peer, broadcast, other } = each;
    await network.addAddress({
      interface: name,
      address,
      prefix,
      ...(each.family === 'ipv4' ? { scope, ...(label && { label }) } : { noDad }),
      noPrefixRoute,
      ...(preferredLifetime !== undefined && { preferredLifetime }),
      ...(validLifetime !== undefined && { validLifetime }),
      ...(peer && { peer }),
      ...(broadcast && { broadcast }),
      ...(other && { other }),
    });
  }
  t.strictSame(await told(), before);
});

t.test('an address is removed, this one and no other', async (t) => {
  const { network } = await freshNetwork(t);
  await dummy(network);
  const here = async () =>
    (await network.addresses({ interface: 'dum0' }))
      .filter(({ scope }) => scope !== 'link')
      .map(({ address, prefix }) => `${address}/${prefix}`);
  const all = [
    { interface: 'dum0', address: '10.0.0.1', prefix: 24 },
    { interface: 'dum0', address: '10.1.0.1' },
    { interface: 'dum0', address: 'fd00::1', prefix: 64 },
    { interface: 'dum0', address: 'fd00::2' },
  ];
  for (const each of all) await network.addAddress(each);
  t.strictSame(
    new Set(await here()),
    new Set(['10.0.0.1/24', '10.1.0.1/32', 'fd00::1/64', 'fd00::2/128']),
  );
  // Another prefix is another address, though IPv4's kernel would look at the address alone.
  for (const each of [all[0], all[2]]) {
    const other = { interface: 'dum0', address: each?.address ?? '' };
    t.match(await failureOf(network.removeAddress(other)), {
      code: 'EADDRNOTAVAIL',
      command: 'remove address',
      message: /^remove address .* on dum0: the interface has no such address with such a prefix/,
    });
  }
  t.equal((await here()).length, 4);
  for (const each of all) await network.removeAddress(each);
  t.strictSame(await here(), []);
});

t.test('what the kernel refuses is an error with its code', async (t) => {
  const { network } = await freshNetwork(t);
  await dummy(network);
  for (const address of ['10.0.0.1', 'fd00::1']) {
    await network.addAddress({ interface: 'dum0', address });
    t.match(await failureOf(network.addAddress({ interface: 'dum0', address })), {
      code: 'EEXIST',
      subject: `${address}/${address.includes(':') ? 128 : 32} on dum0`,
      message: /the interface has it already/,
    });
    for (const call of [
      network.addAddress({ interface: 'none', address }),
      network.removeAddress({ interface: 'none', address }),
    ]) {
      const error = await failureOf(call);
      t.match(error, { code: 'ENODEV', message: /there is no such interface/ });
    }
  }
  t.match(await failureOf(network.addAddress({ interface: 'dum0', address: 'ff02::1' })), {
    name: 'NetworkError',
    errno: Number,
  });
});
