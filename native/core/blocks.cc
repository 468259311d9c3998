#include "blocks.h"

#include <mutex>

namespace ipvs {

namespace {

// So many blocks are kept at most: 4 MiB, about 29,000 destinations.
constexpr size_t kKept = 64;

struct Free {
  std::mutex mutex;
  std::vector<uint8_t*> blocks;
};

// Never destroyed: a thread of the pool may outlive the end of main.
Free& TheFree() {
  static Free* const free = new Free();
  return *free;
}

}  // namespace

BlockPool::Block BlockPool::Take() {
  Free& free = TheFree();
  const std::lock_guard<std::mutex> lock(free.mutex);
  if (free.blocks.empty()) return Block(new uint8_t[kBytes]);
  Block block(free.blocks.back());
  free.blocks.pop_back();
  return block;
}

void BlockPool::Give(uint8_t* block) {
  Free& free = TheFree();
  const std::lock_guard<std::mutex> lock(free.mutex);
  if (free.blocks.size() < kKept) {
    free.blocks.push_back(block);
  } else {
    delete[] block;
  }
}

}  // namespace ipvs
