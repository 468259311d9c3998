// Tells everybody on a link that an address is at this host now.
#ifndef IPVS_CORE_ANNOUNCE_H_
#define IPVS_CORE_ANNOUNCE_H_

#include <vector>

#include "ipvs.h"
#include "link.h"
#include "netns.h"
#include "result.h"

namespace ipvs {

struct Announced {
  uint16_t family = 0;
  Address address;
};

// The packet behind the link's header, as it goes to everybody.
Bytes GratuitousArp(const uint8_t (&mac)[6], const Address& address);
// `router`: this host forwards; others would forget their route through it without the flag.
Bytes UnsolicitedAdvertisement(const uint8_t (&mac)[6], const Address& address, bool router);

// Sends one for each address, so many times, on an interface that has a MAC and ARP.
Failure Announce(const NetworkNamespace* space, const Link& link,
                 const std::vector<Announced>& addresses, uint32_t times, bool router);

}  // namespace ipvs

#endif  // IPVS_CORE_ANNOUNCE_H_
