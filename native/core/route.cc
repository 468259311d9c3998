#include "route.h"

#include <sys/socket.h>

#include <cstddef>
#include <tuple>

namespace ipvs {

namespace {

// Numbers that older build hosts' headers lack.
constexpr uint16_t kNextHopObject = 30;  // RTA_NH_ID
constexpr uint8_t kTrapOffload = 64;     // RTNH_F_TRAP

// The address of another family than the route's: RTA_VIA.
void DecodeVia(const AttributeReader& reader, NextHop* hop, DecodeError* error) {
  const ByteView value = reader.value();
  if (value.size < sizeof(uint16_t)) {
    error->Set("RTA_VIA", "has the wrong size");
    return;
  }
  const uint16_t family = Load<uint16_t>(value.data);
  if (family != AF_INET && family != AF_INET6) return;
  const ByteView address = value.From(sizeof(family));
  if (address.size != AddressSize(family)) {
    error->Set("RTA_VIA", "has the wrong size");
    return;
  }
  hop->gateway = Address();
  std::memcpy(hop->gateway.bytes, address.data, address.size);
  hop->gateway_family = family;
}

void DecodeGateway(const AttributeReader& reader, uint16_t family, NextHop* hop) {
  ReadAddress(reader, "RTA_GATEWAY", family, &hop->gateway);
  hop->gateway_family = family;
}

void DecodeMetrics(AttributeReader reader, Route* route) {
  Bytes other;
  AttributeWriter writer(&other);
  while (reader.Next()) {
    if (reader.type() == RTAX_MTU) {
      route->mtu = reader.U32("RTAX_MTU");
    } else if (reader.type() == RTAX_ADVMSS) {
      route->advertised_mss = reader.U32("RTAX_ADVMSS");
    } else {
      writer.Raw(reader.type(), reader.value());
    }
  }
  if (!other.empty()) AttributeWriter(&route->other).Raw(RTA_METRICS, ByteView(other));
}

// What the kernel says of a hop and does not take (fib_get_nhs).
constexpr uint8_t kToldOfHops =
    RTNH_F_DEAD | RTNH_F_OFFLOAD | RTNH_F_LINKDOWN | RTNH_F_UNRESOLVED | kTrapOffload;

// Headers one behind the other, each with attributes of its own. As they are sent again, they are
// in `other` too.
void DecodeHops(ByteView rest, Route* route, DecodeError* error) {
  route->hops.clear();
  Bytes again(rest.data, rest.data + rest.size);
  size_t at = 0;
  while (!rest.empty() && error->ok()) {
    if (rest.size < sizeof(rtnexthop)) {
      error->Set("RTA_MULTIPATH", "ends inside a header");
      return;
    }
    const rtnexthop header = Load<rtnexthop>(rest.data);
    if (header.rtnh_len < sizeof(header) || header.rtnh_len > rest.size) {
      error->Set("RTA_MULTIPATH", "holds a next hop whose length does not fit");
      return;
    }
    NextHop hop;
    hop.index = header.rtnh_ifindex;
    hop.weight = uint32_t{header.rtnh_hops} + 1;
    hop.flags = header.rtnh_flags;
    AttributeReader reader(rest.First(header.rtnh_len).From(sizeof(header)), "RTA_MULTIPATH",
                           error);
    while (reader.Next()) {
      if (reader.type() == RTA_GATEWAY) DecodeGateway(reader, route->family, &hop);
      if (reader.type() == RTA_VIA) DecodeVia(reader, &hop, error);
    }
    route->hops.push_back(hop);
    again[at + offsetof(rtnexthop, rtnh_flags)] &= static_cast<uint8_t>(~kToldOfHops);
    const size_t step = Align4(header.rtnh_len);
    at += step;
    rest = step >= rest.size ? ByteView() : rest.From(step);
  }
  AttributeWriter(&route->other).Raw(RTA_MULTIPATH, ByteView(again));
}

// The kernel tells IPv6's in hundredths of a second (USER_HZ), and takes seconds (RTA_EXPIRES).
void DecodeExpiry(const AttributeReader& reader, Route* route) {
  rta_cacheinfo info{};
  reader.Raw("RTA_CACHEINFO", &info, sizeof(info));
  if (info.rta_expires > 0) route->expires = (static_cast<uint32_t>(info.rta_expires) + 99) / 100;
}

// What has no member. The metrics are one attribute, whoever has them.
void EncodeOther(const Route& route, bool has_object, AttributeWriter* writer) {
  DecodeError error;
  AttributeReader other(ByteView(route.other), "other", &error);
  ByteView metrics;
  while (other.Next()) {
    if (other.type() == RTA_METRICS) {
      metrics = other.value();
    } else if (other.type() != RTA_MULTIPATH || !has_object) {
      writer->Raw(other.type(), other.value());
    }
  }
  if (route.mtu == 0 && route.advertised_mss == 0 && metrics.empty()) return;
  const size_t nest = writer->BeginNest(RTA_METRICS);
  if (route.mtu != 0) writer->U32(RTAX_MTU, route.mtu);
  if (route.advertised_mss != 0) writer->U32(RTAX_ADVMSS, route.advertised_mss);
  AttributeReader each(metrics, "RTA_METRICS", &error);
  while (each.Next()) writer->Raw(each.type(), each.value());
  writer->EndNest(nest);
}

// Whether a nexthop object says where it goes. The kernel tells what that is too, and does not take
// it again (rtm_to_fib_config).
bool HasNextHopObject(const Route& route) {
  DecodeError error;
  AttributeReader other(ByteView(route.other), "other", &error);
  while (other.Next()) {
    if (other.type() == kNextHopObject) return true;
  }
  return false;
}

void EncodeWay(const Route& route, AttributeWriter* writer) {
  if (route.hop.index != 0) writer->U32(RTA_OIF, static_cast<uint32_t>(route.hop.index));
  if (route.hop.gateway_family == route.family) {
    PutAddress(writer, RTA_GATEWAY, route.family, route.hop.gateway);
  } else if (route.hop.gateway_family != 0) {
    uint8_t via[sizeof(uint16_t) + sizeof(Address)];
    Store(via, route.hop.gateway_family);
    std::memcpy(via + sizeof(uint16_t), route.hop.gateway.bytes, sizeof(Address));
    writer->Raw(RTA_VIA, via, sizeof(uint16_t) + AddressSize(route.hop.gateway_family));
  }
}

auto TableOf(const Route& route) { return std::make_tuple(route.family, route.table); }

}  // namespace

void EncodeRoute(Change change, const Route& route, CommandBatch* batch) {
  rtmsg header{};
  header.rtm_family = static_cast<uint8_t>(route.family);
  header.rtm_dst_len = route.prefix;
  header.rtm_table = static_cast<uint8_t>(route.table < 256 ? route.table : RT_TABLE_UNSPEC);
  header.rtm_type = route.type;
  header.rtm_scope = route.scope;
  header.rtm_protocol = route.protocol;
  header.rtm_tos = route.tos;
  const bool has_object = HasNextHopObject(route);
  header.rtm_flags = has_object ? 0 : route.hop.flags;
  AttributeWriter writer = AddChange(RTM_NEWROUTE, change, header, batch);
  if (route.prefix != 0) PutAddress(&writer, RTA_DST, route.family, route.destination);
  writer.U32(RTA_TABLE, route.table);
  if (!has_object) EncodeWay(route, &writer);
  if (route.has_source) PutAddress(&writer, RTA_PREFSRC, route.family, route.source);
  if (route.has_metric) writer.U32(RTA_PRIORITY, route.metric);
  if (route.expires != 0) writer.U32(RTA_EXPIRES, route.expires);
  EncodeOther(route, has_object, &writer);
}

void EncodeListRoutes(uint16_t family, uint32_t table, CommandBatch* batch) {
  rtmsg header{};
  header.rtm_family = static_cast<uint8_t>(family);
  header.rtm_table = static_cast<uint8_t>(table < 256 ? table : RT_TABLE_UNSPEC);
  AttributeWriter writer = AddListing(RTM_NEWROUTE, header, batch);
  if (table != 0) writer.U32(RTA_TABLE, table);
}

bool DecodeRoute(ByteView payload, Route* route, DecodeError* error) {
  rtmsg header{};
  if (!TakeHeader("rtmsg", &payload, &header, error)) return false;
  *route = Route();
  route->family = header.rtm_family;
  route->prefix = header.rtm_dst_len;
  route->table = header.rtm_table;
  route->type = header.rtm_type;
  route->tos = header.rtm_tos;
  route->has_from = header.rtm_src_len != 0;
  route->scope = header.rtm_scope;
  route->protocol = header.rtm_protocol;
  route->flags = header.rtm_flags;
  route->hop.flags = header.rtm_flags;
  // Routes of multicast (RTNL_FAMILY_IPMR) and of MPLS come with a dump of everything.
  if (header.rtm_family != AF_INET && header.rtm_family != AF_INET6) return true;
  AttributeWriter other(&route->other);
  AttributeReader reader(payload, "route", error);
  while (reader.Next()) {
    switch (reader.type()) {
      case RTA_DST:
        ReadAddress(reader, "RTA_DST", route->family, &route->destination);
        break;
      case RTA_TABLE:
        route->table = reader.U32("RTA_TABLE");
        break;
      case RTA_OIF:
        route->hop.index = static_cast<int32_t>(reader.U32("RTA_OIF"));
        break;
      case RTA_GATEWAY:
        DecodeGateway(reader, route->family, &route->hop);
        break;
      case RTA_VIA:
        DecodeVia(reader, &route->hop, error);
        break;
      case RTA_PREFSRC:
        ReadAddress(reader, "RTA_PREFSRC", route->family, &route->source);
        route->has_source = true;
        break;
      case RTA_PRIORITY:
        route->metric = reader.U32("RTA_PRIORITY");
        route->has_metric = true;
        break;
      case RTA_METRICS:
        DecodeMetrics(reader.Nest("RTA_METRICS"), route);
        break;
      case RTA_MULTIPATH:
        DecodeHops(reader.value(), route, error);
        break;
      case RTA_CACHEINFO:
        DecodeExpiry(reader, route);
        break;
      case RTA_PREF:
        // Each route of IPv6 has it: 0 is the middle, ICMPV6_ROUTER_PREF_MEDIUM.
        if (reader.U8("RTA_PREF") != 0) other.Raw(RTA_PREF, reader.value());
        break;
      default:
        other.Raw(reader.type(), reader.value());
        break;
    }
  }
  if (error->ok() && route->prefix > 8 * AddressSize(route->family)) {
    error->Set("rtmsg", "has a prefix that is too long");
  }
  return error->ok();
}

bool IsConfigured(const Route& route) { return (route.flags & RTM_F_CLONED) == 0; }

bool Before(const Route& a, const Route& b) {
  if (TableOf(a) != TableOf(b)) return TableOf(a) < TableOf(b);
  const int order =
      std::memcmp(a.destination.bytes, b.destination.bytes, sizeof(a.destination.bytes));
  if (order != 0) return order < 0;
  return std::make_tuple(a.prefix, a.metric) < std::make_tuple(b.prefix, b.metric);
}

}  // namespace ipvs
