#include "interface_address.h"

#include <linux/if_addr.h>
#include <sys/socket.h>

namespace ipvs {

namespace {

// Flags that are asked for, and nobody here has a word for.
constexpr uint32_t kOtherFlags =
    IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_MCAUTOJOIN | IFA_F_OPTIMISTIC;

}  // namespace

void EncodeInterfaceAddress(Change change, const InterfaceAddress& address, CommandBatch* batch) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<uint8_t>(address.family);
  header.ifa_prefixlen = address.prefix;
  header.ifa_flags = static_cast<uint8_t>(address.flags & 0xff);
  header.ifa_scope = address.scope;
  header.ifa_index = static_cast<uint32_t>(address.index);
  AttributeWriter writer = AddChange(RTM_NEWADDR, change, header, batch);
  PutAddress(&writer, IFA_LOCAL, address.family, address.local);
  // Without a peer the two are the same. To remove an IPv4 address the kernel compares the prefix
  // only where this one is given (inet_rtm_deladdr).
  PutAddress(&writer, IFA_ADDRESS, address.family, address.has_peer ? address.peer : address.local);
  if (change == Change::kRemove) return;
  if (address.has_broadcast) {
    PutAddress(&writer, IFA_BROADCAST, address.family, address.broadcast);
  }
  if (address.label[0] != 0) writer.NulString(IFA_LABEL, address.label);
  uint32_t flags = address.flags;
  DecodeError error;
  AttributeReader other(ByteView(address.other), "other", &error);
  while (other.Next()) {
    if (other.type() == IFA_FLAGS) {
      flags |= other.U32("IFA_FLAGS");
    } else {
      writer.Raw(other.type(), other.value());
    }
  }
  // Flags from 0x100 on do not fit the header.
  if (flags != 0) writer.U32(IFA_FLAGS, flags);
  if (address.preferred_lifetime != kForever || address.valid_lifetime != kForever) {
    ifa_cacheinfo lifetimes{};
    lifetimes.ifa_prefered = address.preferred_lifetime;
    lifetimes.ifa_valid = address.valid_lifetime;
    writer.Raw(IFA_CACHEINFO, &lifetimes, sizeof(lifetimes));
  }
}

void EncodeListInterfaceAddresses(uint16_t family, CommandBatch* batch) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<uint8_t>(family);
  AddListing(RTM_NEWADDR, header, batch);
}

bool DecodeInterfaceAddress(ByteView payload, InterfaceAddress* address, DecodeError* error) {
  ifaddrmsg header{};
  if (!TakeHeader("ifaddrmsg", &payload, &header, error)) return false;
  *address = InterfaceAddress();
  address->index = static_cast<int32_t>(header.ifa_index);
  address->family = header.ifa_family;
  address->prefix = header.ifa_prefixlen;
  address->scope = header.ifa_scope;
  address->flags = header.ifa_flags;
  // A protocol that we did not ask for; its addresses have a size of their own.
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return true;
  Address local, other;
  SeenAttributes seen;
  AttributeWriter unknown(&address->other);
  AttributeReader reader(payload, "address", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case IFA_LOCAL:
        ReadAddress(reader, "IFA_LOCAL", address->family, &local);
        break;
      case IFA_ADDRESS:
        ReadAddress(reader, "IFA_ADDRESS", address->family, &other);
        break;
      case IFA_BROADCAST:
        ReadAddress(reader, "IFA_BROADCAST", address->family, &address->broadcast);
        address->has_broadcast = true;
        break;
      case IFA_LABEL:
        reader.Text("IFA_LABEL", address->label, sizeof(address->label));
        break;
      case IFA_FLAGS:
        address->flags = reader.U32("IFA_FLAGS");
        break;
      case IFA_CACHEINFO: {
        ifa_cacheinfo lifetimes{};
        reader.Raw("IFA_CACHEINFO", &lifetimes, sizeof(lifetimes));
        address->preferred_lifetime = lifetimes.ifa_prefered;
        address->valid_lifetime = lifetimes.ifa_valid;
        break;
      }
      default:
        unknown.Raw(reader.type(), reader.value());
        break;
    }
  }
  const uint32_t flags = address->flags & kOtherFlags;
  if (flags != 0) unknown.U32(IFA_FLAGS, flags);
  // IPv6 tells the address alone, IPv4 both, and with a peer both mean what they say
  // (inet6_fill_ifaddr, inet_fill_ifaddr). An address of 0.0.0.0 is left out by IPv4.
  address->local = seen.Has(IFA_LOCAL) ? local : other;
  if (seen.Has(IFA_LOCAL) && seen.Has(IFA_ADDRESS) &&
      std::memcmp(local.bytes, other.bytes, sizeof(local.bytes)) != 0) {
    address->has_peer = true;
    address->peer = other;
  }
  return error->ok();
}

}  // namespace ipvs
