#include "ipvs.h"

#include <sys/socket.h>

namespace ipvs {

namespace {

// struct ip_vs_flags: the kernel stores (old & ~mask) | (flags & mask).
struct WireFlags {
  uint32_t flags;
  uint32_t mask;
};

// STATS has u32 counters around two u64 byte counts, STATS64 only u64 and the same ones: where both
// are there, the narrow one is not looked at. On machines that need it the kernel slips in an empty
// padding attribute, which is an unknown type here.
void DecodeStats(AttributeReader reader, bool wide, Stats* stats) {
  const auto counter = [&reader, wide](const char* name) {
    return wide ? reader.U64(name) : uint64_t{reader.U32(name)};
  };
  stats->wide = wide;
  while (reader.Next()) {
    switch (reader.type()) {
      case IPVS_STATS_ATTR_CONNS:
        stats->connections = counter("IPVS_STATS_ATTR_CONNS");
        break;
      case IPVS_STATS_ATTR_INPKTS:
        stats->incoming_packets = counter("IPVS_STATS_ATTR_INPKTS");
        break;
      case IPVS_STATS_ATTR_OUTPKTS:
        stats->outgoing_packets = counter("IPVS_STATS_ATTR_OUTPKTS");
        break;
      case IPVS_STATS_ATTR_INBYTES:
        stats->incoming_bytes = reader.U64("IPVS_STATS_ATTR_INBYTES");
        break;
      case IPVS_STATS_ATTR_OUTBYTES:
        stats->outgoing_bytes = reader.U64("IPVS_STATS_ATTR_OUTBYTES");
        break;
      case IPVS_STATS_ATTR_CPS:
        stats->connection_rate = counter("IPVS_STATS_ATTR_CPS");
        break;
      case IPVS_STATS_ATTR_INPPS:
        stats->incoming_packet_rate = counter("IPVS_STATS_ATTR_INPPS");
        break;
      case IPVS_STATS_ATTR_OUTPPS:
        stats->outgoing_packet_rate = counter("IPVS_STATS_ATTR_OUTPPS");
        break;
      case IPVS_STATS_ATTR_INBPS:
        stats->incoming_byte_rate = counter("IPVS_STATS_ATTR_INBPS");
        break;
      case IPVS_STATS_ATTR_OUTBPS:
        stats->outgoing_byte_rate = counter("IPVS_STATS_ATTR_OUTBPS");
        break;
    }
  }
}

// An address has a meaning only together with its family, which may come after it. Two keys with
// one IPv4 address are equal, whatever stands behind its four bytes.
void SettleAddress(uint16_t family, const char* name, Address* address, DecodeError* error) {
  if (family == AF_INET) {
    std::memset(address->bytes + 4, 0, sizeof(address->bytes) - 4);
  } else if (family != AF_INET6) {
    error->Set(name, "is neither IPv4 nor IPv6");
  }
}

void DecodeServiceNest(AttributeReader reader, Service* service, DecodeError* error) {
  SeenAttributes seen;
  AttributeReader narrow = reader.Nest("IPVS_SVC_ATTR_STATS");  // empty so far
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case IPVS_SVC_ATTR_AF:
        service->key.family = reader.U16("IPVS_SVC_ATTR_AF");
        break;
      case IPVS_SVC_ATTR_PROTOCOL:
        service->key.protocol = reader.U16("IPVS_SVC_ATTR_PROTOCOL");
        break;
      case IPVS_SVC_ATTR_ADDR:
        reader.Raw("IPVS_SVC_ATTR_ADDR", service->key.address.bytes,
                   sizeof(service->key.address.bytes));
        break;
      case IPVS_SVC_ATTR_PORT:
        service->key.port = reader.Be16("IPVS_SVC_ATTR_PORT");
        break;
      case IPVS_SVC_ATTR_FWMARK:
        service->key.fwmark = reader.U32("IPVS_SVC_ATTR_FWMARK");
        break;
      case IPVS_SVC_ATTR_SCHED_NAME:
        reader.Text("IPVS_SVC_ATTR_SCHED_NAME", service->scheduler, sizeof(service->scheduler));
        break;
      case IPVS_SVC_ATTR_FLAGS: {
        WireFlags wire{};
        reader.Raw("IPVS_SVC_ATTR_FLAGS", &wire, sizeof(wire));
        service->flags = wire.flags & ~IP_VS_SVC_F_HASHED;
        break;
      }
      case IPVS_SVC_ATTR_TIMEOUT:
        service->timeout = reader.U32("IPVS_SVC_ATTR_TIMEOUT");
        break;
      case IPVS_SVC_ATTR_NETMASK:
        service->netmask = reader.U32("IPVS_SVC_ATTR_NETMASK");
        break;
      case IPVS_SVC_ATTR_PE_NAME:
        reader.Text("IPVS_SVC_ATTR_PE_NAME", service->engine, sizeof(service->engine));
        break;
      case IPVS_SVC_ATTR_STATS:
        narrow = reader.Nest("IPVS_SVC_ATTR_STATS");
        break;
      case IPVS_SVC_ATTR_STATS64:
        DecodeStats(reader.Nest("IPVS_SVC_ATTR_STATS64"), true, &service->stats);
        break;
    }
  }
  if (!service->stats.wide) DecodeStats(narrow, false, &service->stats);
  static constexpr MandatoryAttribute kMandatory[] = {
      {IPVS_SVC_ATTR_AF, "IPVS_SVC_ATTR_AF"},
      {IPVS_SVC_ATTR_SCHED_NAME, "IPVS_SVC_ATTR_SCHED_NAME"},
      {IPVS_SVC_ATTR_FLAGS, "IPVS_SVC_ATTR_FLAGS"},
      {IPVS_SVC_ATTR_TIMEOUT, "IPVS_SVC_ATTR_TIMEOUT"},
      {IPVS_SVC_ATTR_NETMASK, "IPVS_SVC_ATTR_NETMASK"},
  };
  static constexpr MandatoryAttribute kAddressed[] = {
      {IPVS_SVC_ATTR_PROTOCOL, "IPVS_SVC_ATTR_PROTOCOL"},
      {IPVS_SVC_ATTR_ADDR, "IPVS_SVC_ATTR_ADDR"},
      {IPVS_SVC_ATTR_PORT, "IPVS_SVC_ATTR_PORT"},
  };
  seen.Require(kMandatory, error);
  if (!seen.Has(IPVS_SVC_ATTR_FWMARK)) seen.Require(kAddressed, error);
  SettleAddress(service->key.family, "IPVS_SVC_ATTR_AF", &service->key.address, error);
}

void DecodeDestinationNest(AttributeReader reader, Destination* destination, DecodeError* error) {
  SeenAttributes seen;
  AttributeReader narrow = reader.Nest("IPVS_DEST_ATTR_STATS");  // empty so far
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case IPVS_DEST_ATTR_ADDR:
        reader.Raw("IPVS_DEST_ATTR_ADDR", destination->key.address.bytes,
                   sizeof(destination->key.address.bytes));
        break;
      case IPVS_DEST_ATTR_PORT:
        destination->key.port = reader.Be16("IPVS_DEST_ATTR_PORT");
        break;
      case IPVS_DEST_ATTR_FWD_METHOD:
        destination->forwarding = reader.U32("IPVS_DEST_ATTR_FWD_METHOD") & IP_VS_CONN_F_FWD_MASK;
        break;
      case IPVS_DEST_ATTR_WEIGHT:
        destination->weight = reader.U32("IPVS_DEST_ATTR_WEIGHT");
        break;
      case IPVS_DEST_ATTR_U_THRESH:
        destination->upper_threshold = reader.U32("IPVS_DEST_ATTR_U_THRESH");
        break;
      case IPVS_DEST_ATTR_L_THRESH:
        destination->lower_threshold = reader.U32("IPVS_DEST_ATTR_L_THRESH");
        break;
      case IPVS_DEST_ATTR_ACTIVE_CONNS:
        destination->active_connections = reader.U32("IPVS_DEST_ATTR_ACTIVE_CONNS");
        break;
      case IPVS_DEST_ATTR_INACT_CONNS:
        destination->inactive_connections = reader.U32("IPVS_DEST_ATTR_INACT_CONNS");
        break;
      case IPVS_DEST_ATTR_PERSIST_CONNS:
        destination->persistent_connections = reader.U32("IPVS_DEST_ATTR_PERSIST_CONNS");
        break;
      case IPVS_DEST_ATTR_ADDR_FAMILY:
        destination->key.family = reader.U16("IPVS_DEST_ATTR_ADDR_FAMILY");
        break;
      case IPVS_DEST_ATTR_TUN_TYPE:
        destination->tunnel_type = reader.U8("IPVS_DEST_ATTR_TUN_TYPE");
        break;
      case IPVS_DEST_ATTR_TUN_PORT:
        destination->tunnel_port = reader.Be16("IPVS_DEST_ATTR_TUN_PORT");
        break;
      case IPVS_DEST_ATTR_TUN_FLAGS:
        destination->tunnel_flags = reader.U16("IPVS_DEST_ATTR_TUN_FLAGS");
        break;
      case IPVS_DEST_ATTR_STATS:
        narrow = reader.Nest("IPVS_DEST_ATTR_STATS");
        break;
      case IPVS_DEST_ATTR_STATS64:
        DecodeStats(reader.Nest("IPVS_DEST_ATTR_STATS64"), true, &destination->stats);
        break;
    }
  }
  if (!destination->stats.wide) DecodeStats(narrow, false, &destination->stats);
  static constexpr MandatoryAttribute kMandatory[] = {
      {IPVS_DEST_ATTR_ADDR, "IPVS_DEST_ATTR_ADDR"},
      {IPVS_DEST_ATTR_PORT, "IPVS_DEST_ATTR_PORT"},
      {IPVS_DEST_ATTR_FWD_METHOD, "IPVS_DEST_ATTR_FWD_METHOD"},
      {IPVS_DEST_ATTR_WEIGHT, "IPVS_DEST_ATTR_WEIGHT"},
      {IPVS_DEST_ATTR_U_THRESH, "IPVS_DEST_ATTR_U_THRESH"},
      {IPVS_DEST_ATTR_L_THRESH, "IPVS_DEST_ATTR_L_THRESH"},
  };
  seen.Require(kMandatory, error);
}

template <typename T>
int Order(T a, T b) {
  return a < b ? -1 : (a > b ? 1 : 0);
}

int Order(const Address& a, const Address& b) {
  return std::memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

// The kernel takes a service with a mark for just that, whatever else is there
// (ip_vs_genl_parse_service).
void PutServiceKey(const ServiceKey& key, AttributeWriter* writer) {
  writer->U16(IPVS_SVC_ATTR_AF, key.family);
  if (key.fwmark != 0) {
    writer->U32(IPVS_SVC_ATTR_FWMARK, key.fwmark);
  } else {
    writer->U16(IPVS_SVC_ATTR_PROTOCOL, key.protocol);
    writer->Raw(IPVS_SVC_ATTR_ADDR, key.address.bytes, sizeof(key.address.bytes));
    writer->Be16(IPVS_SVC_ATTR_PORT, key.port);
  }
}

void PutDestinationKey(const DestinationKey& key, AttributeWriter* writer) {
  writer->Raw(IPVS_DEST_ATTR_ADDR, key.address.bytes, sizeof(key.address.bytes));
  writer->Be16(IPVS_DEST_ATTR_PORT, key.port);
  // Always: without it the kernel reads the address as one of the service's family.
  writer->U16(IPVS_DEST_ATTR_ADDR_FAMILY, key.family);
}

}  // namespace

void EncodeServiceKey(const ServiceKey& key, AttributeWriter* writer) {
  const size_t nest = writer->BeginNest(IPVS_CMD_ATTR_SERVICE);
  PutServiceKey(key, writer);
  writer->EndNest(nest);
}

void EncodeService(const Service& service, AttributeWriter* writer) {
  const size_t nest = writer->BeginNest(IPVS_CMD_ATTR_SERVICE);
  PutServiceKey(service.key, writer);
  writer->NulString(IPVS_SVC_ATTR_SCHED_NAME, service.scheduler);
  // Absent means "no engine", and an update without it removes the one that was there
  // (ip_vs_edit_service).
  if (service.engine[0] != '\0') writer->NulString(IPVS_SVC_ATTR_PE_NAME, service.engine);
  const WireFlags flags{service.flags, service.flags_mask};
  writer->Raw(IPVS_SVC_ATTR_FLAGS, &flags, sizeof(flags));
  writer->U32(IPVS_SVC_ATTR_TIMEOUT, service.timeout);
  writer->U32(IPVS_SVC_ATTR_NETMASK, service.netmask);
  writer->EndNest(nest);
}

void EncodeDestinationKey(const DestinationKey& key, AttributeWriter* writer) {
  const size_t nest = writer->BeginNest(IPVS_CMD_ATTR_DEST);
  PutDestinationKey(key, writer);
  writer->EndNest(nest);
}

void EncodeDestination(const Destination& destination, AttributeWriter* writer) {
  const size_t nest = writer->BeginNest(IPVS_CMD_ATTR_DEST);
  PutDestinationKey(destination.key, writer);
  writer->U32(IPVS_DEST_ATTR_FWD_METHOD, destination.forwarding);
  writer->U32(IPVS_DEST_ATTR_WEIGHT, destination.weight);
  writer->U32(IPVS_DEST_ATTR_U_THRESH, destination.upper_threshold);
  writer->U32(IPVS_DEST_ATTR_L_THRESH, destination.lower_threshold);
  // Absent means a plain tunnel (ip_vs_genl_parse_dest), also where there was another one before.
  if (destination.tunnel_type != 0 || destination.tunnel_port != 0 ||
      destination.tunnel_flags != 0) {
    writer->U8(IPVS_DEST_ATTR_TUN_TYPE, destination.tunnel_type);
    writer->Be16(IPVS_DEST_ATTR_TUN_PORT, destination.tunnel_port);
    writer->U16(IPVS_DEST_ATTR_TUN_FLAGS, destination.tunnel_flags);
  }
  writer->EndNest(nest);
}

bool DecodeService(ByteView attributes, Service* service, DecodeError* error) {
  bool found = false;
  AttributeReader reader(attributes, "service reply", error);
  while (reader.Next()) {
    if (reader.type() != IPVS_CMD_ATTR_SERVICE) continue;
    if (found) *service = Service();  // nothing of one before it, though no kernel sends two
    found = true;
    DecodeServiceNest(reader.Nest("IPVS_CMD_ATTR_SERVICE"), service, error);
  }
  if (!found) error->Set("IPVS_CMD_ATTR_SERVICE", "is missing");
  return error->ok();
}

bool DecodeDestination(ByteView attributes, uint16_t service_family, Destination* destination,
                       DecodeError* error) {
  bool found = false;
  AttributeReader reader(attributes, "destination reply", error);
  while (reader.Next()) {
    if (reader.type() != IPVS_CMD_ATTR_DEST) continue;
    if (found) *destination = Destination();
    found = true;
    DecodeDestinationNest(reader.Nest("IPVS_CMD_ATTR_DEST"), destination, error);
  }
  if (!found) error->Set("IPVS_CMD_ATTR_DEST", "is missing");
  // Kernels before 3.18 do not say: there every destination is of its service's family.
  if (destination->key.family == 0) destination->key.family = service_family;
  SettleAddress(destination->key.family, "IPVS_DEST_ATTR_ADDR_FAMILY", &destination->key.address,
                error);
  return error->ok();
}

int Compare(const ServiceKey& a, const ServiceKey& b) {
  // A mark's service carries a protocol, address and port that mean nothing.
  if ((a.fwmark != 0) != (b.fwmark != 0)) return a.fwmark != 0 ? 1 : -1;
  if (int order = Order(a.family, b.family)) return order;
  if (a.fwmark != 0) return Order(a.fwmark, b.fwmark);
  if (int order = Order(a.protocol, b.protocol)) return order;
  if (int order = Order(a.address, b.address)) return order;
  return Order(a.port, b.port);
}

int Compare(const DestinationKey& a, const DestinationKey& b) {
  if (int order = Order(a.family, b.family)) return order;
  if (int order = Order(a.address, b.address)) return order;
  return Order(a.port, b.port);
}

}  // namespace ipvs
