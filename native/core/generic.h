// Generic netlink: commands of a family, and how a family's number is found.
#ifndef IPVS_CORE_GENERIC_H_
#define IPVS_CORE_GENERIC_H_

#include "attribute.h"
#include "bytes.h"
#include "message.h"

namespace ipvs {

// Commands that travel together in one datagram. The family's number and the sequence numbers are
// stamped by the connection when it sends, because only it knows them.
class CommandBatch {
 public:
  // Starts a command; its attributes follow through the writer until the next one starts.
  AttributeWriter Add(uint8_t command, uint8_t version, uint16_t flags);

  size_t count() const { return starts_.size(); }
  bool empty() const { return starts_.empty(); }
  // Appends a copy of a command of another batch: what is sent again.
  void AddCopy(const CommandBatch& from, size_t index);
  // Sets lengths, type and sequence numbers (first, first + 1, ...): ready for the wire.
  ByteView Seal(uint16_t type, uint32_t first_sequence);

 private:
  size_t End(size_t index) const;

  Bytes buffer_;
  std::vector<size_t> starts_;
};

// GETFAMILY also makes the kernel load the module that provides the family (genl_ctrl's
// request_module), from whatever container it is asked.
void EncodeGetFamily(const char* name, CommandBatch* batch);

// The attributes of a generic netlink message, behind its header; false if it is too short.
bool GenericPayload(const Message& message, ByteView* attributes);

// The family's number from the answer to GETFAMILY.
bool DecodeFamilyId(ByteView attributes, uint16_t* id, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_GENERIC_H_
