// Native values into JavaScript ones, through the registered factories.
#ifndef IPVS_ADDON_CONVERT_H_
#define IPVS_ADDON_CONVERT_H_

#include <napi.h>

#include "../core/connection_table.h"
#include "../core/director.h"
#include "../core/ipvs.h"
#include "../core/result.h"

namespace ipvs::addon {

// The argument lists are those of lib/native.ts, in order. 64-bit counters become numbers (exact up
// to 2^53) or bigints.
Napi::Value ToJs(Napi::Env env, const Service& service, bool bigint);
Napi::Value ToJs(Napi::Env env, const Destination& destination, bool bigint);
Napi::Value ToJs(Napi::Env env, const Daemon& daemon, bool bigint);
Napi::Value ToJs(Napi::Env env, const Timeouts& timeouts, bool bigint);
Napi::Value ToJs(Napi::Env env, const Info& info, bool bigint);
Napi::Value ToJs(Napi::Env env, const ConnectionEntry& entry);
Napi::Value ToJs(Napi::Env env, const Failure& failure);

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_CONVERT_H_
