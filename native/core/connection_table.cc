#include "connection_table.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace ipvs {

namespace {

constexpr size_t kPiece = size_t{64} * 1024;
// Between two looks at whether the caller still wants it.
constexpr size_t kFairShare = 16 * kPiece;
constexpr size_t kLongestLine = 4096;

// Takes a line apart at its spaces.
class Words {
 public:
  explicit Words(ByteView line) : rest_(line) {}

  // The next word; empty behind the last.
  ByteView Next() {
    while (!rest_.empty() && rest_.data[0] == ' ') rest_ = rest_.From(1);
    size_t length = 0;
    while (length < rest_.size && rest_.data[length] != ' ') length++;
    const ByteView word = rest_.First(length);
    rest_ = rest_.From(length);
    return word;
  }

  // All that follows the one space behind the last word.
  ByteView Rest() const { return rest_.empty() ? rest_ : rest_.From(1); }

 private:
  ByteView rest_;
};

int Digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

bool ParseNumber(ByteView word, uint32_t base, uint64_t most, uint64_t* number) {
  *number = 0;
  if (word.empty()) return false;
  for (size_t i = 0; i < word.size; i++) {
    const auto digit = static_cast<uint32_t>(Digit(word.data[i]));
    if (digit >= base) return false;
    *number = *number * base + digit;
    if (*number > most) return false;
  }
  return true;
}

bool Is(ByteView word, const char* text) {
  return word.size == std::strlen(text) && std::memcmp(word.data, text, word.size) == 0;
}

template <size_t N>
bool CopyWord(ByteView word, char (&to)[N]) {
  if (word.empty() || word.size >= N) return false;
  // The kernel prints none, and the text would end there.
  if (std::memchr(word.data, 0, word.size) != nullptr) return false;
  std::memcpy(to, word.data, word.size);
  to[word.size] = '\0';
  return true;
}

bool ParseProtocol(ByteView word, uint16_t* protocol) {
  struct Name {
    const char* text;
    uint16_t number;
  };
  static constexpr Name kNames[] = {{"TCP", IPPROTO_TCP},   {"UDP", IPPROTO_UDP},
                                    {"SCTP", IPPROTO_SCTP}, {"IP", IPPROTO_IP},
                                    {"ICMP", IPPROTO_ICMP}, {"ICMPv6", IPPROTO_ICMPV6}};
  for (const Name& name : kNames) {
    if (Is(word, name.text)) {
      *protocol = name.number;
      return true;
    }
  }
  // ip_vs_proto_name writes all others so.
  uint64_t number = 0;
  if (word.size < 3 || !Is(word.First(3), "IP_")) return false;
  if (!ParseNumber(word.From(3), 10, 255, &number)) return false;
  *protocol = static_cast<uint16_t>(number);
  return true;
}

// IPv4 is one number in hexadecimal, IPv6 eight groups of four digits.
bool ParseAddress(ByteView word, Endpoint* endpoint) {
  uint64_t number = 0;
  if (word.size == 8) {
    if (!ParseNumber(word, 16, UINT32_MAX, &number)) return false;
    endpoint->family = AF_INET;
    StoreBe16(endpoint->address.bytes, static_cast<uint16_t>(number >> 16));
    StoreBe16(endpoint->address.bytes + 2, static_cast<uint16_t>(number & 0xffff));
    return true;
  }
  if (word.size != 39) return false;
  endpoint->family = AF_INET6;
  for (size_t group = 0; group < 8; group++) {
    const ByteView digits = word.From(group * 5).First(4);
    if (!ParseNumber(digits, 16, UINT16_MAX, &number)) return false;
    if (group < 7 && word.data[group * 5 + 4] != ':') return false;
    StoreBe16(endpoint->address.bytes + group * 2, static_cast<uint16_t>(number));
  }
  return true;
}

bool ParseEndpoint(Words* words, Endpoint* endpoint) {
  uint64_t port = 0;
  if (!ParseAddress(words->Next(), endpoint)) return false;
  if (!ParseNumber(words->Next(), 16, UINT16_MAX, &port)) return false;
  endpoint->port = static_cast<uint16_t>(port);
  return true;
}

bool ParseOrigin(ByteView word, Origin* origin) {
  *origin = Is(word, "SYNC") ? Origin::kSynchronised : Origin::kLocal;
  return *origin == Origin::kSynchronised || Is(word, "LOCAL");
}

}  // namespace

bool EndpointFilter::Matches(const Endpoint& other) const {
  if (has_port && endpoint.port != other.port) return false;
  if (endpoint.family == 0) return true;
  return endpoint.family == other.family &&
         std::memcmp(endpoint.address.bytes, other.address.bytes, sizeof(Address)) == 0;
}

bool ConnectionFilter::Matches(const ConnectionEntry& entry) const {
  return (protocol == 0 || protocol == entry.protocol) && (fwmark == 0 || fwmark == entry.fwmark) &&
         client.Matches(entry.client) && virtual_service.Matches(entry.virtual_service) &&
         destination.Matches(entry.destination);
}

bool ParseConnectionLine(ByteView line, bool has_origin, ConnectionEntry* entry) {
  Words words(line);
  if (!ParseProtocol(words.Next(), &entry->protocol)) return false;
  if (!ParseEndpoint(&words, &entry->client)) return false;
  if (!ParseEndpoint(&words, &entry->virtual_service)) return false;
  if (!ParseEndpoint(&words, &entry->destination)) return false;
  if (!CopyWord(words.Next(), entry->state)) return false;
  if (has_origin && !ParseOrigin(words.Next(), &entry->origin)) return false;
  uint64_t expires = 0;
  if (!ParseNumber(words.Next(), 10, UINT32_MAX, &expires)) return false;
  entry->expires = static_cast<uint32_t>(expires);

  if (entry->protocol == IPPROTO_IP) {
    // A service that is a mark has no address: the kernel puts the mark there, as if it were IPv4
    // (ip_vs_sched_persist).
    const uint8_t* mark = entry->virtual_service.address.bytes;
    entry->fwmark = uint32_t{LoadBe16(mark)} << 16 | LoadBe16(mark + 2);
    entry->virtual_service = Endpoint();
  }
  // A template is for whatever port the client comes from. So is a connection whose client port is
  // not known yet (FTP's data), but that has another state.
  const bool idle =
      std::strcmp(entry->state, "NONE") == 0 || std::strcmp(entry->state, "ASSURED") == 0;
  entry->is_template = entry->client.port == 0 && idle;

  if (has_origin) return words.Rest().empty();
  const ByteView engine = words.Next();
  if (engine.empty()) return true;
  if (!CopyWord(engine, entry->engine)) return false;
  // The rest as it is: what a client sent may hold spaces.
  const ByteView data = words.Rest();
  entry->engine_data.assign(reinterpret_cast<const char*>(data.data), data.size);
  return true;
}

Failure ConnectionTableReader::TakeLine(ByteView line, const ConnectionFilter& filter,
                                        std::vector<ConnectionEntry>* entries) {
  if (!header_seen_) {
    header_seen_ = true;
    return Failure();
  }
  ConnectionEntry entry;
  if (!ParseConnectionLine(line, has_origin_, &entry)) {
    return Failure::Malformed(
        "connection table: " +
        std::string(reinterpret_cast<const char*>(line.data), line.First(80).size));
  }
  if (filter.Matches(entry)) entries->push_back(std::move(entry));
  return Failure();
}

Failure ConnectionTableReader::TakeLines(const ConnectionFilter& filter, size_t most,
                                         std::vector<ConnectionEntry>* entries) {
  while (entries->size() < most) {
    const ByteView rest = ByteView(pending_).From(parsed_);
    const void* feed = rest.empty() ? nullptr : std::memchr(rest.data, '\n', rest.size);
    if (feed == nullptr) break;
    const auto length = static_cast<size_t>(static_cast<const uint8_t*>(feed) - rest.data);
    parsed_ += length + 1;
    if (Failure failure = TakeLine(rest.First(length), filter, entries)) return failure;
  }
  return Failure();
}

Failure ConnectionTableReader::Read(const ConnectionFilter& filter, size_t most,
                                    std::vector<ConnectionEntry>* entries, bool* end) {
  size_t share = 0;
  for (;;) {
    if (Failure failure = TakeLines(filter, most, entries)) return failure;
    *end = ended_ && entries->size() < most;
    if (*end || entries->size() >= most || share >= kFairShare) break;

    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(parsed_));
    parsed_ = 0;
    const size_t before = pending_.size();
    if (before > kLongestLine) return Failure::Malformed("connection table: a line without end");
    pending_.resize(before + kPiece);
    ssize_t size;
    do {
      size = ::read(file_.get(), pending_.data() + before, kPiece);
    } while (size < 0 && errno == EINTR);
    pending_.resize(before + static_cast<size_t>(size > 0 ? size : 0));
    if (size < 0) return Failure::SystemCall("read", errno);
    share += static_cast<size_t>(size);
    if (size == 0) {
      ended_ = true;
      // Every line ends with a feed: half a line means that the file was cut.
      if (!pending_.empty()) return Failure::Malformed("connection table: the last line is cut");
    }
  }
  return Failure();
}

}  // namespace ipvs
