// What has more cases than one kernel has time for is dealt out to those of the lab: none is left out, and
// each kernel has some of every kind.

/**
 * Says of one case after the other whether it is this kernel's; where there is no other to have the rest,
 * all are. IPVS_TEST_SHARE is "1,3/5": the second and the fourth of five.
 */
export function dealer(): () => boolean {
  const text = process.env.IPVS_TEST_SHARE ?? '0/1';
  const [own = '', round = ''] = text.split('/');
  const places = own.split(',').map(Number);
  if (!places.every((place) => place < Number(round))) {
    throw new Error(`IPVS_TEST_SHARE is ${text}`);
  }
  let next = 0;
  return () => places.includes(next++ % Number(round));
}

/** Those of the cases that are this kernel's. */
export function share<T>(cases: readonly T[]): T[] {
  const own = cases.filter(dealer());
  if (own.length === 0) throw new Error(`${cases.length} cases are too few to share`);
  return own;
}
