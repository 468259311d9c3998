// The attributes of a reply to GET_DAEMON.

#include "core/director.h"
#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

void HoldsReply(const Daemon& daemon, const std::vector<Attribute>& attributes) {
  HOLDS(HasAll(attributes, {1, 2, 3}));
  HOLDS(daemon.state == LastAs<uint32_t>(attributes, IPVS_DAEMON_ATTR_STATE));
  HOLDS(IsText(daemon.interface, Last(attributes, IPVS_DAEMON_ATTR_MCAST_IFN)));
  HOLDS(daemon.sync_id == LastAs<uint32_t>(attributes, IPVS_DAEMON_ATTR_SYNC_ID));
  HOLDS(daemon.max_length == LastAs<uint16_t>(attributes, IPVS_DAEMON_ATTR_SYNC_MAXLEN));
  HOLDS(daemon.port == LastAs<uint16_t>(attributes, IPVS_DAEMON_ATTR_MCAST_PORT));
  HOLDS(daemon.ttl == LastAs<uint8_t>(attributes, IPVS_DAEMON_ATTR_MCAST_TTL));

  const Attribute* v4 = Last(attributes, IPVS_DAEMON_ATTR_MCAST_GROUP);
  const Attribute* v6 = Last(attributes, IPVS_DAEMON_ATTR_MCAST_GROUP6);
  HOLDS((daemon.group_family != 0) == (v4 != nullptr || v6 != nullptr));
  if (daemon.group_family == 0) return;
  const Attribute* group = daemon.group_family == AF_INET ? v4 : v6;
  HOLDS(IsAddress(daemon.group_family, daemon.group));
  HOLDS(HoldsAddress(daemon.group_family, daemon.group, group));
}

// What was read can be written, and reads the same.
void HoldsRoundTrip(const Daemon& daemon) {
  Bytes wire;
  AttributeWriter writer(&wire);
  EncodeDaemon(daemon, &writer);
  HOLDS(wire.size() % 4 == 0);
  Daemon again;
  DecodeError error;
  HOLDS(DecodeDaemon(ByteView(wire), &again, &error));
  HOLDS(daemon.state == again.state);
  HOLDS(std::strcmp(daemon.interface, again.interface) == 0);
  HOLDS(daemon.sync_id == again.sync_id);
  HOLDS(daemon.max_length == again.max_length);
  HOLDS(daemon.group_family == again.group_family);
  HOLDS(Same(daemon.group, again.group));
  HOLDS(daemon.port == again.port);
  HOLDS(daemon.ttl == again.ttl);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Daemon daemon;
  DecodeError error;
  const bool ok = DecodeDaemon(ByteView(data, size), &daemon, &error);
  HOLDS(ok == error.ok());
  HOLDS(IsTerminated(daemon.interface));
  if (!ok) return 0;
  HoldsReply(daemon, SplitNest(ByteView(data, size), IPVS_CMD_ATTR_DAEMON));
  HoldsRoundTrip(daemon);
  return 0;
}
