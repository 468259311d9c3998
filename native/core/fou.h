// Ports at which tunnels inside UDP arrive: FOU and GUE, of the generic netlink family "fou".
#ifndef IPVS_CORE_FOU_H_
#define IPVS_CORE_FOU_H_

#include "command_batch.h"
#include "ipvs.h"
#include "rtnetlink.h"

namespace ipvs {

constexpr char kFouFamily[] = "fou";

struct FouPort {
  uint16_t port = 0;
  uint16_t family = 0;
  uint8_t type = 0;      // FOU_ENCAP_*: 1 FOU, 2 GUE
  uint8_t protocol = 0;  // what is inside; GUE says so itself
};

// Adds it or removes it.
void EncodeFouPort(Change change, const FouPort& port, CommandBatch* batch);
void EncodeListFouPorts(CommandBatch* batch);

bool DecodeFouPort(ByteView attributes, FouPort* port, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_FOU_H_
