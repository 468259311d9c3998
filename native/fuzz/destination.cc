// The attributes of a reply to GET_DEST. The first byte says of which family the service is.

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

void HoldsReply(const Destination& destination, uint16_t service_family,
                const std::vector<Attribute>& attributes) {
  HOLDS(HasAll(attributes, {1, 2, 3, 4, 5, 6}));
  const auto family = LastAs<uint16_t>(attributes, IPVS_DEST_ATTR_ADDR_FAMILY);
  HOLDS(destination.key.family == (family != 0 ? family : service_family));
  HOLDS(HoldsAddress(destination.key.family, destination.key.address,
                     Last(attributes, IPVS_DEST_ATTR_ADDR)));
  HOLDS(destination.key.port == LastAsBe16(attributes, IPVS_DEST_ATTR_PORT));
  HOLDS(destination.forwarding == LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_FWD_METHOD) % 8);
  HOLDS(destination.weight == LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_WEIGHT));
  HOLDS(destination.upper_threshold == LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_U_THRESH));
  HOLDS(destination.lower_threshold == LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_L_THRESH));
  HOLDS(destination.active_connections ==
        LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_ACTIVE_CONNS));
  HOLDS(destination.inactive_connections ==
        LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_INACT_CONNS));
  HOLDS(destination.persistent_connections ==
        LastAs<uint32_t>(attributes, IPVS_DEST_ATTR_PERSIST_CONNS));
  HOLDS(destination.tunnel_type == LastAs<uint8_t>(attributes, IPVS_DEST_ATTR_TUN_TYPE));
  HOLDS(destination.tunnel_port == LastAsBe16(attributes, IPVS_DEST_ATTR_TUN_PORT));
  HOLDS(destination.tunnel_flags == LastAs<uint16_t>(attributes, IPVS_DEST_ATTR_TUN_FLAGS));
  HoldsStats(destination.stats, attributes, IPVS_DEST_ATTR_STATS, IPVS_DEST_ATTR_STATS64);
}

// What was read can be written, and reads the same. It says its family itself, so that of the
// service does not matter any more.
void HoldsRoundTrip(const Destination& destination) {
  Bytes wire;
  AttributeWriter writer(&wire);
  EncodeDestination(destination, &writer);
  HOLDS(wire.size() % 4 == 0);
  Destination again;
  DecodeError error;
  HOLDS(DecodeDestination(ByteView(wire), AF_UNSPEC, &again, &error));
  HOLDS(Compare(destination.key, again.key) == 0);
  HOLDS(destination.forwarding == again.forwarding);
  HOLDS(destination.weight == again.weight);
  HOLDS(destination.upper_threshold == again.upper_threshold);
  HOLDS(destination.lower_threshold == again.lower_threshold);
  HOLDS(destination.tunnel_type == again.tunnel_type);
  HOLDS(destination.tunnel_port == again.tunnel_port);
  HOLDS(destination.tunnel_flags == again.tunnel_flags);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint16_t service_family = data[0] % 2 == 0 ? AF_INET : AF_INET6;
  const ByteView reply(data + 1, size - 1);
  Destination destination;
  DecodeError error;
  const bool ok = DecodeDestination(reply, service_family, &destination, &error);
  HOLDS(ok == error.ok());
  if (!ok) return 0;
  HOLDS(destination.key.family == AF_INET || destination.key.family == AF_INET6);
  HOLDS(IsAddress(destination.key.family, destination.key.address));
  HoldsReply(destination, service_family, SplitNest(reply, IPVS_CMD_ATTR_DEST));
  HoldsRoundTrip(destination);
  return 0;
}
