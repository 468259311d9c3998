#include <unistd.h>

#include <cerrno>
#include <string>

#include "conversation.h"
#include "core/connection.h"
#include "harness.h"
#include "peer.h"

namespace ipvs::test {
namespace {

using Script = Peer::Script;
using Batch = std::vector<Asked>;

// What came of a dump.
struct Dumped {
  std::string outcome;
  std::string records;  // the values of the attributes 1, in the order in which they came
  size_t chunks = 99;
};

Dumped Dump(Connection* connection, int64_t milliseconds = kLong) {
  CommandBatch batch;
  AttributeWriter writer = batch.AddDump(8, 1);
  writer.U32(1, 0);
  Dumped dumped;
  const auto sink = [&dumped](ByteView attributes, DecodeError* error) {
    AttributeReader reader(attributes, "record", error);
    while (reader.Next()) dumped.records += std::to_string(reader.U8("RECORD_NUMBER")) + ' ';
  };
  dumped.outcome =
      Describe(connection->Dump(&batch, Deadline::After(milliseconds), sink, &dumped.chunks));
  return dumped;
}

Bytes Record(const Asked& asked, uint8_t number, uint16_t type = kFamily) {
  return Reply(asked, Attribute(1, Bytes{number}), type);
}

void DumpOne(const Peer& peer, const Batch& asked) {
  peer.Answer(asked[0], Record(asked[0], 1) + Done(asked[0]));
}

TEST("A dump is read to its end, through as many datagrams as it takes") {
  Peer peer([](const Peer& self, const Batch& asked) {
    self.Answer(asked[0], Record(asked[0], 1) + Record(asked[0], 2));
    self.Answer(asked[0], Record(asked[0], 3));
    self.Answer(asked[0], Record(asked[0], 4) + Record(asked[0], 5));
    self.Answer(asked[0], Done(asked[0]));
  });
  Connection connection(peer.options());
  const Dumped dumped = Dump(&connection);
  CHECK_EQ(dumped.outcome, "ok");
  CHECK_EQ(dumped.records, "1 2 3 4 5 ");
  CHECK_EQ(dumped.chunks, 3u);  // the end is no record
  const Batch asked = peer.Stop();
  if (!CHECK_EQ(Log(asked), "family 1c:0")) return;
  CHECK_EQ(asked[1].header.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
}

TEST("A dump that fits one datagram is one chunk, and one of nothing is none") {
  Peer peer(InTurn({DumpOne, [](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Done(asked[0]));
                    }}));
  Connection connection(peer.options());
  const Dumped one = Dump(&connection);
  CHECK_EQ(one.outcome, "ok");
  CHECK_EQ(one.records, "1 ");
  CHECK_EQ(one.chunks, 1u);
  const Dumped none = Dump(&connection);
  CHECK_EQ(none.outcome, "ok");
  CHECK_EQ(none.records, "");
  CHECK_EQ(none.chunks, 0u);
  CHECK_EQ(Log(peer.Stop()), "family 1c:0 1c:0");
}

TEST("Of a dump only its own records count") {
  RawSocket stranger;
  Peer peer([&stranger](const Peer& self, const Batch& asked) {
    Asked earlier = asked[0];
    earlier.header.nlmsg_seq--;
    Asked other = asked[0];
    other.from++;
    stranger.Send(asked[0].from, Record(asked[0], 90) + Done(asked[0]));
    for (const Asked* wrong : {&earlier, &other}) {
      self.Answer(asked[0], Record(*wrong, 91) + Refusal(*wrong, 17) + Done(*wrong, 17));
    }
    self.Answer(asked[0], Record(asked[0], 92, kFamily + 1));
    self.Answer(asked[0], Ack(asked[0]));  // not the end
    // Too short for a generic header, and so for a record.
    self.Answer(asked[0], NetlinkMessage(kFamily, NLM_F_MULTI, asked[0].header.nlmsg_seq,
                                         asked[0].from, {1, 1}));
    DumpOne(self, asked);
  });
  Connection connection(peer.options());
  const Dumped dumped = Dump(&connection);
  CHECK_EQ(dumped.outcome, "ok");
  CHECK_EQ(dumped.records, "1 ");
  CHECK_EQ(dumped.chunks, 1u);
}

TEST("A dump that is refused says why, and the next one works on the same socket") {
  Peer peer(InTurn({RefuseAll(EPERM, "no"), DumpOne}));
  Connection connection(peer.options());
  CHECK_EQ(Dump(&connection).outcome, "refused 1: no");
  CHECK(FindSocket(NETLINK_USERSOCK, peer.client()) >= 0);
  CHECK_EQ(Dump(&connection).outcome, "ok");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0 1c:0");
}

TEST("A dump that ends with an errno has failed, whatever came before") {
  Peer peer(InTurn({[](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Record(asked[0], 1));
                      self.Answer(asked[0], Record(asked[0], 2) + Done(asked[0], 3));
                    },
                    DumpOne}));
  Connection connection(peer.options());
  CHECK_EQ(Dump(&connection).outcome, "refused 3");
  CHECK_EQ(Dump(&connection).outcome, "ok");
}

TEST("A dump that is refused in its middle has failed, and its rest is not the next one's") {
  Asked first;
  Peer peer(InTurn({[&first](const Peer& self, const Batch& asked) {
                      first = asked[0];
                      self.Answer(asked[0], Record(asked[0], 1));
                      self.Answer(asked[0], Refusal(asked[0], 5));
                    },
                    [&first](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Record(first, 2) + Done(first));
                      DumpOne(self, asked);
                    }}));
  Connection connection(peer.options());
  CHECK_EQ(Dump(&connection).outcome, "refused 5");
  CHECK_EQ(Dump(&connection).records, "1 ");
}

TEST("An end that says nothing is a good one") {
  // As old kernels send it, and where the errno is cut off.
  for (const char* const payload : {"", "0000", "0000 0000"}) {
    row = payload;
    Peer peer([payload](const Peer& self, const Batch& asked) {
      self.Answer(asked[0], Record(asked[0], 1) + NetlinkMessage(NLMSG_DONE, NLM_F_MULTI,
                                                                 asked[0].header.nlmsg_seq,
                                                                 asked[0].from, Hex(payload)));
    });
    Connection connection(peer.options());
    CHECK_EQ(Dump(&connection).outcome, "ok");
  }
}

// After these the rest of the dump may still be on its way: only a new socket is sure to be free.
TEST("After a dump that was not read to its end the next one has a new socket") {
  struct {
    const char* what;
    Script script;
    int64_t milliseconds;
    const char* outcome;
  } const rows[] = {
      {"nothing", Ignore, kShort, "no answer"},
      {"no end",
       [](const Peer& self, const Batch& asked) {
         self.Answer(asked[0], Record(asked[0], 1));
         self.Answer(asked[0], Record(asked[0], 2));
       },
       kShort, "no answer"},
      {"a record that does not decode",
       [](const Peer& self, const Batch& asked) {
         self.Answer(asked[0], Record(asked[0], 1) + Reply(asked[0], Attribute(1, "0102")) +
                                   Record(asked[0], 3) + Done(asked[0]));
       },
       kLong, "malformed: RECORD_NUMBER: has the wrong size"},
      {"a datagram that does not walk",
       [](const Peer& self, const Batch& asked) {
         self.Answer(asked[0], Record(asked[0], 1) + Hex("0102 03"));
         self.Answer(asked[0], Done(asked[0]));
       },
       kLong, "malformed: a message's length does not fit its datagram"},
      {"an acknowledgement too short to say anything",
       [](const Peer& self, const Batch& asked) {
         self.Answer(asked[0], NetlinkMessage(NLMSG_ERROR, 0, asked[0].header.nlmsg_seq,
                                              asked[0].from, Hex("0000")));
       },
       kLong, "malformed: the acknowledgement is too short"},
      {"a datagram larger than the buffer",
       [](const Peer& self, const Batch& asked) {
         self.Answer(asked[0], Record(asked[0], 1) + Bytes(70000));
         self.Answer(asked[0], Done(asked[0]));
       },
       kLong, "no answer 90"},
  };
  for (const auto& r : rows) {
    row = r.what;
    Peer peer(InTurn({AcknowledgeAll, r.script, DumpOne}));
    Connection connection(peer.options());
    CHECK_EQ(Exchange(&connection, 1), "ok");  // the family is known from here on
    const Stopwatch watch;
    CHECK_EQ(Dump(&connection, r.milliseconds).outcome, r.outcome);
    CHECK(watch.Milliseconds() < kEndless);
    CHECK_EQ(FindSocket(NETLINK_USERSOCK, peer.client()), -1);
    const Dumped next = Dump(&connection);
    CHECK_EQ(next.outcome, "ok");
    CHECK_EQ(next.records, "1 ");
    CHECK_EQ(Log(peer.Stop()), "family 1c:0 1c:0 1c:0");
  }
}

TEST("A dump without end is left when its deadline passes, though there is always more to read") {
  Peer peer(InTurn({AcknowledgeAll, [](const Peer& self, const Batch& asked) {
                      const Bytes record = Record(asked[0], 1);
                      while (self.Answer(asked[0], record)) {
                      }
                    }}));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CommandBatch batch = Commands(1);
  const Deadline deadline = Deadline::After(kShort);
  size_t records = 0;
  const auto sink = [&](ByteView, DecodeError*) {
    records++;
    while (!deadline.Passed()) ::usleep(1000);
  };
  size_t chunks = 0;
  CHECK_EQ(Describe(connection.Dump(&batch, deadline, sink, &chunks)), "no answer");
  CHECK(records <= 64);  // so often the clock is looked at
}

TEST("A dump of a family that is not there is not sent") {
  struct {
    const char* what;
    Script families;
    int64_t milliseconds;
    const char* outcome;
  } const rows[] = {
      {"unknown", RefuseAll(ENOENT), kLong, "unavailable 2"},
      {"refused", RefuseAll(EPERM), kLong, "refused 1"},
      {"number 0", FamilyIs(0), kLong, "malformed: CTRL_ATTR_FAMILY_ID: is missing"},
      {"not told", Ignore, kShort, "not sent"},
  };
  for (const auto& r : rows) {
    row = r.what;
    Peer peer(InTurn({r.families, FamilyIs(kFamily)}), DumpOne);
    Connection connection(peer.options());
    CHECK_EQ(Dump(&connection, r.milliseconds).outcome, r.outcome);
    CHECK_EQ(Dump(&connection).outcome, "ok");
    CHECK_EQ(Log(peer.Stop()), "family family 1c:0");
  }
}

TEST("After its deadline a dump is not sent") {
  Peer peer(DumpOne);
  Connection connection(peer.options());
  CHECK_EQ(Dump(&connection, 0).outcome, "not sent");
  CHECK_EQ(Dump(&connection).outcome, "ok");
  CHECK_EQ(Dump(&connection, 0).outcome, "not sent");  // with the family known
  CHECK_EQ(Log(peer.Stop()), "family 1c:0");
}

TEST("A dump refused by a family that was loaded anew is sent again to its new number") {
  Peer peer(InTurn({FamilyIs(0x1c), FamilyIs(0x1d)}),
            InTurn({RefuseAll(ENOENT), [](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Record(asked[0], 1, 0x1d) + Done(asked[0]));
                    }}));
  Connection connection(peer.options());
  const Dumped dumped = Dump(&connection);
  CHECK_EQ(dumped.outcome, "ok");
  CHECK_EQ(dumped.records, "1 ");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0 family 1d:0");
}

TEST("A dump refused with ENOENT by a family that is the same or gone is not sent again") {
  Peer same(RefuseAll(ENOENT));
  Connection connection(same.options());
  CHECK_EQ(Dump(&connection).outcome, "refused 2");
  CHECK_EQ(Log(same.Stop()), "family 1c:0 family");
  Peer gone(InTurn({FamilyIs(kFamily), RefuseAll(ENOENT)}), RefuseAll(ENOENT));
  Connection other(gone.options());
  CHECK_EQ(Dump(&other).outcome, "unavailable 2");
  CHECK_EQ(Log(gone.Stop()), "family 1c:0 family");
}

TEST("Where a dump cannot be sent the system call is named") {
  Connection connection([] {
    Peer peer(AcknowledgeAll);
    return peer.options();
  }());
  CHECK_EQ(Dump(&connection).outcome, "system call sendmsg 111");
}

TEST("Commands and dumps may follow each other on one connection") {
  Peer peer([](const Peer& self, const Batch& asked) {
    const bool dump = (asked[0].header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    (dump ? DumpOne : AcknowledgeAll)(self, asked);
  });
  Connection connection(peer.options());
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(Dump(&connection).records, "1 ");
    CHECK_EQ(Exchange(&connection, 2), "ok, ok");
  }
}

TEST("The kernel's dump of its families is read to its end") {
  Connection::Options options;
  options.family = "nlctrl";
  Connection connection(options);
  CommandBatch batch;
  batch.AddDump(CTRL_CMD_GETFAMILY, 1);
  bool found = false;
  const auto sink = [&found](ByteView attributes, DecodeError* error) {
    uint16_t id = 0;
    DecodeFamilyId(attributes, &id, error);
    found = found || id == GENL_ID_CTRL;
  };
  size_t chunks = 0;
  CHECK_EQ(Describe(connection.Dump(&batch, Deadline::After(kLong), sink, &chunks)), "ok");
  CHECK(found);
  CHECK(chunks >= 1);
}

}  // namespace
}  // namespace ipvs::test
