// The plain functions beside the methods. A verb that is forgotten here works only for those who
// open a handle.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import * as ipvs from 'ipvs';

const root = join(__dirname, '..', '..');

t.test('every verb of Ipvs is a function too, and nothing else is', (t) => {
  const own = ['constructor', 'close'];
  const verbs = Object.getOwnPropertyNames(ipvs.Ipvs.prototype).filter(
    (name) => !own.includes(name),
  );
  t.ok(verbs.includes('addService'));
  t.ok(verbs.includes('connections'));
  const classes = [
    'Ipvs',
    'Network',
    'Sysctl',
    'NetworkError',
    'IpvsError',
    'AbortError',
    'RulesError',
  ];
  const others = [...classes, 'parseRules', 'formatRules', 'default', '__esModule'];
  const functions = Object.entries(ipvs)
    .filter(([name]) => !others.includes(name))
    .map(([name, value]) => {
      t.type(value, 'function', name);
      return name;
    });
  t.strictSame(functions.sort(), verbs.sort());
  t.end();
});

// What is not loaded takes no time: without a clock, what keeps a program from starting slowly.
t.test('the package loads only what a first change needs', (t) => {
  const program = `require('ipvs');
    for (const file of Object.keys(require.cache)) console.log(require('path').relative('dist', file));`;
  const env = { ...process.env, NODE_OPTIONS: '' };
  const out = execFileSync(process.execPath, ['-e', program], { cwd: root, env }).toString();
  const isOurs = (file: string) => file !== '' && !file.startsWith('..');
  t.strictSame(out.split('\n').filter(isOurs).sort(), [
    'address.js',
    'channel.js',
    'check.js',
    'compare.js',
    'errors.js',
    'functions.js',
    'gathering.js',
    'index.js',
    'ipvs.js',
    'language.js',
    'lazy.js',
    'lifetime.js',
    'load.js',
    'native.js',
    'network/lazy.js',
    // Classes that are exported are there from the start; they load their parts later.
    'network/network.js',
    'network/sysctl.js',
    'operations.js',
    'options.js',
    'queue.js',
    'records.js',
    'requests.js',
    'rows.js',
    'rules/error.js',
    'session.js',
    'table.js',
    'turns.js',
    'validate.js',
    'waiting.js',
    'words.js',
  ]);
  t.end();
});
