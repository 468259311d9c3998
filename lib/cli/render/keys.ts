// The keys of `ipvs watch`, as its help, the manual page and the screen itself tell them.

export const KEYS: readonly (readonly [key: string, does: string])[] = [
  ['q', 'quits'],
  ['c', 'sorts by connections per second'],
  ['a', 'by active connections'],
  ['i', 'by bytes in'],
  ['o', 'by bytes out'],
  ['p', 'by packets'],
  ['n', 'by name'],
  ['r', 'reverses the order'],
  ['s', 'shows or hides servers'],
  ['space', 'pauses'],
  ['arrows, page up and down, home, end', 'scroll'],
  ['? or h', 'shows the keys'],
];
