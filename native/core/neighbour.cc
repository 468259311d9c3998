#include "neighbour.h"

#include <linux/neighbour.h>
#include <sys/socket.h>

namespace ipvs {

void EncodeNeighbour(Change change, const Neighbour& neighbour, CommandBatch* batch) {
  ndmsg header{};
  header.ndm_family = static_cast<uint8_t>(neighbour.family);
  header.ndm_ifindex = neighbour.index;
  header.ndm_state = neighbour.state;
  header.ndm_flags = neighbour.proxy ? NTF_PROXY : 0;
  AttributeWriter writer = AddChange(RTM_NEWNEIGH, change, header, batch);
  PutAddress(&writer, NDA_DST, neighbour.family, neighbour.address);
  if (neighbour.link_address_size != 0) {
    writer.Raw(NDA_LLADDR, neighbour.link_address, neighbour.link_address_size);
  }
}

void EncodeListNeighbours(uint16_t family, bool proxies, CommandBatch* batch) {
  ndmsg header{};
  header.ndm_family = static_cast<uint8_t>(family);
  header.ndm_flags = proxies ? NTF_PROXY : 0;
  AddListing(RTM_NEWNEIGH, header, batch);
}

bool DecodeNeighbour(ByteView payload, Neighbour* neighbour, DecodeError* error) {
  ndmsg header{};
  if (!TakeHeader("ndmsg", &payload, &header, error)) return false;
  *neighbour = Neighbour();
  neighbour->index = header.ndm_ifindex;
  neighbour->family = header.ndm_family;
  neighbour->state = header.ndm_state;
  neighbour->proxy = (header.ndm_flags & NTF_PROXY) != 0;
  // A bridge's table of addresses (AF_BRIDGE) has other keys.
  if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6) return true;
  SeenAttributes seen;
  AttributeReader reader(payload, "neighbour", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case NDA_DST:
        ReadAddress(reader, "NDA_DST", neighbour->family, &neighbour->address);
        break;
      case NDA_LLADDR:
        if (reader.value().size > sizeof(neighbour->link_address)) {
          error->Set("NDA_LLADDR", "is too long");
          break;
        }
        neighbour->link_address_size = static_cast<uint8_t>(reader.value().size);
        reader.Raw("NDA_LLADDR", neighbour->link_address, neighbour->link_address_size);
        break;
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {{NDA_DST, "NDA_DST"}};
  seen.Require(kMandatory, error);
  return error->ok();
}

}  // namespace ipvs
