#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "log/log.hpp"
#include "log/shard.hpp"

namespace millrace::log {

/// A stream's shards by number. There come more while others read.
/// Threads: `add` from one at a time, the rest from any.
class ShardList {
 public:
  ShardList() : shards_(std::make_unique<std::unique_ptr<Shard>[]>(kShardsMax)) {}

  std::size_t size() const { return size_.load(std::memory_order_acquire); }
  Shard& operator[](std::size_t index) const {
    CHECK(index < size());
    return *shards_[index];
  }
  void add(std::unique_ptr<Shard> shard) {
    const std::size_t size = size_.load(std::memory_order_relaxed);
    CHECK(size < kShardsMax);
    shards_[size] = std::move(shard);
    size_.store(size + 1, std::memory_order_release);
  }

 private:
  const std::unique_ptr<std::unique_ptr<Shard>[]> shards_;
  std::atomic<std::size_t> size_{0};
};

}  // namespace millrace::log
