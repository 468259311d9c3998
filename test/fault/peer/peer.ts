// A scripted kernel: what the library asks, and what it hears, is in the hands of the test.

import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Ipvs } from 'ipvs';
import {
  ENOENT,
  GET_CONFIG,
  GET_DAEMON,
  GET_DEST,
  GET_INFO,
  GET_SERVICE,
  ack,
  asksForFamily,
  destination,
  done,
  family,
  info,
  isDump,
  requestsIn,
  service,
  timeouts,
  verdict,
} from './wire.js';
import type { Request } from './wire.js';

const NETLINK_USERSOCK = 2;

/** Answers to one datagram: a datagram each. */
export type Script = (requests: readonly Request[]) => readonly Buffer[];

interface Test {
  teardown(work: () => void | Promise<void>): void;
}

interface Said {
  readonly peer: number;
  readonly stranger: number;
  readonly from?: number;
  readonly bytes?: string;
  readonly done?: number;
}

export class Peer {
  /** What was asked, in order, without the question for the family's number. */
  readonly requests: Request[] = [];
  /** What was asked for the family's number. */
  readonly questions: Request[] = [];
  /** How requests are answered. */
  script: Script = healthy;
  /** How the question for the family's number is. */
  familyScript: Script = (requests) => requests.flatMap((one) => [family(one), ack(one)]);

  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  #port = 0;
  #given = 0;
  #done = 0;
  #heard: (() => void)[] = [];

  private constructor() {
    const program = join(__dirname, '../../../test/fault/peer/peer.py');
    this.#process = spawn('python3', [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  static async start(t: Test): Promise<Peer> {
    const peer = new Peer();
    const lines = createInterface({ input: peer.#process.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    peer.#port = (JSON.parse(first) as Said).peer;
    lines.on('line', (line) => {
      peer.#hear(JSON.parse(line) as Said);
    });
    t.teardown(() => peer.stop());
    return peer;
  }

  get port(): number {
    return this.#port;
  }

  /** The ports of the sockets that asked something, in order, each once. */
  get sockets(): number[] {
    return [...new Set([...this.questions, ...this.requests].map(({ from }) => from))];
  }

  /** Requests of one kind. */
  asked(command: number): Request[] {
    return this.requests.filter((request) => request.command === command);
  }

  /** Resolves once as many requests of this kind have come. */
  async hears(command: number, count = 1): Promise<Request> {
    for (;;) {
      const request = this.asked(command)[count - 1];
      if (request !== undefined) return request;
      await new Promise<void>((resolve) => this.#heard.push(resolve));
    }
  }

  send(to: Request, ...datagrams: readonly Buffer[]): void {
    this.#order({ as: 'peer', to: to.from, datagrams: datagrams.map(hex) });
  }

  /** From a socket that the library never wrote to. */
  sendAsStranger(to: Request, ...datagrams: readonly Buffer[]): void {
    this.#order({ as: 'stranger', to: to.from, datagrams: datagrams.map(hex) });
  }

  /** Stops reading: with so small a queue, whoever sends has to wait soon. */
  async stall(): Promise<void> {
    this.#order({ queue: 1 });
    this.#order({ read: false });
    await this.settled();
  }

  async resume(): Promise<void> {
    this.#order({ queue: 1 << 20 });
    this.#order({ read: true });
    await this.settled();
  }

  /** Resolves when everything that was ordered is carried out. */
  async settled(): Promise<void> {
    while (this.#done < this.#given) {
      await new Promise<void>((resolve) => this.#heard.push(resolve));
    }
  }

  /** Resolves when it has told what was sent to it so far, a few datagrams at most. */
  async caughtUp(): Promise<void> {
    // It reads one before each order.
    for (let datagrams = 0; datagrams < 5; datagrams++) {
      this.#order({ read: true });
      await this.settled();
    }
  }

  /** The port is closed then: whoever sends there is refused. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'close');
    this.#process.stdin.end();
    await ended;
  }

  #order(order: object): void {
    // It may still tell of what came while it was stopped.
    if (!this.#process.stdin.writable) return;
    this.#given++;
    this.#process.stdin.write(`${JSON.stringify(order)}\n`);
  }

  #hear({ from, bytes, done: number }: Said): void {
    if (number !== undefined) this.#done = number;
    if (from !== undefined && bytes !== undefined) {
      const requests = requestsIn(Buffer.from(bytes, 'hex'), from);
      const [first] = requests;
      const aboutFamily = first !== undefined && asksForFamily(first);
      (aboutFamily ? this.questions : this.requests).push(...requests);
      const answers = (aboutFamily ? this.familyScript : this.script)(requests);
      if (first !== undefined && answers.length > 0) this.send(first, ...answers);
    }
    const waiting = this.#heard;
    this.#heard = [];
    for (const resolve of waiting) resolve();
  }
}

const hex = (bytes: Buffer): string => bytes.toString('hex');

/** Answers as a kernel does that has one service with one destination. */
export const healthy: Script = (requests) => requests.flatMap((request) => answersTo(request));

export function answersTo(request: Request): Buffer[] {
  if (isDump(request)) {
    switch (request.command) {
      case GET_SERVICE:
        return [Buffer.concat([service(request)]), done(request)];
      case GET_DEST:
        return [destination(request), done(request)];
      case GET_DAEMON:
        return [done(request)];
    }
  }
  switch (request.command) {
    case GET_SERVICE:
      return [service(request), ack(request)];
    case GET_CONFIG:
      return [timeouts(request), ack(request)];
    case GET_INFO:
      return [info(request), ack(request)];
    default:
      return verdict(request);
  }
}

/** No answer at all. */
export const silent: Script = () => [];

/** The healthy script, but for one command. */
export const butFor =
  (command: number, answer: (request: Request) => readonly Buffer[]): Script =>
  (requests) =>
    requests.flatMap((request) =>
      request.command === command ? answer(request) : answersTo(request),
    );

/** As a kernel whose family has this number: whoever uses another hears ENOENT. */
export const onlyFor =
  (id: number, script: Script = healthy): Script =>
  (requests) =>
    requests.flatMap((request) =>
      request.type === id ? script([request]) : [ack(request, ENOENT)],
    );

/** How long calls may take that are meant to fail. */
export const SHORT = 800;
/** How long calls may take that are not: plenty on any machine. */
export const LONG = 20_000;

/** A handle that talks to a peer in place of the kernel. */
export async function facing(
  t: Test,
  { timeout = LONG, script = healthy }: { timeout?: number; script?: Script } = {},
): Promise<{ ipvs: Ipvs; peer: Peer }> {
  const peer = await Peer.start(t);
  peer.script = script;
  const inside = Ipvs as unknown as {
    at(
      place: { netns: undefined; peer: { protocol: number; port: number } },
      timeout: number,
    ): Promise<Ipvs>;
  };
  const place = { netns: undefined, peer: { protocol: NETLINK_USERSOCK, port: peer.port } };
  const ipvs = await inside.at(place, timeout);
  t.teardown(() => ipvs.close());
  return { ipvs, peer };
}
