// One line of the table of connections, taken for one of either file.

#include <netinet/in.h>

#include <sstream>
#include <string>

#include "core/connection_table.h"
#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

std::string Printed(const char* format, unsigned value) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

std::string PrintedAddress(uint16_t family, const Address& address) {
  std::string text;
  for (size_t i = 0; i < (family == AF_INET ? 4u : 16u); i++) {
    if (family == AF_INET6 && i != 0 && i % 2 == 0) text += ':';
    text += Printed(family == AF_INET ? "%02X" : "%02x", address.bytes[i]);
  }
  return text;
}

std::string PrintedEndpoint(const Endpoint& endpoint) {
  return PrintedAddress(endpoint.family, endpoint.address) + Printed(" %04X", endpoint.port);
}

// As the kernel prints it (ip_vs_conn_seq_show and ip_vs_conn_sync_seq_show), so that it can be
// read once more.
std::string PrintedLine(const ConnectionEntry& entry) {
  Endpoint service = entry.virtual_service;
  if (entry.protocol == IPPROTO_IP) {
    service.family = AF_INET;
    for (size_t i = 0; i < 4; i++) {
      service.address.bytes[i] = static_cast<uint8_t>(entry.fwmark >> (24 - 8 * i));
    }
  }
  std::string protocol = Printed("IP_%u", entry.protocol);
  if (entry.protocol == IPPROTO_TCP) protocol = "TCP";
  if (entry.protocol == IPPROTO_IP) protocol = "IP";
  std::string line = protocol + ' ' + PrintedEndpoint(entry.client) + ' ' +
                     PrintedEndpoint(service) + ' ' + PrintedEndpoint(entry.destination) + ' ' +
                     entry.state + ' ';
  if (entry.origin != Origin::kUnknown) {
    line += entry.origin == Origin::kLocal ? "LOCAL " : "SYNC  ";
  }
  line += Printed("%7u", entry.expires);
  if (entry.engine[0] != '\0') line += std::string(" ") + entry.engine + ' ' + entry.engine_data;
  return line;
}

bool Same(const Endpoint& a, const Endpoint& b) {
  return a.family == b.family && fuzz::Same(a.address, b.address) && a.port == b.port;
}

bool IsKnown(uint16_t family) { return family == AF_INET || family == AF_INET6; }

// A filter that names what the entry is lets it through.
ConnectionFilter FilterFor(const ConnectionEntry& entry) {
  ConnectionFilter filter;
  filter.protocol = entry.protocol;
  filter.fwmark = entry.fwmark;
  filter.client = {entry.client, true};
  filter.virtual_service = {entry.virtual_service, true};
  filter.destination = {entry.destination, true};
  return filter;
}

// The numbers again, by other means: what is too large must not have been cut.
void HoldsNumbers(ByteView line, const ConnectionEntry& entry) {
  std::istringstream text(std::string(reinterpret_cast<const char*>(line.data), line.size));
  std::vector<std::string> words;
  for (std::string word; std::getline(text, word, ' ');) {
    if (!word.empty()) words.push_back(word);
  }
  const auto number = [&words](size_t index, int base) {
    HOLDS(index < words.size());
    return std::strtoull(words[index].c_str(), nullptr, base);
  };
  HOLDS(number(2, 16) == entry.client.port);
  HOLDS(entry.virtual_service.family == 0 || number(4, 16) == entry.virtual_service.port);
  HOLDS(number(6, 16) == entry.destination.port);
  HOLDS(number(entry.origin == Origin::kUnknown ? 8 : 9, 10) == entry.expires);
}

// The engine's data is what the line ends with, byte for byte.
void HoldsEngineData(ByteView line, const ConnectionEntry& entry) {
  const std::string& data = entry.engine_data;
  if (data.empty()) return;
  const std::string text(reinterpret_cast<const char*>(line.data), line.size);
  const std::string end = std::string(" ") + entry.engine + ' ' + data;
  HOLDS(text.size() >= end.size());
  HOLDS(text.compare(text.size() - end.size(), end.size(), end) == 0);
}

void Check(ByteView line, bool has_origin) {
  ConnectionEntry entry;
  const bool ok = ParseConnectionLine(line, has_origin, &entry);
  HOLDS(IsTerminated(entry.state) && IsTerminated(entry.engine));
  if (!ok) return;
  HOLDS(entry.state[0] != '\0');
  HOLDS((entry.origin != Origin::kUnknown) == has_origin);
  HOLDS(IsKnown(entry.client.family) && IsAddress(entry.client.family, entry.client.address));
  HOLDS(IsKnown(entry.destination.family) &&
        IsAddress(entry.destination.family, entry.destination.address));
  // A mark or an address, never both.
  HOLDS((entry.virtual_service.family == 0) == (entry.protocol == IPPROTO_IP));
  HOLDS(entry.fwmark == 0 || entry.protocol == IPPROTO_IP);
  HOLDS(entry.virtual_service.family == 0 || IsKnown(entry.virtual_service.family));
  const std::string state = entry.state;
  HOLDS(entry.is_template == (entry.client.port == 0 && (state == "NONE" || state == "ASSURED")));
  if (has_origin) HOLDS(entry.engine[0] == '\0');
  if (entry.engine[0] == '\0') HOLDS(entry.engine_data.empty());
  HOLDS(FilterFor(entry).Matches(entry));
  HoldsNumbers(line, entry);
  HoldsEngineData(line, entry);

  const std::string printed = PrintedLine(entry);
  ConnectionEntry again;
  HOLDS(ParseConnectionLine(ByteView(printed.data(), printed.size()), has_origin, &again));
  HOLDS(entry.protocol == again.protocol);
  HOLDS(entry.is_template == again.is_template);
  HOLDS(Same(entry.client, again.client));
  HOLDS(Same(entry.virtual_service, again.virtual_service));
  HOLDS(Same(entry.destination, again.destination));
  HOLDS(entry.fwmark == again.fwmark);
  HOLDS(std::strcmp(entry.state, again.state) == 0);
  HOLDS(entry.expires == again.expires);
  HOLDS(entry.origin == again.origin);
  HOLDS(std::strcmp(entry.engine, again.engine) == 0);
  HOLDS(entry.engine_data == again.engine_data);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Check(ByteView(data, size), false);
  Check(ByteView(data, size), true);
  return 0;
}
