// JSON and YAML, and where in the text a value is: for errors that name a line and a column.

import type { Document, LineCounter } from 'yaml';

/** A place in a text: both from 1 on. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Why a text is neither JSON nor YAML, and where. */
export class DocumentError extends Error {
  readonly place: Place;

  constructor(place: Place, message: string, cause: unknown) {
    super(message, { cause });
    this.place = place;
  }
}

interface Yaml {
  readonly document: Document;
  readonly lines: LineCounter;
}

export class TextDocument {
  readonly value: unknown;
  readonly #text: string;
  #yaml: Yaml | undefined;

  /** Throws a DocumentError. */
  constructor(text: string) {
    this.#text = text;
    this.value = parseJson(text) ?? this.#toValue();
  }

  /** Where the value of that path begins (`services[0].port`), or the innermost part that is there. */
  placeOf(path: string): Place {
    const { document, lines } = this.#parsed;
    return placeAt(lines, offsetOf(document, path));
  }

  // JSON is part of YAML. Parsed again it has places.
  get #parsed(): Yaml {
    this.#yaml ??= parseYaml(this.#text);
    return this.#yaml;
  }

  #toValue(): unknown {
    const { document, lines } = this.#parsed;
    try {
      return document.toJS();
    } catch (error) {
      const { message } = error as Error;
      throw new DocumentError(placeAt(lines, offsetOfAlias(document)), message, error);
    }
  }
}

/** Undefined where it is something else, which YAML may be. Far faster than YAML, which has it all too. */
function parseJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Of two properties with the same name it takes the last without a word; YAML refuses them.
  let names = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]+|\\.)*"(\s*:)?/g)) if (colon) names++;
  return names === countNames(value) ? value : undefined;
}

// Without recursion: how deep it goes is for others to choose.
function countNames(value: unknown): number {
  let names = 0;
  const rest = [value];
  for (const each of rest) {
    if (typeof each !== 'object' || each === null) continue;
    if (!Array.isArray(each)) names += Object.keys(each).length;
    for (const inner of Object.values(each)) rest.push(inner);
  }
  return names;
}

function parseYaml(text: string): Yaml {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken === undefined) return { document, lines };
  throw new DocumentError(placeAt(lines, broken.pos[0]), broken.message, broken);
}

function yaml(): typeof import('yaml') {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  return require('yaml') as typeof import('yaml');
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** Of the alias that has no anchor before it; else of the first one, as there are too many. */
function offsetOfAlias(document: Document): number {
  const { visit } = yaml();
  const offsets: (readonly [offset: number, isKnown: boolean])[] = [];
  visit(document, {
    Alias: (_, alias) => {
      offsets.push([alias.range?.[0] ?? 0, alias.resolve(document) !== undefined]);
    },
  });
  const [offset] = offsets.find(([, isKnown]) => !isKnown) ?? offsets[0] ?? [0];
  return offset;
}

/** See placeOf. */
function offsetOf(document: Document, path: string): number {
  const { isMap, isScalar, isSeq } = yaml();
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
