#include "connection.h"

#include <linux/genetlink.h>

#include <cerrno>
#include <utility>

namespace ipvs {

namespace {

bool IsRefusal(const Failure& failure, int error) {
  return failure.fault == Fault::kRefused && failure.error == error;
}

}  // namespace

void Connection::Exchange(CommandBatch* batch, const Deadline& deadline,
                          std::vector<Answer>* answers) {
  answers->clear();
  answers->resize(batch->count());
  // Each time: the time of several portions may have passed with the one before.
  const bool late = deadline.Passed();
  if (const Failure failure = late ? Failure::Of(Fault::kNotSent) : EnsureFamily(deadline)) {
    for (Answer& answer : *answers) answer.failure = failure;
    return;
  }
  dialogue_.Transact(family_, batch, deadline, answers->data());

  // ENOENT is a verdict on the command, or says that the family's number is stale because the
  // module was loaded anew. In the second case nothing was executed, so it may be sent again.
  std::vector<size_t> absent;
  for (size_t i = 0; i < answers->size(); i++) {
    if (IsRefusal((*answers)[i].failure, ENOENT)) absent.push_back(i);
  }
  if (absent.empty()) return;
  const uint16_t before = family_;
  const Failure failure =
      deadline.Passed() ? Failure::Of(Fault::kNotSent) : ResolveFamily(deadline);
  if (!failure && family_ == before) return;
  CommandBatch again;
  for (const size_t i : absent) again.AddCopy(*batch, i);
  std::vector<Answer> second(absent.size());
  if (failure) {
    for (Answer& answer : second) answer.failure = failure;
  } else {
    dialogue_.Transact(family_, &again, deadline, second.data());
  }
  for (size_t i = 0; i < absent.size(); i++) (*answers)[absent[i]] = std::move(second[i]);
}

Failure Connection::EnsureFamily(const Deadline& deadline) {
  if (Failure failure = dialogue_.EnsureOpen()) return failure;
  return family_ != 0 ? Failure() : ResolveFamily(deadline);
}

Failure Connection::ResolveFamily(const Deadline& deadline) {
  family_ = 0;
  CommandBatch batch;
  EncodeGetFamily(family_name_, &batch);
  Answer answer;
  dialogue_.Transact(GENL_ID_CTRL, &batch, deadline, &answer);
  if (IsRefusal(answer.failure, ENOENT)) return Failure::Of(Fault::kUnavailable, ENOENT);
  // Only the question got lost: the command itself was never sent.
  if (answer.failure.fault == Fault::kNoAnswer)
    return Failure::Of(Fault::kNotSent, answer.failure.error);
  if (answer.failure) return answer.failure;
  DecodeError error;
  uint16_t id = 0;
  if (!DecodeFamilyId(ByteView(answer.reply), &id, &error)) return Failure::Malformed(error.text());
  family_ = id;
  return Failure();
}

Failure Connection::Dump(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                         size_t* chunks) {
  if (deadline.PassedSome()) return Failure::Of(Fault::kNotSent);
  Failure failure = EnsureFamily(deadline);
  if (failure) return failure;
  failure = DumpOnce(batch, deadline, sink, chunks);
  if (IsRefusal(failure, ENOENT)) {
    const uint16_t before = family_;
    if (Failure unresolved = ResolveFamily(deadline)) return unresolved;
    if (family_ != before) failure = DumpOnce(batch, deadline, sink, chunks);
  }
  return failure;
}

Failure Connection::DumpOnce(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                             size_t* chunks) {
  Dialogue::DumpResult result;
  Failure failure = dialogue_.Dump(family_, batch, deadline, sink, &result);
  *chunks = result.chunks;
  return failure;
}

}  // namespace ipvs
