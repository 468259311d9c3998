#include "addon/request.h"

#include <sys/socket.h>

#include <string>

#include "harness.h"

namespace ipvs::addon {
namespace {

using namespace ipvs::test;

// Parts as JavaScript writes them, by hand. Each column has another value, so that none can be
// taken for another.
Bytes Texts(const std::string& text, size_t size) {
  Bytes bytes(text.begin(), text.end());
  bytes.resize(size);
  return bytes;
}

Bytes Words(const std::vector<uint32_t>& words) {
  Bytes bytes;
  for (const uint32_t word : words) bytes = bytes + Native(word);
  return bytes;
}

Bytes Start(uint8_t command, uint32_t parts) { return Native(command | parts << 8); }

Bytes KeyOf(uint8_t last) { return Words({AF_INET, 6, 80, 0}) + Hex("0a00 00") + Bytes{last}; }

const Bytes kKey = KeyOf(1);
const Bytes kService = Words({0x3d, 0x3f, 300, 0xffffff00}) + Texts("wrr", 16) + Texts("sip", 20);
const Bytes kDestinationKey =
    Words({AF_INET6, 8080}) + Hex("2001 0db8 0000 0000 0000 0000 0000 0005");
const Bytes kDestination = Words({2, 7});
const Bytes kLimits = Words({90, 30});
const Bytes kTunnel = Words({1, 6080, 2});
const Bytes kTimeouts = Words({900, 120, 30});
const Bytes kDaemon =
    Words({1}) + Texts("eth0", 16) + Words({7, 1400, 8848, 3, AF_INET}) + Hex("e000 0051");

struct Part {
  uint32_t bit;
  const Bytes* bytes;
};
const Part kParts[] = {{0x01, &kKey},         {0x02, &kService}, {0x04, &kDestinationKey},
                       {0x08, &kDestination}, {0x10, &kLimits},  {0x20, &kTunnel},
                       {0x40, &kTimeouts},    {0x80, &kDaemon}};

constexpr uint32_t kAll = 0xff;

// A request with those of the parts that are wanted.
Bytes With(uint8_t command, uint32_t parts) {
  Bytes bytes = Start(command, parts);
  for (const Part& part : kParts) {
    if ((parts & part.bit) != 0) bytes = bytes + *part.bytes;
  }
  return bytes;
}

// What each command can't do without.
struct Need {
  uint8_t command;
  uint32_t parts;
};
const Need kNeeds[] = {
    {IPVS_CMD_NEW_SERVICE, 0x03}, {IPVS_CMD_SET_SERVICE, 0x03}, {IPVS_CMD_DEL_SERVICE, 0x01},
    {IPVS_CMD_GET_SERVICE, 0x01}, {IPVS_CMD_NEW_DEST, 0x0d},    {IPVS_CMD_SET_DEST, 0x0d},
    {IPVS_CMD_DEL_DEST, 0x05},    {IPVS_CMD_GET_DEST, 0x01},    {IPVS_CMD_NEW_DAEMON, 0x80},
    {IPVS_CMD_DEL_DAEMON, 0x80},  {IPVS_CMD_GET_DAEMON, 0},     {IPVS_CMD_SET_CONFIG, 0x40},
    {IPVS_CMD_GET_CONFIG, 0},     {IPVS_CMD_GET_INFO, 0},       {IPVS_CMD_ZERO, 0x01},
    {IPVS_CMD_FLUSH, 0},
};

// What the requests of a stream are sent as, and whether all of it was requests. The stream is in a
// buffer of exactly its size: a byte read beyond it is an error report.
struct Sent {
  std::vector<Bytes> messages;
  bool ok;
};

Sent Read(const Bytes& stream) {
  const Exact exact{ByteView(stream)};
  RequestReader reader(exact.view());
  Request request;
  Sent sent;
  while (reader.Next(&request)) {
    CommandBatch batch;
    EncodeRequest(request, &batch);
    sent.messages.push_back(ToBytes(batch.Seal(0x1c, 1)));
  }
  sent.ok = reader.ok();
  CHECK(!reader.Next(&request));  // the end stays the end
  CHECK_EQ(reader.ok(), sent.ok);
  return sent;
}

Bytes Only(const Bytes& stream) {
  const Sent sent = Read(stream);
  CHECK(sent.ok);
  return CHECK_EQ(sent.messages.size(), 1u) ? sent.messages[0] : Bytes();
}

// A message of the family, made by hand.
Bytes Message(uint8_t command, const Bytes& attributes) {
  return NetlinkMessage(0x1c, NLM_F_REQUEST | NLM_F_ACK, 1, 0,
                        Bytes{command, 1, 0, 0} + attributes);
}

Bytes Nest(uint16_t type, const Bytes& attributes) { return Attribute(type | 0x8000, attributes); }

const Bytes kWireAddress = Hex("0a00 0001") + Bytes(12);
const Bytes kWireKey =
    Attribute(1, "0200") + Attribute(2, "0600") + Attribute(3, kWireAddress) + Attribute(4, "0050");

TEST("A request becomes its command's message, each column where it belongs") {
  CHECK_EQ(Only(With(IPVS_CMD_NEW_SERVICE, 0x03)),
           Message(1, Nest(1, kWireKey + TextAttribute(6, "wrr") + Attribute(11, Texts("sip", 4)) +
                                  Attribute(7, "3d00 0000 3f00 0000") + Attribute(8, Words({300})) +
                                  Attribute(9, "ffff ff00"))));
  CHECK_EQ(Only(With(IPVS_CMD_GET_SERVICE, 0x01)), Message(4, Nest(1, kWireKey)));
}

TEST("Every command brings what it has, and a daemon's and the timeouts' no service") {
  for (const Need& need : kNeeds) {
    row = std::to_string(need.command);
    const bool is_set = need.parts == 0x0d;
    const Sent sent = Read(With(need.command, need.parts | (is_set ? 0x30 : 0)));
    CHECK(sent.ok);
    if (!CHECK_EQ(sent.messages.size(), 1u)) continue;
    const ByteView attributes = ByteView(sent.messages[0]).From(20);
    Service service;
    Destination destination;
    Timeouts timeouts;
    Daemon daemon;
    DecodeError error;
    switch (need.command) {
      case IPVS_CMD_NEW_SERVICE:
      case IPVS_CMD_SET_SERVICE:
        CHECK(DecodeService(attributes, &service, &error));
        CHECK_EQ(service.timeout, 300u);
        CHECK_EQ(std::string(service.scheduler), "wrr");
        CHECK_EQ(std::string(service.engine), "sip");
        CHECK_EQ(NetmaskFromWire(AF_INET, service.netmask), 0xffffff00);
        break;
      case IPVS_CMD_NEW_DEST:
      case IPVS_CMD_SET_DEST:
        CHECK(DecodeDestination(attributes, AF_UNSPEC, &destination, &error));
        CHECK_EQ(destination.key.family, AF_INET6);
        CHECK_EQ(destination.key.port, 8080);
        CHECK_EQ(destination.forwarding, 2u);
        CHECK_EQ(destination.weight, 7u);
        CHECK_EQ(destination.upper_threshold, 90u);
        CHECK_EQ(destination.lower_threshold, 30u);
        CHECK_EQ(destination.tunnel_type, 1);
        CHECK_EQ(destination.tunnel_port, 6080);
        CHECK_EQ(destination.tunnel_flags, 2);
        break;
      case IPVS_CMD_NEW_DAEMON:
        CHECK(DecodeDaemon(attributes, &daemon, &error));
        CHECK_EQ(daemon.state, 1u);
        CHECK_EQ(std::string(daemon.interface), "eth0");
        CHECK_EQ(daemon.sync_id, 7u);
        CHECK_EQ(daemon.max_length, 1400);
        CHECK_EQ(daemon.group_family, AF_INET);
        CHECK_EQ(daemon.port, 8848);
        CHECK_EQ(daemon.ttl, 3);
        break;
      case IPVS_CMD_SET_CONFIG:
        CHECK(DecodeTimeouts(attributes, &timeouts, &error));
        CHECK_EQ(timeouts.tcp, 900u);
        CHECK_EQ(timeouts.tcp_fin, 120u);
        CHECK_EQ(timeouts.udp, 30u);
        break;
      case IPVS_CMD_GET_DAEMON:
      case IPVS_CMD_GET_CONFIG:
      case IPVS_CMD_GET_INFO:
      case IPVS_CMD_FLUSH:
        CHECK(attributes.empty());
        break;
      default:
        break;
    }
  }
}

TEST("A request without a key is for the service of the one before, and only then") {
  const Bytes other = KeyOf(2);
  const auto destination = [](uint32_t parts, const Bytes& key) {
    return Start(IPVS_CMD_NEW_DEST, parts) + key + kDestinationKey + kDestination;
  };
  const Bytes first = Only(destination(0x0d, kKey));
  const Bytes second = Only(destination(0x0d, other));
  CHECK(first != second);
  const Sent sent = Read(destination(0x0d, kKey) + destination(0x0c, {}) +
                         destination(0x0d, other) + Start(IPVS_CMD_GET_INFO, 0) +
                         destination(0x0c, {}) + destination(0x0d, kKey) + destination(0x0c, {}));
  CHECK(sent.ok);
  if (!CHECK_EQ(sent.messages.size(), 7u)) return;
  CHECK_EQ(sent.messages[0], first);
  CHECK_EQ(sent.messages[1], first);
  CHECK_EQ(sent.messages[2], second);
  CHECK_EQ(sent.messages[4], second);
  CHECK_EQ(sent.messages[5], first);
  CHECK_EQ(sent.messages[6], first);
}

// Memory is used again: a limit of the destination before would be set, and seen by nobody.
TEST("Limits and a tunnel that do not stand there are none, whatever came before") {
  const Bytes stream = With(IPVS_CMD_NEW_DEST, 0x3d) + With(IPVS_CMD_SET_DEST, 0x0c) +
                       With(IPVS_CMD_SET_DEST, 0x1c) + With(IPVS_CMD_SET_DEST, 0x2c);
  const Exact exact{ByteView(stream)};
  RequestReader reader(exact.view());
  Request request;
  for (const uint32_t parts : {0x30, 0x00, 0x10, 0x20}) {
    row = std::to_string(parts);
    CHECK(reader.Next(&request));
    const Destination& destination = request.destination;
    CHECK_EQ(destination.weight, 7u);
    CHECK_EQ(destination.upper_threshold, (parts & 0x10) != 0 ? 90u : 0u);
    CHECK_EQ(destination.lower_threshold, (parts & 0x10) != 0 ? 30u : 0u);
    CHECK_EQ(destination.tunnel_type, (parts & 0x20) != 0 ? 1 : 0);
    CHECK_EQ(destination.tunnel_port, (parts & 0x20) != 0 ? 6080 : 0);
    CHECK_EQ(destination.tunnel_flags, (parts & 0x20) != 0 ? 2 : 0);
  }
}

// What stands behind an address depends on how long that is.
TEST("An address is as long as its family wants, and a mark and no family have none") {
  const Bytes long_address = Hex("2001 0db8 0000 0000 0000 0000 0000 0001");
  struct Key {
    const char* name;
    Bytes bytes;
    uint16_t family;
    Bytes address;
  };
  const Key keys[] = {
      {"IPv4", kKey, AF_INET, Hex("0a00 0001") + Bytes(12)},
      {"IPv6", Words({AF_INET6, 6, 80, 0}) + long_address, AF_INET6, long_address},
      {"an IPv4 mark", Words({AF_INET, 0, 0, 7}), AF_INET, Bytes(16)},
      {"an IPv6 mark", Words({AF_INET6, 0, 0, 7}), AF_INET6, Bytes(16)},
      {"none", Words({0, 0, 0, 0}), AF_UNSPEC, Bytes(16)},
      {"another", Words({7, 0, 0, 0}), 7, Bytes(16)},
  };
  for (const Key& key : keys) {
    row = key.name;
    // Behind a longer one, of which nothing may stay.
    const Bytes stream = Start(IPVS_CMD_GET_SERVICE, 0x01) + keys[1].bytes +
                         Start(IPVS_CMD_DEL_DEST, 0x05) + key.bytes + kDestinationKey;
    const Exact exact{ByteView(stream)};
    RequestReader reader(exact.view());
    Request request;
    CHECK(reader.Next(&request));
    CHECK(reader.Next(&request));
    CHECK_EQ(request.service.key.family, key.family);
    CHECK_EQ(ToBytes(ByteView(request.service.key.address.bytes, 16)), key.address);
    CHECK_EQ(request.destination.key.port, 8080);
    CHECK(!reader.Next(&request));
    CHECK(reader.ok());
  }
}

TEST("A request that names no destination does not name the one before's") {
  const Bytes stream = With(IPVS_CMD_DEL_DEST, 0x05) + Start(IPVS_CMD_GET_DEST, 0);
  const Exact exact{ByteView(stream)};
  RequestReader reader(exact.view());
  Request request;
  CHECK(reader.Next(&request));
  CHECK_EQ(request.destination.key.port, 8080);
  CHECK(reader.Next(&request));
  CHECK_EQ(request.destination.key.family, AF_UNSPEC);
  CHECK_EQ(request.destination.key.port, 0);
  CHECK_EQ(request.service.key.port, 80);
}

// It would be sent with what an earlier request left behind: a weight of another destination.
TEST("A request that lacks a part that its command needs is not sent, nor what follows it") {
  const Bytes all = With(IPVS_CMD_FLUSH, kAll);
  const Bytes flush = Start(IPVS_CMD_FLUSH, 0);
  for (const Need& need : kNeeds) {
    for (uint32_t parts = 0; parts <= kAll; parts++) {
      row = "command " + std::to_string(need.command) + " with parts " + std::to_string(parts);
      const bool whole = (need.parts & ~parts) == 0;
      const Sent alone = Read(With(need.command, parts) + flush);
      CHECK_EQ(alone.ok, whole);
      CHECK_EQ(alone.messages.size(), whole ? 2u : 0u);
      // The service is the one part that stays.
      const bool enough = (need.parts & ~(parts | 0x01)) == 0;
      const Sent behind = Read(all + With(need.command, parts) + flush);
      CHECK_EQ(behind.ok, enough);
      CHECK_EQ(behind.messages.size(), enough ? 3u : 1u);
    }
  }
}

TEST("A stream that ends inside a request is refused, and what stands before that is not") {
  const Bytes flush = Start(IPVS_CMD_FLUSH, 0);
  for (const Need& need : kNeeds) {
    for (const uint32_t parts : {need.parts, kAll}) {
      const Bytes whole = With(need.command, parts);
      for (size_t size = 1; size < whole.size(); size++) {
        row = "command " + std::to_string(need.command) + ", " + std::to_string(size) + " of " +
              std::to_string(whole.size()) + " bytes";
        const Sent sent = Read(flush + ToBytes(ByteView(whole).First(size)));
        CHECK(!sent.ok);
        CHECK_EQ(sent.messages.size(), 1u);
      }
      CHECK(Read(whole).ok);
    }
  }
  CHECK(Read({}).ok);
  CHECK_EQ(Read({}).messages.size(), 0u);
}

TEST("Whatever JavaScript wrote, a text ends inside its column") {
  const Bytes full(16, 'x');
  const Bytes service = Words({0, 0, 0, 0}) + full + Bytes(20, 'y');
  const Bytes daemon = Words({1}) + full + Bytes(kDaemon.size() - 20);
  for (const bool is_daemon : {false, true}) {
    const Bytes stream = is_daemon ? Start(IPVS_CMD_NEW_DAEMON, 0x80) + daemon
                                   : Start(IPVS_CMD_NEW_SERVICE, 0x03) + kKey + service;
    const Exact exact{ByteView(stream)};
    RequestReader reader(exact.view());
    Request request;
    std::memset(request.service.scheduler, 'z', sizeof(request.service.scheduler));
    std::memset(request.service.engine, 'z', sizeof(request.service.engine));
    std::memset(request.daemon.interface, 'z', sizeof(request.daemon.interface));
    if (!CHECK(reader.Next(&request))) continue;
    if (is_daemon) {
      CHECK_EQ(std::string(request.daemon.interface), std::string(15, 'x'));
    } else {
      CHECK_EQ(std::string(request.service.scheduler), std::string(15, 'x'));
      CHECK_EQ(std::string(request.service.engine), std::string(16, 'y'));
    }
  }
}

TEST("Only what changes something and is always answered shares an acknowledgement") {
  for (const Need& need : kNeeds) {
    row = std::to_string(need.command);
    const Bytes stream = With(need.command, need.parts);
    RequestReader reader{ByteView(stream)};
    Request request;
    if (!CHECK(reader.Next(&request))) continue;
    CommandBatch batch;
    EncodeRequest(request, &batch);
    bool own = false;
    switch (need.command) {
      case IPVS_CMD_GET_SERVICE:
      case IPVS_CMD_GET_CONFIG:
      case IPVS_CMD_GET_INFO:
      case IPVS_CMD_NEW_DAEMON:
      case IPVS_CMD_DEL_DAEMON:
        own = true;
    }
    CHECK_EQ(batch.confirmation(0), own ? Confirmation::kOwn : Confirmation::kShared);
  }
}

TEST("Everything is set to zero where no service is named, and one where one is") {
  const Bytes nobody = Start(IPVS_CMD_ZERO, 0x01) + Bytes(16);
  CHECK_EQ(Only(nobody), Message(16, {}));
  CHECK_EQ(Only(With(IPVS_CMD_ZERO, 0x01)), Message(16, Nest(1, kWireKey)));
  // Also behind one that named a service.
  const Sent sent = Read(With(IPVS_CMD_ZERO, 0x01) + nobody + Start(IPVS_CMD_ZERO, 0));
  if (!CHECK_EQ(sent.messages.size(), 3u)) return;
  CHECK_EQ(sent.messages[1], Message(16, {}));
}

TEST("The layout tells where each column starts, and how large each part is") {
  const std::vector<uint32_t> layout = RequestLayout();
  const std::vector<uint32_t> want = {
      0, 4, 8,  12, 16,              // the service's key
      0, 4, 8,  12, 16, 32, 52,      // the service
      0, 4, 8,                       // the destination's key
      0, 4, 8,                       // the destination
      0, 4, 8,                       // its limits
      0, 4, 8,  12,                  // its tunnel
      0, 4, 8,  12,                  // timeouts
      0, 4, 20, 24, 28, 32, 36, 40,  // the daemon
  };
  CHECK(layout == want);
}

}  // namespace
}  // namespace ipvs::addon
