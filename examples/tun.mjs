// VS/TUN, tunnelling: packets travel to the real servers in an envelope, so that these may be on any
// network; they answer the clients directly. IPv4 and IPv6. With `ipip` as the first argument that
// is the envelope, otherwise GUE (UDP), which passes more firewalls.

import process from 'node:process';
import { Cluster } from 'ipvs/cluster';
import { run } from './run.mjs';

const ipip = process.argv[2] === 'ipip';
if (ipip) process.argv.splice(2, 1);

await run(
  Cluster.from({
    mode: 'tun',
    tunnel: ipip ? { type: 'ipip' } : { type: 'gue', port: 6080 },
    vip: ['192.168.51.11', '2001:db8:51::11'],
    gateway: ['192.168.118.1', '2001:db8:118::1'],
    services: [
      { protocol: 'tcp', port: 443, scheduler: 'sh', schedulerFlags: ['sh-port'] },
      { protocol: 'udp', port: 53, scheduler: 'rr', onePacket: true },
    ],
    nodes: {
      gw: {
        role: 'router',
        interface: 'eth1',
        address: ['192.168.118.1/24', '2001:db8:118::1/64'],
        clients: { interface: 'eth0', address: ['192.168.51.10/24', '2001:db8:51::10/64'] },
      },
      lb1: {
        role: 'director',
        interface: 'eth0',
        address: ['192.168.118.10/24', '2001:db8:118::10/64'],
      },
      rs1: {
        role: 'real-server',
        interface: 'eth0',
        address: ['192.168.118.11/24', '2001:db8:118::11/64'],
      },
      rs2: {
        role: 'real-server',
        interface: 'eth0',
        address: ['192.168.118.12/24', '2001:db8:118::12/64'],
      },
    },
  }),
);
