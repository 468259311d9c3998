#include "calls.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace ipvs::test {

namespace {

// Only the thread that runs the test receives through the core.
std::vector<ReceiveCalls::Call> script;
size_t next;

int Real(int fd, mmsghdr* messages, unsigned int most) {
  return static_cast<int>(::syscall(SYS_recvmmsg, fd, messages, most, MSG_DONTWAIT, nullptr));
}

}  // namespace

ReceiveCalls::ReceiveCalls(std::vector<Call> calls) {
  script = std::move(calls);
  next = 0;
}

ReceiveCalls::~ReceiveCalls() { script.clear(); }

size_t ReceiveCalls::made() const { return next; }

ReceiveCalls::Call AtMost(unsigned int datagrams) {
  return [datagrams](int fd, mmsghdr* messages, unsigned int most) {
    const int count = Real(fd, messages, std::min(datagrams, most));
    return count < 0 ? -errno : count;
  };
}

ReceiveCalls::Call FailWith(int error) {
  return [error](int, mmsghdr*, unsigned int) { return -error; };
}

}  // namespace ipvs::test

// In front of the C library's, and of the sanitizers'.
extern "C" int recvmmsg(int fd, mmsghdr* messages, unsigned int most, int, timespec*) {
  using namespace ipvs::test;
  if (next >= script.size()) return Real(fd, messages, most);
  const int result = script[next++](fd, messages, most);
  if (result >= 0) return result;
  errno = -result;
  return -1;
}
