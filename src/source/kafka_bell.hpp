#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "base/clock.hpp"

namespace millrace::source {

/// A bell that librdkafka may ring while it holds its own locks.
class KafkaBell {
 public:
  void ring();
  std::uint64_t rung() const;
  /// Waits until it rings again after `rung`, or until `end`.
  void wait(std::uint64_t rung, base::SteadyTime end, std::stop_token stop);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any rings_;
  std::uint64_t rung_ = 0;  // Guarded by mutex_.
};

}  // namespace millrace::source
