#include "director.h"

#include <sys/socket.h>

namespace ipvs {

void EncodeDaemon(const Daemon& daemon, AttributeWriter* writer) {
  const size_t nest = writer->BeginNest(IPVS_CMD_ATTR_DAEMON);
  writer->U32(IPVS_DAEMON_ATTR_STATE, daemon.state);
  writer->NulString(IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface);
  writer->U32(IPVS_DAEMON_ATTR_SYNC_ID, daemon.sync_id);
  if (daemon.max_length != 0) writer->U16(IPVS_DAEMON_ATTR_SYNC_MAXLEN, daemon.max_length);
  // A group's address is in network order, but its port, unlike every other one, is not
  // (ip_vs_genl_new_daemon).
  if (daemon.group_family == AF_INET) {
    writer->Raw(IPVS_DAEMON_ATTR_MCAST_GROUP, daemon.group.bytes, 4);
  } else if (daemon.group_family == AF_INET6) {
    writer->Raw(IPVS_DAEMON_ATTR_MCAST_GROUP6, daemon.group.bytes, sizeof(daemon.group.bytes));
  }
  if (daemon.port != 0) writer->U16(IPVS_DAEMON_ATTR_MCAST_PORT, daemon.port);
  if (daemon.ttl != 0) writer->U8(IPVS_DAEMON_ATTR_MCAST_TTL, daemon.ttl);
  writer->EndNest(nest);
}

void EncodeDaemonKey(const Daemon& daemon, AttributeWriter* writer) {
  const size_t nest = writer->BeginNest(IPVS_CMD_ATTR_DAEMON);
  writer->U32(IPVS_DAEMON_ATTR_STATE, daemon.state);
  writer->EndNest(nest);
}

void EncodeTimeouts(const Timeouts& timeouts, AttributeWriter* writer) {
  if (timeouts.tcp != 0) writer->U32(IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp);
  if (timeouts.tcp_fin != 0) writer->U32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcp_fin);
  if (timeouts.udp != 0) writer->U32(IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp);
}

bool DecodeDaemon(ByteView attributes, Daemon* daemon, DecodeError* error) {
  SeenAttributes seen;
  AttributeReader reader(attributes, "daemon reply", error);
  while (reader.Next()) {
    if (reader.type() != IPVS_CMD_ATTR_DAEMON) continue;
    *daemon = Daemon();
    seen = SeenAttributes();
    AttributeReader nest = reader.Nest("IPVS_CMD_ATTR_DAEMON");
    while (nest.Next()) {
      seen.Add(nest.type());
      switch (nest.type()) {
        case IPVS_DAEMON_ATTR_STATE:
          daemon->state = nest.U32("IPVS_DAEMON_ATTR_STATE");
          break;
        case IPVS_DAEMON_ATTR_MCAST_IFN:
          nest.Text("IPVS_DAEMON_ATTR_MCAST_IFN", daemon->interface, sizeof(daemon->interface));
          break;
        case IPVS_DAEMON_ATTR_SYNC_ID:
          daemon->sync_id = nest.U32("IPVS_DAEMON_ATTR_SYNC_ID");
          break;
        case IPVS_DAEMON_ATTR_SYNC_MAXLEN:
          daemon->max_length = nest.U16("IPVS_DAEMON_ATTR_SYNC_MAXLEN");
          break;
        case IPVS_DAEMON_ATTR_MCAST_GROUP:
          daemon->group_family = AF_INET;
          daemon->group = Address();  // nothing of an IPv6 one before it
          nest.Raw("IPVS_DAEMON_ATTR_MCAST_GROUP", daemon->group.bytes, 4);
          break;
        case IPVS_DAEMON_ATTR_MCAST_GROUP6:
          daemon->group_family = AF_INET6;
          nest.Raw("IPVS_DAEMON_ATTR_MCAST_GROUP6", daemon->group.bytes,
                   sizeof(daemon->group.bytes));
          break;
        case IPVS_DAEMON_ATTR_MCAST_PORT:
          daemon->port = nest.U16("IPVS_DAEMON_ATTR_MCAST_PORT");
          break;
        case IPVS_DAEMON_ATTR_MCAST_TTL:
          daemon->ttl = nest.U8("IPVS_DAEMON_ATTR_MCAST_TTL");
          break;
      }
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {
      {IPVS_DAEMON_ATTR_STATE, "IPVS_DAEMON_ATTR_STATE"},
      {IPVS_DAEMON_ATTR_MCAST_IFN, "IPVS_DAEMON_ATTR_MCAST_IFN"},
      {IPVS_DAEMON_ATTR_SYNC_ID, "IPVS_DAEMON_ATTR_SYNC_ID"},
  };
  seen.Require(kMandatory, error);
  return error->ok();
}

bool DecodeTimeouts(ByteView attributes, Timeouts* timeouts, DecodeError* error) {
  SeenAttributes seen;
  AttributeReader reader(attributes, "timeouts reply", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case IPVS_CMD_ATTR_TIMEOUT_TCP:
        timeouts->tcp = reader.U32("IPVS_CMD_ATTR_TIMEOUT_TCP");
        break;
      case IPVS_CMD_ATTR_TIMEOUT_TCP_FIN:
        timeouts->tcp_fin = reader.U32("IPVS_CMD_ATTR_TIMEOUT_TCP_FIN");
        break;
      case IPVS_CMD_ATTR_TIMEOUT_UDP:
        timeouts->udp = reader.U32("IPVS_CMD_ATTR_TIMEOUT_UDP");
        break;
    }
  }
  // None of them is mandatory: a kernel built without TCP or UDP in IPVS leaves its timeouts out,
  // and they read as 0. But an answer that has neither is not one.
  if (seen.none()) error->Set("IPVS_CMD_ATTR_TIMEOUT_TCP", "is missing");
  return error->ok();
}

bool DecodeInfo(ByteView attributes, Info* info, DecodeError* error) {
  SeenAttributes seen;
  AttributeReader reader(attributes, "information reply", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case IPVS_INFO_ATTR_VERSION:
        info->version = reader.U32("IPVS_INFO_ATTR_VERSION");
        break;
      case IPVS_INFO_ATTR_CONN_TAB_SIZE:
        info->connection_table_size = reader.U32("IPVS_INFO_ATTR_CONN_TAB_SIZE");
        break;
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {
      {IPVS_INFO_ATTR_VERSION, "IPVS_INFO_ATTR_VERSION"},
      {IPVS_INFO_ATTR_CONN_TAB_SIZE, "IPVS_INFO_ATTR_CONN_TAB_SIZE"},
  };
  seen.Require(kMandatory, error);
  return error->ok();
}

}  // namespace ipvs
