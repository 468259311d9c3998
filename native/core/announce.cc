#include "announce.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "unique_fd.h"

namespace ipvs {

namespace {

constexpr size_t kMac = 6;

// All nodes of the link: ff02::1, and the MAC that it maps to (RFC 2464).
constexpr uint8_t kAllNodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr uint8_t kAllNodesMac[kMac] = {0x33, 0x33, 0, 0, 0, 1};
constexpr uint8_t kBroadcastMac[kMac] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void Append(Bytes* bytes, const uint8_t* data, size_t size) {
  bytes->insert(bytes->end(), data, data + size);
}

// RFC 1071: the sum of all 16-bit words, folded, inverted. `bytes` has an even length.
uint16_t Checksum(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += LoadBe16(bytes.data() + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum & 0xffff);
}

Failure SendAll(const Link& link, const std::vector<Announced>& addresses, uint32_t times,
                bool router) {
  // Protocol 0: it only sends. The kernel puts the link's header in front.
  const UniqueFd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Failure::SystemCall("socket", errno);
  uint8_t mac[kMac];
  std::copy_n(link.address, kMac, mac);
  for (uint32_t round = 0; round < times; round++) {
    for (const Announced& each : addresses) {
      const bool arp = each.family == AF_INET;
      const Bytes packet = arp ? GratuitousArp(mac, each.address)
                               : UnsolicitedAdvertisement(mac, each.address, router);
      sockaddr_ll to{};
      to.sll_family = AF_PACKET;
      to.sll_protocol = htons(arp ? ETH_P_ARP : ETH_P_IPV6);
      to.sll_ifindex = link.index;
      to.sll_halen = kMac;
      std::copy_n(arp ? kBroadcastMac : kAllNodesMac, kMac, to.sll_addr);
      while (::sendto(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT,
                      reinterpret_cast<const sockaddr*>(&to), sizeof(to)) < 0) {
        if (errno != EINTR) return Failure::SystemCall("sendto", errno);
      }
    }
  }
  return Failure();
}

}  // namespace

// A request, not a reply: whoever knows the address takes a new MAC from either (RFC 826), but some
// drop replies that they did not ask for (RFC 5227, section 3). Sender and target are the address;
// the target's MAC means nothing in a request and is zero.
Bytes GratuitousArp(const uint8_t (&mac)[6], const Address& address) {
  Bytes packet = {0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, kMac, 4, 0, ARPOP_REQUEST};
  Append(&packet, mac, kMac);
  Append(&packet, address.bytes, 4);
  packet.resize(packet.size() + kMac);
  Append(&packet, address.bytes, 4);
  return packet;
}

// RFC 4861, sections 4.4 and 7.2.6: to all nodes, with the override flag, so that what is known is
// replaced. A hop limit of 255 is how receivers know that it comes from the link.
Bytes UnsolicitedAdvertisement(const uint8_t (&mac)[6], const Address& address, bool router) {
  constexpr uint8_t kAdvertisement = 136, kTargetLinkAddress = 2;
  constexpr uint8_t kRouter = 0x80, kOverride = 0x20;
  const uint8_t flags = static_cast<uint8_t>(kOverride | (router ? kRouter : 0));
  Bytes message = {kAdvertisement, 0, 0, 0, flags, 0, 0, 0};
  Append(&message, address.bytes, sizeof(address.bytes));
  message.push_back(kTargetLinkAddress);
  message.push_back(1);  // in units of eight bytes
  Append(&message, mac, kMac);

  // The checksum covers a header that is never sent (RFC 8200, section 8.1).
  const uint8_t length = static_cast<uint8_t>(message.size());
  Bytes covered;
  Append(&covered, address.bytes, sizeof(address.bytes));
  Append(&covered, kAllNodes, sizeof(kAllNodes));
  const uint8_t rest[] = {0, 0, 0, length, 0, 0, 0, IPPROTO_ICMPV6};
  Append(&covered, rest, sizeof(rest));
  Append(&covered, message.data(), message.size());
  StoreBe16(message.data() + 2, Checksum(covered));

  Bytes packet = {0x60, 0, 0, 0, 0, length, IPPROTO_ICMPV6, 255};
  Append(&packet, address.bytes, sizeof(address.bytes));
  Append(&packet, kAllNodes, sizeof(kAllNodes));
  Append(&packet, message.data(), message.size());
  return packet;
}

Failure Announce(const NetworkNamespace* space, const Link& link,
                 const std::vector<Announced>& addresses, uint32_t times, bool router) {
  if (link.hardware != ARPHRD_ETHER || link.address_size != kMac || (link.flags & IFF_NOARP) != 0) {
    return Failure::Refused(EOPNOTSUPP);
  }
  return RunIn(space, [&] { return SendAll(link, addresses, times, router); });
}

}  // namespace ipvs
