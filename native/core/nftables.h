// Firewall marks by nf_tables: what goes to an address and some ports gets a mark, of which IPVS
// makes one service. In a table of our own, "ipvs", so that nobody else's rules are touched.
#ifndef IPVS_CORE_NFTABLES_H_
#define IPVS_CORE_NFTABLES_H_

#include <memory>
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
};

bool operator==(const MarkRule& a, const MarkRule& b);

// A rule as the kernel has it.
struct FoundRule {
  MarkRule rule;
  bool ours = false;       // `rule` says what it is
  uint8_t handle[8] = {};  // how the kernel calls it
};

void EncodeMarkRule(const MarkRule& rule, CommandBatch* batch);
void EncodeMarkRule(const MarkRule& rule, const char* table, CommandBatch* batch);
bool DecodeFoundRule(ByteView payload, FoundRule* found, DecodeError* error);

// Used by one thread at a time, any thread.
class Nftables {
 public:
  explicit Nftables(std::shared_ptr<const NetworkNamespace> space);

  void Close() { dialogue_.Close(); }

  // Those that were made here, in the order in which they were added.
  Failure List(const Deadline& deadline, std::vector<MarkRule>* rules);
  // Whether rules of that family could be added, by who asks and here. Changes nothing.
  Failure CanMark(uint16_t family, const Deadline& deadline, bool* can);
  // All or none. To add one that is there is EEXIST, to remove one that is not is ENOENT. The table
  // goes with its last rule.
  Failure Apply(Change change, const std::vector<MarkRule>& rules, const Deadline& deadline);

 private:
  Failure Generation(const Deadline& deadline, uint32_t* generation);
  Failure ListAll(uint16_t family, const Deadline& deadline, std::vector<FoundRule>* rules);
  Failure Try(Change change, const std::vector<MarkRule>& rules, const Deadline& deadline);
  Failure Commit(CommandBatch* batch, const Deadline& deadline);

  Dialogue dialogue_;
};

}  // namespace ipvs

#endif  // IPVS_CORE_NFTABLES_H_
