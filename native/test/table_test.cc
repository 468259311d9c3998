#include "core/table.h"

#include <sys/socket.h>

#include <string>
#include <vector>

#include "harness.h"

namespace ipvs::test {
namespace {

TEST("Destinations are picked out of a list by their keys, in the order of the keys") {
  const auto key = [](uint16_t family, uint8_t address, uint16_t port) {
    DestinationKey made;
    made.family = family;
    made.address.bytes[0] = address;
    made.port = port;
    return made;
  };
  std::vector<Destination> sorted;
  for (const uint16_t family : {uint16_t{AF_INET}, uint16_t{AF_INET6}}) {
    for (const uint8_t address : {uint8_t{1}, uint8_t{3}, uint8_t{5}}) {
      for (const uint16_t port : {uint16_t{80}, uint16_t{90}}) {
        sorted.emplace_back();
        sorted.back().key = key(family, address, port);
        sorted.back().weight = static_cast<uint32_t>(sorted.size());
      }
    }
  }
  const auto weights = [&sorted](const std::vector<DestinationKey>& keys) {
    std::string text;
    for (const Destination& each : Pick(sorted, keys)) text += std::to_string(each.weight) + " ";
    return text;
  };
  CHECK_EQ(weights({}), "");
  CHECK_EQ(weights({key(AF_INET6, 5, 90), key(AF_INET, 1, 80), key(AF_INET, 3, 90)}), "12 1 4 ");
  CHECK_EQ(weights({key(AF_INET, 0, 80), key(AF_INET, 3, 81), key(AF_INET6, 6, 80)}), "");
  CHECK_EQ(weights({key(AF_INET, 4, 80), key(AF_INET, 5, 80), DestinationKey()}), "5 ");
  sorted.clear();
  CHECK_EQ(weights({key(AF_INET, 1, 80)}), "");
}

}  // namespace
}  // namespace ipvs::test
