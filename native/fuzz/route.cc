// The payload of RTM_NEWROUTE.

#include "core/route.h"

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

// The next hops counted again.
size_t CountHops(ByteView hops) {
  size_t count = 0;
  for (size_t at = 0; at < hops.size; count++) {
    HOLDS(hops.size - at >= sizeof(rtnexthop));
    const size_t length = Load<uint16_t>(hops.data + at);
    HOLDS(length >= sizeof(rtnexthop) && length <= hops.size - at);
    at += (length + 3) / 4 * 4;
  }
  return count;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Route route;
  DecodeError error;
  const bool ok = DecodeRoute(ByteView(data, size), &route, &error);
  HOLDS(ok == error.ok());
  if (!ok) return 0;
  HOLDS(route.family == data[0]);
  if (route.family != AF_INET && route.family != AF_INET6) return 0;
  HOLDS(route.prefix <= 8 * AddressSize(route.family));
  const std::vector<Attribute> attributes = Split(ByteView(data, size).From(12));
  const Attribute* table = Last(attributes, RTA_TABLE);
  HOLDS(route.table == (table == nullptr ? data[4] : table->As<uint32_t>()));
  const Attribute* destination = Last(attributes, RTA_DST);
  HOLDS(IsAddress(route.family, route.destination));
  if (destination != nullptr) HOLDS(HoldsAddress(route.family, route.destination, destination));
  HOLDS(route.has_source == (Count(attributes, RTA_PREFSRC) != 0));
  HOLDS(route.metric == LastAs<uint32_t>(attributes, RTA_PRIORITY));
  const Attribute* hops = Last(attributes, RTA_MULTIPATH);
  HOLDS(route.hops.size() == (hops == nullptr ? 0 : CountHops(hops->value)));
  for (const NextHop& hop : route.hops) {
    HOLDS(hop.weight >= 1 && hop.weight <= 256);
    if (hop.gateway_family != 0) HOLDS(IsAddress(hop.gateway_family, hop.gateway));
  }
  HOLDS(!Before(route, route));
  return 0;
}
