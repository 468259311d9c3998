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
  std::memcpy(key->address.bytes, columns.address, sizeof(columns.address));
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
  std::memcpy(key->address.bytes, columns.address, sizeof(columns.address));
  key->port = static_cast<uint16_t>(columns.port);
}

void Read(const DestinationColumns& columns, Destination* destination) {
  destination->forwarding = columns.forwarding;
  destination->weight = columns.weight;
  destination->upper_threshold = columns.upper_threshold;
  destination->lower_threshold = columns.lower_threshold;
  destination->tunnel_type = static_cast<uint8_t>(columns.tunnel_type);
  destination->tunnel_port = static_cast<uint16_t>(columns.tunnel_port);
  destination->tunnel_flags = static_cast<uint16_t>(columns.tunnel_flags);
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
  std::memcpy(daemon->group.bytes, columns.group, sizeof(columns.group));
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
          COLUMN(ServiceKey, address),
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
          COLUMN(DestinationKey, address),
          SIZE(DestinationKey),
          COLUMN(Destination, forwarding),
          COLUMN(Destination, weight),
          COLUMN(Destination, upper_threshold),
          COLUMN(Destination, lower_threshold),
          COLUMN(Destination, tunnel_type),
          COLUMN(Destination, tunnel_port),
          COLUMN(Destination, tunnel_flags),
          SIZE(Destination),
          COLUMN(Timeouts, tcp),
          COLUMN(Timeouts, tcp_fin),
          COLUMN(Timeouts, udp),
          SIZE(Timeouts),
          COLUMN(Daemon, role),
          COLUMN(Daemon, interface),
          COLUMN(Daemon, sync_id),
          COLUMN(Daemon, max_length),
          COLUMN(Daemon, group_family),
          COLUMN(Daemon, group),
          COLUMN(Daemon, port),
          COLUMN(Daemon, ttl),
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
  ok_ = (PartsOf(request->command) & ~given) == 0;

  ServiceKeyColumns service_key;
  ServiceColumns service;
  DestinationKeyColumns destination_key;
  DestinationColumns destination;
  TimeoutsColumns timeouts;
  DaemonColumns daemon;
  // Which destination of a dump is wanted has no default but "all".
  if ((parts_ & kDestinationKeyPart) == 0) request->destination.key = DestinationKey();
  if (Take(kServiceKeyPart, &service_key)) Read(service_key, &request->service.key);
  if (Take(kServicePart, &service)) Read(service, &request->service);
  if (Take(kDestinationKeyPart, &destination_key)) {
    Read(destination_key, &request->destination.key);
  }
  if (Take(kDestinationPart, &destination)) Read(destination, &request->destination);
  if (Take(kTimeoutsPart, &timeouts)) Read(timeouts, &request->timeouts);
  if (Take(kDaemonPart, &daemon)) Read(daemon, &request->daemon);
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
