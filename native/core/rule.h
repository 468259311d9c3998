// Routing rules: which table a packet is looked up in.
#ifndef IPVS_CORE_RULE_H_
#define IPVS_CORE_RULE_H_

#include <linux/if.h>

#include "rtnetlink.h"

namespace ipvs {

struct Rule {
  uint16_t family = 0;
  uint8_t action = 0;  // FR_ACT_*
  uint32_t flags = 0;  // FIB_RULE_*
  uint32_t table = 0;
  bool has_priority = false;
  uint32_t priority = 0;
  bool has_mark = false;  // sent: both; told: only what is not 0
  uint32_t mark = 0;
  uint32_t mark_mask = 0;
  uint8_t source_prefix = 0;
  Address source;
  uint8_t destination_prefix = 0;
  Address destination;
  char input[IFNAMSIZ] = {};
  char output[IFNAMSIZ] = {};
  bool has_others = false;  // told: conditions that have no member here
};

void EncodeRule(Change change, const Rule& rule, CommandBatch* batch);
void EncodeListRules(uint16_t family, CommandBatch* batch);

bool DecodeRule(ByteView payload, Rule* rule, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_RULE_H_
