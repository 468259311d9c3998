// What operators of directors set, each with its reason; only where the description asks for it.

import { hasFailover } from './director.js';
import type { Model, ModelNode } from './model.js';
import { isSince, sysctl } from './wanted.js';
import type { Facts, Wanted } from './wanted.js';

interface Setting {
  readonly name: string;
  readonly value: string;
  readonly reason: string;
}

export function profileWants(model: Model, node: ModelNode, facts: Facts): Wanted[] {
  const failover = hasFailover(model);
  const profile = model.profile === undefined ? [] : directorProfile(model, facts, failover);
  const both = node.roles.has('real-server') && failover && model.sync !== undefined;
  return [
    ...profile.map(want),
    ...(both ? [want(BACKUP_ONLY)] : []),
    ...model.sysctls.map(([name, value]): Wanted => ({
      resource: sysctl(name),
      value,
      reason: 'sysctl.settings of the description asks for it',
      asked: true,
    })),
  ];
}

function want({ name, value, reason }: Setting): Wanted {
  return {
    resource: sysctl(name),
    value,
    reason,
    // Settings come and go with kernels: what is not there can't be wrong.
    optional: true,
    // Somebody may have made a table larger still.
    ...(name.includes('gc_thresh') && {
      accepts: (present) => Number(present) >= Number(value),
    }),
  };
}

// Not on others: with it a standby answers what comes between its getting the address and its becoming
// the master by resetting the connections that it has learnt of.
const BACKUP_ONLY: Setting = {
  name: 'net.ipv4.vs.backup_only',
  value: '1',
  reason:
    'a backup director that is a real server too would hand on what the master has sent it, ' +
    'round and round (ipvs-sysctl.rst)',
};

/** The settings of `sysctl: { profile: director }`. */
function directorProfile(model: Model, facts: Facts, failover: boolean): Setting[] {
  const translates = model.services.some(({ mode }) => mode === 'nat');
  return [
    {
      name: 'net.ipv4.vs.expire_nodest_conn',
      value: '1',
      reason:
        'connections of a real server that was removed end at once; otherwise their packets ' +
        'are dropped in silence for up to 15 minutes (ipvs-sysctl.rst)',
    },
    {
      name: 'net.ipv4.vs.expire_quiescent_template',
      value: '1',
      reason: 'persistence does not tie clients to a real server of weight 0 (ipvs-sysctl.rst)',
    },
    {
      name: 'net.ipv4.vs.conn_reuse_mode',
      value: isSince(facts.release, 5, 9) ? '1' : '0',
      reason: isSince(facts.release, 5, 9)
        ? 'a client port that is used again is scheduled anew (ipvs-sysctl.rst)'
        : 'before Linux 5.9, a client port that is used again waits a second otherwise',
    },
    // Otherwise the director sees one direction only, which would be invalid to such rules.
    ...(translates
      ? [
          {
            name: 'net.ipv4.vs.conntrack',
            value: '1',
            reason:
              'VS/NAT: firewall rules that go by the state of connections know those of IPVS ' +
              '(ipvs-sysctl.rst)',
          },
        ]
      : []),
    ...(failover
      ? [
          {
            name: 'net.ipv4.vs.sloppy_tcp',
            value: '1',
            reason:
              'after a takeover, connections that were not synchronised yet go on as well ' +
              '(ip_vs_conntrack, tcp_conn_schedule)',
          },
        ]
      : []),
    ...[1024, 2048, 4096].map((size, index) => ({
      name: `net.ipv4.neigh.default.gc_thresh${index + 1}`,
      value: String(size),
      reason: 'a large network has more neighbours than the table takes by default (arp(7))',
    })),
  ];
}
