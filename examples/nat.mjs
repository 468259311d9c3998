// VS/NAT, masquerading: real servers know nothing of the virtual address; their answers pass the
// director, which is their default gateway. The only way that can change the port.

import { Cluster } from 'ipvs/cluster';
import { run } from './run.mjs';

await run(
  Cluster.from({
    mode: 'nat',
    vip: '192.168.51.11',
    services: [
      { protocol: 'tcp', port: 80, realPort: 8080, scheduler: 'wlc' },
      // Passive FTP's data connections are found by port 0: every port, one real server for a client.
      { protocol: 'tcp', port: 0, scheduler: 'wlc', persistence: { timeout: 540 } },
    ],
    nodes: {
      gw: {
        role: 'router',
        interface: 'eth1',
        address: '192.168.118.1/24',
        clients: { interface: 'eth0', address: '192.168.51.10/24' },
      },
      lb1: {
        role: 'director',
        interface: 'eth0',
        address: '192.168.118.10/24',
        gateway: '192.168.118.1',
      },
      rs1: { role: 'real-server', interface: 'eth0', address: '192.168.118.11/24' },
      rs2: { role: 'real-server', interface: 'eth0', address: '192.168.118.12/24' },
    },
  }),
);
