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
constexpr int kKernelAnswers = 1000;

bool IsRefusal(const Failure& failure, int error) {
  return failure.fault == Fault::kRefused && failure.error == error;
}

}  // namespace

// The answers to the commands of one datagram, as they come in.
class Answers {
 public:
  Answers(const CommandBatch& batch, size_t begin, size_t size, uint16_t type, Answer* answers)
      : batch_(batch), begin_(begin), size_(size), type_(type), answers_(answers), open_(size) {}

  bool complete() const { return open_ == 0; }

  // Takes a message that belongs to the command `index`. `sure`: nothing that was said before it
  // can have got lost.
  void Take(const Message& message, size_t index, bool sure) {
    if (index >= size_ || answers_[index].settled) return;
    Answer* answer = &answers_[index];
    if (message.header.nlmsg_type != NLMSG_ERROR) {
      ByteView attributes;
      if (message.header.nlmsg_type == type_ && GenericPayload(message, &attributes)) {
        answer->reply.assign(attributes.data, attributes.data + attributes.size);
      }
      return;  // the acknowledgement is still to come
    }
    Acknowledgement ack;
    if (!DecodeErrorMessage(message, &ack)) {
      answer->failure = Failure::Malformed("the acknowledgement is too short");
    } else if (ack.error != 0) {
      answer->failure = Failure::Refused(ack.error, ack.Detail());
    }
    Settle(answer);
    if (sure) Confirm(index);
  }

  // What is still open is not going to be answered.
  void GiveUp(const Failure& failure) {
    for (size_t i = 0; i < size_ && open_ > 0; i++) {
      if (!answers_[i].settled) answers_[i].failure = failure;
    }
  }

 private:
  void Settle(Answer* answer) {
    answer->settled = true;
    open_--;
  }

  // An answer to one command stands for all before it that only an error would have been answered.
  void Confirm(size_t index) {
    for (; confirmed_ < index; confirmed_++) {
      Answer* answer = &answers_[confirmed_];
      const bool shared = batch_.confirmation(begin_ + confirmed_) == Confirmation::kShared;
      if (shared && !answer->settled) Settle(answer);
    }
  }

  const CommandBatch& batch_;
  size_t begin_;
  size_t size_;
  uint16_t type_;
  Answer* answers_;
  size_t open_;
  size_t confirmed_ = 0;  // all before it
};

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
  // Each time: the time of several portions may have passed with the one before.
  const bool late = deadline.Passed();
  if (const Failure failure = late ? Failure::Of(Fault::kNotSent) : EnsureFamily(deadline)) {
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
  const Failure failure =
      deadline.Passed() ? Failure::Of(Fault::kNotSent) : ResolveFamily(deadline);
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
  size_t size = 0;
  for (size_t begin = 0; begin < batch->count(); begin += size) {
    // The first was looked at just before.
    const bool late = begin > 0 && deadline.Passed();
    Failure failure = late ? Failure::Of(Fault::kNotSent) : EnsureOpen();
    size = failure ? batch->count() - begin : batch->Fit(begin, socket_.largest(), socket_.queue());
    if (!failure) {
      const uint32_t first = TakeSequence(size);
      failure = socket_.Send(batch->Seal(type, first, begin, size), deadline);
      if (!failure) {
        Answers expected(*batch, begin, size, type, answers + begin);
        Collect(first, deadline, &expected);
        continue;
      }
    }
    for (size_t i = 0; i < size; i++) answers[begin + i].failure = failure;
  }
}

void Connection::Collect(uint32_t first, const Deadline& deadline, Answers* answers) {
  const int longest = options_.peer == 0 ? kKernelAnswers : -1;
  Failure lost;  // set once some answers are known not to come: what is queued is still read
  while (!answers->complete()) {
    const Socket::Received received =
        lost ? socket_.ReceiveQueued(deadline) : socket_.Receive(deadline, longest);
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
      if (message.header.nlmsg_pid != socket_.port()) continue;
      answers->Take(message, message.header.nlmsg_seq - first, !lost);
    }
    if (!reader.ok()) lost = Failure::Malformed("a message's length does not fit its datagram");
  }
  answers->GiveUp(lost);
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
  // A dump that was not read to its end would make the next one on this socket fail with EBUSY.
  if (failure && failure.fault != Fault::kRefused) Disconnect();
  return failure;
}

Failure Connection::DumpOnce(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                             size_t* chunks) {
  *chunks = 0;
  const uint32_t sequence = TakeSequence(1);
  if (Failure failure = socket_.Send(batch->Seal(family_, sequence, 0, 1), deadline))
    return failure;
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
    if (deadline.PassedSome()) return Failure::Of(Fault::kNoAnswer);
  }
}

}  // namespace ipvs
