// The payload of RTM_NEWADDR.

#include "core/interface_address.h"

#include <linux/if_addr.h>

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  InterfaceAddress address;
  DecodeError error;
  const bool ok = DecodeInterfaceAddress(ByteView(data, size), &address, &error);
  HOLDS(ok == error.ok());
  HOLDS(IsTerminated(address.label));
  if (!ok) return 0;
  HOLDS(address.family == data[0]);
  if (address.family != AF_INET && address.family != AF_INET6) return 0;
  const std::vector<Attribute> attributes = Split(ByteView(data, size).From(8));
  const Attribute* local = Last(attributes, IFA_LOCAL);
  const Attribute* other = Last(attributes, IFA_ADDRESS);
  const Attribute* told = local != nullptr ? local : other;
  HOLDS(IsAddress(address.family, address.local));
  if (told != nullptr) HOLDS(HoldsAddress(address.family, address.local, told));
  if (address.has_peer) HOLDS(HoldsAddress(address.family, address.peer, other));
  HOLDS(!address.has_peer || !Same(address.peer, address.local));
  HOLDS(address.has_broadcast == (Count(attributes, IFA_BROADCAST) != 0));
  const Attribute* flags = Last(attributes, IFA_FLAGS);
  HOLDS(address.flags == (flags == nullptr ? data[2] : flags->As<uint32_t>()));
  return 0;
}
