#include "attribute.h"

namespace ipvs {

size_t AttributeWriter::BeginNest(uint16_t type) {
  const size_t begin = out_->size();
  Put(static_cast<uint16_t>(type | NLA_F_NESTED), nullptr, 0);
  return begin;
}

void AttributeWriter::EndNest(size_t begin) {
  Store(out_->data() + begin, static_cast<uint16_t>(out_->size() - begin));
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
