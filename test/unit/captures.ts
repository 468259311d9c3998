import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

// What real kernels answered, decoded again: see scripts/capture. A decoder that reads one attribute
// otherwise than it did shows here with the kernel that sent it.

interface Capture {
  readonly kernel: string;
  readonly 'made by': readonly string[];
  readonly kind: string;
  readonly hex?: readonly string[];
  readonly text?: readonly string[];
  readonly decoded: readonly object[];
}

const root = join(__dirname, '..', '..');
const folder = join(root, 'test', 'fixtures', 'captures');

// A program of the core alone, with the compiler's own checks: the addon has no way in for bytes.
const decoder = join(
  root,
  execFileSync('scripts/fuzz', ['--decoder'], { cwd: root, encoding: 'utf8' }).trim(),
);

function decode({ kind, hex, text }: Capture): unknown {
  const lines = hex ?? text ?? [];
  const input = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
  return JSON.parse(execFileSync(decoder, [kind], { input, encoding: 'latin1' }));
}

for (const kernel of readdirSync(folder)) {
  t.test(`what Linux ${kernel} answered decodes to what is stored`, (t) => {
    for (const file of readdirSync(join(folder, kernel))) {
      const capture = JSON.parse(readFileSync(join(folder, kernel, file), 'utf8')) as Capture;
      t.match(capture.kernel, new RegExp(`^${kernel.replace('.', '\\.')}\\.`), `${file}: kernel`);
      t.strictSame(decode(capture), capture.decoded, file);
      t.notMatch(JSON.stringify(capture.decoded), '"malformed"', `${file}: all of it decodes`);
    }
    t.end();
  });
}

t.test('each kernel was asked the same', (t) => {
  const names = readdirSync(folder).map((kernel) => readdirSync(join(folder, kernel)));
  t.strictSame(readdirSync(folder), ['6.1', '6.12', '7.2']);
  for (const others of names) t.strictSame(others, names[0]);
  t.end();
});
