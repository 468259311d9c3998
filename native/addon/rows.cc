#include "rows.h"

#include "request.h"

namespace ipvs::addon {

namespace {

StatsColumns ToColumns(const Stats& stats) {
  return {stats.connections,          stats.incoming_packets,     stats.outgoing_packets,
          stats.incoming_bytes,       stats.outgoing_bytes,       stats.connection_rate,
          stats.incoming_packet_rate, stats.outgoing_packet_rate, stats.incoming_byte_rate,
          stats.outgoing_byte_rate};
}

}  // namespace

ServiceRow ToRow(const Service& service) {
  const ServiceKey& key = service.key;
  ServiceRow row{};
  row.family = key.family;
  row.protocol = key.protocol;
  row.port = key.port;
  row.fwmark = key.fwmark;
  std::memcpy(row.address, key.address.bytes, sizeof(row.address));
  row.flags = service.flags;
  row.timeout = service.timeout;
  row.netmask = NetmaskFromWire(key.family, service.netmask);
  std::memcpy(row.scheduler, service.scheduler, sizeof(service.scheduler));
  std::memcpy(row.engine, service.engine, sizeof(service.engine));
  row.wide_stats = service.stats.wide ? 1 : 0;
  row.stats = ToColumns(service.stats);
  return row;
}

DestinationRow ToRow(const Destination& destination) {
  const DestinationKey& key = destination.key;
  DestinationRow row{};
  row.family = key.family;
  row.port = key.port;
  std::memcpy(row.address, key.address.bytes, sizeof(row.address));
  row.forwarding = destination.forwarding;
  row.weight = destination.weight;
  row.upper_threshold = destination.upper_threshold;
  row.lower_threshold = destination.lower_threshold;
  row.tunnel_type = destination.tunnel_type;
  row.tunnel_port = destination.tunnel_port;
  row.tunnel_flags = destination.tunnel_flags;
  row.active_connections = destination.active_connections;
  row.inactive_connections = destination.inactive_connections;
  row.persistent_connections = destination.persistent_connections;
  row.stats = ToColumns(destination.stats);
  return row;
}

std::vector<uint32_t> RowLayout() {
#define COLUMN(row, name) static_cast<uint32_t>(offsetof(row, name))
#define SIZE(row) static_cast<uint32_t>(sizeof(row))
  static_assert(sizeof(Service::scheduler) <= sizeof(ServiceRow::scheduler), "it fits");
  static_assert(sizeof(Service::engine) <= sizeof(ServiceRow::engine), "it fits");
  return {COLUMN(ServiceRow, family),
          COLUMN(ServiceRow, protocol),
          COLUMN(ServiceRow, port),
          COLUMN(ServiceRow, fwmark),
          COLUMN(ServiceRow, address),
          COLUMN(ServiceRow, flags),
          COLUMN(ServiceRow, timeout),
          COLUMN(ServiceRow, netmask),
          COLUMN(ServiceRow, scheduler),
          COLUMN(ServiceRow, engine),
          COLUMN(ServiceRow, wide_stats),
          COLUMN(ServiceRow, stats),
          SIZE(ServiceRow),
          COLUMN(DestinationRow, family),
          COLUMN(DestinationRow, port),
          COLUMN(DestinationRow, address),
          COLUMN(DestinationRow, forwarding),
          COLUMN(DestinationRow, weight),
          COLUMN(DestinationRow, upper_threshold),
          COLUMN(DestinationRow, lower_threshold),
          COLUMN(DestinationRow, tunnel_type),
          COLUMN(DestinationRow, tunnel_port),
          COLUMN(DestinationRow, tunnel_flags),
          COLUMN(DestinationRow, active_connections),
          COLUMN(DestinationRow, inactive_connections),
          COLUMN(DestinationRow, persistent_connections),
          COLUMN(DestinationRow, stats),
          SIZE(DestinationRow)};
#undef COLUMN
#undef SIZE
}

}  // namespace ipvs::addon
