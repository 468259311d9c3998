// ipvs connections

import type { Connection, ConnectionsOptions, Protocol } from '../../types.js';
import type { Context } from '../context.js';
import { Exit, usageError } from '../failure.js';
import { countOf } from '../render/numbers.js';
import { ConnectionTable } from '../render/connections.js';
import { parseEndpoint, parseMark, parseNumber } from '../words.js';

export interface ConnectionsFlags {
  readonly protocol?: string;
  readonly client?: string;
  readonly service?: string;
  readonly mark?: string;
  readonly server?: string;
  readonly limit?: string;
  readonly origin?: boolean;
}

// The widths of the columns are those of so many at a time.
const PORTION = 500;

/** Shows the table of connections while it is read, however long it is. */
export async function connections(context: Context, flags: ConnectionsFlags): Promise<number> {
  const options = optionsOf(flags);
  const ipvs = await context.ipvs();
  const out = context.json ? new JsonList(context) : new Lines(context);
  let portion: Connection[] = [];
  let count = 0;
  for await (const each of ipvs.connections(options)) {
    count++;
    if (portion.push(each) < PORTION) continue;
    await out.add(portion);
    portion = [];
  }
  await out.add(portion);
  await out.end();
  context.remark(count === 0 ? 'No such connections.' : countOf(count, 'connection'));
  return Exit.done;
}

function optionsOf(flags: ConnectionsFlags): ConnectionsOptions {
  const { protocol, client, service, mark, server, limit, origin = false } = flags;
  if (service !== undefined && mark !== undefined) {
    throw usageError('--service and --mark exclude each other');
  }
  const virtual =
    mark !== undefined
      ? { fwmark: parseMark(mark) }
      : service && parseEndpoint(service, 'an address');
  return {
    ...(protocol !== undefined && { protocol: protocol as Protocol }),
    ...(client !== undefined && { client: parseEndpoint(client, 'an address') }),
    ...(virtual !== undefined && { virtual }),
    ...(server !== undefined && { destination: parseEndpoint(server, 'an address') }),
    ...(limit !== undefined && { limit: parseNumber(limit, '--limit') }),
    origin,
  };
}

class Lines {
  readonly #context: Context;
  readonly #table: ConnectionTable;

  constructor(context: Context) {
    this.#context = context;
    this.#table = new ConnectionTable(context.style, context.width);
  }

  async add(portion: readonly Connection[]): Promise<void> {
    if (portion.length > 0) await this.#context.print(this.#table.lines(portion));
  }

  async end(): Promise<void> {
    // Nothing stands below a table.
  }
}

class JsonList {
  readonly #context: Context;
  #begun = false;

  constructor(context: Context) {
    this.#context = context;
  }

  async add(portion: readonly Connection[]): Promise<void> {
    let text = '';
    for (const each of portion) {
      text += `${this.#begun ? ',' : '{ "connections": ['}\n  ${JSON.stringify(each)}`;
      this.#begun = true;
    }
    if (text !== '') await this.#context.write(text);
  }

  async end(): Promise<void> {
    await this.#context.write(this.#begun ? '\n] }\n' : '{ "connections": [] }\n');
  }
}
