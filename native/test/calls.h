// System calls of the core that a test answers in place of the kernel, for what no kernel does on
// demand.
#ifndef IPVS_TEST_CALLS_H_
#define IPVS_TEST_CALLS_H_

#include <sys/socket.h>

#include <functional>
#include <vector>

namespace ipvs::test {

// What the next calls of recvmmsg do, while it lives: each is asked in turn and gives the result,
// or minus an errno. Afterwards the kernel answers again.
class ReceiveCalls {
 public:
  using Call = std::function<int(int fd, mmsghdr* messages, unsigned int most)>;

  explicit ReceiveCalls(std::vector<Call> calls);
  ~ReceiveCalls();
  ReceiveCalls(const ReceiveCalls&) = delete;
  ReceiveCalls& operator=(const ReceiveCalls&) = delete;

  // How many of them have been made.
  size_t made() const;
};

// The kernel's own answer, with no more than so many datagrams: what it does where the next one
// fails. Told is that failure by the call after it.
ReceiveCalls::Call AtMost(unsigned int datagrams);
ReceiveCalls::Call FailWith(int error);

}  // namespace ipvs::test

#endif  // IPVS_TEST_CALLS_H_
