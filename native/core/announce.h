// Tells everybody on a link that an address is at this host now, and asks whether it is elsewhere
// too.
#ifndef IPVS_CORE_ANNOUNCE_H_
#define IPVS_CORE_ANNOUNCE_H_

#include <vector>

#include "deadline.h"
#include "link.h"
#include "neighbour.h"
#include "netns.h"
#include "result.h"

namespace ipvs {

struct Announced {
  uint16_t family = 0;
  Address address;
};

// Sends one for each address, so many times, on an interface that has a MAC and ARP.
Failure Announce(const NetworkNamespace* space, const Link& link,
                 const std::vector<Announced>& addresses, uint32_t times, bool router);

// Asks who has these addresses, and collects who answers until the deadline; it always waits that
// long, since there may be several. `own` is this host's link-local address: without one, nobody is
// asked for those of IPv6.
Failure Probe(const NetworkNamespace* space, const Link& link, const Address* own,
              const std::vector<Announced>& addresses, const Deadline& deadline,
              std::vector<Neighbour>* claimants);

}  // namespace ipvs

#endif  // IPVS_CORE_ANNOUNCE_H_
