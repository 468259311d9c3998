// Firewall marks by nf_tables: what goes to an address and some ports gets a mark, of which IPVS
// makes one service. In a table of our own, so that nobody else's rules are touched;
// docs/cluster.md has what nft makes of it.
#ifndef IPVS_CORE_NFTABLES_H_
#define IPVS_CORE_NFTABLES_H_

#include <memory>
#include <string>
#include <vector>

#include "dialogue.h"
#include "ipvs.h"
#include "rtnetlink.h"

namespace ipvs {

// One rule: a network, a protocol and a range of ports.
struct MarkRule {
  uint16_t family = 0;
  uint8_t prefix = 0;
  uint8_t protocol = 0;
  uint16_t first_port = 0;  // both 0: every port
  uint16_t last_port = 0;
  uint32_t mark = 0;
  Address address;
  std::string chain;  // where it is: those of one call are in one
  std::string note;   // says all of it, and is what it is known by
};

// A rule of the table, as the kernel has it.
struct FoundRule {
  uint16_t family = 0;
  std::string chain;
  std::string note;        // nft calls it a comment; empty where there is none
  uint8_t handle[8] = {};  // how the kernel calls it
};

void EncodeMarkRule(const MarkRule& rule, const char* table, CommandBatch* batch);
bool DecodeFoundRule(ByteView payload, FoundRule* found, DecodeError* error);

// Used by one thread at a time, any thread.
class Nftables {
 public:
  explicit Nftables(std::shared_ptr<const NetworkNamespace> space);

  void Close() { dialogue_.Close(); }

  // All rules of the table, chain by chain, in the order in which they were added.
  Failure List(const Deadline& deadline, std::vector<FoundRule>* rules);
  // Whether rules of that family could be added, by who asks and here. Changes nothing.
  Failure CanMark(uint16_t family, const Deadline& deadline, bool* can);
  // All or none. To add one that is there is EEXIST, to remove one that is not is ENOENT. A chain
  // goes with its last rule, and the table when there is nothing in it any more.
  Failure Apply(Change change, const std::vector<MarkRule>& rules, const Deadline& deadline);

 private:
  Failure Generation(const Deadline& deadline, uint32_t* generation);
  Failure ListAll(uint16_t family, const Deadline& deadline, std::vector<FoundRule>* rules);
  Failure Add(const std::vector<MarkRule>& rules, const Deadline& deadline);
  Failure Remove(const std::vector<MarkRule>& rules, bool with_table, const Deadline& deadline);
  Failure Begin(uint16_t family, const Deadline& deadline, std::vector<FoundRule>* there,
                CommandBatch* batch);
  Failure Commit(CommandBatch* batch, const Deadline& deadline);

  Dialogue dialogue_;
};

}  // namespace ipvs

#endif  // IPVS_CORE_NFTABLES_H_
