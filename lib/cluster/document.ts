// A description written in YAML: errors say the line and the column as well.

import { LineCounter, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { ClusterError } from './errors.js';
import { propertyOf } from '../errors.js';
import { parseDescription } from './description.js';
import type { Model } from './model.js';

/** `file` is what errors call the text. */
export function parseYaml(text: string, file: string): Model {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    const [sentence = ''] = broken.message.split(' at line ');
    throw new ClusterError(`load ${file}`, {
      code: 'ERR_IPVS_DESCRIPTION',
      sentence: `it is not YAML: ${sentence}, in line ${line}, column ${col}`,
      cause: broken,
      line,
      column: col,
    });
  }
  try {
    return parseDescription(document.toJS());
  } catch (error) {
    const path = propertyOf(error);
    if (path === undefined) throw error;
    const { line, col } = lines.linePos(offsetOf(document, path));
    const { message } = error as Error;
    throw new ClusterError(`load ${file}`, {
      code: 'ERR_IPVS_DESCRIPTION',
      sentence: `${message}, in line ${line}, column ${col}`,
      cause: error,
      path,
      line,
      column: col,
    });
  }
}

/** Where the value of that path begins, or the innermost part of it that is there. */
function offsetOf(document: Document, path: string): number {
  let node: unknown = document.contents;
  let offset = 0;
  let rest = path.replace(/\[(\d+)\]/g, '.$1');
  while (rest !== '') {
    if (isSeq(node)) {
      const [index = '', ...more] = rest.split('.');
      node = node.items[Number(index)];
      rest = more.join('.');
    } else if (isMap(node)) {
      // A name may have dots in it: the longest that fits.
      const fitting = node.items
        .filter(({ key }) => isScalar(key) && `${rest}.`.startsWith(`${String(key.value)}.`))
        .sort((a, b) => String(b.key).length - String(a.key).length);
      const [pair] = fitting;
      if (pair === undefined) return offset;
      const key = pair.key as { value: unknown; range?: [number, number, number] };
      offset = key.range?.[0] ?? offset;
      rest = rest.slice(String(key.value).length + 1);
      node = pair.value;
    } else {
      return offset;
    }
    const { range } = (node ?? {}) as { range?: [number, number, number] };
    offset = range?.[0] ?? offset;
  }
  return offset;
}
