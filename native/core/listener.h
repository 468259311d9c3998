// Sockets that wait for clients, as sock_diag(7) tells of them: unlike /proc/net it says which of
// IPv6 are for IPv6 alone.
#ifndef IPVS_CORE_LISTENER_H_
#define IPVS_CORE_LISTENER_H_

#include "rtnetlink.h"

namespace ipvs {

struct Listener {
  uint16_t family = 0;
  uint8_t protocol = 0;  // IPPROTO_TCP or IPPROTO_UDP
  Address address;       // all zero: every one
  uint16_t port = 0;
  bool ipv6_only = false;
};

void EncodeListListeners(uint16_t family, uint8_t protocol, CommandBatch* batch);

// The reply does not say which protocol it is of.
bool DecodeListener(ByteView payload, Listener* listener, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_LISTENER_H_
