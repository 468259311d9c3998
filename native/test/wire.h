// Bytes the way a person writes them down, and the shapes that netlink gives them. Made by hand
// here, without the code under test: a mistake of its writer must not be repeated by its tests.
#ifndef IPVS_TEST_WIRE_H_
#define IPVS_TEST_WIRE_H_

#include <linux/netlink.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "core/bytes.h"

namespace ipvs::test {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "what the tests expect is written down as a little-endian kernel sends it");

// Reads "2800 0000 1c00": white space means nothing, anything else but hex digits is a mistake.
inline Bytes Hex(const std::string& text) {
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    if (std::string("0123456789abcdef").find(c) == std::string::npos) std::abort();
    digits += c;
  }
  if (digits.size() % 2 != 0) std::abort();
  Bytes bytes;
  for (size_t i = 0; i < digits.size(); i += 2) {
    const std::string pair = digits.substr(i, 2);
    bytes.push_back(static_cast<uint8_t>(std::strtoul(pair.c_str(), nullptr, 16)));
  }
  return bytes;
}

inline std::string ToHex(const Bytes& bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i++) {
    char pair[4];
    std::snprintf(pair, sizeof(pair), "%s%02x", i != 0 && i % 2 == 0 ? " " : "", bytes[i]);
    text += pair;
  }
  return text;
}

inline Bytes ToBytes(ByteView view) { return Bytes(view.data, view.data + view.size); }

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// An integer as it lies in memory.
template <typename T>
Bytes Native(T value) {
  const uint8_t* start = reinterpret_cast<const uint8_t*>(&value);
  return Bytes(start, start + sizeof(value));
}

inline Bytes Padded(Bytes bytes) {
  while (bytes.size() % 4 != 0) bytes.push_back(0);
  return bytes;
}

inline Bytes Attribute(uint16_t type, const Bytes& value) {
  return Padded(Native(static_cast<uint16_t>(4 + value.size())) + Native(type) + value);
}
inline Bytes Attribute(uint16_t type, const std::string& hex) { return Attribute(type, Hex(hex)); }

inline Bytes TextAttribute(uint16_t type, const std::string& text) {
  return Attribute(type, Bytes(text.begin(), text.end()) + Bytes{0});
}

inline Bytes NetlinkMessage(uint16_t type, uint16_t flags, uint32_t sequence, uint32_t port,
                            const Bytes& payload) {
  const uint32_t length = static_cast<uint32_t>(16 + payload.size());
  return Padded(Native(length) + Native(type) + Native(flags) + Native(sequence) + Native(port) +
                payload);
}

// A copy on the heap of exactly the size that it has: one byte read past it is an error report.
class Exact {
 public:
  explicit Exact(ByteView bytes) : data_(new uint8_t[bytes.size]), size_(bytes.size) {
    if (size_ != 0) std::memcpy(data_.get(), bytes.data, size_);
  }
  ByteView view() const { return ByteView(data_.get(), size_); }
  uint8_t& operator[](size_t index) { return data_[index]; }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<uint8_t[]> data_;
  size_t size_;
};

}  // namespace ipvs::test

#endif  // IPVS_TEST_WIRE_H_
