// A file of rules, taken apart into words: each line is the arguments of one ipvsadm. There is no
// quoting.

export interface Word {
  readonly text: string;
  /** From 1 on. */
  readonly column: number;
}

export interface Line {
  /** From 1 on. */
  readonly number: number;
  /** At least one. */
  readonly words: readonly Word[];
}

/**
 * The lines that say something. A word `ipvsadm` counts for nothing, wherever it is, and so does,
 * where `comments` are allowed, a line that starts with `#`: ipvsadm-restore takes those away,
 * `ipvsadm -R` trips over them.
 */
export function* readLines(text: string, comments: boolean): Iterable<Line> {
  for (const [index, line] of text.split('\n').entries()) {
    const words = wordsOf(line, comments);
    if (words.length > 0) yield { number: index + 1, words };
  }
}

/** The words of one line. */
export function wordsOf(line: string, comments: boolean): Word[] {
  const words: Word[] = [];
  for (const { 0: text, index } of line.matchAll(/[^ \t\r]+/g)) {
    if (comments && words.length === 0 && text.startsWith('#')) break;
    if (text !== 'ipvsadm') words.push({ text, column: index + 1 });
  }
  return words;
}
