// JSON and YAML with the places of what is in them.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { DocumentError, TextDocument } from '#lib/document';
import type { Place } from '#lib/document';

function refusal(text: string): { place: Place; message: string } {
  try {
    new TextDocument(text);
  } catch (error) {
    if (error instanceof DocumentError) return { place: error.place, message: error.message };
    throw error;
  }
  throw new Error(`not refused: ${text}`);
}

t.test('values, and where they are', (t) => {
  const texts: [text: string, place: Place][] = [
    ['{"a": [1, {"b.c": 5}]}', { line: 1, column: 19 }],
    ['{ a: [1, { b.c: 5 }] }', { line: 1, column: 17 }],
    ['# a list\na:\n  - 1\n  - b.c: 5\n', { line: 4, column: 10 }],
  ];
  for (const [text, place] of texts) {
    const document = new TextDocument(text);
    t.strictSame(document.value, { a: [1, { 'b.c': 5 }] }, text);
    t.strictSame(document.placeOf('a[1].b.c'), place, text);
    t.strictSame(document.placeOf('nosuch'), { line: 1, column: 1 }, text);
  }
  t.end();
});

t.test('what is no YAML either is refused with its place', (t) => {
  t.match(refusal('{ "a": [1, }'), { place: { line: 1 } });
  t.match(refusal('a: 1\nb: [}'), { place: { line: 2, column: 5 } });
  t.match(refusal('a: 1\nb: [*none]'), {
    place: { line: 2, column: 5 },
    message: /Unresolved alias.*none/,
  });
  const many = `a: &a [1, 2]\nb: [${'*a, '.repeat(200)}]`;
  t.match(refusal(many), { place: { line: 2, column: 5 }, message: /alias count/ });
  t.match(refusal('['.repeat(2000)), { place: { line: 1 } }, 'nested too deeply');
  t.end();
});

t.test('two properties of the same name are refused in JSON too', (t) => {
  t.match(refusal('{ "a": 1,\n "b": { "c": 1, "c": 2 } }'), { place: { line: 2, column: 17 } });
  const text = '{ "a\\"": "b\\": 1", "c": [":", { "a": {} }] }';
  t.strictSame(new TextDocument(text).value, JSON.parse(text), 'colons in texts are none');
  t.end();
});

// Catches JSON that is parsed as YAML: a megabyte of it would hold up the program for seconds.
t.test('JSON is read without YAML', (t) => {
  const loaded = (text: string): boolean => {
    const program = `const { TextDocument } = require('#lib/document');
      new TextDocument(process.argv[1]);
      console.log(Object.keys(require.cache).some((file) => file.includes('/yaml/')));`;
    const env = { ...process.env, NODE_OPTIONS: '' };
    const cwd = join(__dirname, '..', '..');
    return execFileSync(process.execPath, ['-e', program, text], { cwd, env }).includes('true');
  };
  t.notOk(loaded('{ "services": [] }'));
  t.ok(loaded('services: []'));
  t.end();
});
