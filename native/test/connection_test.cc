#include "core/connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "calls.h"
#include "conversation.h"
#include "harness.h"
#include "peer.h"

namespace ipvs::test {
namespace {

using Script = Peer::Script;
using Batch = std::vector<Asked>;

// What errnos are called in the outcomes below: ENOENT 2, ESRCH 3, EEXIST 17, EMSGSIZE 90, ENOBUFS
// 105, ECONNREFUSED 111.

TEST("The family is looked up by name once, and commands are sent to its number") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Exchange(&connection, 2), "ok, ok");
  const Batch asked = peer.Stop();
  if (!CHECK_EQ(Log(asked), "family 1c:0 1c:0,1")) return;
  CHECK_EQ(asked[0].generic.cmd, CTRL_CMD_GETFAMILY);
  CHECK_EQ(asked[0].attributes, TextAttribute(CTRL_ATTR_FAMILY_NAME, "IPVS"));
  CHECK_EQ(asked[1].generic.cmd, 1);
  CHECK_EQ(asked[1].header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
}

TEST("Nothing to send is nothing to answer") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 0), "");
  CHECK_EQ(Exchange(&connection, 1), "ok");
}

TEST("What an earlier exchange left in the answers is gone") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  std::vector<Answer> answers(3);
  for (Answer& answer : answers) {
    answer.failure = Failure::Refused(EEXIST);
    answer.reply = Hex("aa");
  }
  CommandBatch batch = Commands(2);
  connection.Exchange(&batch, Deadline::After(kLong), &answers);
  CHECK_EQ(Describe(answers), "ok, ok");
}

TEST("A reply comes with its command, in one datagram with the acknowledgement or before it") {
  Peer peer([](const Peer& self, const Batch& asked) {
    self.Answer(asked[0], Reply(asked[0], Attribute(1, "aa")) + Ack(asked[0]));
    self.Answer(asked[1], Reply(asked[1], Attribute(1, "bb")));
    self.Answer(asked[1], Ack(asked[1]));
    self.Answer(asked[2], Ack(asked[2]));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 3),
           "ok with 0500 0100 aa00 0000, ok with 0500 0100 bb00 0000, ok");
}

TEST("Answers find their commands in any order, together or apart") {
  Peer peer([](const Peer& self, const Batch& asked) {
    self.Answer(asked[4], Ack(asked[4]));
    self.Answer(asked[3], Refusal(asked[3], 3) + Ack(asked[1]) + Refusal(asked[0], 17));
    self.Answer(asked[2], Reply(asked[2], Attribute(1, "cc")) + Ack(asked[2]));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 5), "refused 17, ok, ok with 0500 0100 cc00 0000, refused 3, ok");
}

// From here on what is asked as the library asks it: plain changes share an acknowledgement, and
// the peer answers as a kernel, with errors and with what was asked for.

TEST("One acknowledgement stands for all changes of a datagram") {
  std::string wanted;
  Peer peer([&wanted](const Peer& self, const Batch& asked) {
    wanted = Wanted(asked);
    AcknowledgeAll(self, asked);
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, "sssss"), "ok, ok, ok, ok, ok");
  peer.Stop();
  CHECK_EQ(wanted, "0,1,2,3,4!");
}

// Answers commands as a plan says: a digit refuses with that errno, '.' does what was asked, '-'
// stays silent.
Script Play(const std::string& plan) {
  return [plan](const Peer& self, const Batch& asked) {
    for (size_t i = 0; i < asked.size(); i++) {
      const char what = i < plan.size() ? plan[i] : '-';
      if (what == '.') AcknowledgeAll(self, {asked[i]});
      if (what >= '0' && what <= '9') self.Answer(asked[i], Refusal(asked[i], what - '0'));
    }
  };
}

TEST("An error settles exactly its command, wherever it stands, and the others are done") {
  struct {
    const char* plan;
    const char* answers;
    const char* outcome;
  } const rows[] = {
      {"sssss", "..3..", "ok, ok, refused 3, ok, ok"},
      {"sssss", "3....", "refused 3, ok, ok, ok, ok"},
      {"sssss", "....3", "ok, ok, ok, ok, refused 3"},
      {"sssss", ".34.5", "ok, refused 3, refused 4, ok, refused 5"},
      {"sssss", "34567", "refused 3, refused 4, refused 5, refused 6, refused 7"},
      {"ssoss", "..3..", "ok, ok, refused 3, ok, ok"},
      {"ssoss", ".3.4.", "ok, refused 3, ok, refused 4, ok"},
      {"s", "3", "refused 3"},
  };
  for (const auto& r : rows) {
    row = std::string(r.plan) + " " + r.answers;
    Peer peer(Play(r.answers));
    Connection connection(peer.options());
    CHECK_EQ(Exchange(&connection, r.plan), r.outcome);
  }
}

// Exchanges one command that is answered, so that the next one meets an open socket and a known
// family: what a short deadline then cuts off is certain.
void MeetOnce(Connection* connection) { CHECK_EQ(Exchange(connection, 1), "ok"); }

TEST("What no answer came to, nor to anything behind it, is unknown and not done") {
  struct {
    const char* plan;
    const char* answers;
    const char* outcome;
  } const rows[] = {
      {"ssss", "----", "no answer, no answer, no answer, no answer"},
      {"ssss", ".3--", "ok, refused 3, no answer, no answer"},
      {"ssss", "...-", "no answer, no answer, no answer, no answer"},
      {"ssss", "3---", "refused 3, no answer, no answer, no answer"},
      // The end of a sync daemon, which the kernel may leave unanswered: what stands before it has
      // its own acknowledgement, and what stands behind it says nothing of it.
      {"sso", "..-", "ok, ok, no answer"},
      {"so", ".-", "ok, no answer"},
      {"ssoss", "..-..", "ok, ok, no answer, ok, ok"},
      {"sosos", ".-.-.", "ok, no answer, ok, no answer, ok"},
      {"soo", ".-3", "ok, no answer, refused 3"},
      {"oss", "-.3", "no answer, ok, refused 3"},
  };
  for (const auto& r : rows) {
    row = std::string(r.plan) + " " + r.answers;
    Peer peer(InTurn({AcknowledgeAll, Play(r.answers)}));
    Connection connection(peer.options());
    MeetOnce(&connection);
    const Stopwatch watch;
    CHECK_EQ(Exchange(&connection, r.plan, kShort), r.outcome);
    CHECK(watch.Milliseconds() < kEndless);
  }
}

TEST("A reply is no acknowledgement, neither of its command nor of those before") {
  Peer peer(InTurn({AcknowledgeAll, [](const Peer& self, const Batch& asked) {
                      self.Answer(asked[2], Reply(asked[2], Attribute(1, "aa")));
                      self.Answer(asked[3], Reply(asked[3], Attribute(1, "bb")));
                    }}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  CommandBatch batch = Commands("ssos");
  std::vector<Answer> answers;
  connection.Exchange(&batch, Deadline::After(kShort), &answers);
  for (const Answer& answer : answers) {
    CHECK_EQ(Describe(answer.failure), "no answer");
    CHECK(!answer.settled);
  }
}

TEST("Changes are sent again where the family was loaded anew, and acknowledged as before") {
  std::vector<std::string> wanted;
  const auto noting = [&wanted](Script script) -> Script {
    return [&wanted, script = std::move(script)](const Peer& self, const Batch& asked) {
      wanted.push_back(Wanted(asked));
      script(self, asked);
    };
  };
  Peer peer(InTurn({FamilyIs(0x1c), FamilyIs(0x1d)}),
            InTurn({noting(Play(".2.32.")), noting(Play("5."))}));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, "ssosss"), "ok, refused 5, ok, refused 3, ok, ok");
  peer.Stop();
  if (!CHECK_EQ(wanted.size(), 2u)) return;
  CHECK_EQ(wanted[0], "0,1!,2!,3,4,5!");
  CHECK_EQ(wanted[1], "1,4!");
}

TEST("A refusal carries the errno, and the kernel's words where there are some") {
  Peer peer([](const Peer& self, const Batch& asked) {
    self.Answer(asked[0], Refusal(asked[0], 17));
    self.Answer(asked[1], Refusal(asked[1], 34, "Attribute failed policy validation"));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "refused 17, refused 34: Attribute failed policy validation");
}

TEST("Answers to other questions, to other ports and of other families are not ours") {
  Peer peer([](const Peer& self, const Batch& asked) {
    Asked earlier = asked[0];
    earlier.header.nlmsg_seq--;
    Asked later = asked[1];
    later.header.nlmsg_seq++;
    Asked far = asked[0];
    far.header.nlmsg_seq += 0x80000000;
    Asked other = asked[0];  // the same question asked by another port
    other.from++;
    for (const Asked* wrong : {&earlier, &later, &far, &other}) {
      self.Answer(asked[0], Reply(*wrong, Attribute(1, "ff")) + Refusal(*wrong, 17));
    }
    self.Send(asked[0].from, Refusal(other, 17));
    self.Answer(asked[0], Reply(asked[0], Attribute(1, "aa")));
    self.Answer(asked[0], Reply(asked[0], Attribute(1, "ff"), kFamily + 1));
    self.Answer(asked[0], NetlinkMessage(NLMSG_NOOP, 0, asked[0].header.nlmsg_seq, asked[0].from,
                                         Hex("0101 0000 ffff ffff")));
    self.Answer(asked[0], Ack(asked[0]) + Ack(asked[1]));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "ok with 0500 0100 aa00 0000, ok");
}

TEST("An acknowledgement that comes twice settles one command") {
  Peer peer([](const Peer& self, const Batch& asked) {
    self.Answer(asked[0], Ack(asked[0]));
    self.Answer(asked[0], Ack(asked[0]) + Refusal(asked[0], 17));
    self.Answer(asked[1], Ack(asked[1]));
    self.Answer(asked[2], Refusal(asked[2], 3));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 3), "ok, ok, refused 3");
}

TEST("What a stranger answers is not believed, however much it sends") {
  RawSocket stranger;
  Peer peer([&stranger](const Peer& self, const Batch& asked) {
    for (int i = 0; i < 2000; i++) {
      stranger.Send(asked[0].from, Refusal(asked[0], 17) + Refusal(asked[1], 17));
    }
    self.Answer(asked[0], Ack(asked[0]) + Ack(asked[1]));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "ok, ok");
}

TEST("A stranger that never stops sending does not hold up the deadline") {
  Peer peer(InTurn({AcknowledgeAll, Ignore}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  std::atomic<bool> stop{false};
  std::thread stranger([&stop, to = peer.client()] {
    const RawSocket socket;
    while (!stop) socket.Send(to, Bytes(16, 0xff));
  });
  const Stopwatch watch;
  CHECK_EQ(Exchange(&connection, 1, kShort), "no answer");
  CHECK(watch.Milliseconds() < kEndless);
  stop = true;
  stranger.join();
}

TEST("Without an answer the outcome is unknown, the socket closed, and a late answer not taken") {
  Batch unanswered;
  Peer peer(InTurn({AcknowledgeAll,
                    [&unanswered](const Peer&, const Batch& asked) { unanswered = asked; },
                    [&unanswered](const Peer& self, const Batch& asked) {
                      for (const Asked& late : unanswered) self.Answer(asked[0], Refusal(late, 17));
                      AcknowledgeAll(self, asked);
                    }}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  const Stopwatch watch;
  CHECK_EQ(Exchange(&connection, 3, kShort), "no answer, no answer, no answer");
  CHECK(watch.Milliseconds() >= kShort - 1);
  CHECK(watch.Milliseconds() < kEndless);
  CHECK_EQ(FindSocket(NETLINK_USERSOCK, peer.client()), -1);
  CHECK_EQ(Exchange(&connection, 3), "ok, ok, ok");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0 1c:0,1,2 1c:0,1,2");
}

TEST("Of a batch only those without an answer are unknown") {
  Peer peer(InTurn({AcknowledgeAll, [](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Ack(asked[0]));
                      self.Answer(asked[1],
                                  Reply(asked[1], Attribute(1, "aa")));  // and then nothing
                      self.Answer(asked[2], Refusal(asked[2], 17));
                    }}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  CommandBatch batch = Commands(3);
  std::vector<Answer> answers;
  connection.Exchange(&batch, Deadline::After(kShort), &answers);
  CHECK_EQ(Describe(answers[0].failure), "ok");
  CHECK_EQ(Describe(answers[1].failure), "no answer");
  CHECK_EQ(Describe(answers[2].failure), "refused 17");
}

TEST("Where the family's number is not told in time the command is not sent") {
  Peer peer(InTurn({Ignore, FamilyIs(kFamily)}), AcknowledgeAll);
  Connection connection(peer.options());
  const Stopwatch watch;
  CHECK_EQ(Exchange(&connection, 2, kShort), "not sent, not sent");
  CHECK(watch.Milliseconds() < kEndless);
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Log(peer.Stop()), "family family 1c:0");
}

TEST("After its deadline nothing is sent, not even a question for the family") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2, 0), "not sent, not sent");
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Exchange(&connection, 1, -1), "not sent");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0");
}

TEST("Where the family does not exist nothing is sent, and it is asked for again next time") {
  Peer peer(InTurn({RefuseAll(ENOENT), FamilyIs(kFamily)}), AcknowledgeAll);
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "unavailable 2, unavailable 2");
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Log(peer.Stop()), "family family 1c:0");
}

TEST("Where the question for the family is refused otherwise that is the answer") {
  Peer peer(RefuseAll(EPERM, "no"), AcknowledgeAll);
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 1), "refused 1: no");
  CHECK_EQ(Log(peer.Stop()), "family");
}

TEST("A family without a number that may be sent to is not sent to") {
  // The kernel acknowledges whatever goes to a number below 16, and does nothing.
  const auto with = [](Bytes attributes) {
    return [attributes](const Peer& self, const Batch& asked) {
      self.Answer(asked[0], Reply(asked[0], attributes, GENL_ID_CTRL) + Ack(asked[0]));
    };
  };
  struct {
    const char* what;
    Script families;
    const char* outcome;
  } const rows[] = {
      {"0", FamilyIs(0), "malformed: CTRL_ATTR_FAMILY_ID: is missing"},
      {"15", FamilyIs(15), "malformed: CTRL_ATTR_FAMILY_ID: is missing"},
      {"none", with(TextAttribute(2, "IPVS")), "malformed: CTRL_ATTR_FAMILY_ID: is missing"},
      {"no reply", AcknowledgeAll, "malformed: CTRL_ATTR_FAMILY_ID: is missing"},
      {"4 bytes", with(Attribute(1, "1c00 0000")),
       "malformed: CTRL_ATTR_FAMILY_ID: has the wrong size"},
  };
  for (const auto& r : rows) {
    row = r.what;
    Peer peer(InTurn({r.families, FamilyIs(kFamily)}), AcknowledgeAll);
    Connection connection(peer.options());
    CHECK_EQ(Exchange(&connection, 1), r.outcome);
    CHECK_EQ(Exchange(&connection, 1), "ok");
    CHECK_EQ(Log(peer.Stop()), "family family 1c:0");
  }
}

// Refuses with ENOENT whatever goes to `stale`, acknowledges the rest.
Script StaleIs(uint16_t stale) {
  return [stale](const Peer& self, const Batch& asked) {
    for (const Asked& command : asked) {
      const bool refuse = command.header.nlmsg_type == stale;
      self.Answer(command, refuse ? Refusal(command, ENOENT) : Ack(command));
    }
  };
}

TEST("A command refused by a family that was loaded anew is sent again to its new number") {
  Peer peer(InTurn({FamilyIs(0x1c), FamilyIs(0x1d)}), StaleIs(0x1c));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "ok, ok");
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0,1 family 1d:0,1 1d:0");
}

TEST("Only what was refused with ENOENT is sent again, and each answer stays in its place") {
  Peer peer(InTurn({FamilyIs(0x1c), FamilyIs(0x1d)}),
            InTurn({[](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Reply(asked[0], Attribute(1, "aa")) + Ack(asked[0]));
                      self.Answer(asked[1], Refusal(asked[1], ENOENT));
                      self.Answer(asked[2], Refusal(asked[2], 17));
                      self.Answer(asked[3], Refusal(asked[3], ENOENT));
                      self.Answer(asked[4], Ack(asked[4]));
                    },
                    [](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Refusal(asked[0], 3));
                      self.Answer(asked[1],
                                  Reply(asked[1], Attribute(1, "dd"), 0x1d) + Ack(asked[1]));
                    }}));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 5),
           "ok with 0500 0100 aa00 0000, refused 3, refused 17, ok with 0500 0100 dd00 0000, ok");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0,1,2,3,4 family 1d:1,3");
}

TEST("ENOENT from a family that is still the same is the verdict, and nothing is sent twice") {
  Peer peer(StaleIs(kFamily));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "refused 2, refused 2");
  CHECK_EQ(Exchange(&connection, 1), "refused 2");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0,1 family 1c:0 family");
}

TEST("ENOENT from the new number too is the verdict: a command is sent twice at most") {
  // A new number at every question.
  const Script families = [id = uint16_t{0x1c}](const Peer& self, const Batch& asked) mutable {
    self.Answer(asked[0], FamilyReply(asked[0], id++) + Ack(asked[0]));
  };
  Peer peer(families, RefuseAll(ENOENT));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 1), "refused 2");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0 family 1d:0");
}

TEST("Where the family is gone, what it refused was not done, and what it did was") {
  Peer peer(InTurn({FamilyIs(kFamily), RefuseAll(ENOENT), FamilyIs(0x1d)}),
            InTurn({[](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Ack(asked[0]) + Refusal(asked[1], ENOENT));
                    },
                    AcknowledgeAll}));
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 2), "ok, unavailable 2");
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0,1 family family 1d:0");
}

TEST("Where it cannot be learnt whether the number is stale, nothing was done") {
  Peer peer(InTurn({FamilyIs(kFamily), Ignore, FamilyIs(kFamily)}),
            InTurn({AcknowledgeAll,
                    [](const Peer& self, const Batch& asked) {
                      self.Answer(asked[0], Ack(asked[0]) + Refusal(asked[1], ENOENT));
                    },
                    AcknowledgeAll}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  CHECK_EQ(Exchange(&connection, 2, kShort), "ok, not sent");
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Log(peer.Stop()), "family 1c:0 1c:0,1 family family 1c:0");
}

// The number under which a connection will ask next, made to fit answers that are queued before
// the question: so it is certain what is in the queue when it is read.
Asked Next(const Peer& peer, uint32_t ahead) {
  Asked asked;
  asked.from = peer.client();
  asked.header.nlmsg_seq = peer.last_sequence() + 1 + ahead;
  return asked;
}

TEST("A datagram larger than the buffer costs its answers and no others") {
  Peer peer(InTurn({AcknowledgeAll, Ignore}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  CHECK(peer.Answer(Next(peer, 0), Ack(Next(peer, 0))));
  CHECK(peer.Answer(Next(peer, 1),
                    Refusal(Next(peer, 1), 17, std::string(65000, 'x')) + Bytes(1000)));
  CHECK(peer.Answer(Next(peer, 2), Refusal(Next(peer, 2), 17)));
  const Stopwatch watch;
  CHECK_EQ(Exchange(&connection, 3), "ok, no answer 90, refused 17");
  CHECK(watch.Milliseconds() < kEndless);  // what is lost is not waited for
}

TEST("A datagram that does not walk costs its answers and no others") {
  Peer peer(InTurn({AcknowledgeAll, Ignore}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  Bytes broken = Ack(Next(peer, 1));
  broken[0]++;
  CHECK(peer.Answer(Next(peer, 0), Ack(Next(peer, 0)) + broken));
  CHECK(peer.Answer(Next(peer, 2), Refusal(Next(peer, 2), 17)));
  const Stopwatch watch;
  CHECK_EQ(Exchange(&connection, 3),
           "ok, malformed: a message's length does not fit its datagram, refused 17");
  CHECK(watch.Milliseconds() < kEndless);
}

// What got lost may have been an error: an answer behind it says nothing of what stands before it.
TEST("After a loss no answer stands for the commands before it") {
  const std::string text = "a message's length does not fit its datagram";
  struct {
    const char* what;
    std::function<Bytes(const Asked& asked)> lost;
    std::string outcome;
  } const rows[] = {
      {"a datagram too large",
       [](const Asked& asked) { return Refusal(asked, 17, std::string(65000, 'x')) + Bytes(1000); },
       "no answer 90"},
      {"a datagram that does not walk",
       [](const Asked& asked) {
         Bytes broken = Refusal(asked, 17);
         broken[0]++;
         return broken;
       },
       "malformed: " + text},
  };
  for (const auto& r : rows) {
    for (const bool acknowledged : {false, true}) {
      row = std::string(r.what) + (acknowledged ? ", acknowledged" : ", refused");
      Peer peer(InTurn({AcknowledgeAll, Ignore}));
      Connection connection(peer.options());
      MeetOnce(&connection);
      const auto next = [&peer](uint32_t ahead) { return Next(peer, ahead); };
      CHECK(peer.Answer(next(1), Refusal(next(1), 17)));
      CHECK(peer.Answer(next(3), r.lost(next(3))));
      CHECK(peer.Answer(next(5), acknowledged ? Ack(next(5)) : Refusal(next(5), 18)));
      const Stopwatch watch;
      CHECK_EQ(Exchange(&connection, "ssssss"), "ok, refused 17, " + r.outcome + ", " + r.outcome +
                                                    ", " + r.outcome + ", " +
                                                    (acknowledged ? "ok" : "refused 18"));
      CHECK(watch.Milliseconds() < kEndless);  // what is lost is not waited for
      CHECK_EQ(Exchange(&connection, 0), "");
    }
  }
}

TEST("After an overrun behind the first answers no later one stands for those before it") {
  Peer peer(InTurn({AcknowledgeAll, Ignore}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  const auto next = [&peer](uint32_t ahead) { return Next(peer, ahead); };
  CHECK(peer.Answer(next(1), Refusal(next(1), 17)));
  CHECK(peer.Answer(next(4), Refusal(next(4), 18)));
  const ReceiveCalls calls({AtMost(1), FailWith(ENOBUFS)});
  const Stopwatch watch;
  CHECK_EQ(Exchange(&connection, "ssssss"),
           "ok, refused 17, no answer 105, no answer 105, refused 18, no answer 105");
  CHECK(watch.Milliseconds() < kEndless);
  CHECK_EQ(calls.made(), 2u);
}

TEST("An acknowledgement too short to say anything is no success") {
  Peer peer([](const Peer& self, const Batch& asked) {
    self.Answer(asked[0], NetlinkMessage(NLMSG_ERROR, 0x100, asked[0].header.nlmsg_seq,
                                         asked[0].from, Hex("0000 0000")));
  });
  Connection connection(peer.options());
  CHECK_EQ(Exchange(&connection, 1), "malformed: the acknowledgement is too short");
}

TEST("A wrong byte anywhere in an answer leaves a connection that works") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  MeetOnce(&connection);
  const Stopwatch watch;
  const size_t size = 28 + 44;  // of what is made below
  for (size_t i = 0; i < size; i++) {
    for (const int value : {0x00, 0x01, 0x03, 0x7f, 0x80, 0xff}) {
      const Asked next = Next(peer, 0);
      Bytes wrong = Reply(next, Attribute(1, "aa")) + Refusal(next, 17, "no");
      if (!CHECK_EQ(wrong.size(), size)) return;
      wrong[i] = static_cast<uint8_t>(value);
      peer.Answer(next, wrong);
      Exchange(&connection, 1);
    }
  }
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK(watch.Milliseconds() < kLong);  // none of them made it wait for the deadline
}

// How many commands of a kind go in one datagram.
size_t CapacityOf(const Peer& peer, char kind) {
  Socket socket;
  Socket::Open(NETLINK_USERSOCK, peer.port(), &socket);
  return Commands(std::string(100000, kind)).Fit(0, socket.largest(), socket.queue());
}

TEST("More commands than the queue holds answers for go in parts, one after the other, in order") {
  // Answers that say which command they belong to; ENOENT is not among them.
  const auto error = [](size_t number) { return static_cast<int>(20 + number % 50); };
  const Script script = [error](const Peer& self, const Batch& asked) {
    Bytes answers;
    for (const Asked& command : asked) {
      const uint32_t number = NumberOf(command);
      const bool wanted = (command.header.nlmsg_flags & NLM_F_ACK) != 0;
      if (number % 3 == 0) answers = answers + Refusal(command, error(number));
      if (number % 3 != 0 && wanted) answers = answers + Ack(command);
    }
    self.Answer(asked[0], answers);
  };
  for (const char kind : {'s', 'o'}) {
    const size_t capacity = CapacityOf(Peer(Ignore), kind);
    for (const size_t count : {size_t{129}, capacity, capacity + 1, 2 * capacity + 3}) {
      row = std::to_string(count) + " commands of kind " + kind;
      Peer peer(script);
      Connection connection(peer.options());
      CommandBatch batch = Commands(std::string(count, kind));
      std::vector<Answer> answers;
      connection.Exchange(&batch, Deadline::After(kLong), &answers);
      const Batch asked = peer.Stop();
      if (!CHECK_EQ(answers.size(), count) || !CHECK_EQ(asked.size(), count + 1)) return;
      size_t begin = 1;  // of the datagram; the first command asks for the family
      for (size_t i = 0; i < count; i++) {
        const std::string refused = "refused " + std::to_string(error(i));
        CHECK_EQ(Describe({answers[i]}), i % 3 == 0 ? refused : "ok");
        CHECK_EQ(NumberOf(asked[i + 1]), i);
        if (asked[i + 1].datagram != asked[begin].datagram) begin = i + 1;
        CHECK(i + 1 - begin < capacity);
      }
      CHECK_EQ(asked.back().datagram, (count + capacity - 1) / capacity);
    }
  }
}

TEST("Commands larger than a datagram altogether go in several, and none is refused for it") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  MeetOnce(&connection);
  Socket socket;
  Socket::Open(NETLINK_USERSOCK, peer.port(), &socket);
  const Bytes value(60000, 0xaa);
  CommandBatch batch;
  const size_t count = 2 * socket.largest() / value.size() + 3;
  for (size_t i = 0; i < count; i++) {
    AttributeWriter writer = batch.Add(1, 1, Confirmation::kShared);
    writer.U32(1, static_cast<uint32_t>(i));
    writer.Raw(2, value.data(), value.size());
  }
  std::vector<Answer> answers;
  connection.Exchange(&batch, Deadline::After(kLong), &answers);
  for (const Answer& answer : answers) CHECK_EQ(Describe({answer}), "ok");
  const Batch asked = peer.Stop();
  CHECK_EQ(asked.size(), 2 + count);
  for (size_t i = 0; i < count; i++) CHECK_EQ(NumberOf(asked[2 + i]), i);
  CHECK_EQ(asked.back().datagram, 1 + 3u);
}

TEST("What is sent again goes in parts too") {
  for (const char kind : {'s', 'o'}) {
    row = kind;
    Peer peer(InTurn({FamilyIs(0x1c), FamilyIs(0x1d)}), StaleIs(0x1c));
    const size_t capacity = CapacityOf(peer, kind);
    Connection connection(peer.options());
    CommandBatch batch = Commands(std::string(capacity + 1, kind));
    std::vector<Answer> answers;
    connection.Exchange(&batch, Deadline::After(kLong), &answers);
    for (const Answer& answer : answers) CHECK_EQ(Describe(answer.failure), "ok");
    const Batch asked = peer.Stop();
    CHECK_EQ(asked.size(), 2 * (1 + capacity + 1));
    CHECK_EQ(asked.back().datagram, 5u);  // a question and two parts, and all of it again
    CHECK_EQ(NumberOf(asked.back()), capacity);
  }
}

TEST("What is left when the deadline passes is not sent") {
  Peer peer(InTurn({AcknowledgeAll, [](const Peer& self, const Batch& asked) {
                      for (size_t i = 1; i < asked.size(); i++)
                        self.Answer(asked[i], Ack(asked[i]));
                    }}));
  const size_t capacity = CapacityOf(peer, 'o');
  Connection connection(peer.options());
  MeetOnce(&connection);
  CommandBatch batch = Commands(2 * capacity + 1);
  std::vector<Answer> answers;
  const Stopwatch watch;
  connection.Exchange(&batch, Deadline::After(kShort), &answers);
  CHECK(watch.Milliseconds() < kEndless);
  CHECK_EQ(Describe({answers[0]}), "no answer");
  for (size_t i = capacity; i < answers.size(); i++) CHECK_EQ(Describe({answers[i]}), "not sent");
  CHECK_EQ(peer.Stop().size(), 2 + capacity);
}

TEST("After an answer was lost otherwise than by time the rest is still sent") {
  for (const char kind : {'s', 'o'}) {
    row = kind;
    Peer peer(InTurn({AcknowledgeAll, [](const Peer& self, const Batch& asked) {
                        // To the first part nothing but what cannot be read.
                        if (NumberOf(asked[0]) == 0)
                          self.Answer(asked[0], Hex("0102 03"));
                        else
                          AcknowledgeAll(self, asked);
                      }}));
    const size_t capacity = CapacityOf(peer, kind);
    Connection connection(peer.options());
    MeetOnce(&connection);
    CommandBatch batch = Commands(std::string(capacity + 2, kind));
    std::vector<Answer> answers;
    connection.Exchange(&batch, Deadline::After(kLong), &answers);
    const std::string malformed = "malformed: a message's length does not fit its datagram";
    CHECK_EQ(Describe({answers[0]}), malformed);
    CHECK_EQ(Describe({answers[capacity - 1]}), malformed);
    CHECK_EQ(Describe({answers[capacity]}), "ok");
    CHECK_EQ(Describe({answers[capacity + 1]}), "ok");
  }
}

TEST("Where sending fails the system call is named and nothing is unknown") {
  Connection connection([] {
    Peer peer(AcknowledgeAll);
    return peer.options();
  }());
  CHECK_EQ(Exchange(&connection, 2), "system call sendmsg 111, system call sendmsg 111");
}

TEST("Where receiving fails the outcome is unknown and the socket a new one") {
  Peer peer(InTurn({AcknowledgeAll,
                    [](const Peer& self, const Batch& asked) {
                      // Another file under the descriptor that is being
                      // waited on; past the sanitizers, which hold that to be
                      // a race.
                      const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
                      const int fd = FindSocket(NETLINK_USERSOCK, asked[0].from);
                      ::syscall(SYS_dup3, null, fd, O_CLOEXEC);
                      ::close(null);
                      self.Answer(asked[0], Ack(asked[0]));
                    },
                    AcknowledgeAll}));
  Connection connection(peer.options());
  MeetOnce(&connection);
  CHECK_EQ(Exchange(&connection, 1), "no answer 88");  // ENOTSOCK
  CHECK_EQ(Exchange(&connection, 1), "ok");
}

TEST("A connection closed by hand opens itself again") {
  Peer peer(AcknowledgeAll);
  Connection connection(peer.options());
  MeetOnce(&connection);
  const uint32_t port = peer.client();
  connection.Close();
  CHECK_EQ(FindSocket(NETLINK_USERSOCK, port), -1);
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Describe(connection.EnsureOpen()), "ok");
}

// From here on the peer is the kernel itself: its family "nlctrl" answers everybody.
Connection::Options Kernel(const char* family) {
  Connection::Options options;
  options.family = family;
  return options;
}

CommandBatch Questions(size_t count) {
  CommandBatch batch;
  for (size_t i = 0; i < count; i++) EncodeGetFamily("nlctrl", &batch);
  return batch;
}

TEST("The kernel's answers are understood") {
  Connection connection(Kernel("nlctrl"));
  CommandBatch batch = Questions(2);
  AttributeWriter writer = batch.Add(CTRL_CMD_GETFAMILY, 1, Confirmation::kOwn);
  writer.U8(CTRL_ATTR_FAMILY_ID, 1);  // of the wrong size, which the kernel explains
  batch.Add(CTRL_CMD_GETFAMILY, 1, Confirmation::kOwn);
  std::vector<Answer> answers;
  connection.Exchange(&batch, Deadline::After(kLong), &answers);
  for (size_t i = 0; i < 2; i++) {
    CHECK_EQ(Describe(answers[i].failure), "ok");
    DecodeError error;
    uint16_t id = 0;
    CHECK(DecodeFamilyId(ByteView(answers[i].reply), &id, &error));
    CHECK_EQ(id, GENL_ID_CTRL);
  }
  CHECK_EQ(answers[2].failure.fault, Fault::kRefused);
  CHECK_EQ(answers[2].failure.error, ERANGE);
  CHECK(!answers[2].failure.detail.empty());
  CHECK_EQ(answers[3].failure.fault, Fault::kRefused);
  CHECK_EQ(answers[3].failure.error, EINVAL);
}

TEST("A family that the kernel does not know is unavailable") {
  Connection connection(Kernel("no such family"));
  CHECK_EQ(Exchange(&connection, 1), "unavailable 2");
}

TEST("After an overrun the answers that were queued count, the others are unknown") {
  Connection connection(Kernel("nlctrl"));
  CommandBatch one = Questions(1);
  std::vector<Answer> answers;
  connection.Exchange(&one, Deadline::After(kLong), &answers);
  CHECK_EQ(Describe(answers[0].failure), "ok");
  // The queue is made smaller behind the connection's back: room for some ten answers.
  const int fd = FindSocket(NETLINK_GENERIC);
  if (!CHECK(fd >= 0)) return;
  const int queue = 32 * 1024;
  CHECK_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)), 0);

  CommandBatch many = Questions(50);
  const Stopwatch watch;
  connection.Exchange(&many, Deadline::After(kLong), &answers);
  CHECK(watch.Milliseconds() < kEndless);
  size_t settled = 0;
  while (settled < answers.size() && answers[settled].settled) settled++;
  CHECK(settled > 0);
  CHECK(settled < answers.size());
  for (size_t i = 0; i < answers.size(); i++) {
    row = std::to_string(i);
    CHECK_EQ(Describe(answers[i].failure), i < settled ? "ok" : "no answer 105");
    if (i < settled) CHECK(!answers[i].reply.empty());
  }
  row = "";
  one = Questions(1);
  connection.Exchange(&one, Deadline::After(kLong), &answers);
  CHECK_EQ(Describe(answers[0].failure), "ok");
}

// Every second command is a mistake; all share one acknowledgement.
CommandBatch Mixture(size_t pairs) {
  CommandBatch batch;
  for (size_t i = 0; i < pairs; i++) {
    for (const int size : {2, 1}) {
      AttributeWriter writer = batch.Add(CTRL_CMD_GETFAMILY, 1, Confirmation::kShared);
      if (size == 1) writer.U8(CTRL_ATTR_FAMILY_ID, GENL_ID_CTRL);
      if (size == 2) writer.U16(CTRL_ATTR_FAMILY_ID, GENL_ID_CTRL);
    }
  }
  return batch;
}

TEST("An overrun after some errors leaves the rest unknown, and nothing is concluded from them") {
  Connection connection(Kernel("nlctrl"));
  CommandBatch few = Mixture(3);
  std::vector<Answer> answers;
  connection.Exchange(&few, Deadline::After(kLong), &answers);
  for (size_t i = 0; i < answers.size(); i++) {
    row = std::to_string(i);
    CHECK_EQ(answers[i].failure.error, i % 2 == 0 ? 0 : ERANGE);
    CHECK(answers[i].settled);
  }
  // The queue is made smaller behind the connection's back.
  const int fd = FindSocket(NETLINK_GENERIC);
  if (!CHECK(fd >= 0)) return;
  const int queue = 32 * 1024;
  CHECK_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)), 0);

  CommandBatch many = Mixture(50);
  const Stopwatch watch;
  connection.Exchange(&many, Deadline::After(kLong), &answers);
  CHECK(watch.Milliseconds() < kEndless);
  size_t refused = 0;
  while (2 * refused + 1 < answers.size() && answers[2 * refused + 1].settled) refused++;
  CHECK(refused > 0);
  CHECK(2 * refused < answers.size());
  for (size_t i = 0; i < answers.size(); i++) {
    row = std::to_string(i);
    const bool told = i % 2 == 1 && i < 2 * refused;
    CHECK_EQ(answers[i].settled, told);
    CHECK_EQ(answers[i].failure.fault, told ? Fault::kRefused : Fault::kNoAnswer);
    CHECK_EQ(answers[i].failure.error, told ? ERANGE : ENOBUFS);
  }
}

}  // namespace
}  // namespace ipvs::test
