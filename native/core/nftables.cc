#include "nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ipvs {

namespace {

constexpr char kTable[] = "ipvs";
constexpr char kChain[] = "prerouting";
// Never made: what is tried out has this name.
constexpr char kTrial[] = "ipvs_trial";

// Where the mangle table of iptables stands: behind connection tracking, before the routing
// decision.
constexpr uint32_t kManglePriority = static_cast<uint32_t>(-150);

// The kernel's, not the C library's.
constexpr int kRestart = 85;  // ERESTART

// Somebody else may change the rules between our look and our change, but hardly this often.
constexpr int kAttempts = 8;

// What we note at each rule: how nft keeps comments, and behind it what only we read.
constexpr uint8_t kComment = 0, kOurs = 0x69;
constexpr char kCommentText[] = "ipvs";
constexpr size_t kOursSize = 28;

constexpr uint16_t MessageType(uint16_t message) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

nfgenmsg Header(uint16_t family, uint16_t resource = 0) {
  nfgenmsg header{};
  header.nfgen_family = static_cast<uint8_t>(family);
  header.version = NFNETLINK_V0;
  header.res_id = htons(resource);
  return header;
}

AttributeWriter AddStep(uint16_t message, uint16_t family, uint16_t flags, CommandBatch* batch) {
  return batch->Add({MessageType(message), 0, flags}, Header(family), Confirmation::kOwn);
}

void AddFrame(uint16_t message, CommandBatch* batch) {
  batch->Add({message, 0, 0}, Header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), Confirmation::kNone);
}

// Writes the expressions of a rule: little programs over registers, of which one is enough.
class Expressions {
 public:
  explicit Expressions(AttributeWriter* writer)
      : writer_(writer), list_(writer->BeginNest(NFTA_RULE_EXPRESSIONS)) {}

  void Payload(uint32_t base, uint32_t offset, uint32_t length) {
    Begin("payload");
    writer_->Be32(NFTA_PAYLOAD_DREG, NFT_REG_1);
    writer_->Be32(NFTA_PAYLOAD_BASE, base);
    writer_->Be32(NFTA_PAYLOAD_OFFSET, offset);
    writer_->Be32(NFTA_PAYLOAD_LEN, length);
    End();
  }
  void Mask(const uint8_t* mask, const uint8_t* zero, size_t size) {
    Begin("bitwise");
    writer_->Be32(NFTA_BITWISE_SREG, NFT_REG_1);
    writer_->Be32(NFTA_BITWISE_DREG, NFT_REG_1);
    writer_->Be32(NFTA_BITWISE_LEN, static_cast<uint32_t>(size));
    Data(NFTA_BITWISE_MASK, mask, size);
    Data(NFTA_BITWISE_XOR, zero, size);
    End();
  }
  void Equals(const uint8_t* value, size_t size) {
    Begin("cmp");
    writer_->Be32(NFTA_CMP_SREG, NFT_REG_1);
    writer_->Be32(NFTA_CMP_OP, NFT_CMP_EQ);
    Data(NFTA_CMP_DATA, value, size);
    End();
  }
  void Between(const uint8_t* first, const uint8_t* last, size_t size) {
    Begin("range");
    writer_->Be32(NFTA_RANGE_SREG, NFT_REG_1);
    writer_->Be32(NFTA_RANGE_OP, NFT_RANGE_EQ);
    Data(NFTA_RANGE_FROM_DATA, first, size);
    Data(NFTA_RANGE_TO_DATA, last, size);
    End();
  }
  void Immediate(const uint8_t* value, size_t size) {
    Begin("immediate");
    writer_->Be32(NFTA_IMMEDIATE_DREG, NFT_REG_1);
    Data(NFTA_IMMEDIATE_DATA, value, size);
    End();
  }
  void Meta(uint16_t reg, uint32_t key) {
    Begin("meta");
    writer_->Be32(NFTA_META_KEY, key);
    writer_->Be32(reg, NFT_REG_1);
    End();
  }
  void Finish() { writer_->EndNest(list_); }

 private:
  void Begin(const char* name) {
    element_ = writer_->BeginNest(NFTA_LIST_ELEM);
    writer_->NulString(NFTA_EXPR_NAME, name);
    data_ = writer_->BeginNest(NFTA_EXPR_DATA);
  }
  void End() {
    writer_->EndNest(data_);
    writer_->EndNest(element_);
  }
  void Data(uint16_t type, const uint8_t* value, size_t size) {
    const size_t nest = writer_->BeginNest(type);
    writer_->Raw(NFTA_DATA_VALUE, value, size);
    writer_->EndNest(nest);
  }

  AttributeWriter* writer_;
  size_t list_;
  size_t element_ = 0;
  size_t data_ = 0;
};

// As nft writes: ip daddr 10.0.0.0/8 tcp dport 80-90 meta mark set 7
void EncodeExpressions(const MarkRule& rule, AttributeWriter* writer) {
  const size_t size = AddressSize(rule.family);
  const uint32_t destination = rule.family == AF_INET ? 16 : 24;
  Expressions expressions(writer);
  if (rule.prefix != 0) {
    expressions.Payload(NFT_PAYLOAD_NETWORK_HEADER, destination, static_cast<uint32_t>(size));
    Address mask, zero;
    for (size_t bit = 0; bit < rule.prefix; bit++) {
      mask.bytes[bit / 8] = static_cast<uint8_t>(mask.bytes[bit / 8] | 0x80 >> bit % 8);
    }
    if (rule.prefix < 8 * size) expressions.Mask(mask.bytes, zero.bytes, size);
    expressions.Equals(rule.address.bytes, size);
  }
  expressions.Meta(NFTA_META_DREG, NFT_META_L4PROTO);
  expressions.Equals(&rule.protocol, sizeof(rule.protocol));
  if (rule.last_port != 0) {
    uint8_t first[2], last[2];
    StoreBe16(first, rule.first_port);
    StoreBe16(last, rule.last_port);
    expressions.Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(first));
    if (rule.first_port == rule.last_port) {
      expressions.Equals(first, sizeof(first));
    } else {
      expressions.Between(first, last, sizeof(first));
    }
  }
  uint8_t mark[4];
  Store(mark, rule.mark);  // a register holds it as the machine does
  expressions.Immediate(mark, sizeof(mark));
  expressions.Meta(NFTA_META_SREG, NFT_META_MARK);
  expressions.Finish();
}

void EncodeUserData(const MarkRule& rule, AttributeWriter* writer) {
  uint8_t data[2 + sizeof(kCommentText) + 2 + kOursSize] = {kComment, sizeof(kCommentText)};
  std::memcpy(data + 2, kCommentText, sizeof(kCommentText));
  uint8_t* ours = data + 2 + sizeof(kCommentText);
  ours[0] = kOurs;
  ours[1] = kOursSize;
  ours[2] = 1;  // the version of what follows
  ours[3] = rule.protocol;
  ours[4] = rule.prefix;
  StoreBe16(ours + 6, rule.first_port);
  StoreBe16(ours + 8, rule.last_port);
  StoreBe32(ours + 10, rule.mark);
  std::memcpy(ours + 14, rule.address.bytes, sizeof(rule.address.bytes));
  writer->Raw(NFTA_RULE_USERDATA, data, sizeof(data));
}

// Types and lengths of one byte each; what others note is passed over.
void DecodeUserData(ByteView rest, uint16_t family, FoundRule* found) {
  while (rest.size >= 2) {
    const uint8_t type = rest.data[0];
    const size_t size = rest.data[1];
    if (size > rest.size - 2) return;
    const uint8_t* ours = rest.data;
    rest = rest.From(2 + size);
    if (type != kOurs || size != kOursSize || ours[2] != 1) continue;
    if (ours[4] > 8 * AddressSize(family)) continue;
    MarkRule& rule = found->rule;
    rule.family = family;
    rule.protocol = ours[3];
    rule.prefix = ours[4];
    rule.first_port = LoadBe16(ours + 6);
    rule.last_port = LoadBe16(ours + 8);
    rule.mark = LoadBe32(ours + 10);
    std::memcpy(rule.address.bytes, ours + 14, AddressSize(family));
    found->ours = true;
  }
}

void EncodeDeleteRule(uint16_t family, const uint8_t (&handle)[8], CommandBatch* batch) {
  AttributeWriter writer = AddStep(NFT_MSG_DELRULE, family, 0, batch);
  writer.NulString(NFTA_RULE_TABLE, kTable);
  writer.NulString(NFTA_RULE_CHAIN, kChain);
  writer.Raw(NFTA_RULE_HANDLE, handle, sizeof(handle));
}

// With everything that is in it.
void EncodeDeleteTable(uint16_t family, CommandBatch* batch) {
  AttributeWriter writer = AddStep(NFT_MSG_DELTABLE, family, 0, batch);
  writer.NulString(NFTA_TABLE_NAME, kTable);
}

// Both may be there already. A table that is dormant takes part in nothing.
void EncodeTableAndChain(uint16_t family, const char* name, uint32_t flags, CommandBatch* batch) {
  AttributeWriter table = AddStep(NFT_MSG_NEWTABLE, family, NLM_F_CREATE, batch);
  table.NulString(NFTA_TABLE_NAME, name);
  if (flags != 0) table.Be32(NFTA_TABLE_FLAGS, flags);
  AttributeWriter chain = AddStep(NFT_MSG_NEWCHAIN, family, NLM_F_CREATE, batch);
  chain.NulString(NFTA_CHAIN_TABLE, name);
  chain.NulString(NFTA_CHAIN_NAME, kChain);
  const size_t hook = chain.BeginNest(NFTA_CHAIN_HOOK);
  chain.Be32(NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
  chain.Be32(NFTA_HOOK_PRIORITY, kManglePriority);
  chain.EndNest(hook);
  chain.Be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
  chain.NulString(NFTA_CHAIN_TYPE, "filter");
}

bool IsRefusal(const Failure& failure, int error) {
  return failure.fault == Fault::kRefused && failure.error == error;
}

Dialogue::Options OptionsIn(std::shared_ptr<const NetworkNamespace> space) {
  Dialogue::Options options;
  options.protocol = NETLINK_NETFILTER;
  options.space = std::move(space);
  return options;
}

}  // namespace

bool operator==(const MarkRule& a, const MarkRule& b) {
  return a.family == b.family && a.prefix == b.prefix && a.protocol == b.protocol &&
         a.first_port == b.first_port && a.last_port == b.last_port && a.mark == b.mark &&
         std::memcmp(a.address.bytes, b.address.bytes, sizeof(a.address.bytes)) == 0;
}

void EncodeMarkRule(const MarkRule& rule, CommandBatch* batch) {
  EncodeMarkRule(rule, kTable, batch);
}

void EncodeMarkRule(const MarkRule& rule, const char* table, CommandBatch* batch) {
  AttributeWriter writer =
      AddStep(NFT_MSG_NEWRULE, rule.family, NLM_F_CREATE | NLM_F_APPEND, batch);
  writer.NulString(NFTA_RULE_TABLE, table);
  writer.NulString(NFTA_RULE_CHAIN, kChain);
  EncodeExpressions(rule, &writer);
  EncodeUserData(rule, &writer);
}

bool DecodeFoundRule(ByteView payload, FoundRule* found, DecodeError* error) {
  nfgenmsg header{};
  if (!TakeHeader("nfgenmsg", &payload, &header, error)) return false;
  *found = FoundRule();
  // Tables of bridges and devices have the same messages.
  if (header.nfgen_family != AF_INET && header.nfgen_family != AF_INET6) return true;
  SeenAttributes seen;
  AttributeReader reader(payload, "rule", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case NFTA_RULE_HANDLE:
        reader.Raw("NFTA_RULE_HANDLE", found->handle, sizeof(found->handle));
        break;
      case NFTA_RULE_USERDATA:
        found->ours = false;
        found->rule = MarkRule();
        DecodeUserData(reader.value(), header.nfgen_family, found);
        break;
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {{NFTA_RULE_HANDLE, "NFTA_RULE_HANDLE"}};
  seen.Require(kMandatory, error);
  return error->ok();
}

Nftables::Nftables(std::shared_ptr<const NetworkNamespace> space)
    : dialogue_(OptionsIn(std::move(space))) {}

// A number that every change of the rules makes another.
Failure Nftables::Generation(const Deadline& deadline, uint32_t* generation) {
  if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
  CommandBatch batch;
  batch.Add({MessageType(NFT_MSG_GETGEN), MessageType(NFT_MSG_NEWGEN), 0}, Header(AF_UNSPEC),
            Confirmation::kOwn);
  Answer answer;
  dialogue_.Transact(0, &batch, deadline, &answer);
  const Failure& failure = answer.failure;
  // Without nfnetlink there is no such socket, and without nf_tables nobody who would answer
  // (nfnetlink_rcv_msg).
  const bool no_socket = failure.fault == Fault::kSystemCall && failure.error == EPROTONOSUPPORT;
  if (no_socket || IsRefusal(failure, EINVAL) || IsRefusal(failure, EOPNOTSUPP)) {
    return Failure::Of(Fault::kUnavailable, failure.error);
  }
  if (failure.fault == Fault::kNoAnswer) return Failure::Of(Fault::kNotSent, failure.error);
  if (failure) return failure;
  DecodeError error;
  AttributeReader reader(ByteView(answer.reply).From(Align4(sizeof(nfgenmsg))), "generation",
                         &error);
  uint8_t number[4] = {};
  while (reader.Next()) {
    if (reader.type() == NFTA_GEN_ID) reader.Raw("NFTA_GEN_ID", number, sizeof(number));
  }
  *generation = LoadBe32(number);
  return error.ok() ? Failure() : Failure::Malformed(error.text());
}

Failure Nftables::ListAll(uint16_t family, const Deadline& deadline,
                          std::vector<FoundRule>* rules) {
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
    CommandBatch batch;
    AttributeWriter writer = batch.AddDump(
        {MessageType(NFT_MSG_GETRULE), MessageType(NFT_MSG_NEWRULE), 0}, Header(family));
    writer.NulString(NFTA_RULE_TABLE, kTable);
    writer.NulString(NFTA_RULE_CHAIN, kChain);
    rules->clear();
    Dialogue::DumpResult result;
    Failure failure = dialogue_.Dump(
        0, &batch, deadline,
        [rules](ByteView payload, DecodeError* error) {
          rules->emplace_back();
          DecodeFoundRule(payload, &rules->back(), error);
        },
        &result);
    if (IsRefusal(failure, ENOENT)) return Failure();  // not even the table
    if (failure || !result.interrupted) return failure;
  }
  return Failure();
}

Failure Nftables::List(const Deadline& deadline, std::vector<MarkRule>* rules) {
  rules->clear();
  uint32_t generation = 0;
  Failure failure = Generation(deadline, &generation);
  if (failure) return failure;
  for (const uint16_t family : kFamilies) {
    std::vector<FoundRule> found;
    if ((failure = ListAll(family, deadline, &found))) return failure;
    for (const FoundRule& each : found) {
      if (each.ours) rules->push_back(each.rule);
    }
  }
  return Failure();
}

// Without its end a batch is carried out, answered and taken back (nfnetlink_rcv_batch), as for
// `nft --check`. Everything that a rule takes is in it: kernels differ in which part it is that they
// refuse where they do not have a family.
Failure Nftables::CanMark(uint16_t family, const Deadline& deadline, bool* can) {
  *can = false;
  uint32_t generation = 0;
  Failure failure = Generation(deadline, &generation);
  if (!failure) {
    MarkRule rule;
    rule.family = family;
    rule.prefix = 1;
    rule.protocol = IPPROTO_TCP;
    rule.first_port = 1;
    rule.last_port = 2;
    CommandBatch batch;
    AddFrame(NFNL_MSG_BATCH_BEGIN, &batch);
    EncodeTableAndChain(family, kTrial, NFT_TABLE_F_DORMANT, &batch);
    EncodeMarkRule(rule, kTrial, &batch);
    failure = Commit(&batch, deadline);
  }
  *can = !failure;
  if (failure.fault == Fault::kUnavailable || failure.fault == Fault::kRefused) return Failure();
  return failure;
}

Failure Nftables::Apply(Change change, const std::vector<MarkRule>& rules,
                        const Deadline& deadline) {
  Failure failure;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    failure = Try(change, rules, deadline);
    if (!IsRefusal(failure, kRestart)) break;
  }
  // nf_tables without this family of tables (CONFIG_NF_TABLES_IPV4).
  if (IsRefusal(failure, EOPNOTSUPP)) return Failure::Of(Fault::kUnavailable, EOPNOTSUPP);
  return failure;
}

Failure Nftables::Try(Change change, const std::vector<MarkRule>& rules, const Deadline& deadline) {
  if (rules.empty()) return Failure();
  const uint16_t family = rules.front().family;
  uint32_t generation = 0;
  if (Failure failure = Generation(deadline, &generation)) return failure;
  std::vector<FoundRule> there;
  if (Failure failure = ListAll(family, deadline, &there)) return failure;

  CommandBatch batch;
  AttributeWriter begin = batch.Add({NFNL_MSG_BATCH_BEGIN, 0, 0},
                                    Header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), Confirmation::kNone);
  begin.Be32(NFNL_BATCH_GENID, generation);
  if (change != Change::kRemove) EncodeTableAndChain(family, kTable, 0, &batch);
  size_t removed = 0;
  for (const MarkRule& rule : rules) {
    const auto found = std::find_if(there.begin(), there.end(), [&rule](const FoundRule& each) {
      return each.ours && each.rule == rule;
    });
    if (change != Change::kRemove) {
      if (found != there.end()) return Failure::Refused(EEXIST);
      EncodeMarkRule(rule, &batch);
      continue;
    }
    if (found == there.end()) return Failure::Refused(ENOENT);
    EncodeDeleteRule(family, found->handle, &batch);
    found->ours = false;  // taken
    removed++;
  }
  if (change == Change::kRemove && removed == there.size()) EncodeDeleteTable(family, &batch);
  AddFrame(NFNL_MSG_BATCH_END, &batch);
  return Commit(&batch, deadline);
}

// The kernel carries out all of it or nothing; one that fails spoils the others.
Failure Nftables::Commit(CommandBatch* batch, const Deadline& deadline) {
  if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
  std::vector<Answer> answers(batch->count());
  dialogue_.Transact(0, batch, deadline, answers.data());
  for (Answer& answer : answers) {
    if (answer.failure.fault == Fault::kRefused) return std::move(answer.failure);
  }
  for (size_t i = 0; i < answers.size(); i++) {
    if (answers[i].failure && batch->confirmation(i) != Confirmation::kNone) {
      return std::move(answers[i].failure);
    }
  }
  return Failure();
}

}  // namespace ipvs
