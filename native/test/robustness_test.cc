// Broken input for everything that decodes. What is checked by hand is little; that nothing reads
// or writes where it must not is what the sanitizers are for.
#include <sys/socket.h>

#include <cstring>
#include <set>
#include <string>

#include "core/generic.h"
#include "core/ipvs.h"
#include "core/message.h"
#include "harness.h"
#include "replies.h"

namespace ipvs::test {
namespace {

bool TakeService(ByteView bytes) {
  Service service;
  std::memset(service.scheduler, 'x', sizeof(service.scheduler));
  std::memset(service.engine, 'x', sizeof(service.engine));
  DecodeError error;
  if (!DecodeService(bytes, &service, &error)) return false;
  // Whoever decodes relies on this: it is handed on as text. The engine may be absent.
  CHECK(std::memchr(service.scheduler, 0, sizeof(service.scheduler)) != nullptr);
  return true;
}

bool TakeDestination(ByteView bytes) {
  Destination destination;
  DecodeError error;
  if (!DecodeDestination(bytes, AF_INET, &destination, &error)) return false;
  CHECK(destination.forwarding <= 7);
  return true;
}

bool TakeFamilyId(ByteView bytes) {
  uint16_t id = 0;
  DecodeError error;
  if (!DecodeFamilyId(bytes, &id, &error)) return false;
  CHECK(id >= 16);
  return true;
}

// A datagram, and everything that may be in it.
bool TakeDatagram(ByteView bytes) {
  MessageReader reader(bytes);
  Message message;
  while (reader.Next(&message)) {
    Acknowledgement ack;
    if (DecodeErrorMessage(message, &ack)) CHECK(ack.error >= 0);
    ack = Acknowledgement();
    if (DecodeDoneMessage(message, &ack)) CHECK(ack.error >= 0);
    ack.Detail();
    ByteView attributes;
    if (!GenericPayload(message, &attributes)) continue;
    TakeService(attributes);
    TakeDestination(attributes);
    TakeFamilyId(attributes);
  }
  return reader.ok();
}

struct Target {
  const char* what;
  Bytes sample;
  bool (*take)(ByteView bytes);
};

std::vector<Target> Targets() {
  const Parts service = With(With(ServiceParts(), 10, Text(NarrowStats())), 12, Text(WideStats()));
  const Parts destination =
      With(With(DestinationParts(), 10, Text(NarrowStats())), 12, Text(WideStats()));
  const Bytes family = TextAttribute(2, "IPVS") + Attribute(1, "1c00") + Attribute(3, "0100 0000");
  const Bytes generic = Hex("0101 0000");
  const Bytes echo = Hex("1400 0000 1c00 0500 0700 0000 0000 0000");
  const Bytes why = TextAttribute(1, "no") + Attribute(2, "2c00 0000") + Attribute(5, "0900 0000");
  const uint16_t kMulti = NLM_F_MULTI;
  return {
      {"service", ServiceReply(service), TakeService},
      {"destination", DestinationReply(destination), TakeDestination},
      {"family", family, TakeFamilyId},
      {"a dump's datagram",
       NetlinkMessage(0x1c, kMulti, 7, 9, generic + ServiceReply(ServiceParts())) +
           NetlinkMessage(0x1c, kMulti, 7, 9, generic + DestinationReply(DestinationParts())) +
           NetlinkMessage(NLMSG_DONE, kMulti | 0x200, 7, 9, Hex("fdff ffff") + why),
       TakeDatagram},
      {"acknowledgements",
       NetlinkMessage(NLMSG_ERROR, 0x100, 7, 9, Hex("0000 0000") + echo) +
           NetlinkMessage(NLMSG_ERROR, 0x300, 8, 9, Hex("eaff ffff") + echo + why) +
           NetlinkMessage(NLMSG_ERROR, 0x200, 9, 9, Hex("eaff ffff") + echo + generic + why),
       TakeDatagram},
  };
}

TEST("Whole replies decode") {
  for (const Target& target : Targets()) {
    row = target.what;
    CHECK(target.take(Exact(ByteView(target.sample)).view()));
  }
}

TEST("A reply cut short anywhere does not decode") {
  for (const Target& target : Targets()) {
    if (target.take == TakeDatagram || target.take == TakeFamilyId) continue;
    for (size_t size = 0; size < target.sample.size(); size++) {
      row = std::string(target.what) + " of " + std::to_string(size) + " bytes";
      const Exact exact(ByteView(target.sample).First(size));
      CHECK(!target.take(exact.view()));
    }
  }
}

TEST("A datagram cut short anywhere is not taken for whole") {
  for (const Target& target : Targets()) {
    if (target.take != TakeDatagram) continue;
    size_t whole = 0;  // where a message ends: a datagram may end there
    for (size_t size = 1; size < target.sample.size(); size++) {
      if (size == whole + 16) whole += Load<uint32_t>(target.sample.data() + whole);
      row = std::string(target.what) + " of " + std::to_string(size) + " bytes";
      const Exact exact(ByteView(target.sample).First(size));
      CHECK_EQ(target.take(exact.view()), size == whole);
    }
  }
}

// Cuts a nest short and makes its length fit again, so that only what is missing can be noticed.
void CheckCut(const Parts& parts, uint16_t nest, const std::set<uint16_t>& mandatory,
              bool (*take)(ByteView bytes)) {
  const Bytes whole = Join(parts);
  for (size_t size = 0; size <= whole.size(); size++) {
    row = std::to_string(size) + " of " + std::to_string(whole.size()) + " bytes";
    std::set<uint16_t> absent = mandatory;
    size_t end = 0;
    for (const Part& part : parts) {
      const size_t length = Hex(part.value).size() + 4;
      if (end + length > size) break;
      absent.erase(part.type);
      end += Align4(length);
    }
    // What is left may be the last one's padding or a part of it, not a part of an attribute.
    const bool fits = size <= end;
    const Exact exact{ByteView(Attribute(nest, ToBytes(ByteView(whole).First(size))))};
    CHECK_EQ(take(exact.view()), fits && absent.empty());
  }
}

TEST("A nest cut short decodes only where nothing is missing and nothing is half there") {
  const std::set<uint16_t> service = {1, 2, 3, 4, 6, 7, 8, 9};
  const std::set<uint16_t> destination = {1, 2, 3, 4, 5, 6};
  CheckCut(With(ServiceParts(), 12, Text(WideStats())), 1, service, TakeService);
  CheckCut(With(DestinationParts(), 12, Text(WideStats())), 2, destination, TakeDestination);
  Parts mark = With(Without(ServiceParts(), 2), 5, "0100 0000");
  CheckCut(With(mark, 10, Text(NarrowStats())), 1, {1, 5, 6, 7, 8, 9}, TakeService);
}

TEST("No byte set to anything makes a decoder leave its bytes") {
  for (const Target& target : Targets()) {
    row = target.what;
    Exact exact{ByteView(target.sample)};
    for (size_t i = 0; i < exact.size(); i++) {
      const uint8_t was = exact[i];
      for (int value = 0; value < 256; value++) {
        exact[i] = static_cast<uint8_t>(value);
        target.take(exact.view());
      }
      exact[i] = was;
    }
  }
}

TEST("No mixture of wrong bytes and a wrong end makes a decoder leave its bytes") {
  uint32_t state = 1;  // the same mixtures every time
  const auto random = [&state](size_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
  };
  for (const Target& target : Targets()) {
    row = target.what;
    for (int round = 0; round < 20000; round++) {
      Exact exact(ByteView(target.sample).First(random(target.sample.size()) + 1));
      for (size_t changes = random(6); changes > 0; changes--) {
        // Small values are the likely lengths and types.
        const size_t value = random(2) == 0 ? random(24) : random(256);
        exact[random(exact.size())] = static_cast<uint8_t>(value);
      }
      target.take(exact.view());
    }
  }
}

}  // namespace
}  // namespace ipvs::test
