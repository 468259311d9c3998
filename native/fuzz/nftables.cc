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
  if (!ok || found.family == 0) return 0;
  HOLDS(found.family == data[0]);
  HOLDS(found.note.size() <= 255 && found.note.find('\0') == std::string::npos);
  if (found.note.size() > 127) return 0;  // longer than nft and this library write them
  // What was read can be written, and reads the same. The kernel adds the handle.
  MarkRule rule;
  rule.family = found.family;
  rule.chain = found.chain;
  rule.note = found.note;
  CommandBatch batch;
  EncodeMarkRule(rule, "table", &batch);
  const ByteView payload = batch.Seal(16, 1).From(16);
  Bytes wire(payload.data, payload.data + payload.size);
  AttributeWriter(&wire).Raw(3, found.handle, sizeof(found.handle));
  FoundRule again;
  HOLDS(DecodeFoundRule(ByteView(wire), &again, &error));
  HOLDS(again.note == found.note && again.chain == found.chain);
  return 0;
}
