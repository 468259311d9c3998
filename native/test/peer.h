// The other end of a conversation, played by the test: NETLINK_USERSOCK carries datagrams between
// processes, so that answers can be late, wrong, forged or missing as no kernel would have it.
#ifndef IPVS_TEST_PEER_H_
#define IPVS_TEST_PEER_H_

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/connection.h"
#include "core/unique_fd.h"
#include "wire.h"

namespace ipvs::test {

// A socket on a port of its own, never the process's: that is left to the socket under test, which
// so gets the same port again when it is opened anew, and old answers can reach it.
class RawSocket {
 public:
  RawSocket();

  uint32_t port() const { return port_; }
  // False where nobody has that port, or its queue stays full.
  bool Send(uint32_t to, const Bytes& datagram) const;
  Bytes Receive(uint32_t* from) const;

 private:
  UniqueFd fd_;
  uint32_t port_ = 0;
};

// One command that the peer was sent.
struct Asked {
  size_t datagram = 0;  // which one it came in
  uint32_t from = 0;    // the port of who asks
  nlmsghdr header{};
  genlmsghdr generic{};
  Bytes attributes;
};

class Peer {
 public:
  // Runs on the peer's thread, for each datagram. What it captures belongs to that thread until
  // Stop returns.
  using Script = std::function<void(const Peer& peer, const std::vector<Asked>& asked)>;

  // Questions for the family go to `families`, all other commands to `commands`.
  Peer(Script families, Script commands);
  explicit Peer(Script commands);
  ~Peer() { Stop(); }

  uint32_t port() const { return socket_.port(); }
  Connection::Options options() const;

  bool Answer(const Asked& asked, const Bytes& datagram) const {
    return Send(asked.from, datagram);
  }
  bool Send(uint32_t to, const Bytes& datagram) const { return socket_.Send(to, datagram); }

  // Who asked last, and under which number.
  uint32_t client() const { return client_; }
  uint32_t last_sequence() const { return last_sequence_; }

  // Ends the thread once it has seen all that was sent; returns every command, in order.
  std::vector<Asked> Stop();

 private:
  void Listen();

  RawSocket socket_;
  RawSocket control_;
  Script families_;
  Script commands_;
  std::vector<Asked> seen_;
  std::atomic<uint32_t> client_{0};
  std::atomic<uint32_t> last_sequence_{0};
  std::thread thread_;
};

// The number that families have here unless a test says otherwise.
constexpr uint16_t kFamily = 0x1c;

// Scripts.
Peer::Script FamilyIs(uint16_t id);
// What asks for it, as a kernel does.
void AcknowledgeAll(const Peer& peer, const std::vector<Asked>& asked);
Peer::Script RefuseAll(int error, const std::string& text = "");
void Ignore(const Peer& peer, const std::vector<Asked>& asked);
// The first for the first datagram and so on; the last for all that follow.
Peer::Script InTurn(std::vector<Peer::Script> scripts);

// Answers as a kernel gives them with NETLINK_CAP_ACK and NETLINK_EXT_ACK.
Bytes Ack(const Asked& asked);
Bytes Refusal(const Asked& asked, int error, const std::string& text = "");
Bytes FamilyReply(const Asked& asked, uint16_t id);
Bytes Reply(const Asked& asked, const Bytes& attributes, uint16_t type = kFamily);
Bytes Done(const Asked& asked, int error = 0);

}  // namespace ipvs::test

#endif  // IPVS_TEST_PEER_H_
