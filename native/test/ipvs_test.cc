#include "core/ipvs.h"

#include <sys/socket.h>

#include <cstring>
#include <string>

#include "harness.h"
#include "replies.h"

namespace ipvs::test {
namespace {

constexpr uint16_t kFamily = 0x1c;

Address AddressOf(const std::string& hex) {
  Address address;
  const Bytes bytes = Hex(hex);
  std::memcpy(address.bytes, bytes.data(), bytes.size());
  return address;
}

ServiceKey Web() {
  ServiceKey key;
  key.family = AF_INET;
  key.protocol = 6;
  key.address = AddressOf("0a00 0001");
  key.port = 80;
  return key;
}

// The message that carries one command, in hex as the kernel receives it.
Bytes Command(uint8_t command, void (*encode)(AttributeWriter* writer)) {
  CommandBatch batch;
  AttributeWriter writer = batch.Add(command, IPVS_GENL_VERSION, Confirmation::kOwn);
  encode(&writer);
  return ToBytes(batch.Seal(kFamily, 1));
}

TEST("NEW_SERVICE of an IPv4 service is this, byte by byte") {
  const Bytes message = Command(IPVS_CMD_NEW_SERVICE, [](AttributeWriter* writer) {
    Service service;
    service.key = Web();
    std::strcpy(service.scheduler, "wlc");
    service.flags = 0x01;
    service.flags_mask = 0x3d;
    service.timeout = 300;
    service.netmask = 0x00ffffff;  // 255.255.255.0 as it lies in memory
    EncodeService(service, writer);
  });
  CHECK_EQ(message, Hex("6800 0000 1c00 0500 0100 0000 0000 0000"
                        "0101 0000"
                        "5400 0180"
                        "  0600 0100 0200 0000"
                        "  0600 0200 0600 0000"
                        "  1400 0300 0a00 0001 0000 0000 0000 0000 0000 0000"
                        "  0600 0400 0050 0000"
                        "  0800 0600 776c 6300"
                        "  0c00 0700 0100 0000 3d00 0000"
                        "  0800 0800 2c01 0000"
                        "  0800 0900 ffff ff00"));
}

TEST("NEW_SERVICE of an IPv6 service with an engine is this, byte by byte") {
  const Bytes message = Command(IPVS_CMD_NEW_SERVICE, [](AttributeWriter* writer) {
    Service service;
    service.key.family = AF_INET6;
    service.key.protocol = 17;
    service.key.address = AddressOf("2001 0db8 0000 0000 0000 0000 0000 0001");
    service.key.port = 5060;
    std::strcpy(service.scheduler, "rr");
    std::strcpy(service.engine, "sip");
    service.flags = 0x01;
    service.flags_mask = 0x3d;
    service.timeout = 60;
    service.netmask = 128;  // a prefix length, of this machine's byte order
    EncodeService(service, writer);
  });
  CHECK_EQ(message, Hex("7000 0000 1c00 0500 0100 0000 0000 0000"
                        "0101 0000"
                        "5c00 0180"
                        "  0600 0100 0a00 0000"
                        "  0600 0200 1100 0000"
                        "  1400 0300 2001 0db8 0000 0000 0000 0000 0000 0001"
                        "  0600 0400 13c4 0000"
                        "  0700 0600 7272 0000"
                        "  0800 0b00 7369 7000"
                        "  0c00 0700 0100 0000 3d00 0000"
                        "  0800 0800 3c00 0000"
                        "  0800 0900 8000 0000"));
}

TEST("NEW_SERVICE of the largest mark carries the mark and no address") {
  const Bytes message = Command(IPVS_CMD_NEW_SERVICE, [](AttributeWriter* writer) {
    Service service;
    service.key = Web();  // a mark wins over all of it
    service.key.fwmark = 4294967295u;
    std::strcpy(service.scheduler, "wlc");
    service.flags_mask = 0x3d;
    service.netmask = 0xffffffff;
    EncodeService(service, writer);
  });
  CHECK_EQ(message, Hex("4c00 0000 1c00 0500 0100 0000 0000 0000"
                        "0101 0000"
                        "3800 0180"
                        "  0600 0100 0200 0000"
                        "  0800 0500 ffff ffff"
                        "  0800 0600 776c 6300"
                        "  0c00 0700 0000 0000 3d00 0000"
                        "  0800 0800 0000 0000"
                        "  0800 0900 ffff ffff"));
}

TEST("The longest scheduler and engine are written with their NUL") {
  Service service;
  service.key = Web();
  std::memset(service.scheduler, 's', 15);
  std::memset(service.engine, 'e', 16);
  Bytes out;
  AttributeWriter writer(&out);
  EncodeService(service, &writer);
  const Bytes names =
      TextAttribute(6, std::string(15, 's')) + TextAttribute(11, std::string(16, 'e'));
  CHECK(std::string(out.begin(), out.end()).find(std::string(names.begin(), names.end())) !=
        std::string::npos);
}

TEST("DEL_SERVICE carries the key and nothing else") {
  CHECK_EQ(Command(IPVS_CMD_DEL_SERVICE,
                   [](AttributeWriter* writer) { EncodeServiceKey(Web(), writer); }),
           Hex("4400 0000 1c00 0500 0100 0000 0000 0000"
               "0301 0000"
               "3000 0180"
               "  0600 0100 0200 0000"
               "  0600 0200 0600 0000"
               "  1400 0300 0a00 0001 0000 0000 0000 0000 0000 0000"
               "  0600 0400 0050 0000"));
  CHECK_EQ(Command(IPVS_CMD_DEL_SERVICE,
                   [](AttributeWriter* writer) {
                     ServiceKey key;
                     key.family = AF_INET6;
                     key.fwmark = 7;
                     EncodeServiceKey(key, writer);
                   }),
           Hex("2800 0000 1c00 0500 0100 0000 0000 0000"
               "0301 0000"
               "1400 0180"
               "  0600 0100 0a00 0000"
               "  0800 0500 0700 0000"));
}

TEST("SET_DEST of a GUE destination is this, byte by byte") {
  const Bytes message = Command(IPVS_CMD_SET_DEST, [](AttributeWriter* writer) {
    Destination destination;
    destination.key.family = AF_INET;
    destination.key.address = AddressOf("0a00 0002");
    destination.key.port = 80;
    destination.forwarding = 2;
    destination.weight = 70000;  // more than 16 bits
    destination.upper_threshold = 9;
    destination.lower_threshold = 3;
    destination.tunnel_type = 1;
    destination.tunnel_port = 6080;
    destination.tunnel_flags = 1;
    EncodeServiceKey(Web(), writer);
    EncodeDestination(destination, writer);
  });
  CHECK_EQ(message, Hex("a400 0000 1c00 0500 0100 0000 0000 0000"
                        "0601 0000"
                        "3000 0180"
                        "  0600 0100 0200 0000"
                        "  0600 0200 0600 0000"
                        "  1400 0300 0a00 0001 0000 0000 0000 0000 0000 0000"
                        "  0600 0400 0050 0000"
                        "6000 0280"
                        "  1400 0100 0a00 0002 0000 0000 0000 0000 0000 0000"
                        "  0600 0200 0050 0000"
                        "  0600 0b00 0200 0000"
                        "  0800 0300 0200 0000"
                        "  0800 0400 7011 0100"
                        "  0800 0500 0900 0000"
                        "  0800 0600 0300 0000"
                        "  0500 0d00 0100 0000"
                        "  0600 0e00 17c0 0000"
                        "  0600 0f00 0100 0000"));
}

TEST("A plain destination is written without a tunnel, which is how the kernel forgets one") {
  Destination destination;
  destination.key.family = AF_INET;
  destination.key.address = AddressOf("0a00 0002");
  destination.key.port = 8080;
  destination.weight = 1;
  Bytes out;
  AttributeWriter writer(&out);
  EncodeDestination(destination, &writer);
  CHECK_EQ(out, Hex("4800 0280"
                    "  1400 0100 0a00 0002 0000 0000 0000 0000 0000 0000"
                    "  0600 0200 1f90 0000"
                    "  0600 0b00 0200 0000"
                    "  0800 0300 0000 0000"
                    "  0800 0400 0100 0000"
                    "  0800 0500 0000 0000"
                    "  0800 0600 0000 0000"));
}

TEST("DEL_DEST of an IPv6 destination of an IPv4 service says its family") {
  const Bytes message = Command(IPVS_CMD_DEL_DEST, [](AttributeWriter* writer) {
    DestinationKey key;
    key.family = AF_INET6;
    key.address = AddressOf("2001 0db8 0000 0000 0000 0000 0000 0002");
    key.port = 80;
    EncodeServiceKey(Web(), writer);
    EncodeDestinationKey(key, writer);
  });
  CHECK_EQ(message, Hex("6c00 0000 1c00 0500 0100 0000 0000 0000"
                        "0701 0000"
                        "3000 0180"
                        "  0600 0100 0200 0000"
                        "  0600 0200 0600 0000"
                        "  1400 0300 0a00 0001 0000 0000 0000 0000 0000 0000"
                        "  0600 0400 0050 0000"
                        "2800 0280"
                        "  1400 0100 2001 0db8 0000 0000 0000 0000 0000 0002"
                        "  0600 0200 0050 0000"
                        "  0600 0b00 0a00 0000"));
}

// Empty where it decodes, otherwise what is wrong.
std::string Decode(const Bytes& attributes, Service* service) {
  const Exact exact{ByteView(attributes)};
  DecodeError error;
  const bool ok = DecodeService(exact.view(), service, &error);
  CHECK_EQ(ok, error.ok());
  return error.text();
}

std::string Decode(const Bytes& attributes, Destination* destination, uint16_t family = AF_INET) {
  const Exact exact{ByteView(attributes)};
  DecodeError error;
  const bool ok = DecodeDestination(exact.view(), family, destination, &error);
  CHECK_EQ(ok, error.ok());
  return error.text();
}

std::string Show(const Stats& s) {
  std::string text;
  for (const uint64_t counter :
       {s.connections, s.incoming_packets, s.outgoing_packets, s.incoming_bytes, s.outgoing_bytes,
        s.connection_rate, s.incoming_packet_rate, s.outgoing_packet_rate, s.incoming_byte_rate,
        s.outgoing_byte_rate}) {
    text += (text.empty() ? "" : " ") + std::to_string(counter);
  }
  return text;
}

constexpr char kZero[] = "0 0 0 0 0 0 0 0 0 0";
constexpr char kNarrow[] = "1 2 3 4 5 6 7 8 9 10";
constexpr char kWide[] =
    "4294967297 4294967298 4294967299 4294967300 4294967301 4294967302 4294967303 4294967304 "
    "4294967305 4294967306";

TEST("Every field of a service is read, and the kernel's own flag left out") {
  Service service;
  CHECK_EQ(Decode(ServiceReply(ServiceParts()), &service), "");
  CHECK_EQ(service.key.family, AF_INET);
  CHECK_EQ(service.key.protocol, 6u);
  CHECK_EQ(ToBytes(ByteView(service.key.address.bytes, 16)),
           Hex("0a00 0001 0000 0000 0000 0000 0000 0000"));
  CHECK_EQ(service.key.port, 80u);
  CHECK_EQ(service.key.fwmark, 0u);
  CHECK_EQ(std::string(service.scheduler), "wrr");
  CHECK_EQ(std::string(service.engine), "sip");
  CHECK_EQ(service.flags, 1u);
  CHECK_EQ(service.timeout, 300u);
  CHECK_EQ(service.netmask, 0x00ffffffu);
  CHECK_EQ(Show(service.stats), kZero);
}

TEST("No flag but the kernel's own is left out") {
  Service service;
  CHECK_EQ(Decode(ServiceReply(With(ServiceParts(), 7, "ffff ffff ffff ffff")), &service), "");
  CHECK_EQ(service.flags, 0xfffffffdu);
}

TEST("A service of a mark has no address") {
  Parts parts = ServiceParts();
  for (const Part& part : ServiceParts()) {
    if (part.type == 2 || part.type == 3 || part.type == 4) parts = Without(parts, part.type);
  }
  Service service;
  CHECK_EQ(Decode(ServiceReply(With(parts, 5, "ffff ffff")), &service), "");
  CHECK_EQ(service.key.fwmark, 4294967295u);
  CHECK_EQ(service.key.protocol, 0u);
  CHECK_EQ(service.key.port, 0u);
}

TEST("The longest scheduler and engine are read") {
  const auto hex = [](const std::string& text) { return ToHex(Bytes(text.begin(), text.end())); };
  Parts parts = With(ServiceParts(), 6, hex(std::string(15, 's')) + "00");
  parts = With(parts, 11, hex(std::string(16, 'e')) + "00");
  Service service;
  CHECK_EQ(Decode(ServiceReply(parts), &service), "");
  CHECK_EQ(std::string(service.scheduler), std::string(15, 's'));
  CHECK_EQ(std::string(service.engine), std::string(16, 'e'));
}

TEST("A service reply that lacks an attribute or has a wrong one names it") {
  struct {
    const char* what;
    Bytes attributes;
    const char* error;
  } const rows[] = {
      {"no AF", ServiceReply(Without(ServiceParts(), 1)), "IPVS_SVC_ATTR_AF: is missing"},
      {"no PROTOCOL", ServiceReply(Without(ServiceParts(), 2)),
       "IPVS_SVC_ATTR_PROTOCOL: is missing"},
      {"no ADDR", ServiceReply(Without(ServiceParts(), 3)), "IPVS_SVC_ATTR_ADDR: is missing"},
      {"no PORT", ServiceReply(Without(ServiceParts(), 4)), "IPVS_SVC_ATTR_PORT: is missing"},
      {"no SCHED_NAME", ServiceReply(Without(ServiceParts(), 6)),
       "IPVS_SVC_ATTR_SCHED_NAME: is missing"},
      {"no FLAGS", ServiceReply(Without(ServiceParts(), 7)), "IPVS_SVC_ATTR_FLAGS: is missing"},
      {"no TIMEOUT", ServiceReply(Without(ServiceParts(), 8)), "IPVS_SVC_ATTR_TIMEOUT: is missing"},
      {"no NETMASK", ServiceReply(Without(ServiceParts(), 9)), "IPVS_SVC_ATTR_NETMASK: is missing"},
      {"no PE_NAME", ServiceReply(Without(ServiceParts(), 11)), ""},
      {"an empty nest", ServiceReply({}), "IPVS_SVC_ATTR_AF: is missing"},
      {"no nest", {}, "IPVS_CMD_ATTR_SERVICE: is missing"},
      {"another nest", DestinationReply(ServiceParts()), "IPVS_CMD_ATTR_SERVICE: is missing"},
      // 33 is 1 modulo 32: an attribute that nobody knows must not pass for AF.
      {"33 instead of AF", ServiceReply(With(Without(ServiceParts(), 1), 33, "0200")),
       "IPVS_SVC_ATTR_AF: is missing"},
      {"AF of 4 bytes", ServiceReply(With(ServiceParts(), 1, "0200 0000")),
       "IPVS_SVC_ATTR_AF: has the wrong size"},
      {"PROTOCOL of 1 byte", ServiceReply(With(ServiceParts(), 2, "06")),
       "IPVS_SVC_ATTR_PROTOCOL: has the wrong size"},
      {"ADDR of 4 bytes", ServiceReply(With(ServiceParts(), 3, "0a00 0001")),
       "IPVS_SVC_ATTR_ADDR: has the wrong size"},
      {"PORT of 4 bytes", ServiceReply(With(ServiceParts(), 4, "0050 0000")),
       "IPVS_SVC_ATTR_PORT: has the wrong size"},
      {"FWMARK of 2 bytes", ServiceReply(With(ServiceParts(), 5, "0100")),
       "IPVS_SVC_ATTR_FWMARK: has the wrong size"},
      {"SCHED_NAME of 16 characters",
       ServiceReply(With(ServiceParts(), 6, "7777 7777 7777 7777 7777 7777 7777 7777 00")),
       "IPVS_SVC_ATTR_SCHED_NAME: is too long"},
      {"SCHED_NAME without NUL", ServiceReply(With(ServiceParts(), 6, "7772 72")),
       "IPVS_SVC_ATTR_SCHED_NAME: is not terminated"},
      {"FLAGS of 4 bytes", ServiceReply(With(ServiceParts(), 7, "0100 0000")),
       "IPVS_SVC_ATTR_FLAGS: has the wrong size"},
      {"TIMEOUT of 8 bytes", ServiceReply(With(ServiceParts(), 8, "0100 0000 0000 0000")),
       "IPVS_SVC_ATTR_TIMEOUT: has the wrong size"},
      {"NETMASK of 1 byte", ServiceReply(With(ServiceParts(), 9, "20")),
       "IPVS_SVC_ATTR_NETMASK: has the wrong size"},
      {"PE_NAME of 17 characters",
       ServiceReply(With(ServiceParts(), 11, "7777 7777 7777 7777 7777 7777 7777 7777 77 00")),
       "IPVS_SVC_ATTR_PE_NAME: is too long"},
      {"a narrow counter of 8 bytes",
       ServiceReply(With(ServiceParts(), 10, Text({{1, "0100 0000 0000 0000"}}))),
       "IPVS_STATS_ATTR_CONNS: has the wrong size"},
      {"a wide counter of 4 bytes",
       ServiceReply(With(ServiceParts(), 12, Text({{6, "0100 0000"}}))),
       "IPVS_STATS_ATTR_CPS: has the wrong size"},
      {"narrow bytes of 4 bytes", ServiceReply(With(ServiceParts(), 10, Text({{5, "0100 0000"}}))),
       "IPVS_STATS_ATTR_OUTBYTES: has the wrong size"},
      {"counters that do not walk", ServiceReply(With(ServiceParts(), 12, "0300 0100")),
       "IPVS_SVC_ATTR_STATS64: holds an attribute whose length does not fit"},
  };
  for (const auto& r : rows) {
    row = r.what;
    Service service;
    CHECK_EQ(Decode(r.attributes, &service), r.error);
  }
}

TEST("Every field of a destination is read") {
  Destination destination;
  CHECK_EQ(Decode(DestinationReply(DestinationParts()), &destination), "");
  CHECK_EQ(destination.key.family, AF_INET);
  CHECK_EQ(ToBytes(ByteView(destination.key.address.bytes, 16)),
           Hex("0a00 0002 0000 0000 0000 0000 0000 0000"));
  CHECK_EQ(destination.key.port, 8080u);
  CHECK_EQ(destination.forwarding, 2u);
  CHECK_EQ(destination.weight, 100u);
  CHECK_EQ(destination.upper_threshold, 9u);
  CHECK_EQ(destination.lower_threshold, 3u);
  CHECK_EQ(destination.active_connections, 5u);
  CHECK_EQ(destination.inactive_connections, 6u);
  CHECK_EQ(destination.persistent_connections, 7u);
  CHECK_EQ(destination.tunnel_type, 1u);
  CHECK_EQ(destination.tunnel_port, 6080u);
  CHECK_EQ(destination.tunnel_flags, 1u);
  CHECK_EQ(Show(destination.stats), kZero);
}

TEST("A destination says its family, or is of its service's") {
  Parts parts = DestinationParts();
  struct {
    const char* what;
    Parts parts;
    uint16_t service_family;
    uint16_t family;
  } const rows[] = {
      {"said, the same", parts, AF_INET, AF_INET},
      {"said, another", With(parts, 11, "0a00"), AF_INET, AF_INET6},
      {"not said", Without(parts, 11), AF_INET6, AF_INET6},
      {"said to be none", With(parts, 11, "0000"), AF_INET6, AF_INET6},
  };
  for (const auto& r : rows) {
    row = r.what;
    Destination destination;
    CHECK_EQ(Decode(DestinationReply(r.parts), &destination, r.service_family), "");
    CHECK_EQ(destination.key.family, r.family);
  }
}

TEST("Of the forwarding method's word only the method is read") {
  // IP_VS_CONN_F_NOOUTPUT and others share the word.
  Destination destination;
  CHECK_EQ(Decode(DestinationReply(With(DestinationParts(), 3, "0b21 0000")), &destination), "");
  CHECK_EQ(destination.forwarding, 3u);
}

TEST("A destination reply that lacks an attribute or has a wrong one names it") {
  const Parts parts = DestinationParts();
  struct {
    const char* what;
    Bytes attributes;
    const char* error;
  } const rows[] = {
      {"no ADDR", DestinationReply(Without(parts, 1)), "IPVS_DEST_ATTR_ADDR: is missing"},
      {"no PORT", DestinationReply(Without(parts, 2)), "IPVS_DEST_ATTR_PORT: is missing"},
      {"no FWD_METHOD", DestinationReply(Without(parts, 3)),
       "IPVS_DEST_ATTR_FWD_METHOD: is missing"},
      {"no WEIGHT", DestinationReply(Without(parts, 4)), "IPVS_DEST_ATTR_WEIGHT: is missing"},
      {"no U_THRESH", DestinationReply(Without(parts, 5)), "IPVS_DEST_ATTR_U_THRESH: is missing"},
      {"no L_THRESH", DestinationReply(Without(parts, 6)), "IPVS_DEST_ATTR_L_THRESH: is missing"},
      // What older kernels do not send.
      {"no TUN_TYPE", DestinationReply(Without(parts, 13)), ""},
      {"no TUN_PORT", DestinationReply(Without(parts, 14)), ""},
      {"no TUN_FLAGS", DestinationReply(Without(parts, 15)), ""},
      {"an empty nest", DestinationReply({}), "IPVS_DEST_ATTR_ADDR: is missing"},
      {"no nest", {}, "IPVS_CMD_ATTR_DEST: is missing"},
      {"another nest", ServiceReply(parts), "IPVS_CMD_ATTR_DEST: is missing"},
      {"36 instead of WEIGHT", DestinationReply(With(Without(parts, 4), 36, "6400 0000")),
       "IPVS_DEST_ATTR_WEIGHT: is missing"},
      {"ADDR of 17 bytes",
       DestinationReply(With(parts, 1, "0a00 0002 0000 0000 0000 0000 0000 0000 00")),
       "IPVS_DEST_ATTR_ADDR: has the wrong size"},
      {"PORT of 1 byte", DestinationReply(With(parts, 2, "50")),
       "IPVS_DEST_ATTR_PORT: has the wrong size"},
      {"FWD_METHOD of 1 byte", DestinationReply(With(parts, 3, "02")),
       "IPVS_DEST_ATTR_FWD_METHOD: has the wrong size"},
      {"WEIGHT of 2 bytes", DestinationReply(With(parts, 4, "6400")),
       "IPVS_DEST_ATTR_WEIGHT: has the wrong size"},
      {"U_THRESH of 8 bytes", DestinationReply(With(parts, 5, "0900 0000 0000 0000")),
       "IPVS_DEST_ATTR_U_THRESH: has the wrong size"},
      {"L_THRESH of no bytes", DestinationReply(With(parts, 6, "")),
       "IPVS_DEST_ATTR_L_THRESH: has the wrong size"},
      {"ACTIVE_CONNS of 2 bytes", DestinationReply(With(parts, 7, "0500")),
       "IPVS_DEST_ATTR_ACTIVE_CONNS: has the wrong size"},
      {"INACT_CONNS of 8 bytes", DestinationReply(With(parts, 8, "0500 0000 0000 0000")),
       "IPVS_DEST_ATTR_INACT_CONNS: has the wrong size"},
      {"PERSIST_CONNS of 3 bytes", DestinationReply(With(parts, 9, "0500 00")),
       "IPVS_DEST_ATTR_PERSIST_CONNS: has the wrong size"},
      {"ADDR_FAMILY of 4 bytes", DestinationReply(With(parts, 11, "0200 0000")),
       "IPVS_DEST_ATTR_ADDR_FAMILY: has the wrong size"},
      {"TUN_TYPE of 2 bytes", DestinationReply(With(parts, 13, "0100")),
       "IPVS_DEST_ATTR_TUN_TYPE: has the wrong size"},
      {"TUN_PORT of 4 bytes", DestinationReply(With(parts, 14, "17c0 0000")),
       "IPVS_DEST_ATTR_TUN_PORT: has the wrong size"},
      {"TUN_FLAGS of 1 byte", DestinationReply(With(parts, 15, "01")),
       "IPVS_DEST_ATTR_TUN_FLAGS: has the wrong size"},
      {"a narrow counter of 8 bytes",
       DestinationReply(With(parts, 10, Text({{2, "0100 0000 0000 0000"}}))),
       "IPVS_STATS_ATTR_INPKTS: has the wrong size"},
      {"a wide counter of 4 bytes", DestinationReply(With(parts, 12, Text({{10, "0100 0000"}}))),
       "IPVS_STATS_ATTR_OUTBPS: has the wrong size"},
  };
  for (const auto& r : rows) {
    row = r.what;
    Destination destination;
    CHECK_EQ(Decode(r.attributes, &destination), r.error);
  }
}

TEST("Counters are read from whichever form is there, the wide one first") {
  const std::string narrow = Text(NarrowStats());
  const std::string wide = Text(WideStats());
  struct {
    const char* what;
    Parts added;
    const char* stats;
  } const rows[] = {
      {"none", {}, kZero},
      {"narrow", {{10, narrow}}, kNarrow},
      {"wide", {{12, wide}}, kWide},
      {"narrow, then wide", {{10, narrow}, {12, wide}}, kWide},
      {"wide, then narrow", {{12, wide}, {10, narrow}}, kWide},
      {"narrow with padding", {{10, Text(With(NarrowStats(), 11, ""))}}, kNarrow},
  };
  for (const auto& r : rows) {
    row = r.what;
    Parts service_parts = ServiceParts();
    Parts destination_parts = DestinationParts();
    for (const Part& part : r.added) {
      service_parts.push_back(part);
      destination_parts.push_back(part);
    }
    Service service;
    CHECK_EQ(Decode(ServiceReply(service_parts), &service), "");
    CHECK_EQ(Show(service.stats), r.stats);
    CHECK_EQ(std::string(service.engine), "sip");  // number 11, as the counters' padding
    Destination destination;
    CHECK_EQ(Decode(DestinationReply(destination_parts), &destination), "");
    CHECK_EQ(Show(destination.stats), r.stats);
    CHECK_EQ(destination.key.family, AF_INET);  // number 11 as well
  }
}

TEST("A narrow counter at its end is not taken for a negative one") {
  Service service;
  const std::string stats = Text({{1, "ffff ffff"}, {10, "0000 0080"}});
  CHECK_EQ(Decode(ServiceReply(With(ServiceParts(), 10, stats)), &service), "");
  CHECK_EQ(service.stats.connections, 4294967295u);
  CHECK_EQ(service.stats.outgoing_byte_rate, 2147483648u);
}

TEST("Attributes that nobody knows are skipped, at every level") {
  const auto strange = [](Parts parts) {
    parts.insert(parts.begin(), {31, "aabb cc"});
    parts.push_back({32, ""});
    parts.push_back({16383, "0102 0304 0506 0708 09"});
    return parts;
  };
  const Bytes around = Attribute(0, "aa") + Attribute(3, "0300 0100");
  const Parts stats = {{12, Text(strange(WideStats()))}};
  Service service;
  CHECK_EQ(Decode(around + ServiceReply(strange(With(ServiceParts(), 12, stats[0].value))) + around,
                  &service),
           "");
  CHECK_EQ(std::string(service.scheduler), "wrr");
  CHECK_EQ(Show(service.stats), kWide);
  Destination destination;
  CHECK_EQ(Decode(around + DestinationReply(strange(With(DestinationParts(), 12, stats[0].value))) +
                      around,
                  &destination),
           "");
  CHECK_EQ(destination.weight, 100u);
  CHECK_EQ(Show(destination.stats), kWide);
}

TEST("What is marked as nested is read like what is not") {
  // The kernel marks none of its replies today (nla_nest_start_noflag).
  Bytes reply = ServiceReply(ServiceParts());
  reply[3] = 0x80;
  Service service;
  CHECK_EQ(Decode(reply, &service), "");
  CHECK_EQ(std::string(service.scheduler), "wrr");
}

TEST("What is written is read back the same") {
  Service service;
  service.key = Web();
  std::strcpy(service.scheduler, "mh");
  std::strcpy(service.engine, "sip");
  service.flags = 0x39;
  service.timeout = 4294967;
  service.netmask = 0xffffffff;
  Bytes out;
  AttributeWriter writer(&out);
  EncodeService(service, &writer);
  Service read;
  CHECK_EQ(Decode(out, &read), "");
  CHECK_EQ(Compare(read.key, service.key), 0);
  CHECK_EQ(std::string(read.scheduler), "mh");
  CHECK_EQ(std::string(read.engine), "sip");
  CHECK_EQ(read.flags, 0x39u);
  CHECK_EQ(read.timeout, 4294967u);
  CHECK_EQ(read.netmask, 0xffffffffu);
}

ServiceKey Key(uint16_t family, uint16_t protocol, const std::string& address, uint16_t port,
               uint32_t fwmark = 0) {
  ServiceKey key;
  key.family = family;
  key.protocol = protocol;
  key.address = AddressOf(address);
  key.port = port;
  key.fwmark = fwmark;
  return key;
}

int Sign(int number) { return (number > 0) - (number < 0); }

// Every pair, so that a comparison that is not antisymmetric or not transitive is found.
template <typename T, size_t N>
void CheckOrder(const T (&sorted)[N]) {
  for (size_t i = 0; i < N; i++) {
    for (size_t j = 0; j < N; j++) {
      row = std::to_string(i) + " and " + std::to_string(j);
      CHECK_EQ(Sign(Compare(sorted[i], sorted[j])), i < j ? -1 : (i > j ? 1 : 0));
    }
  }
}

TEST("Services are ordered by address before mark, then family, protocol, address and port") {
  const ServiceKey sorted[] = {
      Key(AF_INET, 6, "0900 00ff", 443),
      Key(AF_INET, 6, "0a00 0001", 80),
      Key(AF_INET, 6, "0a00 0001", 255),
      Key(AF_INET, 6, "0a00 0001", 256),  // as numbers, not as they lie on the wire
      Key(AF_INET, 6, "0a00 0001", 65535),
      Key(AF_INET, 6, "0a00 0002", 0),
      Key(AF_INET, 6, "c000 0001", 1),  // bytes are unsigned
      Key(AF_INET, 17, "0100 0000", 1),
      Key(AF_INET, 256, "0100 0000", 1),
      Key(AF_INET6, 6, "0000 0000 0000 0000 0000 0000 0000 0001", 80),
      Key(AF_INET6, 6, "0000 0000 0000 0000 0000 0000 0000 0002", 1),
      Key(AF_INET, 0, "0000 0000", 0, 1),
      Key(AF_INET, 0, "0000 0000", 0, 2),
      Key(AF_INET, 0, "0000 0000", 0, 4294967295u),
      Key(AF_INET6, 0, "0000 0000", 0, 1),
  };
  CheckOrder(sorted);
}

TEST("Services of one mark are the same whatever else their keys hold") {
  CHECK_EQ(Compare(Key(AF_INET, 6, "0a00 0001", 80, 5), Key(AF_INET, 17, "0b00 0001", 81, 5)), 0);
}

TEST("Destinations are ordered by family, address and port") {
  const DestinationKey sorted[] = {
      {AF_INET, AddressOf("0900 00ff"), 443},
      {AF_INET, AddressOf("0a00 0001"), 0},
      {AF_INET, AddressOf("0a00 0001"), 255},
      {AF_INET, AddressOf("0a00 0001"), 256},
      {AF_INET, AddressOf("ff00 0000"), 1},
      {AF_INET6, AddressOf("0000 0000 0000 0000 0000 0000 0000 0001"), 80},
      {AF_INET6, AddressOf("0000 0000 0000 0000 0000 0000 0000 0002"), 1},
  };
  CheckOrder(sorted);
}

}  // namespace
}  // namespace ipvs::test
