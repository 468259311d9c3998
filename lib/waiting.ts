// What ends a wait before its time: an abort, or a deadline.

/** How long a call may take where nobody says otherwise, in milliseconds. */
export const DEFAULT_TIMEOUT = 10_000;

/** How a call is given up whose signal is aborted. `sent`: whether it was already on its way. */
export interface Cancellation {
  readonly signal: AbortSignal;
  error(sent: boolean): Error;
}

/** What ends a request before its answer comes. */
export interface Limits {
  /** When it is too late, as performance.now() counts. Default: after the channel's timeout. */
  readonly deadline?: number | undefined;
  readonly cancellation?: Cancellation | undefined;
}

// What native code may need to say by itself that it is too late, in milliseconds.
const GRACE = 500;

const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Calls `late` once when `deadline` has certainly passed; the result ends that. Native code keeps
 * deadlines by itself, but not while the kernel holds a request inside sendmsg, or while there
 * are no more threads. The program does not stay for it.
 */
export function whenLate(deadline: number, late: () => void): () => void {
  const rest = Math.max(0, deadline - performance.now()) + GRACE;
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(
    () => {
      // Timers come before the answers that are there already, which a program that was held up, or
      // stopped, has yet to take. Not unref'd: the event loop would sleep before it.
      immediate = setImmediate(late);
    },
    Math.min(rest, LONGEST_TIMER),
  );
  timer.unref();
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/** Whether `whenLate` would call now; a timer may be early by a millisecond. */
export const isLate = (deadline: number): boolean => performance.now() >= deadline + GRACE - 1;

/**
 * What `promise` resolves to, or `late` where its deadline has certainly passed before. What is
 * waited for is a look: it makes no difference whether an aborted one was sent.
 */
export function waitFor<Result, Late>(
  promise: Promise<Result>,
  { deadline, cancellation }: Limits,
  late: Late,
): Promise<Result | Late> {
  return new Promise((resolve, reject) => {
    const stopAbort =
      cancellation &&
      onAbort(cancellation.signal, () => {
        stopAlarm?.();
        reject(cancellation.error(false));
      });
    const end = (result: Result | Late) => {
      stopAbort?.();
      stopAlarm?.();
      resolve(result);
    };
    const stopAlarm =
      deadline === undefined
        ? undefined
        : whenLate(deadline, () => {
            end(late);
          });
    promise.then(end, reject);
  });
}

// One listener for each signal, however many wait for it: Node.js warns of more than ten.
const LISTENING = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `abort` once when the signal is aborted; the result ends that. */
export function onAbort(signal: AbortSignal, abort: () => void): () => void {
  const waiting = LISTENING.get(signal) ?? new Set();
  if (waiting.size === 0) {
    LISTENING.set(signal, waiting);
    signal.addEventListener('abort', abortAll, { once: true });
  }
  waiting.add(abort);
  return () => {
    waiting.delete(abort);
    if (waiting.size === 0) signal.removeEventListener('abort', abortAll);
  };
}

function abortAll({ target }: Event): void {
  const waiting = LISTENING.get(target as AbortSignal);
  for (const abort of [...(waiting ?? [])]) abort();
  waiting?.clear();
}
