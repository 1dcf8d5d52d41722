#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace millrace::flow {

/// A key, by 128 bits of its hash: two keys in 10^19 records would be needed for a chance
/// collision.
struct Key128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Key128&) const = default;
};
Key128 key_of(std::string_view bytes);

/// Which record claims a key.
struct Claimant {
  std::int32_t shard = 0;
  std::int64_t offset = 0;
  bool operator==(const Claimant&) const = default;
};

/// A key that is taken at an event time (microseconds).
struct Claim {
  static constexpr std::int32_t kFree = std::numeric_limits<std::int32_t>::min();

  Key128 key;
  std::int64_t time = 0;
  std::int64_t offset = 0;
  std::int32_t shard = kFree;  // kFree: an empty slot

  Claimant claimant() const { return {shard, offset}; }
};

}  // namespace millrace::flow
