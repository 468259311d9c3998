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
  let number = 0;
  for (const line of text.split('\n')) {
    number++;
    const words: Word[] = [];
    for (const { 0: word, index } of line.matchAll(/[^ \t\r]+/g)) {
      if (comments && words.length === 0 && word.startsWith('#')) break;
      if (word !== 'ipvsadm') words.push({ text: word, column: index + 1 });
    }
    if (words.length > 0) yield { number, words };
  }
}
