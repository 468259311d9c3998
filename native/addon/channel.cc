#include "channel.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "convert.h"
#include "environment.h"
#include "records.h"
#include "request.h"

namespace ipvs::addon {

namespace {

// One trip to the thread pool. Execute runs there and may use the connection; OnOK runs on the
// JavaScript thread afterwards. The base class deletes the object then, also when the environment
// is going away and nothing can be called any more.
class Work : public Napi::AsyncWorker {
 public:
  Work(Napi::Function done, std::shared_ptr<ChannelState> state)
      : Napi::AsyncWorker(done, "ipvs"), state_(std::move(state)) {
    state_->busy = true;
  }
  ~Work() override { Release(); }

 protected:
  Connection& connection() { return state_->connection; }

  // The channel is free again before JavaScript hears of it: it may start the next work at once.
  void Done(const std::vector<napi_value>& arguments) {
    Release();
    Callback().Call(arguments);
  }

 private:
  void Release() {
    const std::shared_ptr<ChannelState> state = std::move(state_);
    if (state == nullptr) return;
    state->busy = false;
    if (state->closed) state->connection.End();
  }

  std::shared_ptr<ChannelState> state_;
};

class OpenWork : public Work {
 public:
  using Work::Work;

  void Execute() override { failure_ = connection().EnsureOpen(); }

  void OnOK() override { Done({failure_ ? ToJs(Env(), failure_) : Env().Undefined()}); }

 private:
  Failure failure_;
};

class ExchangeWork : public Work {
 public:
  ExchangeWork(Napi::Function done, std::shared_ptr<ChannelState> state,
               std::vector<Request> requests, int64_t milliseconds)
      : Work(done, std::move(state)),
        requests_(std::move(requests)),
        deadline_(Deadline::After(milliseconds)) {}

  void Execute() override {
    CommandBatch batch;
    for (const Request& request : requests_) EncodeRequest(request, &batch);
    connection().Exchange(&batch, deadline_, &answers_);
    for (size_t i = 0; i < answers_.size(); i++) {
      if (answers_[i].failure) {
        plain_ = false;
      } else if (requests_[i].command == IPVS_CMD_GET_SERVICE) {
        plain_ = false;
        requests_[i].service = Service();
        DecodeError error;
        if (!DecodeService(ByteView(answers_[i].reply), &requests_[i].service, &error)) {
          answers_[i].failure = Failure::Malformed(error.text());
        }
      }
    }
  }

  void OnOK() override {
    if (plain_) {
      Done({Env().Undefined()});
      return;
    }
    const Napi::Array outcomes = Napi::Array::New(Env(), answers_.size());
    for (uint32_t i = 0; i < answers_.size(); i++) {
      const Napi::HandleScope scope(Env());
      if (answers_[i].failure) {
        outcomes.Set(i, ToJs(Env(), answers_[i].failure));
      } else if (requests_[i].command == IPVS_CMD_GET_SERVICE) {
        outcomes.Set(i, ToJs(Env(), requests_[i].service, requests_[i].bigint));
      }
    }
    Done({outcomes});
  }

 private:
  std::vector<Request> requests_;
  std::vector<Answer> answers_;
  Deadline deadline_;
  bool plain_ = true;  // nothing to tell but "done"
};

class DumpWork : public Work {
 public:
  DumpWork(Napi::Function done, std::shared_ptr<ChannelState> state, const Request& request,
           int64_t milliseconds)
      : Work(done, std::move(state)), request_(request), deadline_(Deadline::After(milliseconds)) {
    records_.bigint = request.bigint;
  }

  void Execute() override {
    CommandBatch batch;
    EncodeRequest(request_, &batch);
    const Connection::DumpSink sink =
        request_.command == IPVS_CMD_GET_DEST
            ? Connection::DumpSink([this](ByteView a, DecodeError* e) { TakeDestination(a, e); })
            : Connection::DumpSink([this](ByteView a, DecodeError* e) { TakeService(a, e); });
    failure_ = connection().Dump(&batch, deadline_, sink, &records_.chunks);
    records_.SortAndDeduplicate();
  }

  void OnOK() override {
    if (failure_) {
      Done({ToJs(Env(), failure_), Env().Undefined()});
    } else {
      Done({Env().Undefined(), Records::Make(Env(), std::move(records_))});
    }
  }

 private:
  void TakeService(ByteView attributes, DecodeError* error) {
    Service service;
    if (DecodeService(attributes, &service, error)) records_.services.push_back(service);
  }

  // A request that names a destination wants just that one: the kernel can only list them all.
  void TakeDestination(ByteView attributes, DecodeError* error) {
    Destination destination;
    if (!DecodeDestination(attributes, request_.service.key.family, &destination, error)) return;
    const DestinationKey& wanted = request_.destination.key;
    if (wanted.family == 0 || Compare(wanted, destination.key) == 0) {
      records_.destinations.push_back(destination);
    }
  }

  Request request_;
  Deadline deadline_;
  Failure failure_;
  RecordSet records_;
};

// The rows that JavaScript says are there; false with an exception pending where they are not.
bool ReadRows(const Napi::CallbackInfo& info, size_t count, std::vector<Request>* requests) {
  const Napi::Uint8Array rows = info[0].As<Napi::Uint8Array>();
  if (rows.ByteLength() < count * sizeof(RequestRow)) {
    Napi::RangeError::New(info.Env(), "the buffer is shorter than its rows")
        .ThrowAsJavaScriptException();
    return false;
  }
  *requests = ReadRequests(rows.Data(), count);
  return true;
}

Connection::Options OptionsFrom(Napi::Value space) {
  Connection::Options options;
  options.family = IPVS_GENL_NAME;
  if (space.IsString()) options.space_path = space.As<Napi::String>().Utf8Value();
  return options;
}

}  // namespace

void Channel::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Channel", DefineClass(env, "Channel",
                                     {InstanceMethod<&Channel::Open>("open"),
                                      InstanceMethod<&Channel::Exchange>("exchange"),
                                      InstanceMethod<&Channel::Dump>("dump"),
                                      InstanceMethod<&Channel::Close>("close")}));
}

Channel::Channel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Channel>(info) {
  Connection::Options options = OptionsFrom(info[0]);
  if (info[0].IsObject()) {
    options.space = Unwrap(info[0].As<Napi::Object>())->state_->connection.space();
  }
  state_ = std::make_shared<ChannelState>(std::move(options));
}

// Collected without close(): what is in flight keeps the state, and closes it at its end.
Channel::~Channel() {
  state_->closed = true;
  if (!state_->busy) state_->connection.End();
}

bool Channel::MayStart(Napi::Env env) const {
  if (!state_->busy && !state_->closed) return true;
  Napi::Error::New(env, state_->closed ? "the channel is closed" : "the channel is busy")
      .ThrowAsJavaScriptException();
  return false;
}

void Channel::Open(const Napi::CallbackInfo& info) {
  if (!MayStart(info.Env())) return;
  (new OpenWork(info[0].As<Napi::Function>(), state_))->Queue();
}

void Channel::Exchange(const Napi::CallbackInfo& info) {
  std::vector<Request> requests;
  const size_t count = info[1].As<Napi::Number>().Uint32Value();
  if (!MayStart(info.Env()) || !ReadRows(info, count, &requests)) return;
  const int64_t milliseconds = info[2].As<Napi::Number>().Int64Value();
  (new ExchangeWork(info[3].As<Napi::Function>(), state_, std::move(requests), milliseconds))
      ->Queue();
}

void Channel::Dump(const Napi::CallbackInfo& info) {
  std::vector<Request> requests;
  if (!MayStart(info.Env()) || !ReadRows(info, 1, &requests)) return;
  const int64_t milliseconds = info[1].As<Napi::Number>().Int64Value();
  (new DumpWork(info[2].As<Napi::Function>(), state_, requests[0], milliseconds))->Queue();
}

void Channel::Close(const Napi::CallbackInfo&) {
  state_->closed = true;
  if (!state_->busy) state_->connection.End();
}

}  // namespace ipvs::addon
