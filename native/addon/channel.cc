#include "channel.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../core/pool.h"
#include "../core/table.h"
#include "convert.h"
#include "environment.h"
#include "file_work.h"
#include "records.h"
#include "request.h"
#include "rows.h"

namespace ipvs::addon {

namespace {

using ConnectionWork = Work<Connection>;

// What an exchange works with.
struct Scratch {
  CommandBatch batch;
  std::vector<uint8_t> commands;  // of `batch`
  std::vector<Answer> answers;
};
using Scratches = Pool<Scratch, 2>;

class OpenWork : public ConnectionWork {
 public:
  using ConnectionWork::ConnectionWork;

  void Execute() override { failure_ = resource().EnsureOpen(); }
  void Finish() override { Done({FailureOrUndefined(Env(), failure_)}); }

 private:
  Failure failure_;
};

// What a command's reply holds, for those that have one.
using Reply = std::variant<std::monostate, Service, Timeouts, Info>;

bool DecodeReply(uint8_t command, ByteView attributes, Reply* reply, DecodeError* error) {
  switch (command) {
    case IPVS_CMD_GET_SERVICE:
      return DecodeService(attributes, &reply->emplace<Service>(), error);
    case IPVS_CMD_GET_CONFIG:
      return DecodeTimeouts(attributes, &reply->emplace<Timeouts>(), error);
    case IPVS_CMD_GET_INFO:
      return DecodeInfo(attributes, &reply->emplace<Info>(), error);
    default:
      return true;
  }
}

// What JavaScript has to be told of one command: that it failed, or what it replied.
struct Told {
  size_t index;
  Failure failure;
  Reply reply;
};

class ExchangeWork : public ConnectionWork {
 public:
  // The buffer is not copied: JavaScript leaves it alone until it hears of the end.
  ExchangeWork(Napi::Function done, std::shared_ptr<Shared<Connection>> shared,
               Napi::Uint8Array requests, size_t count, int64_t late)
      : ConnectionWork(done, std::move(shared)),
        buffer_(Napi::Persistent(requests)),
        requests_(requests.Data(), requests.ByteLength()),
        count_(count),
        late_(late) {}

  void Execute() override {
    // JavaScript looked at the clock when it asked.
    const Deadline deadline = has_waited() ? Deadline::At(late_) : Deadline::Ahead(late_);
    std::unique_ptr<Scratch> scratch = Scratches::Take();
    auto& [batch, commands, answers] = *scratch;
    RequestReader reader(requests_);
    Request request;
    size_t begin = 0;
    for (bool more = true; more && begin < count_; begin += commands.size()) {
      batch.Clear();
      commands.clear();
      const size_t most = std::min(kStride, count_ - begin);
      while (commands.size() < most && (more = reader.Next(&request))) {
        EncodeRequest(request, &batch);
        commands.push_back(request.command);
      }
      resource().Exchange(&batch, deadline, &answers);
      for (size_t i = 0; i < commands.size(); i++) Keep(begin + i, commands[i], &answers[i]);
    }
    Scratches::Give(std::move(scratch));
    // Never, unless the two sides of this file's neighbour disagree.
    for (; begin < count_; begin++) {
      told_.push_back({begin, Failure::Malformed("the request is not one"), {}});
    }
  }

  void Finish() override {
    if (told_.empty()) {
      Done({Env().Undefined()});
      return;
    }
    const Napi::Array outcomes = Napi::Array::New(Env(), count_);
    for (const Told& told : told_) {
      const Napi::HandleScope scope(Env());
      outcomes.Set(static_cast<uint32_t>(told.index), OutcomeOf(told));
    }
    Done({outcomes});
  }

 private:
  // So many are encoded and sent before the next, in the same memory.
  static constexpr size_t kStride = 2048;

  void Keep(size_t index, uint8_t command, Answer* answer) {
    Reply reply;
    DecodeError error;
    if (!answer->failure && !DecodeReply(command, ByteView(answer->reply), &reply, &error)) {
      answer->failure = Failure::Malformed(error.text());
    }
    if (answer->failure || reply.index() != 0) {
      told_.push_back({index, std::move(answer->failure), std::move(reply)});
    }
  }

  Napi::Value OutcomeOf(const Told& told) {
    if (told.failure) return ToJs(Env(), told.failure);
    if (const auto* service = std::get_if<Service>(&told.reply)) {
      const ServiceRow row = ToRow(*service);
      Napi::Uint8Array bytes = Napi::Uint8Array::New(Env(), sizeof(row));
      Store(bytes.Data(), row);
      return bytes;
    }
    if (const auto* timeouts = std::get_if<Timeouts>(&told.reply)) return ToJs(Env(), *timeouts);
    if (const auto* info = std::get_if<Info>(&told.reply)) return ToJs(Env(), *info);
    return Env().Undefined();
  }

  Napi::Reference<Napi::Uint8Array> buffer_;
  ByteView requests_;
  size_t count_;
  std::vector<Told> told_;
  int64_t late_;  // as Deadline::Now counts
};

class DumpWork : public ConnectionWork {
 public:
  DumpWork(Napi::Function done, std::shared_ptr<Shared<Connection>> shared, const Request& request,
           int64_t milliseconds)
      : ConnectionWork(done, std::move(shared)),
        request_(request),
        deadline_(Deadline::After(milliseconds)) {}

  void Execute() override {
    switch (request_.command) {
      case IPVS_CMD_GET_DEST:
        ExecuteDestinations();
        break;
      case IPVS_CMD_GET_DAEMON:
        failure_ = DumpDaemons(&resource(), deadline_, &daemons_);
        break;
      default:
        Keep<Service>(
            [this](Dumped<Service>* d) { return ListServices(&resource(), deadline_, d); });
    }
  }

  void Finish() override {
    if (failure_) {
      Done({ToJs(Env(), failure_)});
    } else if (request_.command == IPVS_CMD_GET_DAEMON) {
      const Napi::Array daemons = Napi::Array::New(Env(), daemons_.records.size());
      for (uint32_t i = 0; i < daemons_.records.size(); i++) {
        daemons.Set(i, ToJs(Env(), daemons_.records[i]));
      }
      Done({Env().Undefined(), daemons});
    } else {
      Done({Env().Undefined(), Records::Make(Env(), std::move(set_))});
    }
  }

 private:
  template <typename T, typename Dump>
  void Keep(const Dump& dump) {
    Dumped<T> dumped;
    failure_ = dump(&dumped);
    set_ = RecordSet{std::move(dumped.records), dumped.chunks};
  }

  void ExecuteDestinations() {
    Keep<Destination>([this](Dumped<Destination>* dumped) {
      return ListDestinations(&resource(), request_.service.key, deadline_, dumped);
    });
    // A request that names a destination wants just that one: the kernel can only list them all.
    const DestinationKey& wanted = request_.destination.key;
    auto& all = std::get<std::vector<Destination>>(set_.records);
    if (wanted.family != 0) all = Pick(all, {wanted});
  }

  Request request_;
  Deadline deadline_;
  Failure failure_;
  RecordSet set_;
  Dumped<Daemon> daemons_;
};

// The whole table, or a part of it.
class TableWork : public ConnectionWork {
 public:
  using Read = std::function<Failure(Connection*, const Deadline&, ipvs::Table*)>;

  TableWork(Napi::Function done, std::shared_ptr<Shared<Connection>> shared, Read read,
            int64_t milliseconds)
      : ConnectionWork(done, std::move(shared)),
        read_(std::move(read)),
        deadline_(Deadline::After(milliseconds)) {}

  void Execute() override { failure_ = read_(&resource(), deadline_, &table_); }

  void Finish() override {
    if (failure_) {
      Done({ToJs(Env(), failure_)});
      return;
    }
    Napi::Uint32Array counts = Napi::Uint32Array::New(Env(), table_.counts.size());
    std::copy(table_.counts.begin(), table_.counts.end(), counts.Data());
    const Napi::Object result = Napi::Object::New(Env());
    result.Set("counts", counts);
    result.Set("settled", Napi::Boolean::New(Env(), table_.settled));
    result.Set("services", Records::Make(Env(), RecordSet{std::move(table_.services), 0}));
    result.Set("destinations", Records::Make(Env(), RecordSet{std::move(table_.destinations), 0}));
    Done({Env().Undefined(), result});
  }

 private:
  Read read_;
  Deadline deadline_;
  Failure failure_;
  ipvs::Table table_;
};

ByteView ToView(Napi::Value value) {
  const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return ByteView(array.Data(), array.ByteLength());
}

Connection::Options OptionsFrom(const Napi::CallbackInfo& info) {
  Connection::Options options;
  options.family = IPVS_GENL_NAME;
  if (info[0].IsString()) options.space_path = info[0].As<Napi::String>().Utf8Value();
  options.new_space = info[0].IsNull();
  if (info[0].IsObject()) options.space = Channel::SpaceOf(info[0]);
  if (info[1].IsNumber()) options.protocol = info[1].As<Napi::Number>().Int32Value();
  if (info[2].IsNumber()) options.peer = info[2].As<Napi::Number>().Uint32Value();
  return options;
}

int64_t Milliseconds(Napi::Value value) { return value.As<Napi::Number>().Int64Value(); }

}  // namespace

void Channel::Register(Napi::Env env, Napi::Object exports) {
  exports.Set(
      "Channel",
      DefineClass(
          env, "Channel",
          {InstanceMethod<&Channel::Open>("open"), InstanceMethod<&Channel::Now>("now"),
           InstanceMethod<&Channel::Exchange>("exchange"), InstanceMethod<&Channel::Dump>("dump"),
           InstanceMethod<&Channel::Table>("table"), InstanceMethod<&Channel::Services>("services"),
           InstanceMethod<&Channel::ReadFile>("readFile"),
           InstanceMethod<&Channel::ListFolder>("listFolder"),
           InstanceMethod<&Channel::Close>("close")}));
}

Space Channel::SpaceOf(Napi::Value channel) {
  return Unwrap(channel.As<Napi::Object>())->shared_->resource.space();
}

Channel::Channel(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Channel>(info),
      shared_(std::make_shared<Shared<Connection>>(OptionsFrom(info))) {}

// Collected without close(): what is in flight keeps the connection, and closes it at its end.
Channel::~Channel() { shared_->Close(); }

void Channel::Open(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  Start<OpenWork>(info[0].As<Napi::Function>(), shared_);
}

Napi::Value Channel::Now(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Deadline::Now()));
}

void Channel::Exchange(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  Start<ExchangeWork>(info[3].As<Napi::Function>(), shared_, info[0].As<Napi::Uint8Array>(),
                      info[1].As<Napi::Number>().Uint32Value(),
                      static_cast<int64_t>(std::ceil(info[2].As<Napi::Number>().DoubleValue())));
}

void Channel::Dump(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  Request request;
  if (!RequestReader(ToView(info[0])).Next(&request)) {
    Napi::TypeError::New(info.Env(), "the request is not one").ThrowAsJavaScriptException();
    return;
  }
  Start<DumpWork>(info[2].As<Napi::Function>(), shared_, request, Milliseconds(info[1]));
}

void Channel::Table(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  const bool settle = info[0].ToBoolean();
  const auto read = [settle](Connection* connection, const Deadline& deadline, ipvs::Table* table) {
    return ReadTable(connection, settle, deadline, table);
  };
  Start<TableWork>(info[2].As<Napi::Function>(), shared_, read, Milliseconds(info[1]));
}

void Channel::Services(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  RequestReader reader(ToView(info[0]));
  Request request;
  std::vector<WantedService> wanted;
  while (reader.Next(&request)) {
    const ServiceKey& key = request.service.key;
    if (wanted.empty() || Compare(wanted.back().key, key) != 0) wanted.push_back({key, {}});
    if (request.command == IPVS_CMD_GET_DEST) {
      wanted.back().destinations.push_back(request.destination.key);
    }
  }
  const auto read = [wanted = std::move(wanted)](Connection* connection, const Deadline& deadline,
                                                 ipvs::Table* table) {
    return ReadServices(connection, wanted, deadline, table);
  };
  Start<TableWork>(info[2].As<Napi::Function>(), shared_, read, Milliseconds(info[1]));
}

void Channel::ReadFile(const Napi::CallbackInfo& info) {
  (new ReadFileWork(info[1].As<Napi::Function>(), shared_->resource.space(),
                    info[0].As<Napi::String>().Utf8Value()))
      ->Queue();
}

void Channel::ListFolder(const Napi::CallbackInfo& info) {
  (new ListFolderWork(info[1].As<Napi::Function>(), shared_->resource.space(),
                      info[0].As<Napi::String>().Utf8Value()))
      ->Queue();
}

void Channel::Close(const Napi::CallbackInfo&) { shared_->Close(); }

}  // namespace ipvs::addon
