#include "core/semaphore.h"

#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

#include "harness.h"

namespace ipvs::test {
namespace {

TEST("What was posted is taken once each, whoever sleeps meanwhile") {
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  Semaphore semaphore;
  std::atomic<int> posted{0};
  std::atomic<int> taken{0};
  std::atomic<bool> too_many{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; n++) {
        semaphore.Wait();
        if (++taken > posted) too_many = true;
      }
    });
  }
  for (int n = 0; n < kThreads * kEach; n++) {
    posted++;
    semaphore.Post();
    if (n % 64 == 0) ::sched_yield();  // now and then all of them fall asleep
  }
  for (std::thread& thread : threads) thread.join();  // a lost one would leave it waiting
  CHECK_EQ(taken.load(), kThreads * kEach);
  CHECK(!too_many);
}

TEST("Nobody gets past a semaphore that nobody has posted to") {
  Semaphore semaphore;
  std::atomic<bool> past{false};
  std::atomic<bool> posted{false};
  bool early = true;
  std::thread thread([&] {
    semaphore.Wait();
    early = !posted;
    past = true;
  });
  for (int i = 0; i < 100; i++) ::sched_yield();
  CHECK(!past);
  posted = true;
  semaphore.Post();
  thread.join();
  CHECK(!early);
}

}  // namespace
}  // namespace ipvs::test
