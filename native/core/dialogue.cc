#include "dialogue.h"

#include <algorithm>
#include <utility>

namespace ipvs {

namespace {

// The kernel carries a command out and queues the answer inside sendmsg. What is not there when
// that returns will not come: so it is with the end of a sync daemon, which the kernel may forget
// to acknowledge (kthread_stop gives -EINTR, and netlink_rcv_skb answers everything but that). A
// second is plenty to be sure.
constexpr int kKernelAnswers = 1000;

}  // namespace

// The answers to the commands of one datagram, as they come in.
class Answers {
 public:
  Answers(const CommandBatch& batch, size_t begin, size_t size, uint16_t type,
          Dialogue::PayloadOf payload, Answer* answers)
      : batch_(batch),
        begin_(begin),
        size_(size),
        type_(type),
        payload_(payload),
        answers_(answers),
        open_(size - std::min(size, batch.silent())) {}

  bool complete() const { return open_ == 0; }

  // Takes a message that belongs to the command `index`. `sure`: nothing that was said before it
  // can have got lost.
  void Take(const Message& message, size_t index, bool sure) {
    if (index >= size_ || answers_[index].settled) return;
    Answer* answer = &answers_[index];
    if (message.header.nlmsg_type != NLMSG_ERROR) {
      ByteView payload;
      const uint16_t reply = batch_.reply(begin_ + index, type_);
      if (message.header.nlmsg_type == reply && payload_(message, &payload)) {
        answer->reply.assign(payload.data, payload.data + payload.size);
      }
      return;  // the acknowledgement is still to come
    }
    Acknowledgement ack;
    if (!DecodeErrorMessage(message, &ack)) {
      answer->failure = Failure::Malformed("the acknowledgement is too short");
    } else if (ack.error != 0) {
      answer->failure = Failure::Refused(ack.error, ack.Detail());
    }
    answer->settled = true;
    if (batch_.confirmation(begin_ + index) == Confirmation::kNone) {
      if (answer->failure) RefuseAll(answer->failure);
      return;
    }
    open_--;
    if (sure) Confirm(index);
  }

  // What is still open is not going to be answered.
  void GiveUp(const Failure& failure) {
    for (size_t i = 0; i < size_ && open_ > 0; i++) {
      if (!answers_[i].settled) answers_[i].failure = failure;
    }
  }

 private:
  // Where the frame is refused, what it holds may not even be looked at (nfnetlink_rcv_batch).
  void RefuseAll(const Failure& failure) {
    GiveUp(failure);
    open_ = 0;
  }

  // An answer to one command stands for all before it that only an error would have been answered.
  void Confirm(size_t index) {
    for (; confirmed_ < index; confirmed_++) {
      Answer* answer = &answers_[confirmed_];
      const bool shared = batch_.confirmation(begin_ + confirmed_) == Confirmation::kShared;
      if (!shared || answer->settled) continue;
      answer->settled = true;
      open_--;
    }
  }

  const CommandBatch& batch_;
  size_t begin_;
  size_t size_;
  uint16_t type_;
  Dialogue::PayloadOf payload_;
  Answer* answers_;
  size_t open_;
  size_t confirmed_ = 0;  // all before it
};

bool Dialogue::WholePayload(const Message& message, ByteView* payload) {
  *payload = message.payload;
  return true;
}

Failure Dialogue::EnsureOpen() {
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

void Dialogue::Close() {
  Disconnect();
  // A namespace lives as long as somebody holds it, with its services, daemons and interfaces.
  options_.space.reset();
}

void Dialogue::Disconnect() { socket_.Close(); }

uint32_t Dialogue::TakeSequence(size_t count) {
  const uint32_t first = sequence_;
  sequence_ += static_cast<uint32_t>(count);
  return first;
}

void Dialogue::Transact(uint16_t type, CommandBatch* batch, const Deadline& deadline,
                        Answer* answers) {
  size_t size = 0;
  for (size_t begin = 0; begin < batch->count(); begin += size) {
    // The first was looked at just before.
    const bool late = begin > 0 && deadline.Passed();
    Failure failure = late ? Failure::Of(Fault::kNotSent) : EnsureOpen();
    size = failure ? batch->count() - begin : batch->Fit(begin, socket_.largest(), socket_.queue());
    if (!failure) {
      if (batch->whole()) socket_.MakeRoom(batch->bytes());
      const uint32_t first = TakeSequence(size);
      failure = socket_.Send(batch->Seal(type, first, begin, size), deadline);
      if (!failure) {
        Answers expected(*batch, begin, size, type, options_.payload, answers + begin);
        Collect(first, deadline, &expected);
        continue;
      }
    }
    for (size_t i = 0; i < size; i++) answers[begin + i].failure = failure;
  }
}

void Dialogue::Collect(uint32_t first, const Deadline& deadline, Answers* answers) {
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

Failure Dialogue::Dump(uint16_t type, CommandBatch* batch, const Deadline& deadline,
                       const DumpSink& sink, DumpResult* result) {
  *result = DumpResult();
  if (Failure failure = EnsureOpen()) return failure;
  const uint32_t sequence = TakeSequence(1);
  Failure failure = socket_.Send(batch->Seal(type, sequence), deadline);
  if (!failure) failure = ReadDump(sequence, batch->reply(0, type), deadline, sink, result);
  // A dump that was not read to its end would make the next one on this socket fail with EBUSY.
  if (failure && failure.fault != Fault::kRefused) Disconnect();
  return failure;
}

Failure Dialogue::ReadDump(uint32_t sequence, uint16_t type, const Deadline& deadline,
                           const DumpSink& sink, DumpResult* result) {
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
      if ((message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) result->interrupted = true;
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
      ByteView payload;
      if (message.header.nlmsg_type != type || !options_.payload(message, &payload)) continue;
      if (!counted) result->chunks++;
      counted = true;
      DecodeError error;
      sink(payload, &error);
      if (!error.ok()) return Failure::Malformed(error.text());
    }
    if (!reader.ok()) return Failure::Malformed("a message's length does not fit its datagram");
    // Also where there is always more to read: a table can grow as fast as it is dumped.
    if (deadline.PassedSome()) return Failure::Of(Fault::kNoAnswer);
  }
}

}  // namespace ipvs
