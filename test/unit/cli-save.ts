// Where `ipvs save` writes to. It catches a device or a link that is replaced by a plain file, which
// harms whoever else uses it, and a secret that everybody can read afterwards.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeText } from '#lib/cli/files';

const isRoot = process.getuid?.() === 0;

t.test('a file keeps its mode and its owner, and nothing is left beside it', async (t) => {
  const folder = t.testdir({ table: 'old' });
  const file = join(folder, 'table');
  const owner = isRoot ? 1234 : (process.getuid?.() ?? 0);
  chmodSync(file, 0o640);
  chownSync(file, owner, statSync(file).gid);
  await writeText(file, 'new');
  t.equal(readFileSync(file, 'utf8'), 'new');
  const { mode, uid } = statSync(file);
  t.equal(mode & 0o7777, 0o640);
  t.equal(uid, owner);
  t.same(readdirSync(folder), ['table']);
});

t.test('a new file is as the umask says', async (t) => {
  const file = join(t.testdir({}), 'table');
  const mask = process.umask(0o027);
  t.teardown(() => process.umask(mask));
  await writeText(file, 'new');
  t.equal(statSync(file).mode & 0o7777, 0o640);
});

t.test('a link stays, and what it leads to is written', async (t) => {
  const folder = t.testdir({ real: { table: 'old' } });
  const link = join(folder, 'link');
  const target = join(folder, 'real', 'table');
  symlinkSync('real/table', link);
  await writeText(link, 'new');
  t.equal(readlinkSync(link), 'real/table');
  t.equal(readFileSync(target, 'utf8'), 'new');
  t.ok(lstatSync(target).isFile());
  t.same(readdirSync(join(folder, 'real')), ['table']);

  const dangling = join(folder, 'dangling');
  symlinkSync('real/later', dangling);
  await writeText(dangling, 'new');
  t.equal(readlinkSync(dangling), 'real/later');
  t.equal(readFileSync(join(folder, 'real', 'later'), 'utf8'), 'new');
});

t.test('a pipe is written to, also by way of a link', async (t) => {
  const folder = t.testdir({});
  const pipe = join(folder, 'pipe');
  const link = join(folder, 'link');
  execFileSync('mkfifo', [pipe]);
  symlinkSync('pipe', link);
  for (const name of [pipe, link]) {
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] });
    let read = '';
    reader.stdout.on('data', (data: Buffer) => (read += data.toString()));
    const closed = once(reader, 'close');
    await writeText(name, 'new');
    // What is not written to never ends its reader.
    if (!lstatSync(pipe).isFIFO()) reader.kill();
    await closed;
    t.equal(read, 'new');
    t.ok(lstatSync(pipe).isFIFO(), 'and is a pipe still');
    t.ok(lstatSync(link).isSymbolicLink());
  }
  t.same(readdirSync(folder).sort(), ['link', 'pipe']);
});

t.test('a failure names the file, and leaves the old one', async (t) => {
  const folder = t.testdir({ table: 'old' });
  const missing = join(folder, 'nosuch', 'table');
  await t.rejects(writeText(missing, 'new'), {
    code: 'ENOENT',
    message: `${missing} can't be written: `,
  });
  await t.rejects(writeText(folder, 'new'), { code: 'EISDIR' });
  t.equal(readFileSync(join(folder, 'table'), 'utf8'), 'old');
});
