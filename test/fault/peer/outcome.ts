// What became of a call, and how long that took; and services that calls are about.

import type { Request } from './wire.js';

/** Whatever a call may end with. */
export interface Failure extends Error {
  readonly code: string;
  readonly command?: string;
  readonly syscall?: string;
  readonly hint?: string;
  readonly errno?: number;
  readonly sent?: boolean;
}

export interface Outcome<T> {
  readonly value?: T;
  readonly error?: Failure;
  readonly milliseconds: number;
}

export async function outcomeOf<T>(call: Promise<T>): Promise<Outcome<T>> {
  const started = performance.now();
  try {
    const value = await call;
    return { value, milliseconds: performance.now() - started };
  } catch (error) {
    return { error: error as Failure, milliseconds: performance.now() - started };
  }
}

/** The error that a call must end with. */
export async function errorOf(call: Promise<unknown>): Promise<Failure> {
  const { error } = await outcomeOf(call);
  if (error === undefined) throw new Error('the call succeeded');
  return error;
}

/** So much longer than its deadline may a call take on a busy machine, in milliseconds. */
export const SLACK = 2000;

export const WEB = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
/** Another service for each number. */
export const web = (number: number) =>
  ({ protocol: 'tcp', address: '10.0.0.1', port: 1000 + number }) as const;
/** Which of those that web() makes a request is about. */
export const numberOf = ({ attributes }: Request): number =>
  attributes.readUInt16BE(4 + 8 + 8 + 20 + 4) - 1000;
