// What a program does that has no library: it starts ipvsadm. Prints a line of JSON, the time for all of
// it, measured in this process from the start of ipvsadm to its end (and to the objects, where its text
// is read). Runs inside the namespace, as such a program would.
//
//   node peers.js restore|process|save SERVICES DESTINATIONS

'use strict';

const assert = require('node:assert');
const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const { promisify } = require('node:util');
const { ipvsadmDestinations, ipvsadmRules } = require('./rules.js');

const execute = promisify(execFile);

// So many processes stand for all of them.
const SAMPLE = 50;

/** One process for all rules: `ipvsadm --restore`. */
async function restore(shape) {
  const text = ipvsadmRules(shape)
    .map((rule) => `${rule.join(' ')}\n`)
    .join('');
  return time(async () => {
    const child = spawn('ipvsadm', ['--restore'], { stdio: ['pipe', 'ignore', 'inherit'] });
    child.stdin.end(text);
    const [code] = await once(child, 'close');
    assert.strictEqual(code, 0);
  });
}

/** One process for each change. */
async function each(shape) {
  const rules = ipvsadmDestinations(shape);
  const sample = rules.slice(0, SAMPLE);
  const nanoseconds = await time(async () => {
    for (const rule of sample) await execute('ipvsadm', rule);
  });
  return (nanoseconds / sample.length) * rules.length;
}

/** One process that tells all rules, and its text as objects. */
async function save([services, destinations]) {
  let found;
  const nanoseconds = await time(async () => {
    const { stdout } = await execute('ipvsadm', ['--save', '--numeric'], { maxBuffer: 2 ** 30 });
    found = parse(stdout);
  });
  assert.strictEqual(found.length, services);
  for (const service of found) assert.strictEqual(service.destinations.length, destinations);
  return nanoseconds;
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

async function main([name, ...shape]) {
  const nanoseconds = await { restore, process: each, save }[name](shape.map(Number));
  console.log(JSON.stringify({ nanoseconds }));
}

void main(process.argv.slice(2));
