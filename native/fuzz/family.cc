// The answer to GETFAMILY.

#include "core/generic.h"
#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  DecodeError error;
  uint16_t id = 0;
  const bool ok = DecodeFamilyId(ByteView(data, size), &id, &error);
  HOLDS(ok == error.ok());
  if (!ok) return 0;
  // Below 16 are netlink's own numbers: the kernel acknowledges them and does nothing.
  HOLDS(id >= 16);
  HOLDS(id == LastAs<uint16_t>(Split(ByteView(data, size)), 1));
  return 0;
}
