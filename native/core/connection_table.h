// The director's table of connections, as the kernel shows it under /proc/net.
#ifndef IPVS_CORE_CONNECTION_TABLE_H_
#define IPVS_CORE_CONNECTION_TABLE_H_

#include <string>
#include <vector>

#include "bytes.h"
#include "ipvs.h"
#include "result.h"
#include "unique_fd.h"

namespace ipvs {

struct Endpoint {
  uint16_t family = 0;
  Address address;
  uint16_t port = 0;
};

enum class Origin : uint8_t { kUnknown = 0, kLocal = 1, kSynchronised = 2 };

struct ConnectionEntry {
  uint16_t protocol = 0;  // IPPROTO_*; 0 for the persistence template of a service that is a mark
  // Remembers which destination a client (or a network of clients) belongs to.
  bool is_template = false;
  Endpoint client;
  Endpoint virtual_service;  // without an address where the protocol is 0
  uint32_t fwmark = 0;       // there
  Endpoint destination;
  char state[16] = {};
  uint32_t expires = 0;  // seconds
  Origin origin = Origin::kUnknown;
  char engine[IP_VS_PENAME_MAXLEN + 1] = {};
  std::string engine_data;  // bytes: with SIP the Call-ID as it came from the network
};

// Which entries are wanted. What is 0 or not set matches everything.
struct EndpointFilter {
  Endpoint endpoint;
  bool has_port = false;

  bool Matches(const Endpoint& other) const;
};

struct ConnectionFilter {
  uint16_t protocol = 0;
  uint32_t fwmark = 0;
  EndpointFilter client;
  EndpointFilter virtual_service;
  EndpointFilter destination;

  bool Matches(const ConnectionEntry& entry) const;
};

// One line of /proc/net/ip_vs_conn or, with `has_origin`, of /proc/net/ip_vs_conn_sync, without its
// line feed. False where it is not such a line.
bool ParseConnectionLine(ByteView line, bool has_origin, ConnectionEntry* entry);

// Reads the file in pieces, so that memory does not grow with the table. Used by one thread at a
// time, any thread.
class ConnectionTableReader {
 public:
  ConnectionTableReader(UniqueFd file, bool has_origin)
      : file_(std::move(file)), has_origin_(has_origin) {}

  // Appends matching entries until there are `most`, a fair share of the file is read, or it ends;
  // *end says which.
  Failure Read(const ConnectionFilter& filter, size_t most, std::vector<ConnectionEntry>* entries,
               bool* end);

 private:
  Failure TakeLines(const ConnectionFilter& filter, size_t most,
                    std::vector<ConnectionEntry>* entries);
  Failure TakeLine(ByteView line, const ConnectionFilter& filter,
                   std::vector<ConnectionEntry>* entries);

  UniqueFd file_;
  bool has_origin_;
  bool header_seen_ = false;
  bool ended_ = false;
  Bytes pending_;  // read, not yet parsed
  size_t parsed_ = 0;
};

}  // namespace ipvs

#endif  // IPVS_CORE_CONNECTION_TABLE_H_
