// One trip to the thread pool on behalf of a JavaScript object.
#ifndef IPVS_ADDON_WORK_H_
#define IPVS_ADDON_WORK_H_

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

namespace ipvs::addon {

// What a JavaScript object and its work in flight share, whichever lives longer. `Resource` belongs
// to the pool thread while `busy` and to the JavaScript thread otherwise; `busy` and `closed` are
// touched on the JavaScript thread only. `Resource` has a method Close.
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

// Execute runs on the pool and may use the resource; OnOK runs on the JavaScript thread afterwards.
// The base class deletes the object then, also when the environment is going away and nothing can
// be called any more.
template <typename Resource>
class Work : public Napi::AsyncWorker {
 public:
  Work(Napi::Function done, std::shared_ptr<Shared<Resource>> shared)
      : Napi::AsyncWorker(done, "ipvs"), shared_(std::move(shared)) {
    shared_->busy = true;
  }
  ~Work() override { Release(); }

 protected:
  Resource& resource() { return shared_->resource; }

  // The resource is free again before JavaScript hears of it: it may start the next work at once.
  void Done(const std::vector<napi_value>& arguments) {
    Release();
    Callback().Call(arguments);
  }

 private:
  void Release() {
    const std::shared_ptr<Shared<Resource>> shared = std::move(shared_);
    if (shared == nullptr) return;
    shared->busy = false;
    if (shared->closed) shared->resource.Close();
  }

  std::shared_ptr<Shared<Resource>> shared_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_WORK_H_
