// Neighbours: who on the link has an address, by ARP or neighbour discovery.
#ifndef IPVS_CORE_NEIGHBOUR_H_
#define IPVS_CORE_NEIGHBOUR_H_

#include <linux/if.h>

#include "rtnetlink.h"

namespace ipvs {

struct Neighbour {
  static constexpr size_t kLongestAddress = 32;  // MAX_ADDR_LEN

  int32_t index = 0;
  char interface[IFNAMSIZ] = {};
  uint16_t family = 0;
  Address address;
  uint16_t state = 0;  // NUD_*
  bool proxy = false;  // we answer for the address
  uint8_t link_address[kLongestAddress] = {};
  uint8_t link_address_size = 0;  // 0: not known
};

// The index is what names the interface here.
void EncodeNeighbour(Change change, const Neighbour& neighbour, CommandBatch* batch);
// Either the neighbours, or what we answer for.
void EncodeListNeighbours(uint16_t family, bool proxies, CommandBatch* batch);

bool DecodeNeighbour(ByteView payload, Neighbour* neighbour, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_NEIGHBOUR_H_
