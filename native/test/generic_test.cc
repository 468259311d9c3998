#include "core/generic.h"

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
  CHECK(batch.empty());
  AttributeWriter first = batch.Add(1, 1, 0x0005);
  first.U8(1, 2);
  batch.Add(17, 1, 0x0005);
  AttributeWriter third = batch.Add(8, 1, 0x0301);
  third.U32(3, 4);
  CHECK_EQ(batch.count(), 3u);
  CHECK(!batch.empty());
  const std::string wire =
      "1c00 0000 1c00 0500 ffff ffff 0000 0000 0101 0000 0500 0100 0200 0000"
      "1400 0000 1c00 0500 0000 0000 0000 0000 1101 0000"  // the number wraps around
      "1c00 0000 1c00 0103 0100 0000 0000 0000 0801 0000 0800 0300 0400 0000";
  CHECK_EQ(ToBytes(batch.Seal(0x1c, 0xffffffff)), Hex(wire));
}

TEST("A batch can be sealed again for another family and other numbers") {
  CommandBatch batch;
  batch.Add(1, 1, 5);
  batch.Seal(0x1c, 1);
  CHECK_EQ(ToBytes(batch.Seal(0x1d, 9)), Hex("1400 0000 1d00 0500 0900 0000 0000 0000 0101 0000"));
}

TEST("A copied command is that command alone, wherever it stands") {
  CommandBatch batch;
  AttributeWriter first = batch.Add(1, 1, 5);
  first.U8(1, 0xaa);
  AttributeWriter second = batch.Add(2, 1, 5);
  second.U32(2, 0xbbbbbbbb);
  batch.Add(3, 1, 5);
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
