// What must not reach the kernel any more: the queue decides, without any kernel in sight.

import t from 'tap';
import { CommandChannel, DumpChannel } from '#lib/channel';
import { Fault, NativeFailure } from '#lib/native';
import type { NativeChannel, Outcome } from '#lib/native';
import { Command } from '#lib/records';

type Done = (outcomes: Outcome[] | undefined) => void;

/** Notes what it is given, and answers when it is told to. */
function fakeChannel(): { native: NativeChannel; sent: number[]; answer: () => void } {
  const sent: number[] = [];
  const waiting: Done[] = [];
  const native = {
    now: () => performance.now(),
    exchange(_requests: Uint8Array, count: number, _milliseconds: number, done: Done) {
      sent.push(count);
      waiting.push(done);
    },
    dump(
      _request: Uint8Array,
      _milliseconds: number,
      done: (failure: undefined, daemons: []) => void,
    ) {
      sent.push(1);
      waiting.push(() => {
        done(undefined, []);
      });
    },
  };
  const answer = () => waiting.shift()?.(undefined);
  return { native: native as unknown as NativeChannel, sent, answer };
}

const request = { command: Command.flush };
const cancelled = (signal: AbortSignal) => ({
  cancellation: { signal, error: (sent: boolean) => new Error(sent ? 'sent' : 'not sent') },
});

t.test('a request whose signal is aborted already does not set out', async (t) => {
  const { native, sent } = fakeChannel();
  const limits = cancelled(AbortSignal.abort());
  await t.rejects(new CommandChannel(native, 1000).request(request, limits), {
    message: 'not sent',
  });
  await t.rejects(new DumpChannel(native, 1000).daemons(limits), { message: 'not sent' });
  t.strictSame(sent, []);
});

t.test('a request whose signal is aborted in the queue does not set out either', async (t) => {
  const { native, sent, answer } = fakeChannel();
  const channel = new CommandChannel(native, 1000);
  const controller = new AbortController();
  const first = channel.request(request);
  const second = channel.request(request, cancelled(controller.signal));
  const third = channel.request(request);
  controller.abort();
  await t.rejects(second, { message: 'not sent' });
  answer();
  await first;
  answer();
  await third;
  t.strictSame(sent, [1, 1]);
  await channel.settled();
});

t.test('a dump whose signal is aborted in the queue does not set out either', async (t) => {
  const { native, sent, answer } = fakeChannel();
  const channel = new DumpChannel(native, 1000);
  const controller = new AbortController();
  const first = channel.daemons();
  const second = channel.daemons(cancelled(controller.signal));
  controller.abort();
  await t.rejects(second, { message: 'not sent' });
  await new Promise(setImmediate);
  answer();
  await first;
  await channel.settled();
  t.strictSame(sent, [1]);
});

t.test('a request whose time is up before its turn comes is not sent', async (t) => {
  const { native, sent, answer } = fakeChannel();
  const channel = new CommandChannel(native, 20);
  const first = channel.request(request);
  const second = channel.request(request);
  const patient = channel.request(request, { deadline: performance.now() + 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 40));
  answer();
  await first;
  const outcome = await second;
  t.ok(outcome instanceof NativeFailure);
  t.equal((outcome as NativeFailure).fault, Fault.notSent);
  answer();
  await patient;
  t.strictSame(sent, [1, 1]);
});

t.test('more than ten may wait for one signal, and none stays listening', async (t) => {
  const { native, answer } = fakeChannel();
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  const channel = new CommandChannel(native, 1000);
  const { signal } = new AbortController();
  const calls = Array.from({ length: 50 }, () => channel.request(request, cancelled(signal)));
  answer();
  answer();
  await Promise.all(calls);
  await new Promise(setImmediate);
  process.off('warning', note);
  t.strictSame(warnings, []);
});
