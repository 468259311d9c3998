// The JavaScript handle on a Connection. What talks to the kernel runs on threads of their own.
#ifndef IPVS_ADDON_CHANNEL_H_
#define IPVS_ADDON_CHANNEL_H_

#include <napi.h>

#include <memory>

#include "../core/connection.h"
#include "work.h"

namespace ipvs::addon {

// One work item at a time: lib/channel.ts queues what else is asked. Each method hands its work to
// a thread of the crew and returns; `done` is called on the JavaScript thread with what came of it,
// first the failure or undefined.
//
//   new Channel(space, protocol, peer)
//                        space: a namespace file's path, an open channel (the same namespace),
//                        null: a new one, or undefined: the process's own; protocol and peer: who
//                        answers, undefined for the kernel
//   open(done)           done(failure)
//   now()                what `deadline` counts, in milliseconds
//   exchange(requests, count, deadline, done)
//                        done(undefined) where every command succeeded and none had something to
//                        read, otherwise done(array of undefined | reply | failure); a service is
//                        the bytes of a row
//   dump(request, milliseconds, done)
//                        done(failure, records), or an array of daemons
//   table(settle, milliseconds, done)
//                        done(failure, { services, destinations, counts, settled })
//   services(requests, milliseconds, done)
//                        the same for just the services that the requests name, with those of
//                        their destinations that are named; requests for one service follow each
//                        other; a count of 2^32 - 1 is for a service that is not there
//   readFile(path, done), listFolder(path, done)
//                        done(failure, text) or done(failure, names): in the channel's namespace;
//                        not queued, these do not use the socket
//   close()              at once, or as soon as the work in flight is done
class Channel : public Napi::ObjectWrap<Channel> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);

  // The namespace of a channel that JavaScript passed in.
  static std::shared_ptr<const NetworkNamespace> SpaceOf(Napi::Value channel);

  explicit Channel(const Napi::CallbackInfo& info);
  ~Channel() override;

 private:
  void Open(const Napi::CallbackInfo& info);
  Napi::Value Now(const Napi::CallbackInfo& info);
  void Exchange(const Napi::CallbackInfo& info);
  void Dump(const Napi::CallbackInfo& info);
  void Table(const Napi::CallbackInfo& info);
  void Services(const Napi::CallbackInfo& info);
  void ReadFile(const Napi::CallbackInfo& info);
  void ListFolder(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  std::shared_ptr<Shared<Connection>> shared_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_CHANNEL_H_
