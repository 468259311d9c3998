// Netlink attributes: a writer that nests, and one walker for everything that is read.
#ifndef IPVS_CORE_ATTRIBUTE_H_
#define IPVS_CORE_ATTRIBUTE_H_

#include <linux/netlink.h>

#include <string>

#include "bytes.h"

namespace ipvs {

constexpr size_t kAttributeHeader = sizeof(nlattr);

// Appends attributes to a buffer that it does not own.
class AttributeWriter {
 public:
  explicit AttributeWriter(Bytes* out) : out_(out) {}

  void U8(uint16_t type, uint8_t value) { Put(type, &value, sizeof(value)); }
  void U16(uint16_t type, uint16_t value) { Put(type, &value, sizeof(value)); }
  void U32(uint16_t type, uint32_t value) { Put(type, &value, sizeof(value)); }
  void Be16(uint16_t type, uint16_t value) {
    uint8_t wire[2];
    StoreBe16(wire, value);
    Put(type, wire, sizeof(wire));
  }
  void Be32(uint16_t type, uint32_t value) {
    uint8_t wire[4];
    StoreBe32(wire, value);
    Put(type, wire, sizeof(wire));
  }
  void Raw(uint16_t type, const void* data, size_t size) { Put(type, data, size); }
  void Raw(uint16_t type, ByteView value) { Put(type, value.data, value.size); }
  // With the terminating NUL: the kernel's NLA_NUL_STRING refuses text without it.
  void NulString(uint16_t type, const char* text) { Put(type, text, std::strlen(text) + 1); }

  // Returns where the nest began, for EndNest.
  size_t BeginNest(uint16_t type);
  void EndNest(size_t begin);

 private:
  void Put(uint16_t type, const void* data, size_t size);

  Bytes* out_;
};

// What went wrong while reading, kept by the first to notice. One per message: nested readers share
// their parent's, so that a decoder checks once, at its end.
class DecodeError {
 public:
  bool ok() const { return text_.empty(); }
  const std::string& text() const { return text_; }

  // `where` names the attribute the way uapi does, for example "IPVS_SVC_ATTR_PORT".
  void Set(const char* where, const char* what) {
    if (ok()) text_ = std::string(where) + ": " + what;
  }

 private:
  std::string text_;
};

// Walks the attributes of a message or a nest:
//
//   AttributeReader reader(payload, "service", &error);
//   while (reader.Next()) switch (reader.type()) { case 4: port = reader.Be16("PORT"); ... }
//
// A length that does not fit ends the walk and sets the error. A value of the wrong size sets the
// error and reads as zero. Unknown types are simply not asked for.
class AttributeReader {
 public:
  AttributeReader(ByteView payload, const char* where, DecodeError* error)
      : rest_(payload), where_(where), error_(error) {}

  bool Next();

  // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER, which the kernel sets on some and not on others.
  uint16_t type() const { return type_; }
  ByteView value() const { return value_; }

  uint8_t U8(const char* name) const { return Fixed<uint8_t>(name); }
  uint16_t U16(const char* name) const { return Fixed<uint16_t>(name); }
  uint32_t U32(const char* name) const { return Fixed<uint32_t>(name); }
  uint64_t U64(const char* name) const { return Fixed<uint64_t>(name); }
  uint16_t Be16(const char* name) const;
  // Exactly `size` bytes into `to`.
  void Raw(const char* name, void* to, size_t size) const;
  // NUL-terminated text into a buffer of `capacity` bytes, always terminated.
  void Text(const char* name, char* to, size_t capacity) const;
  AttributeReader Nest(const char* name) const { return AttributeReader(value_, name, error_); }

 private:
  template <typename T>
  T Fixed(const char* name) const {
    if (value_.size != sizeof(T)) {
      error_->Set(name, "has the wrong size");
      return T{};
    }
    return Load<T>(value_.data);
  }

  ByteView rest_;
  ByteView value_;
  const char* where_;
  DecodeError* error_;
  uint16_t type_ = 0;
};

// Here as well as the next one: a message has a dozen attributes, and a record about forty.
inline void AttributeWriter::Put(uint16_t type, const void* data, size_t size) {
  const size_t begin = out_->size();
  const nlattr header{static_cast<uint16_t>(kAttributeHeader + size), type};
  out_->resize(begin + Align4(kAttributeHeader + size));  // resize zeroes the padding
  Store(out_->data() + begin, header);
  if (size != 0) std::memcpy(out_->data() + begin + kAttributeHeader, data, size);
}

inline bool AttributeReader::Next() {
  if (rest_.empty() || !error_->ok()) return false;
  if (rest_.size < kAttributeHeader) {
    error_->Set(where_, "ends inside an attribute's header");
    return false;
  }
  const nlattr header = Load<nlattr>(rest_.data);
  if (header.nla_len < kAttributeHeader || header.nla_len > rest_.size) {
    error_->Set(where_, "holds an attribute whose length does not fit");
    return false;
  }
  type_ = header.nla_type & NLA_TYPE_MASK;
  value_ = rest_.First(header.nla_len).From(kAttributeHeader);
  // The last attribute may lack its padding.
  const size_t step = Align4(header.nla_len);
  rest_ = step >= rest_.size ? ByteView() : rest_.From(step);
  return true;
}

// An attribute without which a reply makes no sense.
struct MandatoryAttribute {
  uint16_t type;
  const char* name;
};

// Which attributes a reply had.
class SeenAttributes {
 public:
  void Add(uint16_t type) {
    if (type < 32) bits_ |= 1u << type;
  }
  bool Has(uint16_t type) const { return (bits_ & (1u << type)) != 0; }
  bool none() const { return bits_ == 0; }

  // Sets the error for the first that is missing.
  template <size_t N>
  void Require(const MandatoryAttribute (&mandatory)[N], DecodeError* error) const {
    for (const MandatoryAttribute& attribute : mandatory) {
      if (!Has(attribute.type)) error->Set(attribute.name, "is missing");
    }
  }

 private:
  uint32_t bits_ = 0;
};

}  // namespace ipvs

#endif  // IPVS_CORE_ATTRIBUTE_H_
