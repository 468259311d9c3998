// A real overrun: somebody fills the queue of answers, the kernel carries a change out and has no room
// to say so.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import t from 'tap';
import { Ipvs } from 'ipvs';
import type { Operation } from 'ipvs';
import { freshNamespace, ipvsadm } from '../lab/namespace.js';

t.setTimeout(120_000);

const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

// For each line that it reads, fills the queues of all generic netlink sockets of its namespace with
// what nobody asked for, and says how many there were.
const FLOOD = `
import socket, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
s.bind((0, 0))
s.setblocking(False)
print("ready", flush=True)
for _ in sys.stdin:
    rows = [row.split() for row in open("/proc/thread-self/net/netlink")]
    ports = [int(row[2]) for row in rows if row[1] == "16"]
    ports = [port for port in ports if port not in (0, s.getsockname()[0])]
    for port in ports:
        for size in (60000, 3500, 16):
            try:
                while True:
                    s.sendto(bytes(size), (port, 0))
            except BlockingIOError:
                pass
    print(len(ports), flush=True)
`;

const netns = freshNamespace(t);
const program = spawn('ip', ['netns', 'exec', netns, 'python3', '-u', '-c', FLOOD], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
const ready = lines.next();
t.teardown(async () => {
  const ended = once(program, 'close');
  program.stdin.end();
  await ended;
});

/** Fills all queues; resolves to how many there were. */
async function flood(): Promise<number> {
  await ready;
  program.stdin.write('\n');
  return Number((await lines.next()).value);
}

async function handle(t: { teardown(work: () => Promise<void>): void }): Promise<Ipvs> {
  const ipvs = await Ipvs.open({ netns });
  t.teardown(async () => {
    await ipvs.flush();
    await ipvs.close();
  });
  return ipvs;
}

t.test(
  'where the answer to a change is lost, its outcome is unknown: here it was made',
  async (t) => {
    const ipvs = await handle(t);
    await ipvs.getInfo();
    t.equal(await flood(), 1);
    await t.rejects(ipvs.addService({ ...web, scheduler: 'rr' }), {
      code: 'ERR_IPVS_UNKNOWN_OUTCOME',
      errno: -105,
    });
    t.equal(ipvsadm(netns, ['-Sn']), '-A -t 10.0.0.1:80 -s rr\n');
    t.match(await ipvs.getService(web), web, 'the next call works');
    await t.rejects(ipvs.addService({ ...web, scheduler: 'rr' }), { code: 'EEXIST' });
  },
);

t.test('where the answer to the question for the family is lost, nothing is sent', async (t) => {
  const ipvs = await handle(t);
  t.equal(await flood(), 1);
  await t.rejects(ipvs.addService({ ...web, scheduler: 'rr' }), {
    code: 'ERR_IPVS_TIMEOUT',
    message: /was not sent, .* nothing was changed/,
  });
  t.strictSame(await ipvs.listServices(), []);
  await ipvs.addService({ ...web, scheduler: 'rr' });
});

t.test('of a batch every call learns its outcome, and every change is made once', async (t) => {
  const ipvs = await handle(t);
  await ipvs.getInfo();
  await flood();
  const numbers = Array.from({ length: 100 }, (_, i) => i + 1);
  const outcomes = await Promise.allSettled(
    numbers.map((port) => ipvs.addService({ ...web, port, scheduler: 'rr' })),
  );
  const lost = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  t.ok(lost.length > 0);
  const codes = lost.map(({ reason }) => (reason as { code: string }).code);
  t.strictSame([...new Set(codes)], ['ERR_IPVS_UNKNOWN_OUTCOME']);
  t.equal((await ipvs.listServices()).length, numbers.length);
});

// What the table shows is known, whatever was lost: only of a key that two changes are about is one
// not to be told from the other.
t.test('a batch whose answers are lost is read back', async (t) => {
  const ipvs = await handle(t);
  await ipvs.getInfo();
  await flood();
  const service = (port: number) => ({ ...web, port, scheduler: 'rr' });
  const destination = { address: '10.0.1.1', weight: 3 };
  const adds = Array.from({ length: 300 }, (_, i) => i + 1).flatMap((port): Operation[] => [
    { op: 'addService', service: service(port) },
    { op: 'addDestination', service: service(port), destination },
  ]);
  const twice: Operation = { op: 'addService', service: { ...service(7), scheduler: 'lc' } };
  const outcomes = await ipvs.batch([...adds, twice]);
  t.strictSame(
    outcomes.flatMap((outcome, at) => (outcome ? [[at, outcome.code]] : [])),
    [
      [12, 'ERR_IPVS_UNKNOWN_OUTCOME'],
      [13, 'ERR_IPVS_UNKNOWN_OUTCOME'],
      [600, 'EEXIST'], // it was not made, so it was sent once more
    ],
  );
  t.equal(ipvsadm(netns, ['-Sn']).split('\n').length - 1, 600);
  t.match(await ipvs.batch([twice]), [{ code: 'EEXIST' }], 'the next one works');
});

t.test('a list is lost as a whole or not at all, and may be asked for again', async (t) => {
  const ipvs = await handle(t);
  await ipvs.addService({ ...web, scheduler: 'rr' });
  await ipvs.listServices();
  t.equal(await flood(), 2);
  try {
    t.equal((await ipvs.listServices()).length, 1);
  } catch (error) {
    t.match(error, { code: 'ERR_IPVS_TIMEOUT' });
  }
  t.equal((await ipvs.listServices()).length, 1);
  t.match(await ipvs.getService(web).catch(() => ipvs.getService(web)), web);
});
