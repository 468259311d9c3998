#include "network_values.h"

#include <algorithm>
#include <cstdio>

#include "arguments.h"
#include "environment.h"

namespace ipvs::addon {

namespace {

template <size_t N>
void PutMac(Arguments<N>* arguments, const uint8_t* bytes, size_t size) {
  char text[3 * Link::kLongestAddress + 1] = "";
  for (size_t i = 0; i < size; i++) {
    std::snprintf(text + 3 * i, 4, i + 1 < size ? "%02x:" : "%02x", bytes[i]);
  }
  arguments->Text(text);
}

// Empty where there is none.
template <size_t N>
void PutIp(Arguments<N>* arguments, bool there, uint16_t family, const Address& address) {
  if (there) {
    arguments->Ip(family, address);
  } else {
    arguments->Text("");
  }
}

template <size_t N>
void PutHex(Arguments<N>* arguments, const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  arguments->Text(text.c_str());
}

uint8_t DigitOf(char character) {
  return static_cast<uint8_t>(character <= '9' ? character - '0' : character - 'a' + 10);
}

// Reads an object's properties.
class Fields {
 public:
  explicit Fields(const Napi::Object& object) : object_(object) {}

  bool Flag(const char* name) const { return object_.Get(name).ToBoolean(); }
  bool Has(const char* name) const { return !object_.Get(name).IsUndefined(); }

  template <typename T>
  T Number(const char* name) const {
    const Napi::Value value = object_.Get(name);
    return value.IsNumber() ? static_cast<T>(value.As<Napi::Number>().Int64Value()) : T{};
  }

  // Cut where it is too long, always terminated.
  template <size_t N>
  void Text(const char* name, char (&to)[N]) const {
    const Napi::Value value = object_.Get(name);
    if (!value.IsString()) return;
    const std::string text = value.As<Napi::String>().Utf8Value();
    const size_t length = std::min(text.size(), N - 1);
    std::copy_n(text.data(), length, to);
    to[length] = 0;
  }

  // The bytes that there are, and how many fit.
  template <size_t N>
  size_t Bytes(const char* name, uint8_t (&to)[N]) const {
    const Napi::Value value = object_.Get(name);
    if (!value.IsArray()) return 0;
    const Napi::Array bytes = value.As<Napi::Array>();
    const uint32_t length = std::min<uint32_t>(bytes.Length(), N);
    for (uint32_t i = 0; i < length; i++) {
      to[i] = static_cast<uint8_t>(bytes.Get(i).As<Napi::Number>().Uint32Value());
    }
    return length;
  }
  // Of lower-case hexadecimal digits.
  ipvs::Bytes Hex(const char* name) const {
    ipvs::Bytes bytes;
    const Napi::Value value = object_.Get(name);
    if (!value.IsString()) return bytes;
    const std::string text = value.As<Napi::String>().Utf8Value();
    for (size_t i = 0; i + 1 < text.size(); i += 2) {
      bytes.push_back(static_cast<uint8_t>(DigitOf(text[i]) << 4 | DigitOf(text[i + 1])));
    }
    return bytes;
  }
  // Whether there is one.
  bool Ip(const char* name, Address* address) const { return Bytes(name, address->bytes) != 0; }

 private:
  Napi::Object object_;
};

uint16_t FamilyOf(size_t address_size) {
  return static_cast<uint16_t>(address_size == 0 ? 0 : address_size == 4 ? AF_INET : AF_INET6);
}

Napi::Value ToJs(Napi::Env env, const NextHop& hop) {
  Arguments<4> arguments(env);
  arguments.Text(hop.interface);
  PutIp(&arguments, hop.gateway_family != 0, hop.gateway_family, hop.gateway);
  arguments.Number(hop.weight);
  arguments.Number(hop.flags);
  return arguments.CallFactory(Environment::Of(env)->make_next_hop);
}

}  // namespace

void SetNetworkFactories(const Napi::CallbackInfo& info) {
  const Napi::Object factories = info[0].As<Napi::Object>();
  Environment* environment = Environment::Of(info.Env());
  const auto take = [&factories](const char* name) {
    return Napi::Persistent(factories.Get(name).As<Napi::Function>());
  };
  environment->make_link = take("link");
  environment->make_interface_address = take("address");
  environment->make_route = take("route");
  environment->make_next_hop = take("nextHop");
  environment->make_rule = take("rule");
  environment->make_neighbour = take("neighbour");
  environment->make_fou_port = take("fouPort");
  environment->make_listener = take("listener");
  environment->make_mark_rule = take("markRule");
}

Napi::Value ToJs(Napi::Env env, const Link& link) {
  const Tunnel& tunnel = link.tunnel;
  Arguments<17> arguments(env);
  arguments.Number(link.index);
  arguments.Text(link.name);
  arguments.Text(link.kind);
  arguments.Number(link.flags);
  arguments.Number(link.mtu);
  PutMac(&arguments, link.address, link.address_size);
  arguments.Number(tunnel.family);
  PutIp(&arguments, tunnel.family != 0, tunnel.family, tunnel.local);
  PutIp(&arguments, tunnel.family != 0, tunnel.family, tunnel.remote);
  arguments.Number(tunnel.ttl);
  arguments.Number(tunnel.lower);
  arguments.Number(tunnel.checksum ? 1 : 0);
  arguments.Number(tunnel.external ? 1 : 0);
  arguments.Number(tunnel.encapsulation_type);
  arguments.Number(tunnel.encapsulation_flags);
  arguments.Number(tunnel.source_port);
  arguments.Number(tunnel.destination_port);
  return arguments.CallFactory(Environment::Of(env)->make_link);
}

Napi::Value ToJs(Napi::Env env, const InterfaceAddress& address) {
  Arguments<12> arguments(env);
  arguments.Text(address.interface);
  arguments.Number(address.family);
  arguments.Ip(address.family, address.local);
  arguments.Number(address.prefix);
  arguments.Number(address.scope);
  arguments.Number(address.flags);
  PutIp(&arguments, address.has_peer, address.family, address.peer);
  PutIp(&arguments, address.has_broadcast, address.family, address.broadcast);
  arguments.Text(address.label);
  arguments.Number(address.preferred_lifetime);
  arguments.Number(address.valid_lifetime);
  PutHex(&arguments, address.other);
  return arguments.CallFactory(Environment::Of(env)->make_interface_address);
}

Napi::Value ToJs(Napi::Env env, const Route& route) {
  const Napi::Array hops = Napi::Array::New(env, route.hops.size());
  for (uint32_t i = 0; i < route.hops.size(); i++) hops.Set(i, ToJs(env, route.hops[i]));
  Arguments<19> arguments(env);
  arguments.Number(route.family);
  arguments.Ip(route.family, route.destination);
  arguments.Number(route.prefix);
  arguments.Number(route.table);
  arguments.Number(route.type);
  arguments.Number(route.scope);
  arguments.Number(route.protocol);
  arguments.Number(route.flags);
  arguments.Text(route.hop.interface);
  PutIp(&arguments, route.hop.gateway_family != 0, route.hop.gateway_family, route.hop.gateway);
  PutIp(&arguments, route.has_source, route.family, route.source);
  arguments.Number(route.has_metric ? route.metric : -1.0);
  arguments.Number(route.mtu);
  arguments.Number(route.advertised_mss);
  arguments.Value(hops);
  arguments.Number(route.tos);
  arguments.Number(route.expires);
  arguments.Flag(route.has_from);
  PutHex(&arguments, route.other);
  return arguments.CallFactory(Environment::Of(env)->make_route);
}

Napi::Value ToJs(Napi::Env env, const Rule& rule) {
  Arguments<14> arguments(env);
  arguments.Number(rule.family);
  arguments.Number(rule.action);
  arguments.Number(rule.flags);
  arguments.Number(rule.table);
  arguments.Number(rule.priority);
  arguments.Number(rule.has_mark ? rule.mark : -1.0);
  arguments.Number(rule.mark_mask);
  PutIp(&arguments, rule.source_prefix != 0, rule.family, rule.source);
  arguments.Number(rule.source_prefix);
  PutIp(&arguments, rule.destination_prefix != 0, rule.family, rule.destination);
  arguments.Number(rule.destination_prefix);
  arguments.Text(rule.input);
  arguments.Text(rule.output);
  arguments.Flag(rule.has_others);
  return arguments.CallFactory(Environment::Of(env)->make_rule);
}

Napi::Value ToJs(Napi::Env env, const Neighbour& neighbour) {
  Arguments<6> arguments(env);
  arguments.Text(neighbour.interface);
  arguments.Number(neighbour.family);
  arguments.Ip(neighbour.family, neighbour.address);
  PutMac(&arguments, neighbour.link_address, neighbour.link_address_size);
  arguments.Number(neighbour.state);
  arguments.Number(neighbour.proxy ? 1 : 0);
  return arguments.CallFactory(Environment::Of(env)->make_neighbour);
}

Napi::Value ToJs(Napi::Env env, const FouPort& port) {
  Arguments<4> arguments(env);
  arguments.Number(port.port);
  arguments.Number(port.family);
  arguments.Number(port.type);
  arguments.Number(port.protocol);
  return arguments.CallFactory(Environment::Of(env)->make_fou_port);
}

Napi::Value ToJs(Napi::Env env, const Listener& listener) {
  Arguments<5> arguments(env);
  arguments.Number(listener.protocol);
  arguments.Number(listener.family);
  arguments.Ip(listener.family, listener.address);
  arguments.Number(listener.port);
  arguments.Number(listener.ipv6_only ? 1 : 0);
  return arguments.CallFactory(Environment::Of(env)->make_listener);
}

Napi::Value ToJs(Napi::Env env, const FoundRule& rule) {
  Arguments<2> arguments(env);
  arguments.Number(rule.family);
  arguments.Text(rule.note.data(), rule.note.size());
  return arguments.CallFactory(Environment::Of(env)->make_mark_rule);
}

Link LinkFrom(const Napi::Object& from) {
  const Fields fields(from);
  Link link;
  fields.Text("name", link.name);
  fields.Text("kind", link.kind);
  link.flags = fields.Number<uint32_t>("flags");
  link.flags_mask = fields.Number<uint32_t>("flagsMask");
  link.mtu = fields.Number<uint32_t>("mtu");
  Tunnel& tunnel = link.tunnel;
  tunnel.family = TunnelFamily(link.kind);
  fields.Ip("local", &tunnel.local);
  fields.Ip("remote", &tunnel.remote);
  tunnel.ttl = fields.Number<uint8_t>("ttl");
  tunnel.encapsulation_limit = fields.Number<uint8_t>("encapsulationLimit");
  tunnel.path_mtu = fields.Flag("pathMtu");
  tunnel.checksum = fields.Flag("checksum");
  tunnel.external = fields.Flag("external");
  return link;
}

InterfaceAddress InterfaceAddressFrom(const Napi::Object& from) {
  const Fields fields(from);
  InterfaceAddress address;
  fields.Text("interface", address.interface);
  address.family = FamilyOf(fields.Bytes("address", address.local.bytes));
  address.prefix = fields.Number<uint8_t>("prefix");
  address.scope = fields.Number<uint8_t>("scope");
  address.flags = fields.Number<uint32_t>("flags");
  address.has_broadcast = fields.Ip("broadcast", &address.broadcast);
  fields.Text("label", address.label);
  if (fields.Has("preferredLifetime")) {
    address.preferred_lifetime = fields.Number<uint32_t>("preferredLifetime");
  }
  if (fields.Has("validLifetime")) {
    address.valid_lifetime = fields.Number<uint32_t>("validLifetime");
  }
  address.has_peer = fields.Ip("peer", &address.peer);
  address.other = fields.Hex("other");
  return address;
}

Route RouteFrom(const Napi::Object& from) {
  const Fields fields(from);
  Route route;
  route.family = fields.Number<uint16_t>("family");
  fields.Ip("destination", &route.destination);
  route.prefix = fields.Number<uint8_t>("prefix");
  route.table = fields.Number<uint32_t>("table");
  route.type = fields.Number<uint8_t>("type");
  route.scope = fields.Number<uint8_t>("scope");
  route.protocol = fields.Number<uint8_t>("protocol");
  route.hop.flags = fields.Number<uint32_t>("flags");
  fields.Text("interface", route.hop.interface);
  route.hop.gateway_family = FamilyOf(fields.Bytes("gateway", route.hop.gateway.bytes));
  route.has_source = fields.Ip("source", &route.source);
  route.has_metric = fields.Has("metric");
  route.metric = fields.Number<uint32_t>("metric");
  route.mtu = fields.Number<uint32_t>("mtu");
  route.advertised_mss = fields.Number<uint32_t>("advertisedMss");
  route.tos = fields.Number<uint8_t>("tos");
  route.expires = fields.Number<uint32_t>("expires");
  route.other = fields.Hex("other");
  return route;
}

Rule RuleFrom(const Napi::Object& from) {
  const Fields fields(from);
  Rule rule;
  rule.family = fields.Number<uint16_t>("family");
  rule.action = fields.Number<uint8_t>("action");
  rule.table = fields.Number<uint32_t>("table");
  rule.has_priority = fields.Has("priority");
  rule.priority = fields.Number<uint32_t>("priority");
  rule.has_mark = fields.Has("mark");
  rule.mark = fields.Number<uint32_t>("mark");
  rule.mark_mask = fields.Number<uint32_t>("markMask");
  fields.Ip("source", &rule.source);
  rule.source_prefix = fields.Number<uint8_t>("sourcePrefix");
  fields.Ip("destination", &rule.destination);
  rule.destination_prefix = fields.Number<uint8_t>("destinationPrefix");
  return rule;
}

Neighbour NeighbourFrom(const Napi::Object& from) {
  const Fields fields(from);
  Neighbour neighbour;
  fields.Text("interface", neighbour.interface);
  neighbour.family = FamilyOf(fields.Bytes("address", neighbour.address.bytes));
  neighbour.state = fields.Number<uint16_t>("state");
  neighbour.proxy = fields.Flag("proxy");
  neighbour.link_address_size =
      static_cast<uint8_t>(fields.Bytes("linkAddress", neighbour.link_address));
  return neighbour;
}

FouPort FouPortFrom(const Napi::Object& from) {
  const Fields fields(from);
  FouPort port;
  port.port = fields.Number<uint16_t>("port");
  port.family = fields.Number<uint16_t>("family");
  port.type = fields.Number<uint8_t>("type");
  port.protocol = fields.Number<uint8_t>("protocol");
  return port;
}

// One for each range of `ports`, which holds their first and last ones in turn.
std::vector<MarkRule> MarkRulesFrom(const Napi::Object& from) {
  const Fields fields(from);
  MarkRule rule;
  rule.family = FamilyOf(fields.Bytes("address", rule.address.bytes));
  rule.prefix = fields.Number<uint8_t>("prefix");
  rule.protocol = fields.Number<uint8_t>("protocol");
  rule.mark = fields.Number<uint32_t>("mark");
  rule.chain = from.Get("chain").As<Napi::String>().Utf8Value();
  const Napi::Array notes = from.Get("notes").As<Napi::Array>();
  const Napi::Array ports = from.Get("ports").As<Napi::Array>();
  const auto port = [&ports](uint32_t index) {
    return static_cast<uint16_t>(ports.Get(index).As<Napi::Number>().Uint32Value());
  };
  std::vector<MarkRule> rules;
  for (uint32_t i = 0; i + 1 < ports.Length(); i += 2) {
    rule.first_port = port(i);
    rule.last_port = port(i + 1);
    rule.note = notes.Get(i / 2).As<Napi::String>().Utf8Value();
    rules.push_back(rule);
  }
  return rules;
}

std::vector<Announced> AnnouncedFrom(const Napi::Array& from) {
  std::vector<Announced> all;
  for (uint32_t i = 0; i < from.Length(); i++) {
    const Fields fields(from.Get(i).As<Napi::Object>());
    Announced announced;
    announced.family = FamilyOf(fields.Bytes("bytes", announced.address.bytes));
    all.push_back(announced);
  }
  return all;
}

}  // namespace ipvs::addon
