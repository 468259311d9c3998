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

Destination Weighed(uint8_t address, uint32_t weight, uint32_t active = 0) {
  Destination made;
  made.key.family = AF_INET;
  made.key.address.bytes[0] = address;
  made.weight = weight;
  made.active_connections = active;
  return made;
}

std::string TextOf(const std::vector<Destination>& list) {
  std::string text;
  for (const Destination& each : list) {
    text += std::to_string(each.key.address.bytes[0]) + ":" + std::to_string(each.weight) + "/" +
            std::to_string(each.active_connections) + " ";
  }
  return text;
}

// What a second dump makes of the first, whether it agrees, and what it lacks.
std::string Revised(const std::vector<Destination>& again) {
  std::vector<Destination> records = {Weighed(1, 10), Weighed(3, 30), Weighed(5, 50)};
  std::vector<Destination> gone;
  Revision<Destination> revision(&records);
  for (const Destination& each : again) revision.Add(each);
  const bool same = revision.Finish(&gone);
  return TextOf(records) + (same ? "same" : "other") + " " + TextOf(gone);
}

// Catches a list that counts as settled although a dump was torn, and one that never does.
TEST("A second dump agrees with the first where the same is configured, in any order") {
  CHECK_EQ(Revised({Weighed(5, 50), Weighed(1, 10, 7), Weighed(3, 30)}),
           "1:10/7 3:30/0 5:50/0 same ");
  CHECK_EQ(Revised({Weighed(3, 30), Weighed(1, 10), Weighed(5, 50), Weighed(1, 10)}),
           "1:10/0 3:30/0 5:50/0 same ");
  CHECK_EQ(Revised({Weighed(1, 10), Weighed(3, 31), Weighed(5, 50)}),
           "1:10/0 3:31/0 5:50/0 other ");
  CHECK_EQ(Revised({Weighed(5, 50), Weighed(1, 10)}), "1:10/0 5:50/0 other 3:30/0 ");
  CHECK_EQ(Revised({Weighed(6, 60), Weighed(1, 10), Weighed(3, 30), Weighed(5, 50), Weighed(0, 1)}),
           "0:1/0 1:10/0 3:30/0 5:50/0 6:60/0 other ");
  CHECK_EQ(Revised({Weighed(4, 40), Weighed(1, 10), Weighed(4, 40), Weighed(5, 51)}),
           "1:10/0 4:40/0 5:51/0 other 3:30/0 ");
  CHECK_EQ(Revised({}), "other 1:10/0 3:30/0 5:50/0 ");
}

}  // namespace
}  // namespace ipvs::test
