#include "rule.h"

#include <linux/fib_rules.h>
#include <sys/socket.h>

namespace ipvs {

namespace {

// Whether an attribute that has no member narrows what a rule is for.
bool Narrows(uint16_t type, AttributeReader* reader) {
  switch (type) {
    case FRA_PAD:
    case FRA_FLOW:      // what to note in the packet
    case FRA_PROTOCOL:  // who has made it
      return false;
    case FRA_SUPPRESS_PREFIXLEN:
    case FRA_SUPPRESS_IFGROUP:
      return reader->U32("FRA_SUPPRESS") != UINT32_MAX;
    default:
      return true;
  }
}

}  // namespace

void EncodeRule(Change change, const Rule& rule, CommandBatch* batch) {
  fib_rule_hdr header{};
  header.family = static_cast<uint8_t>(rule.family);
  header.dst_len = rule.destination_prefix;
  header.src_len = rule.source_prefix;
  header.table = static_cast<uint8_t>(rule.table < 256 ? rule.table : RT_TABLE_UNSPEC);
  header.action = rule.action;
  AttributeWriter writer = AddChange(RTM_NEWRULE, change, header, batch);
  if (rule.destination_prefix != 0) PutAddress(&writer, FRA_DST, rule.family, rule.destination);
  if (rule.source_prefix != 0) PutAddress(&writer, FRA_SRC, rule.family, rule.source);
  if (rule.has_priority) writer.U32(FRA_PRIORITY, rule.priority);
  if (rule.has_mark) {
    writer.U32(FRA_FWMARK, rule.mark);
    writer.U32(FRA_FWMASK, rule.mark_mask);
  }
  writer.U32(FRA_TABLE, rule.table);
}

void EncodeListRules(uint16_t family, CommandBatch* batch) {
  fib_rule_hdr header{};
  header.family = static_cast<uint8_t>(family);
  AddListing(RTM_NEWRULE, header, batch);
}

bool DecodeRule(ByteView payload, Rule* rule, DecodeError* error) {
  fib_rule_hdr header{};
  if (!TakeHeader("fib_rule_hdr", &payload, &header, error)) return false;
  *rule = Rule();
  rule->family = header.family;
  rule->action = header.action;
  rule->flags = header.flags;
  rule->table = header.table;
  rule->has_others = header.tos != 0;
  // Without the attribute it is 0: the rule of the local table.
  rule->has_priority = true;
  if (header.family != AF_INET && header.family != AF_INET6) return true;
  rule->source_prefix = header.src_len;
  rule->destination_prefix = header.dst_len;
  AttributeReader reader(payload, "rule", error);
  while (reader.Next()) {
    switch (reader.type()) {
      case FRA_DST:
        ReadAddress(reader, "FRA_DST", rule->family, &rule->destination);
        break;
      case FRA_SRC:
        ReadAddress(reader, "FRA_SRC", rule->family, &rule->source);
        break;
      case FRA_PRIORITY:
        rule->priority = reader.U32("FRA_PRIORITY");
        break;
      case FRA_FWMARK:
        rule->mark = reader.U32("FRA_FWMARK");
        rule->has_mark = true;
        break;
      case FRA_FWMASK:
        rule->mark_mask = reader.U32("FRA_FWMASK");
        rule->has_mark = true;
        break;
      case FRA_TABLE:
        rule->table = reader.U32("FRA_TABLE");
        break;
      case FRA_IIFNAME:
        reader.Text("FRA_IIFNAME", rule->input, sizeof(rule->input));
        break;
      case FRA_OIFNAME:
        reader.Text("FRA_OIFNAME", rule->output, sizeof(rule->output));
        break;
      default:
        if (Narrows(reader.type(), &reader)) rule->has_others = true;
        break;
    }
  }
  const size_t longest = 8 * AddressSize(rule->family);
  if (error->ok() && (rule->source_prefix > longest || rule->destination_prefix > longest)) {
    error->Set("fib_rule_hdr", "has a prefix that is too long");
  }
  return error->ok();
}

}  // namespace ipvs
