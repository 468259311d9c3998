// The payload of RTM_NEWRULE.

#include "core/rule.h"

#include <linux/fib_rules.h>

#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Rule rule;
  DecodeError error;
  const bool ok = DecodeRule(ByteView(data, size), &rule, &error);
  HOLDS(ok == error.ok());
  HOLDS(IsTerminated(rule.input) && IsTerminated(rule.output));
  if (!ok) return 0;
  HOLDS(rule.family == data[0]);
  if (rule.family != AF_INET && rule.family != AF_INET6) return 0;
  HOLDS(rule.source_prefix <= 8 * AddressSize(rule.family));
  HOLDS(rule.destination_prefix <= 8 * AddressSize(rule.family));
  HOLDS(IsAddress(rule.family, rule.source) && IsAddress(rule.family, rule.destination));
  const std::vector<Attribute> attributes = Split(ByteView(data, size).From(12));
  const Attribute* table = Last(attributes, FRA_TABLE);
  HOLDS(rule.table == (table == nullptr ? data[4] : table->As<uint32_t>()));
  HOLDS(rule.priority == LastAs<uint32_t>(attributes, FRA_PRIORITY));
  HOLDS(rule.mark == LastAs<uint32_t>(attributes, FRA_FWMARK));
  HOLDS(rule.mark_mask == LastAs<uint32_t>(attributes, FRA_FWMASK));
  const size_t marks = Count(attributes, FRA_FWMARK) + Count(attributes, FRA_FWMASK);
  HOLDS(rule.has_mark == (marks != 0));
  return 0;
}
