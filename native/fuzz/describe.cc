#include "describe.h"

#include <arpa/inet.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>

#include "core/connection_table.h"
#include "core/director.h"
#include "core/generic.h"
#include "core/ipvs.h"
#include "core/message.h"

namespace ipvs::fuzz {

namespace {

// A JSON object, member by member.
class Object {
 public:
  Object& Text(const char* name, const std::string& value) { return Put(name, Quoted(value)); }
  Object& Number(const char* name, uint64_t value) { return Put(name, std::to_string(value)); }
  Object& Flag(const char* name, bool value) { return Put(name, value ? "true" : "false"); }
  Object& Ip(const char* name, uint16_t family, const Address& address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (family != 0) ::inet_ntop(family, address.bytes, text, sizeof(text));
    return Text(name, text);
  }
  Object& Put(const char* name, const std::string& json) {
    if (!members_.empty()) members_ += ", ";
    members_ += Quoted(name) + ": " + json;
    return *this;
  }
  std::string Json() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

std::string Describe(const Stats& stats) {
  return Object()
      .Flag("wide", stats.wide)
      .Number("connections", stats.connections)
      .Number("incomingPackets", stats.incoming_packets)
      .Number("outgoingPackets", stats.outgoing_packets)
      .Number("incomingBytes", stats.incoming_bytes)
      .Number("outgoingBytes", stats.outgoing_bytes)
      .Number("connectionRate", stats.connection_rate)
      .Number("incomingPacketRate", stats.incoming_packet_rate)
      .Number("outgoingPacketRate", stats.outgoing_packet_rate)
      .Number("incomingByteRate", stats.incoming_byte_rate)
      .Number("outgoingByteRate", stats.outgoing_byte_rate)
      .Json();
}

void Describe(ByteView attributes, Service* service, DecodeError* error, Object* object) {
  if (!DecodeService(attributes, service, error)) return;
  const ServiceKey& key = service->key;
  object->Number("family", key.family);
  if (key.fwmark != 0) {
    object->Number("mark", key.fwmark);
  } else {
    object->Number("protocol", key.protocol)
        .Ip("address", key.family, key.address)
        .Number("port", key.port);
  }
  object->Text("scheduler", service->scheduler)
      .Number("flags", service->flags)
      .Number("timeout", service->timeout);
  if (key.family == AF_INET) {
    Address mask;
    Store(mask.bytes, service->netmask);
    object->Ip("netmask", AF_INET, mask);
  } else {
    object->Number("netmask", service->netmask);
  }
  object->Text("engine", service->engine).Put("stats", Describe(service->stats));
}

void Describe(ByteView attributes, Destination* destination, DecodeError* error, Object* object) {
  // A family that the reply does not give would show as 0.
  if (!DecodeDestination(attributes, AF_UNSPEC, destination, error)) return;
  object->Number("family", destination->key.family)
      .Ip("address", destination->key.family, destination->key.address)
      .Number("port", destination->key.port)
      .Number("forwarding", destination->forwarding)
      .Number("weight", destination->weight)
      .Number("upperThreshold", destination->upper_threshold)
      .Number("lowerThreshold", destination->lower_threshold)
      .Number("tunnelType", destination->tunnel_type)
      .Number("tunnelPort", destination->tunnel_port)
      .Number("tunnelFlags", destination->tunnel_flags)
      .Number("activeConnections", destination->active_connections)
      .Number("inactiveConnections", destination->inactive_connections)
      .Number("persistentConnections", destination->persistent_connections)
      .Put("stats", Describe(destination->stats));
}

void Describe(ByteView attributes, Daemon* daemon, DecodeError* error, Object* object) {
  if (!DecodeDaemon(attributes, daemon, error)) return;
  object->Number("state", daemon->state)
      .Text("interface", daemon->interface)
      .Number("syncId", daemon->sync_id)
      .Number("maxLength", daemon->max_length)
      .Number("groupFamily", daemon->group_family)
      .Ip("group", daemon->group_family, daemon->group)
      .Number("port", daemon->port)
      .Number("ttl", daemon->ttl);
}

void Describe(ByteView attributes, Timeouts* timeouts, DecodeError* error, Object* object) {
  if (!DecodeTimeouts(attributes, timeouts, error)) return;
  object->Number("tcp", timeouts->tcp)
      .Number("tcpFin", timeouts->tcp_fin)
      .Number("udp", timeouts->udp);
}

void Describe(ByteView attributes, Info* info, DecodeError* error, Object* object) {
  if (!DecodeInfo(attributes, info, error)) return;
  object->Number("version", info->version)
      .Number("connectionTableSize", info->connection_table_size);
}

void Describe(ByteView attributes, uint16_t* id, DecodeError* error, Object* object) {
  if (DecodeFamilyId(attributes, id, error)) object->Number("id", *id);
}

template <typename T>
std::string DescribeAs(const std::string& kind, ByteView attributes) {
  Object object;
  object.Text("message", kind);
  T value{};
  DecodeError error;
  Describe(attributes, &value, &error, &object);
  if (!error.ok()) object.Text("malformed", error.text());
  return object.Json();
}

std::string DescribeReply(const std::string& kind, const Message& message) {
  ByteView attributes;
  if (!GenericPayload(message, &attributes)) return Object().Text("malformed", "too short").Json();
  if (kind == "family") return DescribeAs<uint16_t>(kind, attributes);
  if (kind == "service") return DescribeAs<Service>(kind, attributes);
  if (kind == "destination") return DescribeAs<Destination>(kind, attributes);
  if (kind == "daemon") return DescribeAs<Daemon>(kind, attributes);
  if (kind == "timeouts") return DescribeAs<Timeouts>(kind, attributes);
  if (kind == "info") return DescribeAs<Info>(kind, attributes);
  return Object().Text("malformed", "of no kind").Json();
}

std::string Describe(const char* kind, bool ok, const Acknowledgement& ack) {
  Object object;
  object.Text("message", kind);
  if (!ok) return object.Text("malformed", "too short").Json();
  object.Number("error", static_cast<uint64_t>(ack.error));
  if (!ack.text.empty()) object.Text("text", ack.text);
  if (ack.has_offset) object.Number("offset", ack.offset);
  if (ack.has_missing) object.Number("missing", ack.missing);
  return object.Json();
}

std::string Describe(const std::string& kind, const Message& message) {
  Acknowledgement ack;
  if (message.header.nlmsg_type == NLMSG_ERROR) {
    const bool ok = DecodeErrorMessage(message, &ack);
    return Describe("acknowledgement", ok, ack);
  }
  if (message.header.nlmsg_type == NLMSG_DONE) {
    const bool ok = DecodeDoneMessage(message, &ack);
    return Describe("done", ok, ack);
  }
  return DescribeReply(kind, message);
}

std::string Describe(const Endpoint& endpoint) {
  return Object()
      .Ip("address", endpoint.family, endpoint.address)
      .Number("port", endpoint.port)
      .Json();
}

std::string Describe(const ConnectionEntry& entry) {
  static constexpr const char* kOrigins[] = {"unknown", "local", "synchronised"};
  Object object;
  object.Number("protocol", entry.protocol)
      .Flag("template", entry.is_template)
      .Put("client", Describe(entry.client));
  if (entry.virtual_service.family != 0) {
    object.Put("virtual", Describe(entry.virtual_service));
  } else {
    object.Number("mark", entry.fwmark);
  }
  object.Put("destination", Describe(entry.destination))
      .Text("state", entry.state)
      .Number("expires", entry.expires)
      .Text("origin", kOrigins[static_cast<size_t>(entry.origin)]);
  if (entry.engine[0] != '\0') {
    object.Text("engine", entry.engine).Text("engineData", entry.engine_data);
  }
  return object.Json();
}

class Array {
 public:
  void Add(const std::string& json) { items_ += (items_.empty() ? "\n" : ",\n") + json; }
  std::string Json() const { return "[" + items_ + "]"; }

 private:
  std::string items_;
};

}  // namespace

std::string Quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (byte < 0x20 || byte > 0x7e) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", byte);
      json += escape;
    } else {
      json += c;
    }
  }
  return json + '"';
}

std::string DescribeDatagrams(const std::string& kind, const std::vector<Bytes>& datagrams) {
  Array array;
  for (const Bytes& datagram : datagrams) {
    MessageReader reader{ByteView(datagram)};
    Message message;
    while (reader.Next(&message)) array.Add(Describe(kind, message));
    if (!reader.ok()) array.Add(Object().Text("malformed", "a message's length").Json());
  }
  return array.Json();
}

std::string DescribeConnections(const std::string& text, bool has_origin) {
  UniqueFd file(::memfd_create("connections", MFD_CLOEXEC));
  Array array;
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0) {
    array.Add(Object().Text("malformed", "the text cannot be kept").Json());
    return array.Json();
  }
  ConnectionTableReader reader(std::move(file), has_origin);
  for (bool end = false; !end;) {
    std::vector<ConnectionEntry> entries;
    const Failure failure = reader.Read(ConnectionFilter(), 1000, &entries, &end);
    for (const ConnectionEntry& entry : entries) array.Add(Describe(entry));
    if (failure) {
      array.Add(Object().Text("malformed", failure.detail).Json());
      break;
    }
  }
  return array.Json();
}

}  // namespace ipvs::fuzz
