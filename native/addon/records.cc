#include "records.h"

#include <algorithm>

#include "environment.h"
#include "rows.h"

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

void Records::Release(Napi::Env env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -Bytes());
  set_ = RecordSet();
  next_ = 0;
}

void Records::Finalize(Napi::Env env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -Bytes());
}

size_t Records::Size() const {
  return std::visit([](const auto& records) { return records.size(); }, set_.records);
}

namespace {

template <typename T>
size_t BytesOf(const std::vector<T>& records) {
  return records.capacity() * sizeof(T);
}
template <typename T>
size_t BytesOf(const Blocks<T>& records) {
  return records.bytes();
}

}  // namespace

int64_t Records::Bytes() const {
  return std::visit([](const auto& records) { return static_cast<int64_t>(BytesOf(records)); },
                    set_.records);
}

Napi::Value Records::Length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Size()));
}

Napi::Value Records::Chunks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(set_.chunks));
}

Napi::Value Records::Take(const Napi::CallbackInfo& info) {
  Napi::Uint8Array buffer = info[0].As<Napi::Uint8Array>();
  const size_t taken = std::visit(
      [this, &buffer](const auto& records) {
        using Row = decltype(ToRow(records[0]));
        const size_t count = std::min(records.size() - next_, buffer.ByteLength() / sizeof(Row));
        for (size_t i = 0; i < count; i++) {
          Store(buffer.Data() + i * sizeof(Row), ToRow(records[next_ + i]));
        }
        return count;
      },
      set_.records);
  next_ += taken;
  // Whoever has seen the last one needs the memory no more, and others do.
  if (next_ == Size()) Release(info.Env());
  return Napi::Number::New(info.Env(), static_cast<double>(taken));
}

}  // namespace ipvs::addon
