// Positional arguments for a factory.
#ifndef IPVS_ADDON_ARGUMENTS_H_
#define IPVS_ADDON_ARGUMENTS_H_

#include <arpa/inet.h>
#include <napi.h>
#include <sys/socket.h>

#include <cstring>

#include "../core/ipvs.h"

namespace ipvs::addon {

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
  void Flag(bool value) {
    Add([&](napi_value* v) { napi_get_boolean(env_, value, v); });
  }
  // The canonical text (RFC 5952), as inet_ntop writes it.
  void Ip(uint16_t family, const Address& address) {
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(family == AF_INET ? AF_INET : AF_INET6, address.bytes, text, sizeof(text));
    Text(text);
  }
  void Value(napi_value value) {
    Add([&](napi_value* v) { *v = value; });
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

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_ARGUMENTS_H_
