#include "request.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
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

Request ReadRequest(const RequestRow& row) {
  Request request;
  request.command = static_cast<uint8_t>(row.command);
  request.bigint = row.bigint != 0;

  Service& service = request.service;
  service.key.family = static_cast<uint16_t>(row.family);
  service.key.protocol = static_cast<uint16_t>(row.protocol);
  std::memcpy(service.key.address.bytes, row.address, sizeof(row.address));
  service.key.port = static_cast<uint16_t>(row.port);
  service.key.fwmark = row.fwmark;
  CopyText(service.scheduler, row.scheduler);
  service.flags = row.flags;
  service.flags_mask = row.flags_mask;
  service.timeout = row.timeout;
  service.netmask = NetmaskToWire(service.key.family, row.netmask);
  CopyText(service.engine, row.engine);

  Destination& destination = request.destination;
  destination.key.family = static_cast<uint16_t>(row.destination_family);
  std::memcpy(destination.key.address.bytes, row.destination_address,
              sizeof(row.destination_address));
  destination.key.port = static_cast<uint16_t>(row.destination_port);
  destination.forwarding = row.forwarding;
  destination.weight = row.weight;
  destination.upper_threshold = row.upper_threshold;
  destination.lower_threshold = row.lower_threshold;
  destination.tunnel_type = static_cast<uint8_t>(row.tunnel_type);
  destination.tunnel_port = static_cast<uint16_t>(row.tunnel_port);
  destination.tunnel_flags = static_cast<uint16_t>(row.tunnel_flags);

  request.timeouts = Timeouts{row.timeout_tcp, row.timeout_tcp_fin, row.timeout_udp};

  Daemon& daemon = request.daemon;
  daemon.state = row.daemon_state;
  CopyText(daemon.interface, row.daemon_interface);
  daemon.sync_id = row.daemon_sync_id;
  daemon.max_length = static_cast<uint16_t>(row.daemon_max_length);
  daemon.group_family = static_cast<uint16_t>(row.daemon_group_family);
  std::memcpy(daemon.group.bytes, row.daemon_group, sizeof(row.daemon_group));
  daemon.port = static_cast<uint16_t>(row.daemon_port);
  daemon.ttl = static_cast<uint8_t>(row.daemon_ttl);
  return request;
}

}  // namespace

std::vector<uint32_t> RequestLayout() {
#define COLUMN(name) static_cast<uint32_t>(offsetof(RequestRow, name))
  return {COLUMN(command),
          COLUMN(family),
          COLUMN(protocol),
          COLUMN(address),
          COLUMN(port),
          COLUMN(fwmark),
          COLUMN(flags),
          COLUMN(flags_mask),
          COLUMN(timeout),
          COLUMN(netmask),
          COLUMN(scheduler),
          COLUMN(engine),
          COLUMN(destination_family),
          COLUMN(destination_address),
          COLUMN(destination_port),
          COLUMN(forwarding),
          COLUMN(weight),
          COLUMN(upper_threshold),
          COLUMN(lower_threshold),
          COLUMN(tunnel_type),
          COLUMN(tunnel_port),
          COLUMN(tunnel_flags),
          COLUMN(bigint),
          COLUMN(timeout_tcp),
          COLUMN(timeout_tcp_fin),
          COLUMN(timeout_udp),
          COLUMN(daemon_state),
          COLUMN(daemon_interface),
          COLUMN(daemon_sync_id),
          COLUMN(daemon_max_length),
          COLUMN(daemon_group_family),
          COLUMN(daemon_group),
          COLUMN(daemon_port),
          COLUMN(daemon_ttl),
          static_cast<uint32_t>(sizeof(RequestRow))};
#undef COLUMN
}

std::vector<Request> ReadRequests(const uint8_t* rows, size_t count) {
  std::vector<Request> requests;
  requests.reserve(count);
  for (size_t i = 0; i < count; i++) {
    requests.push_back(ReadRequest(Load<RequestRow>(rows + i * sizeof(RequestRow))));
  }
  return requests;
}

void EncodeRequest(const Request& request, CommandBatch* batch) {
  AttributeWriter writer =
      batch->Add(request.command, IPVS_GENL_VERSION, NLM_F_REQUEST | NLM_F_ACK);
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
