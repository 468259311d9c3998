// Things that are used again: to touch memory for the first time costs more than most of what is
// done with it here.
#ifndef IPVS_CORE_POOL_H_
#define IPVS_CORE_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace ipvs {

// Lends objects of one type to any thread and keeps `kMost` of them. What is borrowed may hold what
// the last one left in it.
template <typename T, size_t kMost>
class Pool {
 public:
  static std::unique_ptr<T> Take() {
    Kept& kept = TheKept();
    const std::lock_guard<std::mutex> lock(kept.mutex);
    if (kept.objects.empty()) return std::unique_ptr<T>(new T);
    std::unique_ptr<T> object = std::move(kept.objects.back());
    kept.objects.pop_back();
    return object;
  }

  static void Give(std::unique_ptr<T> object) {
    Kept& kept = TheKept();
    const std::lock_guard<std::mutex> lock(kept.mutex);
    if (kept.objects.size() < kMost) kept.objects.push_back(std::move(object));
  }

 private:
  struct Kept {
    std::mutex mutex;
    std::vector<std::unique_ptr<T>> objects;
  };

  // Never destroyed: a thread may outlive the end of main.
  static Kept& TheKept() {
    static Kept* const kept = new Kept();
    return *kept;
  }
};

}  // namespace ipvs

#endif  // IPVS_CORE_POOL_H_
