// What a dump read, handed to JavaScript portion by portion.
#ifndef IPVS_ADDON_RECORDS_H_
#define IPVS_ADDON_RECORDS_H_

#include <napi.h>

#include <variant>
#include <vector>

#include "../core/blocks.h"
#include "../core/ipvs.h"

namespace ipvs::addon {

struct RecordSet {
  std::variant<std::vector<Service>, std::vector<Destination>, Blocks<Destination>> records;
  size_t chunks = 0;  // datagrams of the dump: only one is sure to be of one moment
};

// The JavaScript handle on a RecordSet, which it owns. JavaScript thread only.
class Records : public Napi::ObjectWrap<Records> {
 public:
  static void Register(Napi::Env env);
  static Napi::Value Make(Napi::Env env, RecordSet set);

  explicit Records(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

 private:
  Napi::Value Length(const Napi::CallbackInfo& info);
  Napi::Value Chunks(const Napi::CallbackInfo& info);
  // take(buffer): writes the rows of the next records, as many as fit; returns how many.
  Napi::Value Take(const Napi::CallbackInfo& info);

  void SetRecords(Napi::Env env, RecordSet set);
  void Release(Napi::Env env);
  size_t Size() const;
  int64_t Bytes() const;

  RecordSet set_;
  size_t next_ = 0;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_RECORDS_H_
