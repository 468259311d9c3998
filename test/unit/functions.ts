// The plain functions beside the methods. A verb that is forgotten here works only for those who
// open a handle.

import t from 'tap';
import * as ipvs from 'ipvs';

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
