// The JavaScript handle on a Connection. What talks to the kernel runs on the thread pool.
#ifndef IPVS_ADDON_CHANNEL_H_
#define IPVS_ADDON_CHANNEL_H_

#include <napi.h>

#include <memory>

#include "../core/connection.h"

namespace ipvs::addon {

// Shared by the channel and by its work in flight, whichever lives longer. The connection belongs
// to the pool thread while `busy` and to the JavaScript thread otherwise; `busy` and `closed` are
// touched on the JavaScript thread only.
struct ChannelState {
  explicit ChannelState(Connection::Options options) : connection(std::move(options)) {}

  Connection connection;
  bool busy = false;
  bool closed = false;
};

// One work item at a time: lib/channel.ts queues what else is asked. Each method hands its work to
// the pool and returns; `done` is called on the JavaScript thread with what came of it.
//
//   new Channel(space)   a namespace file's path, an open channel (the same namespace), or
//                        undefined: the process's own
//   open(done)           done(failure | undefined)
//   exchange(rows, count, milliseconds, done)
//                        done(undefined) where every command succeeded and none had something to
//                        read, otherwise done(array of undefined | service | failure)
//   dump(row, milliseconds, done)
//                        done(failure | undefined, records | undefined)
//   close()              at once, or as soon as the work in flight is done
class Channel : public Napi::ObjectWrap<Channel> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);

  explicit Channel(const Napi::CallbackInfo& info);
  ~Channel() override;

 private:
  void Open(const Napi::CallbackInfo& info);
  void Exchange(const Napi::CallbackInfo& info);
  void Dump(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // False with an exception pending where the channel can't take work.
  bool MayStart(Napi::Env env) const;

  std::shared_ptr<ChannelState> state_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_CHANNEL_H_
