// Routes.
#ifndef IPVS_CORE_ROUTE_H_
#define IPVS_CORE_ROUTE_H_

#include <linux/if.h>

#include <vector>

#include "rtnetlink.h"

namespace ipvs {

struct NextHop {
  int32_t index = 0;  // of the interface, 0: none
  char interface[IFNAMSIZ] = {};
  uint16_t gateway_family = 0;  // 0: none
  Address gateway;
  uint32_t weight = 1;
  uint32_t flags = 0;  // RTNH_F_*
};

struct Route {
  uint16_t family = 0;
  Address destination;
  uint8_t prefix = 0;
  uint32_t table = 0;
  uint8_t type = 0;           // RTN_*; to remove, 0 is any
  uint8_t scope = 0;          // RT_SCOPE_*; to remove, 255 is any
  uint8_t protocol = 0;       // RTPROT_*; to remove, 0 is any
  uint32_t flags = 0;         // RTM_F_*
  NextHop hop;                // where there are several, none
  std::vector<NextHop> hops;  // read only: what is sent is in `other`
  bool has_source = false;
  Address source;  // the preferred one
  bool has_metric = false;
  uint32_t metric = 0;
  uint32_t mtu = 0;  // 0: none
  uint32_t advertised_mss = 0;
  uint8_t tos = 0;
  uint32_t expires = 0;   // IPv6: seconds, 0: never
  bool has_from = false;  // told: IPv6, only for packets from some addresses
  // Attributes that have no member here, as the kernel tells them and takes them again. Next hops
  // are among them, and metrics inside of RTA_METRICS.
  Bytes other;
};

void EncodeRoute(Change change, const Route& route, CommandBatch* batch);
// `table` 0: all.
void EncodeListRoutes(uint16_t family, uint32_t table, CommandBatch* batch);

bool DecodeRoute(ByteView payload, Route* route, DecodeError* error);

// Whether it is a route, and not what the kernel noted while it used one.
bool IsConfigured(const Route& route);

// The order of listings: family, table, destination, length of its prefix, metric.
bool Before(const Route& a, const Route& b);

}  // namespace ipvs

#endif  // IPVS_CORE_ROUTE_H_
