#include "peer.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>

namespace ipvs::test {

namespace {

std::vector<Asked> Parse(const Bytes& datagram, uint32_t from, size_t number) {
  std::vector<Asked> asked;
  for (size_t at = 0; at + 20 <= datagram.size();) {
    Asked command;
    command.datagram = number;
    command.from = from;
    command.header = Load<nlmsghdr>(datagram.data() + at);
    command.generic = Load<genlmsghdr>(datagram.data() + at + 16);
    const size_t length = command.header.nlmsg_len;
    if (length < 20 || at + length > datagram.size()) std::abort();
    command.attributes = ToBytes(ByteView(datagram.data() + at + 20, length - 20));
    asked.push_back(command);
    at += Align4(length);
  }
  return asked;
}

}  // namespace

RawSocket::RawSocket() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK)) {
  // A script whose listener has gone away must not wait for it.
  const timeval patience{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  for (uint32_t number = 0;; number++) {
    address.nl_pid = 0x80000000u | static_cast<uint32_t>(::getpid()) << 8 | number;
    if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) break;
    if (number == 255) std::abort();
  }
  port_ = address.nl_pid;
}

bool RawSocket::Send(uint32_t to, const Bytes& datagram) const {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_pid = to;
  return ::sendto(fd_.get(), datagram.data(), datagram.size(), 0,
                  reinterpret_cast<sockaddr*>(&address), sizeof(address)) >= 0;
}

Bytes RawSocket::Receive(uint32_t* from) const {
  Bytes buffer(2 * 1024 * 1024);
  sockaddr_nl address{};
  socklen_t length = sizeof(address);
  const ssize_t size = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&address), &length);
  if (size < 0) std::abort();
  *from = address.nl_pid;
  buffer.resize(static_cast<size_t>(size));
  return buffer;
}

Peer::Peer(Script families, Script commands)
    : families_(std::move(families)), commands_(std::move(commands)) {
  thread_ = std::thread([this] { Listen(); });
}

Peer::Peer(Script commands) : Peer(FamilyIs(kFamily), std::move(commands)) {}

Connection::Options Peer::options() const {
  Connection::Options options;
  options.family = "IPVS";
  options.protocol = NETLINK_USERSOCK;
  options.peer = port();
  return options;
}

void Peer::Listen() {
  for (size_t number = 0;; number++) {
    uint32_t from = 0;
    const Bytes datagram = socket_.Receive(&from);
    if (from == control_.port()) return;
    const std::vector<Asked> asked = Parse(datagram, from, number);
    if (asked.empty()) std::abort();
    seen_.insert(seen_.end(), asked.begin(), asked.end());
    last_sequence_ = asked.back().header.nlmsg_seq;
    client_ = from;
    (asked[0].header.nlmsg_type == GENL_ID_CTRL ? families_ : commands_)(*this, asked);
  }
}

std::vector<Asked> Peer::Stop() {
  if (thread_.joinable()) {
    // Last in the queue, so that whatever was sent before is seen before.
    while (!control_.Send(port(), Bytes(1))) {
    }
    thread_.join();
  }
  return seen_;
}

Peer::Script FamilyIs(uint16_t id) {
  return [id](const Peer& peer, const std::vector<Asked>& asked) {
    peer.Answer(asked[0], FamilyReply(asked[0], id));
    peer.Answer(asked[0], Ack(asked[0]));
  };
}

void AcknowledgeAll(const Peer& peer, const std::vector<Asked>& asked) {
  for (const Asked& command : asked) {
    if ((command.header.nlmsg_flags & NLM_F_ACK) != 0) peer.Answer(command, Ack(command));
  }
}

Peer::Script RefuseAll(int error, const std::string& text) {
  return [error, text](const Peer& peer, const std::vector<Asked>& asked) {
    for (const Asked& command : asked) peer.Answer(command, Refusal(command, error, text));
  };
}

void Ignore(const Peer&, const std::vector<Asked>&) {}

Peer::Script InTurn(std::vector<Peer::Script> scripts) {
  return [scripts = std::move(scripts), next = size_t{0}](const Peer& peer,
                                                          const std::vector<Asked>& asked) mutable {
    scripts[next](peer, asked);
    if (next + 1 < scripts.size()) next++;
  };
}

Bytes Ack(const Asked& asked) {
  return NetlinkMessage(NLMSG_ERROR, 0x100, asked.header.nlmsg_seq, asked.from,
                        Native(int32_t{0}) + Native(asked.header));
}

Bytes Refusal(const Asked& asked, int error, const std::string& text) {
  return NetlinkMessage(NLMSG_ERROR, text.empty() ? 0x100 : 0x300, asked.header.nlmsg_seq,
                        asked.from,
                        Native(int32_t{-error}) + Native(asked.header) +
                            (text.empty() ? Bytes() : TextAttribute(1, text)));
}

Bytes FamilyReply(const Asked& asked, uint16_t id) {
  return Reply(
      asked,
      TextAttribute(CTRL_ATTR_FAMILY_NAME, "IPVS") + Attribute(CTRL_ATTR_FAMILY_ID, Native(id)),
      GENL_ID_CTRL);
}

Bytes Reply(const Asked& asked, const Bytes& attributes, uint16_t type) {
  const bool dump = (asked.header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  return NetlinkMessage(type, dump ? NLM_F_MULTI : 0, asked.header.nlmsg_seq, asked.from,
                        Hex("0101 0000") + attributes);
}

Bytes Done(const Asked& asked, int error) {
  return NetlinkMessage(NLMSG_DONE, NLM_F_MULTI, asked.header.nlmsg_seq, asked.from,
                        Native(int32_t{-error}));
}

}  // namespace ipvs::test
