// Network interfaces, and the tunnels among them.
#ifndef IPVS_CORE_LINK_H_
#define IPVS_CORE_LINK_H_

#include <linux/if.h>

#include "rtnetlink.h"

namespace ipvs {

struct Tunnel {
  uint16_t family = 0;  // of both ends; 0: not a tunnel
  Address local;        // all zero: any
  Address remote;
  int32_t lower = 0;                // the interface that it is bound to, 0: none
  uint8_t ttl = 0;                  // 0: that of what is inside
  uint8_t encapsulation_limit = 0;  // IPv6
  bool path_mtu = false;            // IPv4: discover the path's MTU
  bool checksum = false;            // GRE
  bool external = false;            // routes say where it goes ("collect metadata")
  uint16_t encapsulation_type = 0;  // TUNNEL_ENCAP_*: 0 none, 1 FOU, 2 GUE
  uint16_t encapsulation_flags = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
};

struct Link {
  static constexpr size_t kLongestAddress = 32;  // MAX_ADDR_LEN

  int32_t index = 0;
  char name[IFNAMSIZ] = {};
  char kind[32] = {};       // empty: a physical one, or the loopback
  uint16_t hardware = 0;    // ARPHRD_*
  uint32_t flags = 0;       // IFF_*
  uint32_t flags_mask = 0;  // sent only: which bits of `flags` to set
  uint32_t mtu = 0;         // sent: 0 leaves it
  uint8_t address[kLongestAddress] = {};
  uint8_t address_size = 0;
  Tunnel tunnel;
};

// Whether the kernel's tunnels of this kind have IPv6 ends (ip6tnl, ip6gre) or IPv4 ones; 0 for a
// kind that is not one of them.
uint16_t TunnelFamily(const char* kind);

void EncodeLink(Change change, const Link& link, CommandBatch* batch);
void EncodeGetLink(const char* name, CommandBatch* batch);
void EncodeListLinks(CommandBatch* batch);

bool DecodeLink(ByteView payload, Link* link, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_LINK_H_
