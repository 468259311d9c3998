// A conversation with one generic netlink family, whose number is looked up, and looked up again
// when it has changed.
#ifndef IPVS_CORE_CONNECTION_H_
#define IPVS_CORE_CONNECTION_H_

#include <memory>
#include <utility>
#include <vector>

#include "dialogue.h"
#include "generic.h"

namespace ipvs {

// Threads and deadlines are as with a Dialogue.
class Connection {
 public:
  struct Options : Dialogue::Options {
    Options() {
      protocol = NETLINK_GENERIC;
      payload = GenericPayload;
    }
    const char* family = "";
  };

  using DumpSink = Dialogue::DumpSink;

  explicit Connection(Options options)
      : family_name_(options.family), dialogue_(std::move(options)) {}

  // Null until a connection with a `space_path` was opened.
  const std::shared_ptr<const NetworkNamespace>& space() const { return dialogue_.space(); }

  // Opening and reopening happen by themselves where they are needed; this is for who wants to know
  // early that it is possible.
  Failure EnsureOpen() { return dialogue_.EnsureOpen(); }
  // For good: lets go of the socket and of the namespace.
  void Close() { dialogue_.Close(); }

  // Sends all commands and settles one answer for each, in order. `batch` is consumed.
  void Exchange(CommandBatch* batch, const Deadline& deadline, std::vector<Answer>* answers);

  // Sends the one dump command in `batch` and reads all that it brings. `chunks` counts the
  // datagrams: only what came in one is sure to be of one moment.
  Failure Dump(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink, size_t* chunks);

 private:
  Failure EnsureFamily(const Deadline& deadline);
  Failure ResolveFamily(const Deadline& deadline);
  Failure DumpOnce(CommandBatch* batch, const Deadline& deadline, const DumpSink& sink,
                   size_t* chunks);

  const char* family_name_;
  Dialogue dialogue_;
  uint16_t family_ = 0;  // 0: not known
};

}  // namespace ipvs

#endif  // IPVS_CORE_CONNECTION_H_
