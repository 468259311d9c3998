// What the core decodes, as JSON.
#ifndef IPVS_FUZZ_DESCRIBE_H_
#define IPVS_FUZZ_DESCRIBE_H_

#include <string>
#include <vector>

#include "core/bytes.h"

namespace ipvs::fuzz {

// A JSON string. Bytes beyond ASCII are taken for Latin-1, as the addon does.
std::string Quoted(const std::string& text);

// All messages of some datagrams. `kind` says what their attributes are: family, service,
// destination, daemon, timeouts or info. What does not decode is described by its error.
std::string DescribeDatagrams(const std::string& kind, const std::vector<Bytes>& datagrams);

// All lines of /proc/net/ip_vs_conn or, with `has_origin`, of /proc/net/ip_vs_conn_sync.
std::string DescribeConnections(const std::string& text, bool has_origin);

}  // namespace ipvs::fuzz

#endif  // IPVS_FUZZ_DESCRIBE_H_
