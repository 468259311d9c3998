// The JavaScript handle on the director's table of connections, read piece by piece.
#ifndef IPVS_ADDON_CONNECTION_LIST_H_
#define IPVS_ADDON_CONNECTION_LIST_H_

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "../core/connection_table.h"
#include "../core/netns.h"
#include "work.h"

namespace ipvs::addon {

// The open file, and what of it is wanted. Opens it at the first read.
class ConnectionSource {
 public:
  ConnectionSource(std::shared_ptr<const NetworkNamespace> space, std::string path, bool has_origin,
                   const ConnectionFilter& filter)
      : space_(std::move(space)),
        path_(std::move(path)),
        has_origin_(has_origin),
        filter_(filter) {}

  Failure Read(size_t most, std::vector<ConnectionEntry>* entries, bool* end);
  void Close() {
    reader_.reset();
    space_.reset();
  }

 private:
  std::shared_ptr<const NetworkNamespace> space_;
  std::string path_;
  bool has_origin_;
  ConnectionFilter filter_;
  std::unique_ptr<ConnectionTableReader> reader_;
};

//   new ConnectionList(channel, path, hasOrigin, filter)
//                       the file is opened in the channel's namespace; filter: { protocol, fwmark,
//                       client, virtual, destination }, each endpoint { family, bytes, port },
//                       0 and a negative port for "any"
//   read(most, done)    done(failure, entries, end)
//   close()             at once, or as soon as the work in flight is done
class ConnectionList : public Napi::ObjectWrap<ConnectionList> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);

  explicit ConnectionList(const Napi::CallbackInfo& info);
  ~ConnectionList() override;

 private:
  void Read(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  std::shared_ptr<Shared<ConnectionSource>> shared_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_CONNECTION_LIST_H_
