// A list that grows without moving, in memory that is used again.
#ifndef IPVS_CORE_BLOCKS_H_
#define IPVS_CORE_BLOCKS_H_

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "pool.h"

namespace ipvs {

struct Block {
  static constexpr size_t kBytes = size_t{64} * 1024;
  uint8_t bytes[kBytes];
};

// 16 MiB of blocks are kept at most: the records of 100,000 destinations.
using BlockPool = Pool<Block, 256>;

template <typename T>
class Blocks {
  static_assert(std::is_trivially_copyable<T>::value, "only plain values lie in a block");

 public:
  Blocks() = default;
  Blocks(Blocks&& other) noexcept { *this = std::move(other); }
  Blocks& operator=(Blocks&& other) noexcept {
    std::swap(blocks_, other.blocks_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Blocks() {
    for (std::unique_ptr<Block>& block : blocks_) BlockPool::Give(std::move(block));
  }

  size_t size() const { return size_; }
  size_t bytes() const { return blocks_.size() * Block::kBytes; }

  void push_back(const T& value) {
    if (size_ == blocks_.size() * kPerBlock) blocks_.push_back(BlockPool::Take());
    std::memcpy(At(size_++), &value, sizeof(T));
  }

  T operator[](size_t index) const {
    T value;
    std::memcpy(&value, At(index), sizeof(T));
    return value;
  }

 private:
  static constexpr size_t kPerBlock = Block::kBytes / sizeof(T);

  uint8_t* At(size_t index) const {
    return blocks_[index / kPerBlock]->bytes + index % kPerBlock * sizeof(T);
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  size_t size_ = 0;
};

}  // namespace ipvs

#endif  // IPVS_CORE_BLOCKS_H_
