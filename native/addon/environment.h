// What the addon keeps for one JavaScript environment: the main thread's or a worker's.
#ifndef IPVS_ADDON_ENVIRONMENT_H_
#define IPVS_ADDON_ENVIRONMENT_H_

#include <napi.h>

namespace ipvs::addon {

class Crew;

// Owned by the environment (instance data); touched on its JavaScript thread only.
struct Environment {
  // JavaScript functions that make the objects of one shape from positional values: one call is
  // several times cheaper than setting as many properties from here.
  Napi::FunctionReference make_daemon;
  Napi::FunctionReference make_timeouts;
  Napi::FunctionReference make_info;
  Napi::FunctionReference make_connection;
  Napi::FunctionReference make_failure;

  // The same for the network's objects; set with the first handle on it.
  Napi::FunctionReference make_link;
  Napi::FunctionReference make_interface_address;
  Napi::FunctionReference make_route;
  Napi::FunctionReference make_next_hop;
  Napi::FunctionReference make_rule;
  Napi::FunctionReference make_neighbour;
  Napi::FunctionReference make_fou_port;
  Napi::FunctionReference make_listener;
  Napi::FunctionReference make_mark_rule;

  Napi::FunctionReference records_class;

  Crew* crew = nullptr;  // made when it is first needed; see crew.h

  static Environment* Of(Napi::Env env) { return env.GetInstanceData<Environment>(); }
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_ENVIRONMENT_H_
