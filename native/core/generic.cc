#include "generic.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace ipvs {

AttributeWriter CommandBatch::Add(uint8_t command, uint8_t version, uint16_t flags) {
  const size_t begin = buffer_.size();
  starts_.push_back(begin);
  buffer_.resize(begin + sizeof(nlmsghdr) + sizeof(genlmsghdr));
  nlmsghdr header{};
  header.nlmsg_flags = flags;
  Store(buffer_.data() + begin, header);
  const genlmsghdr generic{command, version, 0};
  Store(buffer_.data() + begin + sizeof(nlmsghdr), generic);
  return AttributeWriter(&buffer_);
}

size_t CommandBatch::End(size_t index) const {
  return index + 1 < starts_.size() ? starts_[index + 1] : buffer_.size();
}

void CommandBatch::AddCopy(const CommandBatch& from, size_t index) {
  starts_.push_back(buffer_.size());
  const auto begin = from.buffer_.begin();
  buffer_.insert(buffer_.end(), begin + static_cast<std::ptrdiff_t>(from.starts_[index]),
                 begin + static_cast<std::ptrdiff_t>(from.End(index)));
}

ByteView CommandBatch::Seal(uint16_t type, uint32_t first_sequence) {
  for (size_t i = 0; i < starts_.size(); i++) {
    uint8_t* at = buffer_.data() + starts_[i];
    nlmsghdr header = Load<nlmsghdr>(at);
    header.nlmsg_len = static_cast<uint32_t>(End(i) - starts_[i]);
    header.nlmsg_type = type;
    header.nlmsg_seq = first_sequence + static_cast<uint32_t>(i);
    Store(at, header);
  }
  return ByteView(buffer_);
}

void EncodeGetFamily(const char* name, CommandBatch* batch) {
  AttributeWriter writer = batch->Add(CTRL_CMD_GETFAMILY, 1, NLM_F_REQUEST | NLM_F_ACK);
  writer.NulString(CTRL_ATTR_FAMILY_NAME, name);
}

bool GenericPayload(const Message& message, ByteView* attributes) {
  if (message.payload.size < sizeof(genlmsghdr)) return false;
  *attributes = message.payload.From(sizeof(genlmsghdr));
  return true;
}

bool DecodeFamilyId(ByteView attributes, uint16_t* id, DecodeError* error) {
  *id = 0;
  AttributeReader reader(attributes, "family", error);
  while (reader.Next()) {
    if (reader.type() == CTRL_ATTR_FAMILY_ID) *id = reader.U16("CTRL_ATTR_FAMILY_ID");
  }
  // Numbers below NLMSG_MIN_TYPE are netlink's own: the kernel acknowledges them and does nothing.
  if (error->ok() && *id < NLMSG_MIN_TYPE) error->Set("CTRL_ATTR_FAMILY_ID", "is missing");
  return error->ok();
}

}  // namespace ipvs
