#include "convert.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "environment.h"

namespace ipvs::addon {

namespace {

// Collects positional arguments.
template <size_t N>
class Arguments {
 public:
  explicit Arguments(Napi::Env env) : env_(env) {}

  void Number(double value) {
    Add([&](napi_value* v) { napi_create_double(env_, value, v); });
  }
  void Text(const char* text, size_t length) {
    Add([&](napi_value* v) { napi_create_string_latin1(env_, text, length, v); });
  }
  void Text(const char* text) { Text(text, std::strlen(text)); }
  // The canonical text (RFC 5952), as inet_ntop writes it.
  void Ip(uint16_t family, const Address& address) {
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(family == AF_INET ? AF_INET : AF_INET6, address.bytes, text, sizeof(text));
    Text(text);
  }
  Napi::Value CallFactory(const Napi::FunctionReference& factory) {
    return factory.Call(env_.Undefined(), count_, values_);
  }

 private:
  template <typename Create>
  void Add(Create create) {
    if (count_ < N) create(&values_[count_++]);
  }

  Napi::Env env_;
  napi_value values_[N] = {};
  size_t count_ = 0;
};

}  // namespace

Napi::Value ToJs(Napi::Env env, const Daemon& daemon) {
  Arguments<7> arguments(env);
  arguments.Number(daemon.state);
  arguments.Text(daemon.interface);
  arguments.Number(daemon.sync_id);
  arguments.Number(daemon.max_length);
  arguments.Ip(daemon.group_family, daemon.group);
  arguments.Number(daemon.port);
  arguments.Number(daemon.ttl);
  return arguments.CallFactory(Environment::Of(env)->make_daemon);
}

Napi::Value ToJs(Napi::Env env, const Timeouts& timeouts) {
  Arguments<3> arguments(env);
  arguments.Number(timeouts.tcp);
  arguments.Number(timeouts.tcp_fin);
  arguments.Number(timeouts.udp);
  return arguments.CallFactory(Environment::Of(env)->make_timeouts);
}

Napi::Value ToJs(Napi::Env env, const Info& info) {
  Arguments<2> arguments(env);
  arguments.Number(info.version);
  arguments.Number(info.connection_table_size);
  return arguments.CallFactory(Environment::Of(env)->make_info);
}

Napi::Value ToJs(Napi::Env env, const ConnectionEntry& entry) {
  Arguments<14> arguments(env);
  const Endpoint* endpoints[] = {&entry.client, &entry.virtual_service, &entry.destination};
  arguments.Number(entry.protocol);
  arguments.Number(entry.is_template ? 1 : 0);
  for (const Endpoint* endpoint : endpoints) {
    arguments.Ip(endpoint->family, endpoint->address);
    arguments.Number(endpoint->port);
  }
  arguments.Number(entry.fwmark);
  arguments.Text(entry.state);
  arguments.Number(entry.expires);
  arguments.Number(static_cast<double>(entry.origin));
  arguments.Text(entry.engine);
  arguments.Text(entry.engine_data.data(), entry.engine_data.size());
  return arguments.CallFactory(Environment::Of(env)->make_connection);
}

Napi::Value ToJs(Napi::Env env, const Failure& failure) {
  Arguments<4> arguments(env);
  arguments.Number(static_cast<double>(failure.fault));
  arguments.Number(failure.error);
  arguments.Text(failure.syscall == nullptr ? "" : failure.syscall);
  arguments.Text(failure.detail.data(), failure.detail.size());
  return arguments.CallFactory(Environment::Of(env)->make_failure);
}

}  // namespace ipvs::addon
