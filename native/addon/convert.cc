#include "convert.h"

#include "arguments.h"
#include "environment.h"

namespace ipvs::addon {

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

napi_value FailureOrUndefined(Napi::Env env, const Failure& failure) {
  return failure ? ToJs(env, failure) : env.Undefined();
}

}  // namespace ipvs::addon
