// Numbers and times as people read them.

const STEPS = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/**
 * A number in at most five characters: 999, 1.2k, 35k, 120M. In thousands, as network equipment
 * counts, bytes too.
 */
export function shortNumber(value: number): string {
  let rest = value;
  let step = 0;
  while (rounded(rest, step) >= 1000 && step < STEPS.length - 1) {
    rest /= 1000;
    step++;
  }
  const number = rounded(rest, step);
  const digits = step > 0 && number < 10 ? number.toFixed(1) : String(number);
  return `${digits}${STEPS[step]}`;
}

function rounded(value: number, step: number): number {
  return step > 0 && Math.round(value * 10) < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}

const UNITS: readonly (readonly [letter: string, seconds: number])[] = [
  ['d', 86400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
];

/** Seconds as 45s, 5m, 1h30m: what `--timeout` and its like take too. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  let text = '';
  for (const [letter, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${letter}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}

/** '1 server', '2 servers'. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
