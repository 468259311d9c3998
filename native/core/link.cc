#include "link.h"

#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <sys/socket.h>

namespace ipvs {

namespace {

// One idea, two sets of numbers: tunnels of IP and tunnels of GRE. Those that older build hosts'
// headers lack are written out.
struct TunnelNumbers {
  uint16_t link, local, remote, ttl, limit, path_mtu, encap_type, encap_flags, encap_sport,
      encap_dport, external;
};
constexpr TunnelNumbers kIp = {IFLA_IPTUN_LINK,
                               IFLA_IPTUN_LOCAL,
                               IFLA_IPTUN_REMOTE,
                               IFLA_IPTUN_TTL,
                               IFLA_IPTUN_ENCAP_LIMIT,
                               IFLA_IPTUN_PMTUDISC,
                               IFLA_IPTUN_ENCAP_TYPE,
                               IFLA_IPTUN_ENCAP_FLAGS,
                               IFLA_IPTUN_ENCAP_SPORT,
                               IFLA_IPTUN_ENCAP_DPORT,
                               19};
constexpr TunnelNumbers kGre = {
    IFLA_GRE_LINK,        IFLA_GRE_LOCAL,       IFLA_GRE_REMOTE,          IFLA_GRE_TTL,
    IFLA_GRE_ENCAP_LIMIT, IFLA_GRE_PMTUDISC,    IFLA_GRE_ENCAP_TYPE,      IFLA_GRE_ENCAP_FLAGS,
    IFLA_GRE_ENCAP_SPORT, IFLA_GRE_ENCAP_DPORT, IFLA_GRE_COLLECT_METADATA};

// GRE_CSUM of <linux/if_tunnel.h>, which is in network order there.
constexpr uint16_t kGreChecksum = 0x8000;

// Counters make up most of an interface's record, and nobody asks for them here.
constexpr uint32_t kSkipStatistics = 1u << 3;  // RTEXT_FILTER_SKIP_STATS

bool IsGre(const char* kind) {
  return std::strcmp(kind, "gre") == 0 || std::strcmp(kind, "ip6gre") == 0;
}

bool IsZero(const Address& address) {
  static const Address kZero;
  return std::memcmp(address.bytes, kZero.bytes, sizeof(address.bytes)) == 0;
}

void EncodeTunnel(const char* kind, const Tunnel& tunnel, AttributeWriter* writer) {
  const bool gre = IsGre(kind);
  const TunnelNumbers& numbers = gre ? kGre : kIp;
  // Anything may be inside; without this it is IPv4 in ipip and IPv6 in sit.
  if (!gre) writer->U8(IFLA_IPTUN_PROTO, 0);
  // The ends of an external tunnel come with each packet.
  if (tunnel.external) {
    writer->Raw(numbers.external, nullptr, 0);
    return;
  }
  const uint16_t family = tunnel.family;
  if (tunnel.lower != 0) writer->U32(numbers.link, static_cast<uint32_t>(tunnel.lower));
  if (!IsZero(tunnel.local)) PutAddress(writer, numbers.local, family, tunnel.local);
  if (!IsZero(tunnel.remote)) PutAddress(writer, numbers.remote, family, tunnel.remote);
  writer->U8(numbers.ttl, tunnel.ttl);
  if (family == AF_INET6) {
    writer->U8(numbers.limit, tunnel.encapsulation_limit);
  } else {
    writer->U8(numbers.path_mtu, tunnel.path_mtu ? 1 : 0);
  }
  if (gre && tunnel.checksum) {
    writer->Be16(IFLA_GRE_IFLAGS, kGreChecksum);
    writer->Be16(IFLA_GRE_OFLAGS, kGreChecksum);
  }
}

void DecodeTunnel(const char* kind, AttributeReader reader, Tunnel* tunnel) {
  const bool gre = IsGre(kind);
  const TunnelNumbers& numbers = gre ? kGre : kIp;
  while (reader.Next()) {
    const uint16_t type = reader.type();
    if (type == numbers.link) {
      tunnel->lower = static_cast<int32_t>(reader.U32("IFLA_IPTUN_LINK"));
    } else if (type == numbers.local) {
      ReadAddress(reader, "IFLA_IPTUN_LOCAL", tunnel->family, &tunnel->local);
    } else if (type == numbers.remote) {
      ReadAddress(reader, "IFLA_IPTUN_REMOTE", tunnel->family, &tunnel->remote);
    } else if (type == numbers.ttl) {
      tunnel->ttl = reader.U8("IFLA_IPTUN_TTL");
    } else if (type == numbers.limit) {
      tunnel->encapsulation_limit = reader.U8("IFLA_IPTUN_ENCAP_LIMIT");
    } else if (type == numbers.path_mtu) {
      tunnel->path_mtu = reader.U8("IFLA_IPTUN_PMTUDISC") != 0;
    } else if (type == numbers.encap_type) {
      tunnel->encapsulation_type = reader.U16("IFLA_IPTUN_ENCAP_TYPE");
    } else if (type == numbers.encap_flags) {
      tunnel->encapsulation_flags = reader.U16("IFLA_IPTUN_ENCAP_FLAGS");
    } else if (type == numbers.encap_sport) {
      tunnel->source_port = reader.Be16("IFLA_IPTUN_ENCAP_SPORT");
    } else if (type == numbers.encap_dport) {
      tunnel->destination_port = reader.Be16("IFLA_IPTUN_ENCAP_DPORT");
    } else if (type == numbers.external) {
      tunnel->external = true;
    } else if (gre && type == IFLA_GRE_OFLAGS) {
      tunnel->checksum = (reader.Be16("IFLA_GRE_OFLAGS") & kGreChecksum) != 0;
    }
  }
}

void DecodeLinkInfo(AttributeReader reader, Link* link) {
  // The kind stands in front of the data (rtnl_link_info_fill), which means nothing without it.
  while (reader.Next()) {
    if (reader.type() == IFLA_INFO_KIND) {
      reader.Text("IFLA_INFO_KIND", link->kind, sizeof(link->kind));
      link->tunnel = Tunnel();
      link->tunnel.family = TunnelFamily(link->kind);
    } else if (reader.type() == IFLA_INFO_DATA && link->tunnel.family != 0) {
      DecodeTunnel(link->kind, reader.Nest("IFLA_INFO_DATA"), &link->tunnel);
    }
  }
}

}  // namespace

uint16_t TunnelFamily(const char* kind) {
  for (const char* each : {"ipip", "sit", "gre"}) {
    if (std::strcmp(kind, each) == 0) return AF_INET;
  }
  for (const char* each : {"ip6tnl", "ip6gre"}) {
    if (std::strcmp(kind, each) == 0) return AF_INET6;
  }
  return 0;
}

void EncodeLink(Change change, const Link& link, CommandBatch* batch) {
  ifinfomsg header{};
  header.ifi_flags = link.flags;
  header.ifi_change = link.flags_mask;
  AttributeWriter writer = AddChange(RTM_NEWLINK, change, header, batch);
  writer.NulString(IFLA_IFNAME, link.name);
  if (link.mtu != 0) writer.U32(IFLA_MTU, link.mtu);
  if (change != Change::kAdd) return;
  const size_t info = writer.BeginNest(IFLA_LINKINFO);
  writer.NulString(IFLA_INFO_KIND, link.kind);
  if (link.tunnel.family != 0) {
    const size_t data = writer.BeginNest(IFLA_INFO_DATA);
    EncodeTunnel(link.kind, link.tunnel, &writer);
    writer.EndNest(data);
  }
  writer.EndNest(info);
}

void EncodeGetLink(const char* name, CommandBatch* batch) {
  AttributeWriter writer = AddQuestion(RTM_NEWLINK, ifinfomsg{}, batch);
  writer.NulString(IFLA_IFNAME, name);
  writer.U32(IFLA_EXT_MASK, kSkipStatistics);
}

void EncodeListLinks(CommandBatch* batch) {
  AttributeWriter writer = AddListing(RTM_NEWLINK, ifinfomsg{}, batch);
  writer.U32(IFLA_EXT_MASK, kSkipStatistics);
}

bool DecodeLink(ByteView payload, Link* link, DecodeError* error) {
  ifinfomsg header{};
  if (!TakeHeader("ifinfomsg", &payload, &header, error)) return false;
  *link = Link();
  link->index = header.ifi_index;
  link->hardware = header.ifi_type;
  link->flags = header.ifi_flags;
  SeenAttributes seen;
  AttributeReader reader(payload, "link", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case IFLA_IFNAME:
        reader.Text("IFLA_IFNAME", link->name, sizeof(link->name));
        break;
      case IFLA_MTU:
        link->mtu = reader.U32("IFLA_MTU");
        break;
      case IFLA_ADDRESS:
        if (reader.value().size > sizeof(link->address)) {
          error->Set("IFLA_ADDRESS", "is too long");
          break;
        }
        link->address_size = static_cast<uint8_t>(reader.value().size);
        reader.Raw("IFLA_ADDRESS", link->address, link->address_size);
        break;
      case IFLA_LINKINFO:
        DecodeLinkInfo(reader.Nest("IFLA_LINKINFO"), link);
        break;
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {{IFLA_IFNAME, "IFLA_IFNAME"}};
  seen.Require(kMandatory, error);
  return error->ok();
}

}  // namespace ipvs
