#include "listener.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cstring>

namespace ipvs {

namespace {

// TCP_LISTEN; and TCP_CLOSE, which a UDP socket has that is not connected.
constexpr uint32_t kListening = 10;
constexpr uint32_t kUnconnected = 7;

}  // namespace

void EncodeListListeners(uint16_t family, uint8_t protocol, CommandBatch* batch) {
  inet_diag_req_v2 header{};
  header.sdiag_family = static_cast<uint8_t>(family);
  header.sdiag_protocol = protocol;
  header.idiag_states = 1U << (protocol == IPPROTO_TCP ? kListening : kUnconnected);
  batch->AddDump({SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY, 0}, header);
}

bool DecodeListener(ByteView payload, Listener* listener, DecodeError* error) {
  inet_diag_msg header{};
  if (!TakeHeader("inet_diag_msg", &payload, &header, error)) return false;
  *listener = Listener();
  listener->family = header.idiag_family;
  listener->port = ntohs(header.id.idiag_sport);
  std::memcpy(listener->address.bytes, header.id.idiag_src, AddressSize(listener->family));
  AttributeReader reader(payload, "listener", error);
  while (reader.Next()) {
    if (reader.type() == INET_DIAG_SKV6ONLY) {
      listener->ipv6_only = reader.U8("INET_DIAG_SKV6ONLY") != 0;
    }
  }
  return error->ok();
}

}  // namespace ipvs
