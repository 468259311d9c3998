// What belongs to the whole director and to no service: sync daemons, timeouts, information.
#ifndef IPVS_CORE_DIRECTOR_H_
#define IPVS_CORE_DIRECTOR_H_

#include "attribute.h"
#include "ipvs.h"
#include "ipvs_uapi.h"

namespace ipvs {

// A connection synchronisation daemon. What is 0 is left to the kernel when it is sent.
struct Daemon {
  uint32_t state = 0;  // 1 master, 2 backup
  char interface[IP_VS_IFNAME_MAXLEN] = {};
  uint32_t sync_id = 0;
  uint16_t max_length = 0;    // bytes of a sync message
  uint16_t group_family = 0;  // 0: no group given
  Address group;
  uint16_t port = 0;
  uint8_t ttl = 0;
};

// Seconds; 0 keeps what there is when it is sent.
struct Timeouts {
  uint32_t tcp = 0;
  uint32_t tcp_fin = 0;
  uint32_t udp = 0;
};

struct Info {
  uint32_t version = 0;  // 0x010201 is 1.2.1
  uint32_t connection_table_size = 0;
};

void EncodeDaemon(const Daemon& daemon, AttributeWriter* writer);
// Which daemon: the role is its whole name.
void EncodeDaemonKey(const Daemon& daemon, AttributeWriter* writer);
void EncodeTimeouts(const Timeouts& timeouts, AttributeWriter* writer);

bool DecodeDaemon(ByteView attributes, Daemon* daemon, DecodeError* error);
bool DecodeTimeouts(ByteView attributes, Timeouts* timeouts, DecodeError* error);
bool DecodeInfo(ByteView attributes, Info* info, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_DIRECTOR_H_
