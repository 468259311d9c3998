// ARP and neighbour discovery: what hosts of a link tell each other about addresses. The packets
// are those behind the link's header.
#ifndef IPVS_CORE_DISCOVERY_H_
#define IPVS_CORE_DISCOVERY_H_

#include "bytes.h"
#include "ipvs.h"

namespace ipvs {

constexpr size_t kMac = 6;
using Mac = uint8_t[kMac];

// Everybody learns that the address is at this MAC.
Bytes GratuitousArp(const Mac& mac, const Address& address);
// `router`: this host forwards; others would forget their route through it without the flag.
Bytes UnsolicitedAdvertisement(const Mac& mac, const Address& address, bool router);

// Asks who has an address. Nobody learns of the asker's: ARP names none (RFC 5227), and a
// solicitation comes from `own`, which is of this host alone.
Bytes ArpProbe(const Mac& mac, const Address& address);
Bytes Solicitation(const Mac& mac, const Address& own, const Address& address);

// Whether the packet says that an address is its sender's, and which; of ARP also the MAC.
bool ClaimedByArp(ByteView packet, Address* address, Mac* mac);
bool ClaimedByAdvertisement(ByteView packet, Address* address);

// Where a packet for all nodes goes, and one for those that may have an address.
void MacOfAllNodes(Mac* mac);
void MacOfSolicited(const Address& address, Mac* mac);

}  // namespace ipvs

#endif  // IPVS_CORE_DISCOVERY_H_
