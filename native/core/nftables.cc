#include "nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <utility>

namespace ipvs {

namespace {

// lib/network/marks.ts has it too.
constexpr char kTable[] = "ipvs_marks";
// Never made: what is tried out has these names.
constexpr char kTrial[] = "ipvs_trial";

// Where the mangle table of iptables stands: behind connection tracking, before the routing
// decision.
constexpr uint32_t kManglePriority = static_cast<uint32_t>(-150);

// The kernel's, not the C library's.
constexpr int kRestart = 85;  // ERESTART

// Somebody else may change the rules between our look and our change, but hardly this often.
constexpr int kAttempts = 8;

// What a rule's user data holds of a comment: how nft keeps it, with the zero behind it.
constexpr uint8_t kComment = 0;
constexpr size_t kLongestComment = 128;

// Do not remove what is not empty. Older build hosts' headers lack it.
constexpr uint16_t kNonRecursive = 0x100;  // NLM_F_NONREC

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
  // Thousands of acknowledgements would not fit the queue.
  return batch->Add({MessageType(message), 0, flags}, Header(family), Confirmation::kShared);
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

void EncodeUserData(const std::string& note, AttributeWriter* writer) {
  uint8_t data[2 + kLongestComment] = {kComment};
  const size_t size = std::min(note.size(), kLongestComment - 1);
  data[1] = static_cast<uint8_t>(size + 1);
  std::copy_n(note.begin(), size, data + 2);  // and a null byte
  writer->Raw(NFTA_RULE_USERDATA, data, 2 + size + 1);
}

// Types and lengths of one byte each; what else is noted is passed over.
std::string CommentIn(ByteView rest) {
  while (rest.size >= 2) {
    const uint8_t type = rest.data[0];
    const size_t size = rest.data[1];
    if (size > rest.size - 2) break;
    const char* text = reinterpret_cast<const char*>(rest.data + 2);
    if (type == kComment) return std::string(text, ::strnlen(text, size));
    rest = rest.From(2 + size);
  }
  return std::string();
}

void EncodeDeleteRule(const FoundRule& rule, CommandBatch* batch) {
  AttributeWriter writer = AddStep(NFT_MSG_DELRULE, rule.family, 0, batch);
  writer.NulString(NFTA_RULE_TABLE, kTable);
  writer.NulString(NFTA_RULE_CHAIN, rule.chain.c_str());
  writer.Raw(NFTA_RULE_HANDLE, rule.handle, sizeof(rule.handle));
}

void EncodeDeleteChain(uint16_t family, const std::string& chain, CommandBatch* batch) {
  AttributeWriter writer = AddStep(NFT_MSG_DELCHAIN, family, kNonRecursive, batch);
  writer.NulString(NFTA_CHAIN_TABLE, kTable);
  writer.NulString(NFTA_CHAIN_NAME, chain.c_str());
}

// EBUSY where anything is in it: chains, sets, counters (nf_tables_deltable).
void EncodeDeleteTable(uint16_t family, CommandBatch* batch) {
  AttributeWriter writer = AddStep(NFT_MSG_DELTABLE, family, kNonRecursive, batch);
  writer.NulString(NFTA_TABLE_NAME, kTable);
}

// Both may be there already. A table that is dormant takes part in nothing.
void EncodeTableAndChain(uint16_t family, const char* name, const std::string& chain_name,
                         uint32_t flags, CommandBatch* batch) {
  AttributeWriter table = AddStep(NFT_MSG_NEWTABLE, family, NLM_F_CREATE, batch);
  table.NulString(NFTA_TABLE_NAME, name);
  if (flags != 0) table.Be32(NFTA_TABLE_FLAGS, flags);
  AttributeWriter chain = AddStep(NFT_MSG_NEWCHAIN, family, NLM_F_CREATE, batch);
  chain.NulString(NFTA_CHAIN_TABLE, name);
  chain.NulString(NFTA_CHAIN_NAME, chain_name.c_str());
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

void EncodeMarkRule(const MarkRule& rule, const char* table, CommandBatch* batch) {
  AttributeWriter writer =
      AddStep(NFT_MSG_NEWRULE, rule.family, NLM_F_CREATE | NLM_F_APPEND, batch);
  writer.NulString(NFTA_RULE_TABLE, table);
  writer.NulString(NFTA_RULE_CHAIN, rule.chain.c_str());
  EncodeExpressions(rule, &writer);
  EncodeUserData(rule.note, &writer);
}

bool DecodeFoundRule(ByteView payload, FoundRule* found, DecodeError* error) {
  nfgenmsg header{};
  if (!TakeHeader("nfgenmsg", &payload, &header, error)) return false;
  *found = FoundRule();
  // Tables of bridges and devices have the same messages.
  if (header.nfgen_family != AF_INET && header.nfgen_family != AF_INET6) return true;
  found->family = header.nfgen_family;
  char chain[NFT_NAME_MAXLEN] = "";
  SeenAttributes seen;
  AttributeReader reader(payload, "rule", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case NFTA_RULE_HANDLE:
        reader.Raw("NFTA_RULE_HANDLE", found->handle, sizeof(found->handle));
        break;
      case NFTA_RULE_CHAIN:
        reader.Text("NFTA_RULE_CHAIN", chain, sizeof(chain));
        found->chain = chain;
        break;
      case NFTA_RULE_USERDATA:
        found->note = CommentIn(reader.value());
        break;
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {{NFTA_RULE_CHAIN, "NFTA_RULE_CHAIN"},
                                                      {NFTA_RULE_HANDLE, "NFTA_RULE_HANDLE"}};
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

Failure Nftables::List(const Deadline& deadline, std::vector<FoundRule>* rules) {
  rules->clear();
  uint32_t generation = 0;
  Failure failure = Generation(deadline, &generation);
  if (failure) return failure;
  for (const uint16_t family : kFamilies) {
    std::vector<FoundRule> found;
    if ((failure = ListAll(family, deadline, &found))) return failure;
    rules->insert(rules->end(), found.begin(), found.end());
  }
  return Failure();
}

// Without its end a batch is carried out, answered and taken back (nfnetlink_rcv_batch), as for
// `nft --check`. Everything that a rule takes is in it: kernels differ in which part it is that
// they refuse where they do not have a family.
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
    rule.chain = kTrial;
    CommandBatch batch;
    AddFrame(NFNL_MSG_BATCH_BEGIN, &batch);
    EncodeTableAndChain(family, kTrial, kTrial, NFT_TABLE_F_DORMANT, &batch);
    EncodeMarkRule(rule, kTrial, &batch);
    failure = Commit(&batch, deadline);
  }
  *can = !failure;
  if (failure.fault == Fault::kUnavailable || failure.fault == Fault::kRefused) return Failure();
  return failure;
}

Failure Nftables::Apply(Change change, const std::vector<MarkRule>& rules,
                        const Deadline& deadline) {
  if (rules.empty()) return Failure();
  Failure failure;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if (change != Change::kRemove) {
      failure = Add(rules, deadline);
    } else {
      failure = Remove(rules, true, deadline);
      // Somebody else has put something into it.
      if (IsRefusal(failure, EBUSY)) failure = Remove(rules, false, deadline);
    }
    if (!IsRefusal(failure, kRestart)) break;
  }
  // nf_tables without this family of tables (CONFIG_NF_TABLES_IPV4).
  if (IsRefusal(failure, EOPNOTSUPP)) return Failure::Of(Fault::kUnavailable, EOPNOTSUPP);
  return failure;
}

// What is there, and a batch that is refused if that has changed by then.
Failure Nftables::Begin(uint16_t family, const Deadline& deadline, std::vector<FoundRule>* there,
                        CommandBatch* batch) {
  uint32_t generation = 0;
  if (Failure failure = Generation(deadline, &generation)) return failure;
  if (Failure failure = ListAll(family, deadline, there)) return failure;
  AttributeWriter begin = batch->Add({NFNL_MSG_BATCH_BEGIN, 0, 0},
                                     Header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), Confirmation::kNone);
  begin.Be32(NFNL_BATCH_GENID, generation);
  return Failure();
}

Failure Nftables::Add(const std::vector<MarkRule>& rules, const Deadline& deadline) {
  const MarkRule& first = rules.front();
  CommandBatch batch;
  std::vector<FoundRule> there;
  if (Failure failure = Begin(first.family, deadline, &there, &batch)) return failure;
  std::set<std::string> notes;
  for (const FoundRule& each : there) notes.insert(each.note);
  EncodeTableAndChain(first.family, kTable, first.chain, 0, &batch);
  for (const MarkRule& rule : rules) {
    if (notes.count(rule.note) != 0) return Failure::Refused(EEXIST);
    EncodeMarkRule(rule, kTable, &batch);
  }
  AddFrame(NFNL_MSG_BATCH_END, &batch);
  return Commit(&batch, deadline);
}

Failure Nftables::Remove(const std::vector<MarkRule>& rules, bool with_table,
                         const Deadline& deadline) {
  const uint16_t family = rules.front().family;
  CommandBatch batch;
  std::vector<FoundRule> there;
  if (Failure failure = Begin(family, deadline, &there, &batch)) return failure;
  std::map<std::string, const FoundRule*> noted;
  std::map<std::string, size_t> left;  // by chain
  for (const FoundRule& each : there) {
    noted.emplace(each.note, &each);
    left[each.chain]++;
  }
  for (const MarkRule& rule : rules) {
    const auto found = noted.find(rule.note);
    if (found == noted.end()) return Failure::Refused(ENOENT);
    EncodeDeleteRule(*found->second, &batch);
    left[found->second->chain]--;
    noted.erase(found);
  }
  bool empty = true;
  for (const auto& [chain, count] : left) {
    if (count == 0) {
      EncodeDeleteChain(family, chain, &batch);
    } else {
      empty = false;
    }
  }
  if (empty && with_table) EncodeDeleteTable(family, &batch);
  AddFrame(NFNL_MSG_BATCH_END, &batch);
  return Commit(&batch, deadline);
}

// The kernel carries out all of it or nothing; one that fails spoils the others.
Failure Nftables::Commit(CommandBatch* batch, const Deadline& deadline) {
  if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
  batch->KeepWhole();
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
