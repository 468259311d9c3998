// What has more cases than one kernel has time for is spread over those of the lab: none is left out,
// and each kernel has some of every kind.

/** Those that are this kernel's of the lab; all, where there is no other to have the rest. */
export function share<T>(cases: readonly T[]): T[] {
  const text = process.env.IPVS_TEST_SHARE ?? '0-0/1';
  const [first = 0, last = 0, parts = 0] = text.split(/[-/]/).map(Number);
  if (!(first <= last && last < parts)) throw new Error(`IPVS_TEST_SHARE is ${text}`);
  return cases.filter((_, index) => first <= index % parts && index % parts <= last);
}
