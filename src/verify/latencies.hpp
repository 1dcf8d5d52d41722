#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace millrace::verify {

/// Many latencies in little memory: buckets that are at most 1/64 wide of what they hold. The
/// largest is exact.
/// Threads: one at a time.
class Latencies {
 public:
  /// Below 0 counts as 0.
  void add(std::chrono::microseconds latency, std::uint64_t count = 1);
  void merge(const Latencies& other);

  std::uint64_t count() const { return count_; }
  std::chrono::microseconds max() const { return max_; }
  /// The least latency that at least the share `quantile` (0 to 1) of all does not exceed, up to
  /// the width of a bucket; 0 if there are none.
  std::chrono::microseconds quantile(double quantile) const;

 private:
  // Row 0 has a bucket for each value below 128; each further row holds one power of two, in the
  // upper half of its buckets.
  static constexpr std::size_t kSteps = 128;
  static constexpr std::size_t kBuckets = kSteps * 40;
  static std::size_t bucket_of(std::uint64_t micros);
  static std::uint64_t largest_of(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::chrono::microseconds max_{0};
};

}  // namespace millrace::verify
