// A machine where everything that a cluster's node needs is there already, but otherwise.

import { VIP, VIP6 } from '../fixtures/clusters.js';
import type { Place } from './node-state.js';
import { batch } from './topology.js';

/** Where nothing is up, what waits for it to be. */
export function useDown({ netns }: Place): void {
  batch(netns, [
    'address add fd00::1/128 dev lo',
    'address add 2001:db8:118::55/64 dev eth0',
    'address add 2001:db8:118::56/64 dev eth0 nodad noprefixroute',
    'address add 192.168.51.55/24 dev eth1',
    'address add 2001:db8:51::55/64 dev eth1 valid_lft 100000 preferred_lft 50000',
  ]);
}

/** What the kernel takes along with an address that is made anew; used after `useOtherwise`. */
export function dependOnAddresses({ netns }: Place): void {
  batch(netns, [
    // As DHCP gives them; it goes when the one before it goes.
    'address add 192.168.118.78/24 brd + dev eth0 valid_lft 100000 preferred_lft 50000',
    // The nodes' own, in a network that is too small: the first would take the others along.
    ...[10, 11, 12, 20].map((host) => `address add 192.168.118.${host}/25 dev eth0`),
    ...[10, 11, 12, 20].map((host) => `address add 2001:db8:118::${host}/80 dev eth0 nodad`),
    'address add 192.168.51.12/24 dev lo',
    'route add 10.77.0.0/16 via 192.168.118.254 src 192.168.118.78 initrwnd 30',
    'route add 10.78.0.0/16 dev lo src 192.168.51.12',
    'route add fd77::/16 via 2001:db8:118::fe src 2001:db8:118::11',
  ]);
}

export async function useOtherwise({ netns, machine }: Place): Promise<void> {
  batch(netns, [
    ...['lo', 'eth0', 'eth1'].map((name) => `link set ${name} up`),
    'address add 192.168.118.77/24 dev eth0',
    'address add 2001:db8:118::77/64 dev eth0',
    'address add 192.168.51.77/24 dev eth1',
    // As tutorials have it.
    `address add ${VIP}/24 brd 192.168.51.255 label lo:0 dev lo`,
    `address add ${VIP6}/64 dev lo`,
    'route add default via 192.168.118.254 proto static advmss 1200 mtu lock 1400 initcwnd 20',
    'route add default via 192.168.118.253 metric 100',
    'route add default tos 0x10 via 192.168.118.252',
    'route add default via 2001:db8:118::fe proto ra expires 100000 pref high',
    'route add 10.79.0.0/16 nexthop via 192.168.118.254 weight 3 nexthop via 192.168.118.253',
    `route add ${VIP}/32 via 192.168.118.250 src 192.168.118.77`,
    `route add ${VIP6}/128 via 2001:db8:118::fa`,
    'route add unreachable default table 20000',
    'rule add priority 20000 fwmark 8 table 20000',
    `neighbour add proxy ${VIP} dev eth0`,
    'link add other type ipip local 192.168.118.77 remote 192.168.118.99',
  ]);
  const settings = {
    'net.ipv4.conf.all.arp_ignore': 3,
    'net.ipv4.conf.eth0.arp_announce': 1,
    'net.ipv4.conf.all.rp_filter': 1,
    'net.ipv4.conf.all.send_redirects': 0,
    // Not as ip_forward would have it.
    'net.ipv4.conf.eth0.forwarding': 1,
    'net.ipv4.conf.eth1.accept_redirects': 0,
    'net.ipv6.conf.eth1.forwarding': 1,
    'net.ipv6.conf.eth0.proxy_ndp': 1,
    'net.ipv4.vs.expire_nodest_conn': 1,
    'net.ipv4.vs.conn_reuse_mode': 0,
  };
  for (const [name, value] of Object.entries(settings)) await machine.sysctl.set(name, value);

  const { ipvs } = machine;
  const service = { protocol: 'tcp', address: VIP, port: 80 } as const;
  await ipvs.addService({
    ...service,
    scheduler: 'sh',
    schedulerFlags: ['sh-port'],
    engine: 'sip', // without persistence: of no use, but there
  });
  await ipvs.addDestination(service, {
    address: '192.168.118.11',
    forwarding: 'nat',
    weight: 7,
    upperThreshold: 9,
    lowerThreshold: 3,
  });
  await ipvs.addDestination(service, { address: '192.168.118.99', forwarding: 'dr' });
  await ipvs.addService({ protocol: 'udp', address: '10.0.0.1', port: 53, scheduler: 'wlc' });
  await ipvs.startSyncDaemon({ role: 'master', interface: 'eth1', syncId: 9, ttl: 3 });
}
