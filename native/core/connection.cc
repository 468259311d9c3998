#include "connection.h"

#include <linux/genetlink.h>

#include <algorithm>
#include <cerrno>

namespace ipvs {

namespace {

// The kernel carries a command out and queues the answer inside sendmsg. What is not there when
// that returns will not come: so it is with the end of a sync daemon, which the kernel may forget
// to acknowledge (kthread_stop gives -EINTR, and netlink_rcv_skb answers everything but that). A
// second is plenty to be sure.
constexpr int64_t kKernelAnswers = 1000;

bool IsRefusal(const Failure& failure, int error) {
  return failure.fault == Fault::kRefused && failure.error == error;
}

// Takes one message into the answer that it belongs to. Returns true when that settles it.
bool Settle(const Message& message, uint16_t type, Answer* answer) {
  if (message.header.nlmsg_type == NLMSG_ERROR) {
    Acknowledgement ack;
    if (!DecodeErrorMessage(message, &ack)) {
      answer->failure = Failure::Malformed("the acknowledgement is too short");
    } else if (ack.error != 0) {
      answer->failure = Failure::Refused(ack.error, ack.Detail());
    }
    answer->settled = true;
    return true;
  }
  ByteView attributes;
  if (message.header.nlmsg_type == type && GenericPayload(message, &attributes)) {
    answer->reply.assign(attributes.data, attributes.data + attributes.size);
  }
  return false;  // the acknowledgement is still to come
}

}  // namespace

Failure Connection::EnsureOpen() {
  if (socket_.is_open()) return Failure();
  // Opened once: reopening goes back to the same namespace, whatever its name points to by then.
  std::shared_ptr<const NetworkNamespace> space = options_.space;
  Failure failure;
  if (space == nullptr && !options_.space_path.empty()) {
    failure = NetworkNamespace::Open(options_.space_path, &space);
  } else if (space == nullptr && options_.new_space) {
    failure = NetworkNamespace::Create(&space);
  }
  if (failure) return failure;
  failure = RunIn(space.get(),
                  [this] { return Socket::Open(options_.protocol, options_.peer, &socket_); });
  // Kept only once it was entered: a name that no namespace is mounted on yet opens as well.
  if (!failure && options_.space != space) options_.space = std::move(space);
  return failure;
}

void Connection::Close() {
  Disconnect();
  // A namespace lives as long as somebody holds it, with its services, daemons and interfaces.
  options_.space.reset();
}

void Connection::Disconnect() { socket_.Close(); }

uint32_t Connection::TakeSequence(size_t count) {
  const uint32_t first = sequence_;
  sequence_ += static_cast<uint32_t>(count);
  return first;
}

void Connection::Exchange(CommandBatch* batch, const Deadline& deadline,
                          std::vector<Answer>* answers) {
  answers->clear();
  answers->resize(batch->count());
  if (const Failure failure = EnsureFamily(deadline)) {
    for (Answer& answer : *answers) answer.failure = failure;
    return;
  }
  Transact(family_, batch, deadline, answers->data());

  // ENOENT is a verdict on the command, or says that the family's number is stale because the
  // module was loaded anew. In the second case nothing was executed, so it may be sent again.
  std::vector<size_t> absent;
  for (size_t i = 0; i < answers->size(); i++) {
    if (IsRefusal((*answers)[i].failure, ENOENT)) absent.push_back(i);
  }
  if (absent.empty()) return;
  const uint16_t before = family_;
  const Failure failure = ResolveFamily(deadline);
  if (!failure && family_ == before) return;
  CommandBatch again;
  for (const size_t i : absent) again.AddCopy(*batch, i);
  std::vector<Answer> second(absent.size());
  if (failure) {
    for (Answer& answer : second) answer.failure = failure;
  } else {
    Transact(family_, &again, deadline, second.data());
  }
  for (size_t i = 0; i < absent.size(); i++) (*answers)[absent[i]] = std::move(second[i]);
}

Failure Connection::EnsureFamily(const Deadline& deadline) {
  if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
  if (Failure failure = EnsureOpen()) return failure;
  return family_ != 0 ? Failure() : ResolveFamily(deadline);
}

Failure Connection::ResolveFamily(const Deadline& deadline) {
  family_ = 0;
  CommandBatch batch;
  EncodeGetFamily(options_.family, &batch);
  Answer answer;
  Transact(GENL_ID_CTRL, &batch, deadline, &answer);
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

void Connection::Transact(uint16_t type, CommandBatch* batch, const Deadline& deadline,
                          Answer* answers) {
  const size_t count = batch->count();
  // No more at once than the receive queue can answer; normally that is all.
  const size_t window = std::min(count, socket_.is_open() ? socket_.capacity() : size_t{1});
  for (size_t begin = 0; begin < count; begin += window) {
    const size_t size = std::min(window, count - begin);
    Failure failure = deadline.Passed() ? Failure::Of(Fault::kNotSent) : EnsureOpen();
    if (!failure) {
      const uint32_t first = TakeSequence(size);
      if (size == count) {
        failure = socket_.Send(batch->Seal(type, first), deadline);
      } else {
        CommandBatch part;
        for (size_t i = 0; i < size; i++) part.AddCopy(*batch, begin + i);
        failure = socket_.Send(part.Seal(type, first), deadline);
      }
      if (!failure) {
        Collect(type, first, size, deadline, answers + begin);
        continue;
      }
    }
    for (size_t i = 0; i < size; i++) answers[begin + i].failure = failure;
  }
}

void Connection::Collect(uint16_t type, uint32_t first, size_t count, const Deadline& deadline,
                         Answer* answers) {
  const Deadline until =
      options_.peer == 0 ? Deadline::After(std::min<int64_t>(kKernelAnswers, deadline.Remaining()))
                         : deadline;
  size_t pending = count;
  Failure lost;  // set once some answers are known not to come: what is queued is still read
  while (pending > 0) {
    const Socket::Received received = lost ? socket_.ReceiveQueued(until) : socket_.Receive(until);
    if (received.event == Socket::Event::kTimedOut) {
      if (!lost) {
        lost = Failure::Of(Fault::kNoAnswer);
        Disconnect();  // a late answer must not meet a later question
      }
      break;
    }
    if (received.event == Socket::Event::kError) {
      lost = Failure::Of(Fault::kNoAnswer, received.error);
      Disconnect();
      break;
    }
    if (received.event != Socket::Event::kDatagram) {
      lost = Failure::Of(Fault::kNoAnswer, received.error);
      continue;
    }
    MessageReader reader(received.datagram);
    Message message;
    while (reader.Next(&message)) {
      const uint32_t index = message.header.nlmsg_seq - first;
      if (message.header.nlmsg_pid != socket_.port() || index >= count) continue;
      if (!answers[index].settled && Settle(message, type, &answers[index])) pending--;
    }
    if (!reader.ok()) lost = Failure::Malformed("a message's length does not fit its datagram");
  }
  for (size_t i = 0; i < count && pending > 0; i++) {
    if (!answers[i].settled) answers[i].failure = lost;
  }
}

Failure Connection::Dump(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                         size_t* chunks) {
  Failure failure = EnsureFamily(deadline);
  if (failure) return failure;
  failure = DumpOnce(batch, deadline, sink, chunks);
  if (IsRefusal(failure, ENOENT)) {
    const uint16_t before = family_;
    if (Failure unresolved = ResolveFamily(deadline)) return unresolved;
    if (family_ != before) failure = DumpOnce(batch, deadline, sink, chunks);
  }
  // A dump that was not read to its end would make the next one on this socket fail with EBUSY.
  if (failure && failure.fault != Fault::kRefused) Disconnect();
  return failure;
}

Failure Connection::DumpOnce(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                             size_t* chunks) {
  *chunks = 0;
  const uint32_t sequence = TakeSequence(1);
  if (Failure failure = socket_.Send(batch->Seal(family_, sequence), deadline)) return failure;
  for (;;) {
    const Socket::Received received = socket_.Receive(deadline);
    if (received.event != Socket::Event::kDatagram) {
      return Failure::Of(Fault::kNoAnswer, received.error);
    }
    bool counted = false;
    MessageReader reader(received.datagram);
    Message message;
    while (reader.Next(&message)) {
      if (message.header.nlmsg_pid != socket_.port() || message.header.nlmsg_seq != sequence) {
        continue;
      }
      Acknowledgement ack;
      if (message.header.nlmsg_type == NLMSG_ERROR) {
        if (!DecodeErrorMessage(message, &ack))
          return Failure::Malformed("the acknowledgement is too short");
        if (ack.error != 0) return Failure::Refused(ack.error, ack.Detail());
        continue;  // an acknowledgement is not the end of a dump
      }
      if (message.header.nlmsg_type == NLMSG_DONE) {
        // Old kernels leave the errno out where there is none.
        DecodeDoneMessage(message, &ack);
        return ack.error != 0 ? Failure::Refused(ack.error, ack.Detail()) : Failure();
      }
      ByteView attributes;
      if (message.header.nlmsg_type != family_ || !GenericPayload(message, &attributes)) continue;
      if (!counted) ++*chunks;
      counted = true;
      DecodeError error;
      sink(attributes, &error);
      if (!error.ok()) return Failure::Malformed(error.text());
    }
    if (!reader.ok()) return Failure::Malformed("a message's length does not fit its datagram");
    // Also where there is always more to read: a table can grow as fast as it is dumped.
    if (deadline.Passed()) return Failure::Of(Fault::kNoAnswer);
  }
}

}  // namespace ipvs
