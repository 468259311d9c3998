#include "socket.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

namespace ipvs {

namespace {

// One size for every receive: a dump's chunks grow with the largest buffer that was ever offered on
// the socket, up to 32 KiB, and a smaller one offered later would lose the rest (netlink_dump).
constexpr size_t kReceiveBuffer = size_t{64} * 1024;

// What the queue of answers may hold. Forced past the system's limit where we may, and who may use
// IPVS may.
constexpr int kQueueBytes = 4 * 1024 * 1024;

// The largest answer to one command, a service with its acknowledgement, costs the queue about
// 5.5 KiB with the kernel's bookkeeping.
constexpr size_t kBytesPerAnswer = size_t{8} * 1024;

// Kept here because older build hosts' headers lack them.
constexpr int kCapAck = 10;
constexpr int kExtAck = 11;

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
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kQueueBytes, sizeof(kQueueBytes)) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kQueueBytes, sizeof(kQueueBytes));
  }

  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Failure::SystemCall("bind", errno);
  }
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return Failure::SystemCall("getsockname", errno);
  }
  int queue = 0;
  length = sizeof(queue);
  if (::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, &length) == 0 && queue > 0) {
    socket.capacity_ = static_cast<size_t>(queue) / kBytesPerAnswer;
    if (socket.capacity_ == 0) socket.capacity_ = 1;
  }
  socket.port_ = address.nl_pid;
  socket.peer_ = peer;
  socket.buffer_.reset(new uint8_t[kReceiveBuffer]);
  *opened = std::move(socket);
  return Failure();
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

bool Socket::ReceiveOnce(Received* received) {
  sockaddr_nl sender{};
  iovec part{buffer_.get(), kReceiveBuffer};
  msghdr message{};
  message.msg_name = &sender;
  message.msg_namelen = sizeof(sender);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  if (size < 0) {
    const int error = errno;
    if (error == EINTR) return false;
    if (error == EAGAIN) {
      *received = {Event::kTimedOut, {}, 0};
    } else {
      *received = {error == ENOBUFS ? Event::kOverrun : Event::kError, {}, error};
    }
    return true;
  }
  // Any process may send to a netlink socket's port.
  if (message.msg_namelen != sizeof(sender) || sender.nl_pid != peer_) return false;
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    *received = {Event::kTruncated, {}, EMSGSIZE};
  } else {
    *received = {Event::kDatagram, ByteView(buffer_.get(), static_cast<size_t>(size)), 0};
  }
  return true;
}

Socket::Received Socket::ReceiveQueued(const Deadline& deadline) {
  Received received{Event::kTimedOut, {}, 0};
  while (!ReceiveOnce(&received) && !deadline.Passed()) {
  }
  return received;
}

Socket::Received Socket::Receive(const Deadline& deadline) {
  for (;;) {
    // First without waiting: the kernel answers inside sendmsg, so it is nearly always there.
    const Received received = ReceiveQueued(deadline);
    if (received.event != Event::kTimedOut) return received;
    const int remaining = deadline.Remaining();
    if (remaining == 0) return received;
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, remaining) < 0 && errno != EINTR) return {Event::kError, {}, errno};
  }
}

}  // namespace ipvs
