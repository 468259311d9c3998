// What goes over the wire to configure a network, byte by byte, and what comes back.
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "conversation.h"
#include "core/discovery.h"
#include "core/fou.h"
#include "core/interface_address.h"
#include "core/link.h"
#include "core/listener.h"
#include "core/neighbour.h"
#include "core/nftables.h"
#include "core/route.h"
#include "core/rule.h"
#include "harness.h"
#include "peer.h"
#include "wire.h"

namespace ipvs::test {
namespace {

Address AddressOf(const std::string& hex) {
  Address address;
  const Bytes bytes = Hex(hex);
  std::memcpy(address.bytes, bytes.data(), bytes.size());
  return address;
}

Address V4() { return AddressOf("0a00 0001"); }
Address V6() { return AddressOf("fd00 0000 0000 0000 0000 0000 0000 0001"); }
constexpr char kV6[] = "fd00 0000 0000 0000 0000 0000 0000 0001";

// As it goes out: the length, the type, the flags, and all behind the sequence number and the port.
Bytes Sealed(CommandBatch* batch) {
  Bytes bytes = ToBytes(batch->Seal(0x1c, 0));
  bytes.erase(bytes.begin() + 8, bytes.begin() + 16);
  return bytes;
}

template <typename T>
Bytes Encoded(void (*encode)(Change, const T&, CommandBatch*), Change change, const T& object) {
  CommandBatch batch;
  encode(change, object, &batch);
  return Sealed(&batch);
}

Link LinkOf(const char* name, const char* kind) {
  Link link;
  std::strcpy(link.name, name);
  std::strcpy(link.kind, kind);
  link.tunnel.family = TunnelFamily(kind);
  return link;
}

TEST("RTM_NEWLINK of a dummy that is up is this, byte by byte") {
  Link link = LinkOf("d0", "dummy");
  link.flags = link.flags_mask = 1;
  link.mtu = 1400;
  CHECK_EQ(Encoded(EncodeLink, Change::kAdd, link),
           Hex("4000 0000 1000 0506"  // REQUEST, ACK, EXCL, CREATE
               "0000 0000 0000 0000 0100 0000 0100 0000"
               "  0700 0300 6430 0000"
               "  0800 0400 7805 0000"
               "  1000 1280"
               "    0a00 0100 6475 6d6d 7900 0000"));
}

TEST("A tunnel's ends and settings go by the numbers of its kind") {
  Link ipip = LinkOf("t", "ipip");
  ipip.tunnel.local = V4();
  ipip.tunnel.remote = AddressOf("0a00 0002");
  ipip.tunnel.lower = 3;
  ipip.tunnel.ttl = 64;
  ipip.tunnel.path_mtu = true;
  const Bytes head = Hex("0000 0000 0000 0000 0000 0000 0000 0000") + TextAttribute(3, "t");
  const auto message = [&head](const char* kind, const Bytes& data) {
    const Bytes info = TextAttribute(1, kind) + Attribute(0x8002, data);
    const Bytes body = head + Attribute(0x8012, info);
    return Native(static_cast<uint32_t>(16 + body.size())) + Hex("1000 0506") + body;
  };
  CHECK_EQ(
      Encoded(EncodeLink, Change::kAdd, ipip),
      message("ipip", Attribute(9, "00") + Attribute(1, "0300 0000") + Attribute(2, "0a00 0001") +
                          Attribute(3, "0a00 0002") + Attribute(4, "40") + Attribute(10, "01")));
  Link gre = LinkOf("t", "gre");
  gre.tunnel.local = V4();
  gre.tunnel.checksum = gre.tunnel.path_mtu = true;
  CHECK_EQ(Encoded(EncodeLink, Change::kAdd, gre),
           message("gre", Attribute(6, "0a00 0001") + Attribute(8, "00") + Attribute(10, "01") +
                              Attribute(2, "8000") + Attribute(3, "8000")));
  Link ip6gre = LinkOf("t", "ip6gre");
  ip6gre.tunnel.remote = V6();
  ip6gre.tunnel.ttl = 64;
  ip6gre.tunnel.encapsulation_limit = 4;
  CHECK_EQ(Encoded(EncodeLink, Change::kAdd, ip6gre),
           message("ip6gre", Attribute(7, kV6) + Attribute(8, "40") + Attribute(11, "04")));
  // The ends of an external one come with each packet.
  gre.tunnel.external = true;
  CHECK_EQ(Encoded(EncodeLink, Change::kAdd, gre), message("gre", Attribute(18, "")));
  ipip.tunnel.external = true;
  CHECK_EQ(Encoded(EncodeLink, Change::kAdd, ipip),
           message("ipip", Attribute(9, "00") + Attribute(19, "")));
}

TEST("A link is changed and removed by its name") {
  Link link = LinkOf("d0", "");
  link.flags_mask = 1;
  CHECK_EQ(Encoded(EncodeLink, Change::kSet, link),
           Hex("2800 0000 1000 0500 0000 0000 0000 0000 0000 0000 0100 0000 0700 0300 6430 0000"));
  link.flags_mask = 0;
  CHECK_EQ(Encoded(EncodeLink, Change::kRemove, link),
           Hex("2800 0000 1100 0500 0000 0000 0000 0000 0000 0000 0000 0000 0700 0300 6430 0000"));
}

TEST("RTM_NEWADDR and RTM_DELADDR of an address are these, byte by byte") {
  InterfaceAddress address;
  address.index = 7;
  address.family = AF_INET;
  address.prefix = 24;
  address.scope = 254;
  address.flags = IFA_F_NOPREFIXROUTE;
  address.local = V4();
  address.has_broadcast = true;
  address.broadcast = AddressOf("0a00 00ff");
  std::strcpy(address.label, "a:b");
  address.preferred_lifetime = 0;
  CHECK_EQ(Encoded(EncodeInterfaceAddress, Change::kAdd, address),
           Hex("5400 0000 1400 0506 0218 00fe 0700 0000"
               "  0800 0200 0a00 0001  0800 0100 0a00 0001  0800 0400 0a00 00ff"
               "  0800 0300 613a 6200  0800 0800 0002 0000"
               "  1400 0600 0000 0000 ffff ffff 0000 0000 0000 0000"));
  CHECK_EQ(Encoded(EncodeInterfaceAddress, Change::kRemove, address),
           Hex("2800 0000 1500 0500 0218 00fe 0700 0000"
               "  0800 0200 0a00 0001  0800 0100 0a00 0001"));
  InterfaceAddress plain;
  plain.index = 7;
  plain.family = AF_INET6;
  plain.prefix = 128;
  plain.flags = IFA_F_NODAD;
  plain.local = V6();
  CHECK_EQ(Encoded(EncodeInterfaceAddress, Change::kAdd, plain),
           Hex("4800 0000 1400 0506 0a80 0200 0700 0000") + Attribute(2, kV6) + Attribute(1, kV6) +
               Attribute(8, "0200 0000"));
}

TEST("RTM_NEWROUTE of a route is this, byte by byte") {
  Route route;
  route.family = AF_INET;
  route.destination = AddressOf("0a05 0000");
  route.prefix = 16;
  route.table = 100;
  route.type = RTN_UNICAST;
  route.protocol = RTPROT_BOOT;
  route.hop.index = 3;
  route.hop.flags = RTNH_F_ONLINK;
  route.hop.gateway_family = AF_INET;
  route.hop.gateway = AddressOf("0a00 0002");
  route.has_source = true;
  route.source = V4();
  route.has_metric = true;
  route.metric = 7;
  route.mtu = 1400;
  route.advertised_mss = 1360;
  CHECK_EQ(Encoded(EncodeRoute, Change::kReplace, route),
           Hex("6000 0000 1800 0505 0210 0000 6403 0001 0400 0000"
               "  0800 0100 0a05 0000  0800 0f00 6400 0000  0800 0400 0300 0000"
               "  0800 0500 0a00 0002  0800 0700 0a00 0001  0800 0600 0700 0000"
               "  1400 0880  0800 0200 7805 0000  0800 0800 5005 0000"));
  // A table above 255 does not fit the header, and a gateway may be of the other family.
  Route other;
  other.family = AF_INET;
  other.table = 70000;
  other.type = RTN_LOCAL;
  other.scope = 254;
  other.hop.gateway_family = AF_INET6;
  other.hop.gateway = V6();
  CHECK_EQ(Encoded(EncodeRoute, Change::kRemove, other),
           Hex("3c00 0000 1900 0500 0200 0000 0000 fe02 0000 0000  0800 0f00 7011 0100") +
               Attribute(18, std::string("0a00") + kV6));
}

TEST("RTM_NEWRULE, RTM_NEWNEIGH and FOU_CMD_ADD are these, byte by byte") {
  Rule rule;
  rule.family = AF_INET;
  rule.action = FR_ACT_TO_TBL;
  rule.table = 100;
  rule.has_priority = true;
  rule.priority = 5;
  rule.has_mark = true;
  rule.mark = 1;
  rule.mark_mask = 0xff;
  rule.source_prefix = 8;
  rule.source = AddressOf("0a00 0000");
  CHECK_EQ(Encoded(EncodeRule, Change::kAdd, rule),
           Hex("4400 0000 2000 0506 0200 0800 6400 0001 0000 0000"
               "  0800 0200 0a00 0000  0800 0600 0500 0000  0800 0a00 0100 0000"
               "  0800 1000 ff00 0000  0800 0f00 6400 0000"));
  Neighbour neighbour;
  neighbour.index = 3;
  neighbour.family = AF_INET;
  neighbour.address = V4();
  neighbour.state = NUD_PERMANENT;
  neighbour.link_address_size = 6;
  neighbour.link_address[5] = 9;
  CHECK_EQ(Encoded(EncodeNeighbour, Change::kReplace, neighbour),
           Hex("3000 0000 1c00 0505 0200 0000 0300 0000 8000 0000"
               "  0800 0100 0a00 0001  0a00 0200 0000 0000 0009 0000"));
  neighbour.proxy = true;
  neighbour.link_address_size = 0;
  CHECK_EQ(Encoded(EncodeNeighbour, Change::kRemove, neighbour),
           Hex("2400 0000 1d00 0500 0200 0000 0300 0000 8000 0800  0800 0100 0a00 0001"));
  FouPort port;
  port.port = 5555;
  port.family = AF_INET;
  port.type = 1;
  port.protocol = 4;
  CHECK_EQ(Encoded(EncodeFouPort, Change::kAdd, port),
           Hex("3400 0000 1c00 0500 0101 0000"
               "  0600 0100 15b3 0000  0500 0200 0200 0000"
               "  0500 0400 0100 0000  0500 0300 0400 0000"));
}

TEST("Lists are asked for with what older headers and strict kernels both take") {
  CommandBatch links, routes, neighbours;
  EncodeListLinks(&links);
  CHECK_EQ(Sealed(&links), Hex("2800 0000 1200 0103 0000 0000 0000 0000 0000 0000 0000 0000"
                               "  0800 1d00 0800 0000"));
  EncodeListRoutes(AF_INET, 70000, &routes);
  CHECK_EQ(Sealed(&routes), Hex("2400 0000 1a00 0103 0200 0000 0000 0000 0000 0000"
                                "  0800 0f00 7011 0100"));
  EncodeListNeighbours(AF_INET6, true, &neighbours);
  CHECK_EQ(Sealed(&neighbours), Hex("1c00 0000 1e00 0103 0a00 0000 0000 0000 0000 0800"));
}

template <typename T>
std::string Decoded(bool (*decode)(ByteView, T*, DecodeError*), const Bytes& payload, T* object) {
  const Exact exact{ByteView(payload)};
  DecodeError error;
  const bool ok = decode(exact.view(), object, &error);
  return ok == error.ok() ? error.text() : "says one thing and means another";
}

const Bytes kLinkHeader = Hex("0000 0100 0700 0000 c100 0000 0000 0000");

TEST("A link reads as the kernel tells it") {
  const Bytes data = Attribute(2, "0a00 0001") + Attribute(3, "0a00 0002") + Attribute(4, "40") +
                     Attribute(15, "0200") + Attribute(16, "0100") + Attribute(17, "1e61") +
                     Attribute(18, "17c0") + Attribute(19, "");
  const Bytes payload = kLinkHeader + TextAttribute(IFLA_IFNAME, "tun") +
                        Attribute(IFLA_MTU, "7805 0000") +
                        Attribute(IFLA_ADDRESS, "0200 0000 0001") + Attribute(999, "00") +
                        Attribute(0x8012, TextAttribute(1, "ipip") + Attribute(0x8002, data));
  Link link;
  CHECK_EQ(Decoded(DecodeLink, payload, &link), "");
  CHECK_EQ(link.index, 7);
  CHECK_EQ(std::string(link.name), "tun");
  CHECK_EQ(std::string(link.kind), "ipip");
  CHECK_EQ(link.hardware, 1);
  CHECK_EQ(link.flags, 0xc1u);
  CHECK_EQ(link.mtu, 1400u);
  CHECK_EQ(link.address_size, 6);
  const Tunnel& tunnel = link.tunnel;
  CHECK_EQ(tunnel.family, AF_INET);
  CHECK_EQ(ToHex(ToBytes({tunnel.local.bytes, 4})), "0a00 0001");
  CHECK_EQ(ToHex(ToBytes({tunnel.remote.bytes, 4})), "0a00 0002");
  CHECK_EQ(tunnel.ttl, 64);
  CHECK_EQ(tunnel.encapsulation_type, 2);
  CHECK_EQ(tunnel.encapsulation_flags, 1);
  CHECK_EQ(tunnel.source_port, 7777);
  CHECK_EQ(tunnel.destination_port, 6080);
  CHECK_EQ(tunnel.external, true);
}

TEST("GRE has numbers of its own, and data of other kinds is left alone") {
  const auto with = [](const char* kind, const Bytes& data) {
    return kLinkHeader + TextAttribute(IFLA_IFNAME, "tun") +
           Attribute(0x8012, TextAttribute(1, kind) + Attribute(0x8002, data));
  };
  Link link;
  const Bytes gre = Attribute(3, "8000") + Attribute(6, "0a00 0001") + Attribute(14, "0100") +
                    Attribute(17, "15b3");
  CHECK_EQ(Decoded(DecodeLink, with("gre", gre), &link), "");
  CHECK_EQ(link.tunnel.checksum, true);
  CHECK_EQ(link.tunnel.encapsulation_type, 1);
  CHECK_EQ(link.tunnel.destination_port, 5555);
  CHECK_EQ(ToHex(ToBytes({link.tunnel.local.bytes, 4})), "0a00 0001");
  CHECK_EQ(Decoded(DecodeLink, with("ip6tnl", Attribute(2, kV6)), &link), "");
  CHECK_EQ(link.tunnel.family, AF_INET6);
  CHECK_EQ(ToHex(ToBytes({link.tunnel.local.bytes, 16})), std::string(kV6));
  CHECK_EQ(Decoded(DecodeLink, with("vxlan", Attribute(2, "00")), &link), "");
  CHECK_EQ(link.tunnel.family, 0);
}

TEST("An address reads as the kernel tells it") {
  InterfaceAddress address;
  const Bytes v4 = Hex("0218 80fe 0700 0000");
  CHECK_EQ(Decoded(DecodeInterfaceAddress,
                   v4 + Attribute(IFA_ADDRESS, "0a00 0002") + Attribute(IFA_LOCAL, "0a00 0001") +
                       Attribute(IFA_BROADCAST, "0a00 00ff") + TextAttribute(IFA_LABEL, "a:b") +
                       Attribute(IFA_FLAGS, "8002 0000") +
                       Attribute(IFA_CACHEINFO, "0500 0000 0900 0000 0000 0000 0000 0000"),
                   &address),
           "");
  CHECK_EQ(address.index, 7);
  CHECK_EQ(address.prefix, 24);
  CHECK_EQ(address.scope, 254);
  CHECK_EQ(address.flags, 0x280u);
  CHECK_EQ(ToHex(ToBytes({address.local.bytes, 4})), "0a00 0001");
  CHECK_EQ(address.has_peer, true);
  CHECK_EQ(ToHex(ToBytes({address.peer.bytes, 4})), "0a00 0002");
  CHECK_EQ(address.has_broadcast, true);
  CHECK_EQ(std::string(address.label), "a:b");
  CHECK_EQ(address.preferred_lifetime, 5u);
  CHECK_EQ(address.valid_lifetime, 9u);
  // The same twice is no peer, and IPv6 tells only one.
  CHECK_EQ(Decoded(DecodeInterfaceAddress,
                   v4 + Attribute(IFA_LOCAL, "0a00 0001") + Attribute(IFA_ADDRESS, "0a00 0001"),
                   &address),
           "");
  CHECK_EQ(address.has_peer, false);
  CHECK_EQ(address.flags, 0x80u);
  CHECK_EQ(address.valid_lifetime, kForever);
  CHECK_EQ(Decoded(DecodeInterfaceAddress, Hex("0a40 0000 0700 0000") + Attribute(IFA_ADDRESS, kV6),
                   &address),
           "");
  CHECK_EQ(ToHex(ToBytes({address.local.bytes, 16})), std::string(kV6));
}

const Bytes kRouteHeader = Hex("0210 0000 fe03 0001 0000 0000");

TEST("What has no member here is sent as it was told") {
  const Bytes flow = Attribute(RTA_FLOW, "0500 0000");
  const Bytes window = Attribute(RTAX_INITCWND, "1400 0000");
  Route route;
  CHECK_EQ(Decoded(DecodeRoute,
                   Hex("0200 0010 fe03 0001 0000 0000") + flow +
                       Attribute(RTA_METRICS, window + Attribute(RTAX_MTU, "7805 0000")) +
                       Attribute(RTA_PREF, "00"),
                   &route),
           "");
  CHECK_EQ(route.tos, 0x10);
  CHECK_EQ(ToHex(route.other), ToHex(flow + Attribute(RTA_METRICS, window)));
  route.advertised_mss = 1360;
  CHECK_EQ(ToHex(Encoded(EncodeRoute, Change::kReplace, route)),
           ToHex(Hex("4800 0000 1800 0505 0200 0010 fe03 0001 0000 0000 0800 0f00 fe00 0000") +
                 flow + Hex("1c00 0880") + Attribute(RTAX_MTU, "7805 0000") +
                 Attribute(RTAX_ADVMSS, "5005 0000") + window));
  // Of a hop, what the kernel says about its state is not for it to hear.
  const std::string hop = "1000 1500 0300 0000 0800 0500 0a00 0002";
  CHECK_EQ(Decoded(DecodeRoute, kRouteHeader + Attribute(RTA_MULTIPATH, hop), &route), "");
  CHECK_EQ(ToHex(route.other), "1400 0900 1000 0400 0300 0000 0800 0500 0a00 0002");
  // Where a nexthop object says where it goes, nothing else does.
  const Bytes object = Attribute(30, "0700 0000");
  CHECK_EQ(Decoded(DecodeRoute,
                   kRouteHeader + object + Attribute(RTA_OIF, "0300 0000") +
                       Attribute(RTA_MULTIPATH, hop),
                   &route),
           "");
  CHECK_EQ(ToHex(Encoded(EncodeRoute, Change::kAdd, route)),
           ToHex(Hex("3400 0000 1800 0506 0210 0000 fe03 0001 0000 0000") +
                 Attribute(RTA_DST, "0000 0000") + Attribute(RTA_TABLE, "fe00 0000") + object));
  CHECK_EQ(Decoded(DecodeRoute,
                   Hex("0a00 0000 fe09 0001 0000 0000") +
                       Attribute(RTA_CACHEINFO,
                                 "0000 0000 0000 0000 2d01 0000 0000 0000"
                                 "0000 0000 0000 0000 0000 0000 0000 0000") +
                       Attribute(RTA_PREF, "01"),
                   &route),
           "");
  CHECK_EQ(route.expires, 4u);
  CHECK_EQ(ToHex(route.other), ToHex(Attribute(RTA_PREF, "01")));
}

TEST("Flags and attributes of an address that have no member are sent as they were told") {
  InterfaceAddress address;
  CHECK_EQ(Decoded(DecodeInterfaceAddress,
                   Hex("0218 8000 0700 0000") + Attribute(IFA_LOCAL, "0a00 0001") +
                       Attribute(9, "4d00 0000") + Attribute(IFA_FLAGS, "8004 0000"),
                   &address),
           "");
  CHECK_EQ(ToHex(address.other),
           ToHex(Attribute(9, "4d00 0000") + Attribute(IFA_FLAGS, "0004 0000")));
  address.flags = 0x200;
  CHECK_EQ(ToHex(Encoded(EncodeInterfaceAddress, Change::kAdd, address)),
           ToHex(Hex("3800 0000 1400 0506 0218 0000 0700 0000") +
                 Attribute(IFA_LOCAL, "0a00 0001") + Attribute(IFA_ADDRESS, "0a00 0001") +
                 Attribute(9, "4d00 0000") + Attribute(IFA_FLAGS, "0006 0000")));
}

TEST("A route reads as the kernel tells it") {
  Route route;
  const Bytes hops = Hex("1000 0002 0300 0000") + Attribute(RTA_GATEWAY, "0a00 0002") +
                     Hex("2000 0000 0400 0000") + Attribute(RTA_VIA, std::string("0a00") + kV6);
  CHECK_EQ(
      Decoded(DecodeRoute,
              kRouteHeader + Attribute(RTA_TABLE, "7011 0100") + Attribute(RTA_DST, "0a05 0000") +
                  Attribute(RTA_PREFSRC, "0a00 0001") + Attribute(RTA_PRIORITY, "0700 0000") +
                  Attribute(0x8008, Attribute(2, "7805 0000") + Attribute(8, "5005 0000")) +
                  Attribute(RTA_MULTIPATH, hops),
              &route),
      "");
  CHECK_EQ(route.table, 70000u);
  CHECK_EQ(ToHex(ToBytes({route.destination.bytes, 4})), "0a05 0000");
  CHECK_EQ(route.prefix, 16);
  CHECK_EQ(route.protocol, RTPROT_BOOT);
  CHECK_EQ(route.has_source, true);
  CHECK_EQ(route.metric, 7u);
  CHECK_EQ(route.mtu, 1400u);
  CHECK_EQ(route.advertised_mss, 1360u);
  if (!CHECK_EQ(route.hops.size(), size_t{2})) return;
  CHECK_EQ(route.hops[0].index, 3);
  CHECK_EQ(route.hops[0].weight, 3u);
  CHECK_EQ(route.hops[0].gateway_family, AF_INET);
  CHECK_EQ(route.hops[1].gateway_family, AF_INET6);
  CHECK_EQ(ToHex(ToBytes({route.hops[1].gateway.bytes, 16})), std::string(kV6));
  CHECK_EQ(IsConfigured(route), true);
  CHECK_EQ(Decoded(DecodeRoute, Hex("0a80 0000 fe03 0001 0002 0000"), &route), "");
  CHECK_EQ(IsConfigured(route), false);  // RTM_F_CLONED
}

TEST("A rule, a neighbour and a port read as the kernel tells them") {
  Rule rule;
  CHECK_EQ(Decoded(DecodeRule,
                   Hex("0220 0800 6400 0001 0200 0000") + Attribute(FRA_DST, "0a00 0001") +
                       Attribute(FRA_SRC, "0a00 0000") + Attribute(FRA_PRIORITY, "0500 0000") +
                       Attribute(FRA_FWMARK, "0100 0000") + Attribute(FRA_FWMASK, "ff00 0000") +
                       Attribute(FRA_TABLE, "7011 0100") + TextAttribute(FRA_IIFNAME, "in") +
                       TextAttribute(FRA_OIFNAME, "out"),
                   &rule),
           "");
  CHECK_EQ(rule.table, 70000u);
  CHECK_EQ(rule.flags, uint32_t{FIB_RULE_INVERT});
  CHECK_EQ(rule.priority, 5u);
  CHECK_EQ(rule.mark, 1u);
  CHECK_EQ(rule.mark_mask, 0xffu);
  CHECK_EQ(rule.source_prefix, 8);
  CHECK_EQ(rule.destination_prefix, 32);
  CHECK_EQ(std::string(rule.input), "in");
  CHECK_EQ(std::string(rule.output), "out");
  CHECK_EQ(rule.has_others, false);
  // Every rule is told who has made it, and these two, which then mean nothing.
  const Bytes usual = Hex("0200 0000 6400 0001 0000 0000") + Attribute(FRA_PROTOCOL, "04") +
                      Attribute(FRA_SUPPRESS_PREFIXLEN, "ffff ffff");
  CHECK_EQ(Decoded(DecodeRule, usual, &rule), "");
  CHECK_EQ(rule.has_others, false);
  for (const Bytes& condition :
       {Attribute(FRA_SUPPRESS_PREFIXLEN, "0000 0000"),
        Attribute(FRA_UID_RANGE, "0000 0000 0000 0000"), Attribute(FRA_DPORT_RANGE, "5000 5000"),
        Attribute(FRA_L3MDEV, "01")}) {
    CHECK_EQ(Decoded(DecodeRule, usual + condition, &rule), "");
    CHECK_EQ(rule.has_others, true);
  }
  // A type of service.
  CHECK_EQ(Decoded(DecodeRule, Hex("0200 0010 6400 0001 0000 0000"), &rule), "");
  CHECK_EQ(rule.has_others, true);
  Neighbour neighbour;
  CHECK_EQ(Decoded(DecodeNeighbour,
                   Hex("0200 0000 0300 0000 0400 0800") + Attribute(NDA_DST, "0a00 0001") +
                       Attribute(NDA_LLADDR, "0200 0000 0009"),
                   &neighbour),
           "");
  CHECK_EQ(neighbour.index, 3);
  CHECK_EQ(neighbour.state, NUD_STALE);
  CHECK_EQ(neighbour.proxy, true);
  CHECK_EQ(neighbour.link_address_size, 6);
  FouPort port;
  CHECK_EQ(Decoded(DecodeFouPort,
                   Attribute(1, "15b3") + Attribute(2, "02") + Attribute(3, "04") +
                       Attribute(4, "01") + Attribute(6, "0000 0000"),
                   &port),
           "");
  CHECK_EQ(port.port, 5555);
  CHECK_EQ(port.family, AF_INET);
  CHECK_EQ(port.protocol, 4);
  CHECK_EQ(port.type, 1);
}

TEST("A listener has its port, its address, and whether it is for IPv6 alone") {
  const Bytes rest(72 - 24, 0);
  Listener listener;
  CHECK_EQ(Decoded(DecodeListener,
                   Hex("0a0a 0000 1f90 0000 2001 0db8 0000 0000 0000 0000 0000 0001") + rest +
                       Attribute(INET_DIAG_SKV6ONLY, "01"),
                   &listener),
           "");
  CHECK_EQ(listener.family, AF_INET6);
  CHECK_EQ(listener.port, 8080);
  CHECK_EQ(listener.address.bytes[15], 1);
  CHECK_EQ(listener.ipv6_only, true);
  CHECK_EQ(
      Decoded(DecodeListener,
              Hex("020a 0000 0050 0000 0a00 0001 0000 0000 0000 0000 0000 0000") + rest, &listener),
      "");
  CHECK_EQ(listener.port, 80);
  CHECK_EQ(listener.address.bytes[0], 10);
  CHECK_EQ(listener.ipv6_only, false);
  CHECK_EQ(Decoded(DecodeListener, Hex("020a 0000 0050 0000"), &listener),
           "inet_diag_msg: is cut short");
  // Only sockets that wait are asked for.
  CommandBatch batch;
  EncodeListListeners(AF_INET6, 6, &batch);
  const ByteView request = batch.Seal(20, 1);
  CHECK_EQ(request.size, 16u + 56u);
  CHECK_EQ(Load<uint32_t>(request.data + 20), 1u << 10);
}

TEST("What does not decode is told by its name") {
  Link link;
  InterfaceAddress address;
  Route route;
  Rule rule;
  Neighbour neighbour;
  FouPort port;
  const Bytes name = TextAttribute(IFLA_IFNAME, "x");
  const Bytes v4 = Hex("0218 0000 0700 0000");
  const Bytes long_address(33, 0);
  CHECK_EQ(Decoded(DecodeLink, Hex("0000"), &link), "ifinfomsg: is cut short");
  CHECK_EQ(Decoded(DecodeLink, kLinkHeader, &link), "IFLA_IFNAME: is missing");
  CHECK_EQ(Decoded(DecodeLink, kLinkHeader + TextAttribute(3, "sixteen-letters!"), &link),
           "IFLA_IFNAME: is too long");
  CHECK_EQ(Decoded(DecodeLink, kLinkHeader + name + Attribute(IFLA_ADDRESS, long_address), &link),
           "IFLA_ADDRESS: is too long");
  CHECK_EQ(Decoded(DecodeLink,
                   kLinkHeader + name +
                       Attribute(18, TextAttribute(1, "sit") + Attribute(2, Attribute(2, kV6))),
                   &link),
           "IFLA_IPTUN_LOCAL: has the wrong size");
  CHECK_EQ(Decoded(DecodeInterfaceAddress, Hex("02"), &address), "ifaddrmsg: is cut short");
  CHECK_EQ(Decoded(DecodeInterfaceAddress, v4 + Attribute(IFA_LOCAL, kV6), &address),
           "IFA_LOCAL: has the wrong size");
  CHECK_EQ(Decoded(DecodeRoute, Hex("02"), &route), "rtmsg: is cut short");
  CHECK_EQ(Decoded(DecodeRoute, Hex("0221 0000 fe03 0001 0000 0000"), &route),
           "rtmsg: has a prefix that is too long");
  CHECK_EQ(Decoded(DecodeRoute, kRouteHeader + Attribute(RTA_MULTIPATH, "1000"), &route),
           "RTA_MULTIPATH: ends inside a header");
  CHECK_EQ(
      Decoded(DecodeRoute, kRouteHeader + Attribute(RTA_MULTIPATH, "0900 0000 0300 0000"), &route),
      "RTA_MULTIPATH: holds a next hop whose length does not fit");
  CHECK_EQ(
      Decoded(DecodeRoute, kRouteHeader + Attribute(RTA_MULTIPATH, "0000 0000 0300 0000"), &route),
      "RTA_MULTIPATH: holds a next hop whose length does not fit");
  CHECK_EQ(Decoded(DecodeRoute, kRouteHeader + Attribute(RTA_VIA, "0a00 0000"), &route),
           "RTA_VIA: has the wrong size");
  CHECK_EQ(Decoded(DecodeRule, Hex("02"), &rule), "fib_rule_hdr: is cut short");
  CHECK_EQ(Decoded(DecodeRule, Hex("0221 0000 0000 0001 0000 0000"), &rule),
           "fib_rule_hdr: has a prefix that is too long");
  CHECK_EQ(Decoded(DecodeNeighbour, Hex("02"), &neighbour), "ndmsg: is cut short");
  CHECK_EQ(Decoded(DecodeNeighbour, Hex("0200 0000 0300 0000 0400 0000"), &neighbour),
           "NDA_DST: is missing");
  CHECK_EQ(Decoded(DecodeFouPort, Attribute(1, "15b3"), &port), "FOU_ATTR_AF: is missing");
}

TEST("An announcement is this, byte by byte") {
  const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
  CHECK_EQ(GratuitousArp(mac, V4()), Hex("0001 0800 0604 0001"
                                         "0200 0000 0001 0a00 0001"
                                         "0000 0000 0000 0a00 0001"));
  const Bytes advertisement = UnsolicitedAdvertisement(mac, V6(), false);
  const std::string all_nodes = "ff02 0000 0000 0000 0000 0000 0000 0001";
  CHECK_EQ(advertisement, Hex("6000 0000 0020 3aff") + Hex(kV6) + Hex(all_nodes) +
                              Hex("8800 5a9b 2000 0000") + Hex(kV6) + Hex("0201 0200 0000 0001"));
  CHECK_EQ(UnsolicitedAdvertisement(mac, V6(), true)[44], 0xa0);
}

TEST("A question for an address is this, byte by byte, and changes what nobody knows") {
  const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
  CHECK_EQ(ArpProbe(mac, V4()), Hex("0001 0800 0604 0001"
                                    "0200 0000 0001 0000 0000"
                                    "0000 0000 0000 0a00 0001"));
  const char own[] = "fe80 0000 0000 0000 0000 0000 0000 0002";
  const char wanted[] = "fd00 0000 0000 0000 0000 0000 12ab cdef";
  CHECK_EQ(Solicitation(mac, AddressOf(own), AddressOf(wanted)),
           Hex("6000 0000 0020 3aff") + Hex(own) + Hex("ff02 0000 0000 0000 0000 0001 ffab cdef") +
               Hex("8700 cce4 0000 0000") + Hex(wanted) + Hex("0101 0200 0000 0001"));
  Mac group;
  MacOfSolicited(AddressOf(wanted), &group);
  CHECK_EQ(Bytes(group, group + 6), Hex("3333 ffab cdef"));
}

TEST("Who says that an address is theirs is understood, whatever else is on the wire") {
  Address address;
  Mac mac;
  const Bytes arp = Hex("0001 0800 0604 0002 0200 0000 0009 0a00 0001 0200 0000 0001 0a00 0002");
  CHECK(ClaimedByArp(ByteView(arp), &address, &mac));
  CHECK_EQ(Bytes(address.bytes, address.bytes + 16), Hex("0a00 0001") + Bytes(12));
  CHECK_EQ(Bytes(mac, mac + 6), Hex("0200 0000 0009"));
  // Up to the last byte; of another hardware; of another protocol.
  CHECK(!ClaimedByArp(ByteView(arp).First(27), &address, &mac));
  for (const size_t at : {size_t{1}, size_t{2}, size_t{4}, size_t{5}}) {
    Bytes other = arp;
    other[at] = 7;
    CHECK(!ClaimedByArp(ByteView(other), &address, &mac));
  }

  const uint8_t own[6] = {2, 0, 0, 0, 0, 1};
  const Bytes advertisement = UnsolicitedAdvertisement(own, V6(), true);
  CHECK(ClaimedByAdvertisement(ByteView(advertisement), &address));
  CHECK_EQ(Bytes(address.bytes, address.bytes + 16), Hex(kV6));
  CHECK(ClaimedByAdvertisement(ByteView(advertisement).First(64), &address));
  CHECK(!ClaimedByAdvertisement(ByteView(advertisement).First(63), &address));
  // Of another protocol, from behind a router, a question.
  for (const size_t at : {size_t{6}, size_t{7}, size_t{40}}) {
    Bytes other = advertisement;
    other[at] = 7;
    CHECK(!ClaimedByAdvertisement(ByteView(other), &address));
  }
}

Dialogue::Options RouteOptions(const Peer& peer) {
  Dialogue::Options options = peer.options();
  options.payload = Dialogue::WholePayload;
  return options;
}

MarkRule Dns() {
  MarkRule rule;
  rule.family = AF_INET;
  rule.prefix = 20;
  rule.protocol = 17;
  rule.first_port = 53;
  rule.last_port = 54;
  rule.mark = 7;
  rule.address = AddressOf("0a00 0000");
  rule.chain = "dns";
  rule.note = "a note";
  return rule;
}

Bytes Expression(const char* name, const Bytes& data) {
  return Attribute(0x8001, TextAttribute(1, name) + Attribute(0x8002, data));
}
Bytes Value(uint16_t type, const std::string& hex) {
  return Attribute(static_cast<uint16_t>(0x8000 | type), Attribute(1, hex));
}
const char kOne[] = "0000 0001";  // a number, or the register

const char kNote[] = "0007 6120 6e6f 7465 00";

TEST("NFT_MSG_NEWRULE of a mark is what nft sends, with its note as a comment") {
  CommandBatch batch;
  EncodeMarkRule(Dns(), "table", &batch);
  const Bytes load = Attribute(1, kOne) + Attribute(2, kOne) + Attribute(3, "0000 0010") +
                     Attribute(4, "0000 0004");
  const Bytes mask = Attribute(1, kOne) + Attribute(2, kOne) + Attribute(3, "0000 0004") +
                     Value(4, "ffff f000") + Value(5, "0000 0000");
  const Bytes is = Attribute(1, kOne) + Attribute(2, "0000 0000");
  const Bytes ports = Attribute(1, kOne) + Attribute(2, "0000 0002") + Attribute(3, "0000 0002") +
                      Attribute(4, "0000 0002");
  const Bytes program = Expression("payload", load) + Expression("bitwise", mask) +
                        Expression("cmp", is + Value(3, "0a00 0000")) +
                        Expression("meta", Attribute(2, "0000 0010") + Attribute(1, kOne)) +
                        Expression("cmp", is + Value(3, "11")) + Expression("payload", ports) +
                        Expression("range", is + Value(3, "0035") + Value(4, "0036")) +
                        Expression("immediate", Attribute(1, kOne) + Value(2, "0700 0000")) +
                        Expression("meta", Attribute(2, "0000 0003") + Attribute(3, kOne));
  const Bytes body = Hex("0200 0000") + TextAttribute(1, "table") + TextAttribute(2, "dns") +
                     Attribute(0x8004, program) + Attribute(7, kNote);
  CHECK_EQ(Sealed(&batch),
           Native(static_cast<uint32_t>(16 + body.size())) + Hex("060a 050c") + body);
}

TEST("A rule's note is its comment, whatever else is noted at it") {
  const Bytes head =
      Hex("0200 0000") + TextAttribute(2, "dns") + Attribute(3, "0000 0000 0000 0009");
  struct {
    const char* data;
    const char* note;
  } const rows[] = {
      {kNote, "a note"},
      {"6902 0102 0003 6162 00", "ab"},  // behind something of somebody else
      {"0003 6162 63", "abc"},           // without a zero
      {"0000", ""},
      {"0009 6970", ""},  // cut
      {"00", ""},
      {"6902 0102", ""},
  };
  for (const auto& r : rows) {
    FoundRule found;
    CHECK_EQ(Decoded(DecodeFoundRule, head + Attribute(7, r.data), &found), "");
    CHECK_EQ(found.note, r.note);
    CHECK_EQ(found.family, AF_INET);
    CHECK_EQ(found.chain, "dns");
    CHECK_EQ(found.handle[7], 9);
  }
  FoundRule found;
  CHECK_EQ(Decoded(DecodeFoundRule, head, &found), "");
  CHECK_EQ(found.note, "");
  const Bytes bridge = Hex("0700 0000") + Attribute(7, kNote);
  CHECK_EQ(Decoded(DecodeFoundRule, bridge, &found), "");
  CHECK_EQ(found.family, 0);
  CHECK_EQ(Decoded(DecodeFoundRule, Hex("0200 0000") + TextAttribute(2, "dns"), &found),
           "NFTA_RULE_HANDLE: is missing");
  CHECK_EQ(Decoded(DecodeFoundRule, Hex("0200"), &found), "nfgenmsg: is cut short");
}

TEST("What is kept whole is one datagram, whatever may be answered") {
  CommandBatch batch;
  for (int i = 0; i < 5000; i++) batch.Add({101, 0, 0}, uint32_t{0}, Confirmation::kShared);
  CHECK_EQ(batch.Fit(0, 4000, 1), 1u);
  batch.KeepWhole();
  CHECK_EQ(batch.Fit(0, 4000, 1), 5000u);
  batch.Clear();
  CHECK_EQ(batch.whole(), false);
}

TEST("What has no confirmation is not waited for, and its refusal is that of all") {
  struct {
    bool refuses;
    const char* outcome;
  } const rows[] = {{false, "ok but unsettled, ok, ok but unsettled"},
                    {true, "refused 85, refused 85, refused 85"}};
  for (const auto& r : rows) {
    std::string wanted;
    Peer peer([&r, &wanted](const Peer& self, const std::vector<Asked>& asked) {
      for (const Asked& each : asked) wanted += each.header.nlmsg_flags & NLM_F_ACK ? '!' : '.';
      self.Answer(asked[r.refuses ? 0 : 1], r.refuses ? Refusal(asked[0], 85) : Ack(asked[1]));
    });
    Dialogue dialogue(RouteOptions(peer));
    CommandBatch batch;
    batch.Add({100, 0, 0}, uint32_t{0}, Confirmation::kNone);
    batch.Add({101, 0, 0}, uint32_t{0}, Confirmation::kOwn);
    batch.Add({102, 0, 0}, uint32_t{0}, Confirmation::kNone);
    std::vector<Answer> answers(3);
    dialogue.Transact(0, &batch, Deadline::After(kLong), answers.data());
    CHECK_EQ(Describe(answers), r.outcome);
    peer.Stop();
    CHECK_EQ(wanted, ".!.");
  }
}

// The peer answers as rtnetlink would, with a type of its own for what a question brings.
Bytes Told(const Asked& asked, uint16_t flags) {
  return NetlinkMessage(16, static_cast<uint16_t>(NLM_F_MULTI | flags), asked.header.nlmsg_seq,
                        asked.from, Hex("1122 3344"));
}

struct Listed {
  std::string outcome;
  size_t records = 0;
  Dialogue::DumpResult result;
};

Listed ListThrough(Dialogue* dialogue) {
  CommandBatch batch;
  EncodeListLinks(&batch);
  Listed listed;
  const auto sink = [&listed](ByteView payload, DecodeError*) {
    if (CHECK_EQ(ToBytes(payload), Hex("1122 3344"))) listed.records++;
  };
  listed.outcome =
      Describe(dialogue->Dump(0, &batch, Deadline::After(kLong), sink, &listed.result));
  return listed;
}

TEST("A dialogue matches messages by their own types, and tells that a dump was interrupted") {
  for (const uint16_t flags : {uint16_t{0}, uint16_t{NLM_F_DUMP_INTR}}) {
    Peer peer([flags](const Peer& self, const std::vector<Asked>& asked) {
      CHECK_EQ(asked[0].header.nlmsg_type, 18);
      const Bytes stranger = Reply(asked[0], Attribute(1, "aa"));
      self.Answer(asked[0], Told(asked[0], 0) + stranger + Told(asked[0], flags));
      self.Answer(asked[0], Told(asked[0], 0) + Done(asked[0]));
    });
    Dialogue dialogue(RouteOptions(peer));
    const Listed listed = ListThrough(&dialogue);
    CHECK_EQ(listed.outcome, "ok");
    CHECK_EQ(listed.records, size_t{3});
    CHECK_EQ(listed.result.chunks, size_t{2});
    CHECK_EQ(listed.result.interrupted, flags != 0);
  }
}

TEST("A question's reply is that of its own type, and comes whole") {
  Peer peer([](const Peer& self, const std::vector<Asked>& asked) {
    const Bytes other = Reply(asked[0], Attribute(1, "aa"));
    self.Answer(asked[0], other + Told(asked[0], 0) + Ack(asked[0]));
  });
  Dialogue dialogue(RouteOptions(peer));
  CommandBatch batch;
  EncodeGetLink("eth0", &batch);
  std::vector<Answer> answers(1);
  dialogue.Transact(0, &batch, Deadline::After(kLong), answers.data());
  CHECK_EQ(Describe(answers), "ok with 1122 3344");
}

}  // namespace
}  // namespace ipvs::test
