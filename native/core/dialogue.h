// A conversation over netlink: requests and answers matched, dumps read to their end, deadlines
// kept, the socket opened anew after a fault. Knows no family.
#ifndef IPVS_CORE_DIALOGUE_H_
#define IPVS_CORE_DIALOGUE_H_

#include <linux/netlink.h>

#include <functional>
#include <memory>
#include <string>

#include "command_batch.h"
#include "deadline.h"
#include "message.h"
#include "netns.h"
#include "result.h"
#include "socket.h"

namespace ipvs {

// What became of one command.
struct Answer {
  Failure failure;
  bool settled = false;
  Bytes reply;  // the payload of the reply, where the command has one
};

class Answers;

// Used by one thread at a time, any thread. Every call returns by its deadline, but for the time
// that the kernel itself spends inside one sendmsg.
class Dialogue {
 public:
  // What of a message is handed on; false where it is too short to hold that.
  using PayloadOf = bool (*)(const Message& message, ByteView* payload);

  struct Options {
    int protocol = NETLINK_ROUTE;
    uint32_t peer = 0;  // 0: the kernel
    // Where the socket lives: an open namespace, else the file of one, else a new one, else the
    // process's own.
    std::shared_ptr<const NetworkNamespace> space;
    std::string space_path;
    bool new_space = false;
    PayloadOf payload = WholePayload;
  };

  // Handed each record of a dump; reports through the error what does not decode.
  using DumpSink = std::function<void(ByteView payload, DecodeError* error)>;

  struct DumpResult {
    size_t chunks = 0;         // datagrams: only what came in one is sure to be of one moment
    bool interrupted = false;  // the kernel says that what it told does not fit together
  };

  explicit Dialogue(Options options) : options_(std::move(options)) {}

  // Null until a dialogue with a `space_path` was opened.
  const std::shared_ptr<const NetworkNamespace>& space() const { return options_.space; }

  // Opening and reopening happen by themselves where they are needed; this is for who wants to know
  // early that it is possible.
  Failure EnsureOpen();
  // For good: lets go of the socket and of the namespace.
  void Close();

  // Sends all commands, datagram by datagram, and settles one answer for each, in order. `batch` is
  // consumed. `type` is for the commands that have none of their own.
  void Transact(uint16_t type, CommandBatch* batch, const Deadline& deadline, Answer* answers);

  // Sends the one dump command in `batch` and reads all that it brings.
  Failure Dump(uint16_t type, CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
               DumpResult* result);

  static bool WholePayload(const Message& message, ByteView* payload);

 private:
  // What comes next opens a new socket, in the same namespace.
  void Disconnect();
  void Collect(uint32_t first, const Deadline& deadline, Answers* answers);
  Failure ReadDump(uint32_t sequence, uint16_t type, const Deadline& deadline, const DumpSink& sink,
                   DumpResult* result);
  uint32_t TakeSequence(size_t count);

  Options options_;
  Socket socket_;
  uint32_t sequence_ = 1;
};

}  // namespace ipvs

#endif  // IPVS_CORE_DIALOGUE_H_
