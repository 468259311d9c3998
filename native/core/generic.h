// Generic netlink: commands of a family, and how a family's number is found.
#ifndef IPVS_CORE_GENERIC_H_
#define IPVS_CORE_GENERIC_H_

#include "attribute.h"
#include "bytes.h"
#include "message.h"

namespace ipvs {

// Which answer tells that a command was carried out.
enum class Confirmation {
  // Only errors are answered: the acknowledgement of a later command stands for this one too,
  // because the kernel carries a datagram's commands out in order (netlink_rcv_skb). Plain changes.
  kShared,
  // Its own acknowledgement: a command with a reply, or one that the kernel may leave unanswered.
  kOwn,
};

// Commands that travel together. The family's number, the sequence numbers and the requests for
// acknowledgements are stamped by the connection when it sends, because only it knows them.
class CommandBatch {
 public:
  // Starts a command; its attributes follow through the writer until the next one starts.
  AttributeWriter Add(uint8_t command, uint8_t version, Confirmation confirmation);
  // The same for a command that is answered with a dump.
  AttributeWriter AddDump(uint8_t command, uint8_t version);

  size_t count() const { return starts_.size(); }
  bool empty() const { return starts_.empty(); }
  size_t bytes() const { return buffer_.size(); }
  // For the next ones; keeps the memory.
  void Clear();
  // Appends a copy of a command of another batch: what is sent again.
  void AddCopy(const CommandBatch& from, size_t index);
  Confirmation confirmation(size_t index) const { return starts_[index].confirmation; }

  // How many commands from `begin` on make a datagram of at most `largest` bytes whose answers,
  // whatever they are, fit a queue of `queue` bytes. At least one.
  size_t Fit(size_t begin, size_t largest, size_t queue) const;
  // Sets lengths, type, sequence numbers (first, first + 1, ...) and flags of `size` commands:
  // ready for the wire.
  ByteView Seal(uint16_t type, uint32_t first_sequence, size_t begin, size_t size);
  // All of them.
  ByteView Seal(uint16_t type, uint32_t first) { return Seal(type, first, 0, count()); }

 private:
  struct Start {
    size_t offset;
    Confirmation confirmation;
    bool dump;
  };

  AttributeWriter Begin(uint8_t command, uint8_t version, Start start);
  size_t End(size_t index) const;

  Bytes buffer_;
  std::vector<Start> starts_;
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
