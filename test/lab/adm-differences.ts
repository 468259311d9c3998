// What a test makes of the differences that are wanted: nothing is tolerated but under the name of one,
// and each is met where the table says so.

import { DIFFERENCES } from '../fixtures/adm-differences.js';
import type { DifferenceName, SeenBy } from '../fixtures/adm-differences.js';

interface Test {
  strictSame(found: unknown, wanted: unknown, message: string): void;
}

/** The differences that one file of tests meets. */
export class Differences {
  readonly #file: SeenBy;
  readonly #met = new Set<DifferenceName>();

  constructor(file: SeenBy) {
    this.#file = file;
  }

  meet(name: DifferenceName): void {
    this.#met.add(name);
  }

  /** What ipvsadm would print where we print this. */
  asIpvsadm(stdout: string): string {
    return Object.entries(AS_IPVSADM).reduce((text, [name, convert]) => {
      const converted = convert(text);
      if (converted !== text) this.meet(name as DifferenceName);
      return converted;
    }, stdout);
  }

  /** At the end: the file met all that it is to meet, and nothing else. */
  check(t: Test): void {
    const expected = Object.entries(DIFFERENCES).filter(([, { seenBy }]) =>
      (seenBy as readonly SeenBy[]).includes(this.#file),
    );
    const names = expected.map(([name]) => name).sort();
    t.strictSame([...this.#met].sort(), names, 'the differences of the table, each of them');
  }
}

const LARGE_MARK = /^(FWM {2}|-[Aa] -f )(\d+)((?: IPv6)? {2,})?/gm;

// Columns stay where they are.
function signed(all: string, start: string, mark: string, gap = ''): string {
  if (Number(mark) < 2 ** 31) return all;
  const name = `${start}${Number(mark) - 2 ** 32}`;
  return gap === '' ? name : `${name}${gap.trimEnd()}`.padEnd(all.length);
}

/** From our output to ipvsadm's, where that is possible. */
const AS_IPVSADM = {
  'unsigned mark': (text: string) => text.replace(LARGE_MARK, signed),
  'saved thresholds': (text: string) => text.replace(/^(-a .*?)( -x \d+)?( -y \d+)?$/gm, '$1'),
  'saved third flag': (text: string) =>
    text.replace(/^(-A .* -s [sm]h .*-b )(?:flag-3$|(.*),flag-3$)/gm, '$1$2'),
} satisfies Partial<Record<DifferenceName, (text: string) => string>>;
