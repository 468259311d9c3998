// A list that grows without moving, in memory that is used again.
#ifndef IPVS_CORE_BLOCKS_H_
#define IPVS_CORE_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

namespace ipvs {

// Pieces of memory of one size, some of which are kept for the next who needs one: to touch memory
// for the first time costs more than what is done with it here. Any thread.
class BlockPool {
 public:
  static constexpr size_t kBytes = size_t{64} * 1024;

  struct Return {
    void operator()(uint8_t* block) const { Give(block); }
  };
  using Block = std::unique_ptr<uint8_t[], Return>;

  static Block Take();

 private:
  static void Give(uint8_t* block);
};

template <typename T>
class Blocks {
  static_assert(std::is_trivially_copyable<T>::value, "only plain values lie in a block");

 public:
  size_t size() const { return size_; }
  size_t bytes() const { return blocks_.size() * BlockPool::kBytes; }

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
  static constexpr size_t kPerBlock = BlockPool::kBytes / sizeof(T);

  uint8_t* At(size_t index) const {
    return blocks_[index / kPerBlock].get() + index % kPerBlock * sizeof(T);
  }

  std::vector<BlockPool::Block> blocks_;
  size_t size_ = 0;
};

}  // namespace ipvs

#endif  // IPVS_CORE_BLOCKS_H_
