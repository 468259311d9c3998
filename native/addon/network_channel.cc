#include "network_channel.h"

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "convert.h"
#include "file_work.h"
#include "network_values.h"

namespace ipvs::addon {

namespace {

// The numbers cross from JavaScript: lib/network/native.ts lists them again.
enum class Kind : uint8_t {
  kLink = 1,
  kAddress = 2,
  kRoute = 3,
  kRule = 4,
  kNeighbour = 5,
  kFouPort = 6,
  kMarkRule = 7,
  kListener = 8,
};

// What is asked of the network, and what came of it.
class NetworkWork : public Work<Network> {
 public:
  using Task = std::function<Failure(Network* network)>;

  NetworkWork(Napi::Function done, std::shared_ptr<Shared<Network>> shared, Task task)
      : Work(done, std::move(shared)), task_(std::move(task)) {}

  void Execute() override { failure_ = task_(&resource()); }
  void Finish() override { Done({FailureOrUndefined(Env(), failure_)}); }

 private:
  Task task_;
  Failure failure_;
};

template <typename T>
class ListWork : public Work<Network> {
 public:
  using Task = std::function<Failure(Network* network, std::vector<T>* list)>;

  ListWork(Napi::Function done, std::shared_ptr<Shared<Network>> shared, Task task)
      : Work(done, std::move(shared)), task_(std::move(task)) {}

  void Execute() override { failure_ = task_(&resource(), &list_); }

  void Finish() override {
    if (failure_) {
      Done({ToJs(Env(), failure_)});
      return;
    }
    const Napi::Array list = Napi::Array::New(Env(), list_.size());
    for (uint32_t i = 0; i < list_.size(); i++) {
      const Napi::HandleScope scope(Env());
      list.Set(i, ToJs(Env(), list_[i]));
    }
    Done({Env().Undefined(), list});
  }

 private:
  Task task_;
  std::vector<T> list_;
  Failure failure_;
};

class FindWork : public Work<Network> {
 public:
  FindWork(Napi::Function done, std::shared_ptr<Shared<Network>> shared, std::string name,
           const Deadline& deadline)
      : Work(done, std::move(shared)), name_(std::move(name)), deadline_(deadline) {}

  void Execute() override { failure_ = resource().FindLink(name_.c_str(), deadline_, &link_); }

  void Finish() override {
    if (failure_) {
      Done({ToJs(Env(), failure_)});
    } else {
      Done({Env().Undefined(), ToJs(Env(), link_)});
    }
  }

 private:
  std::string name_;
  Deadline deadline_;
  Link link_;
  Failure failure_;
};

class CanMarkWork : public Work<Network> {
 public:
  CanMarkWork(Napi::Function done, std::shared_ptr<Shared<Network>> shared, uint16_t family,
              const Deadline& deadline)
      : Work(done, std::move(shared)), family_(family), deadline_(deadline) {}

  void Execute() override { failure_ = resource().CanMark(family_, deadline_, &can_); }
  void Finish() override {
    Done({FailureOrUndefined(Env(), failure_), Napi::Boolean::New(Env(), can_)});
  }

 private:
  uint16_t family_;
  Deadline deadline_;
  bool can_ = false;
  Failure failure_;
};

class ReadTreeWork : public Napi::AsyncWorker {
 public:
  ReadTreeWork(Napi::Function done, Space space, std::string path)
      : Napi::AsyncWorker(done, "ipvs"), space_(std::move(space)), path_(std::move(path)) {}

  void Execute() override { failure_ = ReadTreeIn(space_.get(), path_, &files_); }

  void OnOK() override {
    const Napi::Array texts = Napi::Array::New(Env(), 2 * files_.size());
    for (uint32_t i = 0; i < files_.size(); i++) {
      const Napi::HandleScope scope(Env());
      texts.Set(2 * i, Napi::String::New(Env(), files_[i].path));
      texts.Set(2 * i + 1, Napi::String::New(Env(), files_[i].text));
    }
    Callback().Call({FailureOrUndefined(Env(), failure_), texts});
  }

 private:
  Space space_;
  std::string path_;
  std::vector<FileText> files_;
  Failure failure_;
};

class IdentifyWork : public Napi::AsyncWorker {
 public:
  IdentifyWork(Napi::Function done, Space space)
      : Napi::AsyncWorker(done, "ipvs"), space_(std::move(space)) {}

  void Execute() override { failure_ = ipvs::Identify(space_.get(), &identity_); }

  void OnOK() override {
    Callback().Call({FailureOrUndefined(Env(), failure_),
                     Napi::BigInt::New(Env(), identity_.cookie),
                     Napi::String::New(Env(), identity_.name)});
  }

 private:
  Space space_;
  SpaceIdentity identity_;
  Failure failure_;
};

Deadline DeadlineFrom(Napi::Value milliseconds) {
  return Deadline::After(milliseconds.As<Napi::Number>().Int64Value());
}

std::string TextFrom(Napi::Value value) { return value.As<Napi::String>().Utf8Value(); }

Kind KindFrom(Napi::Value value) {
  return static_cast<Kind>(value.As<Napi::Number>().Uint32Value());
}

NetworkWork::Task ApplyTask(Kind kind, Change change, const Napi::Object& object,
                            const Deadline& deadline) {
  const auto task = [change, deadline](auto value) -> NetworkWork::Task {
    return [=](Network* network) { return network->Apply(change, value, deadline); };
  };
  switch (kind) {
    case Kind::kLink: {
      const Link link = LinkFrom(object);
      const std::string lower = TextFrom(object.Get("lower"));
      return
          [=](Network* network) { return network->Apply(change, link, lower.c_str(), deadline); };
    }
    case Kind::kAddress:
      return task(InterfaceAddressFrom(object));
    case Kind::kRoute:
      return task(RouteFrom(object));
    case Kind::kRule:
      return task(RuleFrom(object));
    case Kind::kNeighbour:
      return task(NeighbourFrom(object));
    case Kind::kFouPort:
      return task(FouPortFrom(object));
    case Kind::kMarkRule:
      return task(MarkRulesFrom(object));
    case Kind::kListener:  // others' affair
      break;
  }
  return [](Network*) { return Failure::Malformed("the request is not one"); };
}

}  // namespace

void NetworkChannel::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("NetworkChannel",
              DefineClass(env, "NetworkChannel",
                          {InstanceMethod<&NetworkChannel::Open>("open"),
                           InstanceMethod<&NetworkChannel::List>("list"),
                           InstanceMethod<&NetworkChannel::Find>("find"),
                           InstanceMethod<&NetworkChannel::Apply>("apply"),
                           InstanceMethod<&NetworkChannel::CanMark>("canMark"),
                           InstanceMethod<&NetworkChannel::Announce>("announce"),
                           InstanceMethod<&NetworkChannel::Probe>("probe"),
                           InstanceMethod<&NetworkChannel::ReadFile>("readFile"),
                           InstanceMethod<&NetworkChannel::ReadTree>("readTree"),
                           InstanceMethod<&NetworkChannel::WriteFile>("writeFile"),
                           InstanceMethod<&NetworkChannel::Check>("check"),
                           InstanceMethod<&NetworkChannel::Identify>("identify"),
                           InstanceMethod<&NetworkChannel::Close>("close")}));
}

NetworkChannel::NetworkChannel(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NetworkChannel>(info),
      shared_(std::make_shared<Shared<Network>>(info[0].IsString() ? TextFrom(info[0])
                                                                   : std::string())) {}

// Collected without close(): what is in flight keeps the sockets, and closes them at its end.
NetworkChannel::~NetworkChannel() { shared_->Close(); }

void NetworkChannel::Open(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const auto task = [](Network* network) { return network->Open(); };
  Start<NetworkWork>(info[0].As<Napi::Function>(), shared_, task);
}

void NetworkChannel::List(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const uint16_t family = static_cast<uint16_t>(info[1].As<Napi::Number>().Uint32Value());
  const uint32_t table = info[2].As<Napi::Number>().Uint32Value();
  const Deadline deadline = DeadlineFrom(info[3]);
  const Napi::Function done = info[4].As<Napi::Function>();
  switch (KindFrom(info[0])) {
    case Kind::kLink:
      Start<ListWork<Link>>(done, shared_, [=](Network* network, std::vector<Link>* list) {
        return network->Links(deadline, list);
      });
      return;
    case Kind::kAddress:
      Start<ListWork<InterfaceAddress>>(done, shared_,
                                        [=](Network* network, std::vector<InterfaceAddress>* list) {
                                          return network->Addresses(family, deadline, list);
                                        });
      return;
    case Kind::kRoute:
      Start<ListWork<Route>>(done, shared_, [=](Network* network, std::vector<Route>* list) {
        return network->Routes(family, table, deadline, list);
      });
      return;
    case Kind::kRule:
      Start<ListWork<Rule>>(done, shared_, [=](Network* network, std::vector<Rule>* list) {
        return network->Rules(family, deadline, list);
      });
      return;
    case Kind::kNeighbour:
      Start<ListWork<Neighbour>>(done, shared_,
                                 [=](Network* network, std::vector<Neighbour>* list) {
                                   return network->Neighbours(family, deadline, list);
                                 });
      return;
    case Kind::kFouPort:
      Start<ListWork<FouPort>>(done, shared_, [=](Network* network, std::vector<FouPort>* list) {
        return network->FouPorts(deadline, list);
      });
      return;
    case Kind::kMarkRule:
      Start<ListWork<FoundRule>>(done, shared_,
                                 [=](Network* network, std::vector<FoundRule>* list) {
                                   return network->Marks(deadline, list);
                                 });
      return;
    case Kind::kListener:
      Start<ListWork<Listener>>(done, shared_, [=](Network* network, std::vector<Listener>* list) {
        return network->Listeners(deadline, list);
      });
      return;
  }
  Napi::TypeError::New(info.Env(), "there is no such kind").ThrowAsJavaScriptException();
}

void NetworkChannel::Find(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  Start<FindWork>(info[2].As<Napi::Function>(), shared_, TextFrom(info[0]), DeadlineFrom(info[1]));
}

void NetworkChannel::Apply(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const Change change = static_cast<Change>(info[1].As<Napi::Number>().Uint32Value());
  const NetworkWork::Task task =
      ApplyTask(KindFrom(info[0]), change, info[2].As<Napi::Object>(), DeadlineFrom(info[3]));
  Start<NetworkWork>(info[4].As<Napi::Function>(), shared_, task);
}

void NetworkChannel::CanMark(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const uint16_t family = static_cast<uint16_t>(info[0].As<Napi::Number>().Uint32Value());
  Start<CanMarkWork>(info[2].As<Napi::Function>(), shared_, family, DeadlineFrom(info[1]));
}

void NetworkChannel::Announce(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const std::string interface = TextFrom(info[0]);
  const std::vector<Announced> addresses = AnnouncedFrom(info[1].As<Napi::Array>());
  const uint32_t times = info[2].As<Napi::Number>().Uint32Value();
  const bool router = info[3].ToBoolean();
  const Deadline deadline = DeadlineFrom(info[4]);
  const auto task = [=](Network* network) {
    return network->Announce(interface.c_str(), addresses, times, router, deadline);
  };
  Start<NetworkWork>(info[5].As<Napi::Function>(), shared_, task);
}

void NetworkChannel::Probe(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const std::string interface = TextFrom(info[0]);
  const std::vector<Announced> addresses = AnnouncedFrom(info[1].As<Napi::Array>());
  const uint32_t patience = info[2].As<Napi::Number>().Uint32Value();
  const Deadline deadline = DeadlineFrom(info[3]);
  const auto task = [=](Network* network, std::vector<Neighbour>* claimants) {
    return network->Probe(interface.c_str(), addresses, patience, deadline, claimants);
  };
  Start<ListWork<Neighbour>>(info[4].As<Napi::Function>(), shared_, task);
}

void NetworkChannel::ReadFile(const Napi::CallbackInfo& info) {
  (new ReadFileWork(info[1].As<Napi::Function>(), shared_->resource.space(), TextFrom(info[0])))
      ->Queue();
}

void NetworkChannel::ReadTree(const Napi::CallbackInfo& info) {
  (new ReadTreeWork(info[1].As<Napi::Function>(), shared_->resource.space(), TextFrom(info[0])))
      ->Queue();
}

void NetworkChannel::WriteFile(const Napi::CallbackInfo& info) {
  const Space space = shared_->resource.space();
  const std::string path = TextFrom(info[0]);
  const std::string text = TextFrom(info[1]);
  const auto task = [=] { return WriteFileIn(space.get(), path, text); };
  (new FileTask(info[2].As<Napi::Function>(), task))->Queue();
}

void NetworkChannel::Check(const Napi::CallbackInfo& info) {
  const Space space = shared_->resource.space();
  const std::string path = TextFrom(info[0]);
  const auto task = [=] { return CheckWritableIn(space.get(), path); };
  (new FileTask(info[1].As<Napi::Function>(), task))->Queue();
}

void NetworkChannel::Identify(const Napi::CallbackInfo& info) {
  (new IdentifyWork(info[0].As<Napi::Function>(), shared_->resource.space()))->Queue();
}

void NetworkChannel::Close(const Napi::CallbackInfo&) { shared_->Close(); }

}  // namespace ipvs::addon
