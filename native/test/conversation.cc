#include "conversation.h"

#include <sys/socket.h>

#include <cstdio>
#include <ctime>

namespace ipvs::test {

int64_t Stopwatch::Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

CommandBatch Commands(const std::string& plan) {
  CommandBatch batch;
  for (size_t i = 0; i < plan.size(); i++) {
    AttributeWriter writer =
        batch.Add(1, 1, plan[i] == 's' ? Confirmation::kShared : Confirmation::kOwn);
    writer.U32(1, static_cast<uint32_t>(i));
  }
  return batch;
}

CommandBatch Commands(size_t count) { return Commands(std::string(count, 'o')); }

uint32_t NumberOf(const Asked& asked) {
  return asked.attributes.size() < 8 ? UINT32_MAX : Load<uint32_t>(asked.attributes.data() + 4);
}

std::string Exchange(Connection* connection, const std::string& plan, int64_t milliseconds) {
  CommandBatch batch = Commands(plan);
  std::vector<Answer> answers;
  connection->Exchange(&batch, Deadline::After(milliseconds), &answers);
  return Describe(answers);
}

std::string Exchange(Connection* connection, size_t count, int64_t milliseconds) {
  return Exchange(connection, std::string(count, 'o'), milliseconds);
}

std::string Describe(const Failure& failure) {
  static const char* const kWords[] = {"ok",       "refused",   "system call", "unavailable",
                                       "not sent", "no answer", "malformed"};
  std::string text = kWords[static_cast<size_t>(failure.fault)];
  if (failure.syscall != nullptr) text += std::string(" ") + failure.syscall;
  if (failure.error != 0) text += " " + std::to_string(failure.error);
  if (!failure.detail.empty()) text += ": " + failure.detail;
  return text;
}

std::string Describe(const std::vector<Answer>& answers) {
  std::string text;
  for (const Answer& answer : answers) {
    if (!text.empty()) text += ", ";
    text += Describe(answer.failure);
    if (!answer.reply.empty()) text += " with " + ToHex(answer.reply);
    // An answer without a failure that never came would be a lie.
    if (!answer.failure && !answer.settled) text += " but unsettled";
  }
  return text;
}

std::string Log(const std::vector<Asked>& asked) {
  std::string text;
  for (size_t i = 0; i < asked.size(); i++) {
    const bool first = i == 0 || asked[i].datagram != asked[i - 1].datagram;
    if (first && i != 0) text += ' ';
    if (asked[i].header.nlmsg_type == GENL_ID_CTRL) {
      text += "family";
      continue;
    }
    char type[8];
    std::snprintf(type, sizeof(type), "%02x:", asked[i].header.nlmsg_type);
    text += first ? type : ",";
    text += std::to_string(NumberOf(asked[i]));
  }
  return text;
}

std::string Wanted(const std::vector<Asked>& asked) {
  std::string text;
  for (const Asked& command : asked) {
    if (!text.empty()) text += ',';
    text += std::to_string(NumberOf(command));
    if ((command.header.nlmsg_flags & NLM_F_ACK) != 0) text += '!';
  }
  return text;
}

int FindSocket(int protocol, uint32_t port) {
  for (int fd = 0; fd < 1024; fd++) {
    sockaddr_nl address{};
    socklen_t length = sizeof(address);
    int found = 0;
    socklen_t size = sizeof(found);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
        address.nl_family == AF_NETLINK && (port == 0 || address.nl_pid == port) &&
        ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &found, &size) == 0 && found == protocol) {
      return fd;
    }
  }
  return -1;
}

}  // namespace ipvs::test
