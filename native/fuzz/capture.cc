// Takes captures from a real kernel, and makes the traffic that gives it something to tell.
// scripts/capture runs it in the lab:
//
//   capture record FILE MADE_BY [cap] [ext] [nobody] REQUEST   an answer of the kernel
//   capture text FILE MADE_BY KIND PATH                        a file under /proc/net
//   capture serve PORT                                         accepts TCP until it is killed
//   capture talk PROTOCOL SOURCE PORT DESTINATION PORT [MARK [TEXT]]
//                                                              a client until it is killed
//
// MADE_BY is a file with the commands that led here. REQUEST is one of
//
//   family NAME | services | service KEY | destinations KEY | daemons | timeouts | info
//   raw KIND COMMAND once|dump [ATTRIBUTES]     in decimal, in hexadecimal
//
// and a KEY "tcp 10.0.0.1 80" or "mark 7 4", the last being 4 or 6. `cap` and `ext` are the socket
// options NETLINK_CAP_ACK and NETLINK_EXT_ACK; `nobody` gives up all rights first.

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <netinet/in.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "core/generic.h"
#include "core/ipvs.h"
#include "core/message.h"
#include "core/unique_fd.h"
#include "describe.h"

using namespace ipvs;
using namespace ipvs::fuzz;

namespace {

// Fixed, so that two captures of the same thing are the same.
constexpr uint32_t kPort = 4711;
constexpr uint32_t kSequence = 1;
// Small on purpose: the first chunk of a dump is small whatever is offered, and so are the next.
constexpr size_t kBuffer = 8192;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "capture: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

using Arguments = std::vector<std::string>;

const std::string& At(const Arguments& arguments, size_t index) {
  if (index >= arguments.size()) {
    std::fputs("capture: an argument is missing\n", stderr);
    std::exit(2);
  }
  return arguments[index];
}

uint32_t Number(const std::string& text) {
  return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

uint16_t ParseAddress(const std::string& text, Address* address) {
  if (::inet_pton(AF_INET, text.c_str(), address->bytes) == 1) return AF_INET;
  if (::inet_pton(AF_INET6, text.c_str(), address->bytes) == 1) return AF_INET6;
  std::fprintf(stderr, "capture: %s is no address\n", text.c_str());
  std::exit(2);
}

int ParseProtocol(const std::string& text) {
  if (text == "tcp") return IPPROTO_TCP;
  return text == "udp" ? IPPROTO_UDP : IPPROTO_SCTP;
}

ServiceKey ParseKey(const Arguments& words, size_t at) {
  ServiceKey key;
  if (At(words, at) == "mark") {
    key.fwmark = Number(At(words, at + 1));
    key.family = At(words, at + 2) == "4" ? AF_INET : AF_INET6;
  } else {
    key.protocol = static_cast<uint16_t>(ParseProtocol(words[at]));
    key.family = ParseAddress(At(words, at + 1), &key.address);
    key.port = static_cast<uint16_t>(Number(At(words, at + 2)));
  }
  return key;
}

std::string Hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size; i++) {
    text += kDigits[bytes.data[i] >> 4];
    text += kDigits[bytes.data[i] & 15];
  }
  return text;
}

struct Question {
  std::string kind;
  CommandBatch batch;
  bool is_dump = false;
};

Question Ask(const Arguments& words) {
  Question question;
  const std::string& what = At(words, 0);
  const auto add = [&question](const char* kind, uint8_t command, bool is_dump) {
    question.kind = kind;
    question.is_dump = is_dump;
    return is_dump ? question.batch.AddDump(command, IPVS_GENL_VERSION)
                   : question.batch.Add(command, IPVS_GENL_VERSION, Confirmation::kOwn);
  };
  if (what == "family") {
    question.kind = "family";
    EncodeGetFamily(At(words, 1).c_str(), &question.batch);
  } else if (what == "services") {
    add("service", IPVS_CMD_GET_SERVICE, true);
  } else if (what == "service") {
    AttributeWriter writer = add("service", IPVS_CMD_GET_SERVICE, false);
    EncodeServiceKey(ParseKey(words, 1), &writer);
  } else if (what == "destinations") {
    AttributeWriter writer = add("destination", IPVS_CMD_GET_DEST, true);
    EncodeServiceKey(ParseKey(words, 1), &writer);
  } else if (what == "daemons") {
    add("daemon", IPVS_CMD_GET_DAEMON, true);
  } else if (what == "timeouts") {
    add("timeouts", IPVS_CMD_GET_CONFIG, false);
  } else if (what == "info") {
    add("info", IPVS_CMD_GET_INFO, false);
  } else {
    AttributeWriter writer = add(At(words, 1).c_str(), static_cast<uint8_t>(Number(At(words, 2))),
                                 At(words, 3) == "dump");
    Bytes attributes;
    const std::string hex = words.size() > 4 ? words[4] : "";
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
      const std::string pair = hex.substr(i, 2);
      attributes.push_back(static_cast<uint8_t>(std::strtoul(pair.c_str(), nullptr, 16)));
    }
    // Appended as one attribute and its header taken off: a writer appends nothing else.
    if (attributes.size() >= 4) {
      writer.Raw(static_cast<uint16_t>(attributes[2] + attributes[3] * 256), attributes.data() + 4,
                 attributes.size() - 4);
    }
  }
  return question;
}

class Talker {
 public:
  Talker(bool cap, bool ext) : fd_(::socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)) {
    const int on = 1;
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_pid = kPort;
    if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      Fail("bind");
    }
    if (cap) ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    if (ext) ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    const timeval patience{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }

  // The request as it was sent, and all that was answered.
  std::vector<Bytes> Exchange(uint16_t type, Question* question, Bytes* request) {
    const ByteView sealed = question->batch.Seal(type, kSequence);
    request->assign(sealed.data, sealed.data + sealed.size);
    if (::send(fd_.get(), sealed.data, sealed.size, 0) < 0) Fail("send");
    std::vector<Bytes> datagrams;
    while (!IsAnswered(datagrams)) {
      Bytes buffer(kBuffer);
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
      if (size < 0 || static_cast<size_t>(size) > kBuffer) Fail("recv");
      buffer.resize(static_cast<size_t>(size));
      datagrams.push_back(buffer);
    }
    return datagrams;
  }

 private:
  static bool IsAnswered(const std::vector<Bytes>& datagrams) {
    if (datagrams.empty()) return false;
    MessageReader reader{ByteView(datagrams.back())};
    Message message;
    while (reader.Next(&message)) {
      if (message.header.nlmsg_type == NLMSG_ERROR) return true;
      if (message.header.nlmsg_type == NLMSG_DONE) return true;
    }
    return false;
  }

  UniqueFd fd_;
};

uint16_t ResolveFamily() {
  Talker talker(false, false);
  Question question = Ask({"family", IPVS_GENL_NAME});
  Bytes request;
  const std::vector<Bytes> datagrams = talker.Exchange(GENL_ID_CTRL, &question, &request);
  MessageReader reader{ByteView(datagrams[0])};
  Message message;
  ByteView attributes;
  uint16_t id = 0;
  DecodeError error;
  if (!reader.Next(&message) || !GenericPayload(message, &attributes) ||
      !DecodeFamilyId(attributes, &id, &error)) {
    Fail("the IPVS family");
  }
  return id;
}

// Services come in the order of a hash that is another one after each boot of 7.2: sorted, into as
// many datagrams as there were.
void SortMessages(std::vector<Bytes>* datagrams) {
  std::vector<Bytes> messages;
  std::vector<std::pair<size_t, Bytes>> shape;  // how many records, and what follows them
  for (const Bytes& datagram : *datagrams) {
    MessageReader reader{ByteView(datagram)};
    Message message;
    shape.emplace_back();
    const uint8_t* at = datagram.data();
    while (reader.Next(&message)) {
      const size_t size = Align4(message.header.nlmsg_len);
      if (message.header.nlmsg_type == NLMSG_DONE) {
        shape.back().second.assign(at, at + size);
      } else {
        messages.emplace_back(at, at + size);
        shape.back().first++;
      }
      at += size;
    }
  }
  std::sort(messages.begin(), messages.end());
  size_t next = 0;
  for (size_t i = 0; i < datagrams->size(); i++) {
    Bytes& datagram = (*datagrams)[i];
    datagram.clear();
    for (size_t n = 0; n < shape[i].first; n++, next++) {
      datagram.insert(datagram.end(), messages[next].begin(), messages[next].end());
    }
    datagram.insert(datagram.end(), shape[i].second.begin(), shape[i].second.end());
  }
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Fail(path);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

std::string Array(const Arguments& items) {
  std::string json;
  for (const std::string& item : items) json += (json.empty() ? "" : ", ") + Quoted(item);
  return "[" + json + "]";
}

Arguments Lines(const std::string& text) {
  Arguments lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void Write(const std::string& path, const std::string& made_by, const std::string& last,
           const std::string& kind, const std::string& members) {
  utsname system{};
  ::uname(&system);
  Arguments commands = Lines(ReadFile(made_by));
  commands.push_back(last);
  std::ofstream file(path, std::ios::binary);
  file << "{\n\"kernel\": " << Quoted(system.release) << ",\n\"made by\": " << Array(commands)
       << ",\n\"kind\": " << Quoted(kind) << ",\n"
       << members << "\n}\n";
  if (!file.flush()) Fail(path);
}

std::string Joined(const Arguments& words) {
  std::string text = "capture";
  for (const std::string& word : words) text += " " + word;
  return text;
}

void Record(Arguments words) {
  const std::string path = At(words, 1), made_by = At(words, 2);
  words.erase(words.begin(), words.begin() + 3);
  const std::string last = Joined(words);
  bool cap = false, ext = false, nobody = false;
  for (; !words.empty(); words.erase(words.begin())) {
    bool* option = words[0] == "cap"      ? &cap
                   : words[0] == "ext"    ? &ext
                   : words[0] == "nobody" ? &nobody
                                          : nullptr;
    if (option == nullptr) break;
    *option = true;
  }
  Question question = Ask(words);
  const uint16_t type = question.kind == "family" ? GENL_ID_CTRL : ResolveFamily();
  Bytes request;
  std::vector<Bytes> datagrams;
  if (nobody) {
    // In a process of its own, because the file is still to be written with all rights.
    int ends[2];
    if (::pipe(ends) != 0) Fail("pipe");
    if (::fork() == 0) {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) Fail("setuid");
      datagrams = Talker(cap, ext).Exchange(type, &question, &request);
      if (::write(ends[1], datagrams[0].data(), datagrams[0].size()) < 0) Fail("write");
      std::exit(0);
    }
    const ByteView sealed = question.batch.Seal(type, kSequence);
    request.assign(sealed.data, sealed.data + sealed.size);
    Bytes buffer(kBuffer);
    const ssize_t size = ::read(ends[0], buffer.data(), buffer.size());
    if (size <= 0) Fail("read");
    buffer.resize(static_cast<size_t>(size));
    datagrams.push_back(buffer);
  } else {
    datagrams = Talker(cap, ext).Exchange(type, &question, &request);
  }
  if (question.kind == "service" && question.is_dump) SortMessages(&datagrams);
  Arguments hex;
  for (const Bytes& datagram : datagrams) hex.push_back(Hex(ByteView(datagram)));
  Write(path, made_by, last, question.kind,
        "\"request\": " + Quoted(Hex(ByteView(request))) + ",\n\"hex\": " + Array(hex) +
            ",\n\"decoded\": " + DescribeDatagrams(question.kind, datagrams));
}

// Seconds go by while a capture is taken: up to the next ten, in the same place.
std::string WithRoundedExpiry(const std::string& line, size_t column) {
  size_t at = 0;
  for (size_t word = 0; word < column; word++) {
    at = line.find(' ', at);
    if (at == std::string::npos) return line;
    at = line.find_first_not_of(' ', at);
    if (at == std::string::npos) return line;
  }
  const size_t end = std::min(line.find(' ', at), line.size());
  const std::string digits = line.substr(at, end - at);
  const std::string rounded = std::to_string((Number(digits) + 9) / 10 * 10);
  // The column is filled from the left: what it takes more in digits, it takes less in spaces.
  std::string before = line.substr(0, at);
  for (size_t extra = digits.size(); extra < rounded.size() && before.size() > 1; extra++) {
    before.pop_back();
  }
  for (size_t extra = rounded.size(); extra < digits.size(); extra++) before += ' ';
  return before + rounded + line.substr(end);
}

void RecordText(const Arguments& words) {
  const std::string kind = At(words, 3), source = At(words, 4);
  const bool has_origin = kind != "connections";
  Arguments lines = Lines(ReadFile(source));
  for (size_t i = 1; i < lines.size(); i++) {
    lines[i] = WithRoundedExpiry(lines[i], has_origin ? 9 : 8);
  }
  // The order is that of a hash.
  if (lines.size() > 1) std::sort(lines.begin() + 1, lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  Write(At(words, 1), At(words, 2), "cat " + source, kind,
        "\"text\": " + Array(lines) + ",\n\"decoded\": " + DescribeConnections(text, has_origin));
}

socklen_t ToSocketAddress(const std::string& text, uint32_t port, sockaddr_storage* storage) {
  Address address;
  const uint16_t family = ParseAddress(text, &address);
  if (family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(storage);
    v4->sin_family = family;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    std::memcpy(&v4->sin_addr, address.bytes, sizeof(v4->sin_addr));
    return sizeof(*v4);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(storage);
  v6->sin6_family = family;
  v6->sin6_port = htons(static_cast<uint16_t>(port));
  std::memcpy(&v6->sin6_addr, address.bytes, sizeof(v6->sin6_addr));
  return sizeof(*v6);
}

void Serve(const Arguments& words) {
  sockaddr_storage address{};
  const socklen_t length = ToSocketAddress("::", Number(At(words, 1)), &address);
  const UniqueFd fd(::socket(AF_INET6, SOCK_STREAM, 0));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) Fail("bind");
  if (::listen(fd.get(), 16) != 0) Fail("listen");
  for (;;) {
    if (::accept(fd.get(), nullptr, nullptr) < 0) Fail("accept");  // and keep it
  }
}

void Talk(const Arguments& words) {
  const int protocol = ParseProtocol(At(words, 1));
  sockaddr_storage from{}, to{};
  const socklen_t length = ToSocketAddress(At(words, 2), Number(At(words, 3)), &from);
  ToSocketAddress(At(words, 4), Number(At(words, 5)), &to);
  const int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  const UniqueFd fd(::socket(from.ss_family, type | SOCK_NONBLOCK, protocol));
  if (!fd) Fail("socket");
  const uint32_t mark = words.size() > 6 ? Number(words[6]) : 0;
  if (mark != 0) ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&from), length) != 0) Fail("bind");
  // What is not answered stays in the table all the same.
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), length) != 0 && errno != EINPROGRESS) {
    Fail("connect");
  }
  const std::string text = words.size() > 7 ? words[7] : "hello";
  if (protocol == IPPROTO_UDP && ::send(fd.get(), text.data(), text.size(), 0) < 0) Fail("send");
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments words(argv + 1, argv + argc);
  const std::string& what = At(words, 0);
  if (what == "record") {
    Record(words);
  } else if (what == "text") {
    RecordText(words);
  } else if (what == "serve") {
    Serve(words);
  } else if (what == "talk") {
    Talk(words);
  } else {
    std::fputs("capture: the comment in native/fuzz/capture.cc says how to use it\n", stderr);
    return 2;
  }
  return 0;
}
