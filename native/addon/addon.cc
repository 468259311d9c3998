// The addon's entry: what lib/native.ts sees.
#include <napi.h>

#include "../core/file_lock.h"
#include "channel.h"
#include "connection_list.h"
#include "environment.h"
#include "file_work.h"
#include "network_channel.h"
#include "network_values.h"
#include "records.h"
#include "request.h"
#include "rows.h"

namespace ipvs::addon {

namespace {

// setFactories({ daemon, ... }), once before anything else.
void SetFactories(const Napi::CallbackInfo& info) {
  const Napi::Object factories = info[0].As<Napi::Object>();
  Environment* environment = Environment::Of(info.Env());
  const auto take = [&factories](const char* name) {
    return Napi::Persistent(factories.Get(name).As<Napi::Function>());
  };
  environment->make_daemon = take("daemon");
  environment->make_timeouts = take("timeouts");
  environment->make_info = take("info");
  environment->make_connection = take("connection");
  environment->make_failure = take("failure");
}

// lockFile(descriptor, done): done(failure). The caller keeps the descriptor open meanwhile, and
// lets go of the lock by closing it.
void LockFileOf(const Napi::CallbackInfo& info) {
  const int descriptor = info[0].As<Napi::Number>().Int32Value();
  (new FileTask(info[1].As<Napi::Function>(), [descriptor] {
    return LockFile(descriptor);
  }))->Queue();
}

Napi::Value ToArray(Napi::Env env, const std::vector<uint32_t>& numbers) {
  Napi::Uint32Array array = Napi::Uint32Array::New(env, numbers.size());
  for (size_t i = 0; i < numbers.size(); i++) array[i] = numbers[i];
  return array;
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment());
  Records::Register(env);
  Channel::Register(env, exports);
  ConnectionList::Register(env, exports);
  NetworkChannel::Register(env, exports);
  exports.Set("setFactories", Napi::Function::New(env, SetFactories));
  exports.Set("setNetworkFactories", Napi::Function::New(env, SetNetworkFactories));
  exports.Set("lockFile", Napi::Function::New(env, LockFileOf));
  exports.Set("requestLayout", ToArray(env, RequestLayout()));
  exports.Set("rowLayout", ToArray(env, RowLayout()));
  return exports;
}

}  // namespace

}  // namespace ipvs::addon

static Napi::Object InitializeAddon(Napi::Env env, Napi::Object exports) {
  return ipvs::addon::Initialize(env, exports);
}

NODE_API_MODULE(ipvs, InitializeAddon)
