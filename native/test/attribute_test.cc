#include "core/attribute.h"

#include <string>

#include "harness.h"

namespace ipvs::test {
namespace {

// What a walk sees, as text: "1:0200 3:aa", the types decimal and the values hex.
std::string Walk(const Bytes& bytes, DecodeError* error) {
  const Exact exact{ByteView(bytes)};
  AttributeReader reader(exact.view(), "nest", error);
  std::string seen;
  while (reader.Next()) {
    if (!seen.empty()) seen += ' ';
    seen += std::to_string(reader.type()) + ':' + ToHex(ToBytes(reader.value()));
  }
  return seen;
}

TEST("An attribute is written with its length, its type, its value and zero padding") {
  struct {
    const char* what;
    void (*write)(AttributeWriter* writer);
    const char* wire;
  } const rows[] = {
      {"u8", [](AttributeWriter* w) { w->U8(13, 0x7f); }, "0500 0d00 7f00 0000"},
      {"u16", [](AttributeWriter* w) { w->U16(1, 0x0102); }, "0600 0100 0201 0000"},
      {"u32", [](AttributeWriter* w) { w->U32(5, 0x01020304); }, "0800 0500 0403 0201"},
      {"be16", [](AttributeWriter* w) { w->Be16(4, 8080); }, "0600 0400 1f90 0000"},
      {"no bytes", [](AttributeWriter* w) { w->Raw(9, nullptr, 0); }, "0400 0900"},
      {"5 bytes", [](AttributeWriter* w) { w->Raw(3, "\1\2\3\4\5", 5); },
       "0900 0300 0102 0304 0500 0000"},
      {"text that needs no padding", [](AttributeWriter* w) { w->NulString(6, "wlc"); },
       "0800 0600 776c 6300"},
      {"text that needs padding", [](AttributeWriter* w) { w->NulString(6, "dh"); },
       "0700 0600 6468 0000"},
      {"text of one word", [](AttributeWriter* w) { w->NulString(6, "lblc"); },
       "0900 0600 6c62 6c63 0000 0000"},
      {"no text", [](AttributeWriter* w) { w->NulString(6, ""); }, "0500 0600 0000 0000"},
  };
  for (const auto& r : rows) {
    row = r.what;
    Bytes out;
    AttributeWriter writer(&out);
    r.write(&writer);
    CHECK_EQ(out, Hex(r.wire));
  }
}

TEST("Attributes are appended behind what the buffer already holds") {
  Bytes out(64, 0xff);
  out.clear();  // what lay there before must not shine through as padding
  out.assign(4, 0xee);
  AttributeWriter writer(&out);
  writer.U8(1, 2);
  writer.U8(3, 4);
  CHECK_EQ(out, Hex("eeee eeee 0500 0100 0200 0000 0500 0300 0400 0000"));
}

TEST("A nest's length covers its header, its attributes and their padding, and nothing else") {
  Bytes out;
  AttributeWriter writer(&out);
  const size_t outer = writer.BeginNest(1);
  writer.U16(1, 2);
  const size_t inner = writer.BeginNest(2);
  writer.U8(7, 9);
  writer.EndNest(inner);
  writer.EndNest(outer);
  const size_t empty = writer.BeginNest(3);
  writer.EndNest(empty);
  writer.U8(4, 5);
  CHECK_EQ(out, Hex("1800 0180"
                    "  0600 0100 0200 0000"
                    "  0c00 0280"
                    "    0500 0700 0900 0000"
                    "0400 0380"
                    "0500 0400 0500 0000"));
}

TEST("A walk yields every attribute, and says where it had to end") {
  const char* const header = "nest: ends inside an attribute's header";
  const char* const length = "nest: holds an attribute whose length does not fit";
  struct {
    const char* what;
    const char* wire;
    const char* seen;
    const char* error;
  } const rows[] = {
      {"nothing", "", "", ""},
      {"one without a value", "0400 0100", "1:", ""},
      {"two", "0600 0100 aabb 0000 0800 0200 0102 0304", "1:aabb 2:0102 0304", ""},
      {"a value that fills its padding", "0800 0100 aabb ccdd", "1:aabb ccdd", ""},
      {"the last one without padding", "0400 0200 0500 0100 aa", "2: 1:aa", ""},
      {"the last one with some of its padding", "0500 0100 aa00", "1:aa", ""},
      {"NLA_F_NESTED", "0400 0180", "1:", ""},
      {"NLA_F_NET_BYTEORDER", "0400 0140", "1:", ""},
      {"both flags and the largest type", "0400 ffff", "16383:", ""},
      {"1 byte of a header", "04", "", header},
      {"2 bytes of a header", "0400", "", header},
      {"3 bytes of a header", "0400 01", "", header},
      {"1 byte behind an attribute", "0400 0100 00", "1:", header},
      {"3 bytes behind an attribute", "0500 0100 aa00 0000 0000 00", "1:aa", header},
      {"length 0", "0000 0100", "", length},
      {"length 1", "0100 0100", "", length},
      {"length 3", "0300 0100", "", length},
      {"length 0 after a good one", "0400 0200 0000 0100 0400 0300", "2:", length},
      {"1 byte short", "0900 0100 aabb ccdd", "", length},
      {"nothing of the value", "0500 0100", "", length},
      {"the largest length", "ffff 0100 aabb ccdd", "", length},
      {"beyond the end after a good one", "0400 0200 0600 0100 aa", "2:", length},
  };
  for (const auto& r : rows) {
    row = r.what;
    DecodeError error;
    CHECK_EQ(Walk(Hex(r.wire), &error), r.seen);
    CHECK_EQ(error.text(), r.error);
    CHECK_EQ(error.ok(), *r.error == '\0');
  }
}

TEST("A number is read only from exactly its size") {
  const Bytes value = Hex("0102 0304 0506 0708 090a 0b0c");
  for (size_t size = 0; size <= value.size(); size++) {
    row = std::to_string(size) + " bytes";
    const Exact exact{ByteView(Attribute(1, ToBytes(ByteView(value).First(size))))};
    const auto read = [&exact](auto get) {
      DecodeError error;
      AttributeReader reader(exact.view(), "nest", &error);
      CHECK(reader.Next());
      const uint64_t number = get(reader);
      if (!error.ok()) CHECK_EQ(number, 0u);
      return error.ok() ? std::to_string(number) : error.text();
    };
    const std::string wrong = "NAME: has the wrong size";
    CHECK_EQ(read([](const auto& r) { return r.U8("NAME"); }), size == 1 ? "1" : wrong);
    CHECK_EQ(read([](const auto& r) { return r.U16("NAME"); }), size == 2 ? "513" : wrong);
    CHECK_EQ(read([](const auto& r) { return r.Be16("NAME"); }), size == 2 ? "258" : wrong);
    CHECK_EQ(read([](const auto& r) { return r.U32("NAME"); }), size == 4 ? "67305985" : wrong);
    CHECK_EQ(read([](const auto& r) { return r.U64("NAME"); }),
             size == 8 ? "578437695752307201" : wrong);
  }
}

TEST("A number that does not lie on a multiple of its size is read all the same") {
  // netlink aligns to 4 bytes, so that half of all u64 lie across.
  Exact exact{ByteView(Hex("00") + Attribute(1, "0100 0000 0000 0080"))};
  DecodeError error;
  AttributeReader reader(exact.view().From(1), "nest", &error);
  CHECK(reader.Next());
  CHECK_EQ(reader.U64("NAME"), 0x8000000000000001u);
}

TEST("Bytes are copied only from exactly their size") {
  for (size_t size = 0; size <= 6; size++) {
    row = std::to_string(size) + " bytes";
    const Exact exact{ByteView(Attribute(1, Bytes(size, 0xaa)))};
    DecodeError error;
    AttributeReader reader(exact.view(), "nest", &error);
    CHECK(reader.Next());
    uint8_t to[4] = {1, 2, 3, 4};
    reader.Raw("NAME", to, sizeof(to));
    CHECK_EQ(ToBytes(ByteView(to, sizeof(to))), Hex(size == 4 ? "aaaa aaaa" : "0102 0304"));
    CHECK_EQ(error.text(), size == 4 ? "" : "NAME: has the wrong size");
  }
}

TEST("Text is read up to its NUL and never past its buffer") {
  struct {
    const char* what;
    const char* value;
    const char* text;
    const char* error;
  } const rows[] = {
      {"empty", "00", "", ""},
      {"short", "7772 00", "wr", ""},
      {"as long as the buffer", "7772 7200", "wrr", ""},
      {"more behind the NUL", "7700 7878 7878 78", "w", ""},
      {"one too long", "6c62 6c63 00", "?", "NAME: is too long"},
      {"no NUL", "7772 72", "?", "NAME: is not terminated"},
      {"no bytes at all", "", "?", "NAME: is not terminated"},
      {"long and no NUL", "6c62 6c63 7878", "?", "NAME: is not terminated"},
  };
  for (const auto& r : rows) {
    row = r.what;
    const Exact exact{ByteView(Padded(Attribute(1, r.value)))};
    DecodeError error;
    AttributeReader reader(exact.view(), "nest", &error);
    CHECK(reader.Next());
    const std::unique_ptr<char[]> to(new char[4]{'?', 0, 0, 0});
    reader.Text("NAME", to.get(), 4);
    CHECK_EQ(std::string(to.get()), r.text);
    CHECK_EQ(error.text(), r.error);
  }
}

TEST("The first error stays, names its attribute and ends every walk of the message") {
  // A nest with a number of the wrong size, then one more of each.
  const Bytes nest = Attribute(1, "aa") + Attribute(2, "bb");
  const Exact exact{ByteView(Attribute(7, nest) + Attribute(8, "cc"))};
  DecodeError error;
  AttributeReader outer(exact.view(), "message", &error);
  CHECK(outer.Next());
  AttributeReader inner = outer.Nest("NEST");
  CHECK(inner.Next());
  CHECK_EQ(inner.type(), 1u);
  inner.U32("INNER_NUMBER");
  CHECK_EQ(error.text(), "INNER_NUMBER: has the wrong size");
  CHECK(!inner.Next());
  CHECK(!outer.Next());
  error.Set("LATER", "is wrong too");
  CHECK_EQ(error.text(), "INNER_NUMBER: has the wrong size");
}

TEST("A nest that does not walk is named as the nest, not as what holds it") {
  const Exact exact{ByteView(Attribute(7, "0300 0100"))};
  DecodeError error;
  AttributeReader outer(exact.view(), "message", &error);
  CHECK(outer.Next());
  AttributeReader inner = outer.Nest("NEST");
  CHECK(!inner.Next());
  CHECK_EQ(error.text(), "NEST: holds an attribute whose length does not fit");
}

TEST("A nest ends with its own length, not with the message") {
  const Exact exact{ByteView(Attribute(7, Attribute(1, "aa")) + Attribute(8, "bb"))};
  DecodeError error;
  AttributeReader outer(exact.view(), "message", &error);
  CHECK(outer.Next());
  AttributeReader inner = outer.Nest("NEST");
  CHECK(inner.Next());
  CHECK(!inner.Next());
  CHECK(error.ok());
  CHECK(outer.Next());
  CHECK_EQ(outer.type(), 8u);
}

}  // namespace
}  // namespace ipvs::test
