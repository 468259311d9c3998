// The attributes of a reply to GET_SERVICE.

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

void HoldsReply(const Service& service, const std::vector<Attribute>& attributes) {
  HOLDS(HasAll(attributes, {1, 6, 7, 8, 9}));
  HOLDS(Count(attributes, IPVS_SVC_ATTR_FWMARK) != 0 || HasAll(attributes, {2, 3, 4}));
  const ServiceKey& key = service.key;
  HOLDS(key.family == LastAs<uint16_t>(attributes, IPVS_SVC_ATTR_AF));
  HOLDS(key.protocol == LastAs<uint16_t>(attributes, IPVS_SVC_ATTR_PROTOCOL));
  HOLDS(key.port == LastAsBe16(attributes, IPVS_SVC_ATTR_PORT));
  HOLDS(key.fwmark == LastAs<uint32_t>(attributes, IPVS_SVC_ATTR_FWMARK));
  if (const Attribute* address = Last(attributes, IPVS_SVC_ATTR_ADDR)) {
    HOLDS(HoldsAddress(key.family, key.address, address));
  }
  HOLDS(IsText(service.scheduler, Last(attributes, IPVS_SVC_ATTR_SCHED_NAME)));
  HOLDS(IsText(service.engine, Last(attributes, IPVS_SVC_ATTR_PE_NAME)));
  const auto flags = LastAs<uint64_t>(attributes, IPVS_SVC_ATTR_FLAGS);
  uint32_t value;
  std::memcpy(&value, &flags, sizeof(value));
  HOLDS(service.flags == (value & ~uint32_t{2}));  // hashed: the kernel's own
  HOLDS(service.timeout == LastAs<uint32_t>(attributes, IPVS_SVC_ATTR_TIMEOUT));
  HOLDS(service.netmask == LastAs<uint32_t>(attributes, IPVS_SVC_ATTR_NETMASK));
  HoldsStats(service.stats, attributes, IPVS_SVC_ATTR_STATS, IPVS_SVC_ATTR_STATS64);
}

// What was read can be written, and reads the same.
void HoldsRoundTrip(const Service& service) {
  Bytes wire;
  AttributeWriter writer(&wire);
  EncodeService(service, &writer);
  HOLDS(wire.size() % 4 == 0);
  Service again;
  DecodeError error;
  HOLDS(DecodeService(ByteView(wire), &again, &error));
  HOLDS(Compare(service.key, again.key) == 0);
  HOLDS(std::strcmp(service.scheduler, again.scheduler) == 0);
  HOLDS(std::strcmp(service.engine, again.engine) == 0);
  HOLDS(service.flags == again.flags);
  HOLDS(service.timeout == again.timeout);
  HOLDS(service.netmask == again.netmask);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Service service;
  DecodeError error;
  const bool ok = DecodeService(ByteView(data, size), &service, &error);
  HOLDS(ok == error.ok());
  HOLDS(IsTerminated(service.scheduler) && IsTerminated(service.engine));
  if (!ok) return 0;
  HOLDS(service.key.family == AF_INET || service.key.family == AF_INET6);
  HOLDS(IsAddress(service.key.family, service.key.address));
  HoldsReply(service, SplitNest(ByteView(data, size), IPVS_CMD_ATTR_SERVICE));
  HoldsRoundTrip(service);
  return 0;
}
