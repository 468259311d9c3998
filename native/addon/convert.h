// Native values into JavaScript ones, through the registered factories.
#ifndef IPVS_ADDON_CONVERT_H_
#define IPVS_ADDON_CONVERT_H_

#include <napi.h>

#include "../core/connection_table.h"
#include "../core/director.h"
#include "../core/result.h"

namespace ipvs::addon {

// The argument lists are those of lib/native.ts, in order. Services and destinations, of which
// there may be many, are rows: rows.h.
Napi::Value ToJs(Napi::Env env, const Daemon& daemon);
Napi::Value ToJs(Napi::Env env, const Timeouts& timeouts);
Napi::Value ToJs(Napi::Env env, const Info& info);
Napi::Value ToJs(Napi::Env env, const ConnectionEntry& entry);
Napi::Value ToJs(Napi::Env env, const Failure& failure);
napi_value FailureOrUndefined(Napi::Env env, const Failure& failure);

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_CONVERT_H_
