// Makes the seeds of the fuzz targets from the captures under test/fixtures/captures:
//
//   node native/fuzz/seed.js

'use strict';

const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const captures = join(__dirname, '../../test/fixtures/captures');
const corpus = join(__dirname, 'corpus');

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

// A fuzzer is quicker with small seeds, and a checkout with few.
const LARGEST = 2048;

const seen = new Set();

function seed(target, name, ...parts) {
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const hash = createHash('sha1').update(target).update(bytes).digest('hex');
  // Much is the same on all kernels.
  if (bytes.length > LARGEST || seen.has(hash)) return;
  seen.add(hash);
  mkdirSync(join(corpus, target), { recursive: true });
  writeFileSync(join(corpus, target, name), bytes);
}

function* messages(datagram) {
  for (let at = 0; at < datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    yield {
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      payload: datagram.subarray(at + 16, at + length),
    };
    at += (length + 3) & ~3;
  }
}

function seedMessage(kind, name, { type, flags, payload }) {
  if (type === NLMSG_ERROR || type === NLMSG_DONE) {
    const choice =
      (flags & NLM_F_ACK_TLVS ? 1 : 0) |
      (flags & NLM_F_CAPPED ? 2 : 0) |
      (type === NLMSG_DONE ? 4 : 0);
    seed('acknowledgement', name, [choice], payload);
    // IPVS never says that an attribute is missing (5), but might: as it says where one is wrong (2).
    const at = payload.indexOf(Buffer.from([8, 0, 2, 0]), 20);
    if (at > 0) {
      const missing = Buffer.from(payload);
      missing[at + 2] = 5;
      seed('acknowledgement', `${name}-missing`, [choice], missing);
    }
    return;
  }
  const attributes = payload.subarray(4);
  if (kind === 'timeouts' || kind === 'info') seed('director', name, attributes);
  else if (kind === 'destination') seed(kind, name, [0], attributes);
  else seed(kind, name, attributes);
}

function seedCapture(kernel, file) {
  const { kind, hex, text } = JSON.parse(readFileSync(join(captures, kernel, file), 'utf8'));
  const name = `${kernel}-${file.replace('.json', '')}`;
  if (text !== undefined) {
    const lines = Buffer.from(text.map((line) => `${line}\n`).join(''), 'latin1');
    seed('connection_table', name, [7, 2, kind === 'connections' ? 0 : 1], lines);
    text.slice(1).forEach((line, index) => {
      seed('connection_line', `${name}-${index + 1}`, Buffer.from(line, 'latin1'));
    });
    return;
  }
  hex.forEach((digits, index) => {
    const datagram = Buffer.from(digits, 'hex');
    seed('message', `${name}-${index + 1}`, datagram);
    // Twenty services that differ in their port teach a fuzzer nothing.
    if (file.includes('in-parts')) return;
    let number = 0;
    for (const message of messages(datagram)) {
      seedMessage(kind, `${name}-${index + 1}-${++number}`, message);
    }
  });
}

// Requests are not captured: JavaScript makes them. One for each command, of either family.
function seedRequests() {
  for (let command = 1; command <= 17; command++) {
    for (const family of [2, 10]) {
      const row = Buffer.alloc(53 * 4);
      for (let column = 0; column < 53; column++) row.writeUInt32LE(column * 3, column * 4);
      row.writeUInt32LE(command, 0);
      for (const column of [1, 22, 46]) row.writeUInt32LE(family, column * 4);
      row.writeUInt32LE(0, 8 * 4); // an address and no mark
      row.write('wrr\0', 13 * 4);
      row.write('sip\0', 17 * 4);
      row.write('eth0\0', 40 * 4);
      seed('request', `command-${command}-family-${family}`, row);
    }
  }
}

rmSync(corpus, { recursive: true, force: true });
for (const kernel of readdirSync(captures)) {
  for (const file of readdirSync(join(captures, kernel))) seedCapture(kernel, file);
}
seedRequests();
