// `ipvs cluster` on a real kernel: what it says is what happens, and is taken back. The helper itself
// has its own tests.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { stringify } from 'yaml';
import { run } from '#lib/cli/run';
import { reference } from '../fixtures/clusters.js';
import { FakeTerminal } from '../fixtures/terminal.js';
import type { TerminalOptions } from '../fixtures/terminal.js';
import { freshFolder } from '../lab/folder.js';
import { freshNamespace, openIpvs } from '../lab/namespace.js';

t.test('plan, apply, revert', async (t) => {
  const netns = freshNamespace(t);
  // The other end is here too: nobody listens, but there is a link to announce on.
  const input = 'link add eth0 type veth peer name wire\nlink set wire up\n';
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input });
  const folder = freshFolder(t);
  const file = join(folder, 'cluster.yaml');
  writeFileSync(file, stringify(reference('dr')));
  const where = ['-f', file, '--netns', netns, '--journal', join(folder, 'journals')];
  const cluster = async (words: string[], options: TerminalOptions = {}) => {
    const terminal = new FakeTerminal(options);
    const status = await run(['cluster', ...words, ...where], terminal);
    return { status, out: terminal.stdout.text, err: terminal.stderr.text };
  };
  const director = ['--node', 'lb1'];

  t.match(await cluster(['plan']), {
    status: 2,
    out: '',
    err: /--node\nhint: .* has gw, lb1, rs1, rs2/,
  });
  t.match(await cluster(['plan', '--node', 'lb9']), {
    status: 4,
    out: '',
    err: /lb9.*\nhint: did you mean/,
  });

  const plan = await cluster(['plan', ...director]);
  t.equal(plan.status, 1);
  t.match(plan.out, /^\+ Add the address 192\.168\.51\.11\/32 to eth0\.\n {4}\S/m);
  t.match(plan.out, /^\+ Add the service tcp 192\.168\.51\.11:80\.$/m);
  const seen = await cluster(['plan', ...director], { columns: 80, env: {} });
  t.ok(seen.out.split('\n').every((line) => stripVTControlCharacters(line).length <= 80));
  t.match(seen.err, /changes; "ipvs cluster apply" makes them/);
  const script = await cluster(['plan', '--shell', ...director]);
  t.match(script.out, /^#!\/bin\/sh\n/);
  const { changes } = JSON.parse((await cluster(['plan', '--json', ...director])).out) as {
    changes: unknown[];
  };

  t.same({ ...(await cluster(['apply', '--dry-run', ...director])) }, { ...plan, status: 0 });
  const ipvs = await openIpvs(t, { netns });
  t.same(await ipvs.listServices(), [], 'a dry run changes nothing');

  const applied = await cluster(['apply', ...director]);
  t.equal(applied.status, 0, applied.err);
  t.equal(applied.out, `${plan.out}${changes.length} changes made on lb1\n`);
  t.match(await ipvs.listServices(), [
    { protocol: 'tcp', port: 80 },
    { protocol: 'udp', port: 53 },
  ]);
  t.match(await cluster(['plan', ...director]), { status: 0, out: '' });
  t.match(await cluster(['apply', ...director]), { status: 0, out: '0 changes made on lb1\n' });

  t.same(await ipvs.listServices().then((all) => all.length), 2);
  await ipvs.removeService({ protocol: 'udp', address: '192.168.51.11', port: 53 });
  const sick = await cluster(['check', ...director]);
  t.equal(sick.status, 1);
  t.match(sick.out, /^E service-missing .*53\n {4}\S[^]*\n {4}ipvsadm -A -u 192\.168\.51\.11:53/m);
  const found = JSON.parse((await cluster(['check', '--json', ...director])).out) as unknown;
  t.match(found, { node: 'lb1', healthy: false, findings: [{ severity: 'error', mend: {} }] });
  const would = await cluster(['check', '--mend', '--dry-run', ...director]);
  t.equal(would.status, 1);
  t.match(would.out, /^would make 3 changes:\n\+ Add the service udp 192\.168\.51\.11:53\.$/m);
  t.equal((await ipvs.listServices()).length, 1, 'not yet');
  await cluster(['check', '--mend', ...director]);
  t.equal((await ipvs.listServices()).length, 2, 'mended');
  t.notMatch((await cluster(['check', ...director])).out, 'service-missing');

  const foreseen = await cluster(['revert', '--dry-run', ...director]);
  t.equal((await ipvs.listServices()).length, 2, 'a dry run changes nothing');
  const reverted = await cluster(['revert', ...director]);
  t.equal(foreseen.out.replace(/would make (\d+ changes) on/, '$1 made on'), reverted.out);
  t.equal(reverted.status, 0, reverted.err);
  t.match(reverted.out, /^- Remove the service tcp 192\.168\.51\.11:80\.$/m);
  t.same(await ipvs.listServices(), []);
  t.equal((await cluster(['plan', ...director])).out, plan.out);

  writeFileSync(file, 'vip: [\n');
  t.match(await cluster(['plan', ...director]), { status: 2, out: '', err: /cluster\.yaml/ });
});
