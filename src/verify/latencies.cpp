#include "verify/latencies.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::verify {

using std::chrono::microseconds;

// 300 us = 0b100101100 has 9 bits: row 2, where 4 values share a bucket; 300 >> 2 = 75 is its
// place.
std::size_t Latencies::bucket_of(std::uint64_t micros) {
  const auto bits = static_cast<std::size_t>(std::bit_width(micros));
  const std::size_t row = bits > 7 ? bits - 7 : 0;
  return std::min(row * kSteps + static_cast<std::size_t>(micros >> row), kBuckets - 1);
}

std::uint64_t Latencies::largest_of(std::size_t bucket) {
  const std::size_t row = bucket / kSteps;
  return ((std::uint64_t{bucket % kSteps} + 1) << row) - 1;
}

void Latencies::add(microseconds latency, std::uint64_t count) {
  latency = std::max(latency, microseconds(0));
  counts_[bucket_of(static_cast<std::uint64_t>(latency.count()))] += count;
  count_ += count;
  max_ = std::max(max_, latency);
}

void Latencies::merge(const Latencies& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

microseconds Latencies::quantile(double quantile) const {
  if (count_ == 0) return microseconds(0);
  const auto rank = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= std::max<std::uint64_t>(rank, 1)) {
      return std::min(max_, microseconds(static_cast<std::int64_t>(largest_of(i))));
    }
  }
  return max_;
}

}  // namespace millrace::verify
