// The attributes of a reply to FOU_CMD_GET.

#include "core/fou.h"

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FouPort port;
  DecodeError error;
  const bool ok = DecodeFouPort(ByteView(data, size), &port, &error);
  HOLDS(ok == error.ok());
  if (!ok) return 0;
  const std::vector<Attribute> attributes = Split(ByteView(data, size));
  HOLDS(HasAll(attributes, {1, 2, 4}));
  HOLDS(port.port == LastAsBe16(attributes, 1));
  HOLDS(port.family == LastAs<uint8_t>(attributes, 2));
  HOLDS(port.protocol == LastAs<uint8_t>(attributes, 3));
  HOLDS(port.type == LastAs<uint8_t>(attributes, 4));
  // What was read can be written, and reads the same.
  CommandBatch batch;
  EncodeFouPort(Change::kAdd, port, &batch);
  FouPort again;
  HOLDS(DecodeFouPort(batch.Seal(16, 1).From(20), &again, &error));
  HOLDS(again.port == port.port && again.family == port.family && again.type == port.type &&
        again.protocol == port.protocol);
  return 0;
}
