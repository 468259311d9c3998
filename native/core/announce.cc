#include "announce.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "discovery.h"
#include "unique_fd.h"

namespace ipvs {

namespace {

// A probe is repeated: the first one may be lost where a switch learns, or a host wakes up.
constexpr int kProbes = 3;

// Milliseconds: so long is waited for answers to the last one, also where this thread got no
// processor until its time was up.
constexpr int kLeastWait = 20;

// Packets that are read between two looks at the clock: a flood must not hold it up.
constexpr int kMostPackets = 256;

bool IsSame(const Address& a, const Address& b) {
  return std::memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool Speaks(const Link& link) {
  return link.hardware == ARPHRD_ETHER && link.address_size == kMac &&
         (link.flags & IFF_NOARP) == 0;
}

sockaddr_ll AddressOf(const Link& link, uint16_t protocol) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = link.index;
  return address;
}

// The kernel puts the link's header in front.
Failure Send(int socket, const Link& link, uint16_t protocol, const Mac& mac, const Bytes& packet) {
  sockaddr_ll to = AddressOf(link, protocol);
  to.sll_halen = kMac;
  std::copy_n(mac, kMac, to.sll_addr);
  while (::sendto(socket, packet.data(), packet.size(), MSG_DONTWAIT,
                  reinterpret_cast<const sockaddr*>(&to), sizeof(to)) < 0) {
    if (errno != EINTR) return Failure::SystemCall("sendto", errno);
  }
  return Failure();
}

constexpr Mac kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

Failure SendAll(const Link& link, const std::vector<Announced>& addresses, uint32_t times,
                bool router) {
  // Protocol 0: it only sends.
  const UniqueFd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Failure::SystemCall("socket", errno);
  Mac mac, all_nodes;
  std::copy_n(link.address, kMac, mac);
  MacOfAllNodes(&all_nodes);
  for (uint32_t round = 0; round < times; round++) {
    for (const Announced& each : addresses) {
      Failure failure =
          each.family == AF_INET
              ? Send(socket.get(), link, ETH_P_ARP, kEverybody, GratuitousArp(mac, each.address))
              : Send(socket.get(), link, ETH_P_IPV6, all_nodes,
                     UnsolicitedAdvertisement(mac, each.address, router));
      if (failure) return failure;
    }
  }
  return Failure();
}

// Hears one protocol of the link, and of IPv6 neighbour advertisements only.
Failure Listen(const Link& link, uint16_t protocol, UniqueFd* listener) {
  listener->Reset(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!*listener) return Failure::SystemCall("socket", errno);
  if (protocol == ETH_P_IPV6) {
    // The next header is ICMPv6, its type 136.
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),  BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
    if (::setsockopt(listener->get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) <
        0) {
      return Failure::SystemCall("setsockopt", errno);
    }
  }
  const sockaddr_ll address = AddressOf(link, protocol);
  if (::bind(listener->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
    return Failure::SystemCall("bind", errno);
  }
  return Failure();
}

// One question to the link: who has these addresses?
class Inquiry {
 public:
  Inquiry(const Link& link, const Address* own, const std::vector<Announced>& addresses,
          std::vector<Neighbour>* claimants)
      : link_(link), own_(own), addresses_(addresses), claimants_(claimants) {
    std::copy_n(link.address, kMac, mac_);
  }

  Failure Run(const Deadline& deadline) {
    for (const Announced& each : addresses_) {
      UniqueFd* const listener = each.family == AF_INET ? &arp_ : &ipv6_;
      if (*listener || !CanAsk(each)) continue;
      const uint16_t protocol = each.family == AF_INET ? ETH_P_ARP : ETH_P_IPV6;
      if (Failure failure = Listen(link_, protocol, listener)) return failure;
    }
    for (int left = kProbes; left > 0; left--) {
      if (Failure failure = Ask()) return failure;
      const int share = deadline.Remaining() / left;
      const Deadline end = Deadline::After(left == 1 ? std::max(share, kLeastWait) : share);
      if (Failure failure = Hear(end)) return failure;
    }
    return Failure();
  }

 private:
  bool CanAsk(const Announced& each) const { return each.family == AF_INET || own_ != nullptr; }

  Failure Ask() {
    for (const Announced& each : addresses_) {
      if (!CanAsk(each)) continue;
      Mac group;
      MacOfSolicited(each.address, &group);
      Failure failure = each.family == AF_INET ? Send(arp_.get(), link_, ETH_P_ARP, kEverybody,
                                                      ArpProbe(mac_, each.address))
                                               : Send(ipv6_.get(), link_, ETH_P_IPV6, group,
                                                      Solicitation(mac_, *own_, each.address));
      if (failure) return failure;
    }
    return Failure();
  }

  // At the end too it takes what is there.
  Failure Hear(const Deadline& deadline) {
    for (bool over = false; !over;) {
      over = deadline.Passed();
      // What has no descriptor is passed over.
      pollfd listeners[] = {{arp_.get(), POLLIN, 0}, {ipv6_.get(), POLLIN, 0}};
      const int ready = ::poll(listeners, 2, deadline.Remaining());
      if (ready < 0 && errno != EINTR) return Failure::SystemCall("poll", errno);
      if (ready <= 0) continue;
      for (const pollfd& each : listeners) {
        bool more = each.revents != 0;
        for (int packets = 0; more && packets < kMostPackets; packets++) {
          if (Failure failure = Receive(each.fd, &more)) return failure;
        }
      }
    }
    return Failure();
  }

  Failure Receive(int listener, bool* more) {
    uint8_t bytes[256];  // of which those that matter come first
    sockaddr_ll from{};
    socklen_t size = sizeof(from);
    const ssize_t length =
        ::recvfrom(listener, bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (length < 0) {
      *more = errno == EINTR;
      if (errno == EINTR || errno == EAGAIN) return Failure();
      return Failure::SystemCall("recvfrom", errno);
    }
    const ByteView packet(bytes, static_cast<size_t>(length));
    const bool arp = listener == arp_.get();
    Neighbour claimant;
    Mac mac;
    std::copy_n(from.sll_addr, kMac, mac);
    if (arp ? !ClaimedByArp(packet, &claimant.address, &mac)
            : !ClaimedByAdvertisement(packet, &claimant.address)) {
      return Failure();
    }
    claimant.index = link_.index;
    std::copy_n(link_.name, sizeof(link_.name), claimant.interface);
    claimant.family = arp ? AF_INET : AF_INET6;
    std::copy_n(mac, kMac, claimant.link_address);
    claimant.link_address_size = kMac;
    // What a bridge sends back is this host's own.
    if (!std::equal(mac, mac + kMac, mac_) && IsAsked(claimant) && !IsKnown(claimant)) {
      claimants_->push_back(claimant);
    }
    return Failure();
  }

  bool IsAsked(const Neighbour& claimant) const {
    return std::any_of(addresses_.begin(), addresses_.end(), [&](const Announced& each) {
      return each.family == claimant.family && IsSame(each.address, claimant.address);
    });
  }

  bool IsKnown(const Neighbour& claimant) const {
    return std::any_of(claimants_->begin(), claimants_->end(), [&](const Neighbour& each) {
      return each.family == claimant.family && IsSame(each.address, claimant.address) &&
             std::equal(each.link_address, each.link_address + kMac, claimant.link_address);
    });
  }

  const Link& link_;
  const Address* const own_;
  const std::vector<Announced>& addresses_;
  std::vector<Neighbour>* const claimants_;
  Mac mac_;
  UniqueFd arp_;
  UniqueFd ipv6_;
};

}  // namespace

Failure Announce(const NetworkNamespace* space, const Link& link,
                 const std::vector<Announced>& addresses, uint32_t times, bool router) {
  if (!Speaks(link)) return Failure::Refused(EOPNOTSUPP);
  return RunIn(space, [&] { return SendAll(link, addresses, times, router); });
}

Failure Probe(const NetworkNamespace* space, const Link& link, const Address* own,
              const std::vector<Announced>& addresses, const Deadline& deadline,
              std::vector<Neighbour>* claimants) {
  claimants->clear();
  if (!Speaks(link)) return Failure::Refused(EOPNOTSUPP);
  return RunIn(space, [&] { return Inquiry(link, own, addresses, claimants).Run(deadline); });
}

}  // namespace ipvs
