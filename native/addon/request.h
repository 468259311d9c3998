// One request as lib/rows.ts writes it: a row of fixed columns in a buffer that crosses whole.
#ifndef IPVS_ADDON_REQUEST_H_
#define IPVS_ADDON_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/director.h"
#include "../core/generic.h"
#include "../core/ipvs.h"

namespace ipvs::addon {

// Every column is 32 bits wide or a multiple of it, so that JavaScript can write it with two typed
// arrays. Integers are in native order; addresses are bytes in network order.
struct RequestRow {
  uint32_t command;
  uint32_t family;
  uint32_t protocol;
  uint8_t address[16];
  uint32_t port;
  uint32_t fwmark;
  uint32_t flags;
  uint32_t flags_mask;
  uint32_t timeout;
  uint32_t netmask;  // IPv4: the mask as an integer, 0xffffff00; IPv6: the prefix length
  char scheduler[16];
  char engine[20];
  uint32_t destination_family;
  uint8_t destination_address[16];
  uint32_t destination_port;
  uint32_t forwarding;
  uint32_t weight;
  uint32_t upper_threshold;
  uint32_t lower_threshold;
  uint32_t tunnel_type;
  uint32_t tunnel_port;
  uint32_t tunnel_flags;
  uint32_t bigint;  // not 0: hand 64-bit counters over as bigints
  uint32_t timeout_tcp;
  uint32_t timeout_tcp_fin;
  uint32_t timeout_udp;
  uint32_t daemon_state;
  char daemon_interface[16];
  uint32_t daemon_sync_id;
  uint32_t daemon_max_length;
  uint32_t daemon_group_family;
  uint8_t daemon_group[16];
  uint32_t daemon_port;
  uint32_t daemon_ttl;
};

// The byte at which each column starts, in order, and the row's size last. The JavaScript side
// refuses to work with an addon whose layout is not its own.
std::vector<uint32_t> RequestLayout();

struct Request {
  uint8_t command = 0;
  bool bigint = false;
  Service service;
  Destination destination;
  Timeouts timeouts;
  Daemon daemon;
};

// Reads `count` rows; the buffer must hold them.
std::vector<Request> ReadRequests(const uint8_t* rows, size_t count);

// Appends the request as its command wants it. Dumps are not for here: core/table.h has them.
void EncodeRequest(const Request& request, CommandBatch* batch);

// The kernel's form of a netmask column, and back.
uint32_t NetmaskToWire(uint16_t family, uint32_t netmask);
uint32_t NetmaskFromWire(uint16_t family, uint32_t wire);

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_REQUEST_H_
