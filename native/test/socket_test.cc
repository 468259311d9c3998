#include "core/socket.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "calls.h"
#include "conversation.h"
#include "core/generic.h"
#include "harness.h"
#include "peer.h"

namespace ipvs::test {
namespace {

using Event = Socket::Event;

Socket OpenTo(const RawSocket& peer) {
  Socket socket;
  CHECK_EQ(Describe(Socket::Open(NETLINK_USERSOCK, peer.port(), &socket)), "ok");
  return socket;
}

TEST("Datagrams go to the peer and come from it, whole and in order") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  CHECK(socket.is_open());
  CHECK_EQ(Describe(socket.Send(ByteView(Hex("0102 03")), Deadline::After(1000))), "ok");
  uint32_t from = 0;
  CHECK_EQ(peer.Receive(&from), Hex("0102 03"));
  CHECK_EQ(from, socket.port());

  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK(peer.Send(socket.port(), Bytes(64 * 1024, 0xbb)));  // the largest that fits
  CHECK(peer.Send(socket.port(), Hex("0c0d")));
  const Deadline deadline = Deadline::After(kLong);
  CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Hex("0a"));
  CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Bytes(64 * 1024, 0xbb));
  const Socket::Received last = socket.Receive(deadline);
  CHECK_EQ(last.event, Event::kDatagram);
  CHECK_EQ(ToBytes(last.datagram), Hex("0c0d"));
}

// How many datagrams the kernel holds for the socket: none once they were read together.
bool IsDrained(const Socket& socket) {
  const int fd = FindSocket(NETLINK_USERSOCK, socket.port());
  uint8_t byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

TEST("Datagrams that arrive together are read together, and each is taken") {
  const RawSocket peer;
  const RawSocket stranger;
  Socket socket = OpenTo(peer);
  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK(stranger.Send(socket.port(), Hex("ff")));
  CHECK(peer.Send(socket.port(), Hex("0b0b")));
  CHECK(!IsDrained(socket));
  const Deadline deadline = Deadline::After(kLong);
  CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Hex("0a"));
  CHECK(IsDrained(socket));
  // What is there needs no time.
  CHECK_EQ(ToBytes(socket.Receive(Deadline::After(0)).datagram), Hex("0b0b"));
  CHECK_EQ(socket.ReceiveQueued(deadline).event, Event::kTimedOut);
}

TEST("However many arrive, each is taken once and in order, and strangers' are not") {
  const RawSocket peer;
  const RawSocket stranger;
  Socket socket = OpenTo(peer);
  const Deadline deadline = Deadline::After(kLong);
  uint8_t sent = 0;
  uint8_t taken = 0;
  // Of what is queued some is taken, so that more comes while the rest waits.
  for (const int more : {1, 3, 4, 5, 2, 8, 0, 9, 1}) {
    for (int i = 0; i < more; i++) {
      if (i % 3 == 1) CHECK(stranger.Send(socket.port(), Bytes(size_t{1} + i, 0xff)));
      CHECK(peer.Send(socket.port(), Bytes(size_t{1} + sent % 7, sent)));
      sent++;
    }
    const int left = sent - taken;
    for (int i = 0; i < (left + 1) / 2; i++) {
      CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Bytes(size_t{1} + taken % 7, taken));
      taken++;
    }
  }
  for (; taken < sent; taken++) {
    CHECK_EQ(ToBytes(socket.ReceiveQueued(deadline).datagram), Bytes(size_t{1} + taken % 7, taken));
  }
  CHECK_EQ(socket.ReceiveQueued(deadline).event, Event::kTimedOut);
}

TEST("Each of those that arrive together is judged by itself") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK(peer.Send(socket.port(), Bytes(64 * 1024 + 1, 0xbb)));
  CHECK(peer.Send(socket.port(), Hex("0c")));
  const Deadline deadline = Deadline::After(kLong);
  CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Hex("0a"));
  CHECK(IsDrained(socket));
  const Socket::Received received = socket.Receive(deadline);
  CHECK_EQ(received.event, Event::kTruncated);
  CHECK(received.datagram.empty());
  const Socket::Received last = socket.Receive(deadline);
  CHECK_EQ(last.event, Event::kDatagram);
  CHECK_EQ(ToBytes(last.datagram), Hex("0c"));
}

// The kernel gives what it has and tells the failure at the next call.
TEST("What fails behind a datagram is told after it, and what comes behind that is taken") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  for (const char* datagram : {"0a", "0b", "0c"}) CHECK(peer.Send(socket.port(), Hex(datagram)));
  const ReceiveCalls calls(
      {AtMost(1), FailWith(EINTR), FailWith(ENOBUFS), AtMost(4), FailWith(ENOMEM)});
  const Deadline deadline = Deadline::After(kLong);
  CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Hex("0a"));
  const Socket::Received overrun = socket.Receive(deadline);
  CHECK_EQ(overrun.event, Event::kOverrun);
  CHECK_EQ(overrun.error, ENOBUFS);
  CHECK_EQ(calls.made(), 3u);
  CHECK_EQ(ToBytes(socket.ReceiveQueued(deadline).datagram), Hex("0b"));
  CHECK_EQ(ToBytes(socket.ReceiveQueued(deadline).datagram), Hex("0c"));
  CHECK_EQ(calls.made(), 4u);
  const Socket::Received failed = socket.ReceiveQueued(deadline);
  CHECK_EQ(failed.event, Event::kError);
  CHECK_EQ(failed.error, ENOMEM);
}

TEST("A socket that is opened in the place of another has nothing of what that one read") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK(peer.Send(socket.port(), Hex("0b")));
  CHECK_EQ(ToBytes(socket.Receive(Deadline::After(kLong)).datagram), Hex("0a"));
  socket.Close();
  socket = OpenTo(peer);
  CHECK_EQ(socket.ReceiveQueued(Deadline::After(kLong)).event, Event::kTimedOut);
  CHECK(peer.Send(socket.port(), Hex("0c")));
  CHECK_EQ(ToBytes(socket.Receive(Deadline::After(kLong)).datagram), Hex("0c"));
}

TEST("Where nothing comes the wait ends with the deadline, and not before") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  const Stopwatch watch;
  CHECK_EQ(socket.Receive(Deadline::After(kShort)).event, Event::kTimedOut);
  CHECK(watch.Milliseconds() >= kShort - 1);
  CHECK(watch.Milliseconds() < kEndless);
}

TEST("What is queued is received without waiting, even when the deadline has passed") {
  // The kernel answers inside sendmsg, and may take longer there than anybody wanted to wait.
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  const Stopwatch watch;
  CHECK_EQ(socket.ReceiveQueued(Deadline::After(kLong)).event, Event::kTimedOut);
  CHECK(watch.Milliseconds() < kEndless);
  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK(peer.Send(socket.port(), Hex("0b")));
  CHECK_EQ(socket.Receive(Deadline::After(0)).event, Event::kDatagram);
  CHECK_EQ(socket.ReceiveQueued(Deadline::After(0)).event, Event::kDatagram);
  CHECK_EQ(socket.ReceiveQueued(Deadline::After(0)).event, Event::kTimedOut);
}

TEST("A stranger's datagrams are dropped, whatever their size") {
  const RawSocket peer;
  const RawSocket stranger;
  Socket socket = OpenTo(peer);
  CHECK(stranger.Send(socket.port(), Hex("ff")));
  CHECK(stranger.Send(socket.port(), Bytes(70000, 0xff)));
  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK(stranger.Send(socket.port(), Hex("ff")));
  const Socket::Received received = socket.Receive(Deadline::After(kLong));
  CHECK_EQ(received.event, Event::kDatagram);
  CHECK_EQ(ToBytes(received.datagram), Hex("0a"));
  CHECK_EQ(socket.ReceiveQueued(Deadline::After(kLong)).event, Event::kTimedOut);
}

TEST("A stranger's flood is thrown away only until the deadline") {
  const RawSocket peer;
  const RawSocket stranger;
  Socket socket = OpenTo(peer);
  for (int i = 0; i < 100; i++) CHECK(stranger.Send(socket.port(), Hex("ff")));
  CHECK(peer.Send(socket.port(), Hex("0a")));
  CHECK_EQ(socket.Receive(Deadline::After(0)).event, Event::kTimedOut);
  CHECK_EQ(socket.ReceiveQueued(Deadline::After(0)).event, Event::kTimedOut);
  CHECK_EQ(ToBytes(socket.ReceiveQueued(Deadline::After(kLong)).datagram), Hex("0a"));
}

TEST("A datagram larger than the buffer is not passed off as whole, and the next one is") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  CHECK(peer.Send(socket.port(), Bytes(64 * 1024 + 1, 0xbb)));
  CHECK(peer.Send(socket.port(), Hex("0a")));
  const Deadline deadline = Deadline::After(kLong);
  const Socket::Received received = socket.Receive(deadline);
  CHECK_EQ(received.event, Event::kTruncated);
  CHECK_EQ(received.error, EMSGSIZE);
  CHECK(received.datagram.empty());
  CHECK_EQ(ToBytes(socket.Receive(deadline).datagram), Hex("0a"));
}

TEST("Signals do not end the wait") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART: every call is interrupted
  struct sigaction before {};
  ::sigaction(SIGUSR1, &action, &before);
  std::atomic<bool> stop{false};
  std::thread caller([&stop, waiting = ::pthread_self()] {
    while (!stop) {
      ::pthread_kill(waiting, SIGUSR1);
      ::usleep(1000);
    }
  });
  const Stopwatch watch;
  CHECK_EQ(socket.Receive(Deadline::After(kShort)).event, Event::kTimedOut);
  CHECK(watch.Milliseconds() >= kShort - 1);
  CHECK(watch.Milliseconds() < kEndless);
  stop = true;
  caller.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST("Sending to nobody is a system call that failed") {
  Socket socket;
  {
    const RawSocket peer;
    socket = OpenTo(peer);
  }
  CHECK_EQ(Describe(socket.Send(ByteView(Hex("00")), Deadline::After(1000))),
           "system call sendmsg 111");
}

TEST("A protocol that does not exist is a system call that failed") {
  Socket socket;
  CHECK_EQ(Describe(Socket::Open(99, 0, &socket)), "system call socket 93");
  CHECK(!socket.is_open());
}

TEST("The socket is not handed on to programs, asks for explanations and for no echo") {
  const RawSocket peer;
  const Socket socket = OpenTo(peer);
  const int fd = FindSocket(NETLINK_USERSOCK, socket.port());
  if (!CHECK(fd >= 0)) return;
  CHECK_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  for (const int option : {10, 11}) {  // NETLINK_CAP_ACK, NETLINK_EXT_ACK
    row = std::to_string(option);
    int value = 0;
    socklen_t length = sizeof(value);
    CHECK_EQ(::getsockopt(fd, SOL_NETLINK, option, &value, &length), 0);
    CHECK_EQ(value, 1);
  }
}

TEST("A closed socket gives its descriptor back, and so does one that goes away") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  const uint32_t port = socket.port();
  Socket moved = std::move(socket);
  CHECK(!socket.is_open());
  CHECK(moved.is_open());
  CHECK_EQ(moved.port(), port);
  CHECK(FindSocket(NETLINK_USERSOCK, port) >= 0);
  moved.Close();
  CHECK(!moved.is_open());
  CHECK_EQ(FindSocket(NETLINK_USERSOCK, port), -1);
  { moved = OpenTo(peer); }
  CHECK(FindSocket(NETLINK_USERSOCK, moved.port()) >= 0);
  moved = OpenTo(peer);  // what was there is closed
  CHECK_EQ(FindSocket(NETLINK_USERSOCK, port), -1);
  moved.Close();
}

// The kernel's own family answers everybody, and as large as the IPVS family does.
CommandBatch Questions(size_t count) {
  CommandBatch batch;
  for (size_t i = 0; i < count; i++) EncodeGetFamily("nlctrl", &batch);
  return batch;
}

// What is refused, each with an explanation.
CommandBatch Mistakes(size_t count) {
  CommandBatch batch;
  for (size_t i = 0; i < count; i++) {
    AttributeWriter writer = batch.Add(CTRL_CMD_GETFAMILY, 1, Confirmation::kShared);
    writer.U8(CTRL_ATTR_FAMILY_ID, 1);
  }
  return batch;
}

Failure AskKernel(Socket* socket, CommandBatch batch) {
  return socket->Send(batch.Seal(GENL_ID_CTRL, 1), Deadline::After(1000));
}

TEST("The answers to as many commands as fit come without an overrun, whatever they are") {
  for (const bool refused : {false, true}) {
    row = refused ? "refusals" : "replies";
    Socket socket;
    CHECK_EQ(Describe(Socket::Open(NETLINK_GENERIC, 0, &socket)), "ok");
    const size_t plenty = 100000;
    const size_t count =
        (refused ? Mistakes(plenty) : Questions(plenty)).Fit(0, socket.largest(), socket.queue());
    CHECK(count > 16);
    CHECK(count < plenty);
    CHECK_EQ(Describe(AskKernel(&socket, refused ? Mistakes(count) : Questions(count))), "ok");
    size_t datagrams = 0;
    Socket::Received received = socket.Receive(Deadline::After(kLong));
    while (received.event == Event::kDatagram) {
      datagrams++;
      received = socket.ReceiveQueued(Deadline::After(kLong));
    }
    CHECK_EQ(received.event, Event::kTimedOut);
    // A reply comes with its acknowledgement.
    CHECK_EQ(datagrams, refused ? count : 2 * count);
  }
}

TEST("The largest datagram is taken, and one that is larger is refused as a whole") {
  const RawSocket peer;
  Socket socket = OpenTo(peer);
  const Bytes largest(socket.largest(), 0xaa);
  CHECK(largest.size() > 64 * 1024);
  const Deadline deadline = Deadline::After(1000);
  CHECK_EQ(Describe(socket.Send(ByteView(largest + Hex("aa")), deadline)),
           "system call sendmsg 90");  // EMSGSIZE
  CHECK_EQ(Describe(socket.Send(ByteView(largest), deadline)), "ok");
  uint32_t from = 0;
  CHECK(peer.Receive(&from) == largest);
}

TEST("After an overrun what is queued can still be read, and then the socket is as before") {
  Socket socket;
  CHECK_EQ(Describe(Socket::Open(NETLINK_GENERIC, 0, &socket)), "ok");
  const size_t fits = Questions(100000).Fit(0, socket.largest(), socket.queue());
  size_t asked = 0;
  for (; asked < 20 * fits; asked += 100) {
    CHECK_EQ(Describe(AskKernel(&socket, Questions(100))), "ok");
  }
  const Deadline deadline = Deadline::After(kLong);
  const Socket::Received first = socket.Receive(deadline);
  CHECK_EQ(first.event, Event::kOverrun);
  CHECK_EQ(first.error, ENOBUFS);
  size_t datagrams = 0;
  while (socket.ReceiveQueued(deadline).event == Event::kDatagram) datagrams++;
  CHECK(datagrams >= 2 * fits);
  CHECK(datagrams < 2 * asked);
  CHECK_EQ(Describe(AskKernel(&socket, Questions(1))), "ok");
  CHECK_EQ(socket.Receive(deadline).event, Event::kDatagram);
  CHECK_EQ(socket.Receive(deadline).event, Event::kDatagram);
}

TEST("A deadline counts down to zero and stays there") {
  CHECK_EQ(Deadline::After(0).Remaining(), 0);
  CHECK(Deadline::After(0).Passed());
  CHECK(Deadline::After(-5).Passed());
  CHECK_EQ(Deadline::After(-5).Remaining(), 0);
  const Deadline deadline = Deadline::After(kLong);
  CHECK(!deadline.Passed());
  CHECK(deadline.Remaining() <= kLong);
  CHECK(deadline.Remaining() > kLong - kEndless);
  // More than poll can be told.
  CHECK(Deadline::After(int64_t{1} << 40).Remaining() > 0);
}

TEST("A deadline comes nearer as fast as the clock runs") {
  const Deadline deadline = Deadline::After(2 * kEndless);
  ::usleep(1100 * 1000);  // past the end of a second, wherever in one this begins
  CHECK(deadline.Remaining() <= 2 * kEndless - 1100 + 1);
  CHECK(deadline.Remaining() > kEndless);
}

TEST("The numbers of the faults are those that JavaScript knows") {
  CHECK_EQ(Fault::kNone, static_cast<Fault>(0));
  CHECK_EQ(Fault::kRefused, static_cast<Fault>(1));
  CHECK_EQ(Fault::kSystemCall, static_cast<Fault>(2));
  CHECK_EQ(Fault::kUnavailable, static_cast<Fault>(3));
  CHECK_EQ(Fault::kNotSent, static_cast<Fault>(4));
  CHECK_EQ(Fault::kNoAnswer, static_cast<Fault>(5));
  CHECK_EQ(Fault::kMalformed, static_cast<Fault>(6));
}

}  // namespace
}  // namespace ipvs::test
