// A kernel whose module is not there: nothing works, and everything says why. One kernel is enough: the
// answer comes from generic netlink, which is the same in all of them.

import t from 'tap';

// What tap tells its own children would only slow down those in the guest.
const env = { ...process.env, NODE_OPTIONS: '' };

// Runs in the guest, in plain JavaScript as it is.
async function tell(): Promise<void> {
  const { Ipvs } = await import('ipvs');
  const ipvs = await Ipvs.open();
  const sentence = "this kernel has no IPVS: the module ip_vs can't be loaded";
  const key = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  const calls: Record<string, () => Promise<unknown>> = {
    getInfo: () => ipvs.getInfo(),
    listServices: () => ipvs.listServices(),
    getService: () => ipvs.getService(key),
    addService: () => ipvs.addService(key),
    listDestinations: () => ipvs.listDestinations(key),
    snapshot: () => ipvs.snapshot(),
    flush: () => ipvs.flush(),
    getStats: () => ipvs.getStats(),
    listSyncDaemons: () => ipvs.listSyncDaemons(),
    connections: async () => {
      for await (const entry of ipvs.connections()) throw new Error(JSON.stringify(entry));
    },
  };
  const results: [ok: boolean, name: string][] = [];
  for (const [name, call] of Object.entries(calls)) {
    const error = await call().then(
      () => new Error('it works'),
      (reason: unknown) => reason as Error & { code?: string; errno?: number; hint?: string },
    );
    const told = error as { code?: string; errno?: number; hint?: string; message: string };
    const ok =
      told.code === 'ERR_IPVS_UNAVAILABLE' &&
      told.message.endsWith(`: ${sentence} (ERR_IPVS_UNAVAILABLE)`) &&
      told.errno === -2 &&
      told.hint?.includes('modprobe ip_vs') === true;
    results.push([
      ok,
      ok ? name : `${name}: ${JSON.stringify({ ...told, message: told.message })}`,
    ]);
  }
  const found = await ipvs.probe();
  const { usable, problem, schedulers, engines, sysctls } = found;
  const ok =
    !usable &&
    problem?.code === 'ERR_IPVS_UNAVAILABLE' &&
    problem.message === sentence &&
    problem.hint.includes('modprobe ip_vs') &&
    [...schedulers, ...engines, ...sysctls].length === 0;
  results.push([ok, ok ? 'probe' : `probe: ${JSON.stringify(found)}`]);
  await ipvs.close();
  console.log('TAP version 14');
  results.forEach(([ok, name], index) => {
    console.log(`${ok ? 'ok' : 'not ok'} ${index + 1} - ${name}`);
  });
  console.log(`1..${results.length}`);
}

void t.spawn(
  'scripts/kernel-lab',
  ['--kernel', '6.12', '--no-ipvs', '--', 'node', '-e', `(${String(tell)})()`],
  { env, timeout: 120_000, name: 'a kernel without IPVS says so to every call' },
);
