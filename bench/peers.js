// What a program does that has no library: it starts ipvsadm. Prints a line of JSON: how many changes or
// records, and the time for all of them, measured in this process from the start of ipvsadm to its end
// (and to the objects, where its text is read). Runs inside the namespace, as such a program would.
//
//   node peers.js restore|process|save MODE SERVICES DESTINATIONS
//
// MODE is what floor.c calls the same.

'use strict';

const assert = require('node:assert');
const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const { promisify } = require('node:util');
const { ipvsadmRules } = require('./rules.js');

const execute = promisify(execFile);

// So many processes stand for all of them.
const SAMPLE = 50;

/** One process for all rules: `ipvsadm --restore`. */
async function restore(mode, shape) {
  const rules = ipvsadmRules[mode](shape);
  const text = rules.map((rule) => `${rule.join(' ')}\n`).join('');
  const nanoseconds = await time(async () => {
    const child = spawn('ipvsadm', ['--restore'], { stdio: ['pipe', 'ignore', 'inherit'] });
    child.stdin.end(text);
    const [code] = await once(child, 'close');
    assert.strictEqual(code, 0);
  });
  return { count: rules.length, nanoseconds };
}

/** One process for each change. */
async function each(mode, shape) {
  const sample = ipvsadmRules[mode](shape).slice(0, SAMPLE);
  const nanoseconds = await time(async () => {
    for (const rule of sample) await execute('ipvsadm', rule);
  });
  return { count: sample.length, nanoseconds };
}

/** One process that tells all rules, and its text as objects. */
async function save(mode, [services, destinations]) {
  let found;
  const nanoseconds = await time(async () => {
    const { stdout } = await execute('ipvsadm', ['--save', '--numeric'], { maxBuffer: 2 ** 30 });
    found = parse(stdout);
  });
  assert.strictEqual(found.length, services);
  for (const service of found) assert.strictEqual(service.destinations.length, destinations);
  return { count: services + services * destinations, nanoseconds };
}

const PROTOCOLS = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' };
const FORWARDING = { '-m': 'nat', '-g': 'dr', '-i': 'tun' };

function parse(text) {
  const services = new Map();
  for (const line of text.split('\n')) {
    const words = line.split(' ');
    const [command, protocol, virtual] = words;
    if (command === '-A') {
      const service = { protocol: PROTOCOLS[protocol], ...endpoint(virtual), destinations: [] };
      service.scheduler = words[words.indexOf('-s') + 1];
      services.set(virtual, service);
    } else if (command === '-a') {
      const destination = endpoint(words[words.indexOf('-r') + 1]);
      destination.forwarding = FORWARDING[words.find((word) => word in FORWARDING)];
      destination.weight = Number(words[words.indexOf('-w') + 1]);
      services.get(virtual).destinations.push(destination);
    }
  }
  return [...services.values()];
}

function endpoint(text) {
  const colon = text.lastIndexOf(':');
  return { address: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

async function time(work) {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started);
}

async function main([name, mode, ...shape]) {
  const reading = await { restore, process: each, save }[name](mode, shape.map(Number));
  console.log(JSON.stringify(reading));
}

void main(process.argv.slice(2));
