// What has more cases than one kernel has time for is spread over those of the lab: none is left out,
// and each kernel has some of every kind.

/** Those that are this kernel's of the lab; all, where there is no other to have the rest. */
export function share<T>(cases: readonly T[]): T[] {
  const [own = 0, kernels = 1] = (process.env.IPVS_TEST_SHARE ?? '0/1').split('/').map(Number);
  if (!(own < kernels)) throw new Error(`IPVS_TEST_SHARE is ${process.env.IPVS_TEST_SHARE}`);
  return cases.filter((_, index) => index % kernels === own);
}
