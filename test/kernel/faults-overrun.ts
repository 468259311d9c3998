// A real overrun: somebody fills the queue of answers, the kernel carries a change out and has no room
// to say so.

import { execFileSync } from 'node:child_process';
import t from 'tap';
import { Ipvs } from 'ipvs';
import { freshIpvs } from '../lab/namespace.js';

t.setTimeout(120_000);

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

// Writes to a port of NETLINK_GENERIC until its queue is full, with nothing that anybody asked for.
const FLOOD = `
import socket, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
s.setblocking(False)
for size in (60000, 1000, 16):
    for _ in range(100000):
        try:
            s.sendto(bytes(size), (int(sys.argv[1]), 0))
        except BlockingIOError:
            break
`;

/** The ports of generic netlink sockets in a namespace. */
const ports = (netns: string): string[] =>
  execFileSync('ip', ['netns', 'exec', netns, 'cat', '/proc/net/netlink'], { encoding: 'utf8' })
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[1] === '16' && row[2] !== '0')
    .map((row) => row[2] ?? '');

function flood(netns: string): void {
  for (const port of ports(netns)) {
    execFileSync('ip', ['netns', 'exec', netns, 'python3', '-c', FLOOD, port]);
  }
}

t.test(
  'the answer to a change is lost: the change was made, and its outcome is called unknown',
  async (t) => {
    const { ipvs, netns, ipvsadm } = await freshIpvs(t);
    await ipvs.getInfo();
    flood(netns);
    await t.rejects(ipvs.addService({ ...web, scheduler: 'rr' }), {
      code: 'ERR_IPVS_UNKNOWN_OUTCOME',
      errno: -105,
    });
    t.equal(ipvsadm('-Sn'), '-A -t 10.0.0.1:80 -s rr\n');
    t.match(await ipvs.getService(web), web, 'the next call works');
    await t.rejects(ipvs.addService({ ...web, scheduler: 'rr' }), { code: 'EEXIST' });
  },
);

t.test('the answer to the question for the family is lost: nothing is sent', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  flood(netns);
  await t.rejects(ipvs.addService({ ...web, scheduler: 'rr' }), {
    code: 'ERR_IPVS_TIMEOUT',
    message: /was not sent .* nothing was changed/,
  });
  t.strictSame(await ipvs.listServices(), []);
  await ipvs.addService({ ...web, scheduler: 'rr' });
});

t.test('of a batch every call learns that, and every change is made once', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.getInfo();
  flood(netns);
  const numbers = Array.from({ length: 100 }, (_, i) => i + 1);
  const outcomes = await Promise.allSettled(
    numbers.map((port) => ipvs.addService({ ...web, port, scheduler: 'rr' })),
  );
  const lost = outcomes.filter(({ status }) => status === 'rejected');
  t.ok(lost.length > 0);
  for (const { reason } of lost as PromiseRejectedResult[]) {
    t.equal((reason as { code: string }).code, 'ERR_IPVS_UNKNOWN_OUTCOME');
  }
  t.equal((await ipvs.listServices()).length, numbers.length);
});

t.test('a list is lost as a whole, and may be asked for again', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService({ ...web, scheduler: 'rr' });
  await ipvs.listServices();
  flood(netns);
  const first = await ipvs.listServices().catch((error: unknown) => error);
  t.ok(Array.isArray(first) || (first as { code: string }).code === 'ERR_IPVS_TIMEOUT');
  t.equal((await ipvs.listServices()).length, 1);
});

t.test(
  'strangers may write to a socket that nobody reads just now: later answers are found',
  async (t) => {
    const { netns } = await freshIpvs(t);
    const ipvs = await Ipvs.open({ netns, timeout: 5000 });
    t.teardown(() => ipvs.close());
    await ipvs.getInfo();
    flood(netns);
    await ipvs.getInfo().catch(() => undefined);
    t.ok(await ipvs.getInfo());
    t.strictSame(await ipvs.listServices(), []);
  },
);
