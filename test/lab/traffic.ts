// Real traffic in the namespaces of a test; traffic.py does it.

import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Test } from './namespace.js';

// Not dist-test: only TypeScript is compiled to there.
const PROGRAM = join(__dirname, '..', '..', 'test', 'lab', 'traffic.py');

/** Seconds. A machine that has much else to do takes a while; what gets no answer has this to wait. */
const TIMEOUT = 20;

export interface Listener {
  netns: string;
  /** What it answers. */
  name: string;
  protocol: 'tcp' | 'udp';
  /** One of the namespace's addresses, or 0.0.0.0 or :: for all. */
  address: string;
  port: number;
}

export interface Question {
  netns: string;
  protocol: 'tcp' | 'udp';
  address: string;
  port: number;
  /** Which of the namespace's addresses asks. */
  source?: string;
  /** Default: one that nobody has used. */
  sourcePort?: number;
  /** So many connections or datagrams, one after the other. Default 1. */
  count?: number;
  /** Keeps the connection open under this name, for `again`. */
  hold?: string;
  /** Seconds. */
  timeout?: number;
}

export interface Transfer {
  netns: string;
  address: string;
  port: number;
  direction: 'get' | 'put';
  bytes: number;
  source?: string;
  timeout?: number;
}

/** What one node told another about an address. */
export interface Claim {
  kind: 'arp-request' | 'arp-reply' | 'solicitation' | 'advertisement';
  /** The link-layer address of who said it. */
  from: string;
  /** Whose protocol address goes with it. */
  sender: string;
  /** Which address it is about. */
  target: string;
  /** Whether it was said by the interface that is watched. */
  outgoing: boolean;
}

interface Waiting {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
}

/** Milliseconds. More than any command takes; one that takes longer is to be told by its name. */
const PATIENCE = 120_000;

/** One process for all the servers and clients of a test file; commands are carried out in order. */
export class Traffic {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: Waiting[] = [];

  /** Ends with the test. */
  constructor(t: Test) {
    // Debian's own: what a version manager puts in its place takes a second to start in the lab.
    this.#process = spawn('/usr/bin/python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as { answer?: unknown; failure?: string };
      const waiting = this.#waiting.shift();
      if (answer.failure === undefined) waiting?.resolve(answer.answer);
      else waiting?.reject(new Error(answer.failure));
    });
    this.#process.once('close', (status, signal) => {
      const error = new Error(`the traffic program has ended: ${signal ?? status}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
    t.teardown(() => {
      this.#process.kill('SIGKILL');
    });
  }

  /** Listens until the test file ends. */
  async serve(listener: Listener): Promise<void> {
    await this.#send('serve', { ...listener });
  }

  /** Which servers answered, in order; the error's code where one did not, which is the last try. */
  async ask(question: Question): Promise<string[]> {
    return (await this.#send('ask', { timeout: TIMEOUT, ...question })) as string[];
  }

  /** The same over a connection that was held open. */
  async again(hold: string, timeout = TIMEOUT): Promise<string> {
    return (await this.#send('again', { hold, timeout })) as string;
  }

  /** Ends one that was held open: nothing of it is sent again. */
  async abort(hold: string): Promise<void> {
    await this.#send('abort', { hold });
  }

  /** How many bytes arrive through one TCP connection. */
  async transfer(transfer: Transfer): Promise<{ bytes: number; error?: string }> {
    const options = { timeout: TIMEOUT, ...transfer };
    return (await this.#send('transfer', options)) as { bytes: number; error?: string };
  }

  /** Begins to record ARP and neighbour discovery; gives what there was so far. */
  async watch(netns: string, name: string): Promise<() => Promise<Claim[]>> {
    const watch = `${netns} ${name}`;
    await this.#send('watch', { watch, netns, interface: name });
    return async () => (await this.#send('seen', { watch })) as Claim[];
  }

  /** All settings below the given ones (such as net/ipv4), by their names with slashes. */
  async readSysctls(netns: string, ...below: string[]): Promise<Record<string, string>> {
    return (await this.#send('read-sysctls', { netns, below })) as Record<string, string>;
  }

  async writeSysctls(netns: string, values: Record<string, string | number>): Promise<void> {
    await this.#send('write-sysctls', { netns, values });
  }

  async #send(command: string, options: Record<string, unknown>): Promise<unknown> {
    const line = JSON.stringify({ command, ...options });
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const { exitCode, signalCode } = this.#process;
        if ((exitCode ?? signalCode) !== null) throw new Error('the traffic program has ended');
        timer = setTimeout(() => {
          reject(new Error(`the traffic program does not answer: ${line}`));
        }, PATIENCE);
        this.#waiting.push({ resolve, reject });
        this.#process.stdin.write(`${line}\n`);
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
