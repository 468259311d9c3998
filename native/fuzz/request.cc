// A request as JavaScript writes it, whatever it wrote: it becomes one whole message, and a decoder
// reads back from it what the row had. The input is a row; what is missing is zero.

#include "addon/request.h"

#include <linux/genetlink.h>

#include <algorithm>

#include "core/message.h"
#include "property.h"

using namespace ipvs;
using namespace ipvs::addon;
using namespace ipvs::fuzz;

namespace {

bool IsKnown(uint32_t family) { return family == AF_INET || family == AF_INET6; }

// Only what the family has; the rest of the column is not the address's.
bool SameAddress(uint32_t family, const Address& address, const uint8_t (&column)[16]) {
  return std::memcmp(address.bytes, column, family == AF_INET ? 4 : 16) == 0;
}

// What fits the place, cut where it is longer.
template <size_t N, size_t M>
bool SameText(const char (&text)[N], const char (&column)[M]) {
  const size_t length = std::strlen(text);
  return length == std::min(strnlen(column, M), std::min(N, M) - 1) &&
         std::memcmp(text, column, length) == 0;
}

void CheckService(ByteView attributes, const RequestRow& row) {
  const auto family = static_cast<uint16_t>(row.family);
  if (!IsKnown(family)) return;
  Service service;
  DecodeError error;
  HOLDS(DecodeService(attributes, &service, &error));
  HOLDS(service.key.family == family);
  HOLDS(service.key.fwmark == row.fwmark);
  if (row.fwmark == 0) {
    HOLDS(service.key.protocol == static_cast<uint16_t>(row.protocol));
    HOLDS(service.key.port == static_cast<uint16_t>(row.port));
    HOLDS(SameAddress(family, service.key.address, row.address));
  }
  HOLDS(SameText(service.scheduler, row.scheduler));
  HOLDS(SameText(service.engine, row.engine));
  HOLDS(service.flags == (row.flags & ~IP_VS_SVC_F_HASHED));
  HOLDS(service.timeout == row.timeout);
  HOLDS(NetmaskFromWire(family, service.netmask) == row.netmask);
}

void CheckDestination(ByteView attributes, const RequestRow& row) {
  const auto family = static_cast<uint16_t>(row.destination_family);
  if (!IsKnown(family)) return;
  Destination destination;
  DecodeError error;
  HOLDS(DecodeDestination(attributes, AF_UNSPEC, &destination, &error));
  HOLDS(destination.key.family == family);
  HOLDS(SameAddress(family, destination.key.address, row.destination_address));
  HOLDS(destination.key.port == static_cast<uint16_t>(row.destination_port));
  HOLDS(destination.forwarding == (row.forwarding & IP_VS_CONN_F_FWD_MASK));
  HOLDS(destination.weight == row.weight);
  HOLDS(destination.upper_threshold == row.upper_threshold);
  HOLDS(destination.lower_threshold == row.lower_threshold);
  HOLDS(destination.tunnel_type == static_cast<uint8_t>(row.tunnel_type));
  HOLDS(destination.tunnel_port == static_cast<uint16_t>(row.tunnel_port));
  HOLDS(destination.tunnel_flags == static_cast<uint16_t>(row.tunnel_flags));
}

void CheckDaemon(ByteView attributes, const RequestRow& row) {
  Daemon daemon;
  DecodeError error;
  HOLDS(DecodeDaemon(attributes, &daemon, &error));
  HOLDS(daemon.state == row.daemon_state);
  HOLDS(SameText(daemon.interface, row.daemon_interface));
  HOLDS(daemon.sync_id == row.daemon_sync_id);
  HOLDS(daemon.max_length == static_cast<uint16_t>(row.daemon_max_length));
  const auto family = static_cast<uint16_t>(row.daemon_group_family);
  HOLDS(daemon.group_family == (IsKnown(family) ? family : 0));
  HOLDS(!IsKnown(family) || SameAddress(family, daemon.group, row.daemon_group));
  HOLDS(daemon.port == static_cast<uint16_t>(row.daemon_port));
  HOLDS(daemon.ttl == static_cast<uint8_t>(row.daemon_ttl));
}

void CheckTimeouts(ByteView attributes, const RequestRow& row) {
  if (attributes.empty()) {
    HOLDS(row.timeout_tcp == 0 && row.timeout_tcp_fin == 0 && row.timeout_udp == 0);
    return;
  }
  Timeouts timeouts;
  DecodeError error;
  HOLDS(DecodeTimeouts(attributes, &timeouts, &error));
  HOLDS(timeouts.tcp == row.timeout_tcp);
  HOLDS(timeouts.tcp_fin == row.timeout_tcp_fin);
  HOLDS(timeouts.udp == row.timeout_udp);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint8_t bytes[sizeof(RequestRow)] = {};
  if (size != 0) std::memcpy(bytes, data, std::min(size, sizeof(bytes)));
  const auto row = Load<RequestRow>(bytes);

  const std::vector<Request> requests = ReadRequests(bytes, 1);
  HOLDS(requests.size() == 1);
  CommandBatch batch;
  EncodeRequest(requests[0], &batch);
  HOLDS(batch.count() == 1);
  const ByteView datagram = batch.Seal(28, 7);

  MessageReader reader(datagram);
  Message message;
  HOLDS(reader.Next(&message));
  HOLDS(message.header.nlmsg_len == datagram.size && datagram.size % 4 == 0);
  HOLDS(message.header.nlmsg_type == 28 && message.header.nlmsg_seq == 7);
  ByteView attributes;
  HOLDS(GenericPayload(message, &attributes));
  HOLDS(Load<genlmsghdr>(message.payload.data).cmd == static_cast<uint8_t>(row.command));
  Split(attributes);  // well formed, whatever the command
  Message more;
  HOLDS(!reader.Next(&more) && reader.ok());

  switch (requests[0].command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_SET_SERVICE:
      CheckService(attributes, row);
      break;
    case IPVS_CMD_NEW_DEST:
    case IPVS_CMD_SET_DEST:
      CheckDestination(attributes, row);
      break;
    case IPVS_CMD_NEW_DAEMON:
      CheckDaemon(attributes, row);
      break;
    case IPVS_CMD_SET_CONFIG:
      CheckTimeouts(attributes, row);
      break;
  }
  return 0;
}
