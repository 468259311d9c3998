// Why IPVS can't be used, told from what /proc says; the machine's own /proc plays no part.

import fs from 'node:fs/promises';
import t from 'tap';
import { whyNotPermitted, whyUnavailable } from '#lib/rights';

/** `undefined`: the file can't be read. */
function withProc(t: tap.Test, files: Record<string, string | undefined>): void {
  t.intercept(fs, 'readFile', {
    value: (path: string) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error('ENOENT')) : Promise.resolve(text);
    },
  });
}

const ALL = 'Name:\tnode\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n';
const NONE = 'Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000000000\n';
const ONLY = 'CapEff:\t0000000000001000\n';
const ALL_BUT = 'CapEff:\t000001ffffffefff\n';
const INITIAL = '         0          0 4294967295\n';

for (const [name, files, sentence] of [
  ['a user namespace', { uid_map: '0 1000 1\n', status: ALL }, /user namespace of its own/],
  ['one of many lines', { uid_map: `${INITIAL}1 2 3\n`, status: ALL }, /user namespace/],
  ['one that shifts', { uid_map: '0 100000 65536\n', status: NONE }, /user namespace/],
  ['one without users', { uid_map: '', status: NONE }, /user namespace/],
  ['no capability', { uid_map: INITIAL, status: NONE }, /lacks the capability CAP_NET_ADMIN/],
  ['all but that', { uid_map: INITIAL, status: ALL_BUT }, /lacks the capability/],
  ['just that', { uid_map: INITIAL, status: ONLY }, /does not let this process use IPVS/],
  [
    'no user namespaces in the kernel',
    { uid_map: undefined, status: NONE },
    /lacks the capability/,
  ],
  ['all rights', { uid_map: INITIAL, status: ALL }, /does not let/],
  ['no /proc at all', { uid_map: undefined, status: undefined }, /lacks the capability/],
] as const) {
  t.test(`EPERM with ${name} is explained`, async (t) => {
    withProc(t, { '/proc/self/uid_map': files.uid_map, '/proc/self/status': files.status });
    const { sentence: told, hint } = await whyNotPermitted();
    t.match(told, sentence);
    t.ok(hint.length > 20);
  });
}

for (const [name, disabled, modules, sentence] of [
  ['modules are disabled', '1\n', 'ip_tables 1 0', /modules is disabled/],
  ['the module does not load', '0\n', '', /ip_vs can't be loaded/],
  ['there are no modules', undefined, undefined, /can't load modules/],
] as const) {
  t.test(`a kernel without IPVS where ${name} is explained`, async (t) => {
    withProc(t, { '/proc/sys/kernel/modules_disabled': disabled, '/proc/modules': modules });
    t.match((await whyUnavailable()).sentence, sentence);
  });
}
