#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>

namespace millrace::base {

/// Where random numbers come from; passed in, so that tests can seed it.
/// Threads: safe from any.
class Random {
 public:
  /// Seeded by the operating system.
  Random();
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t next();
  /// A whole number from 0 to `bound` - 1; `bound` above 0.
  std::uint64_t below(std::uint64_t bound);
  /// A random (version 4) UUID: `3f2504e0-4f89-41d3-9a0c-0305e82c3301`.
  std::string uuid();

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;  // Guarded by mutex_.
};

}  // namespace millrace::base
