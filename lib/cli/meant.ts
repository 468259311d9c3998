// What somebody meant who left a word out: 'add tcp 10.0.0.1:80', 'add service 10.0.0.1:80'.

import { SERVICE_KINDS } from './words.js';

const CHANGES = new Set(['add', 'set', 'remove', 'rm']);
const THINGS = new Set(['service', 'server']);
const KINDS: ReadonlySet<string> = new Set(SERVICE_KINDS);

/** The same words with those that are missing; undefined where none of these is. */
export function meant(argv: readonly string[]): string | undefined {
  const at = argv.findIndex((word) => CHANGES.has(word)) + 1;
  if (at === 0) return undefined;
  const words = argv.slice(at);
  const [first = ''] = words;
  if (KINDS.has(first) || isAddress(first)) {
    const end = words.findIndex((word) => word.startsWith('-'));
    const names = words.slice(0, end === -1 ? undefined : end).filter((word) => !KINDS.has(word));
    words.unshift(names.length > 1 ? 'server' : 'service');
  } else if (!THINGS.has(first)) {
    return undefined;
  }
  if (isAddress(words[1] ?? '')) words.splice(1, 0, 'tcp');
  const all = [...argv.slice(0, at), ...words];
  return all.length === argv.length ? undefined : `ipvs ${all.join(' ')}`;
}

function isAddress(word: string): boolean {
  return /^(\d+(\.\d+){3}|\[[\da-f:.]+\])(:\w+)?$/i.test(word);
}
