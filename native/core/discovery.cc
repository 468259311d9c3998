#include "discovery.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>

namespace ipvs {

namespace {

constexpr uint8_t kSolicitation = 135, kAdvertisement = 136;
constexpr uint8_t kSourceLinkAddress = 1, kTargetLinkAddress = 2;

// All nodes of the link: ff02::1.
constexpr uint8_t kAllNodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
// Those with an address that ends with the same three bytes (RFC 4291, section 2.7.1).
constexpr uint8_t kSolicitedNodes[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};

constexpr size_t kIpHeader = 40;

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

Bytes ArpRequest(const Mac& mac, const uint8_t* sender, const Address& target) {
  Bytes packet = {0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, kMac, 4, 0, ARPOP_REQUEST};
  Append(&packet, mac, kMac);
  Append(&packet, sender, 4);
  packet.resize(packet.size() + kMac);
  Append(&packet, target.bytes, 4);
  return packet;
}

// RFC 4861, sections 4.3 and 4.4. A hop limit of 255 is how receivers know that it comes from the
// link.
Bytes Packet(uint8_t type, uint8_t flags, const uint8_t* from, const uint8_t* to,
             const Address& target, uint8_t option, const Mac& mac) {
  Bytes message = {type, 0, 0, 0, flags, 0, 0, 0};
  Append(&message, target.bytes, sizeof(target.bytes));
  message.push_back(option);
  message.push_back(1);  // in units of eight bytes
  Append(&message, mac, kMac);

  // The checksum covers a header that is never sent (RFC 8200, section 8.1).
  const uint8_t length = static_cast<uint8_t>(message.size());
  Bytes covered;
  Append(&covered, from, sizeof(target.bytes));
  Append(&covered, to, sizeof(target.bytes));
  const uint8_t rest[] = {0, 0, 0, length, 0, 0, 0, IPPROTO_ICMPV6};
  Append(&covered, rest, sizeof(rest));
  Append(&covered, message.data(), message.size());
  StoreBe16(message.data() + 2, Checksum(covered));

  Bytes packet = {0x60, 0, 0, 0, 0, length, IPPROTO_ICMPV6, 255};
  Append(&packet, from, sizeof(target.bytes));
  Append(&packet, to, sizeof(target.bytes));
  Append(&packet, message.data(), message.size());
  return packet;
}

}  // namespace

// A request, not a reply: whoever knows the address takes a new MAC from either (RFC 826), but some
// drop replies that they did not ask for (RFC 5227, section 3). Sender and target are the address;
// the target's MAC means nothing in a request and is zero.
Bytes GratuitousArp(const Mac& mac, const Address& address) {
  return ArpRequest(mac, address.bytes, address);
}

// RFC 4861, section 7.2.6: to all nodes, with the override flag, so that what is known is replaced.
Bytes UnsolicitedAdvertisement(const Mac& mac, const Address& address, bool router) {
  constexpr uint8_t kRouter = 0x80, kOverride = 0x20;
  const uint8_t flags = static_cast<uint8_t>(kOverride | (router ? kRouter : 0));
  return Packet(kAdvertisement, flags, address.bytes, kAllNodes, address, kTargetLinkAddress, mac);
}

// RFC 5227, section 1.1: from nobody, so that it changes what nobody knows.
Bytes ArpProbe(const Mac& mac, const Address& address) {
  constexpr uint8_t kNobody[4] = {};
  return ArpRequest(mac, kNobody, address);
}

// Not from nobody: that would be answered to all nodes, and with the override flag (ndisc_recv_ns),
// so that the answer itself would take the address away from whoever it was known to be at.
Bytes Solicitation(const Mac& mac, const Address& own, const Address& address) {
  uint8_t to[16];
  std::copy_n(kSolicitedNodes, sizeof(kSolicitedNodes), to);
  std::copy_n(address.bytes + sizeof(kSolicitedNodes), 3, to + sizeof(kSolicitedNodes));
  return Packet(kSolicitation, 0, own.bytes, to, address, kSourceLinkAddress, mac);
}

// Of requests and replies: the sender's address is claimed by either (RFC 5227, section 2.1.1).
bool ClaimedByArp(ByteView packet, Address* address, Mac* mac) {
  constexpr uint8_t kEthernet[] = {0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, kMac, 4};
  constexpr size_t kSize = 28, kSender = 8;
  if (packet.size < kSize || !std::equal(kEthernet, kEthernet + sizeof(kEthernet), packet.data)) {
    return false;
  }
  std::copy_n(packet.data + kSender, kMac, *mac);
  *address = Address();
  std::copy_n(packet.data + kSender + kMac, 4, address->bytes);
  return true;
}

bool ClaimedByAdvertisement(ByteView packet, Address* address) {
  constexpr size_t kNextHeader = 6, kHopLimit = 7, kTarget = kIpHeader + 8;
  if (packet.size < kTarget + sizeof(address->bytes)) return false;
  if (packet.data[kNextHeader] != IPPROTO_ICMPV6 || packet.data[kHopLimit] != 255) return false;
  if (packet.data[kIpHeader] != kAdvertisement) return false;
  std::copy_n(packet.data + kTarget, sizeof(address->bytes), address->bytes);
  return true;
}

// RFC 2464, section 7: 33:33, and the last four bytes of the group's address.
void MacOfAllNodes(Mac* mac) {
  constexpr uint8_t kGroup[kMac] = {0x33, 0x33, 0, 0, 0, 1};
  std::copy_n(kGroup, kMac, *mac);
}

void MacOfSolicited(const Address& address, Mac* mac) {
  const uint8_t group[kMac] = {
      0x33, 0x33, 0xff, address.bytes[13], address.bytes[14], address.bytes[15]};
  std::copy_n(group, kMac, *mac);
}

}  // namespace ipvs
