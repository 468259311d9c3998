// The checks of which all others are made. Each gives the value back, or throws an error that names
// the property (`path`) and the value.

import { parseAddress } from './address.js';
import type { Address, AddressSlot } from './address.js';
import { invalidType, invalidValue, outOfRange } from './errors.js';

/** An object whose properties are still to be looked at. */
export type Input = Readonly<Record<string, unknown>>;

export const INT_MAX = 2 ** 31 - 1;

/** The names that an object's properties may have, where there are many such objects. */
export class Names extends Set<string> {
  /** Those of the objects before, each at its place: objects in a row are mostly alike. */
  readonly seen: string[] = [];
}

export function object(value: unknown, path: string, known: ReadonlySet<string>): Input {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidType(path, 'an object', value);
  }
  const seen = known instanceof Names ? known.seen : [];
  let place = 0;
  for (const key in value) {
    if (key !== seen[place]) {
      if (!known.has(key)) {
        const choices = [...known].join(', ');
        throw invalidValue(
          `${path}.${key}`,
          `is not known here, only ${choices}`,
          (value as Input)[key],
        );
      }
      seen[place] = key;
    }
    place++;
  }
  return value as Input;
}

export function list(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidType(path, 'an array', value);
  return value as unknown[];
}

export function integer(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== 'number') throw invalidType(path, 'a number', value);
  if (!Number.isInteger(value)) throw outOfRange(path, 'an integer', value);
  if (value < least || value > most) throw outOfRange(path, `>= ${least} and <= ${most}`, value);
  return value;
}

export function boolean(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw invalidType(path, 'a boolean', value);
  return value;
}

export function string(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalidType(path, 'a string', value);
  return value;
}

export function word(
  value: unknown,
  path: string,
  vocabulary: { readonly words: readonly string[]; number(word: string): number | undefined },
): number {
  const number = vocabulary.number(string(value, path));
  if (number === undefined) {
    throw invalidValue(path, `must be one of ${quoted(vocabulary.words)}`, value);
  }
  return number;
}

export function quoted(words: readonly string[]): string {
  return words.map((each) => `'${each}'`).join(', ');
}

// A module's name goes into ip_vs_<name>; no kernel has one with other characters.
export function moduleName(value: unknown, path: string, longest: number): string {
  const name = string(value, path);
  if (name === '') throw invalidValue(path, 'must not be empty', value);
  if (name.length > longest) {
    throw invalidValue(path, `must not be longer than ${longest} characters`, value);
  }
  if (!/^[\w.-]+$/.test(name)) {
    throw invalidValue(path, "may hold only letters, digits, '_', '-' and '.'", value);
  }
  return name;
}

export function address(value: unknown, path: string, slot?: AddressSlot): Address {
  const text = string(value, path);
  const parsed = parseAddress(text, slot);
  if (parsed !== undefined) return parsed;
  const zone = text.includes('%');
  throw invalidValue(
    path,
    zone ? 'must not have a zone: IPVS knows none' : 'must be an IPv4 or IPv6 address',
    value,
  );
}

export function port(value: unknown, path: string): number {
  return integer(value, path, 0, 65535);
}
