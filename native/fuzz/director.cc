// The attributes of the replies to GET_CONFIG (timeouts) and GET_INFO.

#include "core/director.h"

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

void CheckTimeouts(ByteView reply) {
  Timeouts timeouts;
  DecodeError error;
  const bool ok = DecodeTimeouts(reply, &timeouts, &error);
  HOLDS(ok == error.ok());
  if (!ok) return;
  const std::vector<Attribute> attributes = Split(reply);
  HOLDS(timeouts.tcp == LastAs<uint32_t>(attributes, IPVS_CMD_ATTR_TIMEOUT_TCP));
  HOLDS(timeouts.tcp_fin == LastAs<uint32_t>(attributes, IPVS_CMD_ATTR_TIMEOUT_TCP_FIN));
  HOLDS(timeouts.udp == LastAs<uint32_t>(attributes, IPVS_CMD_ATTR_TIMEOUT_UDP));

  Bytes wire;
  AttributeWriter writer(&wire);
  EncodeTimeouts(timeouts, &writer);
  if (wire.empty()) return;  // all of them 0, which is "keep" and not sent
  Timeouts again;
  HOLDS(DecodeTimeouts(ByteView(wire), &again, &error));
  HOLDS(timeouts.tcp == again.tcp && timeouts.tcp_fin == again.tcp_fin &&
        timeouts.udp == again.udp);
}

void CheckInfo(ByteView reply) {
  Info info;
  DecodeError error;
  const bool ok = DecodeInfo(reply, &info, &error);
  HOLDS(ok == error.ok());
  if (!ok) return;
  const std::vector<Attribute> attributes = Split(reply);
  HOLDS(Count(attributes, 1) != 0 && Count(attributes, 2) != 0);
  HOLDS(info.version == LastAs<uint32_t>(attributes, IPVS_INFO_ATTR_VERSION));
  HOLDS(info.connection_table_size == LastAs<uint32_t>(attributes, IPVS_INFO_ATTR_CONN_TAB_SIZE));
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  CheckTimeouts(ByteView(data, size));
  CheckInfo(ByteView(data, size));
  return 0;
}
