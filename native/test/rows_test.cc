#include "addon/rows.h"

#include <sys/socket.h>

#include <cstring>
#include <string>

#include "harness.h"

namespace ipvs::addon {
namespace {

using namespace ipvs::test;

Stats Counted(uint64_t step) {
  Stats stats;
  uint64_t* const counters[] = {&stats.connections,          &stats.incoming_packets,
                                &stats.outgoing_packets,     &stats.incoming_bytes,
                                &stats.outgoing_bytes,       &stats.connection_rate,
                                &stats.incoming_packet_rate, &stats.outgoing_packet_rate,
                                &stats.incoming_byte_rate,   &stats.outgoing_byte_rate};
  for (size_t i = 0; i < 10; i++) *counters[i] = (i + 1) * step;
  return stats;
}

Bytes Counters(uint64_t step) {
  Bytes bytes;
  for (uint64_t i = 1; i <= 10; i++) bytes = bytes + Native(i * step);
  return bytes;
}

Bytes Words(const std::vector<uint32_t>& words) {
  Bytes bytes;
  for (const uint32_t word : words) bytes = bytes + Native(word);
  return bytes;
}

Bytes Texts(const std::string& text, size_t size) {
  Bytes bytes(text.begin(), text.end());
  bytes.resize(size);
  return bytes;
}

template <typename Row>
Bytes ToBytes(const Row& row) {
  return Native(row);
}

constexpr uint64_t kLarge = uint64_t{1} << 60;

TEST("A service's row has each of its values in its column, and nothing else") {
  Service service;
  service.key.family = AF_INET;
  service.key.protocol = 6;
  const Bytes address = Hex("0a00 0001") + Bytes(12);
  std::memcpy(service.key.address.bytes, address.data(), address.size());
  service.key.port = 80;
  service.key.fwmark = 0xffffffff;
  std::strcpy(service.scheduler, "scheduler-of-15");
  std::strcpy(service.engine, "engine-of-16-cha");
  service.flags = 0x3d;
  service.flags_mask = 99;
  service.timeout = 300;
  service.netmask = 0x00ffffff;  // 255.255.255.0 as it lies in memory
  service.stats = Counted(kLarge);
  service.stats.wide = true;
  CHECK_EQ(ToBytes(ToRow(service)),
           Words({AF_INET, 6, 80, 0xffffffff}) + address + Words({0x3d, 300, 0xffffff00}) +
               Texts("scheduler-of-15", 16) + Texts("engine-of-16-cha", 20) + Words({1, 0}) +
               Counters(kLarge));
  CHECK_EQ(ToBytes(ToRow(Service())), Bytes(168));

  // A prefix length is a number, and not turned around.
  Service six;
  six.key.family = AF_INET6;
  six.netmask = 64;
  CHECK_EQ(ToRow(six).netmask, 64u);
}

TEST("A destination's row has each of its values in its column, and nothing else") {
  Destination destination;
  destination.key.family = AF_INET6;
  destination.key.port = 8080;
  const Bytes address = Hex("2001 0db8 0000 0000 0000 0000 0000 0005");
  std::memcpy(destination.key.address.bytes, address.data(), address.size());
  destination.forwarding = 2;
  destination.weight = 7;
  destination.upper_threshold = 90;
  destination.lower_threshold = 30;
  destination.tunnel_type = 1;
  destination.tunnel_port = 6080;
  destination.tunnel_flags = 3;
  destination.active_connections = 11;
  destination.inactive_connections = 12;
  destination.persistent_connections = 13;
  destination.stats = Counted(5);
  CHECK_EQ(ToBytes(ToRow(destination)), Words({AF_INET6, 8080}) + address +
                                            Words({2, 7, 90, 30, 1, 6080, 3, 11, 12, 13}) +
                                            Counters(5));
  CHECK_EQ(ToBytes(ToRow(Destination())), Bytes(144));
}

TEST("The layout tells where each column of a row starts, and how large each row is") {
  const std::vector<uint32_t> layout = RowLayout();
  const std::vector<uint32_t> want = {
      0, 4, 8, 12, 16, 32, 36, 40, 44, 60, 80, 88, 168,           // a service
      0, 4, 8, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60,  64, 144,  // a destination
  };
  CHECK(layout == want);
}

}  // namespace
}  // namespace ipvs::addon
