// Makes the seeds of the fuzz targets, most of them from the captures under test/fixtures/captures:
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
  const { kind, hex, text: lines } = JSON.parse(readFileSync(join(captures, kernel, file), 'utf8'));
  const name = `${kernel}-${file.replace('.json', '')}`;
  if (lines !== undefined) {
    const whole = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
    seed('connection_table', name, [7, 2, kind === 'connections' ? 0 : 1], whole);
    lines.slice(1).forEach((line, index) => {
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

const u8 = (value) => Buffer.from([value]);
const u16 = (value) => Buffer.from([value & 255, value >> 8]);
const be16 = (value) => u16(value).reverse();
const u32 = (value) => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
const u64 = (value) => Buffer.concat([u32(value), u32(0)]);
const text = (value) => Buffer.from(`${value}\0`, 'latin1');

function attribute(type, ...parts) {
  const value = Buffer.concat(parts);
  const padding = Buffer.alloc(-value.length & 3);
  return Buffer.concat([u16(value.length + 4), u16(type), value, padding]);
}

// Each counter another number, so that none can be taken for another.
function counters(narrow, wide) {
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const narrowOnes = numbers.map((n) => attribute(n, n === 4 || n === 5 ? u64(n * 17) : u32(n)));
  const wideOnes = numbers.map((n) => attribute(n, u64(n * 19)));
  return [attribute(narrow, ...narrowOnes), attribute(wide, ...wideOnes)];
}

function service({ scheduler = 'wrr', engine = 'sip', family = 10, size = 16, key = 3 } = {}) {
  return attribute(
    1,
    ...[attribute(1, u16(family)), attribute(2, u16(6)), attribute(key, Buffer.alloc(size, 10))],
    attribute(4, be16(80)),
    ...[attribute(6, text(scheduler)), attribute(7, u32(0x3f), u32(0xffffffff))],
    ...[attribute(8, u32(300)), attribute(9, u32(64)), attribute(11, text(engine))],
    ...counters(10, 12),
  );
}

function destination(family = 10) {
  return attribute(
    2,
    ...[attribute(1, Buffer.alloc(16, 0x0a)), attribute(2, be16(8080)), attribute(3, u32(0x2003))],
    ...[4, 5, 6, 7, 8, 9].map((n) => attribute(n, u32(n * 11))),
    ...[attribute(11, u16(family)), attribute(13, u8(1)), attribute(14, be16(6080))],
    ...[attribute(15, u16(2)), ...counters(10, 12)],
  );
}

function daemon(interfaceName) {
  return attribute(
    3,
    ...[attribute(1, u32(2)), attribute(2, text(interfaceName)), attribute(3, u32(255))],
    ...[attribute(4, u16(1400)), attribute(6, Buffer.alloc(16, 0xff)), attribute(7, u16(9000))],
    attribute(8, u8(3)),
  );
}

// A nest that claims to be longer than what there is, and an attribute in it that does.
function beyond(nest) {
  const outer = Buffer.from(nest);
  outer.writeUInt16LE(outer.length + 64, 0);
  const inner = Buffer.from(nest);
  inner.writeUInt16LE(inner.length + 64, 4);
  return [outer, inner];
}

// What no kernel of the lab sends, but the next one, or none, might: a decoder that goes wrong there
// fails at once, and not only after some minutes.
function seedMade() {
  seed('service', 'made', service());
  seed('service', 'made-long-scheduler', service({ scheduler: 'a'.repeat(16) }));
  seed('service', 'made-long-engine', service({ engine: 'a'.repeat(17) }));
  seed('service', 'made-short-address', service({ size: 4 }));
  seed('service', 'made-no-address', service({ key: 99 }));
  seed('service', 'made-strange-family', service({ family: 7 }));
  seed('destination', 'made', [0], destination());
  seed('destination', 'made-strange-family', [0], destination(7));
  seed('daemon', 'made', daemon('eth0'));
  seed('daemon', 'made-long-interface', daemon('a'.repeat(16)));
  beyond(service()).forEach((bytes, i) => seed('service', `made-beyond-${i + 1}`, bytes));
  beyond(destination()).forEach((bytes, i) => {
    seed('destination', `made-beyond-${i + 1}`, [0], bytes);
  });
  beyond(daemon('eth0')).forEach((bytes, i) => seed('daemon', `made-beyond-${i + 1}`, bytes));
  seed('director', 'made-cut', attribute(4, u32(900)), attribute(5, u32(120)).subarray(0, 6));
  seed('director', 'made-timeouts', ...[4, 5, 6].map((n) => attribute(n, u32(n * 100))));
  seed('family', 'made-reserved', attribute(1, u16(15)));
  seed('family', 'made-flagged', attribute(1 | 0x8000, u16(28)));

  const echoed = (length) => [u32(length), Buffer.alloc(12), Buffer.alloc(length - 16)];
  const explained = [attribute(1, text('why')), attribute(2, u32(20)), attribute(5, u32(7))];
  const odd = [u32(-22 >>> 0), ...echoed(21), Buffer.alloc(3), ...explained];
  seed('acknowledgement', 'made-odd-request', [1], ...odd);
  seed('acknowledgement', 'made-no-errno', [0], u32(0x80000000), ...echoed(16));
  seed('acknowledgement', 'made-positive', [0], u32(22), ...echoed(16));
  seed('acknowledgement', 'made-done', [5], u32(-4 >>> 0), ...explained);
  for (const length of [0, 15, 24, 0xffffffff]) {
    seed('message', `made-length-${length}`, u32(length), Buffer.alloc(16));
  }

  const line = 'TCP 0A4C0001 9C41 0A4D0001 0050 0A4E0001 1F90 ESTABLISHED     900';
  seed('connection_line', 'made-data-with-spaces', text(`${line} sip a b  c `).subarray(0, -1));
  seed('connection_line', 'made-large-port', text(line.replace('9C41', '19C41')).subarray(0, -1));
  seed('connection_line', 'made-no-client-port', text(line.replace('9C41', '0000')).subarray(0, -1));
  seed('connection_table', 'made-cut', [0, 0, 0], text(`Pro\n${line}\n${line}`).subarray(0, -1));
}

// rtnetlink's payloads: a fixed header, then attributes.
function seedNetwork() {
  const v4 = Buffer.from([10, 0, 0, 1]);
  const v6 = Buffer.from('fd000000000000000000000000000001', 'hex');
  const header = (hex) => Buffer.from(hex, 'hex');

  const linkHeader = header('00000100070000004110000000000000');
  const name = attribute(3, text('eth0'));
  const basics = [name, attribute(4, u32(1400)), attribute(1, Buffer.alloc(6, 2))];
  const tunnel = (kind, ...data) =>
    attribute(18, attribute(1, text(kind)), attribute(2, ...data));
  const ports = (first) => [u16(2), u16(1), be16(7), be16(6080)].map((v, i) => attribute(first + i, v));
  const ipip = [attribute(1, u32(3)), attribute(2, v4), attribute(3, v4), attribute(4, u8(64))];
  const gre = [attribute(3, be16(0x8000)), attribute(6, v4), attribute(7, v4), attribute(18)];
  seed('link', 'plain', linkHeader, ...basics);
  seed('link', 'ipip', linkHeader, ...basics, tunnel('ipip', ...ipip, ...ports(15), attribute(19)));
  seed('link', 'gre', linkHeader, name, tunnel('gre', ...gre, ...ports(14)));
  seed('link', 'ip6tnl', linkHeader, name, tunnel('ip6tnl', attribute(2, v6), attribute(5, u8(4))));
  seed('link', 'ip6gre', linkHeader, name, tunnel('ip6gre', attribute(6, v6), attribute(11, u8(4))));
  seed('link', 'strange-kind', linkHeader, name, tunnel('k'.repeat(40), attribute(2, v4)));

  const lifetimes = attribute(6, u32(5), u32(9), u64(0));
  const label = attribute(3, text('eth0:1'));
  const flags = attribute(8, u32(0x280));
  const ends = [attribute(1, Buffer.from([10, 0, 0, 2])), attribute(2, v4), attribute(4, v4)];
  seed('interface_address', 'ipv4', header('021880fe07000000'), ...ends, label, flags, lifetimes);
  seed('interface_address', 'ipv6', header('0a40800007000000'), attribute(1, v6), flags, lifetimes);
  seed('interface_address', 'other-family', header('1c40800007000000'), attribute(1, u16(1)));

  const routeHeader = header('02100000fe03000100000000');
  const hop = (...parts) => {
    const bytes = Buffer.concat([u8(0), u8(2), u32(3), ...parts]);
    return Buffer.concat([u16(bytes.length + 2), bytes]);
  };
  const via = attribute(18, u16(10), v6);
  const metrics = attribute(8, attribute(2, u32(1400)), attribute(8, u32(1360)));
  const numbers = [15, 6, 4].map((type) => attribute(type, u32(70000 + type)));
  const to = attribute(1, Buffer.from([10, 5, 0, 0]));
  seed('route', 'ipv4', routeHeader, to, ...numbers, attribute(5, v4), attribute(7, v4), metrics);
  seed('route', 'hops', routeHeader, to, attribute(9, hop(attribute(5, v4)), hop(via)));
  seed('route', 'ipv6', header('0a800000fe03000100020000'), attribute(1, v6), ...numbers, via);
  seed('route', 'other-family', header('80200000fe03000100000000'), attribute(1, v4));

  const ruleHeader = header('022008006400000102000000');
  const masks = [6, 10, 16, 15].map((type) => attribute(type, u32(type)));
  const between = [attribute(3, text('in')), attribute(17, text('out'))];
  seed('rule', 'ipv4', ruleHeader, attribute(1, v4), attribute(2, v4), ...masks, ...between);
  seed('rule', 'ipv6', header('0a8000006400000100000000'), attribute(1, v6), ...masks);

  const mac = attribute(2, Buffer.alloc(6, 2));
  seed('neighbour', 'ipv4', header('020000000300000004000800'), attribute(1, v4), mac);
  seed('neighbour', 'ipv6', header('0a0000000300000080000001'), attribute(1, v6), mac);
  seed('neighbour', 'bridge', header('070000000300000080000001'), mac);

  const comment = (value) => Buffer.concat([u8(0), u8(value.length + 1), text(value)]);
  const rule = [attribute(2, text('mark_7_udp_10.0.0.1')), attribute(3, u64(9))];
  const note = attribute(7, comment('ipvs udp 10.0.0.1 53 mark 7'));
  seed('nftables', 'ours', header('02000000'), ...rule, note);
  seed('nftables', 'ours-ipv6', header('0a000000'), ...rule, note);
  seed('nftables', 'theirs', header('02000000'), ...rule, attribute(7, u8(9), u8(0), comment('x')));

  const port = [attribute(1, be16(5555)), attribute(2, u8(2)), attribute(3, u8(4))];
  seed('fou', 'fou', ...port, attribute(4, u8(1)), attribute(6, u32(0)));
  seed('fou', 'lacking', ...port);

  // inet_diag_msg: at port 80; 24 bytes of the socket's other end and state follow.
  const socket = (family, address) =>
    Buffer.concat([header(`${family}0a000000500000`), address, Buffer.alloc(64 - address.length)]);
  seed('listener', 'ipv4', socket('02', v4));
  seed('listener', 'ipv6', socket('0a', v6), attribute(11, u8(1)));
}

// Requests are not captured: JavaScript makes them. The parts in the order of their bits, with
// columns that differ.
function parts(family) {
  const words = (...values) => Buffer.concat(values.map(u32));
  const name = (value, size) => Buffer.concat([Buffer.from(value, 'latin1')], size);
  const text = family === 2 ? '\x0a\0\0\x01' : '\x20\x01\x0d\xb8';
  const address = Buffer.alloc(family === 2 ? 4 : 16, text, 'latin1');
  return [
    [words(family, 6, 80, 0), address],
    [words(0x3d, 0x3f, 300, family === 2 ? 0xffffff00 : 64), name('wrr', 16), name('sip', 20)],
    [words(family, 8080), address],
    [words(2, 7)],
    [words(90, 30)],
    [words(1, 6080, 2)],
    [words(900, 120, 30)],
    [words(1), name('eth0', 16), words(7, 1400, 8848, 3, family), address],
  ].map((each) => Buffer.concat(each));
}

function request(command, bits, family = 2) {
  const chosen = parts(family).filter((_, part) => bits & (1 << part));
  return Buffer.concat([u32(command | (bits << 8)), ...chosen]);
}

// What each command can't do without.
const NEEDED = [0, 3, 3, 1, 1, 13, 13, 5, 1, 128, 128, 0, 64, 0, 0, 0, 1, 0];
const ALL = 255;

// One for each command, of either family: alone, with all that there is, and without what it needs.
function seedRequests() {
  for (let command = 1; command <= 17; command++) {
    for (const family of [2, 10]) {
      const name = `command-${command}-family-${family}`;
      seed('request', name, request(command, NEEDED[command], family));
      seed('request', `${name}-all`, request(command, ALL, family));
    }
    const [behind, last] = [request(command, NEEDED[command]), request(17, 0)];
    seed('request', `command-${command}-behind`, request(3, 1, 10), behind, last);
    seed('request', `command-${command}-lacking`, request(17, ALL), request(command, 0), last);
    seed('request', `command-${command}-cut`, last, behind.subarray(0, -1));
  }
  seed('request', 'mark', u32(3 | 0x100), u32(2), Buffer.alloc(8), u32(7), request(17, 0));
  seed('request', 'nobody', request(16, 1), u32(16 | 0x100), Buffer.alloc(16), request(16, 0));
  seed('request', 'same-service', request(5, 13), request(5, 12), request(7, 4), request(8, 0));
  seed('request', 'limits-and-tunnel', request(5, 61), request(6, 12), request(6, 28), request(6, 44));
  seed('request', 'unknown-part', u32(17 | 0x10000), request(17, 0));
}

rmSync(corpus, { recursive: true, force: true });
for (const kernel of readdirSync(captures)) {
  for (const file of readdirSync(join(captures, kernel))) seedCapture(kernel, file);
}
seedMade();
seedNetwork();
seedRequests();
