// A moment after which nobody waits any more.
#ifndef IPVS_CORE_DEADLINE_H_
#define IPVS_CORE_DEADLINE_H_

#include <cstdint>
#include <ctime>

namespace ipvs {

class Deadline {
 public:
  static Deadline After(int64_t milliseconds) { return Deadline(Now() + milliseconds); }
  // `moment` as Now counts.
  static Deadline At(int64_t moment) { return Deadline(moment); }

  // The same where somebody has just seen that it lies ahead, which the first Passed() believes: to
  // look at the clock is a system call on some machines.
  static Deadline Ahead(int64_t moment) {
    Deadline deadline(moment);
    deadline.ahead_ = true;
    return deadline;
  }

  // Milliseconds of a clock that nobody sets.
  static int64_t Now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
  }

  // What is left in milliseconds, never negative.
  int Remaining() const {
    const int64_t rest = at_ - Now();
    if (rest <= 0) return 0;
    return rest > kLongest ? kLongest : static_cast<int>(rest);
  }
  bool Passed() const {
    if (!ahead_) return Remaining() == 0;
    ahead_ = false;
    return false;
  }
  // The same for short steps in great number: looks at the clock the first time and every 64th.
  bool PassedSome() const { return steps_++ % kSteps == 0 && Passed(); }

 private:
  static constexpr int kLongest = 1 << 30;
  static constexpr uint32_t kSteps = 64;

  explicit Deadline(int64_t at) : at_(at) {}

  int64_t at_;
  mutable bool ahead_ = false;
  mutable uint32_t steps_ = 0;
};

}  // namespace ipvs

#endif  // IPVS_CORE_DEADLINE_H_
