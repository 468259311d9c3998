#include "route.h"

#include <sys/socket.h>

#include <tuple>

namespace ipvs {

namespace {

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
  while (reader.Next()) {
    if (reader.type() == RTAX_MTU) route->mtu = reader.U32("RTAX_MTU");
    if (reader.type() == RTAX_ADVMSS) route->advertised_mss = reader.U32("RTAX_ADVMSS");
  }
}

// Headers one behind the other, each with attributes of its own.
void DecodeHops(ByteView rest, Route* route, DecodeError* error) {
  route->hops.clear();
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
    const size_t step = Align4(header.rtnh_len);
    rest = step >= rest.size ? ByteView() : rest.From(step);
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
  header.rtm_flags = route.hop.flags;
  AttributeWriter writer = AddChange(RTM_NEWROUTE, change, header, batch);
  if (route.prefix != 0) PutAddress(&writer, RTA_DST, route.family, route.destination);
  writer.U32(RTA_TABLE, route.table);
  if (route.hop.index != 0) writer.U32(RTA_OIF, static_cast<uint32_t>(route.hop.index));
  if (route.hop.gateway_family == route.family) {
    PutAddress(&writer, RTA_GATEWAY, route.family, route.hop.gateway);
  } else if (route.hop.gateway_family != 0) {
    uint8_t via[sizeof(uint16_t) + sizeof(Address)];
    Store(via, route.hop.gateway_family);
    std::memcpy(via + sizeof(uint16_t), route.hop.gateway.bytes, sizeof(Address));
    writer.Raw(RTA_VIA, via, sizeof(uint16_t) + AddressSize(route.hop.gateway_family));
  }
  if (route.has_source) PutAddress(&writer, RTA_PREFSRC, route.family, route.source);
  if (route.has_metric) writer.U32(RTA_PRIORITY, route.metric);
  if (route.mtu == 0 && route.advertised_mss == 0) return;
  const size_t metrics = writer.BeginNest(RTA_METRICS);
  if (route.mtu != 0) writer.U32(RTAX_MTU, route.mtu);
  if (route.advertised_mss != 0) writer.U32(RTAX_ADVMSS, route.advertised_mss);
  writer.EndNest(metrics);
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
  route->scope = header.rtm_scope;
  route->protocol = header.rtm_protocol;
  route->flags = header.rtm_flags;
  route->hop.flags = header.rtm_flags;
  // Routes of multicast (RTNL_FAMILY_IPMR) and of MPLS come with a dump of everything.
  if (header.rtm_family != AF_INET && header.rtm_family != AF_INET6) return true;
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
