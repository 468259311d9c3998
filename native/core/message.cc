#include "message.h"

#include <cerrno>

namespace ipvs {

namespace {

// Kept here because older build hosts' headers lack the last one.
enum ExtendedAttribute : uint16_t { kText = 1, kOffset = 2, kMissingType = 5 };

// The extended part never changes the verdict, so what does not decode in it is left out.
void DecodeExtension(ByteView attributes, Acknowledgement* ack) {
  DecodeError ignored;
  AttributeReader reader(attributes, "extended acknowledgement", &ignored);
  while (reader.Next()) {
    switch (reader.type()) {
      case kText: {
        char text[256] = {};
        reader.Text("NLMSGERR_ATTR_MSG", text, sizeof(text));
        ack->text = text;
        break;
      }
      case kOffset:
        ack->offset = reader.U32("NLMSGERR_ATTR_OFFS");
        ack->has_offset = ignored.ok();
        break;
      case kMissingType:
        ack->missing = reader.U32("NLMSGERR_ATTR_MISS_TYPE");
        ack->has_missing = ignored.ok();
        break;
    }
  }
}

// The errno arrives negative. -INT_MIN would overflow, and no kernel sends a positive one.
int PositiveErrno(int32_t wire) {
  return wire < 0 && wire > -4096 ? -wire : (wire == 0 ? 0 : EPROTO);
}

}  // namespace

bool MessageReader::Next(Message* message) {
  if (rest_.empty() || !ok_) return false;
  if (rest_.size < sizeof(nlmsghdr)) {
    ok_ = false;
    return false;
  }
  message->header = Load<nlmsghdr>(rest_.data);
  const size_t length = message->header.nlmsg_len;
  if (length < sizeof(nlmsghdr) || length > rest_.size) {
    ok_ = false;
    return false;
  }
  message->payload = rest_.First(length).From(sizeof(nlmsghdr));
  const size_t step = Align4(length);
  rest_ = step >= rest_.size ? ByteView() : rest_.From(step);
  return true;
}

bool DecodeErrorMessage(const Message& message, Acknowledgement* ack) {
  if (message.payload.size < sizeof(nlmsgerr)) return false;
  const nlmsgerr answer = Load<nlmsgerr>(message.payload.data);
  ack->error = PositiveErrno(answer.error);
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return true;
  // Capped: only the request's header is echoed. Otherwise the whole request stands before the
  // attributes (netlink_ack_tlv_len, net/netlink/af_netlink.c).
  size_t skip = sizeof(nlmsgerr);
  if ((message.header.nlmsg_flags & NLM_F_CAPPED) == 0) {
    if (answer.msg.nlmsg_len < sizeof(nlmsghdr)) return true;
    skip += Align4(answer.msg.nlmsg_len - sizeof(nlmsghdr));
  }
  DecodeExtension(message.payload.From(skip), ack);
  return true;
}

bool DecodeDoneMessage(const Message& message, Acknowledgement* ack) {
  if (message.payload.size < sizeof(int32_t)) return false;
  ack->error = PositiveErrno(Load<int32_t>(message.payload.data));
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    DecodeExtension(message.payload.From(sizeof(int32_t)), ack);
  }
  return true;
}

std::string Acknowledgement::Detail() const {
  std::string detail = text;
  const auto add = [&detail](const std::string& part) {
    if (!detail.empty()) detail += ", ";
    detail += part;
  };
  if (has_missing) add("attribute " + std::to_string(missing) + " is missing");
  if (has_offset) add("at byte " + std::to_string(offset) + " of the request");
  return detail;
}

}  // namespace ipvs
