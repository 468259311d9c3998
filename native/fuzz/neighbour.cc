// The payload of RTM_NEWNEIGH.

#include "core/neighbour.h"

#include <linux/neighbour.h>

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Neighbour neighbour;
  DecodeError error;
  const bool ok = DecodeNeighbour(ByteView(data, size), &neighbour, &error);
  HOLDS(ok == error.ok());
  HOLDS(neighbour.link_address_size <= sizeof(neighbour.link_address));
  if (!ok) return 0;
  HOLDS(neighbour.family == data[0]);
  if (neighbour.family != AF_INET && neighbour.family != AF_INET6) return 0;
  const std::vector<Attribute> attributes = Split(ByteView(data, size).From(12));
  HOLDS(IsAddress(neighbour.family, neighbour.address));
  HOLDS(HoldsAddress(neighbour.family, neighbour.address, Last(attributes, NDA_DST)));
  const Attribute* link_address = Last(attributes, NDA_LLADDR);
  HOLDS(neighbour.link_address_size == (link_address == nullptr ? 0 : link_address->value.size));
  return 0;
}
