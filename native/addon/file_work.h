// Trips to the thread pool for a file of another network namespace. They use no socket, and so wait
// for no other work.
#ifndef IPVS_ADDON_FILE_WORK_H_
#define IPVS_ADDON_FILE_WORK_H_

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/netns_file.h"
#include "convert.h"

namespace ipvs::addon {

using Space = std::shared_ptr<const NetworkNamespace>;

// done(failure, text)
class ReadFileWork : public Napi::AsyncWorker {
 public:
  ReadFileWork(Napi::Function done, Space space, std::string path)
      : Napi::AsyncWorker(done, "ipvs"), space_(std::move(space)), path_(std::move(path)) {}

  void Execute() override { failure_ = ReadFileIn(space_.get(), path_, &text_); }

  void OnOK() override {
    Callback().Call({FailureOrUndefined(Env(), failure_), Napi::String::New(Env(), text_)});
  }

 private:
  Space space_;
  std::string path_;
  std::string text_;
  Failure failure_;
};

// done(failure, names)
class ListFolderWork : public Napi::AsyncWorker {
 public:
  ListFolderWork(Napi::Function done, Space space, std::string path)
      : Napi::AsyncWorker(done, "ipvs"), space_(std::move(space)), path_(std::move(path)) {}

  void Execute() override { failure_ = ListFolderIn(space_.get(), path_, &names_); }

  void OnOK() override {
    const Napi::Array names = Napi::Array::New(Env(), names_.size());
    for (uint32_t i = 0; i < names_.size(); i++) {
      names.Set(i, Napi::String::New(Env(), names_[i]));
    }
    Callback().Call({FailureOrUndefined(Env(), failure_), names});
  }

 private:
  Space space_;
  std::string path_;
  std::vector<std::string> names_;
  Failure failure_;
};

// done(failure)
class FileTask : public Napi::AsyncWorker {
 public:
  using Task = std::function<Failure()>;

  FileTask(Napi::Function done, Task task)
      : Napi::AsyncWorker(done, "ipvs"), task_(std::move(task)) {}

  void Execute() override { failure_ = task_(); }
  void OnOK() override { Callback().Call({FailureOrUndefined(Env(), failure_)}); }

 private:
  Task task_;
  Failure failure_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_FILE_WORK_H_
