#include "attribute.h"

#include <linux/netlink.h>

namespace ipvs {

namespace {

constexpr size_t kHeader = sizeof(nlattr);

}  // namespace

void AttributeWriter::Put(uint16_t type, const void* data, size_t size) {
  const size_t begin = out_->size();
  const nlattr header{static_cast<uint16_t>(kHeader + size), type};
  out_->resize(begin + Align4(kHeader + size));  // resize zeroes the padding
  Store(out_->data() + begin, header);
  if (size != 0) std::memcpy(out_->data() + begin + kHeader, data, size);
}

size_t AttributeWriter::BeginNest(uint16_t type) {
  const size_t begin = out_->size();
  Put(static_cast<uint16_t>(type | NLA_F_NESTED), nullptr, 0);
  return begin;
}

void AttributeWriter::EndNest(size_t begin) {
  Store(out_->data() + begin, static_cast<uint16_t>(out_->size() - begin));
}

bool AttributeReader::Next() {
  if (rest_.empty() || !error_->ok()) return false;
  if (rest_.size < kHeader) {
    error_->Set(where_, "ends inside an attribute's header");
    return false;
  }
  const nlattr header = Load<nlattr>(rest_.data);
  if (header.nla_len < kHeader || header.nla_len > rest_.size) {
    error_->Set(where_, "holds an attribute whose length does not fit");
    return false;
  }
  type_ = header.nla_type & NLA_TYPE_MASK;
  value_ = rest_.First(header.nla_len).From(kHeader);
  // The last attribute may lack its padding.
  const size_t step = Align4(header.nla_len);
  rest_ = step >= rest_.size ? ByteView() : rest_.From(step);
  return true;
}

uint16_t AttributeReader::Be16(const char* name) const {
  if (value_.size != sizeof(uint16_t)) {
    error_->Set(name, "has the wrong size");
    return 0;
  }
  return LoadBe16(value_.data);
}

void AttributeReader::Raw(const char* name, void* to, size_t size) const {
  if (value_.size != size) {
    error_->Set(name, "has the wrong size");
    return;
  }
  std::memcpy(to, value_.data, size);
}

void AttributeReader::Text(const char* name, char* to, size_t capacity) const {
  const void* end = value_.empty() ? nullptr : std::memchr(value_.data, 0, value_.size);
  if (end == nullptr) {
    error_->Set(name, "is not terminated");
    return;
  }
  const size_t length = static_cast<size_t>(static_cast<const uint8_t*>(end) - value_.data);
  if (length >= capacity) {
    error_->Set(name, "is too long");
    return;
  }
  std::memcpy(to, value_.data, length + 1);
}

}  // namespace ipvs
