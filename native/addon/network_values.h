// The network's objects as JavaScript knows them: out through the registered factories, in by
// property. Numbers only.
#ifndef IPVS_ADDON_NETWORK_VALUES_H_
#define IPVS_ADDON_NETWORK_VALUES_H_

#include <napi.h>

#include <string>
#include <vector>

#include "../core/network.h"

namespace ipvs::addon {

// setNetworkFactories({ link, ... }), once before the first list.
void SetNetworkFactories(const Napi::CallbackInfo& info);

// The argument lists are those of lib/network/native.ts, in order.
Napi::Value ToJs(Napi::Env env, const Link& link);
Napi::Value ToJs(Napi::Env env, const InterfaceAddress& address);
Napi::Value ToJs(Napi::Env env, const Route& route);
Napi::Value ToJs(Napi::Env env, const Rule& rule);
Napi::Value ToJs(Napi::Env env, const Neighbour& neighbour);
Napi::Value ToJs(Napi::Env env, const FouPort& port);
Napi::Value ToJs(Napi::Env env, const Listener& listener);
Napi::Value ToJs(Napi::Env env, const FoundRule& rule);

// The properties are those of lib/network/native.ts, all there.
Link LinkFrom(const Napi::Object& from);
InterfaceAddress InterfaceAddressFrom(const Napi::Object& from);
Route RouteFrom(const Napi::Object& from);
Rule RuleFrom(const Napi::Object& from);
Neighbour NeighbourFrom(const Napi::Object& from);
FouPort FouPortFrom(const Napi::Object& from);
std::vector<MarkRule> MarkRulesFrom(const Napi::Object& from);
std::vector<Announced> AnnouncedFrom(const Napi::Array& from);

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_NETWORK_VALUES_H_
