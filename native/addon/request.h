// Requests as lib/requests.ts writes them: one after the other in a buffer that crosses whole.
#ifndef IPVS_ADDON_REQUEST_H_
#define IPVS_ADDON_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/director.h"
#include "../core/generic.h"
#include "../core/ipvs.h"

namespace ipvs::addon {

// A request is a word, with the command in its lowest byte and the parts that follow in the next
// one, and then those parts in the order of their bits. A request without the service's key is for
// the same service as the one before. Every column is 32 bits wide or a multiple of it, so that
// JavaScript can write with two typed arrays. Integers are in native order. An address is four
// bytes or sixteen in network order, as its family wants, and nothing where there is no family; a
// mark has none either.
enum RequestPart : uint32_t {
  kServiceKeyPart = 0x01,  // and the address behind it
  kServicePart = 0x02,
  kDestinationKeyPart = 0x04,  // and the address behind it
  kDestinationPart = 0x08,
  kLimitsPart = 0x10,  // otherwise a destination has none
  kTunnelPart = 0x20,  // otherwise a destination's is a plain one
  kTimeoutsPart = 0x40,
  kDaemonPart = 0x80,  // and the group's address behind it
};

struct ServiceKeyColumns {
  uint32_t family;
  uint32_t protocol;
  uint32_t port;
  uint32_t fwmark;
};

struct ServiceColumns {
  uint32_t flags;
  uint32_t flags_mask;
  uint32_t timeout;
  uint32_t netmask;  // IPv4: the mask as an integer, 0xffffff00; IPv6: the prefix length
  char scheduler[16];
  char engine[20];
};

struct DestinationKeyColumns {
  uint32_t family;
  uint32_t port;
};

struct DestinationColumns {
  uint32_t forwarding;
  uint32_t weight;
};

struct LimitsColumns {
  uint32_t upper_threshold;
  uint32_t lower_threshold;
};

struct TunnelColumns {
  uint32_t type;
  uint32_t port;
  uint32_t flags;
};

struct TimeoutsColumns {
  uint32_t tcp;
  uint32_t tcp_fin;
  uint32_t udp;
};

struct DaemonColumns {
  uint32_t role;
  char interface[16];
  uint32_t sync_id;
  uint32_t max_length;
  uint32_t port;
  uint32_t ttl;
  uint32_t group_family;
};

// The byte at which each column of each part starts, in order, and each part's size behind its last
// one. The JavaScript side refuses to work with an addon whose layout is not its own.
std::vector<uint32_t> RequestLayout();

struct Request {
  uint8_t command = 0;
  Service service;
  Destination destination;
  Timeouts timeouts;
  Daemon daemon;
};

// Walks the requests of a buffer.
class RequestReader {
 public:
  explicit RequestReader(ByteView buffer) : rest_(buffer) {}

  // Reads the next one over the last one: what a request does not bring stays as it was. False at
  // the end, and where the buffer holds something else than requests.
  bool Next(Request* request);
  // False once something did not fit, or lacked a part that its command needs.
  bool ok() const { return ok_; }

 private:
  template <typename Columns>
  bool Take(uint32_t part, Columns* columns);
  void TakeAddress(uint16_t family, Address* address);

  ByteView rest_;
  uint32_t parts_ = 0;
  bool has_service_ = false;
  bool ok_ = true;
};

// Appends the request as its command wants it. Dumps are not for here: core/table.h has them.
void EncodeRequest(const Request& request, CommandBatch* batch);

// The kernel's form of a netmask column, and back.
uint32_t NetmaskToWire(uint16_t family, uint32_t netmask);
uint32_t NetmaskFromWire(uint16_t family, uint32_t wire);

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_REQUEST_H_
