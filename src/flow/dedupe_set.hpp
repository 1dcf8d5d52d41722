#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "flow/claim.hpp"
#include "flow/spilled_claims.hpp"

namespace millrace::flow {

enum class Verdict : std::uint8_t {
  New,
  Duplicate,
  Own,  ///< the same record claimed it: not its own duplicate
};

struct DedupeOptions {
  std::chrono::microseconds within{};
  std::uint64_t bytes_max = std::uint64_t{128} << 20;  ///< in memory; older claims go to `spill`
  std::filesystem::path spill;  ///< a folder for claims that do not fit; made when needed
};

/// The keys that rows of a table have claimed, by event time: what `unique: {key, within}` asks. A
/// record is a duplicate if a claim of the same key is at most `within` away in event time. It
/// forgets nothing before it is told to: what does not fit into memory goes to disk.
/// Threads: one at a time.
class DedupeSet {
 public:
  explicit DedupeSet(DedupeOptions options)
      : options_(std::move(options)), within_(options_.within.count()) {}

  /// Claims the key unless it is claimed already.
  /// Errors  Exhausted, Unavailable: the spill folder cannot be written or read.
  base::Result<Verdict> claim(Key128 key, base::Time event_time, Claimant claimant);
  /// Drops claims of event times before `horizon`.
  base::Result<void> forget_before(base::Time horizon);
  void clear();

  /// In memory.
  std::uint64_t bytes() const { return bytes_; }
  bool has_spilled() const { return spilled_ != nullptr; }

 private:
  /// The claims of one span of event time: an open-addressing table that is dropped as a whole.
  struct Bucket {
    std::vector<Claim> slots;
    std::size_t count = 0;
  };

  void insert(Bucket& bucket, const Claim& claim);
  const Claim* find(const Bucket& bucket, Key128 key, std::int64_t time) const;
  std::int64_t bucket_of(std::int64_t time) const;
  base::Result<void> spill_oldest();

  const DedupeOptions options_;
  const std::int64_t within_;
  std::map<std::int64_t, Bucket> buckets_;  // by the span's number
  std::uint64_t bytes_ = 0;
  std::unique_ptr<SpilledClaims> spilled_;  // null: nothing yet
};

}  // namespace millrace::flow
