#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/record.hpp"
#include "base/result.hpp"

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

enum class Verdict : std::uint8_t {
  New,
  Duplicate,
  Own,  ///< the same record claimed it: not its own duplicate
};

struct DedupeOptions {
  std::chrono::microseconds within{};
  std::uint64_t bytes_max = std::uint64_t{128} << 20;  ///< in memory; older claims go to `spill`
  std::filesystem::path spill;  ///< a folder for claims that do not fit; emptied when opened
};

/// The keys that rows of a table have claimed, by event time: what `unique: {key, within}` asks. A
/// record is a duplicate if a claim of the same key is at most `within` away in event time.
/// Threads: one at a time.
class DedupeSet {
 public:
  explicit DedupeSet(DedupeOptions options)
      : options_(std::move(options)), within_(options_.within.count()) {}

  /// Claims the key unless it is claimed already.
  /// Errors  Exhausted, Unavailable: the spill folder cannot be written or read.
  base::Result<Verdict> claim(Key128 key, base::Time event_time, Claimant claimant);
  /// Drops claims of event times before `horizon`.
  void forget_before(base::Time horizon);
  base::Result<void> clear();

  std::size_t size() const { return count_; }
  std::uint64_t bytes() const;

 private:
  static constexpr std::int32_t kFree = std::numeric_limits<std::int32_t>::min();
  struct Entry {
    Key128 key;
    std::int64_t time = 0;
    std::int64_t offset = 0;
    std::int32_t shard = kFree;
  };
  /// The claims of one span of event time: an open-addressing table that is dropped as a whole.
  struct Bucket {
    std::vector<Entry> slots;
    std::size_t count = 0;
  };

  static void insert(Bucket& bucket, const Entry& entry);
  const Entry* find(const Bucket& bucket, Key128 key, std::int64_t time) const;
  std::int64_t bucket_of(std::int64_t time) const;

  const DedupeOptions options_;
  const std::int64_t within_;
  std::map<std::int64_t, Bucket> buckets_;  // by the span's number
  std::size_t count_ = 0;
};

}  // namespace millrace::flow
