#include "core/generic.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <string>

#include "harness.h"

namespace ipvs::test {
namespace {

TEST("GETFAMILY asks nlctrl for the family by name") {
  CommandBatch batch;
  EncodeGetFamily("IPVS", &batch);
  CHECK_EQ(ToBytes(batch.Seal(0x10, 7)), Hex("2000 0000 1000 0500 0700 0000 0000 0000"
                                             "0301 0000"
                                             "0900 0200 4950 5653 0000 0000"));
}

TEST("Commands in one datagram get their own lengths and consecutive numbers") {
  CommandBatch batch;
  CHECK_EQ(batch.count(), 0u);
  AttributeWriter first = batch.Add(1, 1, Confirmation::kOwn);
  first.U8(1, 2);
  batch.Add(17, 1, Confirmation::kOwn);
  AttributeWriter third = batch.AddDump(8, 1);
  third.U32(3, 4);
  CHECK_EQ(batch.count(), 3u);
  const std::string wire =
      "1c00 0000 1c00 0500 ffff ffff 0000 0000 0101 0000 0500 0100 0200 0000"
      "1400 0000 1c00 0500 0000 0000 0000 0000 1101 0000"  // the number wraps around
      "1c00 0000 1c00 0103 0100 0000 0000 0000 0801 0000 0800 0300 0400 0000";
  CHECK_EQ(ToBytes(batch.Seal(0x1c, 0xffffffff)), Hex(wire));
}

TEST("A batch can be sealed again for another family and other numbers") {
  CommandBatch batch;
  batch.Add(1, 1, Confirmation::kOwn);
  batch.Seal(0x1c, 1);
  CHECK_EQ(ToBytes(batch.Seal(0x1d, 9)), Hex("1400 0000 1d00 0500 0900 0000 0000 0000 0101 0000"));
}

TEST("A copied command is that command alone, wherever it stands") {
  CommandBatch batch;
  AttributeWriter first = batch.Add(1, 1, Confirmation::kOwn);
  first.U8(1, 0xaa);
  AttributeWriter second = batch.Add(2, 1, Confirmation::kOwn);
  second.U32(2, 0xbbbbbbbb);
  batch.Add(3, 1, Confirmation::kOwn);
  batch.Seal(0x1c, 1);
  const std::string wire[] = {
      "1c00 0000 1d00 0500 0900 0000 0000 0000 0101 0000 0500 0100 aa00 0000",
      "1c00 0000 1d00 0500 0900 0000 0000 0000 0201 0000 0800 0200 bbbb bbbb",
      "1400 0000 1d00 0500 0900 0000 0000 0000 0301 0000",
  };
  for (size_t i = 0; i < 3; i++) {
    row = std::to_string(i);
    CommandBatch copy;
    copy.AddCopy(batch, i);
    CHECK_EQ(copy.count(), 1u);
    CHECK_EQ(ToBytes(copy.Seal(0x1d, 9)), Hex(wire[i]));
  }
  CommandBatch copies;
  copies.AddCopy(batch, 2);
  copies.AddCopy(batch, 0);
  CHECK_EQ(ToBytes(copies.Seal(0x1c, 4)),
           Hex("1400 0000 1c00 0500 0400 0000 0000 0000 0301 0000"
               "1c00 0000 1c00 0500 0500 0000 0000 0000 0101 0000 0500 0100 aa00 0000"));
}

// Commands of a plan: 's' for a shared acknowledgement, 'o' for an own one, 'd' for a dump.
CommandBatch Planned(const std::string& plan) {
  CommandBatch batch;
  for (const char kind : plan) {
    if (kind == 'd') {
      batch.AddDump(1, 1);
    } else {
      batch.Add(1, 1, kind == 's' ? Confirmation::kShared : Confirmation::kOwn);
    }
  }
  return batch;
}

// What each message of a datagram asks for: '!' an acknowledgement, 'd' a dump, '.' nothing. Also
// checks lengths, the type and the numbers.
std::string FlagsOf(ByteView datagram, uint16_t type, uint32_t sequence) {
  std::string flags;
  size_t at = 0;
  for (; at + sizeof(nlmsghdr) <= datagram.size; sequence++) {
    const auto header = Load<nlmsghdr>(datagram.data + at);
    CHECK_EQ(header.nlmsg_type, type);
    CHECK_EQ(header.nlmsg_seq, sequence);
    CHECK_EQ(header.nlmsg_pid, 0u);
    switch (header.nlmsg_flags) {
      case NLM_F_REQUEST:
        flags += '.';
        break;
      case NLM_F_REQUEST | NLM_F_ACK:
        flags += '!';
        break;
      case NLM_F_REQUEST | NLM_F_DUMP:
        flags += 'd';
        break;
      default:
        flags += '?';
    }
    if (!CHECK(header.nlmsg_len >= 20)) break;
    at += header.nlmsg_len;
  }
  CHECK_EQ(at, datagram.size);
  return flags;
}

// One acknowledgement too few, and a change waits until its deadline and is then called unknown.
TEST("Only what another answer cannot stand for is to be acknowledged") {
  struct {
    const char* plan;
    const char* flags;
  } const rows[] = {
      {"s", "!"},         {"o", "!"},           {"ss", ".!"},     {"sssss", "....!"},
      {"so", "!!"},       {"os", "!!"},         {"oss", "!.!"},   {"sso", ".!!"},
      {"ssoss", ".!!.!"}, {"soosos", "!!!!!!"}, {"oooo", "!!!!"}, {"d", "d"},
  };
  for (const auto& r : rows) {
    row = r.plan;
    CommandBatch batch = Planned(r.plan);
    CHECK_EQ(FlagsOf(batch.Seal(0x1c, 5), 0x1c, 5), r.flags);
    CHECK_EQ(FlagsOf(batch.Seal(0x1d, 9), 0x1d, 9), r.flags);
  }
}

TEST("A part of a batch is a datagram of its own, whose last command is acknowledged") {
  const std::string plan = "sssosss";
  CommandBatch batch = Planned(plan);
  const auto part = [&batch](size_t begin, size_t size) {
    return FlagsOf(batch.Seal(0x1c, 7, begin, size), 0x1c, 7);
  };
  CHECK_EQ(part(0, 2), ".!");
  CHECK_EQ(part(2, 1), "!");  // also where the next one, in another datagram, is one's own
  CHECK_EQ(part(2, 3), "!!!");
  CHECK_EQ(part(4, 3), "..!");
  CHECK_EQ(part(0, 7), "..!!..!");  // nothing is left of how it was sealed before
  CHECK_EQ(part(3, 0), "");
  CHECK_EQ(part(7, 0), "");
  CHECK_EQ(FlagsOf(CommandBatch().Seal(0x1c, 7), 0x1c, 7), "");
}

TEST("A copied command is confirmed and dumped as the one that it was copied from") {
  for (const std::string plan : {"s", "o", "d"}) {
    row = plan;
    const CommandBatch batch = Planned("s" + plan + "s");
    CommandBatch copy;
    copy.AddCopy(batch, 1);
    copy.AddCopy(Planned("s"), 0);
    CHECK_EQ(FlagsOf(copy.Seal(0x1c, 1), 0x1c, 1), plan == "s" ? ".!" : plan == "o" ? "!!" : "d!");
    CHECK_EQ(copy.confirmation(0), batch.confirmation(1));
  }
}

TEST("A batch that was cleared begins anew") {
  CommandBatch batch = Planned("sdo");
  batch.Seal(0x1c, 1);
  batch.Clear();
  CHECK_EQ(batch.count(), 0u);
  CHECK_EQ(ToBytes(batch.Seal(0x1c, 1)), Bytes());
  AttributeWriter writer = batch.Add(7, 1, Confirmation::kShared);
  writer.U8(1, 2);
  CHECK_EQ(ToBytes(batch.Seal(0x1c, 1)),
           Hex("1c00 0000 1c00 0500 0100 0000 0000 0000 0701 0000 0500 0100 0200 0000"));
}

// What the answers to commands may take of a receive queue, with the kernel's bookkeeping.
size_t Cost(Confirmation confirmation) {
  return confirmation == Confirmation::kOwn ? 8 * 1024 : 2 * 1024;
}

// One too many, and the kernel throws answers away or does not take the datagram.
TEST("As many commands are taken as fit both limits, and never none") {
  uint32_t state = 1;  // the same batches every time
  const auto random = [&state](size_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
  };
  for (int round = 0; round < 300; round++) {
    CommandBatch batch;
    std::vector<size_t> ends;
    size_t end = 0;
    const size_t count = 1 + random(40);
    for (size_t i = 0; i < count; i++) {
      const bool own = random(3) == 0;
      AttributeWriter writer = batch.Add(1, 1, own ? Confirmation::kOwn : Confirmation::kShared);
      const Bytes value(random(300), 0xaa);
      end += NLMSG_HDRLEN + GENL_HDRLEN;
      if (random(2) == 0) {
        writer.Raw(1, value.data(), value.size());
        end += NLA_HDRLEN + NLA_ALIGN(value.size());
      }
      ends.push_back(end);
    }
    const size_t largest = random(2) == 0 ? SIZE_MAX : random(3000);
    const size_t queue = random(2) == 0 ? SIZE_MAX : random(size_t{64} * 1024);
    row = std::to_string(round) + ": at most " + std::to_string(largest) + " bytes, a queue of " +
          std::to_string(queue);
    const auto fits = [&](size_t begin, size_t size) {
      size_t cost = 0;
      for (size_t i = begin; i < begin + size; i++) cost += Cost(batch.confirmation(i));
      const size_t bytes = ends[begin + size - 1] - (begin == 0 ? 0 : ends[begin - 1]);
      return cost <= queue && bytes <= largest;
    };
    for (size_t begin = 0; begin < count;) {
      const size_t size = batch.Fit(begin, largest, queue);
      if (!CHECK(size >= 1) || !CHECK(begin + size <= count)) break;
      CHECK(size == 1 || fits(begin, size));
      CHECK(begin + size == count || !fits(begin, size + 1));
      CHECK_EQ(batch.Seal(0x1c, 1, begin, size).size,
               ends[begin + size - 1] - (begin == 0 ? 0 : ends[begin - 1]));
      begin += size;
    }
    CHECK_EQ(batch.Fit(count, largest, queue), 0u);
  }
}

TEST("What fits exactly is taken, and one byte less is one command less") {
  CommandBatch batch = Planned("ssoo");
  const size_t large = SIZE_MAX;
  CHECK_EQ(batch.Fit(0, large, large), 4u);
  CHECK_EQ(batch.Fit(0, 80, large), 4u);
  CHECK_EQ(batch.Fit(0, 79, large), 3u);
  CHECK_EQ(batch.Fit(1, 60, large), 3u);
  CHECK_EQ(batch.Fit(1, 59, large), 2u);
  CHECK_EQ(batch.Fit(0, 0, large), 1u);
  const size_t kib = 1024;
  CHECK_EQ(batch.Fit(0, large, 20 * kib), 4u);
  CHECK_EQ(batch.Fit(0, large, 20 * kib - 1), 3u);
  CHECK_EQ(batch.Fit(0, large, 12 * kib - 1), 2u);
  CHECK_EQ(batch.Fit(2, large, 16 * kib - 1), 1u);
  CHECK_EQ(batch.Fit(2, large, 0), 1u);
}

TEST("A generic message's attributes lie behind 4 bytes of header") {
  for (size_t size = 0; size < 8; size++) {
    row = std::to_string(size) + " bytes";
    const Exact exact{ByteView(Hex("0101 0000 aabb ccdd")).First(size)};
    Message message;
    message.payload = exact.view();
    ByteView attributes;
    CHECK_EQ(GenericPayload(message, &attributes), size >= 4);
    if (size >= 4) CHECK_EQ(ToBytes(attributes), ToBytes(exact.view().From(4)));
  }
}

TEST("A family's number is taken only where there is one that may be sent to") {
  const std::string missing = "CTRL_ATTR_FAMILY_ID: is missing";
  struct {
    const char* what;
    Bytes attributes;
    uint16_t id;
    std::string error;
  } const rows[] = {
      {"as the kernel answers",
       TextAttribute(2, "IPVS") + Attribute(1, "1c00") + Attribute(3, "0100 0000") +
           Attribute(4, "0000 0000") + Attribute(5, "0600 0000") +
           Attribute(6, Attribute(1, Attribute(1, "0100 0000") + Attribute(2, "0300 0000"))),
       0x1c, ""},
      {"the smallest", Attribute(1, "1000"), 16, ""},
      {"the largest", Attribute(1, "ffff"), 65535, ""},
      {"a number of netlink's own", Attribute(1, "0f00"), 0, missing},
      {"zero, which the kernel would acknowledge", Attribute(1, "0000"), 0, missing},
      {"no number", TextAttribute(2, "IPVS"), 0, missing},
      {"nothing", {}, 0, missing},
      {"4 bytes", Attribute(1, "1c00 0000"), 0, "CTRL_ATTR_FAMILY_ID: has the wrong size"},
      {"1 byte", Attribute(1, "1c"), 0, "CTRL_ATTR_FAMILY_ID: has the wrong size"},
      {"garbage behind it", Attribute(1, "1c00") + Hex("0300"), 0,
       "family: ends inside an attribute's header"},
  };
  for (const auto& r : rows) {
    row = r.what;
    const Exact exact{ByteView(r.attributes)};
    DecodeError error;
    uint16_t id = 99;
    CHECK_EQ(DecodeFamilyId(exact.view(), &id, &error), r.error.empty());
    CHECK_EQ(error.text(), r.error);
    if (r.error.empty()) CHECK_EQ(id, r.id);
  }
}

}  // namespace
}  // namespace ipvs::test
