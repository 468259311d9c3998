// The payload of RTM_NEWLINK.

#include "core/link.h"

#include <linux/if_link.h>

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Link link;
  DecodeError error;
  const bool ok = DecodeLink(ByteView(data, size), &link, &error);
  HOLDS(ok == error.ok());
  HOLDS(IsTerminated(link.name) && IsTerminated(link.kind));
  HOLDS(link.address_size <= sizeof(link.address));
  if (!ok) return 0;
  const std::vector<Attribute> attributes = Split(ByteView(data, size).From(16));
  HOLDS(link.index == Load<int32_t>(data + 4));
  HOLDS(IsText(link.name, Last(attributes, IFLA_IFNAME)));
  HOLDS(link.mtu == LastAs<uint32_t>(attributes, IFLA_MTU));
  const Attribute* address = Last(attributes, IFLA_ADDRESS);
  HOLDS(link.address_size == (address == nullptr ? 0 : address->value.size));
  HOLDS(link.tunnel.family == TunnelFamily(link.kind));
  if (link.tunnel.family == 0) return 0;
  HOLDS(IsAddress(link.tunnel.family, link.tunnel.local));
  HOLDS(IsAddress(link.tunnel.family, link.tunnel.remote));
  return 0;
}
