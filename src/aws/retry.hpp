#pragma once

#include <chrono>
#include <mutex>
#include <string_view>

#include "base/random.hpp"
#include "http/message.hpp"

namespace millrace::aws {

/// Bounds the retries of a client, so that an outage is not answered by a storm of them.
/// Threads: safe from any.
/// Source  the AWS SDKs' reference guide, "Retry behavior", standard mode.
class RetryBudget {
 public:
  static constexpr int kCapacity = 500;
  static constexpr int kRetryCost = 5;
  static constexpr int kTimeoutCost = 10;

  /// False if the budget is used up.
  [[nodiscard]] bool take(int cost);
  void give_back(int cost);

 private:
  std::mutex mutex_;
  int left_ = kCapacity;  // Guarded by mutex_.
};

enum class Pace : std::uint8_t { Passing, Throttled };

/// How long to wait before attempt number `attempt` (2 is the first retry): full jitter up to
/// 50 ms, throttled 1 s, doubled each time, 20 s at most; longer if the service says so.
std::chrono::milliseconds backoff(int attempt, Pace pace, const http::Headers& answer,
                                  base::Random& random);

bool is_throttling(std::string_view code);
/// The clocks of the client and the service differ too much, or the signature is too old.
bool is_clock_skew(std::string_view code);
bool is_expired_token(std::string_view code);

}  // namespace millrace::aws
