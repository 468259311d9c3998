// What the network's objects are called and made of.

import type { AbortSignalLike, AddressFamily, OpenOptions, Protocol } from '../types.js';

/** Which network namespace a handle is for, and how long a call may take. */
export type PlaceOptions = OpenOptions;

/** How far an address or a route reaches: RT_SCOPE_* (include/uapi/linux/rtnetlink.h). */
export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere';

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** 'dummy', 'veth', 'ipip', 'bridge' …; absent for a physical one and for the loopback. */
  readonly kind?: string;
  /** Whether it was set up. */
  readonly up: boolean;
  /** Whether it is up and has a carrier. */
  readonly running: boolean;
  /** Whether it does ARP and neighbour discovery. */
  readonly arp: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** The MAC. */
  readonly address?: string;
  readonly loopback: boolean;
  readonly tunnel?: LinkTunnel;
}

/** The ends of an ipip, sit, ip6tnl, gre or ip6gre interface. */
export interface LinkTunnel {
  /** Absent: any. */
  readonly local?: string;
  /** Absent: any. */
  readonly remote?: string;
  /** Absent: that of the packet inside. */
  readonly ttl?: number;
  /** GRE with checksums. */
  readonly checksum?: boolean;
  /** Routes say where each packet goes ("collect metadata"). */
  readonly external?: boolean;
  /** What is sent goes inside UDP. */
  readonly encapsulation?: {
    readonly type: 'fou' | 'gue';
    /** 0: chosen for each connection. */
    readonly sourcePort: number;
    readonly destinationPort: number;
    readonly checksum: boolean;
  };
}

/** The kinds of tunnels that can be added. */
export type TunnelKind = 'ipip' | 'sit' | 'ip6tnl' | 'gre' | 'ip6gre';

/** A network interface that is to be. What is left out is as `ip link add` has it. */
export type LinkConfig = {
  /** 1 to 15 characters. */
  readonly name: string;
  /** Set it up at once. Default: false. */
  readonly up?: boolean;
  /** Bytes. Default: the kernel's. */
  readonly mtu?: number;
} & (
  | { readonly kind: 'dummy' }
  | {
      /** `ip6tnl` takes IPv4 and IPv6 inside ("mode any"). */
      readonly kind: TunnelKind;
      /** Default: any. IPv6 for `ip6tnl` and `ip6gre`, IPv4 for the others. */
      readonly local?: string;
      /** Default: any. */
      readonly remote?: string;
      /** 0 … 255. Default: 0, that of the packet inside; IPv6: 64. */
      readonly ttl?: number;
      /** GRE with checksums. Default: false. */
      readonly checksum?: boolean;
      /** Routes say where each packet goes ("collect metadata"). Default: false. */
      readonly external?: boolean;
      /** The interface that it sends through. Default: what the routes say. */
      readonly interface?: string;
    }
);

/** What can be changed of an interface; what is left out stays. */
export interface LinkChanges {
  readonly up?: boolean;
  /** Bytes. */
  readonly mtu?: number;
  readonly arp?: boolean;
}

/** An address of an interface. */
export interface InterfaceAddress {
  readonly interface: string;
  /** Canonical text. */
  readonly address: string;
  readonly prefix: number;
  readonly family: AddressFamily;
  readonly scope: Scope | number;
  /** IPv4; the interface's name where nobody gave another. */
  readonly label?: string;
  /** No route to its network was made with it. */
  readonly noPrefixRoute: boolean;
  /** No duplicate address detection. */
  readonly noDad: boolean;
  /** It has no end: neither a lifetime nor duplicate address detection that is still to come. */
  readonly permanent: boolean;
  /** Duplicate address detection is going on: it can't be used yet. */
  readonly tentative: boolean;
  /** Not for new connections. */
  readonly deprecated: boolean;
  /** Somebody else has it. */
  readonly dadFailed: boolean;
  /** IPv4: another one of its network came before it, and takes it along when it goes. */
  readonly secondary?: boolean;
  /** Seconds. Absent: for ever. */
  readonly preferredLifetime?: number;
  /** Seconds. Absent: for ever. */
  readonly validLifetime?: number;
  /** The other end of a point-to-point link. */
  readonly peer?: string;
  readonly broadcast?: string;
  /** What else the kernel tells, and takes again: netlink attributes in hexadecimal. */
  readonly other?: string;
}

/** An address that an interface is to have. */
export interface AddressConfig {
  readonly interface: string;
  readonly address: string;
  /** Default: 32, IPv6: 128. */
  readonly prefix?: number;
  /** Default: 'global', for 127.0.0.0/8 and ::1 'host'. The kernel chooses it for IPv6. */
  readonly scope?: Scope | number;
  /** IPv4: the interface's name, or that with ':' and something behind it. */
  readonly label?: string;
  /** Make no route to its network. Default: false. */
  readonly noPrefixRoute?: boolean;
  /** IPv6: skip duplicate address detection. Default: false. */
  readonly noDad?: boolean;
  /** Seconds; 0: never chosen as the source of a new connection. Default: for ever. */
  readonly preferredLifetime?: number;
  /** Seconds, from 1 on. Default: for ever. */
  readonly validLifetime?: number;
  /** The other end of a point-to-point link. */
  readonly peer?: string;
  /** IPv4. */
  readonly broadcast?: string;
  /** As {@link InterfaceAddress.other} tells it. */
  readonly other?: string;
}

/** Names an address of an interface. */
export interface AddressKey {
  readonly interface: string;
  readonly address: string;
  /** Default: 32, IPv6: 128. */
  readonly prefix?: number;
  /** Needed where it has one. */
  readonly peer?: string;
}

/** What happens to a packet: RTN_*. */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'nat';

/** Who made a route: RTPROT_*. */
export type RouteProtocol =
  | 'redirect'
  | 'kernel'
  | 'boot'
  | 'static'
  | 'ra'
  | 'zebra'
  | 'bird'
  | 'dhcp'
  | 'keepalived'
  | 'bgp'
  | 'ospf';

/** One of several ways that a route goes. */
export interface NextHop {
  readonly interface?: string;
  readonly gateway?: string;
  readonly weight: number;
}

/** A route. */
export interface Route {
  /** 'default', '10.0.0.0/8', '10.0.0.1/32'. */
  readonly destination: string;
  readonly family: AddressFamily;
  /** 254 main, 255 local, 253 default. */
  readonly table: number;
  readonly type: RouteType | number;
  readonly scope: Scope | number;
  readonly protocol: RouteProtocol | number;
  readonly interface?: string;
  readonly gateway?: string;
  /** The preferred source address. */
  readonly source?: string;
  /** Absent: 0. */
  readonly metric?: number;
  /** The gateway is taken to be on the link. */
  readonly onLink?: boolean;
  /** Bytes. */
  readonly mtu?: number;
  /** Bytes. */
  readonly advertisedMss?: number;
  /** Where there are several. */
  readonly nextHops?: readonly NextHop[];
  /** IPv4: for packets of this type of service alone. Absent: 0, any that has no route of its own. */
  readonly tos?: number;
  /** IPv6: seconds. Absent: never. */
  readonly expires?: number;
  /** IPv6: it is for packets from some addresses only. */
  readonly from?: true;
  /** What else the kernel tells, and takes again: netlink attributes in hexadecimal. */
  readonly other?: string;
}

/** A route that is to be. */
export interface RouteConfig {
  /** 'default', a network such as '10.0.0.0/8', or an address. */
  readonly destination: string;
  /** Needed only for 'default' without a gateway. */
  readonly family?: AddressFamily;
  /** 1 … 2^32-1. Default: 254 (main), with type 'local' 255 (local). */
  readonly table?: number;
  /** Default: 'unicast'. */
  readonly type?: Exclude<RouteType, 'nat'>;
  /** IPv4. Default: 'host' for type 'local', 'link' without a gateway, otherwise 'global'. */
  readonly scope?: Scope | number;
  /** Default: 'boot', as with `ip route add`. */
  readonly protocol?: RouteProtocol | number;
  readonly interface?: string;
  readonly gateway?: string;
  /** The preferred source address: one of this host's own. */
  readonly source?: string;
  readonly metric?: number;
  /** Take the gateway to be on the link, whatever the addresses say. Default: false. */
  readonly onLink?: boolean;
  /** Bytes. */
  readonly mtu?: number;
  /** Bytes: the MSS that TCP announces. */
  readonly advertisedMss?: number;
  /** IPv4: the type of service of the packets that it is for, 0 … 255. Default: 0. */
  readonly tos?: number;
  /** IPv6: seconds. Default: never. */
  readonly expires?: number;
  /** As {@link Route.other} tells it; with several next hops it holds these. */
  readonly other?: string;
}

/** What a rule does: FR_ACT_*. */
export type RuleAction = 'table' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';

/** Says which table a packet is looked up in. */
export interface Rule {
  readonly family: AddressFamily;
  readonly priority: number;
  readonly fwmark?: number;
  /** Absent: all bits. */
  readonly fwmask?: number;
  readonly table?: number;
  readonly source?: string;
  readonly destination?: string;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  /** It is for all packets that do not fit. */
  readonly inverted?: boolean;
  /** It has conditions that are not shown here: ports, a user, `suppress_prefixlength`, ... */
  readonly otherConditions?: boolean;
  readonly action: RuleAction | number;
}

/** A rule that is to be: it looks up a table. */
export interface RuleConfig {
  /** Default: 'ipv4'. */
  readonly family?: AddressFamily;
  /** Default: the kernel's, in front of the others. */
  readonly priority?: number;
  readonly fwmark?: number;
  /** Default: all bits. */
  readonly fwmask?: number;
  readonly table: number;
  /** A network such as '10.0.0.0/8', or an address. */
  readonly source?: string;
  readonly destination?: string;
}

/** How sure the kernel is of a neighbour: NUD_*. */
export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

/** Who on the link has an address. */
export interface Neighbour {
  readonly interface: string;
  readonly address: string;
  readonly family: AddressFamily;
  /** The MAC; absent where it is not known. */
  readonly linkAddress?: string;
  readonly state: NeighbourState | number;
  /** This host answers for the address. */
  readonly proxy: boolean;
}

/** A neighbour that is to be known. */
export interface NeighbourConfig {
  readonly interface: string;
  readonly address: string;
  /** A MAC. Needed unless it is a proxy entry. */
  readonly linkAddress?: string;
  /** Default: 'permanent'. */
  readonly state?: 'reachable' | 'stale' | 'noarp' | 'permanent';
  /** Answer for the address. Default: false. */
  readonly proxy?: boolean;
}

/** Names a neighbour. */
export interface NeighbourKey {
  readonly interface: string;
  readonly address: string;
  readonly proxy?: boolean;
}

/** A UDP port at which tunnelled packets arrive. */
export interface FouPort {
  readonly port: number;
  /** Default: 'ipv4'. */
  readonly family?: AddressFamily;
  readonly type: 'fou' | 'gue';
  /** What is inside, as IP numbers protocols: 4 for ipip, 41 for IPv6. Needed for 'fou' only. */
  readonly protocol?: number;
}

/** From the first port to the last one. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/**
 * What gets a firewall mark on its way in, before the routing decision: of several ports, or
 * addresses, IPVS then makes one service (`{ fwmark }`).
 */
export interface MarkRule {
  /** Default: the address's. */
  readonly family?: AddressFamily;
  /** Where the packet goes: an address, or a network such as '10.0.0.0/24'. */
  readonly address: string;
  readonly protocol: Protocol;
  /** Default: every port. */
  readonly ports?: readonly (number | PortRange)[];
  /** 1 … 2^32-1. */
  readonly mark: number;
}

/** What is told to everybody on a link. */
export interface Announcement {
  readonly interface: string;
  /** IPv4: gratuitous ARP. IPv6: unsolicited neighbour advertisement. */
  readonly addresses: readonly string[];
  /** How often each is sent. Default: 5. */
  readonly count?: number;
  /** Milliseconds between them. Default: 0. */
  readonly interval?: number;
  /** Milliseconds, after which as many are sent again; 0: never. Default: 5000. */
  readonly repeatAfter?: number;
  readonly signal?: AbortSignalLike;
}

/** A kernel setting of /proc/sys. */
export interface SysctlEntry {
  /** With dots, or with slashes where a part of it has a dot: 'net/ipv4/conf/eth0.100/arp_ignore'. */
  readonly name: string;
  readonly value: string;
}
