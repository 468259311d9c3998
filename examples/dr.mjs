// VS/DR, direct routing: real servers have the virtual address too, in silence, and answer the clients
// past the director. The fastest way, for real servers on the director's own network.

import { Cluster } from 'ipvs/cluster';
import { run } from './run.mjs';

await run(
  Cluster.from({
    mode: 'dr',
    vip: '192.168.51.11',
    gateway: '192.168.118.1',
    services: [
      { protocol: 'tcp', port: 80, scheduler: 'rr', persistence: { timeout: 300, netmask: 24 } },
    ],
    nodes: {
      gw: {
        role: 'router',
        interface: 'eth1',
        address: '192.168.118.1/24',
        clients: { interface: 'eth0', address: '192.168.51.10/24' },
      },
      lb1: { role: 'director', interface: 'eth0', address: '192.168.118.10/24' },
      rs1: { role: 'real-server', interface: 'eth0', address: '192.168.118.11/24' },
      rs2: { role: 'real-server', interface: 'eth0', address: '192.168.118.12/24', weight: 2 },
    },
  }),
);
