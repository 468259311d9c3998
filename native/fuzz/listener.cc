// The payload of a reply of sock_diag.

#include "core/listener.h"

#include <linux/inet_diag.h>

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Listener listener;
  DecodeError error;
  const bool ok = DecodeListener(ByteView(data, size), &listener, &error);
  HOLDS(ok == error.ok());
  if (!ok) return 0;
  HOLDS(size >= sizeof(inet_diag_msg));
  HOLDS(listener.family == data[0]);
  HOLDS(listener.port == data[4] * 256 + data[5]);
  HOLDS(listener.address.bytes[0] == data[8]);
  const std::vector<Attribute> attributes = Split(ByteView(data, size).From(sizeof(inet_diag_msg)));
  const bool only = Last(attributes, INET_DIAG_SKV6ONLY) != nullptr &&
                    LastAs<uint8_t>(attributes, INET_DIAG_SKV6ONLY) != 0;
  HOLDS(listener.ipv6_only == only);
  return 0;
}
