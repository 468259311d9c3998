// A whole table in the kernel's own numbers, below the words of the library.

import assert from 'node:assert';
import { parseAddress } from '#lib/address';
import { Channels } from '#lib/channel';
import { loadAddon } from '#lib/load';
import { NativeFailure } from '#lib/native';
import type { DestinationRecord, Request, ServiceId, ServiceRecord } from '#lib/records';
import type { Records } from '#lib/rows';

export interface TableEntry {
  service: ServiceRecord;
  destinations: DestinationRecord[];
}

/** Every service of a namespace with its destinations. */
export async function tableOf(netns: string): Promise<TableEntry[]> {
  return withChannels(netns, async (channels) => {
    const services = takeAll(await channels.dumps.services(false)) as ServiceRecord[];
    const entries: TableEntry[] = [];
    for (const service of services) {
      const records = await channels.dumps.destinations(idOf(service), undefined, false);
      entries.push({ service, destinations: takeAll(records) as DestinationRecord[] });
    }
    return entries;
  });
}

/** Sends a request as it is, past all that the library refuses. */
export async function sendRaw(netns: string, request: Request): Promise<void> {
  const outcome = await withChannels(netns, (channels) => channels.commands.request(request));
  if (outcome instanceof NativeFailure) throw new Error(`errno ${outcome.errno}`);
}

async function withChannels<T>(
  netns: string,
  work: (channels: Channels) => Promise<T>,
): Promise<T> {
  const channels = await Channels.open(loadAddon(), { netns: `/run/netns/${netns}` }, 10_000);
  assert(channels instanceof Channels, 'the namespace is there');
  try {
    return await work(channels);
  } finally {
    channels.close();
  }
}

function takeAll<Item>(records: Records<Item> | NativeFailure): Item[] {
  if (records instanceof NativeFailure) throw new Error(`errno ${records.errno}`);
  return records.take(records.length);
}

function idOf({ family, protocol, address, port, fwmark }: ServiceRecord): ServiceId {
  return fwmark !== 0
    ? { family, protocol: 0, address: undefined, port: 0, fwmark }
    : { family, protocol, address: parseAddress(address), port, fwmark };
}
