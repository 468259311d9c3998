// The reader of the table of connections, fed with a file in odd pieces. The first three bytes
// choose the pieces, how many entries are asked for at once, and which of the two files it is.

#include "core/connection_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

// Longer lines fail or not depending on how they are cut, which is no property.
constexpr size_t kMost = 4000;

// One end of a pair of sockets that keeps datagrams apart: one read gives one piece, and 0 at last.
UniqueFd InPieces(ByteView file, uint8_t seed) {
  int ends[2];
  HOLDS(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd writer(ends[1]);
  // More pieces would not fit into the socket's buffer.
  const size_t least = file.size / 32 + 1;
  uint32_t random = seed;
  while (!file.empty()) {
    random = random * 1103515245 + 12345;
    const size_t piece = std::min(file.size, least + (random >> 16) % (seed + 1));
    HOLDS(::send(writer.get(), file.data, piece, MSG_DONTWAIT) == static_cast<ssize_t>(piece));
    file = file.From(piece);
  }
  return UniqueFd(ends[0]);
}

// The same without a reader: all entries of whole lines, up to the first that is none.
bool ReadAtOnce(ByteView file, bool has_origin, std::vector<ConnectionEntry>* entries) {
  bool is_header = true;
  while (!file.empty()) {
    const void* feed = std::memchr(file.data, '\n', file.size);
    if (feed == nullptr) return false;
    const auto length = static_cast<size_t>(static_cast<const uint8_t*>(feed) - file.data);
    if (!is_header) {
      entries->emplace_back();
      if (!ParseConnectionLine(file.First(length), has_origin, &entries->back())) {
        entries->pop_back();
        return false;
      }
    }
    is_header = false;
    file = file.From(length + 1);
  }
  return true;
}

bool Same(const ConnectionEntry& a, const ConnectionEntry& b) {
  return a.protocol == b.protocol && a.client.port == b.client.port &&
         fuzz::Same(a.client.address, b.client.address) &&
         fuzz::Same(a.destination.address, b.destination.address) && a.fwmark == b.fwmark &&
         std::strcmp(a.state, b.state) == 0 && a.expires == b.expires && a.origin == b.origin &&
         a.engine_data == b.engine_data;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3 || size > kMost) return 0;
  const ByteView file(data + 3, size - 3);
  const size_t most = data[1] % 8 + 1;
  const bool has_origin = data[2] % 2 != 0;

  std::vector<ConnectionEntry> expected;
  const bool is_whole = ReadAtOnce(file, has_origin, &expected);

  ConnectionTableReader reader(InPieces(file, data[0]), has_origin);
  std::vector<ConnectionEntry> entries;
  Failure failure;
  for (bool end = false; !end && !failure;) {
    std::vector<ConnectionEntry> some;
    failure = reader.Read(ConnectionFilter(), most, &some, &end);
    HOLDS(some.size() <= most);
    // Nothing, and not the end either: nobody would ever get further.
    HOLDS(failure || end || !some.empty());
    entries.insert(entries.end(), some.begin(), some.end());
  }
  HOLDS(static_cast<bool>(failure) != is_whole);
  HOLDS(!failure || failure.fault == Fault::kMalformed);
  HOLDS(entries.size() == expected.size());
  for (size_t i = 0; i < entries.size(); i++) HOLDS(Same(entries[i], expected[i]));
  return 0;
}
