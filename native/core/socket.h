// A netlink socket: whole datagrams in and out. Knows nothing of what they say.
#ifndef IPVS_CORE_SOCKET_H_
#define IPVS_CORE_SOCKET_H_

#include <linux/netlink.h>
#include <sys/socket.h>

#include <memory>

#include "bytes.h"
#include "deadline.h"
#include "result.h"
#include "unique_fd.h"

namespace ipvs {

class Socket {
 public:
  enum class Event {
    kDatagram,   // one whole datagram
    kTimedOut,   // nothing came before the deadline
    kOverrun,    // ENOBUFS: the kernel threw answers away; what is queued can still be read
    kTruncated,  // a datagram was larger than the buffer: its rest is lost
    kError,      // recvmsg or poll failed
  };

  struct Received {
    Event event;
    ByteView datagram;  // valid until the next Receive
    int error = 0;
  };

  Socket() = default;

  // `peer` is the port of who answers, 0 for the kernel. Runs on the calling thread: the socket
  // belongs to the network namespace that this thread is in.
  static Failure Open(int protocol, uint32_t peer, Socket* opened);

  bool is_open() const { return static_cast<bool>(fd_); }
  void Close() { fd_.Reset(); }

  // Who we are to the other end: answers carry it.
  uint32_t port() const { return port_; }
  // What the queue of answers holds without an overrun, in bytes as the kernel accounts for them.
  size_t queue() const { return queue_; }
  // The largest datagram that can be sent.
  size_t largest() const { return largest_; }

  // For a datagram of `bytes`, as far as the system allows it: where it does not, sending it is
  // EMSGSIZE.
  void MakeRoom(size_t bytes);

  // The kernel does its work inside: this may take as long as a module takes to load. Where another
  // process answers, its queue may be full: then nothing is sent, and the deadline has passed.
  Failure Send(ByteView datagram, const Deadline& deadline);

  // Waits for a datagram from the peer, `longest` milliseconds at most where that is given; those
  // of strangers are dropped.
  Received Receive(const Deadline& deadline, int longest = -1);
  // The same without waiting: kTimedOut where nothing is queued. The deadline bounds only how long
  // a stranger's flood is thrown away.
  Received ReceiveQueued(const Deadline& deadline);

 private:
  // Datagrams that one system call brought and nobody has taken yet.
  struct Inbox {
    static constexpr size_t kMost = 4;
    // One size for every receive: a dump's chunks grow with the largest buffer that was ever
    // offered on the socket, up to 32 KiB, and a smaller one would lose the rest (netlink_dump).
    static constexpr size_t kBuffer = size_t{64} * 1024;

    mmsghdr messages[kMost];
    sockaddr_nl senders[kMost];
    iovec parts[kMost];
    uint8_t buffers[kMost][kBuffer];
    size_t next;
    size_t count;
  };

  // From the inbox: false where it is empty, but for what strangers sent.
  bool Take(Received* received);

  UniqueFd fd_;
  std::unique_ptr<Inbox> inbox_;
  uint32_t peer_ = 0;
  uint32_t port_ = 0;
  size_t queue_ = 0;
  size_t largest_ = 0;
};

}  // namespace ipvs

#endif  // IPVS_CORE_SOCKET_H_
