// Counts what waits to be done. Who takes from it sleeps while there is nothing.
#ifndef IPVS_CORE_SEMAPHORE_H_
#define IPVS_CORE_SEMAPHORE_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace ipvs {

// Of a futex and nothing else: to wake by it is one system call, and to be woken another. A
// condition variable of glibc takes one more, to let go of its mutex, on each way.
class Semaphore {
 public:
  void Post() {
    count_.fetch_add(1);
    if (sleeping_.load() != 0) Futex(FUTEX_WAKE_PRIVATE, 1);
  }

  void Wait() {
    for (;;) {
      uint32_t count = count_.load();
      while (count != 0) {
        if (count_.compare_exchange_weak(count, count - 1)) return;
      }
      sleeping_.fetch_add(1);
      Futex(FUTEX_WAIT_PRIVATE, 0);  // at once where it is not 0 any more
      sleeping_.fetch_sub(1);
    }
  }

 private:
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "the kernel looks at it");

  void Futex(int operation, uint32_t value) {
    ::syscall(SYS_futex, &count_, operation, value, nullptr, nullptr, 0);
  }

  std::atomic<uint32_t> count_{0};
  std::atomic<uint32_t> sleeping_{0};
};

}  // namespace ipvs

#endif  // IPVS_CORE_SEMAPHORE_H_
