// One trip to a thread of the crew on behalf of a JavaScript object.
#ifndef IPVS_ADDON_WORK_H_
#define IPVS_ADDON_WORK_H_

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "crew.h"

namespace ipvs::addon {

// What a JavaScript object and its work in flight share, whichever lives longer. `Resource` belongs
// to a thread of the crew while `busy` and to the JavaScript thread otherwise; `busy` and `closed`
// are touched on the JavaScript thread only. `Resource` has a method Close.
template <typename Resource>
struct Shared {
  template <typename... Arguments>
  explicit Shared(Arguments&&... arguments) : resource(std::forward<Arguments>(arguments)...) {}

  Resource resource;
  bool busy = false;
  bool closed = false;

  // At once, or when the work in flight releases it.
  void Close() {
    closed = true;
    if (!busy) resource.Close();
  }

  // False with an exception pending where no work may start.
  bool MayStart(Napi::Env env) const {
    if (!busy && !closed) return true;
    Napi::Error::New(env, closed ? "the object is closed" : "the object is busy")
        .ThrowAsJavaScriptException();
    return false;
  }
};

// Execute may use the resource; Finish tells JavaScript by Done.
template <typename Resource>
class Work : public Job {
 public:
  Work(Napi::Function done, std::shared_ptr<Shared<Resource>> shared)
      : done_(Napi::Persistent(done)), shared_(std::move(shared)) {
    shared_->busy = true;
  }
  ~Work() override { Release(); }

 protected:
  Resource& resource() { return shared_->resource; }
  Napi::Env Env() const { return done_.Env(); }

  // The resource is free again before JavaScript hears of it: it may start the next work at once.
  void Done(const std::vector<napi_value>& arguments) {
    Release();
    done_.Call(arguments);
  }

 private:
  void Release() {
    const std::shared_ptr<Shared<Resource>> shared = std::move(shared_);
    if (shared == nullptr) return;
    shared->busy = false;
    if (shared->closed) shared->resource.Close();
  }

  Napi::FunctionReference done_;
  std::shared_ptr<Shared<Resource>> shared_;
};

// Begins a work of that kind, which ends with calling `done`.
template <typename Kind, typename... Arguments>
void Start(Napi::Function done, Arguments&&... arguments) {
  Crew::Of(done.Env())->Start(std::make_unique<Kind>(done, std::forward<Arguments>(arguments)...));
}

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_WORK_H_
