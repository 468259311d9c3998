// Commands on their way: netlink messages that travel together in one datagram.
#ifndef IPVS_CORE_COMMAND_BATCH_H_
#define IPVS_CORE_COMMAND_BATCH_H_

#include "attribute.h"
#include "bytes.h"

namespace ipvs {

// Which answer tells that a command was carried out.
enum class Confirmation {
  // Only errors are answered: the acknowledgement of a later command stands for this one too,
  // because the kernel carries a datagram's commands out in order (netlink_rcv_skb). Plain changes.
  kShared,
  // Its own acknowledgement: a command with a reply, or one that the kernel may leave unanswered.
  kOwn,
  // None but an error, which then is that of all others too: the frame around nfnetlink's messages,
  // which not every kernel acknowledges.
  kNone,
};

// What kind of message a command is, and what answers it.
struct MessageKind {
  uint16_t type = 0;   // 0: the generic netlink family's number, stamped when it is sent
  uint16_t reply = 0;  // the type of what it brings; only where `type` is not 0
  uint16_t flags = 0;  // besides those that the batch sets: NLM_F_CREATE and its kin
};

// The sequence numbers, the requests for acknowledgements and a generic netlink family's number are
// stamped by the connection when it sends, because only it knows them.
class CommandBatch {
 public:
  // Starts a command of a generic netlink family; its attributes follow through the writer until
  // the next one starts.
  AttributeWriter Add(uint8_t command, uint8_t version, Confirmation confirmation);
  // The same for a command that is answered with a dump.
  AttributeWriter AddDump(uint8_t command, uint8_t version);

  // The same for a message of any protocol, with the fixed header that its attributes follow.
  template <typename Header>
  AttributeWriter Add(MessageKind kind, const Header& header, Confirmation confirmation) {
    return Begin({buffer_.size(), kind, confirmation, false}, &header, sizeof(header));
  }
  template <typename Header>
  AttributeWriter AddDump(MessageKind kind, const Header& header) {
    return Begin({buffer_.size(), kind, Confirmation::kShared, true}, &header, sizeof(header));
  }

  size_t count() const { return starts_.size(); }
  // For the next ones; keeps the memory.
  void Clear();
  size_t bytes() const { return buffer_.size(); }
  // One datagram or nothing: the commands belong together.
  void KeepWhole() { whole_ = true; }
  bool whole() const { return whole_; }
  // Appends a copy of a command of another batch: what is sent again.
  void AddCopy(const CommandBatch& from, size_t index);
  Confirmation confirmation(size_t index) const { return starts_[index].confirmation; }
  // How many have no confirmation.
  size_t silent() const { return silent_; }
  // The type of what answers a command, in a batch that was sealed with `type`.
  uint16_t reply(size_t index, uint16_t type) const {
    return starts_[index].kind.type == 0 ? type : starts_[index].kind.reply;
  }

  // How many commands from `begin` on make a datagram of at most `largest` bytes whose answers,
  // whatever they are, fit a queue of `queue` bytes. At least one; all where they are kept whole.
  size_t Fit(size_t begin, size_t largest, size_t queue) const;
  // Sets lengths, types, sequence numbers (first, first + 1, ...) and flags of `size` commands:
  // ready for the wire. `type` is for those that have none of their own.
  ByteView Seal(uint16_t type, uint32_t first_sequence, size_t begin, size_t size);
  // All of them.
  ByteView Seal(uint16_t type, uint32_t first) { return Seal(type, first, 0, count()); }

 private:
  struct Start {
    size_t offset;
    MessageKind kind;
    Confirmation confirmation;
    bool dump;
  };

  AttributeWriter Begin(Start start, const void* header, size_t size);
  size_t End(size_t index) const;

  Bytes buffer_;
  std::vector<Start> starts_;
  size_t silent_ = 0;
  bool whole_ = false;
};

}  // namespace ipvs

#endif  // IPVS_CORE_COMMAND_BATCH_H_
