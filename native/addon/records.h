// What a dump read, waiting to become JavaScript objects.
#ifndef IPVS_ADDON_RECORDS_H_
#define IPVS_ADDON_RECORDS_H_

#include <napi.h>

#include <vector>

#include "../core/ipvs.h"

namespace ipvs::addon {

// Sorted by key, without duplicates. One of the two lists is empty.
struct RecordSet {
  std::vector<Service> services;
  std::vector<Destination> destinations;
  bool bigint = false;  // how counters are handed over
  size_t chunks = 0;    // datagrams of the dump: only one is sure to be of one moment

  size_t size() const { return services.size() + destinations.size(); }
  // The dump resumes by index, so edits meanwhile show entries twice (ip_vs_genl_dump_services).
  void SortAndDeduplicate();
};

// The JavaScript handle on a RecordSet, which it owns. JavaScript thread only.
class Records : public Napi::ObjectWrap<Records> {
 public:
  static void Register(Napi::Env env);
  static Napi::Value Make(Napi::Env env, RecordSet records);

  explicit Records(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

 private:
  Napi::Value Length(const Napi::CallbackInfo& info);
  Napi::Value Chunks(const Napi::CallbackInfo& info);
  // take(most): the next records as objects, an empty array behind the last.
  Napi::Value Take(const Napi::CallbackInfo& info);

  void SetRecords(Napi::Env env, RecordSet records);
  int64_t Bytes() const;

  RecordSet records_;
  size_t next_ = 0;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_RECORDS_H_
