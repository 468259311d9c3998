// Bytes as netlink sees them: unaligned, native-endian unless a name says otherwise.
#ifndef IPVS_CORE_BYTES_H_
#define IPVS_CORE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace ipvs {

using Bytes = std::vector<uint8_t>;

// Somebody else's bytes, read only. Whoever makes a view keeps the bytes alive.
struct ByteView {
  const uint8_t* data = nullptr;
  size_t size = 0;

  ByteView() = default;
  ByteView(const void* start, size_t length)
      : data(static_cast<const uint8_t*>(start)), size(length) {}
  ByteView(const Bytes& bytes) : data(bytes.data()), size(bytes.size()) {}

  bool empty() const { return size == 0; }

  // What follows the first `count` bytes; empty where there are fewer.
  ByteView From(size_t count) const {
    return count > size ? ByteView() : ByteView(data + count, size - count);
  }
  ByteView First(size_t count) const { return ByteView(data, count < size ? count : size); }
};

// netlink aligns to 4 bytes, so a u64 may lie on any multiple of 4: always by memcpy.
template <typename T>
T Load(const uint8_t* from) {
  static_assert(std::is_trivially_copyable<T>::value, "only plain values lie in a message");
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <typename T>
void Store(uint8_t* to, T value) {
  static_assert(std::is_trivially_copyable<T>::value, "only plain values lie in a message");
  std::memcpy(to, &value, sizeof(value));
}

inline uint16_t LoadBe16(const uint8_t* from) {
  return static_cast<uint16_t>((from[0] << 8) | from[1]);
}

inline void StoreBe16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value & 0xff);
}

inline uint32_t LoadBe32(const uint8_t* from) {
  return uint32_t{LoadBe16(from)} << 16 | LoadBe16(from + 2);
}

inline void StoreBe32(uint8_t* to, uint32_t value) {
  StoreBe16(to, static_cast<uint16_t>(value >> 16));
  StoreBe16(to + 2, static_cast<uint16_t>(value & 0xffff));
}

constexpr size_t Align4(size_t length) { return (length + 3) & ~static_cast<size_t>(3); }

}  // namespace ipvs

#endif  // IPVS_CORE_BYTES_H_
