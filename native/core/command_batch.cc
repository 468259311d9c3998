#include "command_batch.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace ipvs {

namespace {

// What an answer costs the receive queue at most, with the kernel's bookkeeping: a service with its
// acknowledgement takes about 5.5 KiB, an error with an explanation 1.3.
constexpr size_t kReplyCost = size_t{8} * 1024;
constexpr size_t kErrorCost = size_t{2} * 1024;

}  // namespace

AttributeWriter CommandBatch::Begin(Start start, const void* header, size_t size) {
  starts_.push_back(start);
  if (start.confirmation == Confirmation::kNone) silent_++;
  buffer_.resize(start.offset + sizeof(nlmsghdr) + Align4(size));
  std::memcpy(buffer_.data() + start.offset + sizeof(nlmsghdr), header, size);
  return AttributeWriter(&buffer_);
}

AttributeWriter CommandBatch::Add(uint8_t command, uint8_t version, Confirmation confirmation) {
  return Add(MessageKind(), genlmsghdr{command, version, 0}, confirmation);
}

AttributeWriter CommandBatch::AddDump(uint8_t command, uint8_t version) {
  return AddDump(MessageKind(), genlmsghdr{command, version, 0});
}

void CommandBatch::Clear() {
  buffer_.clear();
  starts_.clear();
  silent_ = 0;
  whole_ = false;
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
  if (start.confirmation == Confirmation::kNone) silent_++;
  buffer_.insert(buffer_.end(), begin, end);
}

size_t CommandBatch::Fit(size_t begin, size_t largest, size_t queue) const {
  if (whole_) return count() - begin;
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
    const Start& start = starts_[i];
    const bool own = start.confirmation == Confirmation::kOwn;
    // One in front of a command that may stay without an answer can't be told by that one's.
    const bool last = i + 1 == end || confirmation(i + 1) != Confirmation::kShared;
    nlmsghdr header{};
    header.nlmsg_len = static_cast<uint32_t>(End(i) - start.offset);
    header.nlmsg_type = start.kind.type == 0 ? type : start.kind.type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | start.kind.flags);
    if (start.dump) {
      header.nlmsg_flags |= NLM_F_DUMP;
    } else if (start.confirmation != Confirmation::kNone && (own || last)) {
      header.nlmsg_flags |= NLM_F_ACK;
    }
    header.nlmsg_seq = first_sequence + static_cast<uint32_t>(i - begin);
    Store(buffer_.data() + start.offset, header);
  }
  const size_t offset = size == 0 ? 0 : starts_[begin].offset;
  return ByteView(buffer_.data() + offset, size == 0 ? 0 : End(end - 1) - offset);
}

}  // namespace ipvs
