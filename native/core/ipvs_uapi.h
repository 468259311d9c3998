// The numbers of the kernel's IPVS family, spelt as in include/uapi/linux/ip_vs.h. Kept here so
// that a build does not depend on the age of the host's headers; they have not changed since
// Linux 5.3.
#ifndef IPVS_CORE_IPVS_UAPI_H_
#define IPVS_CORE_IPVS_UAPI_H_

#include <cstddef>
#include <cstdint>

namespace ipvs {

constexpr char IPVS_GENL_NAME[] = "IPVS";
constexpr uint8_t IPVS_GENL_VERSION = 1;

enum IpvsCommand : uint8_t {
  IPVS_CMD_NEW_SERVICE = 1,
  IPVS_CMD_SET_SERVICE = 2,
  IPVS_CMD_DEL_SERVICE = 3,
  IPVS_CMD_GET_SERVICE = 4,
  IPVS_CMD_NEW_DEST = 5,
  IPVS_CMD_SET_DEST = 6,
  IPVS_CMD_DEL_DEST = 7,
  IPVS_CMD_GET_DEST = 8,
  IPVS_CMD_NEW_DAEMON = 9,
  IPVS_CMD_DEL_DAEMON = 10,
  IPVS_CMD_GET_DAEMON = 11,
  IPVS_CMD_SET_CONFIG = 12,
  IPVS_CMD_GET_CONFIG = 13,
  IPVS_CMD_GET_INFO = 15,
  IPVS_CMD_ZERO = 16,
  IPVS_CMD_FLUSH = 17,
};

enum IpvsCommandAttribute : uint16_t {
  IPVS_CMD_ATTR_SERVICE = 1,
  IPVS_CMD_ATTR_DEST = 2,
  IPVS_CMD_ATTR_DAEMON = 3,
  IPVS_CMD_ATTR_TIMEOUT_TCP = 4,
  IPVS_CMD_ATTR_TIMEOUT_TCP_FIN = 5,
  IPVS_CMD_ATTR_TIMEOUT_UDP = 6,
};

enum IpvsServiceAttribute : uint16_t {
  IPVS_SVC_ATTR_AF = 1,
  IPVS_SVC_ATTR_PROTOCOL = 2,
  IPVS_SVC_ATTR_ADDR = 3,
  IPVS_SVC_ATTR_PORT = 4,
  IPVS_SVC_ATTR_FWMARK = 5,
  IPVS_SVC_ATTR_SCHED_NAME = 6,
  IPVS_SVC_ATTR_FLAGS = 7,
  IPVS_SVC_ATTR_TIMEOUT = 8,
  IPVS_SVC_ATTR_NETMASK = 9,
  IPVS_SVC_ATTR_STATS = 10,
  IPVS_SVC_ATTR_PE_NAME = 11,
  IPVS_SVC_ATTR_STATS64 = 12,
};

enum IpvsDestinationAttribute : uint16_t {
  IPVS_DEST_ATTR_ADDR = 1,
  IPVS_DEST_ATTR_PORT = 2,
  IPVS_DEST_ATTR_FWD_METHOD = 3,
  IPVS_DEST_ATTR_WEIGHT = 4,
  IPVS_DEST_ATTR_U_THRESH = 5,
  IPVS_DEST_ATTR_L_THRESH = 6,
  IPVS_DEST_ATTR_ACTIVE_CONNS = 7,
  IPVS_DEST_ATTR_INACT_CONNS = 8,
  IPVS_DEST_ATTR_PERSIST_CONNS = 9,
  IPVS_DEST_ATTR_STATS = 10,
  IPVS_DEST_ATTR_ADDR_FAMILY = 11,
  IPVS_DEST_ATTR_STATS64 = 12,
  IPVS_DEST_ATTR_TUN_TYPE = 13,
  IPVS_DEST_ATTR_TUN_PORT = 14,
  IPVS_DEST_ATTR_TUN_FLAGS = 15,
};

enum IpvsStatsAttribute : uint16_t {
  IPVS_STATS_ATTR_CONNS = 1,
  IPVS_STATS_ATTR_INPKTS = 2,
  IPVS_STATS_ATTR_OUTPKTS = 3,
  IPVS_STATS_ATTR_INBYTES = 4,
  IPVS_STATS_ATTR_OUTBYTES = 5,
  IPVS_STATS_ATTR_CPS = 6,
  IPVS_STATS_ATTR_INPPS = 7,
  IPVS_STATS_ATTR_OUTPPS = 8,
  IPVS_STATS_ATTR_INBPS = 9,
  IPVS_STATS_ATTR_OUTBPS = 10,
};

enum IpvsDaemonAttribute : uint16_t {
  IPVS_DAEMON_ATTR_STATE = 1,
  IPVS_DAEMON_ATTR_MCAST_IFN = 2,
  IPVS_DAEMON_ATTR_SYNC_ID = 3,
  IPVS_DAEMON_ATTR_SYNC_MAXLEN = 4,
  IPVS_DAEMON_ATTR_MCAST_GROUP = 5,
  IPVS_DAEMON_ATTR_MCAST_GROUP6 = 6,
  IPVS_DAEMON_ATTR_MCAST_PORT = 7,
  IPVS_DAEMON_ATTR_MCAST_TTL = 8,
};

enum IpvsInfoAttribute : uint16_t {
  IPVS_INFO_ATTR_VERSION = 1,
  IPVS_INFO_ATTR_CONN_TAB_SIZE = 2,
};

// The only service flag that is the kernel's own: set in every reply, never to be sent.
constexpr uint32_t IP_VS_SVC_F_HASHED = 0x0002;

// FWD_METHOD carries more connection flags than the method.
constexpr uint32_t IP_VS_CONN_F_FWD_MASK = 0x0007;

constexpr size_t IP_VS_SCHEDNAME_MAXLEN = 16;  // with the NUL
constexpr size_t IP_VS_PENAME_MAXLEN = 16;     // without: the policy allows 16 characters and a NUL

constexpr size_t IP_VS_IFNAME_MAXLEN = 16;  // with the NUL

}  // namespace ipvs

#endif  // IPVS_CORE_IPVS_UAPI_H_
