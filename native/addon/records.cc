#include "records.h"

#include <algorithm>

#include "convert.h"
#include "environment.h"

namespace ipvs::addon {

namespace {

template <typename T>
void SortUnique(std::vector<T>* records) {
  std::sort(records->begin(), records->end(),
            [](const T& a, const T& b) { return Compare(a.key, b.key) < 0; });
  const auto end = std::unique(records->begin(), records->end(),
                               [](const T& a, const T& b) { return Compare(a.key, b.key) == 0; });
  records->erase(end, records->end());
}

}  // namespace

void RecordSet::SortAndDeduplicate() {
  SortUnique(&services);
  SortUnique(&destinations);
}

void Records::Register(Napi::Env env) {
  const Napi::Function constructor = DefineClass(
      env, "Records",
      {InstanceAccessor<&Records::Length>("length"), InstanceAccessor<&Records::Chunks>("chunks"),
       InstanceMethod<&Records::Take>("take")});
  Environment::Of(env)->records_class = Napi::Persistent(constructor);
}

Napi::Value Records::Make(Napi::Env env, RecordSet records) {
  const Napi::Object object = Environment::Of(env)->records_class.New({});
  if (object.IsEmpty()) return Napi::Value();
  Unwrap(object)->SetRecords(env, std::move(records));
  return object;
}

Records::Records(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Records>(info) {}

// Tells the garbage collector what hangs on this small object.
void Records::SetRecords(Napi::Env env, RecordSet records) {
  records_ = std::move(records);
  Napi::MemoryManagement::AdjustExternalMemory(env, Bytes());
}

void Records::Finalize(Napi::Env env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -Bytes());
}

int64_t Records::Bytes() const {
  return static_cast<int64_t>(records_.services.capacity() * sizeof(Service) +
                              records_.destinations.capacity() * sizeof(Destination));
}

Napi::Value Records::Length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(records_.size()));
}

Napi::Value Records::Chunks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(records_.chunks));
}

Napi::Value Records::Take(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const size_t most = info[0].As<Napi::Number>().Uint32Value();
  const size_t end = std::min(records_.size(), next_ + most);
  const Napi::Array taken = Napi::Array::New(env, end - next_);
  for (uint32_t index = 0; next_ < end; next_++, index++) {
    const Napi::HandleScope scope(env);
    const Napi::Value record = records_.services.empty()
                                   ? ToJs(env, records_.destinations[next_], records_.bigint)
                                   : ToJs(env, records_.services[next_], records_.bigint);
    if (record.IsEmpty()) return Napi::Value();  // the factory threw: the exception is pending
    taken.Set(index, record);
  }
  return taken;
}

}  // namespace ipvs::addon
