// What a call that has to fail rejects with.

import assert from 'node:assert';
import { IpvsError } from 'ipvs';

/** The error of a promise that rejects. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof Error, 'an error is thrown, not something else');
    return error;
  }
  throw new Error('nothing was refused');
}

/** The same, for what the kernel refuses rather than the library. */
export async function refusalOf(promise: Promise<unknown>): Promise<IpvsError> {
  const error = await failureOf(promise);
  if (error instanceof IpvsError) return error;
  throw new Error('an error of the wrong kind', { cause: error });
}

/** All that an error carries, and its message, as a plain object. */
export function fieldsOf(error: Error): Record<string, unknown> {
  return { ...Object.fromEntries(Object.entries(error)), message: error.message };
}
