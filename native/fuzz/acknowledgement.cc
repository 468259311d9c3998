// NLMSG_ERROR and NLMSG_DONE with their extended part. The first byte chooses the flags and which
// of the two it is; the payload follows.

#include "core/message.h"
#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

// Where the extended part starts, or the size where there is none.
size_t ExtendedPart(ByteView payload, uint16_t flags, bool is_done) {
  if ((flags & NLM_F_ACK_TLVS) == 0) return payload.size;
  if (is_done) return 4;
  if ((flags & NLM_F_CAPPED) != 0) return 20;
  const uint64_t echoed = Load<uint32_t>(payload.data + 4);
  if (echoed < 16) return payload.size;
  const uint64_t begin = 4 + (echoed + 3) / 4 * 4;
  return begin < payload.size ? static_cast<size_t>(begin) : payload.size;
}

void HoldsExtension(ByteView attributes, const Acknowledgement& ack) {
  // Explanations are taken up to the first that is broken, so only whole ones are compared.
  std::vector<Attribute> whole;
  while (attributes.size >= 4) {
    const size_t length = Load<uint16_t>(attributes.data);
    if (length < 4 || length > attributes.size) return;
    const auto type = static_cast<uint16_t>(Load<uint16_t>(attributes.data + 2) & 0x3fff);
    whole.push_back({type, ByteView(attributes.data + 4, length - 4)});
    attributes = attributes.From((length + 3) / 4 * 4);
  }
  for (const Attribute& attribute : whole) {
    const ByteView value = attribute.value;
    if ((attribute.type == 2 || attribute.type == 5) && value.size != 4) return;
    if (attribute.type != 1) continue;
    const void* end = value.empty() ? nullptr : std::memchr(value.data, 0, value.size);
    if (end == nullptr || static_cast<const uint8_t*>(end) - value.data > 255) return;
  }
  HOLDS(ack.has_offset == (Count(whole, 2) != 0));
  HOLDS(ack.offset == LastAs<uint32_t>(whole, 2));
  HOLDS(ack.has_missing == (Count(whole, 5) != 0));
  HOLDS(ack.missing == LastAs<uint32_t>(whole, 5));
  const Attribute* text = Last(whole, 1);
  HOLDS(ack.text == (text == nullptr ? "" : reinterpret_cast<const char*>(text->value.data)));
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool is_done = (data[0] & 4) != 0;
  Message message;
  if ((data[0] & 1) != 0) message.header.nlmsg_flags |= NLM_F_ACK_TLVS;
  if ((data[0] & 2) != 0) message.header.nlmsg_flags |= NLM_F_CAPPED;
  message.payload = ByteView(data + 1, size - 1);

  Acknowledgement ack;
  const bool ok = is_done ? DecodeDoneMessage(message, &ack) : DecodeErrorMessage(message, &ack);
  HOLDS(ok == (message.payload.size >= (is_done ? 4u : 20u)));
  if (!ok) {
    HOLDS(ack.error == 0 && ack.Detail().empty());
    return 0;
  }
  const int64_t wire = Load<int32_t>(message.payload.data);
  // What is no errno must not read as success.
  HOLDS(wire <= 0 && wire > -4096 ? ack.error == -wire : ack.error > 0);
  HOLDS(ack.text.size() < 256 && ack.text.find('\0') == std::string::npos);
  HOLDS(ack.has_offset || ack.offset == 0);
  HOLDS(ack.has_missing || ack.missing == 0);
  HOLDS(ack.Detail().empty() == (ack.text.empty() && !ack.has_offset && !ack.has_missing));

  const size_t begin = ExtendedPart(message.payload, message.header.nlmsg_flags, is_done);
  const ByteView extension = message.payload.From(begin);
  if (extension.empty()) HOLDS(ack.Detail().empty());
  HoldsExtension(extension, ack);
  return 0;
}
