// The IPVS family's objects, and their attributes both ways. Numbers only: what they are called and
// what they default to is decided in TypeScript.
#ifndef IPVS_CORE_IPVS_H_
#define IPVS_CORE_IPVS_H_

#include "bytes.h"
#include "generic.h"
#include "ipvs_uapi.h"

namespace ipvs {

// Network byte order; IPv4 in the first four bytes, the others zero.
struct Address {
  uint8_t bytes[16] = {};
};

// Identifies a virtual service: by its mark where that is not zero, otherwise by the rest.
struct ServiceKey {
  uint16_t family = 0;
  uint16_t protocol = 0;
  Address address;
  uint16_t port = 0;
  uint32_t fwmark = 0;
};

struct Stats {
  uint64_t connections = 0;
  uint64_t incoming_packets = 0;
  uint64_t outgoing_packets = 0;
  uint64_t incoming_bytes = 0;
  uint64_t outgoing_bytes = 0;
  uint64_t connection_rate = 0;
  uint64_t incoming_packet_rate = 0;
  uint64_t outgoing_packet_rate = 0;
  uint64_t incoming_byte_rate = 0;
  uint64_t outgoing_byte_rate = 0;
  bool wide = false;  // all of 64 bits: STATS64
};

struct Service {
  ServiceKey key;
  char scheduler[IP_VS_SCHEDNAME_MAXLEN] = {};
  uint32_t flags = 0;
  uint32_t flags_mask = 0;  // sent only: which bits of `flags` to set
  uint32_t timeout = 0;     // seconds
  // IPv4: the mask as it lies in memory, network order. IPv6: a prefix length, native order.
  uint32_t netmask = 0;
  char engine[IP_VS_PENAME_MAXLEN + 1] = {};
  Stats stats;
};

struct DestinationKey {
  uint16_t family = 0;
  Address address;
  uint16_t port = 0;
};

struct Destination {
  DestinationKey key;
  uint32_t forwarding = 0;
  uint32_t weight = 0;
  uint32_t upper_threshold = 0;
  uint32_t lower_threshold = 0;
  uint8_t tunnel_type = 0;
  uint16_t tunnel_port = 0;
  uint16_t tunnel_flags = 0;
  uint32_t active_connections = 0;
  uint32_t inactive_connections = 0;
  uint32_t persistent_connections = 0;
  Stats stats;
};

// Which part of a service or destination a command carries.
void EncodeServiceKey(const ServiceKey& key, AttributeWriter* writer);
void EncodeService(const Service& service, AttributeWriter* writer);
void EncodeDestinationKey(const DestinationKey& key, AttributeWriter* writer);
void EncodeDestination(const Destination& destination, AttributeWriter* writer);

// From a reply's attributes into a fresh one; false (and the error set) where it does not decode.
bool DecodeService(ByteView attributes, Service* service, DecodeError* error);
bool DecodeDestination(ByteView attributes, uint16_t service_family, Destination* destination,
                       DecodeError* error);

// The order of listings: addresses before marks, then family, protocol, address and port. Negative,
// zero or positive.
int Compare(const ServiceKey& a, const ServiceKey& b);
int Compare(const DestinationKey& a, const DestinationKey& b);

}  // namespace ipvs

#endif  // IPVS_CORE_IPVS_H_
