#include "core/message.h"

#include <cerrno>
#include <string>

#include "harness.h"

namespace ipvs::test {
namespace {

constexpr uint16_t kCapped = 0x100;
constexpr uint16_t kExtended = 0x200;

// What a walk sees, as text: "type:payload", types decimal.
std::string Walk(const Bytes& datagram, bool* ok) {
  const Exact exact{ByteView(datagram)};
  MessageReader reader(exact.view());
  Message message;
  std::string seen;
  while (reader.Next(&message)) {
    if (!seen.empty()) seen += ' ';
    seen += std::to_string(message.header.nlmsg_type) + ':' + ToHex(ToBytes(message.payload));
  }
  *ok = reader.ok();
  return seen;
}

TEST("A datagram's messages are walked one by one, and a length that does not fit ends the walk") {
  const std::string rest = "0000 0000 0000 0000 0000";  // flags, sequence and port
  struct {
    const char* what;
    std::string wire;
    const char* seen;
    bool ok;
  } const rows[] = {
      {"nothing", "", "", true},
      {"one without a payload", "1000 0000 1000" + rest, "16:", true},
      {"one with a payload", "1400 0000 1c00" + rest + "0102 0304", "28:0102 0304", true},
      {"two", "1200 0000 1c00" + rest + "0102 0000" + "1000 0000 0300" + rest, "28:0102 3:", true},
      {"the last one without padding", "1200 0000 1c00" + rest + "0102", "28:0102", true},
      {"15 bytes of a header", "1000 0000 1c00 0000 0000 0000 0000 00", "", false},
      {"1 byte behind a message", "1000 0000 1c00" + rest + "00", "28:", false},
      {"length 0", "0000 0000 1c00" + rest, "", false},
      {"length 15", "0f00 0000 1c00" + rest, "", false},
      {"1 byte short", "1100 0000 1c00" + rest, "", false},
      {"the largest length", "ffff ffff 1c00" + rest, "", false},
      {"a length that alignment wraps to zero", "fdff ffff 1c00" + rest, "", false},
      {"a bad one after a good one",
       "1000 0000 1c00" + rest + "0f00 0000 1d00" + rest + "1000 0000 1e00" + rest, "28:", false},
  };
  for (const auto& r : rows) {
    row = r.what;
    bool ok = false;
    CHECK_EQ(Walk(Hex(r.wire), &ok), r.seen);
    CHECK_EQ(ok, r.ok);
  }
}

TEST("A message's header arrives whole") {
  const Bytes datagram = NetlinkMessage(0x1c, 0x0302, 0x01020304, 0xfffefdfc, {});
  MessageReader reader{ByteView(datagram)};
  Message message;
  CHECK(reader.Next(&message));
  CHECK_EQ(message.header.nlmsg_len, 16u);
  CHECK_EQ(message.header.nlmsg_type, 0x1cu);
  CHECK_EQ(message.header.nlmsg_flags, 0x0302u);
  CHECK_EQ(message.header.nlmsg_seq, 0x01020304u);
  CHECK_EQ(message.header.nlmsg_pid, 0xfffefdfcu);
}

// "errno" or "errno: detail", "too short" where it does not decode at all.
std::string Decode(bool (*decode)(const Message&, Acknowledgement*), uint16_t flags,
                   const Bytes& payload) {
  const Exact exact{ByteView(payload)};
  Message message;
  message.header.nlmsg_flags = flags;
  message.payload = exact.view();
  Acknowledgement ack;
  if (!decode(message, &ack)) return "too short";
  const std::string detail = ack.Detail();
  return std::to_string(ack.error) + (detail.empty() ? "" : ": ") + detail;
}

TEST("An error message says its errno, and why where the kernel does") {
  // The request that is echoed: its header, and where the answer is not capped also its payload.
  const std::string header = "1400 0000 1c00 0500 0700 0000 0000 0000";
  const std::string longer = "1900 0000 1c00 0500 0700 0000 0000 0000";
  const std::string exists = "efff ffff";   // -EEXIST, 17
  const std::string invalid = "eaff ffff";  // -EINVAL, 22
  const std::string text = "0700 0100 6e6f 0000";
  const std::string offset = "0800 0200 2c00 0000";
  const std::string missing = "0800 0500 0900 0000";
  struct {
    const char* what;
    uint16_t flags;
    std::string payload;
    const char* says;
  } const rows[] = {
      {"done", kCapped, "0000 0000" + header, "0"},
      {"refused", kCapped, exists + header, "17"},
      {"refused, uncapped", 0, exists + header + "0101 0000", "17"},
      {"refused with a text", kCapped | kExtended, invalid + header + text, "22: no"},
      {"done with a warning", kCapped | kExtended, "0000 0000" + header + text, "0: no"},
      {"uncapped with a text", kExtended, invalid + header + "0101 0000" + text, "22: no"},
      {"uncapped, the echo needs padding", kExtended,
       invalid + longer + "0101 0000 0500 0100 aa00 0000" + text, "22: no"},
      {"uncapped without an echo", kExtended,
       invalid + "1000 0000 1c00 0500 0700 0000 0000 0000" + text, "22: no"},
      {"a text that nobody announced", kCapped, invalid + header + text, "22"},
      {"an offset", kCapped | kExtended, invalid + header + offset,
       "22: at byte 44 of the request"},
      {"a missing attribute", kCapped | kExtended, invalid + header + missing,
       "22: attribute 9 is missing"},
      {"all of it", kCapped | kExtended, invalid + header + offset + missing + text,
       "22: no, attribute 9 is missing, at byte 44 of the request"},
      {"an attribute that nobody knows", kCapped | kExtended,
       invalid + header + "0c00 0480 0800 0100 0000 0000" + text, "22: no"},
      {"the largest errno", kCapped, "01f0 ffff" + header, "4095"},
      {"beyond the largest errno", kCapped, "00f0 ffff" + header, "71"},
      {"a positive errno", kCapped, "1100 0000" + header, "71"},
      {"the smallest number", kCapped, "0000 0080" + header, "71"},
  };
  for (const auto& r : rows) {
    row = r.what;
    CHECK_EQ(Decode(DecodeErrorMessage, r.flags, Hex(r.payload)), r.says);
  }
}

TEST("What is wrong with an explanation does not change the verdict") {
  const std::string refused = "eaff ffff";
  const std::string rest = "1c00 0500 0700 0000 0000 0000";  // of the echoed header
  const std::string text = "0700 0100 6e6f 0000";
  struct {
    const char* what;
    uint16_t flags;
    std::string payload;
  } const rows[] = {
      {"no attributes after all", kCapped | kExtended, "1400 0000" + rest},
      {"half a header", kCapped | kExtended, "1400 0000" + rest + "0700"},
      {"a length beyond the end", kCapped | kExtended, "1400 0000" + rest + "0900 0100 6e6f 0000"},
      {"a length below the header", kCapped | kExtended, "1400 0000" + rest + "0300 0100" + text},
      {"a text without its NUL", kCapped | kExtended, "1400 0000" + rest + "0600 0100 6e6f 0000"},
      {"a text of no bytes", kCapped | kExtended, "1400 0000" + rest + "0400 0100"},
      {"an offset of 2 bytes", kCapped | kExtended, "1400 0000" + rest + "0600 0200 0100 0000"},
      {"a missing type of 8 bytes", kCapped | kExtended,
       "1400 0000" + rest + "0c00 0500 0100 0000 0000 0000"},
      {"an echo shorter than its header", kExtended, "0f00 0000" + rest + text},
      {"an echo of length 0", kExtended, "0000 0000" + rest + text},
      {"an echo longer than the message", kExtended, "2000 0000" + rest + text},
      {"an echo of the largest length", kExtended, "ffff ffff" + rest + text},
      {"an echo whose end wraps around", kExtended, "fcff ffff" + rest + text},
  };
  for (const auto& r : rows) {
    row = r.what;
    CHECK_EQ(Decode(DecodeErrorMessage, r.flags, Hex(refused + r.payload)), "22");
  }
}

TEST("An explanation too long for any kernel is left out") {
  const Bytes header = Hex("eaff ffff 1400 0000 1c00 0500 0700 0000 0000 0000");
  const std::string longest(255, 'x');
  CHECK_EQ(Decode(DecodeErrorMessage, kCapped | kExtended, header + TextAttribute(1, longest)),
           "22: " + longest);
  CHECK_EQ(
      Decode(DecodeErrorMessage, kCapped | kExtended, header + TextAttribute(1, longest + "x")),
      "22");
}

TEST("An error message without room for the echoed header is none") {
  for (size_t size = 0; size < 20; size++) {
    row = std::to_string(size) + " bytes";
    CHECK_EQ(Decode(DecodeErrorMessage, kCapped, Bytes(size, 0)), "too short");
  }
}

TEST("The end of a dump says its errno, and why where the kernel does") {
  struct {
    const char* what;
    uint16_t flags;
    const char* payload;
    const char* says;
  } const rows[] = {
      {"all is well", 2, "0000 0000", "0"},
      {"ended with an errno", 2, "fdff ffff", "3"},
      {"with a text", 2 | kExtended, "fdff ffff 0700 0100 6e6f 0000", "3: no"},
      {"a text that nobody announced", 2, "fdff ffff 0700 0100 6e6f 0000", "3"},
      {"a text that does not decode", 2 | kExtended, "fdff ffff 0900 0100 6e6f 0000", "3"},
      {"no bytes", 2, "", "too short"},
      {"3 bytes", 2, "fdff ff", "too short"},
  };
  for (const auto& r : rows) {
    row = r.what;
    CHECK_EQ(Decode(DecodeDoneMessage, r.flags, Hex(r.payload)), r.says);
  }
}

}  // namespace
}  // namespace ipvs::test
