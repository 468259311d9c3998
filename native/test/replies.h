// Replies as the kernel sends them, in parts, so that a test can leave one out or put one in.
#ifndef IPVS_TEST_REPLIES_H_
#define IPVS_TEST_REPLIES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "wire.h"

namespace ipvs::test {

// One attribute of a nest: its number and its value in hex.
struct Part {
  uint16_t type;
  std::string value;
};
using Parts = std::vector<Part>;

inline Bytes Join(const Parts& parts) {
  Bytes bytes;
  for (const Part& part : parts) bytes = bytes + Attribute(part.type, part.value);
  return bytes;
}

inline Parts Without(Parts parts, uint16_t type) {
  Parts rest;
  for (Part& part : parts) {
    if (part.type != type) rest.push_back(std::move(part));
  }
  return rest;
}

inline Parts With(Parts parts, uint16_t type, std::string value) {
  for (Part& part : parts) {
    if (part.type != type) continue;
    part.value = std::move(value);
    return parts;
  }
  parts.push_back({type, std::move(value)});
  return parts;
}

// TCP 10.0.0.1:80, wrr, persistent for 300 seconds, "sip". No counters.
inline Parts ServiceParts() {
  return {
      {1, "0200"},                                     // AF
      {2, "0600"},                                     // PROTOCOL
      {3, "0a00 0001 0000 0000 0000 0000 0000 0000"},  // ADDR
      {4, "0050"},                                     // PORT
      {6, "7772 7200"},                                // SCHED_NAME
      {11, "7369 7000"},                               // PE_NAME
      {7, "0300 0000 ffff ffff"},                      // FLAGS: PERSISTENT and HASHED
      {8, "2c01 0000"},                                // TIMEOUT
      {9, "ffff ff00"},                                // NETMASK
  };
}

// 10.0.0.2:8080, GUE to port 6080 with checksums, weight 100, thresholds 9 and 3. No counters.
inline Parts DestinationParts() {
  return {
      {1, "0a00 0002 0000 0000 0000 0000 0000 0000"},  // ADDR
      {2, "1f90"},                                     // PORT
      {3, "0200 0000"},                                // FWD_METHOD
      {4, "6400 0000"},                                // WEIGHT
      {13, "01"},                                      // TUN_TYPE
      {14, "17c0"},                                    // TUN_PORT
      {15, "0100"},                                    // TUN_FLAGS
      {5, "0900 0000"},                                // U_THRESH
      {6, "0300 0000"},                                // L_THRESH
      {7, "0500 0000"},                                // ACTIVE_CONNS
      {8, "0600 0000"},                                // INACT_CONNS
      {9, "0700 0000"},                                // PERSIST_CONNS
      {11, "0200"},                                    // ADDR_FAMILY
  };
}

// Counters 1 … 10 in the sizes of the narrow form: u32, but for the two byte counts.
inline Parts NarrowStats() {
  return {
      {1, "0100 0000"},           {2, "0200 0000"},  {3, "0300 0000"}, {4, "0400 0000 0000 0000"},
      {5, "0500 0000 0000 0000"}, {6, "0600 0000"},  {7, "0700 0000"}, {8, "0800 0000"},
      {9, "0900 0000"},           {10, "0a00 0000"},
  };
}

// Counters 0x1_0000_0001 … 0x1_0000_000a, which the narrow form has no room for. Between them the
// empty attribute with which some machines align them (nla_put_u64_64bit).
inline Parts WideStats() {
  Parts parts;
  for (uint16_t type = 1; type <= 10; type++) {
    char value[40];
    std::snprintf(value, sizeof(value), "%02x00 0000 0100 0000", type);
    parts.push_back({11, ""});
    parts.push_back({type, value});
  }
  return parts;
}

inline std::string Text(const Parts& parts) { return ToHex(Join(parts)); }

inline Bytes ServiceReply(const Parts& parts) { return Attribute(1, Join(parts)); }
inline Bytes DestinationReply(const Parts& parts) { return Attribute(2, Join(parts)); }

}  // namespace ipvs::test

#endif  // IPVS_TEST_REPLIES_H_
