#include "request.h"

#include <arpa/inet.h>
#include <sys/socket.h>

namespace ipvs::addon {

namespace {

// One character is kept back: whatever JavaScript wrote, the text ends.
template <size_t N, size_t M>
void CopyText(char (&to)[N], const char (&from)[M]) {
  constexpr size_t kSize = (N < M ? N : M) - 1;
  std::memcpy(to, from, kSize);
  to[kSize] = '\0';
}

void Read(const ServiceKeyColumns& columns, ServiceKey* key) {
  key->family = static_cast<uint16_t>(columns.family);
  key->protocol = static_cast<uint16_t>(columns.protocol);
  key->port = static_cast<uint16_t>(columns.port);
  key->fwmark = columns.fwmark;
}

void Read(const ServiceColumns& columns, Service* service) {
  CopyText(service->scheduler, columns.scheduler);
  service->flags = columns.flags;
  service->flags_mask = columns.flags_mask;
  service->timeout = columns.timeout;
  service->netmask = NetmaskToWire(service->key.family, columns.netmask);
  CopyText(service->engine, columns.engine);
}

void Read(const DestinationKeyColumns& columns, DestinationKey* key) {
  key->family = static_cast<uint16_t>(columns.family);
  key->port = static_cast<uint16_t>(columns.port);
}

void Read(const DestinationColumns& columns, Destination* destination) {
  destination->forwarding = columns.forwarding;
  destination->weight = columns.weight;
}

void Read(const LimitsColumns& columns, Destination* destination) {
  destination->upper_threshold = columns.upper_threshold;
  destination->lower_threshold = columns.lower_threshold;
}

void Read(const TunnelColumns& columns, Destination* destination) {
  destination->tunnel_type = static_cast<uint8_t>(columns.type);
  destination->tunnel_port = static_cast<uint16_t>(columns.port);
  destination->tunnel_flags = static_cast<uint16_t>(columns.flags);
}

void Read(const TimeoutsColumns& columns, Timeouts* timeouts) {
  *timeouts = Timeouts{columns.tcp, columns.tcp_fin, columns.udp};
}

void Read(const DaemonColumns& columns, Daemon* daemon) {
  daemon->state = columns.role;
  CopyText(daemon->interface, columns.interface);
  daemon->sync_id = columns.sync_id;
  daemon->max_length = static_cast<uint16_t>(columns.max_length);
  daemon->group_family = static_cast<uint16_t>(columns.group_family);
  daemon->port = static_cast<uint16_t>(columns.port);
  daemon->ttl = static_cast<uint8_t>(columns.ttl);
}

// Without which a command would be sent with what an earlier request left behind.
uint32_t PartsOf(uint8_t command) {
  switch (command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_SET_SERVICE:
      return kServiceKeyPart | kServicePart;
    case IPVS_CMD_DEL_SERVICE:
    case IPVS_CMD_GET_SERVICE:
    case IPVS_CMD_GET_DEST:
    case IPVS_CMD_ZERO:
      return kServiceKeyPart;
    case IPVS_CMD_NEW_DEST:
    case IPVS_CMD_SET_DEST:
      return kServiceKeyPart | kDestinationKeyPart | kDestinationPart;
    case IPVS_CMD_DEL_DEST:
      return kServiceKeyPart | kDestinationKeyPart;
    case IPVS_CMD_NEW_DAEMON:
    case IPVS_CMD_DEL_DAEMON:
      return kDaemonPart;
    case IPVS_CMD_SET_CONFIG:
      return kTimeoutsPart;
    default:
      return 0;
  }
}

// Replies are waited for by themselves, and so is what the kernel may leave unanswered: the end of
// a sync daemon (netlink_rcv_skb answers everything but -EINTR, which kthread_stop gives).
Confirmation ConfirmationOf(uint8_t command) {
  switch (command) {
    case IPVS_CMD_GET_SERVICE:
    case IPVS_CMD_GET_CONFIG:
    case IPVS_CMD_GET_INFO:
    case IPVS_CMD_NEW_DAEMON:
    case IPVS_CMD_DEL_DAEMON:
      return Confirmation::kOwn;
    default:
      return Confirmation::kShared;
  }
}

}  // namespace

std::vector<uint32_t> RequestLayout() {
#define COLUMN(part, name) static_cast<uint32_t>(offsetof(part##Columns, name))
#define SIZE(part) static_cast<uint32_t>(sizeof(part##Columns))
  return {COLUMN(ServiceKey, family),
          COLUMN(ServiceKey, protocol),
          COLUMN(ServiceKey, port),
          COLUMN(ServiceKey, fwmark),
          SIZE(ServiceKey),
          COLUMN(Service, flags),
          COLUMN(Service, flags_mask),
          COLUMN(Service, timeout),
          COLUMN(Service, netmask),
          COLUMN(Service, scheduler),
          COLUMN(Service, engine),
          SIZE(Service),
          COLUMN(DestinationKey, family),
          COLUMN(DestinationKey, port),
          SIZE(DestinationKey),
          COLUMN(Destination, forwarding),
          COLUMN(Destination, weight),
          SIZE(Destination),
          COLUMN(Limits, upper_threshold),
          COLUMN(Limits, lower_threshold),
          SIZE(Limits),
          COLUMN(Tunnel, type),
          COLUMN(Tunnel, port),
          COLUMN(Tunnel, flags),
          SIZE(Tunnel),
          COLUMN(Timeouts, tcp),
          COLUMN(Timeouts, tcp_fin),
          COLUMN(Timeouts, udp),
          SIZE(Timeouts),
          COLUMN(Daemon, role),
          COLUMN(Daemon, interface),
          COLUMN(Daemon, sync_id),
          COLUMN(Daemon, max_length),
          COLUMN(Daemon, port),
          COLUMN(Daemon, ttl),
          COLUMN(Daemon, group_family),
          SIZE(Daemon)};
#undef COLUMN
#undef SIZE
}

template <typename Columns>
bool RequestReader::Take(uint32_t part, Columns* columns) {
  if ((parts_ & part) == 0) return false;
  if (rest_.size < sizeof(Columns)) {
    ok_ = false;
    return false;
  }
  *columns = Load<Columns>(rest_.data);
  rest_ = rest_.From(sizeof(Columns));
  return true;
}

// What the family does not fill stays zero: two keys with one address are equal.
void RequestReader::TakeAddress(uint16_t family, Address* address) {
  *address = Address();
  const size_t size = family == AF_INET6 ? 16 : (family == AF_INET ? 4 : 0);
  if (rest_.size < size) {
    ok_ = false;
    return;
  }
  if (size != 0) std::memcpy(address->bytes, rest_.data, size);
  rest_ = rest_.From(size);
}

bool RequestReader::Next(Request* request) {
  if (rest_.empty() || !ok_) return false;
  if (rest_.size < sizeof(uint32_t)) {
    ok_ = false;
    return false;
  }
  const uint32_t word = Load<uint32_t>(rest_.data);
  rest_ = rest_.From(sizeof(word));
  request->command = static_cast<uint8_t>(word);
  parts_ = word >> 8;
  has_service_ = has_service_ || (parts_ & kServiceKeyPart) != 0;
  const uint32_t given = has_service_ ? parts_ | kServiceKeyPart : parts_;
  ok_ = (PartsOf(request->command) & ~given) == 0 && parts_ <= 0xff;

  ServiceKeyColumns service_key;
  ServiceColumns service;
  DestinationKeyColumns destination_key;
  DestinationColumns destination;
  TimeoutsColumns timeouts;
  DaemonColumns daemon;
  if (Take(kServiceKeyPart, &service_key)) {
    ServiceKey* key = &request->service.key;
    Read(service_key, key);
    TakeAddress(key->fwmark == 0 ? key->family : uint16_t{AF_UNSPEC}, &key->address);
  }
  if (Take(kServicePart, &service)) Read(service, &request->service);
  // Which destination of a dump is wanted has no default but "all".
  request->destination.key = DestinationKey();
  if (Take(kDestinationKeyPart, &destination_key)) {
    Read(destination_key, &request->destination.key);
    TakeAddress(request->destination.key.family, &request->destination.key.address);
  }
  if (Take(kDestinationPart, &destination)) Read(destination, &request->destination);
  LimitsColumns limits{};
  Take(kLimitsPart, &limits);
  Read(limits, &request->destination);
  TunnelColumns tunnel{};
  Take(kTunnelPart, &tunnel);
  Read(tunnel, &request->destination);
  if (Take(kTimeoutsPart, &timeouts)) Read(timeouts, &request->timeouts);
  if (Take(kDaemonPart, &daemon)) {
    Read(daemon, &request->daemon);
    TakeAddress(request->daemon.group_family, &request->daemon.group);
  }
  return ok_;
}

void EncodeRequest(const Request& request, CommandBatch* batch) {
  AttributeWriter writer =
      batch->Add(request.command, IPVS_GENL_VERSION, ConfirmationOf(request.command));
  const ServiceKey& service = request.service.key;
  switch (request.command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_SET_SERVICE:
      EncodeService(request.service, &writer);
      break;
    case IPVS_CMD_DEL_SERVICE:
    case IPVS_CMD_GET_SERVICE:
      EncodeServiceKey(service, &writer);
      break;
    case IPVS_CMD_NEW_DEST:
    case IPVS_CMD_SET_DEST:
      EncodeServiceKey(service, &writer);
      EncodeDestination(request.destination, &writer);
      break;
    case IPVS_CMD_DEL_DEST:
      EncodeServiceKey(service, &writer);
      EncodeDestinationKey(request.destination.key, &writer);
      break;
    case IPVS_CMD_NEW_DAEMON:
      EncodeDaemon(request.daemon, &writer);
      break;
    case IPVS_CMD_DEL_DAEMON:
      EncodeDaemonKey(request.daemon, &writer);
      break;
    case IPVS_CMD_SET_CONFIG:
      EncodeTimeouts(request.timeouts, &writer);
      break;
    case IPVS_CMD_ZERO:
      // Without a service: all of them, and the totals.
      if (service.family != AF_UNSPEC) EncodeServiceKey(service, &writer);
      break;
  }
}

uint32_t NetmaskToWire(uint16_t family, uint32_t netmask) {
  return family == AF_INET ? htonl(netmask) : netmask;
}

uint32_t NetmaskFromWire(uint16_t family, uint32_t wire) {
  return family == AF_INET ? ntohl(wire) : wire;
}

}  // namespace ipvs::addon
