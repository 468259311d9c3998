// A conversation with one generic netlink family: requests and answers matched, deadlines kept, the
// family's number looked up again when it has changed.
#ifndef IPVS_CORE_CONNECTION_H_
#define IPVS_CORE_CONNECTION_H_

#include <linux/netlink.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deadline.h"
#include "generic.h"
#include "netns.h"
#include "result.h"
#include "socket.h"

namespace ipvs {

// What became of one command.
struct Answer {
  Failure failure;
  bool settled = false;
  Bytes reply;  // the attributes of the reply, where the command has one
};

class Answers;

// Used by one thread at a time, any thread. Every call returns by its deadline, but for the time
// that the kernel itself spends inside one sendmsg.
class Connection {
 public:
  struct Options {
    const char* family = "";
    int protocol = NETLINK_GENERIC;
    uint32_t peer = 0;  // 0: the kernel
    // Where the socket lives: an open namespace, else the file of one, else a new one, else the
    // process's own.
    std::shared_ptr<const NetworkNamespace> space;
    std::string space_path;
    bool new_space = false;
  };

  // Handed each record of a dump; reports through the error what does not decode.
  using DumpSink = std::function<void(ByteView attributes, DecodeError* error)>;

  explicit Connection(Options options) : options_(std::move(options)) {}

  // Null until a connection with a `space_path` was opened.
  const std::shared_ptr<const NetworkNamespace>& space() const { return options_.space; }

  // Opening and reopening happen by themselves where they are needed; this is for who wants to know
  // early that it is possible.
  Failure EnsureOpen();
  // For good: lets go of the socket and of the namespace.
  void Close();

  // Sends all commands and settles one answer for each, in order. `batch` is consumed.
  void Exchange(CommandBatch* batch, const Deadline& deadline, std::vector<Answer>* answers);

  // Sends the one dump command in `batch` and reads all that it brings. `chunks` counts the
  // datagrams: only what came in one is sure to be of one moment.
  Failure Dump(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink, size_t* chunks);

 private:
  // What comes next opens a new socket, in the same namespace.
  void Disconnect();
  Failure EnsureFamily(const Deadline& deadline);
  Failure ResolveFamily(const Deadline& deadline);
  // Datagram by datagram out, the answers in.
  void Transact(uint16_t type, CommandBatch* batch, const Deadline& deadline, Answer* answers);
  void Collect(uint32_t first, const Deadline& deadline, Answers* answers);
  Failure DumpOnce(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                   size_t* chunks);
  uint32_t TakeSequence(size_t count);

  Options options_;
  Socket socket_;
  uint16_t family_ = 0;  // 0: not known
  uint32_t sequence_ = 1;
};

}  // namespace ipvs

#endif  // IPVS_CORE_CONNECTION_H_
