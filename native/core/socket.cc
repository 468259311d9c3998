#include "socket.h"

#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace ipvs {

namespace {

// What the queue of answers may hold. Forced past the system's limit where we may, and who may use
// IPVS may.
constexpr int kQueueBytes = 4 * 1024 * 1024;

// Room for a datagram of commands. Up to about 200 KiB are possible without asking for more.
constexpr int kDatagramBytes = 512 * 1024;

// The kernel keeps this much of the send buffer to itself (netlink_sendmsg).
constexpr size_t kSendReserve = 32;

// What the system gives of a buffer of `bytes`: it doubles what is asked for.
size_t Buffer(int fd, int force, int option, int bytes) {
  if (::setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) != 0) {
    ::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes));
  }
  int given = 0;
  socklen_t length = sizeof(given);
  if (::getsockopt(fd, SOL_SOCKET, option, &given, &length) != 0 || given < 0) return 0;
  return static_cast<size_t>(given);
}

// Kept here because older build hosts' headers lack them.
constexpr int kCapAck = 10;
constexpr int kExtAck = 11;
constexpr int kStrictCheck = 12;

}  // namespace

Failure Socket::Open(int protocol, uint32_t peer, Socket* opened) {
  Socket socket;
  socket.fd_.Reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  const int fd = socket.fd_.get();
  if (fd < 0) return Failure::SystemCall("socket", errno);

  // Explanations beside errnos, and no echo of the request. Kernels before 4.12 have neither, and
  // need neither: the answers are understood in every form.
  const int on = 1;
  ::setsockopt(fd, SOL_NETLINK, kExtAck, &on, sizeof(on));
  ::setsockopt(fd, SOL_NETLINK, kCapAck, &on, sizeof(on));
  // Dumps of one table bring that table and no other; kernels before 4.20 bring all.
  if (protocol == NETLINK_ROUTE) {
    ::setsockopt(fd, SOL_NETLINK, kStrictCheck, &on, sizeof(on));
  }
  socket.queue_ = Buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kQueueBytes);
  socket.largest_ = Buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kDatagramBytes);
  socket.largest_ -= std::min(socket.largest_, kSendReserve);

  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Failure::SystemCall("bind", errno);
  }
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return Failure::SystemCall("getsockname", errno);
  }
  socket.port_ = address.nl_pid;
  socket.peer_ = peer;
  socket.inbox_.reset(new Inbox);  // not zeroed: pages that nothing arrives in stay untouched
  for (size_t i = 0; i < Inbox::kMost; i++) {
    socket.inbox_->parts[i] = {socket.inbox_->buffers[i], Inbox::kBuffer};
  }
  socket.inbox_->next = socket.inbox_->count = 0;
  *opened = std::move(socket);
  return Failure();
}

void Socket::MakeRoom(size_t bytes) {
  if (bytes <= largest_ || bytes > INT_MAX / 2) return;
  // Half of it would do, as it is doubled where it is not limited.
  largest_ = Buffer(fd_.get(), SO_SNDBUFFORCE, SO_SNDBUF, static_cast<int>(bytes));
  largest_ -= std::min(largest_, kSendReserve);
}

Failure Socket::Send(ByteView datagram, const Deadline& deadline) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_pid = peer_;
  iovec part{const_cast<uint8_t*>(datagram.data), datagram.size};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof(address);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  for (;;) {
    if (peer_ != 0) {
      // Zero would be no limit.
      const long rest = std::max(deadline.Remaining(), 1);
      const timeval limit{rest / 1000, rest % 1000 * 1000};
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    if (::sendmsg(fd_.get(), &message, 0) >= 0) return Failure();
    if (errno == EAGAIN) return Failure::Of(Fault::kNotSent);
    // A netlink datagram is taken whole or not at all, so an interrupted one was not taken.
    if (errno != EINTR) return Failure::SystemCall("sendmsg", errno);
  }
}

bool Socket::Take(Received* received) {
  while (inbox_->next < inbox_->count) {
    const size_t i = inbox_->next++;
    const msghdr& message = inbox_->messages[i].msg_hdr;
    // Any process may send to a netlink socket's port.
    if (message.msg_namelen != sizeof(sockaddr_nl) || inbox_->senders[i].nl_pid != peer_) continue;
    if ((message.msg_flags & MSG_TRUNC) != 0) {
      *received = {Event::kTruncated, {}, EMSGSIZE};
    } else {
      *received = {Event::kDatagram, ByteView(inbox_->buffers[i], inbox_->messages[i].msg_len), 0};
    }
    return true;
  }
  return false;
}

Socket::Received Socket::ReceiveQueued(const Deadline& deadline) {
  Received received{Event::kTimedOut, {}, 0};
  while (!Take(&received)) {
    for (size_t i = 0; i < Inbox::kMost; i++) {
      msghdr message{};
      message.msg_name = &inbox_->senders[i];
      message.msg_namelen = sizeof(sockaddr_nl);
      message.msg_iov = &inbox_->parts[i];
      message.msg_iovlen = 1;
      inbox_->messages[i] = {message, 0};
    }
    // Several at once: reading a chunk makes the kernel queue the next one, so that a short dump
    // and its end come together. What fails behind the first datagram is told by the next call.
    const int count = ::recvmmsg(fd_.get(), inbox_->messages, Inbox::kMost, MSG_DONTWAIT, nullptr);
    const int error = count < 0 ? errno : 0;
    inbox_->next = 0;
    inbox_->count = count < 0 ? 0 : static_cast<size_t>(count);
    if (error == EAGAIN) return received;
    if (error != 0 && error != EINTR) {
      return {error == ENOBUFS ? Event::kOverrun : Event::kError, {}, error};
    }
    if (Take(&received)) return received;
    if (deadline.Passed()) return received;  // strangers may send for ever
  }
  return received;
}

Socket::Received Socket::Receive(const Deadline& deadline, int longest) {
  for (;;) {
    // First without waiting: the kernel answers inside sendmsg, so it is nearly always there.
    const Received received = ReceiveQueued(deadline);
    if (received.event != Event::kTimedOut) return received;
    int remaining = deadline.Remaining();
    if (remaining == 0) return received;
    const bool shorter = longest >= 0 && longest < remaining;
    if (shorter) remaining = longest;
    pollfd wait{fd_.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, remaining);
    if (ready < 0 && errno != EINTR) return {Event::kError, {}, errno};
    if (ready == 0 && shorter) return received;
  }
}

}  // namespace ipvs
