// The payload of NFT_MSG_NEWRULE.

#include "core/nftables.h"

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FoundRule found;
  DecodeError error;
  const bool ok = DecodeFoundRule(ByteView(data, size), &found, &error);
  HOLDS(ok == error.ok());
  if (!ok || !found.ours) return 0;
  const MarkRule& rule = found.rule;
  HOLDS(rule.family == data[0]);
  HOLDS(IsAddress(rule.family, rule.address));
  HOLDS(rule.prefix <= 8 * AddressSize(rule.family));
  // What was read can be written, and reads the same. The kernel adds the handle.
  CommandBatch batch;
  EncodeMarkRule(rule, &batch);
  const ByteView payload = batch.Seal(16, 1).From(16);
  Bytes wire(payload.data, payload.data + payload.size);
  AttributeWriter(&wire).Raw(3, found.handle, sizeof(found.handle));
  FoundRule again;
  HOLDS(DecodeFoundRule(ByteView(wire), &again, &error));
  HOLDS(again.ours && again.rule == rule);
  return 0;
}
