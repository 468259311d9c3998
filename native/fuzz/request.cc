// Requests as JavaScript writes them, whatever it wrote: each becomes one whole message, and a
// decoder reads back from it what the columns had; what lacks something becomes none, and neither
// does what follows it. The input is a stream of requests.

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

size_t AddressSize(uint16_t family) {
  return family == AF_INET ? 4 : (family == AF_INET6 ? 16 : 0);
}

// And nothing behind what the family has.
bool SameAddress(uint16_t family, const Address& address, const uint8_t* stream) {
  const size_t size = AddressSize(family);
  const auto* end = address.bytes + sizeof(address.bytes);
  return std::equal(stream, stream + size, address.bytes) &&
         std::all_of(address.bytes + size, end, [](uint8_t byte) { return byte == 0; });
}

// What fits the place, cut where it is longer.
template <size_t N, size_t M>
bool SameText(const char (&text)[N], const char (&column)[M]) {
  const size_t length = std::strlen(text);
  return length == std::min(strnlen(column, M), std::min(N, M) - 1) &&
         std::memcmp(text, column, length) == 0;
}

// One request, read a second time: where its parts stand. Null where it has none.
struct Parts {
  uint8_t command = 0;
  const uint8_t* at[8] = {};

  template <typename Columns>
  Columns Get(size_t part) const {
    HOLDS(at[part] != nullptr);
    return Load<Columns>(at[part]);
  }

  // Where it need not stand there: all zero.
  template <typename Columns>
  Columns GetOrNone(size_t part) const {
    return at[part] == nullptr ? Columns() : Load<Columns>(at[part]);
  }

  // What stands behind the columns.
  const uint8_t* Address(size_t part) const;
};

enum { kKey, kService, kDestinationKey, kDestination, kLimits, kTunnel, kTimeouts, kDaemon };

constexpr size_t kSizes[] = {16, 52, 8, 8, 8, 12, 12, 40};

const uint8_t* Parts::Address(size_t part) const { return at[part] + kSizes[part]; }

// How long the address behind a part is.
size_t AddressBehind(size_t part, const uint8_t* columns) {
  const auto word = [columns](size_t at) { return Load<uint32_t>(columns + at); };
  switch (part) {
    case kKey:
      return word(12) != 0 ? 0 : AddressSize(static_cast<uint16_t>(word(0)));
    case kDestinationKey:
      return AddressSize(static_cast<uint16_t>(word(0)));
    case kDaemon:
      return AddressSize(static_cast<uint16_t>(word(36)));
    default:
      return 0;
  }
}

// The parts that a command can't do without, bit by bit.
uint32_t Needed(uint8_t command) {
  static constexpr uint8_t kNeeded[] = {0, 3, 3, 1, 1, 13, 13, 5, 1, 128, 128, 0, 64, 0, 0, 0, 1};
  return command < sizeof(kNeeded) ? kNeeded[command] : 0;
}

// All requests up to the first that is none; false where there is such.
bool Walk(const uint8_t* data, size_t size, std::vector<Parts>* requests) {
  const uint8_t* key = nullptr;
  for (size_t at = 0; at < size;) {
    if (size - at < 4) return false;
    const auto word = Load<uint32_t>(data + at);
    at += 4;
    if (word >> 16 != 0) return false;  // a part that nobody knows
    Parts parts;
    parts.command = static_cast<uint8_t>(word & 255);
    uint32_t given = 0;
    for (size_t part = 0; part < 8; part++) {
      if ((word >> 8 & 1u << part) == 0) continue;
      if (size - at < kSizes[part]) return false;
      parts.at[part] = data + at;
      at += kSizes[part];
      const size_t address = AddressBehind(part, parts.at[part]);
      if (size - at < address) return false;
      at += address;
      given |= 1u << part;
    }
    if (parts.at[kKey] != nullptr) key = parts.at[kKey];
    parts.at[kKey] = key;
    if (key != nullptr) given |= 1;
    if ((Needed(parts.command) & ~given) != 0) return false;
    requests->push_back(parts);
  }
  return true;
}

void CheckKey(const ServiceKey& key, const Parts& parts) {
  const auto columns = parts.Get<ServiceKeyColumns>(kKey);
  HOLDS(key.family == static_cast<uint16_t>(columns.family));
  HOLDS(key.fwmark == columns.fwmark);
  if (columns.fwmark != 0) return;
  HOLDS(key.protocol == static_cast<uint16_t>(columns.protocol));
  HOLDS(key.port == static_cast<uint16_t>(columns.port));
  HOLDS(SameAddress(key.family, key.address, parts.Address(kKey)));
}

// The key of a message that has nothing else of its service.
void CheckKey(ByteView attributes, const Parts& parts) {
  const auto columns = parts.Get<ServiceKeyColumns>(kKey);
  if (!IsKnown(static_cast<uint16_t>(columns.family))) return;
  const std::vector<Attribute> nest = SplitNest(attributes, IPVS_CMD_ATTR_SERVICE);
  ServiceKey key;
  key.family = LastAs<uint16_t>(nest, IPVS_SVC_ATTR_AF);
  key.fwmark = LastAs<uint32_t>(nest, IPVS_SVC_ATTR_FWMARK);
  key.protocol = LastAs<uint16_t>(nest, IPVS_SVC_ATTR_PROTOCOL);
  key.port = LastAsBe16(nest, IPVS_SVC_ATTR_PORT);
  if (const Attribute* address = Last(nest, IPVS_SVC_ATTR_ADDR)) {
    HOLDS(address->value.size == sizeof(key.address.bytes));
    std::memcpy(key.address.bytes, address->value.data, address->value.size);
  }
  CheckKey(key, parts);
}

void CheckService(ByteView attributes, const Parts& parts) {
  const auto columns = parts.Get<ServiceColumns>(kService);
  const auto key = parts.Get<ServiceKeyColumns>(kKey);
  const auto family = static_cast<uint16_t>(key.family);
  if (!IsKnown(family)) return;
  Service service;
  DecodeError error;
  HOLDS(DecodeService(attributes, &service, &error));
  CheckKey(service.key, parts);
  HOLDS(SameText(service.scheduler, columns.scheduler));
  HOLDS(SameText(service.engine, columns.engine));
  HOLDS(service.flags == (columns.flags & ~IP_VS_SVC_F_HASHED));
  HOLDS(service.timeout == columns.timeout);
  HOLDS(NetmaskFromWire(family, service.netmask) == columns.netmask);
}

void CheckDestinationKey(ByteView attributes, const Parts& parts) {
  const auto columns = parts.Get<DestinationKeyColumns>(kDestinationKey);
  const auto family = static_cast<uint16_t>(columns.family);
  if (!IsKnown(family)) return;
  const std::vector<Attribute> nest = SplitNest(attributes, IPVS_CMD_ATTR_DEST);
  HOLDS(LastAs<uint16_t>(nest, IPVS_DEST_ATTR_ADDR_FAMILY) == family);
  HOLDS(LastAsBe16(nest, IPVS_DEST_ATTR_PORT) == static_cast<uint16_t>(columns.port));
  const Attribute* attribute = Last(nest, IPVS_DEST_ATTR_ADDR);
  Address address;
  HOLDS(attribute != nullptr && attribute->value.size == sizeof(address.bytes));
  std::memcpy(address.bytes, attribute->value.data, sizeof(address.bytes));
  HOLDS(SameAddress(family, address, parts.Address(kDestinationKey)));
}

void CheckDestination(ByteView attributes, const Parts& parts) {
  const auto columns = parts.Get<DestinationColumns>(kDestination);
  const auto key = parts.Get<DestinationKeyColumns>(kDestinationKey);
  const auto limits = parts.GetOrNone<LimitsColumns>(kLimits);
  const auto tunnel = parts.GetOrNone<TunnelColumns>(kTunnel);
  const auto family = static_cast<uint16_t>(key.family);
  if (!IsKnown(family)) return;
  Destination destination;
  DecodeError error;
  HOLDS(DecodeDestination(attributes, AF_UNSPEC, &destination, &error));
  HOLDS(destination.key.family == family);
  HOLDS(SameAddress(family, destination.key.address, parts.Address(kDestinationKey)));
  HOLDS(destination.key.port == static_cast<uint16_t>(key.port));
  HOLDS(destination.forwarding == (columns.forwarding & IP_VS_CONN_F_FWD_MASK));
  HOLDS(destination.weight == columns.weight);
  HOLDS(destination.upper_threshold == limits.upper_threshold);
  HOLDS(destination.lower_threshold == limits.lower_threshold);
  HOLDS(destination.tunnel_type == static_cast<uint8_t>(tunnel.type));
  HOLDS(destination.tunnel_port == static_cast<uint16_t>(tunnel.port));
  HOLDS(destination.tunnel_flags == static_cast<uint16_t>(tunnel.flags));
}

void CheckDaemon(ByteView attributes, const Parts& parts) {
  const auto columns = parts.Get<DaemonColumns>(kDaemon);
  Daemon daemon;
  DecodeError error;
  HOLDS(DecodeDaemon(attributes, &daemon, &error));
  HOLDS(daemon.state == columns.role);
  HOLDS(SameText(daemon.interface, columns.interface));
  HOLDS(daemon.sync_id == columns.sync_id);
  HOLDS(daemon.max_length == static_cast<uint16_t>(columns.max_length));
  const auto family = static_cast<uint16_t>(columns.group_family);
  HOLDS(daemon.group_family == (IsKnown(family) ? family : 0));
  HOLDS(!IsKnown(family) || SameAddress(family, daemon.group, parts.Address(kDaemon)));
  HOLDS(daemon.port == static_cast<uint16_t>(columns.port));
  HOLDS(daemon.ttl == static_cast<uint8_t>(columns.ttl));
}

void CheckTimeouts(ByteView attributes, const Parts& parts) {
  const auto columns = parts.Get<TimeoutsColumns>(kTimeouts);
  if (attributes.empty()) {
    HOLDS(columns.tcp == 0 && columns.tcp_fin == 0 && columns.udp == 0);
    return;
  }
  Timeouts timeouts;
  DecodeError error;
  HOLDS(DecodeTimeouts(attributes, &timeouts, &error));
  HOLDS(timeouts.tcp == columns.tcp);
  HOLDS(timeouts.tcp_fin == columns.tcp_fin);
  HOLDS(timeouts.udp == columns.udp);
}

void CheckRequest(ByteView attributes, const Parts& parts) {
  Split(attributes);  // well formed, whatever the command
  switch (parts.command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_SET_SERVICE:
      return CheckService(attributes, parts);
    case IPVS_CMD_DEL_SERVICE:
    case IPVS_CMD_GET_SERVICE:
      return CheckKey(attributes, parts);
    case IPVS_CMD_NEW_DEST:
    case IPVS_CMD_SET_DEST:
      CheckKey(attributes, parts);
      return CheckDestination(attributes, parts);
    case IPVS_CMD_DEL_DEST:
      CheckKey(attributes, parts);
      return CheckDestinationKey(attributes, parts);
    case IPVS_CMD_NEW_DAEMON:
      return CheckDaemon(attributes, parts);
    case IPVS_CMD_DEL_DAEMON:
      HOLDS(LastAs<uint32_t>(SplitNest(attributes, IPVS_CMD_ATTR_DAEMON), IPVS_DAEMON_ATTR_STATE) ==
            parts.Get<DaemonColumns>(kDaemon).role);
      return;
    case IPVS_CMD_SET_CONFIG:
      return CheckTimeouts(attributes, parts);
    case IPVS_CMD_ZERO: {
      const auto key = parts.Get<ServiceKeyColumns>(kKey);
      HOLDS(attributes.empty() == (static_cast<uint16_t>(key.family) == AF_UNSPEC));
      return attributes.empty() ? void() : CheckKey(attributes, parts);
    }
    default:
      HOLDS(attributes.empty());
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<Parts> wanted;
  const bool whole = Walk(data, size, &wanted);

  RequestReader stream(ByteView(data, size));
  Request request;
  CommandBatch batch;
  for (const Parts& each : wanted) {
    HOLDS(stream.Next(&request));
    HOLDS(request.command == each.command);
    // What is asked of a dump: one destination, or all.
    const DestinationKey& key = request.destination.key;
    if (each.at[kDestinationKey] == nullptr) HOLDS(key.family == 0 && key.port == 0);
    EncodeRequest(request, &batch);
  }
  HOLDS(!stream.Next(&request));
  HOLDS(stream.ok() == whole);
  HOLDS(batch.count() == wanted.size());

  const ByteView datagram = batch.Seal(28, 7);
  MessageReader reader(datagram);
  Message message;
  uint32_t sequence = 7;
  for (const Parts& each : wanted) {
    HOLDS(reader.Next(&message));
    HOLDS(message.header.nlmsg_len % 4 == 0);
    HOLDS(message.header.nlmsg_type == 28 && message.header.nlmsg_seq == sequence++);
    ByteView attributes;
    HOLDS(GenericPayload(message, &attributes));
    HOLDS(Load<genlmsghdr>(message.payload.data).cmd == each.command);
    CheckRequest(attributes, each);
  }
  // Who waits for the last one waits for all.
  HOLDS(wanted.empty() || (message.header.nlmsg_flags & NLM_F_ACK) != 0);
  HOLDS(!reader.Next(&message) && reader.ok());
  return 0;
}
