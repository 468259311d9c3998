#include "records.h"

#include <algorithm>

#include "convert.h"
#include "environment.h"

namespace ipvs::addon {

void Records::Register(Napi::Env env) {
  const Napi::Function constructor = DefineClass(
      env, "Records",
      {InstanceAccessor<&Records::Length>("length"), InstanceAccessor<&Records::Chunks>("chunks"),
       InstanceMethod<&Records::Take>("take")});
  Environment::Of(env)->records_class = Napi::Persistent(constructor);
}

Napi::Value Records::Make(Napi::Env env, RecordSet set) {
  const Napi::Object object = Environment::Of(env)->records_class.New({});
  if (object.IsEmpty()) return Napi::Value();
  Unwrap(object)->SetRecords(env, std::move(set));
  return object;
}

Records::Records(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Records>(info) {}

// Tells the garbage collector what hangs on this small object.
void Records::SetRecords(Napi::Env env, RecordSet set) {
  set_ = std::move(set);
  Napi::MemoryManagement::AdjustExternalMemory(env, Bytes());
}

void Records::Finalize(Napi::Env env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -Bytes());
}

size_t Records::Size() const {
  return std::visit([](const auto& records) { return records.size(); }, set_.records);
}

int64_t Records::Bytes() const {
  return std::visit(
      [](const auto& records) {
        return static_cast<int64_t>(records.capacity() * sizeof(records[0]));
      },
      set_.records);
}

Napi::Value Records::Length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Size()));
}

Napi::Value Records::Chunks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(set_.chunks));
}

Napi::Value Records::Take(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const size_t most = info[0].As<Napi::Number>().Uint32Value();
  const size_t end = std::min(Size(), next_ + most);
  const Napi::Array taken = Napi::Array::New(env, end - next_);
  for (uint32_t index = 0; next_ < end; next_++, index++) {
    const Napi::HandleScope scope(env);
    const Napi::Value record = std::visit(
        [&](const auto& records) { return ToJs(env, records[next_], set_.bigint); }, set_.records);
    if (record.IsEmpty()) return Napi::Value();  // the factory threw: the exception is pending
    taken.Set(index, record);
  }
  return taken;
}

}  // namespace ipvs::addon
