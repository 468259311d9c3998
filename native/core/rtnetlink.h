// What the messages of rtnetlink have in common: their numbers come in fours (new, delete, get,
// set), and a fixed header stands in front of their attributes.
#ifndef IPVS_CORE_RTNETLINK_H_
#define IPVS_CORE_RTNETLINK_H_

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "attribute.h"
#include "bytes.h"
#include "command_batch.h"
#include "ipvs.h"

namespace ipvs {

// The numbers cross into JavaScript (lib/network/native.ts lists them again).
enum class Change : uint8_t {
  kAdd = 1,      // what is there already is an error
  kReplace = 2,  // added, or put in the place of what is there
  kRemove = 3,
  kSet = 4,  // what is not there is an error
};

// Starts a message that changes something. `base` is the RTM_NEW... of its kind.
template <typename Header>
AttributeWriter AddChange(uint16_t base, Change change, const Header& header, CommandBatch* batch) {
  MessageKind kind;
  kind.type = change == Change::kRemove ? static_cast<uint16_t>(base + 1) : base;
  if (change == Change::kAdd) kind.flags = NLM_F_CREATE | NLM_F_EXCL;
  if (change == Change::kReplace) kind.flags = NLM_F_CREATE | NLM_F_REPLACE;
  return batch->Add(kind, header, Confirmation::kOwn);
}

// Starts the question for one of a kind, or for all.
template <typename Header>
AttributeWriter AddQuestion(uint16_t base, const Header& header, CommandBatch* batch) {
  return batch->Add({static_cast<uint16_t>(base + 2), base, 0}, header, Confirmation::kOwn);
}
template <typename Header>
AttributeWriter AddListing(uint16_t base, const Header& header, CommandBatch* batch) {
  return batch->AddDump({static_cast<uint16_t>(base + 2), base, 0}, header);
}

// Takes the fixed header from the front of `payload`; `name` is its struct's.
template <typename Header>
bool TakeHeader(const char* name, ByteView* payload, Header* header, DecodeError* error) {
  if (payload->size < sizeof(Header)) {
    error->Set(name, "is cut short");
    return false;
  }
  *header = Load<Header>(payload->data);
  *payload = payload->From(Align4(sizeof(Header)));
  return true;
}

constexpr uint16_t kFamilies[] = {AF_INET, AF_INET6};

constexpr size_t AddressSize(uint16_t family) { return family == AF_INET ? 4 : 16; }

inline void PutAddress(AttributeWriter* writer, uint16_t type, uint16_t family,
                       const Address& address) {
  writer->Raw(type, address.bytes, AddressSize(family));
}

// An address of the family, of which nothing of an earlier one remains.
inline void ReadAddress(const AttributeReader& reader, const char* name, uint16_t family,
                        Address* address) {
  *address = Address();
  reader.Raw(name, address->bytes, AddressSize(family));
}

}  // namespace ipvs

#endif  // IPVS_CORE_RTNETLINK_H_
