// Records as lib/rows.ts reads them: rows of fixed columns in a buffer that crosses whole.
#ifndef IPVS_ADDON_ROWS_H_
#define IPVS_ADDON_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/ipvs.h"

namespace ipvs::addon {

// Every column is 32 bits wide or a multiple of it, and the counters start at a multiple of 64, so
// that JavaScript reads a row with typed arrays. Integers are in native order; addresses are bytes
// in network order.
struct StatsColumns {
  uint64_t connections;
  uint64_t incoming_packets;
  uint64_t outgoing_packets;
  uint64_t incoming_bytes;
  uint64_t outgoing_bytes;
  uint64_t connection_rate;
  uint64_t incoming_packet_rate;
  uint64_t outgoing_packet_rate;
  uint64_t incoming_byte_rate;
  uint64_t outgoing_byte_rate;
};

struct ServiceRow {
  uint32_t family;
  uint32_t protocol;
  uint32_t port;
  uint32_t fwmark;
  uint8_t address[16];
  uint32_t flags;
  uint32_t timeout;
  uint32_t netmask;  // IPv4: the mask as an integer, 0xffffff00; IPv6: the prefix length
  char scheduler[16];
  char engine[20];
  uint32_t wide_stats;
  uint32_t unused;
  StatsColumns stats;
};

struct DestinationRow {
  uint32_t family;
  uint32_t port;
  uint8_t address[16];
  uint32_t forwarding;
  uint32_t weight;
  uint32_t upper_threshold;
  uint32_t lower_threshold;
  uint32_t tunnel_type;
  uint32_t tunnel_port;
  uint32_t tunnel_flags;
  uint32_t active_connections;
  uint32_t inactive_connections;
  uint32_t persistent_connections;
  StatsColumns stats;
};

ServiceRow ToRow(const Service& service);
DestinationRow ToRow(const Destination& destination);

// The byte at which each column of each row starts, in order, and each row's size behind its last
// one; of the counters the first stands for all. The JavaScript side refuses to work with an addon
// whose layout is not its own.
std::vector<uint32_t> RowLayout();

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_ROWS_H_
