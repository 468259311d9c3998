#include "connection_list.h"

#include <algorithm>
#include <utility>

#include "../core/netns_file.h"
#include "channel.h"
#include "convert.h"

namespace ipvs::addon {

namespace {

class ReadWork : public Work<ConnectionSource> {
 public:
  ReadWork(Napi::Function done, std::shared_ptr<Shared<ConnectionSource>> shared, size_t most)
      : Work(done, std::move(shared)), most_(most) {}

  void Execute() override { failure_ = resource().Read(most_, &entries_, &end_); }

  void Finish() override {
    if (failure_) {
      Done({ToJs(Env(), failure_)});
      return;
    }
    const Napi::Array entries = Napi::Array::New(Env(), entries_.size());
    for (uint32_t i = 0; i < entries_.size(); i++) {
      const Napi::HandleScope scope(Env());
      entries.Set(i, ToJs(Env(), entries_[i]));
    }
    Done({Env().Undefined(), entries, Napi::Boolean::New(Env(), end_)});
  }

 private:
  size_t most_;
  std::vector<ConnectionEntry> entries_;
  bool end_ = false;
  Failure failure_;
};

EndpointFilter EndpointFrom(Napi::Object filter, const char* name) {
  const Napi::Object from = filter.Get(name).As<Napi::Object>();
  EndpointFilter endpoint;
  endpoint.endpoint.family =
      static_cast<uint16_t>(from.Get("family").As<Napi::Number>().Uint32Value());
  const int32_t port = from.Get("port").As<Napi::Number>().Int32Value();
  endpoint.has_port = port >= 0;
  endpoint.endpoint.port = static_cast<uint16_t>(std::max(port, 0));
  const Napi::Array bytes = from.Get("bytes").As<Napi::Array>();
  const uint32_t length = std::min<uint32_t>(bytes.Length(), sizeof(Address));
  for (uint32_t i = 0; i < length; i++) {
    endpoint.endpoint.address.bytes[i] =
        static_cast<uint8_t>(bytes.Get(i).As<Napi::Number>().Uint32Value());
  }
  return endpoint;
}

ConnectionFilter FilterFrom(Napi::Object from) {
  ConnectionFilter filter;
  filter.protocol = static_cast<uint16_t>(from.Get("protocol").As<Napi::Number>().Uint32Value());
  filter.fwmark = from.Get("fwmark").As<Napi::Number>().Uint32Value();
  filter.client = EndpointFrom(from, "client");
  filter.virtual_service = EndpointFrom(from, "virtual");
  filter.destination = EndpointFrom(from, "destination");
  return filter;
}

}  // namespace

Failure ConnectionSource::Read(size_t most, std::vector<ConnectionEntry>* entries, bool* end) {
  if (reader_ == nullptr) {
    UniqueFd file;
    if (Failure failure = OpenFileIn(space_.get(), path_, &file)) return failure;
    reader_ = std::make_unique<ConnectionTableReader>(std::move(file), has_origin_);
  }
  return reader_->Read(filter_, most, entries, end);
}

void ConnectionList::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("ConnectionList", DefineClass(env, "ConnectionList",
                                            {InstanceMethod<&ConnectionList::Read>("read"),
                                             InstanceMethod<&ConnectionList::Close>("close")}));
}

ConnectionList::ConnectionList(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ConnectionList>(info),
      shared_(std::make_shared<Shared<ConnectionSource>>(
          Channel::SpaceOf(info[0]), info[1].As<Napi::String>().Utf8Value(),
          info[2].ToBoolean().Value(), FilterFrom(info[3].As<Napi::Object>()))) {}

// Collected half read: what is in flight keeps the file, and closes it at its end.
ConnectionList::~ConnectionList() { shared_->Close(); }

void ConnectionList::Read(const Napi::CallbackInfo& info) {
  if (!shared_->MayStart(info.Env())) return;
  Start<ReadWork>(info[1].As<Napi::Function>(), shared_, info[0].As<Napi::Number>().Uint32Value());
}

void ConnectionList::Close(const Napi::CallbackInfo&) { shared_->Close(); }

}  // namespace ipvs::addon
