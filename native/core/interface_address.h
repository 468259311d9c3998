// The addresses of network interfaces.
#ifndef IPVS_CORE_INTERFACE_ADDRESS_H_
#define IPVS_CORE_INTERFACE_ADDRESS_H_

#include <linux/if.h>

#include "rtnetlink.h"

namespace ipvs {

// A lifetime without end, in seconds.
constexpr uint32_t kForever = UINT32_MAX;

struct InterfaceAddress {
  int32_t index = 0;
  char interface[IFNAMSIZ] = {};
  uint16_t family = 0;
  uint8_t prefix = 0;
  uint8_t scope = 0;
  uint32_t flags = 0;  // IFA_F_*
  Address local;
  bool has_peer = false;
  Address peer;
  bool has_broadcast = false;
  Address broadcast;
  char label[IFNAMSIZ] = {};
  uint32_t preferred_lifetime = kForever;
  uint32_t valid_lifetime = kForever;
  // Attributes that have no member here, as the kernel tells them and takes them again; flags that
  // are not told in a word as IFA_FLAGS.
  Bytes other;
};

// The index is what names the interface here.
void EncodeInterfaceAddress(Change change, const InterfaceAddress& address, CommandBatch* batch);
void EncodeListInterfaceAddresses(uint16_t family, CommandBatch* batch);

bool DecodeInterfaceAddress(ByteView payload, InterfaceAddress* address, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_INTERFACE_ADDRESS_H_
