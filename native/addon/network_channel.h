// The JavaScript handle on a namespace's network configuration. What talks to the kernel by
// netlink runs on threads of the crew, files on libuv's pool.
#ifndef IPVS_ADDON_NETWORK_CHANNEL_H_
#define IPVS_ADDON_NETWORK_CHANNEL_H_

#include <napi.h>

#include <memory>

#include "../core/network.h"
#include "work.h"

namespace ipvs::addon {

// One work item at a time, as with a Channel: lib/network/channel.ts queues what else is asked.
//
//   new NetworkChannel(space)
//                        space: a namespace file's path, or undefined: the process's own
//   open(done)           done(failure)
//   list(kind, family, table, milliseconds, done)
//                        done(failure, array); family and table 0 for all; table is the routes'
//   find(name, milliseconds, done)
//                        done(failure, link)
//   apply(kind, change, object, milliseconds, done)
//                        done(failure); a link has its `lower` interface beside its own properties
//   canMark(family, milliseconds, done)
//                        done(failure, boolean)
//   announce(interface, addresses, times, router, milliseconds, done)
//                        done(failure); addresses: array of { bytes }
//   probe(interface, addresses, patience, milliseconds, done)
//                        done(failure, array): a neighbour for each other host that answers for one
//                        of the addresses within `patience` milliseconds
//   readFile(path, done), readTree(path, done), writeFile(path, text, done), check(path, done)
//                        done(failure, text), done(failure, [path, text, path, text ...]),
//                        done(failure), done(failure) where it may not be written: in the handle's
//                        namespace; not queued, these do not use a socket
//   identify(done)       done(failure, cookie, name): a BigInt, 0 where the kernel has none, and a
//                        text, empty where it has one; not queued either
//   close()              at once, or as soon as the work in flight is done
class NetworkChannel : public Napi::ObjectWrap<NetworkChannel> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);

  explicit NetworkChannel(const Napi::CallbackInfo& info);
  ~NetworkChannel() override;

 private:
  void Open(const Napi::CallbackInfo& info);
  void List(const Napi::CallbackInfo& info);
  void Find(const Napi::CallbackInfo& info);
  void Apply(const Napi::CallbackInfo& info);
  void CanMark(const Napi::CallbackInfo& info);
  void Announce(const Napi::CallbackInfo& info);
  void Probe(const Napi::CallbackInfo& info);
  void ReadFile(const Napi::CallbackInfo& info);
  void ReadTree(const Napi::CallbackInfo& info);
  void WriteFile(const Napi::CallbackInfo& info);
  void Check(const Napi::CallbackInfo& info);
  void Identify(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  std::shared_ptr<Shared<Network>> shared_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_NETWORK_CHANNEL_H_
