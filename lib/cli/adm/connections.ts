// The table of connections in ipvsadm's columns.

import { IPV6, formatAddress } from '../../address.js';
import { CONNECTIONS_FILE, PORTION, readPortion } from '../../connection-table.js';
import { NativeFailure } from '../../native.js';
import type { Channels } from '../../channel.js';
import type { ConnectionFilter, ConnectionRecord } from '../../records.js';
import type { EndpointWriter } from './endpoint.js';

const ANY = { family: 0, bytes: [], port: -1 };
const ALL: ConnectionFilter = {
  protocol: 0,
  fwmark: 0,
  client: ANY,
  virtual: ANY,
  destination: ANY,
};

function row(state: string, ...endpoints: readonly [string, string]): string {
  return `${[state.padEnd(11), ...endpoints.map((each) => each.padEnd(18))].join(' ')} `;
}

/** The heading, with the columns of persistence engines where they are asked for. */
export function connectionTitle(withEngine: boolean): string {
  const start = `IPVS connection entries\npro expire ${row('state', 'source', 'virtual')}`;
  const engine = `${'destination'.padEnd(18)} ${'pe name'.padEnd(16)} pe_data`;
  return `${start}${withEngine ? engine : 'destination'}\n`;
}

/** All entries, portion by portion, or the failure that ended it. */
export async function* readConnections(
  channels: Channels,
): AsyncIterable<ConnectionRecord[] | NativeFailure> {
  const list = channels.files.connections(CONNECTIONS_FILE, false, ALL);
  try {
    for (let over = false; !over;) {
      const read = await readPortion(list, PORTION);
      if (read instanceof NativeFailure) {
        yield read;
        return;
      }
      yield read.entries;
      over = read.end;
    }
  } finally {
    list.close();
  }
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };

/** The line of an entry. */
export async function connectionLine(
  entry: ConnectionRecord,
  withEngine: boolean,
  endpoints: EndpointWriter,
): Promise<string> {
  const { protocol, client, destination, state, expires, engine } = entry;
  const virtual = virtualAddress(entry);
  const names = await Promise.all([
    endpoints.write(client.address, client.port, protocol),
    endpoints.write(virtual, entry.virtual.port, protocol),
    endpoints.write(destination.address, destination.port, protocol),
  ]);
  const [from, to, at] = names;
  const start = `${(PROTOCOLS[protocol] ?? 'IP').padEnd(3)} ${time(expires).padEnd(6)} `;
  // Of the data only what comes before the first blank.
  const [data = ''] = entry.engineData.trimStart().split(/\s/, 1);
  const rest =
    withEngine && engine !== '' && data !== ''
      ? `${at.padEnd(16)} ${engine.padEnd(18)} ${data}`
      : at;
  return `${start}${row(state, from, to)}${rest}\n`;
}

/** The template of a mark has the mark in place of an address, and it is printed as one. */
function virtualAddress({ protocol, client, virtual, fwmark }: ConnectionRecord): string {
  if (protocol !== 0) return virtual.address;
  const isIPv6 = client.address.includes(':');
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, fwmark);
  return formatAddress(isIPv6 ? IPV6 : 0, bytes, 0);
}

function time(seconds: number): string {
  const minutes = String(Math.trunc(seconds / 60)).padStart(2, '0');
  return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
}
