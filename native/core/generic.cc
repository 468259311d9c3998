#include "generic.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace ipvs {

namespace {

// What an answer costs the receive queue at most, with the kernel's bookkeeping: a service with its
// acknowledgement takes about 5.5 KiB, an error with an explanation 1.3.
constexpr size_t kReplyCost = size_t{8} * 1024;
constexpr size_t kErrorCost = size_t{2} * 1024;

}  // namespace

AttributeWriter CommandBatch::Begin(uint8_t command, uint8_t version, Start start) {
  starts_.push_back(start);
  buffer_.resize(start.offset + sizeof(nlmsghdr) + sizeof(genlmsghdr));
  const genlmsghdr generic{command, version, 0};
  Store(buffer_.data() + start.offset + sizeof(nlmsghdr), generic);
  return AttributeWriter(&buffer_);
}

AttributeWriter CommandBatch::Add(uint8_t command, uint8_t version, Confirmation confirmation) {
  return Begin(command, version, {buffer_.size(), confirmation, false});
}

AttributeWriter CommandBatch::AddDump(uint8_t command, uint8_t version) {
  return Begin(command, version, {buffer_.size(), Confirmation::kShared, true});
}

void CommandBatch::Clear() {
  buffer_.clear();
  starts_.clear();
}

size_t CommandBatch::End(size_t index) const {
  return index + 1 < starts_.size() ? starts_[index + 1].offset : buffer_.size();
}

void CommandBatch::AddCopy(const CommandBatch& from, size_t index) {
  Start start = from.starts_[index];
  const auto begin = from.buffer_.begin() + static_cast<std::ptrdiff_t>(start.offset);
  const auto end = from.buffer_.begin() + static_cast<std::ptrdiff_t>(from.End(index));
  start.offset = buffer_.size();
  starts_.push_back(start);
  buffer_.insert(buffer_.end(), begin, end);
}

size_t CommandBatch::Fit(size_t begin, size_t largest, size_t queue) const {
  size_t cost = 0;
  size_t end = begin;
  while (end < count()) {
    cost += confirmation(end) == Confirmation::kOwn ? kReplyCost : kErrorCost;
    if (end > begin && (cost > queue || End(end) - starts_[begin].offset > largest)) break;
    end++;
  }
  return end - begin;
}

ByteView CommandBatch::Seal(uint16_t type, uint32_t first_sequence, size_t begin, size_t size) {
  const size_t end = begin + size;
  for (size_t i = begin; i < end; i++) {
    const bool own = confirmation(i) == Confirmation::kOwn;
    // One in front of a command that may stay without an answer can't be told by that one's.
    const bool last = i + 1 == end || confirmation(i + 1) == Confirmation::kOwn;
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(End(i) - starts_[i].offset);
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST;
    if (starts_[i].dump) {
      header.nlmsg_flags |= NLM_F_DUMP;
    } else if (own || last) {
      header.nlmsg_flags |= NLM_F_ACK;
    }
    header.nlmsg_seq = first_sequence + static_cast<uint32_t>(i - begin);
    Store(buffer_.data() + starts_[i].offset, header);
  }
  const size_t offset = size == 0 ? 0 : starts_[begin].offset;
  return ByteView(buffer_.data() + offset, size == 0 ? 0 : End(end - 1) - offset);
}

void EncodeGetFamily(const char* name, CommandBatch* batch) {
  AttributeWriter writer = batch->Add(CTRL_CMD_GETFAMILY, 1, Confirmation::kOwn);
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
