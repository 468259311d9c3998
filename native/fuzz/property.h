// What the fuzz targets share: a property that ends the process where it does not hold, and a
// second, simpler reading of attributes to compare the decoders with.
#ifndef IPVS_FUZZ_PROPERTY_H_
#define IPVS_FUZZ_PROPERTY_H_

#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "core/bytes.h"
#include "core/ipvs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Ends the process, which is what a fuzzer takes for a finding.
#define HOLDS(property)                                                                  \
  do {                                                                                   \
    if (!(property)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

namespace ipvs::fuzz {

struct Attribute {
  uint16_t type;
  ByteView value;

  template <typename T>
  T As() const {
    HOLDS(value.size == sizeof(T));
    return Load<T>(value.data);
  }
};

// Reads attributes again, by index and without the core's walker. What a decoder has taken is well
// formed, so here everything else is a finding.
inline std::vector<Attribute> Split(ByteView bytes) {
  std::vector<Attribute> attributes;
  for (size_t at = 0; at < bytes.size;) {
    HOLDS(bytes.size - at >= 4);
    const size_t length = Load<uint16_t>(bytes.data + at);
    HOLDS(length >= 4 && length <= bytes.size - at);
    const auto type = static_cast<uint16_t>(Load<uint16_t>(bytes.data + at + 2) & 0x3fff);
    attributes.push_back({type, ByteView(bytes.data + at + 4, length - 4)});
    at += (length + 3) / 4 * 4;
  }
  return attributes;
}

// The attributes of the last nest of a type: of two, one must not shine through the other.
inline std::vector<Attribute> SplitNest(ByteView bytes, uint16_t nest) {
  std::vector<Attribute> attributes;
  for (const Attribute& attribute : Split(bytes)) {
    if (attribute.type == nest) attributes = Split(attribute.value);
  }
  return attributes;
}

// How often a type is there.
inline size_t Count(const std::vector<Attribute>& attributes, uint16_t type) {
  size_t count = 0;
  for (const Attribute& attribute : attributes) count += attribute.type == type ? 1 : 0;
  return count;
}

inline bool HasAll(const std::vector<Attribute>& attributes,
                   std::initializer_list<uint16_t> types) {
  for (const uint16_t type : types) {
    if (Count(attributes, type) == 0) return false;
  }
  return true;
}

// The last of a type, which is the one that counts; null where there is none.
inline const Attribute* Last(const std::vector<Attribute>& attributes, uint16_t type) {
  const Attribute* last = nullptr;
  for (const Attribute& attribute : attributes) {
    if (attribute.type == type) last = &attribute;
  }
  return last;
}

template <typename T>
T LastAs(const std::vector<Attribute>& attributes, uint16_t type) {
  const Attribute* last = Last(attributes, type);
  return last == nullptr ? T{} : last->As<T>();
}

inline uint16_t LastAsBe16(const std::vector<Attribute>& attributes, uint16_t type) {
  const Attribute* last = Last(attributes, type);
  if (last == nullptr) return 0;
  HOLDS(last->value.size == 2);
  return static_cast<uint16_t>(last->value.data[0] * 256 + last->value.data[1]);
}

template <size_t N>
bool IsTerminated(const char (&text)[N]) {
  return std::memchr(text, 0, N) != nullptr;
}

// Whether a text is that of an attribute; where there is none, an empty one.
template <size_t N>
bool IsText(const char (&text)[N], const Attribute* attribute) {
  if (!IsTerminated(text)) return false;
  const size_t length = std::strlen(text);
  if (attribute == nullptr) return length == 0;
  return attribute->value.size > length &&
         std::memcmp(attribute->value.data, text, length + 1) == 0;
}

// Four bytes and zeros, or sixteen; whatever follows an IPv4 address would make two of one key.
inline bool IsAddress(uint16_t family, const Address& address) {
  if (family == AF_INET6) return true;
  if (family != AF_INET) return false;
  for (size_t i = 4; i < sizeof(address.bytes); i++) {
    if (address.bytes[i] != 0) return false;
  }
  return true;
}

inline bool HoldsAddress(uint16_t family, const Address& address, const Attribute* attribute) {
  const size_t size = family == AF_INET ? 4 : 16;
  return attribute != nullptr && attribute->value.size >= size &&
         std::memcmp(attribute->value.data, address.bytes, size) == 0;
}

inline bool Same(const Address& a, const Address& b) {
  return std::memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

// The counters of a reply; the attributes of both nests have the same numbers. Where a nest is
// there twice, nothing is said: no kernel does that.
inline void HoldsStats(const Stats& stats, const std::vector<Attribute>& attributes,
                       uint16_t narrow, uint16_t wide) {
  const bool is_wide = Count(attributes, wide) != 0;
  HOLDS(stats.wide == is_wide);
  if (Count(attributes, wide) > 1 || Count(attributes, narrow) > 1) return;
  const Attribute* nest = Last(attributes, is_wide ? wide : narrow);
  if (nest == nullptr) return;
  const uint64_t counters[] = {stats.connections,          stats.incoming_packets,
                               stats.outgoing_packets,     stats.incoming_bytes,
                               stats.outgoing_bytes,       stats.connection_rate,
                               stats.incoming_packet_rate, stats.outgoing_packet_rate,
                               stats.incoming_byte_rate,   stats.outgoing_byte_rate};
  const std::vector<Attribute> inner = Split(nest->value);
  for (uint16_t type = 1; type <= 10; type++) {
    if (Count(inner, type) == 0) continue;
    // Bytes are counted in 64 bits even where nothing else is.
    const bool eight = is_wide || type == 4 || type == 5;
    HOLDS(counters[type - 1] ==
          (eight ? LastAs<uint64_t>(inner, type) : uint64_t{LastAs<uint32_t>(inner, type)}));
  }
}

}  // namespace ipvs::fuzz

#endif  // IPVS_FUZZ_PROPERTY_H_
