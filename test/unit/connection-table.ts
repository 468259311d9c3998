// A table of connections as large as no test can make the kernel have: a file of its format, read by
// the same native reader.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadAddon } from '#lib/load';
import type { NativeConnectionList } from '#lib/native';
import { parseConnectionsOptions } from '#lib/options';
import type { ConnectionRecord } from '#lib/records';

t.setTimeout(120_000);

const ENTRIES = 1_000_000;
const HEADER = 'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n';

function hex(number: number, digits: number): string {
  return number.toString(16).toUpperCase().padStart(digits, '0');
}

// The columns of ip_vs_conn_seq_show, whose widths differ between the families.
function line(n: number): string {
  const [address, port] = [hex(0x0a000000 + (n >> 14), 8), hex(1024 + (n & 0x3fff), 4)];
  if (n % 10 === 0) {
    const client = `2001:0db8:0000:0000:0000:0000:${hex(n >> 16, 4)}:${hex(n & 0xffff, 4)}`;
    return `UDP ${client.toLowerCase()} ${port} 2001:0db8:0000:0000:0000:0000:0000:0001 0035 fd00:0000:0000:0000:0000:0000:0000:0002 0035 UDP             299\n`;
  }
  return `TCP ${address} ${port} 0A090001 0050 0A020002 1F90 ESTABLISHED     899\n`;
}

function makeTable(t: tap.Test, entries: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'ipvs-table-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, 'ip_vs_conn');
  const file = openSync(path, 'w');
  writeSync(file, HEADER);
  for (let n = 0; n < entries;) {
    let text = '';
    for (const end = Math.min(n + 10_000, entries); n < end; n++) text += line(n);
    writeSync(file, text);
  }
  closeSync(file);
  return path;
}

function open(path: string, options = {}): NativeConnectionList {
  const addon = loadAddon();
  const { filter, origin } = parseConnectionsOptions(options);
  return new addon.ConnectionList(new addon.Channel(undefined), path, origin, filter);
}

function read(
  list: NativeConnectionList,
  most: number,
): Promise<{ entries: ConnectionRecord[]; end: boolean }> {
  return new Promise((resolve, reject) => {
    list.read(most, (failure, entries, end) => {
      if (failure === undefined) resolve({ entries, end });
      else reject(new Error(`${failure.syscall} ${failure.detail}`));
    });
  });
}

async function* portionsOf(path: string, options = {}): AsyncIterable<ConnectionRecord[]> {
  const list = open(path, options);
  for (let end = false; !end;) {
    const portion = await read(list, 500);
    yield portion.entries;
    end = portion.end;
  }
  list.close();
}

t.test(`${ENTRIES} connections are read in bounded memory`, async (t) => {
  const path = makeTable(t, ENTRIES);
  const before = process.memoryUsage().rss;
  let most = before;
  let count = 0;
  let wrong = 0;
  const began = performance.now();
  for await (const portion of portionsOf(path)) {
    for (const { client, destination, protocol } of portion) {
      const n = count++;
      const v6 = n % 10 === 0;
      const right =
        client.port === 1024 + (n & 0x3fff) &&
        client.address.includes(':') === v6 &&
        protocol === (v6 ? 17 : 6) &&
        destination.port === (v6 ? 53 : 8080);
      if (!right) wrong++;
    }
    most = Math.max(most, process.memoryUsage().rss);
  }
  const grown = (most - before) / 2 ** 20;
  t.comment(`${Math.round(performance.now() - began)} ms, ${grown.toFixed(1)} MiB more`);
  t.equal(count, ENTRIES);
  t.equal(wrong, 0, 'all of them are right');
  // Kept all, they would be 400 MiB; how far the heap grows before it is swept is the machine's affair.
  t.ok(grown < 128, `${grown.toFixed(1)} MiB`);
});

t.test('a filter that matches one of a hundred thousand finds it', async (t) => {
  const path = makeTable(t, 100_000);
  const found: ConnectionRecord[] = [];
  const client = { address: '10.0.0.5', port: 1024 + 1 };
  for await (const portion of portionsOf(path, { client })) found.push(...portion);
  t.match(found, [{ client, state: 'ESTABLISHED', expires: 899 }]);
});

t.test('a line that is cut or foreign is an error, not an entry', async (t) => {
  const good = HEADER + line(1);
  for (const [name, text] of [
    ['cut', good + line(2).slice(0, -1)],
    ['foreign', `${good}TCP nonsense\n`],
    ['short', `${good}TCP 0A000000 0400 0A090001\n`],
    ['without end', good + 'x'.repeat(200_000)],
  ] as const) {
    const path = makeTable(t, 0);
    const file = openSync(path, 'w');
    writeSync(file, text);
    closeSync(file);
    const list = open(path);
    await t.rejects(read(list, 500), { message: /connection table/ }, name);
    list.close();
  }
});
