// snapshot() is one view of a table, or says that it is not.

import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import t from 'tap';
import type { Ipvs, Service, Snapshot } from 'ipvs';
import { freshIpvs, ipvsadm as run } from '../lab/namespace.js';

t.setTimeout(300_000);

// A chunk of a dump holds 90 to 101 services: this is always more than one.
const STABLE = 120;
const SNAPSHOTS = 200;

const stablePorts = Array.from({ length: STABLE }, (_, i) => 1000 + i);
const stable = stablePorts
  .map(
    (port) =>
      `-A -t 10.0.0.1:${port} -s rr\n-a -t 10.0.0.1:${port} -r 10.1.0.${(port % 200) + 1}:${port} -m\n`,
  )
  .join('');

const keyOf = (service: Service): string =>
  'fwmark' in service
    ? `mark ${service.fwmark} ${service.family}`
    : `${service.protocol} ${service.address} ${service.port}`;

/** A process that adds and removes services as fast as it can, until it is stopped. */
class Churn {
  readonly #process: ChildProcessByStdio<Writable, null, null>;
  #going = true;
  #writing: Promise<void>;

  constructor(netns: string, edits: string) {
    this.#process = spawn('ip', ['netns', 'exec', netns, 'ipvsadm', '-R'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    this.#writing = this.#write(edits);
  }

  async #write(edits: string): Promise<void> {
    const { stdin } = this.#process;
    while (this.#going) {
      if (!stdin.write(edits)) await once(stdin, 'drain');
    }
    stdin.end();
  }

  /** When it has done all that it was told. */
  async stop(): Promise<void> {
    this.#going = false;
    const ended = once(this.#process, 'close');
    await this.#writing;
    await ended;
  }
}

const churnPorts = Array.from({ length: 30 }, (_, i) => i + 1);
const CHURN = [
  ...churnPorts.map(
    (port) => `-A -t 10.9.0.1:${port} -s wlc\n-a -t 10.9.0.1:${port} -r 10.2.0.1:${port} -m\n`,
  ),
  ...churnPorts.map((port) => `-D -t 10.9.0.1:${port}\n`),
].join('');

t.test(
  'while another process adds and removes services, nothing is shown twice and nothing that stays is missing',
  async (t) => {
    const { ipvs, netns } = await freshIpvs(t);
    run(netns, ['-R'], stable);
    const churn = new Churn(netns, CHURN);
    let settled = 0;
    let seen = 0;
    try {
      for (let i = 0; i < SNAPSHOTS; i++) {
        const snapshot = await ipvs.snapshot();
        if (snapshot.settled) settled++;
        check(t, snapshot, i);
        seen += snapshot.services.length - STABLE;
      }
    } finally {
      await churn.stop();
    }
    t.ok(seen > 0, `the table changed meanwhile: ${seen} passing services were seen`);
    t.comment(`${settled} of ${SNAPSHOTS} settled, ${seen} passing services seen`);
    const last = await ipvs.snapshot();
    t.ok(last.settled, 'it settles once it is quiet');
    t.equal(last.services.length, STABLE);
  },
);

function check(t: { fail(message: string): unknown }, { services }: Snapshot, i: number): void {
  const keys = services.map(keyOf);
  const unique = new Set(keys);
  if (unique.size !== keys.length) t.fail(`snapshot ${i} shows a service twice`);
  const missing = stablePorts.filter((port) => !unique.has(`tcp 10.0.0.1 ${port}`));
  if (missing.length > 0) t.fail(`snapshot ${i} lacks ${missing.join(' ')}`);
  for (const service of services) {
    const own = service.destinations.map(({ address, port }) => `${address} ${port}`);
    if (new Set(own).size !== own.length) t.fail(`snapshot ${i} shows a destination twice`);
    if (keyOf(service).startsWith('tcp 10.0.0.1 ') && own.length !== 1) {
      t.fail(`snapshot ${i}: ${keyOf(service)} has ${own.length} destinations`);
    }
  }
}

t.test('destinations that come and go are shown once, and those that stay are there', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const address = (i: number) => `10.3.${Math.floor(i / 200)}.${(i % 200) + 1}`;
  // More than a chunk of a dump, which holds 81 to 91.
  const stays = Array.from({ length: 120 }, (_, i) => address(i));
  const passing = Array.from({ length: 20 }, (_, i) => `10.4.0.${i + 1}`);
  run(
    netns,
    ['-R'],
    ['-A -t 10.0.0.1:80 -s rr\n', ...stays.map((a) => `-a -t 10.0.0.1:80 -r ${a}:80 -m\n`)].join(
      '',
    ),
  );
  const churn = new Churn(
    netns,
    [
      ...passing.map((a) => `-a -t 10.0.0.1:80 -r ${a}:80 -m\n`),
      ...passing.map((a) => `-d -t 10.0.0.1:80 -r ${a}:80\n`),
    ].join(''),
  );
  try {
    for (let i = 0; i < 40; i++) {
      const { services, settled } = await ipvs.snapshot();
      const shown = services[0]?.destinations.map((one) => one.address) ?? [];
      if (new Set(shown).size !== shown.length) t.fail(`snapshot ${i} shows a destination twice`);
      const lacks = stays.some((a) => !shown.includes(a));
      if (settled && lacks) t.fail(`snapshot ${i} is settled and lacks destinations`);
      const listed = await ipvs.listDestinations({
        protocol: 'tcp',
        address: '10.0.0.1',
        port: 80,
      });
      const listedAddresses = listed.map((one) => one.address);
      if (new Set(listedAddresses).size !== listed.length) t.fail('a list shows one twice');
    }
  } finally {
    await churn.stop();
  }
  t.equal((await ipvs.snapshot()).services[0]?.destinations.length, stays.length);
});

t.test('a service that disappears meanwhile is handled, not thrown', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  const churn = new Churn(
    netns,
    '-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m\n-D -t 10.0.0.1:80\n',
  );
  try {
    for (let i = 0; i < 100; i++) {
      const { services } = await ipvs.snapshot();
      t.ok(services.length <= 1);
    }
  } finally {
    await churn.stop();
  }
});

async function fill(ipvs: Ipvs): Promise<void> {
  const services = [
    { protocol: 'tcp', address: '10.0.0.1', port: 80 },
    { protocol: 'udp', address: '10.0.0.1', port: 53 },
    { protocol: 'tcp', address: '2001:db8::1', port: 80 },
    { fwmark: 7 },
    { fwmark: 7, family: 'ipv6' },
  ] as const;
  for (const service of services) {
    await ipvs.addService({ ...service, scheduler: 'rr' });
    const v6 = 'address' in service ? service.address.includes(':') : 'family' in service;
    for (const last of [3, 1, 2]) {
      const address = v6 ? `2001:db8::1:${last}` : `10.1.0.${last}`;
      await ipvs.addDestination(service, { address, forwarding: 'nat', port: 8080, weight: last });
    }
  }
}

t.test('a snapshot of a quiet table is what the lists say', async (t) => {
  const { ipvs } = await freshIpvs(t);
  await fill(ipvs);
  const { settled, services, timeouts, syncDaemons } = await ipvs.snapshot();
  t.ok(settled);
  const listed = await ipvs.listServices();
  t.match(services, listed);
  t.strictSame(services.map(keyOf), listed.map(keyOf));
  for (const service of services) {
    t.strictSame(service.destinations, await ipvs.listDestinations(service));
  }
  t.strictSame(timeouts, await ipvs.getTimeouts());
  t.strictSame(syncDaemons, []);
  t.equal(services.length, 5);

  const wide = await ipvs.snapshot({ bigint: true });
  t.type(wide.services[0]?.stats.connections, 'bigint');
  t.type(wide.services[0]?.destinations[0]?.stats.incomingBytes, 'bigint');
  t.equal((await ipvs.snapshot({ settle: false })).services.length, 5);
});

t.test('two equal tables give equal snapshots, whatever order they were made in', async (t) => {
  const [one, other] = [await freshIpvs(t), await freshIpvs(t)];
  await fill(one.ipvs);
  run(
    other.netns,
    ['-R'],
    one.ipvsadm('-Sn').trimEnd().split('\n').sort(backwards).join('\n') + '\n',
  );
  t.strictSame(await one.ipvs.snapshot(), await other.ipvs.snapshot());
});

// Services before destinations, otherwise from the end.
function backwards(a: string, b: string): number {
  const kind = (line: string) => (line.startsWith('-A') ? 0 : 1);
  return kind(a) - kind(b) || (a < b ? 1 : -1);
}
