// ipvsadm 1.31's command line, carried out in this process: the same arguments, output, messages and
// exit status. What is different on purpose is listed in docs/ipvsadm.md.

import { basename } from 'node:path';
import { Channels } from '../../channel.js';
import { loadAddon } from '../../load.js';
import { NativeFailure } from '../../native.js';
import { parseOpenOptions } from '../../options.js';
import type { InfoRecord } from '../../records.js';
import { UsageError } from '../../rules/command.js';
import type { Command } from '../../rules/command.js';
import type { Warning } from '../../rules/format.js';
import { wordsOf } from '../../rules/lines.js';
import { ROLES, toDestination, toService } from '../../words.js';
import { Director } from './director.js';
import type { Listed } from './director.js';
import { inNames, inNumbers } from './endpoint.js';
import type { EndpointWriter } from './endpoint.js';
import { lazy } from './lazy.js';
import { destinationLine, layoutOf, serviceLine, titleOf } from './listing.js';
import type { Layout } from './listing.js';
import { messageOf } from './messages.js';
import { parseWithNames } from './parse.js';
import { systemResolver } from './resolver.js';
import type { AdmResolver } from './resolver.js';

/** Where text goes to. */
export interface AdmOutput {
  write(text: string): unknown;
}

/** What the drop-in works with; each has the process's own as its default. */
export interface AdmOptions {
  /** The name under which it is called: `ipvsadm`, `ipvsadm-save` or `ipvsadm-restore`. */
  readonly program?: string;
  readonly stdin?: AsyncIterable<string | Uint8Array>;
  readonly stdout?: AdmOutput;
  readonly stderr?: AdmOutput;
  /** As for `Ipvs.open`. Names of hosts are looked up in the process's own namespace all the same. */
  readonly netns?: string | { readonly pid: number };
  readonly resolver?: AdmResolver;
  /** @internal Who answers instead of the kernel. */
  readonly channels?: Channels;
}

/** Exit status of what ipvsadm refuses by itself. */
const USAGE = 2;
/** Exit status of what the kernel refuses, and of options that can't be read. */
const FAILED = 255;
/** Exit status of a listing that fails. */
const NO_LISTING = 1;

/** Ends the run, also in the middle of what is read from standard input. */
class Exit extends Error {
  constructor(readonly status: number) {
    super();
  }
}

/**
 * Does what ipvsadm 1.31 would do with these arguments (without the program's name) and resolves to its
 * exit status. In front of them `--strict` and `--netns NAME` may stand, which ipvsadm does not have.
 */
export async function runAdm(args: readonly string[], options: AdmOptions = {}): Promise<number> {
  const own = takeOwnOptions(args);
  const program = basename(options.program ?? 'ipvsadm');
  const stderr = options.stderr ?? process.stderr;
  try {
    if (program === 'ipvsadm-save') checkSaveArguments(own.rest, stderr);
    const netns = own.netns ?? options.netns;
    const channels = options.channels ?? (await openChannels(netns, stderr));
    try {
      return await new Adm(channels, program, own.strict, options).run(own.rest);
    } finally {
      if (options.channels === undefined) channels.close();
    }
  } catch (error) {
    if (error instanceof Exit) return error.status;
    throw error;
  }
}

interface OwnOptions {
  readonly strict: boolean;
  readonly netns: string | undefined;
  readonly rest: readonly string[];
}

function takeOwnOptions(args: readonly string[]): OwnOptions {
  let strict = false;
  let netns: string | undefined;
  let at = 0;
  for (; ; at++) {
    const word = args[at] ?? '';
    if (word === '--strict') strict = true;
    else if (word.startsWith('--netns=')) netns = word.slice('--netns='.length);
    else if (word === '--netns') netns = args[++at] ?? '';
    else return { strict, netns, rest: args.slice(at) };
  }
}

async function openChannels(netns: AdmOptions['netns'], stderr: AdmOutput): Promise<Channels> {
  try {
    const place = parseOpenOptions(netns === undefined ? {} : { netns });
    const channels = await Channels.open(loadAddon(), place, place.timeout);
    if (!(channels instanceof NativeFailure)) return channels;
    throw lazy.explain().explainOpen(channels, place.netns);
  } catch (error) {
    stderr.write(`${(error as Error).message}\n`);
    throw new Exit(USAGE);
  }
}

function checkSaveArguments(args: readonly string[], stderr: AdmOutput): void {
  if (!args.some((word) => word.startsWith('-') && word !== '-n')) return;
  stderr.write(
    'ipvsadm-save: Script to save the IPVS table to stdout.\n' +
      '   With the -n option, prints out the table in numeric format.\n',
  );
  throw new Exit(1);
}

class Adm {
  readonly #director: Director;
  readonly #program: string;
  readonly #strict: boolean;
  readonly #resolver: AdmResolver;
  readonly #options: AdmOptions;
  readonly #stdout: AdmOutput;
  readonly #stderr: AdmOutput;
  readonly #inNames: EndpointWriter;
  #info: InfoRecord = { version: 0, connectionTableSize: 0 };

  constructor(channels: Channels, program: string, strict: boolean, options: AdmOptions) {
    this.#director = new Director(channels);
    this.#program = program.startsWith('ipvsadm-') ? 'ipvsadm' : program;
    this.#strict = strict;
    this.#resolver = options.resolver ?? systemResolver;
    this.#options = options;
    this.#stdout = options.stdout ?? process.stdout;
    this.#stderr = options.stderr ?? process.stderr;
    this.#inNames = inNames(this.#resolver);
    this.#script = program;
  }

  readonly #script: string;

  async run(args: readonly string[]): Promise<number> {
    await this.#begin();
    switch (this.#script) {
      case 'ipvsadm-save':
        return this.#command(args.includes('-n') ? ['-S', '-n'] : ['-S'], false);
      case 'ipvsadm-restore':
        return this.#restoreScript();
      default:
        return args.length === 0 ? this.#listAll(new Set(), 'list') : this.#command(args, false);
    }
  }

  async #begin(): Promise<void> {
    const info = await this.#director.info();
    if (info instanceof NativeFailure) {
      const reason = messageOf(info, 'read');
      this.#fail(
        `Can't initialize ipvs: ${reason}\n` +
          'Are you sure that IP Virtual Server is built in the kernel or as module?',
        USAGE,
      );
    }
    this.#info = info;
  }

  #fail(message: string, status: number): never {
    this.#complain(message);
    throw new Exit(status);
  }

  #complain(message: string): void {
    this.#stderr.write(`${message}\n`);
  }

  #tryHelp(): never {
    const name = this.#program;
    this.#fail(`Try \`${name} -h' or '${name} --help' for more information.`, FAILED);
  }

  /** One command; `fromInput`: it is a line of standard input. */
  async #command(words: readonly string[], fromInput: boolean): Promise<number> {
    const command = await this.#parse(words);
    return command === undefined ? FAILED : this.#carryOut(command, fromInput);
  }

  async #carryOut(command: Command, fromInput: boolean): Promise<number> {
    switch (command.name) {
      case 'help':
        this.#stdout.write(lazy.help().help(this.#program));
        throw new Exit(0);
      case 'version':
        this.#stdout.write(lazy.help().VERSION);
        throw new Exit(0);
      case 'list':
        return this.#list(command);
      case 'save':
        return this.#save(command);
      case 'restore':
        if (fromInput) this.#tryHelp();
        return this.#strict ? this.#restoreStrictly() : this.#restore(this.#lines());
      default:
        return this.#change(command, fromInput);
    }
  }

  /** Undefined where an option can't be read: standard input is read on then. */
  async #parse(words: readonly string[]): Promise<Command | undefined> {
    try {
      return await parseWithNames(words, this.#resolver);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      if (error.kind === 'no-command') this.#tryHelp();
      if (error.kind === 'refused') this.#fail(error.message, USAGE);
      this.#complain(error.message);
      return undefined;
    }
  }

  async #change(command: Command, fromInput: boolean): Promise<number> {
    if (this.#strict) {
      const { refusalOf, tableOf } = lazy.strict();
      // Of standard input all was checked before: that it is refused now, somebody else is to blame.
      const status = fromInput ? FAILED : USAGE;
      this.#refuse(await refusalOf(command, tableOf(this.#director)), status);
    }
    const failure = await this.#director.change(command);
    if (failure === undefined) return 0;
    const { name } = command;
    this.#complain(messageOf(failure, name === 'help' || name === 'version' ? 'read' : name));
    return FAILED;
  }

  #refuse(reason: string | undefined, status: number): void {
    if (reason !== undefined) this.#fail(`--strict: ${reason}`, status);
  }

  // ---- standard input

  /** Standard input, line by line as it comes: whoever writes it may wait for what a line does. */
  async *#lines(): AsyncIterable<string> {
    const decoder = new TextDecoder();
    let rest = '';
    // Only now: an open one keeps the process.
    const stdin: AsyncIterable<string | Uint8Array> = this.#options.stdin ?? process.stdin;
    for await (const piece of stdin) {
      rest += typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    yield rest + decoder.decode();
  }

  async #allLines(): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of this.#lines()) lines.push(line);
    return lines;
  }

  async #restore(lines: AsyncIterable<string> | Iterable<string>): Promise<number> {
    let status = 0;
    for await (const line of lines) {
      const words = argumentsOf(line);
      if (words.length > 0) status = await this.#command(words, true);
    }
    return status;
  }

  /** All of it is read and has to make sense, one line after the other, before any is carried out. */
  async #restoreStrictly(): Promise<number> {
    const commands: Command[] = [];
    for (const line of await this.#allLines()) {
      const words = argumentsOf(line);
      if (words.length === 0) continue;
      const command = await this.#parse(words);
      if (command === undefined) return FAILED;
      if (command.name === 'restore') this.#tryHelp();
      commands.push(command);
    }
    const { ForeseenTable, refusalOf } = lazy.strict();
    const edits = commands.some(({ name }) => name === 'edit-service' || name === 'edit-server');
    const present = edits ? this.#expect(await this.#director.listAll(true)) : [];
    const table = new ForeseenTable(present);
    for (const command of commands) {
      this.#refuse(await refusalOf(command, table), USAGE);
      table.follow(command);
    }
    for (const command of commands) {
      const status = await this.#carryOut(command, true);
      if (status !== 0) return status;
    }
    return 0;
  }

  /** ipvsadm-restore: comments go, the table is cleared, the rest is carried out. */
  async #restoreScript(): Promise<number> {
    const lines = await this.#allLines();
    if (this.#strict) return this.#restoreAtOnce(lines.join('\n'));
    await this.#command(['-C'], false);
    return this.#restore(lines.filter((line) => !line.startsWith('#')));
  }

  async #restoreAtOnce(text: string): Promise<number> {
    try {
      const session = new (lazy.session().Session)(this.#director.channels);
      await lazy.restore().restore(session, text, { file: 'standard input' });
      return 0;
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      this.#fail(`--strict: ${message}`, code === 'ERR_IPVS_RULES' ? USAGE : FAILED);
    }
  }

  // ---- listings

  #endpoints(options: Command['options']): EndpointWriter {
    return options.has('numeric') ? inNumbers : this.#inNames;
  }

  /** The failure of a listing ends everything, even in the middle of standard input. */
  #expect<Result>(result: Result | NativeFailure): Result {
    if (result instanceof NativeFailure) this.#fail(messageOf(result, 'read'), NO_LISTING);
    return result;
  }

  async #list({ options, service }: Command): Promise<number> {
    if (options.has('connection')) return this.#listConnections(options);
    if (options.has('timeout')) return this.#listTimeouts();
    if (options.has('daemon')) return this.#listDaemons();
    if (service === undefined) return this.#listAll(options, 'list');
    const listed = this.#expect(await this.#director.listOne(service, !options.has('nosort')));
    this.#tellOfOrder();
    const layout = layoutOf(options);
    this.#stdout.write(titleOf(layout));
    await this.#listService(listed, layout, this.#endpoints(options));
    return 0;
  }

  async #listAll(options: Command['options'], as: 'list' | 'save'): Promise<number> {
    const layout = layoutOf(options);
    if (as === 'list') {
      const { version, connectionTableSize: size } = this.#info;
      const numbers = [version >>> 16, (version >>> 8) & 255, version & 255].join('.');
      this.#stdout.write(`IP Virtual Server version ${numbers} (size=${size})\n`);
    }
    const all = this.#expect(await this.#director.listAll(!options.has('nosort')));
    this.#tellOfOrder();
    if (as === 'save') return this.#saveAll(all, this.#endpoints(options));
    this.#stdout.write(titleOf(layout));
    for (const listed of all) await this.#listService(listed, layout, this.#endpoints(options));
    return 0;
  }

  // Whoever asks for an order is told where it is another one.
  #tellOfOrder(): void {
    if (!this.#director.isOrderUnknown) return;
    this.#complain("/proc/net/ip_vs can't be read: the order is not the one of the kernel's table");
  }

  async #listService(listed: Listed, layout: Layout, endpoints: EndpointWriter): Promise<void> {
    const { service, destinations } = listed;
    let text = await serviceLine(service, layout, endpoints);
    const protocol = service.fwmark === 0 ? service.protocol : 0;
    for (const destination of destinations) {
      text += await destinationLine(destination, protocol, layout, endpoints);
    }
    this.#stdout.write(text);
  }

  async #listConnections(options: Command['options']): Promise<number> {
    const withEngine = options.has('persistent-conn');
    const endpoints = this.#endpoints(options);
    const { connectionLine, connectionTitle, readConnections } = lazy.connections();
    let isFirst = true;
    for await (const entries of readConnections(this.#director.channels)) {
      if (entries instanceof NativeFailure) {
        this.#fail('cannot open file /proc/net/ip_vs_conn', NO_LISTING);
      }
      let text = isFirst ? connectionTitle(withEngine) : '';
      isFirst = false;
      for (const entry of entries) text += await connectionLine(entry, withEngine, endpoints);
      this.#stdout.write(text);
    }
    return 0;
  }

  async #listTimeouts(): Promise<number> {
    const timeouts = await this.#director.timeouts();
    if (timeouts instanceof NativeFailure) throw new Exit(NO_LISTING);
    const { tcp, tcpFin, udp } = timeouts;
    this.#stdout.write(`Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}\n`);
    return 0;
  }

  async #listDaemons(): Promise<number> {
    const daemons = await this.#director.daemons();
    if (daemons instanceof NativeFailure) throw new Exit(NO_LISTING);
    for (const { role, interface: name, syncId, maxLength, group, port, ttl } of daemons) {
      const settings = [
        `mcast=${name}`,
        `syncid=${syncId}`,
        ...(maxLength === 0 ? [] : [`maxlen=${maxLength}`]),
        ...(group === '' ? [] : [`group=${group}`]),
        ...(port === 0 ? [] : [`port=${port}`]),
        ...(ttl === 0 ? [] : [`ttl=${ttl}`]),
      ];
      this.#stdout.write(`${ROLES.word(role)} sync daemon (${settings.join(', ')})\n`);
    }
    return 0;
  }

  // ---- saving

  #save({ options }: Command): Promise<number> {
    return this.#listAll(options, 'save');
  }

  async #saveAll(all: readonly Listed[], endpoints: EndpointWriter): Promise<number> {
    const { writeService } = lazy.format();
    const lines: string[] = [];
    const warnings: Warning[] = [];
    for (const listed of all) {
      const names = await namesOf(listed, endpoints);
      const service = {
        ...toService(listed.service),
        destinations: listed.destinations.map(toDestination),
      };
      const write = (address: string, port: number) => names.get(`${address} ${port}`) ?? '';
      writeService(service, write, lines, warnings);
    }
    this.#stdout.write(lines.map((line) => `${line}\n`).join(''));
    const told = warnings.filter(({ isLost }) => isLost || this.#strict);
    for (const { text } of told) this.#complain(text);
    return this.#strict && told.some(({ isLost }) => isLost) ? NO_LISTING : 0;
  }
}

/** A line's words as ipvsadm has them: in C, a word ends at its first NUL. */
function argumentsOf(line: string): string[] {
  const words = wordsOf(line, false).map(({ text }) => text.replace(/\0.*/s, ''));
  return words.filter((word) => word !== 'ipvsadm');
}

/** What is written for each endpoint of a service. */
async function namesOf(
  { service, destinations }: Listed,
  endpoints: EndpointWriter,
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  const protocol = service.fwmark === 0 ? service.protocol : 0;
  for (const { address, port } of [service, ...destinations]) {
    names.set(`${address} ${port}`, await endpoints.write(address, port, protocol));
  }
  return names;
}
